package s3test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/s3api"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/sigv4"
)

// The keys and the owner of an endpoint made by Serve.
const (
	AccessKey   = "S3TESTACCESSKEY"
	SecretKey   = "s3test/secret+key/of/no/importance"
	OwnerID     = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
	DisplayName = "s3test"
)

// Static is a credential store of fixed keys.
type Static map[string]sigv4.Credential

// Lookup implements sigv4.CredentialStore.
func (s Static) Lookup(key string) (sigv4.Credential, bool) {
	c, ok := s[key]
	return c, ok
}

// Keys are the credentials of Serve.
func Keys() Static {
	return Static{AccessKey: {SecretKey: SecretKey, Principal: sigv4.Principal{AccessKey: AccessKey, ID: OwnerID, DisplayName: DisplayName}}}
}

// Options change what Serve makes.
type Options struct {
	Backend objects.Backend
	Region  string
	TLS     *tls.Config
	// API and Edge see the configurations before they are used.
	API  func(*s3api.Config)
	Edge func(*edge.Config)
}

// Serve runs the whole front over a Backend on a loopback port until the test ends.
func Serve(t testing.TB, o Options) Target {
	t.Helper()
	cfg := s3api.Config{Backend: o.Backend, Region: o.Region}
	if o.API != nil {
		o.API(&cfg)
	}
	api, err := s3api.New(cfg)
	require.NoError(t, err)
	front := edge.Config{Handler: api.Handle, Credentials: Keys(), Region: o.Region, Observer: api.Observer()}
	if o.Edge != nil {
		o.Edge(&front)
	}
	server, err := edge.New(front)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	scheme := "http://"
	if o.TLS != nil {
		ln, scheme = tls.NewListener(ln, o.TLS), "https://"
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(ctx)
		require.NoError(t, <-done)
	})
	return Target{Endpoint: scheme + ln.Addr().String(), AccessKey: AccessKey, SecretKey: SecretKey, Region: o.Region}
}

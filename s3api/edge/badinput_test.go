package edge

import (
	"context"
	"net"
	"testing"
	"time"

	"catena/s3api/s3test/badinput"
	"catena/s3api/sigv4"

	"github.com/stretchr/testify/require"
)

const (
	testKey    = "AKIATEST"
	testSecret = "test-secret"
)

type credentials struct{}

func (credentials) Lookup(k string) (sigv4.Credential, bool) {
	return sigv4.Credential{SecretKey: testSecret, Principal: sigv4.Principal{ID: "owner"}}, k == testKey
}

// start serves cfg on a loopback port until the test ends.
func start(t testing.TB, cfg Config) (addr string, srv *Server) {
	t.Helper()
	cfg.Credentials = credentials{}
	if cfg.Handler == nil {
		cfg.Handler = newMemory().handle
	}
	srv, err := New(cfg)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		require.NoError(t, <-done)
	})
	return ln.Addr().String(), srv
}

// TestBadInput runs the catalogue against the front with objects in a map behind it, but for the body that stalls: TestStalledBodyTimesOut.
func TestBadInput(t *testing.T) {
	addr, _ := start(t, Config{LingerTimeout: 200 * time.Millisecond, Domains: []string{"s3.test"}})
	badinput.Run(t, badinput.Target{Addr: addr, AccessKey: testKey, SecretKey: testSecret, Domain: "s3.test"})
}

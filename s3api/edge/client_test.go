package edge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	mcreds "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestMinioClient(t *testing.T) {
	cert, pool := selfSigned(t)
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			srv, err := New(Config{Handler: newMemory().handle, Credentials: credentials{}, LingerTimeout: 100 * time.Millisecond})
			require.NoError(t, err)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			addr := ln.Addr().String()
			if secure {
				ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
			}
			go srv.Serve(ln)
			defer srv.Shutdown(context.Background())
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
			defer transport.CloseIdleConnections()
			client, err := minio.New(addr, &minio.Options{Creds: mcreds.NewStaticV4(testKey, testSecret, ""), Secure: secure,
				Transport: transport, Region: "us-east-1", TrailingHeaders: true})
			require.NoError(t, err)
			ctx := context.Background()
			require.NoError(t, client.MakeBucket(ctx, "bucket", minio.MakeBucketOptions{}))
			for _, size := range []int{0, 1, 100, 200_000, 3 << 20} {
				data := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
				for _, opts := range []minio.PutObjectOptions{{}, {Checksum: minio.ChecksumCRC32C}, {SendContentMd5: true}, {DisableContentSha256: true}} {
					_, err := client.PutObject(ctx, "bucket", "ä b+c/k", bytes.NewReader(data), int64(size), opts)
					require.NoError(t, err, "%d %+v", size, opts)
					o, err := client.GetObject(ctx, "bucket", "ä b+c/k", minio.GetObjectOptions{})
					require.NoError(t, err)
					got, err := io.ReadAll(o)
					require.NoError(t, err)
					require.True(t, bytes.Equal(data, got), "%d bytes, want %d", len(got), size)
				}
			}
			u, err := client.PresignedGetObject(ctx, "bucket", "ä b+c/k", time.Hour, nil)
			require.NoError(t, err)
			resp, err := (&http.Client{Transport: transport}).Get(u.String())
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, 200, resp.StatusCode)
			_, err = client.StatObject(ctx, "bucket", "absent", minio.StatObjectOptions{})
			require.Equal(t, "NoSuchKey", minio.ToErrorResponse(err).Code)
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	addr, _ := start(t, Config{MaxRequests: 4, QueueWait: 5 * time.Second})
	dial(t, addr).do(t, "PUT", signed("PUT", addr, "/bkt", ""))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := dial(t, addr)
			for n := range 20 {
				want := strings.Repeat(fmt.Sprint(i), 1000*n)
				key := fmt.Sprintf("/bkt/k%d", i)
				resp, _ := c.do(t, "PUT", signed("PUT", addr, key, want))
				_, got := c.do(t, "GET", signed("GET", addr, key, ""))
				if resp.StatusCode != 200 || got != want {
					t.Errorf("%d: %d bytes, want %d", i, len(got), len(want))
				}
			}
		})
	}
	wg.Wait()
}

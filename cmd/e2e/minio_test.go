package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// minioClient is a minio-go client. With a domain, buckets are host names below it, which are all
// found at the server's address.
func (f front) minioClient(t *testing.T, domain string) (*minio.Client, *http.Client) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: loopback(), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, f.srv.S3)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	endpoint, lookup := f.srv.S3, minio.BucketLookupPath
	if domain != "" {
		_, port, err := net.SplitHostPort(f.srv.S3)
		require.NoError(t, err)
		endpoint, lookup = net.JoinHostPort(domain, port), minio.BucketLookupDNS
	}
	c, err := minio.New(endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(f.srv.AccessKey, f.srv.SecretKey, ""), Secure: f.insecure, Transport: transport,
		BucketLookup: lookup, TrailingHeaders: true, MaxRetries: 1,
	})
	require.NoError(t, err)
	return c, &http.Client{Transport: transport}
}

// TestMinioGo is a session of minio-go, which signs the chunks of a body over HTTP and sends an
// unsigned trailer over TLS.
func TestMinioGo(t *testing.T) {
	eachFront(t, func(t *testing.T, f front) {
		c, web := f.minioClient(t, "")
		minioSession(t, c, web, 40<<20+7)
	})
}

// TestVirtualHosts is the same session with the bucket in the host name.
func TestVirtualHosts(t *testing.T) {
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%t", tls), func(t *testing.T) {
			srv := serve(t, tls, "--domain", "s3.test")
			f := front{endpoint: srv.Endpoint(), srv: srv, insecure: tls}
			c, web := f.minioClient(t, "s3.test")
			minioSession(t, c, web, 11<<20)
			c, _ = f.minioClient(t, "") // path style goes on beside it
			require.NoError(t, c.MakeBucket(t.Context(), "path-style", minio.MakeBucketOptions{}))
		})
	}
}

// minioSession moves a small object and one of bigSize bytes in every way there is.
func minioSession(t *testing.T, c *minio.Client, web *http.Client, bigSize int64) {
	t.Helper()
	ctx := t.Context()
	const bucket = "minio-go"
	require.NoError(t, c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}))
	found, err := c.ListBuckets(ctx)
	require.NoError(t, err)
	require.Len(t, found, 1)
	big, small := randomFile(t, bigSize), randomFile(t, 12345)

	_, err = c.FPutObject(ctx, bucket, "dir/small", small, minio.PutObjectOptions{ContentType: "text/x", UserMetadata: map[string]string{"a": "b c"}})
	require.NoError(t, err)
	for key, opts := range map[string]minio.PutObjectOptions{
		"parts": {PartSize: 5 << 20, NumThreads: 4}, "parts-sha256": {PartSize: 16 << 20, Checksum: minio.ChecksumSHA256}, "one": {DisableMultipart: true},
	} {
		_, err := c.FPutObject(ctx, bucket, key, big, opts)
		require.NoError(t, err, key)
		fetched(t, c, bucket, key, big)
	}
	fetched(t, c, bucket, "dir/small", small)
	info, err := c.StatObject(ctx, bucket, "dir/small", minio.StatObjectOptions{})
	require.NoError(t, err)
	require.Equal(t, "text/x", info.ContentType)
	require.Equal(t, "b c", info.UserMetadata["A"])
	_, err = c.StatObject(ctx, bucket, "absent", minio.StatObjectOptions{})
	require.Equal(t, "NoSuchKey", minio.ToErrorResponse(err).Code)

	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy"}, minio.CopySrcOptions{Bucket: bucket, Object: "parts"})
	require.NoError(t, err)
	fetched(t, c, bucket, "copy", big)
	_, err = c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"},
		minio.CopySrcOptions{Bucket: bucket, Object: "one"}, minio.CopySrcOptions{Bucket: bucket, Object: "dir/small"})
	require.NoError(t, err)
	fetched(t, c, bucket, "composed", joined(t, big, small))

	minioPresigned(t, c, web, bucket, small)
	minioRemove(t, c, bucket, []string{"composed", "copy", "dir/", "one", "parts", "parts-sha256", "presigned ü+"})
}

// minioPresigned puts and gets by URL.
func minioPresigned(t *testing.T, c *minio.Client, web *http.Client, bucket, file string) {
	t.Helper()
	ctx := t.Context()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	u, err := c.PresignedPutObject(ctx, bucket, "presigned ü+", time.Minute)
	require.NoError(t, err)
	req, err := http.NewRequest(http.MethodPut, u.String(), bytes.NewReader(data))
	require.NoError(t, err)
	resp, err := web.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	u, err = c.PresignedGetObject(ctx, bucket, "presigned ü+", time.Minute, map[string][]string{"response-content-type": {"image/x"}})
	require.NoError(t, err)
	resp, err = web.Get(u.String())
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "image/x", resp.Header.Get("Content-Type"))
	require.True(t, bytes.Equal(data, got))
}

// minioRemove lists, removes everything with DeleteObjects, and then the bucket.
func minioRemove(t *testing.T, c *minio.Client, bucket string, want []string) {
	t.Helper()
	ctx := t.Context()
	var keys []string
	for o := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{}) {
		require.NoError(t, o.Err)
		keys = append(keys, o.Key)
	}
	require.ElementsMatch(t, want, keys)
	err := c.RemoveBucket(ctx, bucket)
	require.Equal(t, "BucketNotEmpty", minio.ToErrorResponse(err).Code)
	for e := range c.RemoveObjects(ctx, bucket, c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}), minio.RemoveObjectsOptions{}) {
		require.NoError(t, e.Err)
	}
	require.NoError(t, c.RemoveBucket(ctx, bucket))
}

// fetched downloads an object and compares it with a file.
func fetched(t *testing.T, c *minio.Client, bucket, key, want string) {
	t.Helper()
	got := filepath.Join(t.TempDir(), strings.ReplaceAll(key, "/", "_"))
	require.NoError(t, c.FGetObject(t.Context(), bucket, key, got, minio.GetObjectOptions{}), key)
	sameFile(t, want, got)
	require.NoError(t, os.Remove(got))
}

// joined is a file of the bytes of others.
func joined(t *testing.T, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "joined")
	var all []byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		all = append(all, b...)
	}
	require.NoError(t, os.WriteFile(path, all, 0o600))
	return path
}

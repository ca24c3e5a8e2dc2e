package s3test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/s3api"
	"catena/s3api/objects"
	"catena/s3api/s3test/model"
)

// broken is a store that fails every operation of a kind, or breaks off the reading.
type broken struct {
	*model.Model
	kind objects.Kind
	// readable is how many bytes a reader gives before it fails.
	readable int64
}

func (b *broken) err() error {
	return &objects.Error{Kind: b.kind, Op: "broken", Cause: errors.New("secret of the chains")}
}

func (b *broken) Put(context.Context, objects.Put, objects.Body) (objects.Info, error) {
	return objects.Info{}, b.err()
}

func (b *broken) Head(context.Context, string, string) (objects.Info, error) {
	return objects.Info{}, b.err()
}

func (b *broken) List(context.Context, objects.List) (objects.Page, error) {
	return objects.Page{}, b.err()
}

func (b *broken) DeleteMany(context.Context, string, []objects.Delete) ([]error, error) {
	return nil, b.err()
}

func (b *broken) Get(ctx context.Context, bucket, key string) (objects.Object, error) {
	o, err := b.Model.Get(ctx, bucket, key)
	return cut{o, b}, err
}

type cut struct {
	objects.Object
	b *broken
}

func (c cut) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	r, err := c.Object.Range(ctx, off, n)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(r, c.b.readable), failing{c.b.err()})), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTroubleBelow(t *testing.T) {
	for kind, want := range map[objects.Kind]struct {
		status int
		code   string
	}{
		objects.KindUnavailable: {503, "ServiceUnavailable"}, objects.KindSlowDown: {503, "SlowDown"}, objects.KindFull: {507, "InsufficientStorage"},
		objects.KindUnknown: {500, "InternalError"}, objects.KindInternal: {500, "InternalError"},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			b := &broken{Model: model.New(model.Config{}), kind: kind}
			s := newSuite(t, Serve(t, Options{Backend: b}))
			s.ok(t, call{method: "PUT", bucket: "bbb"})
			del := deleteBody(t, false, keyList("a", "b")...)
			for _, c := range []call{{method: "PUT", key: "k", body: pattern(100_000, 1)}, {method: "GET", query: "list-type=2"}, s.deleteCall("bbb", del),
				{method: "GET", key: "k", query: "acl"}} {
				c.bucket = "bbb"
				a := s.fails(t, c, want.status, want.code)
				require.NotContains(t, a.text(), "secret")
			}
			a := s.fails(t, call{method: "HEAD", bucket: "bbb", key: "k"}, want.status, "")
			require.Empty(t, a.body)
			s.ok(t, call{method: "HEAD", bucket: "bbb"})
		})
	}
}

// TestReadThatBreaksOff: trouble before the first frame is an error, later it is a broken
// connection and never an object that looks whole.
func TestReadThatBreaksOff(t *testing.T) {
	m := model.New(model.Config{})
	b := &broken{Model: m, kind: objects.KindUnavailable}
	s := newSuite(t, Serve(t, Options{Backend: b}))
	s.ok(t, call{method: "PUT", bucket: "bbb"})
	_, err := m.Put(context.Background(), objects.Put{Bucket: "bbb", Key: "big"}, bodyOf(pattern(3<<20, 1)))
	require.NoError(t, err)
	_, err = m.Put(context.Background(), objects.Put{Bucket: "bbb", Key: "small"}, bodyOf(pattern(1000, 1)))
	require.NoError(t, err)
	for _, key := range []string{"big", "small"} {
		s.fails(t, call{method: "GET", bucket: "bbb", key: key}, 503, "ServiceUnavailable")
	}
	b.readable = 999
	s.fails(t, call{method: "GET", bucket: "bbb", key: "small"}, 503, "ServiceUnavailable")
	b.readable = 1 << 20
	resp, err := s.http.Do(s.request(t, call{method: "GET", bucket: "bbb", key: "big"}))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	got, err := io.ReadAll(resp.Body)
	require.Error(t, err, "the client sees that the answer is not whole")
	require.Less(t, len(got), 3<<20)
	require.Equal(t, string(pattern(3<<20, 1)[:len(got)]), string(got))
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := newSuite(t, Serve(t, Options{Backend: model.New(model.Config{}), API: func(c *s3api.Config) { c.Registerer = reg }}))
	s.ok(t, call{method: "PUT", bucket: "bbb"})
	s.put(t, "bbb", "k", "12345")
	s.get(t, "bbb", "k")
	s.fails(t, call{method: "GET", bucket: "bbb", key: "none"}, 404, "NoSuchKey")
	want := map[string]float64{" CreateBucket 200": 1, " GetObject 200": 1, " PutObject 200": 1, "NoSuchKey GetObject 404": 1}
	// The last request is counted after its answer was sent.
	require.Eventually(t, func() bool { return maps.Equal(want, requestCounts(t, reg)) }, 5*time.Second, time.Millisecond)
	_, err := s3api.New(s3api.Config{Backend: model.New(model.Config{}), Registerer: reg})
	require.Error(t, err, "the same metrics twice")
}

// requestCounts reads catena_s3_requests_total: code, operation, status (the labels in the
// order of their names).
func requestCounts(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	families, err := reg.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "catena_s3_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			counts[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return counts
}

func TestOverTLS(t *testing.T) {
	certs := httptest.NewTLSServer(nil)
	defer certs.Close()
	target := Serve(t, Options{Backend: model.New(model.Config{}), TLS: &tls.Config{Certificates: certs.TLS.Certificates}})
	roots := x509.NewCertPool()
	roots.AddCert(certs.Certificate())
	target.TLS, target.Small = &tls.Config{RootCAs: roots}, true
	s := newSuite(t, target)
	t.Run("Objects", func(t *testing.T) { testObjects(t, s) })
	t.Run("Checksums", func(t *testing.T) { testChecksums(t, s) })
	t.Run("Multipart", func(t *testing.T) { testMultipart(t, s) })
	t.Run("MinioClient", func(t *testing.T) { testMinioClient(t, s) })
}

package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"

	"github.com/minio/minio-go/v7"
	mcreds "github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// signed is a signed request in bytes; lines are more header lines, not signed.
func signed(method, host, target, body string, lines ...string) string {
	s := sigv4.Signer{AccessKey: testKey, SecretKey: testSecret, Time: time.Now()}
	f, _ := s.Header(sigv4.Unsigned{Method: method, Target: target, Host: host}, "UNSIGNED-PAYLOAD")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	for _, x := range f {
		fmt.Fprintf(&b, "%s: %s\r\n", x.Name, x.Value)
	}
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if body != "" || method == "PUT" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return b.String() + "\r\n" + body
}

type wireClient struct {
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *wireClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &wireClient{c, bufio.NewReader(c)}
}

func (c *wireClient) do(t testing.TB, method, raw string) (*http.Response, string) {
	t.Helper()
	_, err := io.WriteString(c, raw)
	require.NoError(t, err)
	return c.read(t, method)
}

func (c *wireClient) read(t testing.TB, method string) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

// atEnd checks that the server closes without another byte.
func (c *wireClient) atEnd(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(c.r)
	require.Empty(t, rest)
	if err != nil {
		require.ErrorContains(t, err, "reset")
	}
}

func only(resp *Response, err error) Handler {
	return func(context.Context, *Request) (*Response, error) { return resp, err }
}

func TestAPanicIsA500AndTheProcessLives(t *testing.T) {
	var log logBuffer
	addr, _ := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	c := dial(t, addr)
	resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/panic", ""))
	require.Equal(t, 500, resp.StatusCode)
	require.Contains(t, body, "<Code>InternalError</Code>")
	require.NotContains(t, body, "asked to")
	require.True(t, resp.Close)
	c.atEnd(t)
	require.Contains(t, log.String(), "asked to")
	require.Contains(t, log.String(), resp.Header.Get("x-amz-request-id"))
	resp, _ = dial(t, addr).do(t, "HEAD", signed("HEAD", addr, "/bkt", ""))
	require.Equal(t, 404, resp.StatusCode)
}

func TestUnknownErrorsAre500WithoutTheCause(t *testing.T) {
	var log logBuffer
	addr, _ := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Handler: only(nil, errors.New("disk sda is on fire"))})
	c := dial(t, addr)
	for range 2 {
		resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 500, resp.StatusCode)
		require.NotContains(t, body, "sda")
		require.False(t, resp.Close)
	}
	require.Contains(t, log.String(), "sda")
	for _, r := range []Handler{only(nil, nil), only((&Response{}).Set("X-A", "b\r\nX-B: c"), nil), only((&Response{}).Set("X A", "b"), nil)} {
		addr, _ := start(t, Config{Handler: r})
		resp, _ := dial(t, addr).do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 500, resp.StatusCode)
		require.Empty(t, resp.Header.Get("X-B"))
	}
}

func TestHeadAnswers(t *testing.T) {
	addr, _ := start(t, Config{Handler: func(_ context.Context, req *Request) (*Response, error) {
		if req.Key == "k" {
			return (&Response{Length: 1 << 40}).Set("ETag", `"e"`).Set("x-amz-meta-A", "b"), nil
		}
		return nil, s3err.New(s3err.NoSuchKey)
	}})
	c := dial(t, addr)
	for range 2 { // the connection stays right
		_, err := io.WriteString(c, signed("HEAD", addr, "/bkt/k", ""))
		require.NoError(t, err)
		resp, err := http.ReadResponse(c.r, &http.Request{Method: "HEAD"})
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, int64(1<<40), resp.ContentLength)
		resp, body := c.do(t, "HEAD", signed("HEAD", addr, "/bkt/absent", ""))
		require.Equal(t, 404, resp.StatusCode)
		require.Empty(t, body)
	}
	resp, _ := c.do(t, "HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	require.Equal(t, 400, resp.StatusCode)
	c.atEnd(t)
}

func TestHeaderNamesAreSentAsWritten(t *testing.T) {
	addr, _ := start(t, Config{Handler: only((&Response{}).Set("ETag", `"e"`).Set("x-amz-meta-FooBar", "v").SetInt("x-n", 7).SetTime("Last-Modified", time.Unix(1e9, 0)), nil)})
	c := dial(t, addr)
	io.WriteString(c, signed("GET", addr, "/bkt/k", "", "Connection: close"))
	raw, err := io.ReadAll(c)
	require.NoError(t, err)
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", "\r\nETag: \"e\"\r\n", "\r\nx-amz-meta-FooBar: v\r\n", "\r\nx-n: 7\r\n", "\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n", "\r\nServer: Catena\r\n", "\r\nx-amz-request-id: ", "\r\nContent-Length: 0\r\n", "\r\nConnection: close\r\n"} {
		require.Contains(t, string(raw), want)
	}
	require.NotContains(t, string(raw), "Content-Type")
}

func TestNotModifiedHasNoBody(t *testing.T) {
	addr, _ := start(t, Config{Handler: only(nil, s3err.New(s3err.NotModified).WithHeader("ETag", `"e"`))})
	c := dial(t, addr)
	for range 2 {
		resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 304, resp.StatusCode)
		require.Equal(t, `"e"`, resp.Header.Get("ETag"))
		require.Empty(t, body)
	}
}

// stream is a Stream of given frames and then an error.
type stream struct {
	frames [][]byte
	err    error
	closed int
}

func (s *stream) Next() ([]byte, error) {
	if len(s.frames) == 0 {
		if s.err == nil {
			panic("a stream was read behind its length")
		}
		return nil, s.err
	}
	f := s.frames[0]
	s.frames = s.frames[1:]
	return f, nil
}

func (s *stream) Close() error { s.closed++; return nil }

func TestStreams(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 300<<10)
	for _, c := range []struct {
		name   string
		stream *stream
		length int64
		status int
		whole  bool
	}{
		{"good", &stream{frames: [][]byte{big, []byte("y"), {}, []byte("z")}}, int64(len(big) + 2), 200, true},
		{"empty", &stream{err: io.EOF}, 0, 200, true},
		{"first frame fails", &stream{err: errors.New("bad checksum")}, 5, 500, true},
		{"first frame is a refusal", &stream{err: s3err.New(s3err.SlowDown)}, 5, 503, true},
		{"empty but has a length", &stream{err: io.EOF}, 5, 500, true},
		{"later frame fails", &stream{frames: [][]byte{big}, err: errors.New("bad checksum")}, int64(len(big) + 2), 200, false},
		{"too short", &stream{frames: [][]byte{big}, err: io.EOF}, int64(len(big) + 2), 200, false},
		{"too long", &stream{frames: [][]byte{[]byte("abc"), []byte("def")}}, 5, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			obs := &observer{done: make(chan Event, 9)}
			addr, _ := start(t, Config{Handler: only(&Response{Stream: c.stream, Length: c.length}, nil), Observer: obs})
			conn := dial(t, addr)
			io.WriteString(conn, signed("GET", addr, "/bkt/k", ""))
			resp, err := http.ReadResponse(conn.r, nil)
			if c.whole || err == nil { // a small broken answer may not be sent at all
				require.NoError(t, err)
				require.Equal(t, c.status, resp.StatusCode)
				body, err := io.ReadAll(resp.Body)
				if !c.whole {
					require.Error(t, err, "half a body looks whole: %d of %d", len(body), c.length)
				} else {
					require.NoError(t, err)
				}
				if c.whole && c.status == 200 {
					require.EqualValues(t, c.length, len(body))
				}
			}
			ev := <-obs.done
			require.Equal(t, c.status, ev.Status)
			require.Equal(t, 1, c.stream.closed)
		})
	}
}

type observer struct {
	noObserver
	done chan Event
}

func (o *observer) RequestDone(ev Event) { o.done <- ev }

func TestObserverSeesBytes(t *testing.T) {
	obs := &observer{done: make(chan Event, 9)}
	addr, _ := start(t, Config{Observer: obs})
	c := dial(t, addr)
	c.do(t, "PUT", signed("PUT", addr, "/bkt", ""))
	c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "12345"))
	c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	_, body := c.do(t, "GET", signed("GET", addr, "/bkt/absent", ""))
	c.Close()
	<-obs.done
	ev := <-obs.done
	require.Equal(t, route.PutObject, ev.Op)
	require.EqualValues(t, 5, ev.Received)
	ev = <-obs.done
	require.EqualValues(t, 5, ev.Sent)
	require.Equal(t, "", ev.Code)
	require.NotZero(t, ev.FirstByte)
	require.GreaterOrEqual(t, ev.Total, ev.FirstByte)
	ev = <-obs.done
	require.Equal(t, "NoSuchKey", ev.Code)
	require.EqualValues(t, len(body), ev.Sent)
}

func TestTooManyRequestsAreSlowDown(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	addr, _ := start(t, Config{MaxRequests: 1, QueueWait: 20 * time.Millisecond, Handler: func(context.Context, *Request) (*Response, error) {
		enter <- struct{}{}
		<-leave
		return &Response{}, nil
	}})
	first := dial(t, addr)
	io.WriteString(first, signed("GET", addr, "/bkt/k", ""))
	<-enter
	second := dial(t, addr)
	resp, body := second.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.Equal(t, 503, resp.StatusCode)
	require.Contains(t, body, "<Code>SlowDown</Code>")
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	close(leave)
	resp, _ = first.read(t, "GET")
	require.Equal(t, 200, resp.StatusCode)
	go func() { <-enter }()
	resp, _ = second.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.Equal(t, 200, resp.StatusCode, "the slot is free again")
}

func TestTooManyConnectionsAreSlowDown(t *testing.T) {
	addr, _ := start(t, Config{MaxConns: 2})
	a, b := dial(t, addr), dial(t, addr)
	a.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	b.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	resp, body := dial(t, addr).read(t, "GET")
	require.Equal(t, 503, resp.StatusCode)
	require.Contains(t, body, "<Code>SlowDown</Code>")
	require.True(t, resp.Close)
	a.Close()
	require.Eventually(t, func() bool {
		c := dial(t, addr)
		io.WriteString(c, signed("GET", addr, "/bkt/k", ""))
		resp, err := http.ReadResponse(c.r, nil)
		return err == nil && resp.StatusCode == 404
	}, 5*time.Second, 10*time.Millisecond)
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	addr, srv := start(t, Config{MaxConnsPerIP: 1})
	a := dial(t, addr)
	a.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	resp, _ := dial(t, addr).read(t, "GET")
	require.Equal(t, 503, resp.StatusCode)
	a.Close()
	require.Eventually(t, func() bool {
		srv.mu.Lock()
		defer srv.mu.Unlock()
		return len(srv.perIP) == 0
	}, 5*time.Second, 5*time.Millisecond)
}

func TestSlowHeadTimesOut(t *testing.T) {
	addr, _ := start(t, Config{HeadTimeout: 100 * time.Millisecond, LingerTimeout: 50 * time.Millisecond})
	c := dial(t, addr)
	resp, body := c.do(t, "GET", "GET / HTTP/1.1\r\nHost")
	require.Equal(t, 400, resp.StatusCode)
	require.Contains(t, body, "<Code>RequestTimeout</Code>")
	c.atEnd(t)
	c = dial(t, addr) // says nothing at all
	c.atEnd(t)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	addr, _ := start(t, Config{IdleTimeout: 100 * time.Millisecond})
	c := dial(t, addr)
	resp, _ := c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.False(t, resp.Close)
	c.atEnd(t)
}

func TestHTTP10(t *testing.T) {
	addr, _ := start(t, Config{})
	c := dial(t, addr)
	keep := strings.Replace(signed("GET", addr, "/bkt/k", "", "Connection: keep-alive"), "HTTP/1.1", "HTTP/1.0", 1)
	for range 2 {
		resp, _ := c.do(t, "GET", keep)
		require.Equal(t, 404, resp.StatusCode)
		require.Equal(t, "keep-alive", resp.Header.Get("Connection"))
	}
	resp, _ := c.do(t, "GET", strings.Replace(signed("GET", addr, "/bkt/k", ""), "HTTP/1.1", "HTTP/1.0", 1))
	require.Equal(t, 404, resp.StatusCode)
	require.True(t, resp.Close)
	c.atEnd(t)
}

func TestShutdown(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	addr, srv := start(t, Config{Handler: func(context.Context, *Request) (*Response, error) {
		enter <- struct{}{}
		<-leave
		return &Response{Body: []byte("done")}, nil
	}})
	idle, busy := dial(t, addr), dial(t, addr)
	io.WriteString(busy, signed("GET", addr, "/bkt/k", ""))
	<-enter
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(context.Background()) }()
	idle.atEnd(t)
	close(leave)
	resp, body := busy.read(t, "GET")
	require.Equal(t, "done", body)
	require.True(t, resp.Close, "the answer says that the connection closes")
	require.NoError(t, <-done)
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
}

func TestShutdownGivesUp(t *testing.T) {
	enter := make(chan struct{})
	addr, srv := start(t, Config{Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		close(enter)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	c := dial(t, addr)
	io.WriteString(c, signed("GET", addr, "/bkt/k", ""))
	<-enter
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, srv.Shutdown(ctx), context.DeadlineExceeded)
}

func TestTheContextEndsWithTheRequest(t *testing.T) {
	ctxs := make(chan context.Context, 1)
	addr, _ := start(t, Config{Handler: func(ctx context.Context, req *Request) (*Response, error) {
		if RequestID(ctx) != req.RequestID || req.RequestID == "" {
			return nil, errors.New("no request id in the context")
		}
		ctxs <- ctx
		return &Response{}, nil
	}})
	resp, _ := dial(t, addr).do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.Equal(t, 200, resp.StatusCode)
	ctx := <-ctxs
	require.Equal(t, resp.Header.Get("x-amz-request-id"), RequestID(ctx))
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the context lives on")
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	ids, seen := newIDSource(), map[string]bool{}
	for range 100000 {
		id := ids.next()
		require.Len(t, id, 16)
		seen[id] = true
	}
	require.Len(t, seen, 100000)
}

func TestRequireSignedPayload(t *testing.T) {
	addr, _ := start(t, Config{RequireSignedPayload: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	c := dial(t, addr)
	resp, body := c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "abc"))
	require.Equal(t, 400, resp.StatusCode)
	require.Contains(t, body, "<Code>InvalidRequest</Code>")
	resp, _ = c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "abc", "X-Forwarded-Proto: https"))
	require.Equal(t, 404, resp.StatusCode, "TLS ends at a trusted proxy")
	resp, _ = c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	require.Equal(t, 404, resp.StatusCode, "there is no payload")
}

func TestNotBuiltIsSaidAfterTheSignature(t *testing.T) {
	addr, _ := start(t, Config{})
	c := dial(t, addr)
	resp, body := c.do(t, "PUT", signed("PUT", addr, "/bkt?policy=", "{}"))
	require.Equal(t, 501, resp.StatusCode)
	require.Contains(t, body, "<Code>NotImplemented</Code>")
	resp, _ = c.do(t, "PUT", signed("PUT", addr, "/bkt?policy=", "{}", "x-amz-acl: private"))
	require.Equal(t, 403, resp.StatusCode)
	resp, _ = c.do(t, "GET", signed("GET", addr, "/bkt/k", "abc"))
	require.Equal(t, 400, resp.StatusCode, "UnexpectedContent")
}

func TestPeerOfProxies(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct {
		remote string
		fields head.Fields
		ip     string
		tls    bool
		hosts  []string
	}{
		{"1.2.3.4:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9"}, {Name: "x-forwarded-proto", Value: "https"}, {Name: "x-forwarded-host", Value: "evil"}}, "1.2.3.4", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "6.6.6.6, 9.9.9.9"}, {Name: "x-forwarded-proto", Value: "https"}, {Name: "x-forwarded-host", Value: "front"}}, "9.9.9.9", true, []string{"front", "h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9, 10.0.0.2"}}, "9.9.9.9", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-for", Value: "9.9.9.9"}, {Name: "x-forwarded-for", Value: "garbage"}}, "10.0.0.1", false, []string{"h"}},
		{"10.0.0.1:5", head.Fields{{Name: "x-forwarded-host", Value: "a b"}}, "10.0.0.1", false, []string{"h"}},
		{"[::ffff:10.0.0.1]:5", head.Fields{{Name: "x-forwarded-for", Value: "2001:db8::1"}}, "2001:db8::1", false, []string{"h"}},
	} {
		remote := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.remote))
		p := s.peerOf(&conn{remote: remote}, &head.Head{Host: "h", Fields: c.fields})
		require.Equal(t, c.ip, p.ip.String())
		require.Equal(t, c.tls, p.tls)
		require.Equal(t, c.hosts, p.hosts)
	}
}

func TestSignedForTheNameOfAProxy(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, c := range []struct {
		trusted []netip.Prefix
		want    int
	}{{loopback, 404}, {nil, 403}} {
		addr, _ := start(t, Config{TrustedProxies: c.trusted})
		raw := strings.Replace(signed("GET", "public.example", "/bkt/k", "", "X-Forwarded-Host: public.example"), "Host: public.example", "Host: "+addr, 1)
		resp, _ := dial(t, addr).do(t, "GET", raw)
		require.Equal(t, c.want, resp.StatusCode)
	}
}

func TestSlowBodiesAreCutAfterAMinute(t *testing.T) {
	s := &Server{cfg: Config{}.WithDefaults()}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	w := newWire(&conn{raw: a, srv: s}, &head.Head{ContentLength: 1 << 20})
	w.began = time.Now().Add(-2 * time.Minute)
	w.received = 100 << 10
	_, err := w.Read(make([]byte, 10))
	require.True(t, s3err.Is(err, s3err.RequestTimeout), "%v", err)
	w = newWire(&conn{raw: a, srv: s}, &head.Head{ContentLength: 1 << 20})
	w.began, w.received = time.Now().Add(-2*time.Minute), 200<<10
	go b.Write([]byte("x"))
	n, err := w.Read(make([]byte, 10))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestLogsHaveNoSecrets(t *testing.T) {
	var log logBuffer
	addr, srv := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), LingerTimeout: 10 * time.Millisecond})
	c := dial(t, addr)
	raw := signed("GET", addr, "/bkt/k?prefix=queryvalue", "", "Cookie: cookievalue")
	c.do(t, "GET", raw)
	c.do(t, "GET", strings.Replace(raw, "Signature=", "Signature=0", 1))
	target := sigv4.Signer{AccessKey: testKey, SecretKey: testSecret, Time: time.Now()}.Presign(sigv4.Unsigned{Method: "GET", Target: "/bkt/k", Host: addr}, time.Hour)
	c.do(t, "GET", "GET "+target+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	c.do(t, "GET", "GET "+target+" HTTP/1.1\r\nHost: "+addr+"\r\nHost: b\r\n\r\n")
	require.NoError(t, srv.Shutdown(context.Background()))
	require.Contains(t, log.String(), `"request_id"`)
	signature := raw[strings.Index(raw, "Signature=")+10:][:64]
	for _, secret := range []string{testSecret, signature, target[len(target)-64:], "cookievalue", "queryvalue"} {
		require.NotContains(t, log.String(), secret)
	}
}

// logBuffer collects log lines from many goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestConfigReportsEverything(t *testing.T) {
	_, err := New(Config{Domains: []string{"S3.Local", "a:1"}, MaxConns: -1, IdleTimeout: -1})
	for _, want := range []string{"Handler", "Credentials", "S3.Local", "a:1", "connection limits", "timeouts"} {
		require.ErrorContains(t, err, want)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
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

// TestMinioClient talks to the front with a real client, over HTTP and TLS: signed chunks
// over the one, an unsigned trailer over the other.
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

// TestManyAtOnce is for the race detector.
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

// FuzzConn sends any bytes to a connection, cut in two: the server answers whole HTTP or
// closes, never panics, and the number of answers does not depend on the cut.
func FuzzConn(f *testing.F) {
	f.Add([]byte(signed("GET", "h", "/bkt/k", "")+signed("PUT", "h", "/bkt/k", "abc")), uint16(100))
	f.Add([]byte("PUT /bkt/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), uint16(70))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\nHost: h\r\n\r\n"), uint16(3))
	finish := func(_ context.Context, req *Request) (*Response, error) { // has no state
		_, err := req.Body.Finish()
		return &Response{}, err
	}
	srv, err := New(Config{Handler: finish, Credentials: credentials{}, Authorize: func(context.Context, *Request) error { return nil },
		HeadTimeout: time.Second, BodyTimeout: time.Second, LingerTimeout: 10 * time.Millisecond})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		n := min(int(cut), len(data))
		if a, b := answers(t, srv, data), answers(t, srv, data[:n], data[n:]); a != b {
			t.Fatalf("answers %q, cut %q", a, b)
		}
	})
}

// answers gives the status codes that a connection answers to pieces of input.
func answers(t *testing.T, srv *Server, pieces ...[]byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go srv.Serve(ln)
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	go func() {
		for _, p := range pieces {
			c.Write(p)
		}
		c.(*net.TCPConn).CloseWrite()
	}()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	var codes strings.Builder
	for {
		if _, err := r.Peek(1); err != nil {
			return codes.String()
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("not an answer: %v", err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil && resp.Request != nil {
			t.Fatalf("not a whole answer: %v", err)
		}
		fmt.Fprintf(&codes, "%d ", resp.StatusCode)
	}
}

package edge

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"catena/s3api/sigv4"

	"github.com/stretchr/testify/require"
)

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

type observer struct {
	noObserver
	done chan Event
}

func (o *observer) RequestDone(ev Event) { o.done <- ev }

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

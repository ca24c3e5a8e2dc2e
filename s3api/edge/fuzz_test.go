package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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

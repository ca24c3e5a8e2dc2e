package edge

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

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
	inBubble(t, Config{HeadTimeout: 10 * time.Second, LingerTimeout: time.Second}, func(t *testing.T, p *pipes, _ *Server) {
		c, began := p.dial(t), time.Now()
		resp, body := c.do(t, "GET", "GET / HTTP/1.1\r\nHost")
		require.Equal(t, 400, resp.StatusCode)
		require.Contains(t, body, "<Code>RequestTimeout</Code>")
		c.atEnd(t)
		require.InDelta(t, 11, time.Since(began).Seconds(), 1)
		c, began = p.dial(t), time.Now() // says nothing at all
		c.atEnd(t)
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestStalledBodyTimesOut(t *testing.T) {
	inBubble(t, Config{BodyTimeout: 20 * time.Second, LingerTimeout: time.Second}, func(t *testing.T, p *pipes, _ *Server) {
		p.dial(t).do(t, "PUT", signed("PUT", "127.0.0.1:9000", "/bkt", ""))
		raw := signed("PUT", "127.0.0.1:9000", "/bkt/k", "some bytes")
		c, began := p.dial(t), time.Now()
		resp, body := c.do(t, "PUT", raw[:len(raw)-3])
		require.Equal(t, 400, resp.StatusCode, body)
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Contains(t, body, "<Code>RequestTimeout</Code>")
		c.atEnd(t)
		c = p.dial(t)
		resp, _ = c.do(t, "GET", signed("GET", "127.0.0.1:9000", "/bkt/k", ""))
		require.Equal(t, 404, resp.StatusCode, "nothing was written")
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	inBubble(t, Config{IdleTimeout: time.Minute}, func(t *testing.T, p *pipes, _ *Server) {
		c := p.dial(t)
		resp, _ := c.do(t, "GET", signed("GET", "127.0.0.1:9000", "/bkt/k", ""))
		require.False(t, resp.Close)
		began := time.Now()
		c.atEnd(t)
		require.Equal(t, time.Minute, time.Since(began))
	})
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
	cfg := Config{Handler: func(ctx context.Context, _ *Request) (*Response, error) {
		close(enter)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	inBubble(t, cfg, func(t *testing.T, p *pipes, srv *Server) {
		c := p.dial(t)
		io.WriteString(c, signed("GET", "127.0.0.1:9000", "/bkt/k", ""))
		<-enter
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, srv.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
	})
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

func TestConfigReportsEverything(t *testing.T) {
	_, err := New(Config{Domains: []string{"S3.Local", "a:1"}, MaxConns: -1, IdleTimeout: -1})
	for _, want := range []string{"Handler", "Credentials", "S3.Local", "a:1", "connection limits", "timeouts"} {
		require.ErrorContains(t, err, want)
	}
}

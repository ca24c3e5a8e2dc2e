package edge

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections are pipes in memory, so that a test in a
// bubble waits for no real time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, errors.New("the listener is closed")
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000} }

func (p *pipes) dial(t *testing.T) *wireClient {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	p.conns <- server
	return &wireClient{client, bufio.NewReader(client)}
}

// inBubble runs a server over pipes in a bubble of its own time.
func inBubble(t *testing.T, cfg Config, run func(t *testing.T, p *pipes, srv *Server)) {
	// fasthttp's clock for Date is a goroutine without an end, begun by the first
	// request of the process: not in the bubble.
	addr, _ := start(t, Config{})
	dial(t, addr).do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	cfg.Credentials = credentials{}
	if cfg.Handler == nil {
		cfg.Handler = newMemory().handle
	}
	synctest.Test(t, func(t *testing.T) {
		srv, err := New(cfg)
		require.NoError(t, err)
		p, done := newPipes(), make(chan error, 1)
		go func() { done <- srv.Serve(p) }()
		defer func() {
			_ = srv.Shutdown(context.Background()) // a test may have ended it
			require.NoError(t, <-done)
			time.Sleep(time.Minute) // fasthttp's workers look now and then whether they are to end
		}()
		run(t, p, srv)
	})
}

package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"catena/s3api/s3err"
	"catena/s3api/s3xml"
	"catena/s3api/sigv4"

	"github.com/valyala/fasthttp"
)

// Server serves the S3 API.
type Server struct {
	cfg      Config
	verifier *sigv4.Verifier
	fast     *fasthttp.Server
	ids      idSource
	slots    chan struct{} // one for each request in progress
	buffers  sync.Pool     // *[]byte, larger than the largest head
	stopping atomic.Bool
	// slowDownLogged is the Unix second in which SlowDown was last logged as a warning.
	slowDownLogged atomic.Int64
	ctx            context.Context // of all requests
	cancel         context.CancelFunc

	left chan struct{} // a connection ended while stopping

	mu        sync.Mutex
	conns     map[*conn]struct{}
	perIP     map[netip.Addr]int
	listeners map[net.Listener]struct{}
}

// New makes a Server.
func New(cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	verifier, err := sigv4.New(sigv4.Config{Store: cfg.Credentials, Now: cfg.Now, RefuseSigV2: cfg.RefuseSigV2})
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:       cfg,
		verifier:  verifier,
		ids:       newIDSource(),
		slots:     make(chan struct{}, cfg.MaxRequests),
		left:      make(chan struct{}, 1),
		conns:     map[*conn]struct{}{},
		perIP:     map[netip.Addr]int{},
		listeners: map[net.Listener]struct{}{},
	}
	size := cfg.Head.MaxRequestLine + cfg.Head.MaxFields + 4<<10
	s.buffers.New = func() any {
		b := make([]byte, size)
		return &b
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.fast = &fasthttp.Server{
		Handler:     s.serve,
		Logger:      fastLogger{cfg.Logger},
		Concurrency: cfg.MaxConns + 1, // the bound that counts is the listener's
		// fasthttp reads only our constant heads, and its deadlines are ours. It gives its
		// buffers back between requests (ReduceMemoryUsage): an idle connection then has
		// 3 KB of heap in place of 14 KB, at no measured cost.
		ReadBufferSize:               256,
		WriteBufferSize:              8 << 10,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		LazyRequestTime:              true,
		ReduceMemoryUsage:            true,
	}
	return s, nil
}

// Serve answers on ln until it is closed or Shutdown is called; then it returns nil. It may
// be called for several listeners at once. For TLS give a tls.NewListener(ln, config), whose
// GetCertificate reloads.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		return ln.Close()
	}
	l := &listener{ln, s}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	err := s.fast.Serve(l)
	if s.stopping.Load() {
		return nil
	}
	return err
}

// Shutdown closes the listeners and idle connections, lets requests in progress finish
// with Connection: close, and returns when all connections are closed or ctx ends; then the
// rest is closed hard and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopping.Store(true)
	s.mu.Lock()
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		if c.state.Load() == connIdle {
			c.closeHard()
		}
	}
	s.mu.Unlock()
	// fasthttp has nothing left once its listeners and connections are closed; its own
	// Shutdown closes connections from another goroutine than theirs.
	err := s.waitForConns(ctx)
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.closeHard()
	}
	return err
}

func (s *Server) waitForConns(ctx context.Context) error {
	for {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-s.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if s.stopping.Load() {
		select {
		case s.left <- struct{}{}:
		default:
		}
	}
	if s.cfg.MaxConnsPerIP > 0 {
		ip := addrOf(c.remote)
		if s.perIP[ip]--; s.perIP[ip] <= 0 {
			delete(s.perIP, ip)
		}
	}
	s.mu.Unlock()
	s.cfg.Observer.ConnClosed()
}

// listener wraps every connection and keeps their number bounded.
type listener struct {
	net.Listener
	srv *Server
}

// Accept gives the next connection that is within the limits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.srv.admit(raw); c != nil {
			return c, nil
		}
	}
}

// admit makes the conn of an accepted connection, or refuses it and returns nil.
func (s *Server) admit(raw net.Conn) net.Conn {
	_, isTLS := raw.(*tls.Conn)
	c := &conn{raw: raw, srv: s, isTLS: isTLS, remote: raw.RemoteAddr()}
	ip := addrOf(c.remote)
	s.mu.Lock()
	full := s.stopping.Load() || len(s.conns) >= s.cfg.MaxConns || (s.cfg.MaxConnsPerIP > 0 && s.perIP[ip] >= s.cfg.MaxConnsPerIP)
	if !full {
		s.conns[c] = struct{}{}
		if s.cfg.MaxConnsPerIP > 0 {
			s.perIP[ip]++
		}
	}
	s.mu.Unlock()
	if full {
		s.refuse(raw, isTLS)
		return nil
	}
	s.cfg.Observer.ConnOpened()
	return c
}

// refuse answers a connection that is one too many, if that costs nothing.
func (s *Server) refuse(raw net.Conn, isTLS bool) {
	if !isTLS {
		id := s.ids.next()
		doc := s3xml.AppendError(nil, s3err.New(s3err.SlowDown), "", id)
		raw.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		fmt.Fprintf(raw, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nx-amz-request-id: %s\r\n"+
			"Retry-After: 1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", id, len(doc), doc)
	}
	raw.Close()
}

// addrOf gives the address of a peer, the zero Addr if it has none (a pipe).
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// fastLogger passes the little that fasthttp says to slog.
type fastLogger struct{ l *slog.Logger }

func (f fastLogger) Printf(format string, args ...any) {
	f.l.Debug("connection ended", "reason", fmt.Sprintf(format, args...))
}

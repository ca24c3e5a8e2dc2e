package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ReadyTimeout bounds one question to Ready.
const ReadyTimeout = 2 * time.Second

// Config of the admin server.
type Config struct {
	// Addr is host:port. Required.
	Addr string
	// TLS serves https when set.
	TLS *tls.Config
	Log *slog.Logger
	// Metrics is what /metrics shows. Required.
	Metrics prometheus.Gatherer
	// Ready says why requests cannot be served: nil when they can, that is, a
	// map is known and some tail answers. Required.
	Ready func(context.Context) error
	// API serves what is below /v1/; nil for nothing there.
	API http.Handler
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.Addr == "" {
		errs = append(errs, errors.New("admin: no address"))
	}
	if c.Metrics == nil {
		errs = append(errs, errors.New("admin: no metrics"))
	}
	if c.Ready == nil {
		errs = append(errs, errors.New("admin: no readiness"))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("admin: no log"))
	}
	return errors.Join(errs...)
}

// Server is the listener. Start once, Stop once.
type Server struct {
	cfg    Config
	srv    *http.Server
	ln     net.Listener
	served chan struct{}
}

// New checks the configuration.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, served: make(chan struct{})}, nil
}

// Start listens and serves in the background. fail is told when serving ends by
// an error later.
func (s *Server) Start(fail func(error)) error {
	ln, err := net.Listen("tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	s.ln = ln
	loopback := isLoopback(ln.Addr())
	s.srv = &http.Server{
		Handler: Handler(s.cfg, loopback), TLSConfig: s.cfg.TLS,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		// A CPU profile of the default 30 s must fit.
		WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(s.served)
		var err error
		if s.cfg.TLS != nil {
			err = s.srv.ServeTLS(ln, "", "")
		} else {
			err = s.srv.Serve(ln)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			fail(fmt.Errorf("admin: %w", err))
		}
	}()
	s.cfg.Log.Info("admin listener", "address", ln.Addr().String(), "tls", s.cfg.TLS != nil, "profiling", loopback)
	return nil
}

// Addr is where the server listens; only after Start.
func (s *Server) Addr() net.Addr { return s.ln.Addr() }

// Stop ends the listener; requests under way have until ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	err := s.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.srv.Close())
	}
	<-s.served
	return err
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// Handler is the server's routes, for tests too.
func Handler(cfg Config, profiling bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	ready := &readiness{ask: cfg.Ready}
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready.get(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	}))
	if cfg.API != nil {
		mux.Handle("/v1/", cfg.API)
	}
	if profiling {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return http.MaxBytesHandler(mux, 1<<20)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// readiness asks one question at a time; who comes meanwhile shares the answer,
// so that many probes cost the cluster as much as one.
type readiness struct {
	ask func(context.Context) error

	mu sync.Mutex
	// pending is the question under way. Guarded by mu.
	pending *question
}

type question struct {
	done chan struct{}
	// err is set before done is closed.
	err error
}

func (r *readiness) get(ctx context.Context) error {
	r.mu.Lock()
	q := r.pending
	if q == nil {
		q = &question{done: make(chan struct{})}
		r.pending = q
		go r.run(q)
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, ReadyTimeout)
	defer cancel()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return errors.New("no answer in time")
	}
}

func (r *readiness) run(q *question) {
	ctx, cancel := context.WithTimeout(context.Background(), ReadyTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			q.err = fmt.Errorf("readiness check panicked: %v", p)
		}
		r.mu.Lock()
		r.pending = nil
		r.mu.Unlock()
		close(q.done)
	}()
	q.err = r.ask(ctx)
}

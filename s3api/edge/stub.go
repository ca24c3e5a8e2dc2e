package edge

import (
	"context"
	"errors"
	"net"
)

// Server serves the S3 API.
type Server struct{ cfg Config }

// New makes a Server.
func New(cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	return &Server{cfg: cfg}, cfg.Validate()
}

// Serve answers on ln until it is closed or Shutdown is called; then it returns nil. It may
// be called for several listeners at once. For TLS give a tls.NewListener(ln, config), whose
// GetCertificate reloads.
func (s *Server) Serve(ln net.Listener) error { return errors.New("edge: being written") }

// Shutdown closes the listeners and idle connections, lets requests in progress finish
// with Connection: close, and returns when all connections are closed or ctx ends; then the
// rest is closed hard and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error { return errors.New("edge: being written") }

package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Root finds the module's root from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if b, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(b), "module catena") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("harness: not inside the module catena")
		}
		dir = up
	}
}

// Build compiles the catena binary into dir and returns its path. The build
// tags, if any, make a binary without one rule, for audits of the tests.
func Build(ctx context.Context, dir string, tags ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "catena")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", bin, "./cmd/catena")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("harness: build catena: %w\n%s", err, out)
	}
	return bin, nil
}

// Options says how to start a server.
type Options struct {
	// Binary is the catena binary; Dirs its directories.
	Binary string
	Dirs   []string
	// S3 and Admin are loopback addresses; free ports are chosen when empty.
	S3, Admin string
	// AccessKey and SecretKey are given by environment; fixed test values when empty.
	AccessKey, SecretKey string
	// Args are further arguments of `catena server`; Env further variables.
	Args, Env []string
	// TLS starts the server with a self-signed certificate.
	TLS bool
	// Wrap is put in front of the command (strace, say).
	Wrap []string
	// Log receives the server's output; io.Discard when nil.
	Log io.Writer
	// ReadyWithin bounds the wait for /readyz; 20 s when 0.
	ReadyWithin time.Duration
}

// Server is one running process.
type Server struct {
	Options
	cmd *exec.Cmd
	// done is closed when the process has ended; err is set before.
	done chan struct{}
	err  error
	// Ready is how long the start took until /readyz said yes.
	Ready time.Duration
}

// FreeAddr reserves a loopback address for a moment and returns it.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// Start runs a server and waits until it is ready.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := Launch(o)
	if err != nil {
		return nil, err
	}
	if err := s.WaitReady(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// Launch runs a server without waiting for it.
func Launch(o Options) (*Server, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	args := append([]string{}, o.Wrap...)
	args = append(args, o.Binary, "server", "--s3", o.S3, "--admin", o.Admin)
	if o.TLS {
		args = append(args, "--tls-self-signed")
	}
	args = append(args, o.Args...)
	args = append(args, o.Dirs...)
	cmd := exec.Command(args[0], args[1:]...)
	// Settings of the environment that runs the tests are not the server's.
	clean := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CATENA_") })
	cmd.Env = append(clean, "CATENA_ACCESS_KEY="+o.AccessKey, "CATENA_SECRET_KEY="+o.SecretKey)
	cmd.Env = append(cmd.Env, o.Env...)
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	// A group of its own: what the wrapper started is ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("harness: start catena: %w", err)
	}
	s := &Server{Options: o, cmd: cmd, done: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	return s, nil
}

func (o *Options) fill() error {
	for _, a := range []*string{&o.S3, &o.Admin} {
		if *a != "" {
			continue
		}
		addr, err := FreeAddr()
		if err != nil {
			return err
		}
		*a = addr
	}
	if o.AccessKey == "" {
		o.AccessKey, o.SecretKey = "catena-test", "catena-test-secret"
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.ReadyWithin == 0 {
		o.ReadyWithin = 20 * time.Second
	}
	return nil
}

// Scheme is http or https.
func (s *Server) Scheme() string {
	if s.TLS {
		return "https"
	}
	return "http"
}

// Endpoint is the S3 URL.
func (s *Server) Endpoint() string { return s.Scheme() + "://" + s.S3 }

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// ErrEnded says that the server ended before it was ready.
var ErrEnded = errors.New("harness: server ended")

// WaitReady polls /readyz until it says 200.
func (s *Server) WaitReady(ctx context.Context) error {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.ReadyWithin)
	defer cancel()
	for {
		if code, _, err := s.AdminGet(ctx, "/readyz"); err == nil && code == http.StatusOK {
			s.Ready = time.Since(begin)
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%w: %v", ErrEnded, s.err)
		case <-ctx.Done():
			return fmt.Errorf("harness: server not ready within %s", s.ReadyWithin)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// AdminGet fetches a path of the admin listener.
func (s *Server) AdminGet(ctx context.Context, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Scheme()+"://"+s.Admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // self-signed, on loopback
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Metric reads one unlabelled metric.
func (s *Server) Metric(ctx context.Context, name string) (float64, error) {
	_, body, err := s.AdminGet(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(body, "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var v float64
			_, err := fmt.Sscan(rest, &v)
			return v, err
		}
	}
	return 0, fmt.Errorf("harness: no metric %s", name)
}

// MetricSum adds up a metric over all its labels.
func (s *Server) MetricSum(ctx context.Context, name string) (sum float64, err error) {
	_, body, err := s.AdminGet(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.SplitSeq(body, "\n") {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || !strings.HasPrefix(rest, "{") && !strings.HasPrefix(rest, " ") {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &v); err != nil {
			return 0, fmt.Errorf("harness: metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("harness: no metric %s", name)
	}
	return sum, nil
}

// WaitMetric waits until a metric has a value.
func (s *Server) WaitMetric(ctx context.Context, name string, want float64) error {
	var last float64
	var lastErr error
	for {
		last, lastErr = s.Metric(ctx, name)
		if lastErr == nil && last == want {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%w: %v", ErrEnded, s.err)
		case <-ctx.Done():
			return fmt.Errorf("harness: %s is %v, want %v (%v)", name, last, want, lastErr)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// WaitIdle waits until no S3 request is in progress, also none whose client has
// gone: that one is still carried out.
func (s *Server) WaitIdle(ctx context.Context) error {
	return s.WaitMetric(ctx, "catena_s3_active_requests", 0)
}

// Kill ends the process at once (SIGKILL) and waits.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// Stop asks the process to end (SIGTERM) and waits; after the grace it is killed.
func (s *Server) Stop(grace time.Duration) error {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-s.done:
		return s.err
	case <-time.After(grace):
		s.Kill()
		return fmt.Errorf("harness: server did not stop within %s", grace)
	}
}

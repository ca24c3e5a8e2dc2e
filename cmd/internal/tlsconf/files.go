package tlsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// PollEvery is how often files are looked at.
const PollEvery = time.Minute

// Config names the files and what reading them needs.
type Config struct {
	// CertFile and KeyFile are PEM. Required.
	CertFile, KeyFile string
	Log               *slog.Logger
	// ReadFile is os.ReadFile when nil.
	ReadFile func(string) ([]byte, error)
}

// Files is a certificate that follows its files. Safe for concurrent use.
type Files struct {
	cfg     Config
	current atomic.Pointer[tls.Certificate]

	mu sync.Mutex
	// cert and key are the bytes that were looked at last, good or bad: a bad
	// pair is reported once, not every minute. Guarded by mu.
	cert, key []byte
}

// Load reads the pair, or fails.
func Load(cfg Config) (*Files, error) {
	if cfg.ReadFile == nil {
		cfg.ReadFile = os.ReadFile
	}
	f := &Files{cfg: cfg}
	if _, err := f.reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// reload reads the files; changed says that a new pair is in use.
func (f *Files) reload() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cert, errC := f.cfg.ReadFile(f.cfg.CertFile)
	key, errK := f.cfg.ReadFile(f.cfg.KeyFile)
	if err := errors.Join(errC, errK); err != nil {
		return false, fmt.Errorf("tls: %w", err)
	}
	if f.cert != nil && bytes.Equal(cert, f.cert) && bytes.Equal(key, f.key) {
		return false, nil
	}
	f.cert, f.key = cert, key
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("tls: certificate %s and key %s: %w", f.cfg.CertFile, f.cfg.KeyFile, err)
	}
	f.current.Store(&pair)
	return true, nil
}

// Reload looks at the files now. What is wrong is logged; the old pair stays.
func (f *Files) Reload() {
	changed, err := f.reload()
	switch {
	case err != nil:
		f.cfg.Log.Error("certificate not reloaded, the old one stays in use", "error", err)
	case changed:
		leaf := f.current.Load().Leaf
		f.cfg.Log.Info("certificate reloaded", "file", f.cfg.CertFile, "subject", leaf.Subject.String(), "until", leaf.NotAfter)
	}
}

// Watch reloads every PollEvery until ctx ends, and whenever hup delivers.
func (f *Files) Watch(ctx context.Context, hup <-chan os.Signal) {
	t := time.NewTicker(PollEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-hup:
		case <-ctx.Done():
			return
		}
		f.Reload()
	}
}

// TLS gives a server configuration that always uses the current pair.
func (f *Files) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil },
	}
}

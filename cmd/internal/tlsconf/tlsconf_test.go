package tlsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"catena/cmd/internal/dirfile"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// pair makes a pair for a host.
func pair(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	cert, key, err := SelfSigned{Now: noon}.make([]string{host})
	require.NoError(t, err)
	return cert, key
}

// disk is a ReadFile over memory.
type disk struct {
	mu    sync.Mutex
	files map[string][]byte
	reads int
}

func (d *disk) read(p string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	if b, ok := d.files[p]; ok {
		return b, nil
	}
	return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
}

func (d *disk) put(cert, key []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = map[string][]byte{"c": cert, "k": key}
}

func served(t *testing.T, c *tls.Config) string {
	t.Helper()
	got, err := c.GetCertificate(&tls.ClientHelloInfo{})
	require.NoError(t, err)
	return got.Leaf.DNSNames[0]
}

func TestReloadOnChangeKeepsTheOldOneWhenTheNewIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{}
		certA, keyA := pair(t, "a.example")
		certB, keyB := pair(t, "b.example")
		d.put(certA, keyA)
		f, err := Load(Config{CertFile: "c", KeyFile: "k", ReadFile: d.read, Log: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		c := f.TLS()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		hup := make(chan os.Signal)
		go f.Watch(ctx, hup)
		require.Equal(t, "a.example", served(t, c))

		d.put(certB, keyA) // half of a change
		time.Sleep(PollEvery + time.Second)
		synctest.Wait()
		require.Equal(t, "a.example", served(t, c))
		require.Contains(t, log.String(), "the old one stays in use")
		said := log.Len()
		time.Sleep(10 * PollEvery)
		synctest.Wait()
		require.Equal(t, said, log.Len(), "a bad pair is reported once")

		d.put(certB, keyB)
		time.Sleep(PollEvery)
		synctest.Wait()
		require.Equal(t, "b.example", served(t, c))

		d.put(certA, keyA)
		hup <- os.Interrupt // SIGHUP, without waiting for the poll
		synctest.Wait()
		require.Equal(t, "a.example", served(t, c))

		d.mu.Lock()
		d.files = nil
		d.mu.Unlock()
		time.Sleep(PollEvery)
		synctest.Wait()
		require.Equal(t, "a.example", served(t, c))
		require.NotContains(t, log.String(), "PRIVATE KEY")
	})
}

func TestLoadRefusesABadPair(t *testing.T) {
	cert, _ := pair(t, "a")
	_, key := pair(t, "b")
	d := &disk{}
	d.put(cert, key)
	_, err := Load(Config{CertFile: "c", KeyFile: "k", ReadFile: d.read})
	require.ErrorContains(t, err, "certificate c and key k")
	d.files = nil
	_, err = Load(Config{CertFile: "c", KeyFile: "k", ReadFile: d.read})
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestSelfSignedIsKeptOnEveryDir(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	s := SelfSigned{Dirs: []string{a, b}, Hosts: []string{"s3.example.com", "*.s3.example.com", "192.0.2.7"}, Now: noon}
	certFile, keyFile, made, err := s.LoadOrMake()
	require.NoError(t, err)
	require.True(t, made)
	require.Equal(t, filepath.Join(a, SelfSignedCert), certFile)
	first, err := os.ReadFile(certFile)
	require.NoError(t, err)
	for _, dir := range s.Dirs {
		info, err := os.Stat(filepath.Join(dir, SelfSignedKey))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	_, err = tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)

	require.NoError(t, os.Remove(filepath.Join(a, SelfSignedKey)))
	certFile, _, made, err = s.LoadOrMake()
	require.NoError(t, err)
	require.False(t, made, "the other DIR has it")
	again, err := os.ReadFile(certFile)
	require.NoError(t, err)
	require.Equal(t, first, again)

	for name, change := range map[string]func(*SelfSigned){
		"a name is not in it": func(s *SelfSigned) { s.Hosts = append(s.Hosts, "new.example.com") },
		"it ends soon":        func(s *SelfSigned) { s.Now = noon.Add(validFor - renewBefore + time.Second) },
		"it is not valid yet": func(s *SelfSigned) { s.Now = noon.Add(-24 * time.Hour) },
	} {
		changed := s
		changed.Hosts = append([]string(nil), s.Hosts...)
		change(&changed)
		_, _, made, err = changed.LoadOrMake()
		require.NoError(t, err)
		require.True(t, made, name)
		_, _, _, err = s.LoadOrMake()
		require.NoError(t, err)
	}
}

func TestSelfSignedServesItsHosts(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, _, err := SelfSigned{Dirs: []string{dir}, Hosts: []string{"*.s3.example.com"}, Now: time.Now()}.LoadOrMake()
	require.NoError(t, err)
	f, err := Load(Config{CertFile: certFile, KeyFile: keyFile, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	pem, err := os.ReadFile(certFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "bucket.s3.example.com"} {
		client, server := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tls.Server(server, f.TLS()).Handshake() }()
		require.NoError(t, tls.Client(client, &tls.Config{RootCAs: roots, ServerName: host}).Handshake(), host)
		require.NoError(t, <-done)
	}
}

type readOnly struct{ dirfile.OS }

func (readOnly) WriteSync(string, []byte, fs.FileMode) error { return fs.ErrPermission }

func TestSelfSignedThatCannotBeKept(t *testing.T) {
	_, _, _, err := SelfSigned{Dirs: []string{t.TempDir()}, Now: noon, FS: readOnly{}}.LoadOrMake()
	require.ErrorIs(t, err, fs.ErrPermission)
}

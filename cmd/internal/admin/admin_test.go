package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/cmd/internal/tlsconf"
)

func config(ready func(context.Context) error) Config {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "catena_test_total", Help: "x"})
	reg.MustRegister(c)
	c.Add(3)
	return Config{Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Metrics: reg, Ready: ready}
}

func get(h http.Handler, method, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestRoutes(t *testing.T) {
	why := errors.New("no map yet")
	var err atomic.Pointer[error]
	err.Store(&why)
	h := Handler(config(func(context.Context) error {
		if e := err.Load(); e != nil {
			return *e
		}
		return nil
	}), false)
	code, body := get(h, "GET", "/healthz")
	require.Equal(t, 200, code)
	require.Equal(t, "ok\n", body)
	code, body = get(h, "GET", "/readyz")
	require.Equal(t, 503, code)
	require.Equal(t, "not ready: no map yet\n", body)
	err.Store(nil)
	code, body = get(h, "GET", "/readyz")
	require.Equal(t, 200, code)
	require.Equal(t, "ready\n", body)
	code, body = get(h, "GET", "/metrics")
	require.Equal(t, 200, code)
	require.Contains(t, body, "catena_test_total 3")
	for path, want := range map[string]int{"/": 404, "/debug/pprof/": 404, "/metrics/x": 404} {
		code, _ = get(h, "GET", path)
		require.Equal(t, want, code, path)
	}
	code, _ = get(h, "POST", "/healthz")
	require.Equal(t, 405, code)
}

func TestProfilingOnlyOnLoopback(t *testing.T) {
	code, _ := get(Handler(config(nil), true), "GET", "/debug/pprof/")
	require.Equal(t, 200, code)
	code, _ = get(Handler(config(nil), false), "GET", "/debug/pprof/heap")
	require.Equal(t, 404, code)
}

func TestManyProbesAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		r := &readiness{ask: func(ctx context.Context) error {
			asked.Add(1)
			time.Sleep(time.Second)
			return nil
		}}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { require.NoError(t, r.get(t.Context())) })
		}
		wg.Wait()
		require.Equal(t, int32(1), asked.Load())
		require.NoError(t, r.get(t.Context()))
		require.Equal(t, int32(2), asked.Load(), "an answer is not kept")
	})
}

func TestAProbeDoesNotWaitForAStuckCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := &readiness{ask: func(context.Context) error { <-release; return nil }}
		begin := time.Now()
		require.ErrorContains(t, r.get(t.Context()), "no answer in time")
		require.Equal(t, ReadyTimeout, time.Since(begin))
		close(release)
		synctest.Wait()
		require.NoError(t, r.get(t.Context()))
	})
}

func TestAPanicIsNotReady(t *testing.T) {
	r := &readiness{ask: func(context.Context) error { panic("nil map") }}
	require.ErrorContains(t, r.get(t.Context()), "nil map")
}

func TestValidateReportsEverything(t *testing.T) {
	_, err := New(Config{})
	for _, want := range []string{"no address", "no metrics", "no readiness", "no log"} {
		require.ErrorContains(t, err, want)
	}
}

func TestServeAndCheck(t *testing.T) {
	for _, withTLS := range []bool{false, true} {
		ready := errors.New("starting")
		cfg := config(func(context.Context) error { return ready })
		if withTLS {
			c, k, _, err := tlsconf.SelfSigned{Dirs: []string{t.TempDir()}, Now: time.Now()}.LoadOrMake()
			require.NoError(t, err)
			f, err := tlsconf.Load(tlsconf.Config{CertFile: c, KeyFile: k, Log: cfg.Log})
			require.NoError(t, err)
			cfg.TLS = f.TLS()
		}
		s, err := New(cfg)
		require.NoError(t, err)
		require.NoError(t, s.Start(func(err error) { t.Error(err) }))
		addr := s.Addr().String()
		require.ErrorContains(t, Check(t.Context(), addr, withTLS), "503 Service Unavailable: not ready: starting")
		ready = nil
		require.NoError(t, Check(t.Context(), addr, withTLS))
		require.Error(t, Check(t.Context(), addr, !withTLS), "the other scheme")

		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		scheme := map[bool]string{true: "https", false: "http"}[withTLS]
		res, err := client.Get(scheme + "://" + addr + "/debug/pprof/cmdline")
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, res.Body)
		require.NoError(t, res.Body.Close())
		require.Equal(t, 404, res.StatusCode, "the command line is nobody's business")
		require.NoError(t, s.Stop(t.Context()))
		require.Error(t, Check(t.Context(), addr, withTLS))
	}
}

func TestAddressInUse(t *testing.T) {
	a, err := New(config(alwaysReady))
	require.NoError(t, err)
	require.NoError(t, a.Start(func(err error) { t.Error(err) }))
	cfg := config(alwaysReady)
	cfg.Addr = a.Addr().String()
	b, err := New(cfg)
	require.NoError(t, err)
	require.ErrorContains(t, b.Start(nil), "address already in use")
	require.NoError(t, a.Stop(t.Context()))
}

func alwaysReady(context.Context) error { return nil }

func TestDialable(t *testing.T) {
	for in, want := range map[string]string{"0.0.0.0:9001": "127.0.0.1:9001", "[::]:9001": "localhost:9001", ":9001": "127.0.0.1:9001", "10.0.0.1:9001": "10.0.0.1:9001", "localhost:1": "localhost:1"} {
		require.Equal(t, want, dialable(in))
	}
	require.True(t, strings.HasPrefix(dialable("junk"), "junk"))
}

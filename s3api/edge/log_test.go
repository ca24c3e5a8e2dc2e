package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

// TestLogLevels: what a client does wrong is never an error of ours, also when its head was
// refused, and every line names the peer.
func TestLogLevels(t *testing.T) {
	for _, c := range []struct {
		name, raw string // HOST is replaced
		handler   Handler
		status    int
		level     string
	}{
		{"head refused", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", nil, 400, "DEBUG"},
		{"version", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", nil, 505, "DEBUG"},
		{"bad target", "GET /bkt/%zz HTTP/1.1\r\nHost: a\r\n\r\n", nil, 400, "DEBUG"},
		{"no signature", "GET /bkt/k HTTP/1.1\r\nHost: a\r\n\r\n", nil, 403, "DEBUG"},
		{"not found", "SIGNED", only(nil, s3err.New(s3err.NoSuchKey)), 404, "DEBUG"},
		{"not built", "SIGNED", only(nil, s3err.New(s3err.NotImplemented)), 501, "DEBUG"},
		{"unavailable", "SIGNED", only(nil, s3err.New(s3err.ServiceUnavailable)), 503, "WARN"},
		{"full", "SIGNED", only(nil, s3err.New(s3err.InsufficientStorage)), 507, "WARN"},
		{"slow down", "SIGNED", only(nil, s3err.New(s3err.SlowDown)), 503, "WARN"},
		{"our fault", "SIGNED", only(nil, errors.New("lost")), 500, "ERROR"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log logBuffer
			cfg := Config{Handler: c.handler, LingerTimeout: 10 * time.Millisecond,
				Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
			addr, srv := start(t, cfg)
			raw := c.raw
			if raw == "SIGNED" {
				raw = signed("GET", addr, "/bkt/k", "")
			}
			resp, _ := dial(t, addr).do(t, "GET", raw)
			require.Equal(t, c.status, resp.StatusCode)
			require.NoError(t, srv.Shutdown(context.Background()))
			for line := range strings.SplitSeq(strings.TrimSpace(log.String()), "\n") {
				var l struct {
					Level, Msg, Remote string
					RequestID          string `json:"request_id"`
				}
				require.NoError(t, json.Unmarshal([]byte(line), &l))
				if l.Msg != "request" {
					continue
				}
				require.Equal(t, c.level, l.Level, line)
				require.Equal(t, "127.0.0.1", l.Remote)
				require.Equal(t, resp.Header.Get("x-amz-request-id"), l.RequestID)
				return
			}
			t.Fatalf("no line for the request: %s", log.String())
		})
	}
}

// TestSlowDownIsLoggedOnceASecond: an overloaded server does not also write a log.
func TestSlowDownIsLoggedOnceASecond(t *testing.T) {
	s := &Server{}
	ev := Event{Status: http.StatusServiceUnavailable, Code: string(s3err.SlowDown)}
	warned := 0
	begin := time.Now()
	for range 1000 {
		if s.level(ev) == slog.LevelWarn {
			warned++
		}
	}
	require.Positive(t, warned)
	require.LessOrEqual(t, warned, 2+int(time.Since(begin)/time.Second))
}

func TestLogHandlerAddsTheRequestID(t *testing.T) {
	var b bytes.Buffer
	l := slog.New(LogHandler(slog.NewTextHandler(&b, nil))).With("a", 1)
	l.InfoContext(ContextWithRequestID(context.Background(), "ID7"), "line")
	require.Contains(t, b.String(), "a=1 request_id=ID7")
	b.Reset()
	l.Info("line")
	require.NotContains(t, b.String(), "request_id")
}

package workload

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What Verify makes of a server that answers each request with a status, and of
// one that is not there.
func TestWhatCountsAsNotAnswering(t *testing.T) {
	for name, c := range map[string]struct {
		status     func(n int64) int
		unanswered bool
	}{
		"refuses to the end":    {func(int64) int { return 503 }, true},
		"fails to the end":      {func(int64) int { return 500 }, true},
		"has no space":          {func(int64) int { return 507 }, false},
		"is late":               {func(n int64) int { return map[bool]int{true: 503, false: 200}[n < 2] }, false},
		"forbids":               {func(int64) int { return 403 }, false},
		"cuts every connection": {func(int64) int { return 0 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := c.status(n.Add(1))
				if status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(status)
			}))
			defer srv.Close()
			err := loadOf(t, srv.URL).Verify(t.Context())
			require.Error(t, err, "a write that is refused once is a failure")
			require.NotErrorIs(t, err, ErrContradiction)
			if c.unanswered {
				require.ErrorIs(t, err, ErrUnanswered)
			} else {
				require.NotErrorIs(t, err, ErrUnanswered)
			}
		})
	}
}

// A run that its caller ends says nothing about the server.
func TestTheEndOfARunIsNoRefusal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		w.WriteHeader(503)
	}))
	defer srv.Close()
	require.NotErrorIs(t, loadOf(t, srv.URL).Verify(ctx), ErrUnanswered)
}

func loadOf(t *testing.T, url string) *Load {
	l, err := New(Config{
		Endpoint: strings.TrimPrefix(url, "http://"), AccessKey: "a", SecretKey: "s", Bucket: "torture",
		Writers: 1, KeysPerWriter: 1, Patience: 20 * time.Millisecond,
		Idle: func(context.Context) error { return nil },
	})
	require.NoError(t, err)
	return l
}

package raftlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"catena/chain"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// keysOf gives the names of a JSON object's members as they are written.
func keysOf(t *testing.T, line string) (keys []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		k, err := d.Token()
		require.NoError(t, err)
		keys = append(keys, k.(string))
		var v any
		require.NoError(t, d.Decode(&v))
	}
	return keys
}

// stopped is a clock that stands.
func stopped() chain.Instant { return 0 }

// "failed to contact" has a "time" of its own: each name stands once in a line.
func TestNoNameStandsTwiceInALine(t *testing.T) {
	var b bytes.Buffer
	l := NewLogger(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true})).With("voter", "1234"), stopped)
	l.Warn("failed to contact", "server-id", "abcd", "time", 1500*time.Millisecond)
	l.With("level", 3, "peer", "x").Error("appendEntries failed", "msg", "no", "source", "here", "voter", "5678")
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2)
	for _, line := range lines {
		seen := map[string]bool{}
		for _, k := range keysOf(t, line) {
			require.False(t, seen[k], "%s twice in %s", k, line)
			seen[k] = true
		}
	}
	require.Contains(t, lines[0], `"raft_time":1500000000`)
	require.Contains(t, lines[1], `"raft_voter":"5678"`)
	require.Contains(t, lines[1], `"peer":"x"`)
}

func TestLoggerStepsDown(t *testing.T) {
	var out bytes.Buffer
	l := NewLogger(slog.New(slog.NewTextHandler(&out, nil)), stopped)
	l.Error("failed to heartbeat to", "peer", "x")
	l.Info("entering follower state")
	l.Named("raft").With("k", "v").Warn("something")
	require.Contains(t, out.String(), `level=WARN msg="failed to heartbeat to" peer=x`)
	require.Contains(t, out.String(), "level=INFO msg=something k=v")
	require.NotContains(t, out.String(), "follower")
}

// A voter that is gone is reported ten times a second; it is said at once, and
// then once a minute with how often.
func TestTheSameOfTheSamePeerIsSaidOnceAMinute(t *testing.T) {
	var out bytes.Buffer
	var now chain.Instant
	l := NewLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), func() chain.Instant { return now })
	gone, full := errors.New("connection refused"), errors.New("no space left on device")
	for range 1300 { // 130 s
		l.Warn("failed to contact", "server-id", "a", "time", time.Duration(now))
		l.Error("failed to heartbeat to", "peer", "a", "backoff time", time.Duration(now), "error", gone)
		now = now.Add(chain.Second / 10)
	}
	require.Equal(t, strings.Join([]string{
		`level=INFO msg="failed to contact" server-id=a raft_time=0s`,
		`level=WARN msg="failed to heartbeat to" peer=a "backoff time"=0s error="connection refused"`,
		`level=INFO msg="failed to contact" server-id=a raft_time=1m0s repeated=599`,
		`level=WARN msg="failed to heartbeat to" peer=a "backoff time"=1m0s error="connection refused" repeated=599`,
		`level=INFO msg="failed to contact" server-id=a raft_time=2m0s repeated=599`,
		`level=WARN msg="failed to heartbeat to" peer=a "backoff time"=2m0s error="connection refused" repeated=599`,
	}, "\n")+"\n", out.String())

	out.Reset()
	l.Warn("failed to contact", "server-id", "b")
	l.Error("failed to heartbeat to", "peer", "b", "error", gone)
	l.Error("failed to heartbeat to", "peer", "a", "error", full)
	l.Error("failed to appendEntries to", "peer", "a", "error", gone)
	l.With("peer", "c").Error("failed to heartbeat to", "error", gone)
	require.Equal(t, 5, strings.Count(out.String(), "\n"), "another peer, another error, and another message are said at once: %s", &out)

	out.Reset()
	for range 3 {
		l.Error("failed to take snapshot", "error", full)
		l.Warn("Election timeout reached, restarting election")
	}
	require.Equal(t, 3, strings.Count(out.String(), "failed to take snapshot"), "what goes wrong in this voter itself is always said")
	require.Equal(t, 1, strings.Count(out.String(), "Election timeout"))
}

// What is remembered of lines is bounded, whatever peers call themselves.
func TestRepeatsAreBounded(t *testing.T) {
	r := &repeats{now: stopped, lines: map[string]*repeated{}}
	for i := range 10 * maxRepeats {
		key, ok := repeatable(hclog.Warn, "rejecting vote request", []any{"from", strings.Repeat("x", 1000), "candidate", i})
		require.True(t, ok)
		require.Less(t, len(key), 300)
		said, _ := r.say(key)
		require.True(t, said)
	}
	require.LessOrEqual(t, len(r.lines), maxRepeats)
}

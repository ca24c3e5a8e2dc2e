package raftlog

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

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

// "failed to contact" has a "time" of its own: each name stands once in a line.
func TestNoNameStandsTwiceInALine(t *testing.T) {
	var b bytes.Buffer
	l := NewLogger(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true})).With("voter", "1234"))
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

package store

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"catena/objectd/vfs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// words collects what is logged, as JSON lines.
type words struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

// lines gives "LEVEL message" of every line so far.
func (w *words) lines(t *testing.T) (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := json.NewDecoder(bytes.NewReader(w.buf.Bytes())); d.More(); {
		var l struct{ Level, Msg string }
		require.NoError(t, d.Decode(&l))
		out = append(out, l.Level+" "+l.Msg)
	}
	return out
}

// A log that waits for space says so once when it begins and once when it ends.
// catena_store_log_waits_for_space is 1 while, and only while, what was accepted
// waits for room; also when the room comes from outside of the store.
func TestALogThatWaitsForSpaceSaysSo(t *testing.T) {
	mem := vfs.NewMem()
	reg := prometheus.NewRegistry()
	var log words
	cfg := testConfig(mem)
	cfg.Registerer = reg
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created(), mark(1)))
	const name = "catena_store_log_waits_for_space"
	const waits, again = "WARN the log waits for space: nothing is acknowledged until there is", "INFO the log has space again"
	require.Zero(t, metric(t, reg, name))
	require.Empty(t, log.lines(t))
	sent := uint64(0)
	var want []string
	for range 2 {
		before := sent
		mem.SetCapacity(1) // less than there is: nothing more can be made
		done := make(chan error, 1<<16)
		require.Eventually(t, func() bool {
			for range 8 {
				sent++
				s.Append(func(err error) { done <- err }, Entry(ix, entryOf(sent, bodyRow("big"), chunkBytes(3, 5000))))
			}
			return metric(t, reg, name) == 1
		}, 10*time.Second, time.Millisecond)
		require.NoError(t, s.Failed())
		want = append(want, waits)
		require.Equal(t, want, log.lines(t))
		mem.SetCapacity(1 << 40)
		for range sent - before {
			require.NoError(t, <-done)
		}
		require.Zero(t, metric(t, reg, name))
		want = append(want, again)
		require.Equal(t, want, log.lines(t))
	}
	require.NoError(t, s.Close())
}

// A store that fails while its log waits is not said to have space again.
func TestALogThatWaitsForSpaceWhenTheStoreFails(t *testing.T) {
	mem := vfs.NewMem()
	var log words
	cfg := testConfig(mem)
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created(), mark(1)))
	mem.SetCapacity(1)
	done := make(chan error, 1<<16)
	sent := uint64(0)
	require.Eventually(t, func() bool {
		sent++
		s.Append(func(err error) { done <- err }, Entry(ix, entryOf(sent, bodyRow("big"), chunkBytes(3, 5000))))
		return s.Starving()
	}, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, s.Fail(vfs.ErrIO), ErrFailed)
	require.ErrorIs(t, s.Close(), ErrFailed)
	require.False(t, s.Starving())
	require.Equal(t, []string{
		"WARN the log waits for space: nothing is acknowledged until there is",
		"ERROR store failed; this process does not use it again",
	}, log.lines(t))
}

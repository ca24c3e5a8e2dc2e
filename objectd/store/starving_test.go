package store

import (
	"testing"
	"time"

	"catena/objectd/vfs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// catena_store_log_waits_for_space is 1 while, and only while, what was accepted
// waits for room; also when the room comes from outside of the store.
func TestTheMetricOfALogThatWaitsForSpace(t *testing.T) {
	mem := vfs.NewMem()
	reg := prometheus.NewRegistry()
	cfg := testConfig(mem)
	cfg.Registerer = reg
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created(), mark(1)))
	const name = "catena_store_log_waits_for_space"
	require.Zero(t, metric(t, reg, name))
	mem.SetCapacity(1) // less than there is: nothing more can be made
	done := make(chan error, 1<<16)
	sent := uint64(0)
	require.Eventually(t, func() bool {
		for range 8 {
			sent++
			s.Append(func(err error) { done <- err }, Entry(ix, entryOf(sent, bodyRow("big"), chunkBytes(3, 5000))))
		}
		return metric(t, reg, name) == 1
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Failed())
	mem.SetCapacity(1 << 40)
	for range sent {
		require.NoError(t, <-done)
	}
	require.Zero(t, metric(t, reg, name))
	require.NoError(t, s.Close())
}

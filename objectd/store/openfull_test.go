package store

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/objectd/vfs"
)

// A disk that is full when the store opens: Pebble's flush dies at some file of
// the rows, and whoever opens the store is told, at whichever file it was. It
// once waited for that flush without end, and kept every other disk from opening.
func TestAFullDiskAtOpenIsTold(t *testing.T) {
	for nth := range 40 {
		mem := vfs.NewMem()
		s, err := Open(testConfig(mem))
		require.NoError(t, err)
		require.NoError(t, appendAll(s, created(), mark(1)))
		require.NoError(t, appendAll(s, Entry(ix, entryOf(1, bodyRow("a"), []byte("x")))))
		require.NoError(t, s.Close())

		var n, full atomic.Int64
		cfg := testConfig(&vfs.Hook{FS: mem, Before: func(o vfs.Op) error {
			if o.Kind&vfs.OpMutating == 0 || !strings.Contains(o.Name, rowsDir+"/") {
				return nil
			}
			if n.Add(1) > int64(nth) {
				full.Store(1)
				return vfs.ErrNoSpace
			}
			return nil
		}})
		opened := make(chan error, 1)
		go func() {
			s, err := Open(cfg)
			if err == nil {
				err = s.Close()
			}
			opened <- err
		}()
		select {
		case err := <-opened:
			if full.Load() == 0 {
				require.NoError(t, err)
				return // every file of an open has had its turn
			}
			if err != nil {
				require.True(t, vfs.IsNoSpace(err), "change %d: %v", nth, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("open hangs when the disk is full at change %d of the rows", nth)
		}
	}
}

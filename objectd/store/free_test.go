package store

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/objectd/vfs"
)

// secondsClock stands still until seconds are added.
type secondsClock struct{ atomic.Int64 }

func (c *secondsClock) now() time.Time { return time.Unix(1+c.Load(), 0) }

func freeConfig(fs vfs.FS, c *secondsClock) Config {
	cfg := testConfig(fs)
	cfg.Now = c.now
	return cfg
}

// An error of asking for space was taken for "full". One that may pass says nothing.
func TestAPassingErrorOfUsageIsNotAFullDisk(t *testing.T) {
	f := vfs.NewFault(vfs.NewMem())
	var clock secondsClock
	s, err := Open(freeConfig(f, &clock))
	require.NoError(t, err)
	free := s.Free()
	require.Positive(t, free)
	f.Fail(vfs.OpUsage, nil, 0, true, syscall.ENOMEM)
	clock.Add(1)
	require.Equal(t, free, s.Free(), "the last reading stands")
	require.Positive(t, f.Hits())
	require.NoError(t, s.Failed())
	require.NoError(t, s.Close())

	s, err = Open(freeConfig(f, &clock)) // it never gave an answer
	require.NoError(t, err)
	require.Positive(t, s.Free())
	require.NoError(t, appendAll(s, created(), mark(1)))
	require.NoError(t, s.Close())
}

// The directory of a running store is gone, or another one is there now: nobody
// was told, and every create was refused as on a full disk. Nothing may be
// written into the other one.
func TestAStoreWhoseDirectoryGoesEnds(t *testing.T) {
	for _, again := range []bool{false, true} {
		mem := vfs.NewMem()
		var clock secondsClock
		cfg := freeConfig(mem, &clock)
		told := make(chan error, 1)
		cfg.OnFail = func(err error) { told <- err }
		s, err := Open(cfg)
		require.NoError(t, err)
		require.NoError(t, appendAll(s, created(), mark(1)))
		require.NoError(t, mem.RemoveAll("d"))
		if again { // and another one, as another process would make it
			require.NoError(t, mem.MkdirAll("d/"+segDir))
			require.NoError(t, vfs.WriteFile(mem, "d", lockFile, nil))
		}
		require.NoError(t, s.Failed(), "nobody looked yet")
		clock.Add(1)
		s.Free()
		require.ErrorIs(t, s.Failed(), ErrFailed)
		require.ErrorContains(t, <-told, "its directory is gone")
		require.ErrorIs(t, s.Close(), ErrFailed)
	}
}

// A log that needs its next segment in the meantime does not make it in the
// directory that came to the path.
func TestNoSegmentIsMadeInAnotherDirectory(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), mark(1)))
	require.NoError(t, mem.RemoveAll("d"))
	require.NoError(t, mem.MkdirAll("d/"+segDir))
	require.NoError(t, mem.MkdirAll("d/"+rowsDir))
	require.NoError(t, vfs.WriteFile(mem, "d", lockFile, nil))
	var err error
	for i := uint64(1); err == nil && i < 5000; i++ {
		err = appendAll(s, Entry(ix, entryOf(i, bodyRow("big"), chunkBytes(3, 5000))))
	}
	require.ErrorIs(t, err, vfs.ErrMoved)
	require.ErrorIs(t, s.Close(), ErrFailed)
	for _, dir := range []string{"d/" + segDir, "d/" + rowsDir} {
		names, err := mem.List(dir)
		require.NoError(t, err)
		require.Empty(t, names)
	}
}

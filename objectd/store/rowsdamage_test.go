package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/objectd/vfs"
)

// damageRows calls damage with every file of a store that holds rows.
func damageRows(t *testing.T, mem *vfs.Mem, damage func(f vfs.File) error) {
	dir := vfs.Join("d", rowsDir)
	names, err := mem.List(dir)
	require.NoError(t, err)
	n := 0
	for _, name := range names {
		if path.Ext(name) != ".sst" {
			continue
		}
		f, err := mem.OpenRW(vfs.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, damage(f))
		require.NoError(t, f.Close())
		n++
	}
	require.Positive(t, n)
}

// rowDamages are what a disk does to a table of rows, in its second half: the
// first block, which holds the replay position, was read already and is cached.
func rowDamages() map[string]func(vfs.File) error {
	return map[string]func(vfs.File) error{
		"flipped": func(f vfs.File) error {
			size, err := f.Size()
			if err != nil {
				return err
			}
			b := make([]byte, 64)
			if _, err := f.ReadAt(b, size/2); err != nil {
				return err
			}
			for i := range b {
				b[i] ^= 0xff
			}
			_, err = f.WriteAt(b, size/2)
			return err
		},
		"cut short": func(f vfs.File) error {
			size, err := f.Size()
			if err != nil {
				return err
			}
			return f.Truncate(size / 2)
		},
	}
}

// endOf gives the store's only word of its end.
func endOf(t *testing.T, fails <-chan error) error {
	select {
	case err := <-fails:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the store was not ended")
		return nil
	}
}

// requireEnded asks a failed store everything, and closes it.
func requireEnded(t *testing.T, s *Store) {
	ended := s.Failed()
	require.ErrorIs(t, ended, ErrFailed)
	require.Contains(t, ended.Error(), "rows")
	h, e := headerOf(7, 10), entryOf(99, putRow("a", "b"), nil)
	calls := map[string]func() error{
		"Append":      func() error { return appendAll(s, State(ix, chain.KindIndex, []byte("x"))) },
		"Apply":       func() error { return s.Apply(ix, e, after(e), putRow("a", "b")) },
		"Applied":     func() error { _, err := s.Applied(ix); return err },
		"Reader":      func() error { _, err := s.Reader(ix); return err },
		"ReadPage":    func() error { _, err := s.ReadPage(ix, nil, 10, 1000); return err },
		"InstallPage": func() error { return wait(func(done func(error)) { s.InstallPage(ix, index.Page{}, done) }) },
		"EndInstall":  func() error { return s.EndInstall(ix, index.Applied{}) },
		"Reserve":     func() error { return s.Reserve(dt, h) },
		"WriteFrame":  func() error { _, err := s.WriteFrame(dt, h.ID, 0, []byte("x")); return err },
		"Seal":        func() error { return wait(func(done func(error)) { s.Seal(dt, h, data.Sums{}, done) }) },
		"Clone":       func() error { return s.Clone(dt, h, chunkID(1), 0, func(error) {}) },
		"List":        func() error { _, _, err := s.List(dt, chain.ChunkID{}, 10); return err },
		"Chunk":       func() error { _, err := s.Chunk(dt, chunkID(1)); return err },
		"ReadChunk":   func() error { _, err := s.ReadChunk(dt, chunkID(1), 0, 1); return err },
		"Quarantine": func() error {
			return wait(func(done func(error)) { s.Quarantine(dt, []chain.ChunkID{chunkID(1)}, "test", done) })
		},
		"Quarantined": func() error { _, err := s.Quarantined(); return err },
		"Maintain":    s.Maintain,
	}
	for name, call := range calls {
		require.ErrorIs(t, call(), ErrFailed, name)
	}
	require.ErrorIs(t, s.Close(), ErrFailed)
}

// keepRows commits rows and flushes them into a table of their own.
func keepRows(t *testing.T, s *Store, from, to uint64) error {
	noise := rand.NewChaCha8([32]byte{1}) // of many blocks, compressed too
	value := make([]byte, 1000)
	for seq := from; seq <= to; seq++ {
		_, _ = noise.Read(value)
		commit(t, s, ix, entryOf(seq, putRow(fmt.Sprint("key", seq%50), string(value)), nil))
	}
	s.maintenance.mu.Lock()
	defer s.maintenance.mu.Unlock()
	return s.flushRows()
}

// damagedStore has one table of rows, damaged under the running store, and
// tells fails of its end.
func damagedStore(t *testing.T, damage func(vfs.File) error) (s *Store, fails chan error) {
	mem := vfs.NewMem()
	cfg := testConfig(mem)
	fails = make(chan error, 10)
	cfg.OnFail = func(err error) { fails <- err }
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created()))
	require.NoError(t, keepRows(t, s, 1, 50))
	damageRows(t, mem, damage)
	return s, fails
}

// requireRest waits until no goroutine of Pebble's works: after a failure it would
// begin again what failed, at once and for ever.
func requireRest(t *testing.T) {
	require.Eventually(t, func() bool {
		stacks := make([]byte, 16<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, work := range []string{"pebble/v2.(*DB).flush", "pebble/v2.(*DB).compact", "pebble/v2.(*DB).collectTableStats"} {
			if bytes.Contains(stacks, []byte(work)) {
				return false
			}
		}
		return true
	}, 10*time.Second, time.Millisecond)
}

// A flush or a compaction that fails is not tried again, which would take a core
// until the process ends.
func TestAFailedFlushIsNotTriedAgain(t *testing.T) {
	f := vfs.NewFault(vfs.NewMem())
	s := open(t, f)
	require.NoError(t, appendAll(s, created()))
	f.Fail(vfs.OpCreate, func(op vfs.Op) bool { return path.Ext(op.Name) == ".sst" }, 0, true, vfs.ErrIO)
	require.ErrorIs(t, keepRows(t, s, 1, 50), ErrFailed)
	requireRest(t)
	require.Equal(t, 1, f.Hits())
	requireEnded(t, s)
}

// Rows found damaged in a compaction, which Pebble does in a goroutine of its
// own, end the store and not the process: Pebble's word for damage is Fatalf.
func TestRowsDamagedInACompactionEndTheStore(t *testing.T) {
	for name, damage := range rowDamages() {
		t.Run(name, func(t *testing.T) {
			s, fails := damagedStore(t, damage)
			// The second table of one level is merged with the first, maybe
			// before its flush is told.
			if err := keepRows(t, s, 51, 100); err != nil {
				require.ErrorIs(t, err, ErrFailed)
			}
			end := endOf(t, fails)
			require.Equal(t, s.Failed(), end)
			requireEnded(t, s)
			require.Empty(t, fails, "OnFail is called once")
			requireRest(t)
		})
	}
}

// A read that meets a wrong checksum ends the store: its rows are filled again,
// not asked again. Rows that cannot be read are damage to the replica, which
// leaves its chain.
func TestRowsDamagedUnderARead(t *testing.T) {
	for name, damage := range rowDamages() {
		t.Run(name, func(t *testing.T) {
			s, fails := damagedStore(t, damage)
			_, err := s.ReadPage(ix, nil, 1000, 1<<30)
			require.ErrorIs(t, err, ErrDamaged)
			_, err = s.ReadPage(ix, nil, 1000, 1<<30)
			if name == "cut short" {
				require.ErrorIs(t, err, ErrDamaged)
				require.NoError(t, s.Close())
				return
			}
			require.ErrorIs(t, err, ErrFailed)
			require.Equal(t, s.Failed(), endOf(t, fails))
			requireEnded(t, s)
		})
	}
}

// Open reads the tables' ends and the position: damage there is told, and no
// goroutine of Pebble's that meets it later ends the process.
func TestRowsDamagedAtOpen(t *testing.T) {
	for name, from := range map[string]int64{"first block": 8, "footer": -40, "magic number": -4} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			s := open(t, mem)
			require.NoError(t, appendAll(s, created()))
			require.NoError(t, keepRows(t, s, 1, 50))
			require.NoError(t, s.Close())
			damageRows(t, mem, func(f vfs.File) error {
				size, err := f.Size()
				if err != nil {
					return err
				}
				_, err = f.WriteAt([]byte{0xaa, 0x55}, (from+size)%size)
				return err
			})
			_, err := Open(testConfig(mem))
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorContains(t, err, "open")
			requireRest(t)
		})
	}
}

// A manifest that cannot be read hides rows that the log still has: they are
// made anew. (Pebble's mark of damage is not seen by the standard errors.Is.)
func TestRowsOfADamagedManifestAreRebuilt(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created()))
	require.NoError(t, keepRows(t, s, 1, 50))
	require.NoError(t, s.Close())
	dir := vfs.Join("d", rowsDir)
	names, err := mem.List(dir)
	require.NoError(t, err)
	damaged := 0
	for _, name := range names {
		if !strings.HasPrefix(name, "MANIFEST-") {
			continue
		}
		f, err := mem.OpenRW(vfs.Join(dir, name))
		require.NoError(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 40), 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		damaged++
	}
	require.Positive(t, damaged)
	s = open(t, mem)
	all := s.Replicas()
	require.Len(t, all, 1)
	// The log alone does not say what was committed: the chain does.
	require.EqualValues(t, 50, int(all[0].Applied.Seq)+len(all[0].Entries))
	require.NoError(t, s.Close())
}

// Damaged rows end the store while Open still reads them, if a goroutine of
// Pebble's meets them first: Open says damaged all the same.
func TestDamageAtOpenIsToldWhoeverMeetsItFirst(t *testing.T) {
	for name, err := range map[string]error{
		"Open":      pebble.ErrCorruption,
		"Pebble":    &Error{Kind: ErrFailed, Op: "read rows", Err: pebble.ErrCorruption},
		"the store": &Error{Kind: ErrDamaged, Op: "read position", Err: pebble.ErrCorruption},
	} {
		err = openError("d", err)
		require.ErrorIs(t, err, ErrDamaged, name)
		require.ErrorIs(t, err, pebble.ErrCorruption, name)
	}
	err := openError("d", &Error{Kind: ErrFailed, Op: "write log", Err: vfs.ErrIO})
	require.ErrorIs(t, err, ErrFailed)
	require.NotErrorIs(t, err, ErrDamaged)
}

package store

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/objectd/vfs"
)

// workload does a bit of everything; it stops at the first error. What was
// acknowledged is in the model.
func workload(t *testing.T, s *Store, m *model) error {
	do := func(p *mreplica, o *mop, rec Record) error {
		m.issue(p, o)
		err := appendAll(s, rec)
		if err == nil {
			m.mu.Lock()
			p.acked++
			m.mu.Unlock()
		}
		return err
	}
	idx, dat := &mreplica{key: ix, kind: chain.KindIndex}, &mreplica{key: dt, kind: chain.KindData}
	m.mu.Lock()
	m.replicas[ix], m.replicas[dt] = idx, dat
	m.mu.Unlock()
	if err := do(idx, &mop{kind: recCreate}, CreateReplica(ix, chain.KindIndex)); err != nil {
		return err
	}
	if err := do(dat, &mop{kind: recCreate}, CreateReplica(dt, chain.KindData)); err != nil {
		return err
	}
	for i := range uint64(12) {
		e := entryOf(i+1, bodyRow(fmt.Sprint("k", i%5)), chunkBytes(int(i), 30_000))
		rows, _ := decodeRows(e.Body)
		o := &mop{kind: recEntry, entry: e, rows: rows}
		if err := do(idx, o, Entry(ix, e)); err != nil {
			return err
		}
		m.mu.Lock()
		idx.applied = e.Seq
		m.mu.Unlock()
		if err := s.Apply(ix, e, after(e), rows); err != nil {
			return err
		}
		n := int(i) + 1
		b := chunkBytes(n, 50_000)
		m.issue(dat, &mop{kind: recSeal, id: chunkID(n), bytes: b})
		if err := writeChunk(s, dt, n, 50_000); err != nil {
			return err
		}
		m.mu.Lock()
		dat.acked++
		m.mu.Unlock()
		if i%3 == 2 {
			ids := []chain.ChunkID{chunkID(n), chunkID(n - 1)}
			if err := do(dat, &mop{kind: recRemove, ids: ids}, Remove(dt, ids)); err != nil {
				return err
			}
		}
		if i%4 == 3 {
			if err := s.Maintain(); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestFaultSweep fails the i-th write or sync of a workload, for every i. The
// store must end at once and once, without another write to its log, and what it
// acknowledged must survive a power cut. Nothing may panic or hang.
func TestFaultSweep(t *testing.T) {
	kinds := vfs.OpMutating
	hits, failed := 0, 0
	for i := 0; ; i++ {
		mem := vfs.NewMem()
		f := vfs.NewFault(mem)
		var writesAfter atomic.Int64
		var dead atomic.Bool
		hook := &vfs.Hook{FS: f, Before: func(op vfs.Op) error {
			if dead.Load() && op.Kind&(vfs.OpWrite|vfs.OpSyncs) != 0 && strings.HasSuffix(op.Name, ".seg") {
				writesAfter.Add(1)
			}
			return nil
		}}
		sticky := i%2 == 1 // the disk is dead from then on
		f.Fail(kinds, nil, i, sticky, vfs.ErrIO)
		m := newModel()
		cfg := testConfig(hook)
		fails := make(chan error, 10)
		var told atomic.Int64
		cfg.OnFail = func(err error) { told.Add(1); fails <- err }
		s, err := Open(cfg)
		if err == nil {
			err = workload(t, s, m)
			if s.Failed() != nil {
				s.maintenance.mu.Lock() // what is under way ends; nothing begins
				require.ErrorIs(t, appendAll(s, State(ix, chain.KindIndex, nil)), ErrFailed)
				dead.Store(true)
				s.maintenance.mu.Unlock()
				failed++
				select {
				case ferr := <-fails:
					require.ErrorIs(t, ferr, ErrFailed)
				case <-time.After(10 * time.Second):
					t.Fatalf("call %d: OnFail was not called", i)
				}
				require.ErrorIs(t, appendAll(s, State(ix, chain.KindIndex, []byte("x"))), ErrFailed)
				_, rerr := s.Reader(ix)
				require.ErrorIs(t, rerr, ErrFailed)
				require.ErrorIs(t, s.Reserve(dt, data.Header{ID: chunkID(999), Size: 1}), ErrFailed)
				require.ErrorIs(t, s.Maintain(), ErrFailed)
			}
			if err != nil {
				require.True(t, errors.Is(err, ErrFailed), "call %d: %v", i, err)
			}
			cerr := s.Close()
			if s.Failed() != nil {
				require.ErrorIs(t, cerr, ErrFailed)
				require.LessOrEqual(t, told.Load(), int64(1), "OnFail was called twice")
			}
		}
		if f.Hits() == 0 {
			require.NoError(t, err)
			break
		}
		hits++
		require.Zero(t, writesAfter.Load(), "call %d: written after the failure", i)
		s2 := open(t, mem.CrashClone([]int{0, 50, 100}[i%3], uint64(i)))
		m.verify(t, s2)
		require.NoError(t, s2.Close())
	}
	t.Logf("%d calls failed, %d ended the store", hits, failed)
	require.Greater(t, hits, 150)
	require.Greater(t, failed, 100)
}

func TestFailureAnswersEverybodyWhoWaits(t *testing.T) {
	f := vfs.NewFault(vfs.NewMem())
	s := open(t, f)
	require.NoError(t, appendAll(s, created()))
	f.Fail(vfs.OpSyncData, nil, 0, true, vfs.ErrIO)
	var wg sync.WaitGroup
	for i := range uint64(20) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			e := entryOf(i+1, putRow("a", "b"), nil)
			err := appendAll(s, Entry(ix, e))
			if err == nil {
				t.Error("acknowledged without a sync")
			}
			if err := s.Apply(ix, e, after(e), putRow("a", "b")); err == nil {
				t.Error("applied without a sync")
			}
		}()
	}
	wg.Wait()
	require.ErrorIs(t, s.Close(), ErrFailed)
}

// A full disk is no failure: creates are refused, deletes go on, and space that
// was freed is used again.
func TestFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	mem.SetCapacity(4 << 20)
	cfg := testConfig(mem)
	cfg.ReserveBytes = 1 << 20
	var seconds atomic.Int64 // asked by the writer too
	cfg.Now = func() time.Time { return time.Unix(seconds.Add(1), 0) }
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	n := 0
	for ; ; n++ {
		if err = writeChunk(s, dt, n, 100_000); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrFull)
	require.Greater(t, n, 10)
	require.LessOrEqual(t, s.Free(), int64(0))
	require.NoError(t, s.Failed())
	var ids []chain.ChunkID
	for i := range n {
		ids = append(ids, chunkID(i))
	}
	require.NoError(t, appendAll(s, Remove(dt, ids)))
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.Positive(t, s.Free())
	require.NoError(t, writeChunk(s, dt, n+1, 100_000))
	require.NoError(t, s.Close())
}

// Every byte of the log and of chunks that is needed is protected: any bit of it
// that flips is noticed by whoever reads it.
func TestBitFlips(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), mark(1)))
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	big := chunkBytes(3, 5000)
	commit(t, s, ix, entryOf(1, bodyRow("big"), big))
	require.NoError(t, appendAll(s, Entry(ix, entryOf(2, putRow("a", "b"), nil)), Truncate(ix, 1, 2)))
	require.NoError(t, writeChunk(s, dt, 1, 70_000))
	require.NoError(t, wait(func(done func(error)) {
		require.NoError(t, s.Clone(dt, data.Header{ID: chunkID(2), Size: 10}, chunkID(1), 5, done))
	}))
	require.NoError(t, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(2)})))
	end := s.log.supply.end.Load()
	c := s.chunkExtent(t, dt, chunkID(1))
	logName, chunkName := vfs.Join("d/seg", segName(s.log.supply.active.Load().slot)), vfs.Join("d/seg", segName(c.slot))
	// One more record, so that damage before it is told from a torn end.
	require.NoError(t, appendAll(s, mark(2)))
	crash := mem.CrashClone(100, 1) // rows are not flushed: the whole log is replayed
	require.NoError(t, s.Close())

	flip := func(name string, off int64) *vfs.Mem {
		c := crash.CrashClone(100, 1)
		f, err := c.OpenRW(name)
		require.NoError(t, err)
		b := make([]byte, 1)
		_, err = f.ReadAt(b, off)
		require.NoError(t, err)
		b[0] ^= 1 << (off % 8)
		_, err = f.WriteAt(b, off)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		return c
	}
	tested := 0
	for off := int64(headerBytes); off < end; off++ {
		if pad := inPadding(t, crash, logName, off); pad {
			continue
		}
		if tested++; tested%31 != 0 && tested > 200 {
			continue
		}
		s, err := Open(testConfig(flip(logName, off)))
		if err == nil {
			require.NoError(t, s.Close())
		}
		require.ErrorIs(t, err, ErrDamaged, "offset %d", off)
	}
	require.Greater(t, tested, 5000)
	for off := c.off; off < c.off+int64(c.n); off += 9973 {
		s := open(t, flip(chunkName, off))
		_, err := s.ReadChunk(dt, chunkID(1), uint32(off-c.off), 1)
		require.ErrorIs(t, err, ErrDamaged)
		require.Len(t, s.Damaged(), 1)
		require.NoError(t, s.Close())
	}
	for off := range int64(2) { // one copy of the header is enough
		s := open(t, flip(logName, off*block+20))
		require.Equal(t, "state 2", stateOf(t, s))
		require.NoError(t, s.Close())
	}
	both := flip(logName, 20)
	f, err := both.OpenRW(logName)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xff}, block+20)
	require.NoError(t, err)
	_, err = Open(testConfig(both))
	require.ErrorIs(t, err, ErrDamaged)
}

func (s *Store) chunkExtent(t *testing.T, k Key, id chain.ChunkID) extent {
	c, err := s.sealed("test", k, id)
	require.NoError(t, err)
	return c.extent
}

// inPadding reports whether a byte is behind the records of its batch.
func inPadding(t *testing.T, fs *vfs.Mem, name string, off int64) bool {
	f, err := fs.Open(name)
	require.NoError(t, err)
	b := make([]byte, batchHeaderSize)
	for at := int64(headerBytes); ; {
		_, err := f.ReadAt(b, at)
		require.True(t, err == nil || err == io.EOF)
		h, ok, err := getBatchHeader(b, 1, at)
		require.NoError(t, err)
		require.True(t, ok)
		end := at + batchHeaderSize + int64(h.length)
		next := at + align(end-at)
		if off < next {
			return off >= end
		}
		at = next
	}
}

// A payload that rots after it was applied is found when it is read.
func TestRottenPayload(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created()))
	commit(t, s, ix, entryOf(1, bodyRow("big"), chunkBytes(3, 5000)))
	f, err := mem.OpenRW(vfs.Join("d/seg", segName(1)))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0}, s.log.supply.active.Load().end-2*block+1000)
	require.NoError(t, err)
	r, err := s.Reader(ix)
	require.NoError(t, err)
	_, _, err = r.Payload([]byte("big"))
	require.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, r.Close())
	require.NoError(t, s.Close())
}

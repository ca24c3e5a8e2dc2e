package store

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

// diskUsage is the length of all files, preallocated blocks included.
func diskUsage(t *testing.T, f vfs.FS, dir string) (bytes int64) {
	names, err := f.List(dir)
	require.NoError(t, err)
	for _, n := range names {
		i, err := f.Stat(vfs.Join(dir, n))
		require.NoError(t, err)
		if bytes += i.Size; i.Dir {
			bytes += diskUsage(t, f, vfs.Join(dir, n))
		}
	}
	return bytes
}

// A new idle store takes at most 256 MiB, after fifty restarts too, each of
// which writes the little that the replicas of a started server write.
func TestIdleStoreStaysSmall(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	cfg.SegmentSize = DefaultSegmentSize
	var keys []Key
	for i := range 20 {
		keys = append(keys, Key{Chain: chain.ChainID(i + 1), Incarnation: 1})
	}
	for restart := range 51 {
		s, err := Open(cfg)
		require.NoError(t, err)
		for i, k := range keys {
			kind := chain.KindData
			if i%2 == 0 {
				kind = chain.KindIndex
			}
			if restart == 0 {
				require.NoError(t, appendAll(s, CreateReplica(k, kind)))
			}
			s.Append(nil, State(k, kind, fmt.Appendf(nil, "state %d", restart)))
		}
		require.NoError(t, s.Close())
		require.Less(t, diskUsage(t, cfg.FS, cfg.Dir), int64(256<<20), "restart %d", restart)
	}
	s, err := Open(cfg)
	require.NoError(t, err)
	require.Len(t, s.Replicas(), len(keys))
	require.NoError(t, s.Maintain())
	require.LessOrEqual(t, s.Stats().RecordSegments, 3, "what the restarts left is recycled")
	require.NoError(t, s.Close())
}

func TestSmallStoreReopensFast(t *testing.T) {
	cfg := testConfig(vfs.NewOS())
	cfg.Dir, cfg.SegmentSize = t.TempDir()+"/d", DefaultSegmentSize
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created()))
	for i := range uint64(500) {
		s.Append(nil, Entry(ix, entryOf(i+1, putRow(fmt.Sprint("k", i), "v"), nil)))
	}
	for i := range uint64(500) {
		e := entryOf(i+1, putRow(fmt.Sprint("k", i), "v"), nil)
		require.NoError(t, s.Apply(ix, e, after(e), putRow(fmt.Sprint("k", i), "v")))
	}
	require.NoError(t, s.Close())
	start := time.Now()
	s, err = Open(cfg)
	require.NoError(t, err)
	require.Less(t, time.Since(start), 3*time.Second)
	require.Len(t, readRows(t, s, ix), 500)
	require.NoError(t, s.Close())
}

// Space of removed chunks and dropped replicas comes back in whole segments,
// and a reader that began before holds it.
func TestSpaceComesBack(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	require.NoError(t, appendAll(s, created()))
	for i := range 20 {
		require.NoError(t, writeChunk(s, dt, i+1, 60_000))
		commit(t, s, ix, entryOf(uint64(i+1), bodyRow(fmt.Sprint("k", i%4)), chunkBytes(i, 40_000)))
	}
	require.Equal(t, 20, s.Stats().Chunks)
	require.EqualValues(t, 20*60_000, s.Stats().ChunkBytes)
	h := data.Header{ID: chunkID(50), Size: 100}
	require.NoError(t, wait(func(done func(error)) { require.NoError(t, s.Clone(dt, h, chunkID(1), 7, done)) }))
	require.EqualValues(t, 20*60_000, s.Stats().ChunkBytes, "bytes of clones count once")

	reader, err := s.Reader(ix)
	require.NoError(t, err)
	oldest := s.segs.of(segRecord)[0]
	var ids []chain.ChunkID
	for i := range 20 {
		ids = append(ids, chunkID(i+1))
	}
	require.NoError(t, appendAll(s, Remove(dt, ids)))
	require.NoError(t, s.Maintain())
	require.Equal(t, 1, s.Stats().Chunks)
	b, err := s.ReadChunk(dt, chunkID(50), 0, 100)
	require.NoError(t, err)
	require.Equal(t, chunkBytes(1, 60_000)[7:107], b, "a clone keeps the bytes")
	require.NotNil(t, s.segs.get(oldest.slot, oldest.inc), "a reader pins it")
	_, ok, err := reader.Payload([]byte("k3"))
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, reader.Close())

	require.NoError(t, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(50)})))
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.Zero(t, s.Stats().ChunkBytes)
	require.Zero(t, s.Stats().ChunkSegments)
	require.NoError(t, appendAll(s, DropReplica(ix, chain.KindIndex), DropReplica(dt, chain.KindData)))
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.LessOrEqual(t, s.Stats().RecordSegments, 3)
	require.NoError(t, s.Close())
	s = open(t, mem)
	require.Empty(t, s.Replicas())
	require.NoError(t, s.Close())
}

// Space comes back also when nothing is written after the removal that would
// bring a flush about.
func TestSpaceComesBackInAnIdleStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, vfs.NewMem())
		require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
		var ids []chain.ChunkID
		for i := range 20 {
			require.NoError(t, writeChunk(s, dt, i+1, 60_000))
			ids = append(ids, chunkID(i+1))
			commit(t, s, ix, entryOf(uint64(i+1), bodyRow("k"), chunkBytes(i, 40_000)))
		}
		require.NoError(t, appendAll(s, Remove(dt, ids)))
		commit(t, s, ix, entryOf(21, tablet.Rows{Deletes: [][]byte{[]byte("k")}}, nil))
		require.Greater(t, s.Stats().ChunkSegments, 3)
		require.Greater(t, s.Stats().RecordSegments, 3)
		time.Sleep(time.Minute)
		require.Zero(t, s.Stats().ChunkSegments)
		require.LessOrEqual(t, s.Stats().RecordSegments, 2)
		require.NoError(t, s.Close())
	})
}

// The image of a replica that is written forward never undoes a newer state.
func TestImageIsNotOlderThanTheState(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	for i := range 25 {
		s.Append(nil, State(dt, chain.KindData, make([]byte, 20_000)))
		s.Append(nil, mark(i))
		require.NoError(t, s.Maintain())
	}
	require.NoError(t, appendAll(s, mark(99)))
	c := mem.CrashClone(0, 1)
	require.NoError(t, c.RemoveAll("d/rows"))
	r := open(t, c)
	require.Equal(t, "state 99", stateOf(t, r))
	require.NoError(t, r.Close())
	require.NoError(t, s.Close())
}

func TestIdentityAndLock(t *testing.T) {
	mem := vfs.NewMem()
	_, ok, err := Identity(mem, "d")
	require.NoError(t, err)
	require.False(t, ok)
	s := open(t, mem)
	_, err = Open(testConfig(mem))
	require.ErrorIs(t, err, ErrLocked)
	id, ok, err := Identity(mem, "d")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, testStore, id)
	require.NoError(t, s.Close())

	cfg := testConfig(mem)
	cfg.StoreID = chain.StoreID{7}
	_, err = Open(cfg)
	require.ErrorIs(t, err, ErrIdentity)
	cfg = testConfig(mem)
	cfg.SegmentSize = 1 << 20
	s, err = Open(cfg)
	require.NoError(t, err)
	require.EqualValues(t, MinSegmentSize, s.cfg.SegmentSize, "the recorded size counts")
	require.NoError(t, s.Close())

	require.NoError(t, mem.Remove("d/STORE"))
	_, err = Open(testConfig(mem))
	require.ErrorIs(t, err, ErrIdentity, "data without identity is not taken for a new store")

	err = (&Config{SegmentSize: 5}).Validate()
	for _, want := range []string{"no FS", "no Dir", "no StoreID", "no DecodeRows", "SegmentSize 5"} {
		require.ErrorContains(t, err, want)
	}
}

func TestCallsOnWhatIsNotThere(t *testing.T) {
	s := open(t, vfs.NewMem())
	require.ErrorIs(t, appendAll(s, mark(1)), ErrGone)
	require.NoError(t, appendAll(s, created()))
	require.ErrorIs(t, appendAll(s, created()), ErrInvalid)
	require.ErrorIs(t, appendAll(s, State(ix, chain.KindData, nil)), ErrGone)
	require.ErrorIs(t, appendAll(s, State(ix, chain.KindIndex, make([]byte, MinSegmentSize))), ErrInvalid)
	require.ErrorIs(t, s.Apply(ix, entryOf(1, putRow("a", "b"), nil), after(entryOf(1, putRow("a", "b"), nil)), putRow("a", "b")), ErrInvalid)
	_, err := s.ReadChunk(dt, chunkID(1), 0, 1)
	require.ErrorIs(t, err, ErrGone)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	_, err = s.ReadChunk(dt, chunkID(1), 0, 1)
	require.ErrorIs(t, err, ErrGone)
	require.ErrorIs(t, s.Reserve(dt, data.Header{ID: chunkID(1), Size: 0}), ErrInvalid)
	require.ErrorIs(t, s.Reserve(dt, data.Header{ID: chunkID(1), Size: chain.MaxChunk + 1}), ErrInvalid)
	_, err = s.WriteFrame(dt, chunkID(1), 0, []byte("x"))
	require.ErrorIs(t, err, ErrGone)
	h := data.Header{ID: chunkID(1), Size: 10}
	require.NoError(t, s.Reserve(dt, h))
	require.ErrorIs(t, s.Reserve(dt, h), ErrInvalid)
	_, err = s.WriteFrame(dt, h.ID, 5, []byte("x"))
	require.ErrorIs(t, err, ErrInvalid)
	_, err = s.WriteFrame(dt, h.ID, 0, make([]byte, 11))
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorIs(t, wait(func(done func(error)) { s.Seal(dt, h, nil, done) }), ErrInvalid)
	sums, err := s.WriteFrame(dt, h.ID, 0, make([]byte, 10))
	require.NoError(t, err)
	require.ErrorIs(t, wait(func(done func(error)) { s.Seal(dt, h, data.Sums{1}, done) }), ErrInvalid, "other bytes than the sums say")
	require.NoError(t, wait(func(done func(error)) { s.Seal(dt, h, sums, done) }))
	require.ErrorIs(t, wait(func(done func(error)) { s.Seal(dt, h, sums, done) }), ErrGone)
	require.NoError(t, s.Close())
	require.ErrorIs(t, appendAll(s, mark(1)), ErrClosed)
	require.ErrorIs(t, s.Close(), ErrClosed)
}

package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/objectd/vfs"
)

func quarantined(t testing.TB, s *Store) (names []string) {
	t.Helper()
	all, err := s.Quarantined()
	require.NoError(t, err)
	for _, q := range all {
		names = append(names, fmt.Sprintf("%s %d: %s", q.Key, q.Header.ID.Ordinal, q.Why))
	}
	return names
}

func quarantineOf(t testing.TB, s *Store, k Key) []QuarantinedChunk {
	all, err := s.Quarantined()
	require.NoError(t, err)
	return slices.DeleteFunc(all, func(q QuarantinedChunk) bool { return q.Key != k })
}

func putAsideChunk(s *Store, why string, ids ...chain.ChunkID) error {
	return wait(func(done func(error)) { s.Quarantine(dt, ids, why, done) })
}

// What is put aside is not read, listed or cloned, its id is free, and its
// bytes are there: after a restart, after a crash, in rebuilt rows, when its
// replica is gone, and when the log has gone on; until it is dropped.
func TestQuarantineKeepsTheBytes(t *testing.T) {
	mem := vfs.NewMem()
	reg := prometheus.NewRegistry()
	cfg := testConfig(mem)
	cfg.Registerer = reg
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	require.NoError(t, writeChunk(s, dt, 1, 70_000))
	require.NoError(t, writeChunk(s, dt, 2, 30_000))
	clone := data.Header{ID: chunkID(3), Key: "clone", Size: 500}
	require.NoError(t, wait(func(done func(error)) { require.NoError(t, s.Clone(dt, clone, chunkID(1), 100, done)) }))
	require.NoError(t, putAsideChunk(s, "not at the source", chunkID(1), chunkID(3), chunkID(77)))

	_, err = s.ReadChunk(dt, chunkID(1), 0, 1)
	require.ErrorIs(t, err, ErrGone)
	require.ErrorIs(t, s.Clone(dt, headerOf(9, 10), chunkID(1), 0, nil), ErrGone)
	l, _, err := s.List(dt, chain.ChunkID{}, 10)
	require.NoError(t, err)
	require.Len(t, l, 1)
	require.Equal(t, []string{"2/1 1: not at the source", "2/1 3: not at the source"}, quarantined(t, s))
	st := s.Stats()
	require.Equal(t, 1, st.Chunks)
	require.Equal(t, 2, st.Quarantined)
	require.EqualValues(t, 100_000, st.ChunkBytes, "the bytes are live")
	require.EqualValues(t, 2, metric(t, reg, "catena_store_quarantined_chunks"))

	// The id is used again, for other bytes, which are put aside too.
	h := headerOf(1, 200)
	require.NoError(t, s.Reserve(dt, h))
	sums, err := s.WriteFrame(dt, h.ID, 0, chunkBytes(9, 200))
	require.NoError(t, err)
	require.NoError(t, wait(func(done func(error)) { s.Seal(dt, h, sums, done) }))
	require.NoError(t, putAsideChunk(s, "damaged", chunkID(1)))
	require.NoError(t, appendAll(s, DropReplica(dt, chain.KindData)))
	first := s.segs.of(segRecord)[0].inc
	for i := range 60 {
		commit(t, s, ix, entryOf(uint64(i+1), bodyRow("churn"), chunkBytes(i, 40_000)))
		if i%10 == 9 {
			require.NoError(t, s.Maintain())
			require.NoError(t, s.Maintain())
		}
	}
	require.Greater(t, s.segs.of(segRecord)[0].inc, first, "the log has gone on")
	requireKept(t, s)
	crash := mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	for _, c := range []*vfs.Mem{mem, crash, crash.CrashClone(0, 1)} {
		if c != mem && c != crash {
			require.NoError(t, c.RemoveAll("d/rows"))
		}
		s := open(t, c)
		requireKept(t, s)
		require.NoError(t, s.Close())
	}

	requireDropped(t, mem)
}

// requireKept finds the three chunks that TestQuarantineKeepsTheBytes puts aside.
func requireKept(t *testing.T, s *Store) {
	t.Helper()
	require.Equal(t, []string{"2/1 1: not at the source", "2/1 1: damaged", "2/1 3: not at the source"}, quarantined(t, s))
	all, err := s.Quarantined()
	require.NoError(t, err)
	for i, b := range [][]byte{chunkBytes(1, 70_000), chunkBytes(9, 200), chunkBytes(1, 70_000)[100:600]} {
		got, err := s.ReadQuarantined(all[i])
		require.NoError(t, err)
		require.Equal(t, b, got)
	}
	require.EqualValues(t, 70_200, s.Stats().ChunkBytes)
}

// requireDropped drops all that is put aside: its space comes back, and a crash
// does not bring it back.
func requireDropped(t *testing.T, mem *vfs.Mem) {
	s := open(t, mem)
	all, err := s.Quarantined()
	require.NoError(t, err)
	for _, q := range all {
		require.NoError(t, s.DropQuarantined(q))
		require.NoError(t, s.DropQuarantined(q), "again")
	}
	crash := mem.CrashClone(0, 1)
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.Empty(t, quarantined(t, s))
	require.Zero(t, s.Stats().ChunkBytes)
	require.Zero(t, s.Stats().Quarantined)
	require.Zero(t, s.Stats().ChunkSegments, "the space came back")
	require.NoError(t, s.Close())
	require.NoError(t, crash.RemoveAll("d/rows"))
	s = open(t, crash)
	require.Empty(t, quarantined(t, s))
	require.NoError(t, s.Close())
}

// A good copy takes the place of a damaged one in one record: at no moment,
// and after no crash, is neither there.
func TestDamagedChunkIsReplaced(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	require.NoError(t, writeChunk(s, dt, 1, 70_000))
	ext := s.chunkExtent(t, dt, chunkID(1))
	f, err := mem.OpenRW(vfs.Join("d/seg", segName(ext.slot)))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{^chunkBytes(1, 70_000)[66_000]}, ext.off+66_000)
	require.NoError(t, err)
	require.NoError(t, f.Sync())

	h := headerOf(1, 70_000)
	require.ErrorIs(t, s.Reserve(dt, h), ErrInvalid, "nobody knows of the damage yet")
	_, err = s.ReadChunk(dt, chunkID(1), 66_000, 10)
	require.ErrorIs(t, err, ErrDamaged)
	require.Equal(t, []DamagedChunk{{Key: dt, ID: chunkID(1), Why: "checksum"}}, s.Damaged())
	_, err = s.ReadChunk(dt, chunkID(1), 0, 10)
	require.NoError(t, err, "a good block is still served")
	require.NoError(t, s.Reserve(dt, h))
	_, err = s.WriteFrame(dt, h.ID, 0, chunkBytes(1, 70_000)[:1000])
	require.NoError(t, err)
	s.Release(dt, h.ID)
	require.Len(t, s.Damaged(), 1, "a copy that was given up replaces nothing")
	require.Empty(t, quarantined(t, s))

	before := mem.CrashClone(100, 1)
	require.NoError(t, writeChunk(s, dt, 1, 70_000))
	want := []string{"2/1 1: damaged, and replaced by a good copy: checksum"}
	check := func(s *Store) {
		t.Helper()
		b, err := s.ReadChunk(dt, chunkID(1), 0, 70_000)
		require.NoError(t, err)
		require.Equal(t, chunkBytes(1, 70_000), b)
		require.Equal(t, want, quarantined(t, s))
		all, err := s.Quarantined()
		require.NoError(t, err)
		b, err = s.ReadQuarantined(all[0])
		require.ErrorIs(t, err, ErrDamaged)
		require.Len(t, b, 70_000)
		require.Empty(t, s.Damaged())
		require.Equal(t, 1, s.Stats().Chunks)
		require.EqualValues(t, 140_000, s.Stats().ChunkBytes)
	}
	check(s)
	after := mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	rebuilt := after.CrashClone(0, 1)
	require.NoError(t, rebuilt.RemoveAll("d/rows"))
	for _, c := range []*vfs.Mem{after, rebuilt, mem} {
		s := open(t, c)
		check(s)
		require.NoError(t, s.Close())
	}
	s = open(t, before)
	require.Empty(t, quarantined(t, s))
	_, err = s.ReadChunk(dt, chunkID(1), 66_000, 10)
	require.ErrorIs(t, err, ErrDamaged)
	require.NoError(t, s.Close())
}

// A removal that comes while a good copy is written removes the damaged one;
// the seal then puts nothing aside.
func TestRemovalBeforeTheReplacement(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	require.NoError(t, writeChunk(s, dt, 1, 5000))
	s.damaged.note(dt, chunkID(1), "test")
	h := headerOf(1, 5000)
	require.NoError(t, s.Reserve(dt, h))
	sums, err := s.WriteFrame(dt, h.ID, 0, chunkBytes(1, 5000))
	require.NoError(t, err)
	s.Append(nil, Remove(dt, []chain.ChunkID{h.ID}))
	require.NoError(t, wait(func(done func(error)) { s.Seal(dt, h, sums, done) }))
	require.Empty(t, quarantined(t, s))
	require.Equal(t, 1, s.Stats().Chunks)
	require.EqualValues(t, 5000, s.Stats().ChunkBytes)
	require.NoError(t, s.Close())
}

// metric reads one gauge.
func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

// A few rows that live for ever do not keep the log from being freed: they are
// written forward, keep their rev and first position, and a rebuild finds them.
func TestLiveRecordsAreWrittenForward(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	seq := uint64(0)
	next := func(k string, size int) {
		seq++
		rows := putRow("row-"+k, fmt.Sprint(seq))
		var payload []byte
		if size > 0 {
			rows.Puts = append(rows.Puts, bodyRow(k).Puts...)
			payload = chunkBytes(int(seq), size)
		}
		commit(t, s, ix, entryOf(seq, rows, payload))
	}
	next("old-value", 0)
	next("old-inline", 10)
	next("old-payload", 9000)
	require.NoError(t, writeChunk(s, dt, 1, 50_000))
	h := headerOf(2, 100)
	require.NoError(t, wait(func(done func(error)) { require.NoError(t, s.Clone(dt, h, chunkID(1), 7, done)) }))
	first := s.segs.of(segRecord)[0]
	want := readRows(t, s, ix)
	for i := range 60 {
		next(fmt.Sprint("churn", i%2), 40_000)
		want = readRows(t, s, ix)
		if i%10 == 9 {
			require.NoError(t, s.Maintain())
			require.NoError(t, s.Maintain())
		}
	}
	require.Nil(t, s.segs.get(first.slot, 1), "the first segment was freed")
	require.LessOrEqual(t, s.Stats().RecordSegments, 6)
	check := func(s *Store) {
		require.Equal(t, want, readRows(t, s, ix))
		b, err := s.ReadChunk(dt, chunkID(1), 0, 50_000)
		require.NoError(t, err)
		require.Equal(t, chunkBytes(1, 50_000), b)
		b, err = s.ReadChunk(dt, chunkID(2), 0, 100)
		require.NoError(t, err)
		require.Equal(t, chunkBytes(1, 50_000)[7:107], b)
	}
	check(s)
	require.Equal(t, 2, s.Stats().Chunks)
	crash := mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	for _, lost := range []bool{false, true} {
		c := crash.CrashClone(0, 1)
		if lost {
			require.NoError(t, c.RemoveAll("d/rows"))
		}
		s := open(t, c)
		for _, f := range s.Replicas() {
			for _, e := range f.Entries {
				rows, err := decodeRows(e.Body)
				require.NoError(t, err)
				require.NoError(t, s.Apply(f.Key, e, after(e), rows))
			}
		}
		check(s)
		require.NoError(t, s.Close())
	}
}

// A row that a pending entry touches is not written forward: the record that
// deletes it would stand before the copy, be freed before it, and a rebuild
// would bring the row back.
func TestRowUnderAPendingDeleteIsNotWrittenForward(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	commit(t, s, ix, entryOf(1, putRow("k", "v"), nil))
	fill(t, s) // segment 1 has the row
	del := entryOf(2, tablet.Rows{Deletes: [][]byte{[]byte("k")}}, nil)
	require.NoError(t, appendAll(s, Entry(ix, del)))
	fill(t, s) // segment 2 has the delete, which is pending
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain()) // a copy would stand in segment 3
	require.Equal(t, map[string]string{"k": "v"}, readRows(t, s, ix))
	require.NoError(t, s.Apply(ix, del, after(del), tablet.Rows{Deletes: [][]byte{[]byte("k")}}))
	require.NoError(t, writeChunk(s, dt, 1, 100)) // keeps segment 3
	fill(t, s)
	require.NoError(t, s.Maintain())
	require.Nil(t, s.segs.get(2, 2), "the delete's segment was freed")
	got, f := rebuiltRows(t, mem)
	require.EqualValues(t, 2, f.Applied.Seq)
	require.Empty(t, got)
	require.NoError(t, s.Close())
}

// A replica that is dropped between the choice of what to write forward and the
// writing leaves nothing behind.
func TestNothingOfADroppedReplicaIsWrittenForward(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	commit(t, s, ix, entryOf(1, putRow("k", "v"), nil))
	require.NoError(t, writeChunk(s, dt, 1, 100))
	recs, err := s.maintenance.collect(s.segs.of(segRecord)[0])
	require.NoError(t, err)
	require.Len(t, recs, 2)
	require.NoError(t, appendAll(s, DropReplica(ix, chain.KindIndex), DropReplica(dt, chain.KindData)))
	require.NoError(t, s.log.appendAlone(recs))
	crash := mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	for _, c := range []*vfs.Mem{mem, crash} {
		s := open(t, c)
		require.Empty(t, s.Replicas())
		require.NoError(t, s.Close())
	}
}

package store

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
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
	fill(t, s)
	del := entryOf(2, putRow("other", "x"), nil)
	rows := putRow("other", "x")
	rows.Deletes = [][]byte{[]byte("k")}
	del.Body = encodeRows(rows)
	require.NoError(t, appendAll(s, Entry(ix, del)))
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Apply(ix, del, after(del), rows))
	for i := range uint64(4) {
		fill(t, s)
		commit(t, s, ix, entryOf(3+i, putRow("other", "y"), nil))
		require.NoError(t, s.Maintain())
		require.NoError(t, s.Maintain())
		got, f := rebuiltRows(t, mem)
		if f.Applied.Seq >= 2 {
			require.NotContains(t, got, "k")
		}
	}
	_, f := rebuiltRows(t, mem)
	require.GreaterOrEqual(t, f.Applied.Seq, uint64(2), "the segment of the delete was freed")
	require.NoError(t, s.Close())
}

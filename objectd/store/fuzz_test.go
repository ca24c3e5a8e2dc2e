package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
)

func fuzzRecords() []Record {
	return []Record{
		created(), mark(1), DropReplica(dt, chain.KindData), Truncate(ix, 3, 4), BeginInstall(ix),
		Entry(ix, entryOf(1, putRow("a", "b"), []byte("pay"))), Entry(ix, entryOf(2, putRow("a", "b"), nil)),
		Remove(dt, []chain.ChunkID{chunkID(1), chunkID(2)}),
		{key: ix, kind: recPage, first: 7, page: &pageRecord{rows: []pageRow{{key: []byte("k"), value: []byte("v")}, {key: []byte("b"), payload: []byte("pay"), hasPayload: true, rev: 3, first: 2}}}},
		{key: ix, kind: recEndInstall, apply: index.Applied{Epoch: chain.Epoch{Recovery: 1, N: 2}, Seq: 3, Digest: 4, Rev: 5, Time: 6}},
		{key: dt, kind: recSeal, chunk: &chunkRecord{header: data.Header{ID: chunkID(1), Bucket: chain.BucketID{1}, Key: "k", Stamp: 2, Size: 70_000}, extent: extent{slot: 1, inc: 2, off: 8192, n: 70_000}, sums: data.Sums{1, 2}}},
		{key: dt, kind: recClone, chunk: &chunkRecord{header: data.Header{ID: chunkID(1), Size: 10}, extent: extent{slot: 1, inc: 2, off: 8192, n: 70_000}, sums: data.Sums{1, 2}, offset: 5, clone: true}},
		{key: dt, kind: recSeal, chunk: &chunkRecord{header: data.Header{ID: chunkID(1), Size: 10}, extent: extent{slot: 1, inc: 2, off: 8192, n: 10}, sums: data.Sums{1}}, aside: fuzzAside()},
		{key: dt, kind: recAside, aside: fuzzAside()}, {key: dt, kind: recAside}, {key: dt, kind: recAside, first: 7, aside: fuzzAside()},
		{key: dt, kind: recForget, ids: []chain.ChunkID{chunkID(1)}, seq: 9}, {key: dt, kind: recForget},
		{key: ix, kind: recImage, image: &imageRecord{kind: chain.KindIndex, state: []byte("s"), applied: index.Applied{Seq: 9}}},
	}
}

func fuzzAside() *asideRecord {
	return &asideRecord{why: "why", chunk: &chunkRecord{header: data.Header{ID: chunkID(1), Size: 10}, extent: extent{slot: 1, inc: 1, off: 4096, n: 10}, sums: data.Sums{2}}}
}

// Every kind of record comes back as it was written.
func TestRecordRoundTrip(t *testing.T) {
	for _, r := range fuzzRecords() {
		b := appendRecord(make([]byte, 48), &r, 12, 34, 8192)
		got, n, ok, err := readRecord(b[48:], 12, 34, 8192+48)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, len(b)-48, n)
		require.LessOrEqual(t, int64(n), r.size())
		again := appendRecord(make([]byte, 48), &got, 12, 34, 8192)
		require.Equal(t, b, again)
		for _, wrong := range []struct{ no, inc, off uint64 }{{13, 34, 8240}, {12, 35, 8240}, {12, 34, 8241}} {
			_, _, ok, err := readRecord(b[48:], wrong.no, wrong.inc, int64(wrong.off))
			require.False(t, ok && wrong.off == 8240, "a record is bound to its number and its use of the segment")
			require.NoError(t, err)
		}
	}
}

// FuzzRecord decodes the fields of a record whose checksum is right: nothing
// may panic, and what decodes must encode to something that decodes the same.
func FuzzRecord(f *testing.F) {
	for _, r := range fuzzRecords() {
		f.Add(appendHead(nil, &r, 1, func(int) int64 { return 0 }), []byte("payload"))
	}
	f.Fuzz(func(t *testing.T, head, pay []byte) {
		r, err := decodeHead(head, pay)
		if err != nil {
			return
		}
		b := appendRecord(nil, &r, 1, 1, 0)
		again, _, ok, err := readRecord(b, 1, 1, 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, b, appendRecord(nil, &again, 1, 1, 0))
	})
}

// FuzzDisk decodes everything else that is read from a disk.
func FuzzDisk(f *testing.F) {
	h := segHeader{kind: segRecord, size: MinSegmentSize, store: testStore, slot: 1, incarnation: 1}
	f.Add(h.encode())
	id := identity{store: testStore, segmentSize: MinSegmentSize}
	f.Add(id.encode())
	f.Add(appendPlace(appendRowHead(nil, rowHead{tag: tagPlace, inc: 1, rev: 2, first: 3}), place{slot: 1, off: 2, n: 3, crc: 4}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeSegHeader(b, testStore)
		_, _ = decodeIdentity(b)
		if rh, rest, err := parseRowHead(b); err == nil {
			_, _ = parsePlace(rest, rh.inc)
		}
		_, _, _, _ = parseChunkRow(b)
		_, _ = parseAsideRow(asideKey(dt, chunkID(1), 2), b)
		_, _, _, _ = parseAsideKey(b)
		_, _, _ = getBatchHeader(b, 1, 8192)
		_, _, _, _ = readRecord(b, 1, 1, 8192)
		_ = markOK(b, 1, 8192)
		_, _ = parseUvarint(b)
	})
}

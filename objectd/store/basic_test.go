package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

var testStore = chain.StoreID{1, 2, 3}

// The tests' encoding of an entry's rows: a list of (op, key, value).
func encodeRows(rows tablet.Rows) []byte {
	var b []byte
	put := func(op byte, k, v []byte) {
		b = append(b, op)
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		b = binary.AppendUvarint(b, uint64(len(v)))
		b = append(b, v...)
	}
	for _, p := range rows.Puts {
		if p.Payload {
			put('b', p.Key, nil)
		} else {
			put('p', p.Key, p.Value)
		}
	}
	for _, d := range rows.Deletes {
		put('d', d, nil)
	}
	return b
}

func decodeRows(b []byte) (rows tablet.Rows, err error) {
	piece := func() []byte {
		n, m := binary.Uvarint(b)
		if m <= 0 || n > uint64(len(b)-m) {
			err = errors.New("bad rows")
			return nil
		}
		p := b[m : m+int(n)]
		b = b[m+int(n):]
		return p
	}
	for len(b) > 0 && err == nil {
		op := b[0]
		b = b[1:]
		k := piece()
		if err != nil {
			break
		}
		v := piece()
		switch op {
		case 'd':
			rows.Deletes = append(rows.Deletes, k)
		default:
			rows.Puts = append(rows.Puts, tablet.Put{Key: k, Value: v, Payload: op == 'b'})
		}
	}
	return rows, err
}

func testConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "d", StoreID: testStore, SegmentSize: MinSegmentSize, MemTableBytes: 256 << 10,
		RowPayloadBytes: 64, ReserveBytes: 1, DecodeRows: decodeRows, forwardFrom: 1}
}

func open(t testing.TB, fs vfs.FS) *Store {
	s, err := Open(testConfig(fs))
	require.NoError(t, err)
	return s
}

// wait makes an asynchronous call synchronous.
func wait(call func(done func(error))) error {
	ch := make(chan error, 1)
	call(func(err error) { ch <- err })
	return <-ch
}

func appendAll(s *Store, recs ...Record) error {
	return wait(func(done func(error)) { s.Append(done, recs...) })
}

var (
	ix = Key{Chain: 1, Incarnation: 1}
	dt = Key{Chain: 2, Incarnation: 1}
)

func entryOf(seq uint64, rows tablet.Rows, payload []byte) *index.Entry {
	return &index.Entry{Epoch: chain.Epoch{N: 1}, Seq: seq, PrevEpoch: chain.Epoch{N: 1}, PrevSeq: seq - 1, Digest: seq * 7,
		Rev: seq, Time: int64(seq * 10), OpID: chain.OpID{byte(seq)}, Body: encodeRows(rows), Payload: payload}
}

func after(e *index.Entry) index.Applied {
	return index.Applied{Epoch: e.Epoch, Seq: e.Seq, Digest: e.Digest, Rev: e.Rev, Time: e.Time}
}

func putRow(k, v string) tablet.Rows {
	return tablet.Rows{Puts: []tablet.Put{{Key: []byte(k), Value: []byte(v)}}}
}

func bodyRow(k string) tablet.Rows {
	return tablet.Rows{Puts: []tablet.Put{{Key: []byte(k), Payload: true}}}
}

func commit(t testing.TB, s *Store, k Key, e *index.Entry) {
	t.Helper()
	require.NoError(t, appendAll(s, Entry(k, e)))
	rows, err := decodeRows(e.Body)
	require.NoError(t, err)
	require.NoError(t, s.Apply(k, e, after(e), rows))
}

func readRows(t testing.TB, s *Store, k Key) map[string]string {
	t.Helper()
	r, err := s.Reader(k)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	out := map[string]string{}
	require.NoError(t, r.Scan(nil, nil, func(key, v []byte) bool {
		out[string(key)] = string(v)
		if b, ok, err := r.Payload(key); err == nil && ok {
			out[string(key)] = "payload:" + string(b)
		}
		return true
	}))
	return out
}

func chunkID(n int) chain.ChunkID {
	return chain.ChunkID{Blob: chain.BlobID{byte(n), byte(n >> 8)}, Ordinal: uint32(n)}
}

func chunkBytes(n, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + n*13 + i>>8)
	}
	return b
}

func headerOf(n, size int) data.Header {
	return data.Header{ID: chunkID(n), Bucket: chain.BucketID{9}, Key: fmt.Sprint("key", n), Stamp: int64(n), Size: uint32(size)}
}

func writeChunk(s *Store, k Key, n, size int) error {
	h := headerOf(n, size)
	if err := s.Reserve(k, h); err != nil {
		return err
	}
	b := chunkBytes(n, size)
	var sums data.Sums
	for off := 0; off < size; {
		m := min(100_000, size-off)
		var err error
		if sums, err = s.WriteFrame(k, h.ID, uint32(off), b[off:off+m]); err != nil {
			return err
		}
		off += m
	}
	return wait(func(done func(error)) { s.Seal(k, h, sums, done) })
}

func TestEntriesRowsAndPayloadsSurviveReopen(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"mem": vfs.NewMem(), "os": vfs.NewOS()} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(fs)
			if name == "os" {
				cfg.Dir = t.TempDir() + "/d"
			}
			s, err := Open(cfg)
			require.NoError(t, err)
			require.Empty(t, s.Replicas())
			require.NoError(t, appendAll(s, CreateReplica(ix, chain.KindIndex), State(ix, chain.KindIndex, []byte("state 1"))))
			big := chunkBytes(1, 70_000)
			commit(t, s, ix, entryOf(1, putRow("a", "1"), nil))
			commit(t, s, ix, entryOf(2, bodyRow("big"), big))
			commit(t, s, ix, entryOf(3, bodyRow("small"), []byte("tiny")))
			commit(t, s, ix, entryOf(4, tablet.Rows{Puts: []tablet.Put{{Key: []byte("z"), Value: []byte("2")}}, Deletes: [][]byte{[]byte("a")}}, nil))
			require.NoError(t, appendAll(s, State(ix, chain.KindIndex, []byte("state 2"))))
			pending := entryOf(5, putRow("q", "5"), []byte{})
			require.NoError(t, appendAll(s, Entry(ix, pending)))
			want := map[string]string{"big": "payload:" + string(big), "small": "payload:tiny", "z": "2"}
			require.Equal(t, want, readRows(t, s, ix))
			require.NoError(t, s.Close())

			s, err = Open(cfg)
			require.NoError(t, err)
			got := s.Replicas()
			require.Len(t, got, 1)
			require.Equal(t, "state 2", string(got[0].State))
			require.Equal(t, chain.KindIndex, got[0].Kind)
			require.EqualValues(t, 4, got[0].Applied.Seq)
			require.Equal(t, []*index.Entry{pending}, got[0].Entries)
			require.Len(t, got[0].Retained, 4)
			require.Equal(t, entryOf(2, bodyRow("big"), big), got[0].Retained[1])
			require.Equal(t, want, readRows(t, s, ix))
			require.NoError(t, s.Apply(ix, pending, after(pending), putRow("q", "5")))
			want["q"] = "5"
			require.Equal(t, want, readRows(t, s, ix))
			require.NoError(t, s.Close())
			_, err = s.Reader(ix)
			require.ErrorIs(t, err, ErrClosed)
		})
	}
}

func TestChunks(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	for i := range 5 {
		require.NoError(t, writeChunk(s, dt, i, 1000+i*40_000))
	}
	require.ErrorIs(t, s.Reserve(dt, data.Header{ID: chunkID(1), Size: 5}), ErrInvalid)
	h := data.Header{ID: chunkID(100), Key: "clone", Size: 70_000}
	require.NoError(t, wait(func(done func(error)) { require.NoError(t, s.Clone(dt, h, chunkID(4), 12_345, done)) }))
	require.NoError(t, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(4), chunkID(0), chunkID(55)})))
	check := func(s *Store) {
		t.Helper()
		_, err := s.ReadChunk(dt, chunkID(4), 0, 10)
		require.ErrorIs(t, err, ErrGone)
		b, err := s.ReadChunk(dt, chunkID(100), 0, 70_000)
		require.NoError(t, err)
		require.Equal(t, chunkBytes(4, 161_000)[12_345:82_345], b)
		b, err = s.ReadChunk(dt, chunkID(3), 65_000, 1000)
		require.NoError(t, err)
		require.Equal(t, chunkBytes(3, 121_000)[65_000:66_000], b)
		_, err = s.ReadChunk(dt, chunkID(3), 121_000, 1)
		require.ErrorIs(t, err, ErrInvalid)
		l, more, err := s.List(dt, chain.ChunkID{}, 10)
		require.NoError(t, err)
		require.False(t, more)
		require.Len(t, l, 4)
		l, more, err = s.List(dt, chunkID(1), 1)
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, chunkID(2), l[0].Header.ID)
		info, err := s.Chunk(dt, chunkID(100))
		require.NoError(t, err)
		require.True(t, info.Clone)
		require.Equal(t, h, info.Header)
		require.Equal(t, data.Sums{sum(0, chunkBytes(4, 161_000)[12_345:12_345+65536]), sum(0, chunkBytes(4, 161_000)[12_345+65536:82_345])}, info.Sums)
		require.ErrorIs(t, s.Clone(dt, h, chunkID(4), 0, nil), ErrGone)
		require.Empty(t, s.Damaged())
	}
	check(s)
	require.NoError(t, s.Close())
	s = open(t, fs)
	check(s)
	require.NoError(t, s.Close())
}

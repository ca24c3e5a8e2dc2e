package store

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/objectd/vfs"
)

var update = flag.Bool("update", false, "make the golden data directory and the example in FORMAT.md anew")

const goldenDir = "testdata/golden-v1"

// goldenStore makes what the golden directory holds: every kind of record, rows
// that are flushed and rows that are not, an ended segment, recycled ones, and
// an end that a power cut left.
func goldenStore(t *testing.T) *vfs.Mem {
	mem := vfs.NewMem()
	s := open(t, mem)
	other := Key{Chain: 3, Incarnation: 2}
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData), CreateReplica(other, chain.KindIndex)))
	require.NoError(t, appendAll(s, State(ix, chain.KindIndex, []byte("index state")), State(dt, chain.KindData, []byte("data state"))))
	seq := uint64(0)
	put := func(n, size int) {
		for range n {
			seq++
			rows := bodyRow(fmt.Sprintf("body%d", seq%3))
			rows.Puts = append(rows.Puts, putRow(fmt.Sprintf("row%d", seq%5), fmt.Sprint("value ", seq)).Puts...)
			if seq%4 == 0 {
				rows.Deletes = append(rows.Deletes, fmt.Appendf(nil, "row%d", (seq+1)%5))
			}
			commit(t, s, ix, entryOf(seq, rows, chunkBytes(int(seq), size)))
		}
	}
	put(6, 50_000)
	require.NoError(t, writeChunk(s, dt, 1, 100_000))
	require.NoError(t, writeChunk(s, dt, 2, 3_000))
	require.NoError(t, writeChunk(s, dt, 3, 70_000))
	h := data.Header{ID: chunkID(4), Bucket: chain.BucketID{4}, Key: "clone", Stamp: 44, Size: 66_000}
	require.NoError(t, wait(func(done func(error)) { require.NoError(t, s.Clone(dt, h, chunkID(1), 1000, done)) }))
	require.NoError(t, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(1)})))
	goldenQuarantine(t, s)
	put(6, 200)
	require.NoError(t, s.Maintain())
	require.NoError(t, appendAll(s, BeginInstall(other)))
	page := index.Page{Rows: []index.Row{{Key: []byte("a"), Value: []byte("snapshot")}, {Key: []byte("b"), Payload: chunkBytes(77, 300)}}}
	require.NoError(t, wait(func(done func(error)) { s.InstallPage(other, page, done) }))
	require.NoError(t, s.EndInstall(other, index.Applied{Epoch: chain.Epoch{N: 3}, Seq: 40, Rev: 41, Time: 42}))
	put(2, 10)
	require.NoError(t, appendAll(s,
		Entry(ix, entryOf(seq+1, putRow("pending", "1"), nil)), Entry(ix, entryOf(seq+2, putRow("void", "2"), nil)), Truncate(ix, seq+1, seq+2)))
	gone := Key{Chain: 9, Incarnation: 1}
	require.NoError(t, appendAll(s, CreateReplica(gone, chain.KindIndex), DropReplica(gone, chain.KindIndex)))
	crash := mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	return crash
}

// goldenQuarantine puts a chunk aside, another that is dropped, and a third that
// a good copy replaces.
func goldenQuarantine(t *testing.T, s *Store) {
	require.NoError(t, writeChunk(s, dt, 5, 9_000))
	require.NoError(t, writeChunk(s, dt, 6, 4_000))
	require.NoError(t, putAsideChunk(s, "its source does not have it", chunkID(5), chunkID(6)))
	all, err := s.Quarantined()
	require.NoError(t, err)
	require.NoError(t, s.DropQuarantined(all[1]))
	s.damaged.note(dt, chunkID(2), "checksum")
	require.NoError(t, writeChunk(s, dt, 2, 3_000))
	s.damaged.forget(dt, chunkID(2))
}

// contents describes everything that a store gives out.
func contents(t *testing.T, s *Store) string {
	type replica struct {
		Kind, State, Applied string
		Entries              []string          `json:",omitempty"`
		Rows                 map[string]string `json:",omitempty"`
		Chunks               map[string]string `json:",omitempty"`
		Quarantined          []string          `json:",omitempty"`
	}
	short := func(b string) string { return fmt.Sprintf("%d bytes, crc32c %08x", len(b), sum(0, []byte(b))) }
	out := map[string]replica{}
	for _, f := range s.Replicas() {
		r := replica{Kind: f.Kind.String(), State: string(f.State)}
		if f.Kind == chain.KindIndex {
			r.Applied = fmt.Sprintf("%+v", f.Applied)
			r.Rows = map[string]string{}
			for k, v := range readRows(t, s, f.Key) {
				if strings.HasPrefix(v, "payload:") {
					v = "payload " + short(strings.TrimPrefix(v, "payload:"))
				}
				r.Rows[k] = v
			}
		} else {
			r.Chunks = map[string]string{}
			l, _, err := s.List(f.Key, chain.ChunkID{}, 100)
			require.NoError(t, err)
			for _, c := range l {
				b, err := s.ReadChunk(f.Key, c.Header.ID, 0, c.Header.Size)
				require.NoError(t, err)
				r.Chunks[c.Header.ID.String()] = fmt.Sprintf("%s; home %s %q, stamp %d, sums %08x", short(string(b)), c.Header.Bucket, c.Header.Key, c.Header.Stamp, []uint32(c.Sums))
			}
		}
		for _, q := range quarantineOf(t, s, f.Key) {
			b, err := s.ReadQuarantined(q)
			require.NoError(t, err)
			r.Quarantined = append(r.Quarantined, fmt.Sprintf("%s, put aside by record %d: %s; %s", q.Header.ID, q.No, q.Why, short(string(b))))
		}
		for _, e := range f.Entries {
			r.Entries = append(r.Entries, fmt.Sprintf("%+v body %q payload %s", e.Seq, e.Body, short(string(e.Payload))))
		}
		out[f.Key.String()] = r
	}
	b, err := json.MarshalIndent(out, "", "  ")
	require.NoError(t, err)
	return string(b) + "\n"
}

// dumpTree writes a file system of memory into a directory of the host.
func dumpTree(t *testing.T, m *vfs.Mem, from, to string) {
	require.NoError(t, os.MkdirAll(to, 0o755))
	names, err := m.List(from)
	require.NoError(t, err)
	for _, n := range names {
		p := vfs.Join(from, n)
		if i, err := m.Stat(p); err == nil && i.Dir {
			dumpTree(t, m, p, filepath.Join(to, n))
			continue
		}
		b, err := vfs.ReadFile(m, p, 1<<30)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, n), b, 0o644))
	}
}

// TestGolden opens the data directory that this format's first release wrote,
// with its rows and without them, and compares everything it gives out.
func TestGolden(t *testing.T) {
	if *update {
		require.NoError(t, os.RemoveAll(goldenDir))
		dumpTree(t, goldenStore(t), "d", goldenDir)
	}
	for _, lost := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "d")
		require.NoError(t, os.CopyFS(dir, os.DirFS(goldenDir)))
		require.NoError(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				err = os.Chmod(p, 0o600)
			}
			return err
		}))
		if lost {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, rowsDir)))
		}
		cfg := testConfig(vfs.NewOS())
		cfg.Dir = dir
		s, err := Open(cfg)
		require.NoError(t, err)
		got := contents(t, s)
		if !lost {
			require.NoError(t, appendAll(s, State(ix, chain.KindIndex, []byte("still writable"))))
		}
		require.NoError(t, s.Close())
		name := "testdata/golden-v1.json"
		if lost {
			name = "testdata/golden-v1-rebuilt.json" // applied only as far as the newest image tells
		}
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
	}
}

// TestFormatExample keeps the bytes shown in FORMAT.md true.
func TestFormatExample(t *testing.T) {
	h := segHeader{kind: segRecord, size: MinSegmentSize, store: testStore, slot: 1, incarnation: 5, floor: 9}
	header := h.encode()[:56]
	e := entryOf(2, putRow("k", "v"), []byte("payload"))
	recs := []Record{State(ix, chain.KindIndex, []byte("st")), Entry(ix, e)}
	b := make([]byte, batchHeaderSize)
	for i := range recs {
		b = appendRecord(b, &recs[i], 10+uint64(i), 5, headerBytes)
	}
	bh := batchHeader{length: uint32(len(b) - batchHeaderSize), count: 2, first: 10, syncedTo: 9, afterMark: true}
	bh.put(b, 5, headerBytes)
	example := "```\nsegment header, copy at 0 (and again at 4096)\n" + hex.Dump(header) +
		"\nbatch at 8192: a state record (number 10) and an entry with a payload (number 11)\n" + hex.Dump(b) + "```\n"
	const begin, end = "<!-- example -->\n", "<!-- /example -->"
	doc, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	i, j := strings.Index(string(doc), begin), strings.Index(string(doc), end)
	require.True(t, i >= 0 && j > i)
	i += len(begin)
	if *update {
		require.NoError(t, os.WriteFile("FORMAT.md", []byte(string(doc[:i])+example+string(doc[j:])), 0o644))
		return
	}
	require.Equal(t, example, string(doc[i:j]), "FORMAT.md; run with -update if the format was meant to change, with a new version")
}

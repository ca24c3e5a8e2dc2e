package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/objectd/vfs"
)

// history is what was done to an index replica: its rows after each entry.
type history []map[string]string

// put commits entries that give keys new payloads, too long for the rows.
func (h *history) put(t *testing.T, s *Store, keys ...string) {
	t.Helper()
	if len(*h) == 0 {
		*h = history{{}}
	}
	for _, k := range keys {
		seq := len(*h)
		b := chunkBytes(seq, 7000)
		commit(t, s, ix, entryOf(uint64(seq), bodyRow(k), b))
		rows := maps.Clone((*h)[seq-1])
		rows[k] = "payload:" + string(b)
		*h = append(*h, rows)
	}
}

func keys(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

// recycledStore has freed the segments that older rows point into. older is what
// its disk held at some time before that. The log still has every record that
// these older rows do not reflect, or not, as reaches says.
func recycledStore(t *testing.T, reaches bool) (mem, older *vfs.Mem, h history) {
	mem = vfs.NewMem()
	cfg := testConfig(mem)
	if reaches {
		cfg.forwardFrom = 1 << 20 // what is live keeps its segment
	}
	s, err := Open(cfg)
	require.NoError(t, err)
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	require.NoError(t, writeChunk(s, dt, 1, 200_000))
	h.put(t, s, keys("replaced", 30)...)
	h.put(t, s, keys("kept", 10)...)
	require.NoError(t, s.Maintain())
	older = mem.CrashClone(0, 1)
	first, position := s.segs.of(segRecord)[0].first, s.rows.floor.Load()

	require.NoError(t, appendAll(s, Remove(dt, []chain.ChunkID{chunkID(1)})))
	for range 4 {
		h.put(t, s, keys("replaced", 30)...)
	}
	for range 4 {
		require.NoError(t, s.Maintain())
	}
	require.NoError(t, writeChunk(s, dt, 2, 200_000)) // where the first one was
	now := s.segs.of(segRecord)[0].first
	require.Greater(t, now, first, "a segment that the older rows point into was freed")
	require.Equal(t, reaches, now <= position, "the log begins at record %d, the older rows reach to %d", now, position)
	require.NoError(t, s.Close())
	return mem, older, h
}

// logged opens a store and gives its words.
func logged(t *testing.T, mem *vfs.Mem) (*Store, string) {
	t.Helper()
	var out bytes.Buffer
	cfg := testConfig(mem)
	cfg.Logger = slog.New(slog.NewTextHandler(&out, nil))
	s, err := Open(cfg)
	require.NoError(t, err)
	return s, out.String()
}

const rolledBack = "the rows were rolled back"

// requireHistory opens a store and finds everything that was done to it, with
// every payload; it works on. words is what Open logged.
func requireHistory(t *testing.T, mem *vfs.Mem, h history) (words string) {
	t.Helper()
	s, words := logged(t, mem)
	for _, f := range s.Replicas() {
		if f.Key != ix {
			continue
		}
		require.Equal(t, h[f.Applied.Seq], readRows(t, s, ix), "rows as of entry %d", f.Applied.Seq)
		for _, e := range f.Entries {
			require.NoError(t, s.Apply(ix, e, after(e), mustRows(t, e)))
		}
	}
	require.Equal(t, h[len(h)-1], readRows(t, s, ix))
	_, err := s.ReadChunk(dt, chunkID(1), 0, 1)
	require.ErrorIs(t, err, ErrGone)
	b, err := s.ReadChunk(dt, chunkID(2), 0, 200_000)
	require.NoError(t, err)
	require.Equal(t, chunkBytes(2, 200_000), b)
	more := append(history{}, h...)
	more.put(t, s, "one more")
	require.NoError(t, s.Close())
	s = open(t, mem)
	require.Equal(t, more[len(more)-1], readRows(t, s, ix))
	require.NoError(t, s.Close())
	return words
}

// copyTree copies a directory from one file system to another.
func copyTree(t *testing.T, from, to *vfs.Mem, dir string) {
	require.NoError(t, to.MkdirAll(dir))
	names, err := from.List(dir)
	require.NoError(t, err)
	for _, n := range names {
		b, err := vfs.ReadFile(from, vfs.Join(dir, n), 1<<30)
		require.NoError(t, err)
		require.NoError(t, vfs.WriteFile(to, dir, n, b))
	}
}

// Rows of an older time, put back beside the newer log, are not believed: what
// they point at was freed, and records that they lack may have been too.
func TestAnOlderCopyOfTheRowsIsNotBelieved(t *testing.T) {
	for name, reaches := range map[string]bool{"the log reaches back to it": true, "the log begins behind it": false} {
		t.Run(name, func(t *testing.T) {
			mem, older, h := recycledStore(t, reaches)
			require.NoError(t, mem.RemoveAll("d/rows"))
			copyTree(t, older, mem, "d/rows")
			require.Contains(t, requireHistory(t, mem, h), rolledBack)
		})
	}
}

// Pebble switches its manifest, at every open, by a new marker file in the place
// of the old one; then it syncs the directory. A crash before that may keep the
// removal and lose the creation. Without a marker Pebble begins an empty
// database, without an error.
func TestACrashAtTheSwitchOfTheManifestLosesNoRows(t *testing.T) {
	mem, _, h := recycledStore(t, false)
	var mu sync.Mutex
	var crashes []*vfs.Mem
	hook := &vfs.Hook{FS: mem, Before: func(op vfs.Op) error {
		if op.Kind == vfs.OpSyncDir && path.Base(op.Name) == rowsDir {
			mu.Lock()
			defer mu.Unlock()
			for seed := range uint64(6) {
				crashes = append(crashes, mem.CrashClone(50, seed))
			}
		}
		return nil
	}}
	s, err := Open(testConfig(hook))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	empty := 0
	for _, c := range crashes {
		if words := requireHistory(t, c, h); strings.Contains(words, rolledBack) {
			empty++
		}
	}
	require.Positive(t, empty, "of %d crashes one left no marker", len(crashes))
}

// The header that told how far the rows had reached may be gone with its file:
// segments that a replay cut short are removed when they are freed. The number
// of the log's first record tells it too.
func TestRowsThatBeginBeforeTheLogAreRebuilt(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	var h history
	require.NoError(t, appendAll(s, created(), CreateReplica(dt, chain.KindData)))
	require.NoError(t, writeChunk(s, dt, 2, 200_000))
	h.put(t, s, keys("replaced", 10)...)
	mem = mem.CrashClone(0, 1)
	require.NoError(t, s.Close())
	s = open(t, mem)
	h.put(t, s, keys("replaced", 10)...)
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.Less(t, s.segs.floor(), s.segs.of(segRecord)[0].first)
	require.NoError(t, s.Close())
	names, err := mem.List("d/rows")
	require.NoError(t, err)
	for _, n := range names {
		if strings.HasPrefix(n, "marker.manifest") {
			require.NoError(t, mem.Remove(vfs.Join("d/rows", n)))
		}
	}
	require.Contains(t, requireHistory(t, mem, h), rolledBack)
}

// A rebuild takes the old rows away file by file; a crash on the way may leave
// any of them.
func TestRowsThatAreTakenAwayInPartAreRebuilt(t *testing.T) {
	mem, _, h := recycledStore(t, false)
	names, err := mem.List("d/rows")
	require.NoError(t, err)
	require.Greater(t, len(names), 3)
	for i := range names {
		for _, gone := range [][]string{names[:i+1], names[i:], names[i : i+1]} {
			c := mem.CrashClone(100, 1)
			for _, n := range gone {
				require.NoError(t, c.Remove(vfs.Join("d/rows", n)))
			}
			t.Log("without", gone)
			requireHistory(t, c, h)
		}
	}
}

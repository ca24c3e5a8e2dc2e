package objectd

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/objectd/bubbletest"
	"catena/objectd/store"
	"catena/objectd/vfs"
)

// Every line of a store names it once, with the whole id, as the other lines of
// the process do: who searches for one store finds all of its lines.
func TestTheLinesOfAStoreNameItOnce(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Logger: slog.New(slog.NewJSONHandler(&out, nil))}
	id := chain.StoreID{1, 2, 3, 15: 9}
	sc := cfg.storeConfig(DiskConfig{ID: id, FS: vfs.NewMem(), Dir: "d"}, nil, nil)
	st, err := store.Open(sc)
	require.NoError(t, err)
	require.ErrorIs(t, st.Fail(vfs.ErrIO), store.ErrFailed)
	require.ErrorIs(t, st.Close(), store.ErrFailed)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.NotEmpty(t, lines[0])
	for _, l := range lines {
		require.Equal(t, 1, strings.Count(l, `"store":`), l)
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		require.Equal(t, id.String(), m["store"])
	}
}

// lines is a log that several goroutines write.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// keysOf gives the keys of a JSON line in their order, repeated ones too.
func keysOf(t *testing.T, line string) (keys []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(line))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		k, err := d.Token()
		require.NoError(t, err)
		keys = append(keys, k.(string))
		var v any
		require.NoError(t, d.Decode(&v))
	}
	return keys
}

// Nothing that a node says about a damaged chunk has a key twice: not the line of
// the store, nor that of the replica that reads it, nor that of a disk that fails.
func TestNoLineOfANodeHasAKeyTwice(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h := newHost(t, 3)
		var out lines
		h.log = slog.New(slog.NewJSONHandler(&out, nil))
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1), on(2)))
		content := bytes.Repeat([]byte("catena damages this "), 500)
		id := putChunk(t, n, on(0), 1, 7, content)
		damageContent(t, h.mems[1], content)
		_, err := n.ReadChunk(dataChain, on(1), id, 0, uint32(len(content)))
		require.Error(t, err)
		require.NoError(t, h.mems[2].RemoveAll("/d/store"))
		within(t, 10*time.Second, func() bool { return h.master.why(disk1(2)) != nil })
		h.stop()
		synctest.Wait()
		said := map[string]bool{}
		for line := range strings.Lines(out.buf.String()) {
			keys := keysOf(t, line)
			seen := map[string]bool{}
			for _, k := range keys {
				require.False(t, seen[k], "%s twice: %s", k, line)
				seen[k] = true
			}
			var m struct{ Msg, Store string }
			require.NoError(t, json.Unmarshal([]byte(line), &m))
			said[m.Msg+" "+m.Store] = true
		}
		require.True(t, said["a chunk is damaged "+disk1(1).String()], "%v", said)
		require.True(t, said["store failed "+disk1(2).String()], "%v", said)
	})
}

// damageContent flips a byte of what a disk's chunk segments hold.
func damageContent(t *testing.T, m *vfs.Mem, content []byte) {
	t.Helper()
	names, err := m.List("/d/store/seg")
	require.NoError(t, err)
	for _, name := range names {
		f, err := m.OpenRW("/d/store/seg/" + name)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		b := make([]byte, size)
		if _, err = f.ReadAt(b, 0); err != io.EOF {
			require.NoError(t, err)
		}
		if at := bytes.Index(b, content); at >= 0 {
			_, err = f.WriteAt([]byte{^content[0]}, int64(at))
			require.NoError(t, err)
			return
		}
	}
	require.Fail(t, "the content is not there")
}

package objectd

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
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

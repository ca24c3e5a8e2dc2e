package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"catena/cmd/internal/harness"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

// TestAServerServesOnWithoutAnIdentityFile loses one directory's identity, by
// removal and by damage: the directory is named and left alone, the others serve
// on, and the whole start is refused only when no majority is left.
func TestAServerServesOnWithoutAnIdentityFile(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	for _, how := range []string{"gone", "damaged"} {
		t.Run(how, func(t *testing.T) {
			root, log := t.TempDir(), &tail{}
			opts := harness.Options{Binary: bin, Log: log, Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}}
			srv, err := harness.Start(t.Context(), opts)
			require.NoError(t, err, "%s", log)
			c := clientOf(t, srv)
			require.NoError(t, c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
			_, err = c.PutObject(t.Context(), "bucket", "key", strings.NewReader("bytes"), 5, minio.PutObjectOptions{})
			require.NoError(t, err)
			srv.Kill()

			lose := func(dir string) {
				file := filepath.Join(dir, "identity")
				if how == "gone" {
					require.NoError(t, os.Remove(file))
					return
				}
				require.NoError(t, os.WriteFile(file, []byte("not an identity"), 0o600))
			}
			lose(opts.Dirs[1])
			srv, err = harness.Start(t.Context(), opts)
			require.NoError(t, err, "%s", log)
			defer func() { srv.Kill() }()
			require.Contains(t, log.String(), opts.Dirs[1])
			st := status(t, srv)
			require.Equal(t, 2, st.VotersReady)
			require.Equal(t, 3, st.VotersWanted)
			require.Equal(t, "absent", st.Stores[1].State)
			require.Contains(t, st.Stores[1].Reason, "its identity file is unreadable")
			_, err = clientOf(t, srv).StatObject(t.Context(), "bucket", "key", minio.StatObjectOptions{})
			require.NoError(t, err)
			require.FileExists(t, filepath.Join(opts.Dirs[1], "keys"), "left untouched")
			srv.Kill()

			lose(opts.Dirs[0])
			_, err = harness.Start(t.Context(), opts)
			require.ErrorIs(t, err, harness.ErrEnded)
			require.Contains(t, log.String(), "only 1 of the 3 recorded voters are there")
		})
	}
}

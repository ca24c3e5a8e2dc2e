package identity

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"catena/cmd/internal/dirfile"
)

// plant writes an identity into a directory that nobody holds.
func plant(dir string, f File) error {
	body, err := f.Marshal()
	if err != nil {
		return err
	}
	return dirfile.Write(dirfile.OS{}, dir, FileName, fileKind(), body, 0o600)
}

func TestInspectStates(t *testing.T) {
	root := t.TempDir()
	mk := func(name string, files ...string) string {
		p := filepath.Join(root, name)
		require.NoError(t, os.Mkdir(p, 0o700))
		for _, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(p, f), []byte("x"), 0o600))
		}
		return p
	}
	file := filepath.Join(root, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	newer := mk("newer")
	require.NoError(t, dirfile.Write(dirfile.OS{}, newer, FileName, dirfile.Kind{Name: "identity", Version: 9}, []byte("{}"), 0o600))
	bits := mk("bits")
	require.NoError(t, plant(bits, File{Store: id(1), Incompatible: 1 << 40, Record: record(1)}))
	stranger := mk("stranger")
	require.NoError(t, plant(stranger, File{Store: id(7), Record: record(1)}))
	tests := []struct {
		path string
		want State
	}{
		{filepath.Join(root, "none"), Missing},
		{file, NotDirectory},
		{filepath.Join(file, "below"), NotDirectory},
		{mk("empty"), Empty},
		{mk("leftovers", LockName, "identity.tmp", "keys.tmp"), Empty},
		{mk("foreign", "photo.jpg"), Foreign},
		{mk("damaged", FileName), Damaged},
		{mk("identity-gone", "keys", LockName), Damaged},
		{mk("identity-gone-photo-there", "a.jpg", "store"), Damaged},
		{newer, Newer},
		{bits, Newer},
		{stranger, Damaged},
	}
	for _, tt := range tests {
		d, l := inspect(dirfile.OS{}, tt.path)
		require.Equal(t, tt.want, d.State, tt.path)
		require.Equal(t, tt.want == Empty, l != nil)
		if l != nil {
			l.release(true)
		}
	}
}

func TestErrorsBecomeStates(t *testing.T) {
	for err, want := range map[error]State{
		unix.EIO: Dead, unix.EROFS: NotUsable, unix.EACCES: NotUsable, unix.EPERM: NotUsable, unix.ENOENT: Missing, unix.ENOTDIR: NotDirectory,
	} {
		require.Equal(t, want, DirState{}.failed(&fs.PathError{Op: "open", Path: "/d", Err: err}).State, err.Error())
	}
}

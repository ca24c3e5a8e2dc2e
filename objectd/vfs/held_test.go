package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A directory was removed, or removed and made again, under a lock in it: the
// lock says so, and nothing more is changed under its name.
func TestADirectoryThatGoesUnderItsLock(t *testing.T) {
	for name, form := range forms(t) {
		for _, again := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				f, root := form()
				dir := filepath.Join(root, "held")
				p := func(n string) string { return filepath.Join(dir, n) }
				require.NoError(t, f.MkdirAll(dir))
				l, err := f.Lock(p("LOCK"))
				require.NoError(t, err)
				h := Held{FS: f, Intact: l.Intact}
				require.NoError(t, l.Intact())
				require.NoError(t, WriteFile(h, dir, "x", []byte("x")))
				require.NoError(t, h.MkdirAll(p("sub")))
				require.NoError(t, f.RemoveAll(dir))
				if again {
					require.NoError(t, f.MkdirAll(dir))
					require.NoError(t, WriteFile(f, dir, "LOCK", nil))
					require.NoError(t, WriteFile(f, dir, "y", nil))
				}
				require.ErrorIs(t, l.Intact(), ErrMoved)
				for _, err := range []error{
					second(h.Create(p("new"))), second(h.OpenRW(p("y"))), h.Remove(p("y")), h.RemoveAll(p("y")),
					h.Rename(p("y"), p("z")), h.MkdirAll(p("sub")), second(h.Lock(p("other"))),
				} {
					require.ErrorIs(t, err, ErrMoved)
				}
				_, err = h.Stat(p("y"))
				require.Equal(t, again, err == nil, "as it was")
				_, err = f.Stat(p("new"))
				require.ErrorIs(t, err, fs.ErrNotExist)
				require.NoError(t, l.Close())
			})
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestUsageOfADirectoryThatIsNotThere(t *testing.T) {
	for name, form := range forms(t) {
		f, root := form()
		_, err := f.Usage(filepath.Join(root, "none"))
		require.ErrorIs(t, err, fs.ErrNotExist, name)
		require.True(t, IsGone(err), name)
	}
}

func TestErrorsThatMayPassAreNotALostDirectory(t *testing.T) {
	for _, err := range []error{syscall.EINTR, syscall.ENOMEM, syscall.EMFILE, syscall.EAGAIN, syscall.ENOSPC, errors.New("other")} {
		require.False(t, IsGone(&fs.PathError{Op: "statfs", Path: "d", Err: err}), err)
	}
	for _, err := range []error{syscall.ENOENT, syscall.EACCES, syscall.EPERM, syscall.EIO, syscall.ESTALE, syscall.ENODEV} {
		require.True(t, IsGone(&fs.PathError{Op: "statfs", Path: "d", Err: err}), err)
	}
}

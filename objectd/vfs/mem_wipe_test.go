package vfs

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWipeForgetsAlsoWhatIsOpen(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("/a"))
	f, err := m.Create("/a/b")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("something"), 0)
	require.NoError(t, err)
	m.Wipe()
	names, err := m.List("/")
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, io.EOF)
	_, err = f.WriteAt([]byte("more"), 0)
	require.NoError(t, err, "an open file still works")
	require.NoError(t, f.Sync())
	require.NoError(t, m.MkdirAll("/a"), "and so does the file system")
}

package dirfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var kind = Kind{Name: "sample", Version: 2}

func TestEveryFlippedBitAndEveryCutIsDamage(t *testing.T) {
	good, err := Encode(kind, []byte(`{"a":1}`))
	require.NoError(t, err)
	for i := range good {
		for bit := range 8 {
			bad := append([]byte(nil), good...)
			bad[i] ^= 1 << bit
			// Case of a hex digit is the one thing that may differ without meaning.
			if _, body, err := Decode(kind, bad); err == nil {
				require.Equal(t, `{"a":1}`, string(body))
				require.Equal(t, byte(1<<5), good[i]^bad[i])
				continue
			} else {
				require.ErrorIs(t, err, ErrDamaged, "byte %d bit %d", i, bit)
			}
		}
		_, _, err := Decode(kind, good[:i])
		require.ErrorIs(t, err, ErrDamaged, "cut to %d", i)
	}
	_, _, err = Decode(kind, append(good, 'x'))
	require.ErrorIs(t, err, ErrDamaged)
}

func TestVersions(t *testing.T) {
	old, err := Encode(Kind{"sample", 1}, []byte("x"))
	require.NoError(t, err)
	v, body, err := Decode(kind, old)
	require.NoError(t, err)
	require.Equal(t, 1, v)
	require.Equal(t, "x", string(body))

	newer, err := Encode(Kind{"sample", 3}, []byte("x"))
	require.NoError(t, err)
	_, _, err = Decode(kind, newer)
	require.ErrorIs(t, err, ErrNewer)

	other, err := Encode(Kind{"other", 2}, []byte("x"))
	require.NoError(t, err)
	_, _, err = Decode(kind, other)
	require.ErrorIs(t, err, ErrDamaged)

	_, err = Encode(kind, make([]byte, MaxSize))
	require.ErrorContains(t, err, "over the limit")
}

// traceFS records the calls and fails the one numbered failAt (from 1).
type traceFS struct {
	OS
	calls  []string
	failAt int
}

var errInjected = errors.New("injected")

func (f *traceFS) step(format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	if len(f.calls) == f.failAt {
		return errInjected
	}
	return nil
}

func (f *traceFS) WriteSync(path string, data []byte, perm fs.FileMode) error {
	if err := f.step("write+sync %s %v", filepath.Base(path), perm); err != nil {
		// A failed write may have left half of the data.
		_ = f.OS.WriteSync(path, data[:len(data)/2], perm)
		return err
	}
	return f.OS.WriteSync(path, data, perm)
}

func (f *traceFS) Rename(from, to string) error {
	if err := f.step("rename %s %s", filepath.Base(from), filepath.Base(to)); err != nil {
		return err
	}
	return f.OS.Rename(from, to)
}

func (f *traceFS) SyncDir(dir string) error {
	if err := f.step("sync dir"); err != nil {
		return err
	}
	return f.OS.SyncDir(dir)
}

func TestWriteOrder(t *testing.T) {
	f := &traceFS{}
	require.NoError(t, Write(f, t.TempDir(), "identity", kind, []byte("new"), 0o600))
	require.Equal(t, []string{"write+sync identity.tmp -rw-------", "rename identity.tmp identity", "sync dir"}, f.calls)
}

func TestFailureAtEachStepLeavesOldOrNew(t *testing.T) {
	for failAt := 1; failAt <= 3; failAt++ {
		dir := t.TempDir()
		require.NoError(t, Write(OS{}, dir, "f", kind, []byte("old"), 0o600))
		err := Write(&traceFS{failAt: failAt}, dir, "f", kind, []byte("new"), 0o600)
		require.ErrorIs(t, err, errInjected)
		_, body, err := Read(OS{}, dir, "f", kind)
		require.NoError(t, err)
		if failAt < 3 {
			require.Equal(t, "old", string(body))
		} else {
			require.Equal(t, "new", string(body))
		}
		require.NoError(t, Write(OS{}, dir, "f", kind, []byte("again"), 0o600))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1, "no temporary file is left")
	}
}

func TestModeDoesNotDependOnLeftovers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"+TempSuffix), []byte("x"), 0o666))
	require.NoError(t, Write(OS{}, dir, "f", kind, []byte("secret"), 0o600))
	info, err := os.Stat(filepath.Join(dir, "f"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestReadErrors(t *testing.T) {
	_, _, err := Read(OS{}, t.TempDir(), "f", kind)
	require.ErrorIs(t, err, fs.ErrNotExist)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), make([]byte, MaxSize+1), 0o600))
	_, _, err = Read(OS{}, dir, "f", kind)
	require.ErrorIs(t, err, ErrDamaged)
}

func FuzzDecode(f *testing.F) {
	good, _ := Encode(kind, []byte(`{"a":1}`))
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		v, body, err := Decode(kind, data)
		if err != nil {
			return
		}
		again, err := Encode(Kind{kind.Name, v}, body)
		require.NoError(t, err)
		_, same, err := Decode(kind, again)
		require.NoError(t, err)
		require.Equal(t, body, same)
	})
}

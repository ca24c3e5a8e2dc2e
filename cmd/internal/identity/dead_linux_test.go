package identity

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/cmd/internal/harness"
)

// loops makes a node on three file systems of their own.
func loops(t *testing.T) (d []string, ls []*harness.Loop) {
	t.Helper()
	if why := harness.CanMount(); why != "" {
		t.Skip(why)
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		l, err := harness.NewLoop(t.Context(), dir, name, 16<<20)
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Unmount(context.Background()) }) // t.Context() has ended by then
		ls = append(ls, l)
		d = append(d, l.Mount)
	}
	formed(t, d)
	return d, ls
}

// startsWithout wants a start that serves on the other two and names the third.
func startsWithout(t *testing.T, d []string, lost, why string) {
	t.Helper()
	s := open(t, d)
	defer s.Close()
	require.NotContains(t, s.Dirs(), lost)
	require.Len(t, s.Dirs(), 2)
	require.Len(t, s.Plan().Lost, 1)
	require.Equal(t, lost, s.Plan().Lost[0].Store.Path)
	require.Contains(t, s.Plan().Lost[0].Reason, why)
}

func TestAFileSystemThatWasShutDownIsNamed(t *testing.T) {
	d, ls := loops(t)
	require.NoError(t, ls[0].PowerCut())
	startsWithout(t, d, d[0], "the device fails")
}

func TestADeviceThatIsGoneIsNamed(t *testing.T) {
	d, ls := loops(t)
	require.NoError(t, ls[2].TruncateBacking())
	startsWithout(t, d, d[2], "")
}

func TestAFileSystemThatBecameReadOnlyIsNamed(t *testing.T) {
	d, _ := loops(t)
	require.NoError(t, exec.Command("mount", "-o", "remount,ro", d[1]).Run())
	startsWithout(t, d, d[1], "has become read-only")
	_, err := Open(Config{Dirs: d[1:2]})
	require.ErrorContains(t, err, "read-only")
}

func TestAReadOnlyDirectoryWithoutAStoreIsRefused(t *testing.T) {
	d, ls := loops(t)
	require.NoError(t, os.Remove(filepath.Join(d[1], FileName)))
	require.NoError(t, os.Remove(filepath.Join(d[1], LockName)))
	require.NoError(t, exec.Command("mount", "-o", "remount,ro", ls[1].Mount).Run())
	_, err := Open(Config{Dirs: d})
	require.ErrorContains(t, err, d[1]+" is not writable")
}

// TestPowerCutAfterAFirstStart: what Open and Form have acknowledged is
// there after the power of all three was cut at once.
func TestPowerCutAfterAFirstStart(t *testing.T) {
	d, ls := loops(t)
	s := open(t, d)
	before := s.Record()
	s.Close()
	for _, l := range ls {
		require.NoError(t, l.Cut(t.Context()))
	}
	s = open(t, d)
	require.Equal(t, before, s.Record())
	require.False(t, s.Plan().Fresh)
	require.NotContains(t, strings.Join(s.Plan().Notes, " "), "missing")
	s.Close()
}

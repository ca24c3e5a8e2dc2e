package campaign

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSumCountsOnlyPassedSlicesOfTheSameHash(t *testing.T) {
	root := t.TempDir()
	src := filepath.Join(root, "pkg", "a.go")
	require.NoError(t, os.MkdirAll(filepath.Dir(src), 0o755))
	require.NoError(t, os.WriteFile(src, []byte("package a"), 0o644))
	hash, err := Hash(root, "pkg")
	require.NoError(t, err)
	run := func(name string, units int, verdict error) {
		s, err := Begin(root, name, "pkg")
		require.NoError(t, err)
		require.NoError(t, s.End(units, nil, verdict))
	}
	run("sim", 10, nil)
	run("sim", 5, nil)
	run("other", 100, nil)
	units, failed, err := Sum(root, "sim", hash)
	require.NoError(t, err)
	require.Equal(t, 15, units)
	require.False(t, failed)

	run("sim", 3, errors.New("lost an object\nwith detail"))
	_, failed, err = Sum(root, "sim", hash)
	require.NoError(t, err)
	require.True(t, failed)

	tester := filepath.Join(root, "pkg", "pkgtest", "t.go")
	require.NoError(t, os.MkdirAll(filepath.Dir(tester), 0o755))
	require.NoError(t, os.WriteFile(tester, []byte("package pkgtest"), 0o644))
	same, err := Hash(root, "pkg")
	require.NoError(t, err)
	require.Equal(t, hash, same, "test code is not under test")
	itself, err := Hash(root, "pkg/pkgtest")
	require.NoError(t, err)
	one, err := Hash(root, "pkg/pkgtest/t.go")
	require.NoError(t, err)
	require.Equal(t, itself, one, "a folder that is named counts, and so does a file")
	require.NoError(t, os.WriteFile(tester, []byte("package pkgtest // changed"), 0o644))
	other, err := Hash(root, "pkg/pkgtest")
	require.NoError(t, err)
	require.NotEqual(t, itself, other)

	require.NoError(t, os.WriteFile(src, []byte("package a // changed"), 0o644))
	changed, err := Hash(root, "pkg")
	require.NoError(t, err)
	require.NotEqual(t, hash, changed)
	units, failed, err = Sum(root, "sim", changed)
	require.NoError(t, err)
	require.Zero(t, units)
	require.False(t, failed)
}

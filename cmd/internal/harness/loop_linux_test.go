package harness

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The power cut is only worth something if it loses what was not synced and
// keeps what was.
func TestPowerCutLosesOnlyWhatWasNotSynced(t *testing.T) {
	if why := CanMount(); why != "" {
		t.Skip(why)
	}
	ctx := context.Background()
	l, err := NewLoop(ctx, t.TempDir(), "disk", 64<<20)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Unmount(ctx) })
	synced, lost := filepath.Join(l.Mount, "synced"), filepath.Join(l.Mount, "lost")
	f, err := os.Create(synced)
	require.NoError(t, err)
	_, err = f.WriteString("kept")
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(lost, []byte("gone"), 0o644))
	require.NoError(t, l.PowerCut())
	require.Error(t, os.WriteFile(lost, []byte("gone"), 0o644))
	require.NoError(t, l.Unmount(ctx))
	require.NoError(t, l.Remount(ctx))
	b, err := os.ReadFile(synced)
	require.NoError(t, err)
	require.Equal(t, "kept", string(b))
	b, _ = os.ReadFile(lost)
	require.NotEqual(t, "gone", string(b))
}

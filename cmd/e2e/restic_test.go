package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRestic backs a tree up twice, checks the repository with all its data,
// and restores it.
func TestRestic(t *testing.T) {
	needClients(t, "restic")
	eachFront(t, func(t *testing.T, f front) {
		tree := goSource(t, "crypto")
		env := append(f.env(t), "RESTIC_REPOSITORY=s3:"+f.endpoint+"/restic-repo", "RESTIC_PASSWORD=only for this test", "RESTIC_CACHE_DIR="+t.TempDir())
		restic := func(args ...string) {
			t.Helper()
			if f.insecure {
				args = append([]string{"--insecure-tls"}, args...)
			}
			f.command(t, env, "restic", append([]string{"--quiet"}, args...)...)
		}
		restic("init")
		restic("backup", tree)
		restic("backup", tree)
		restic("check", "--read-data")
		target := t.TempDir()
		restic("restore", "latest", "--target", target)
		sameTree(t, tree, filepath.Join(target, tree))
		restic("forget", "--keep-last", "1", "--prune")
		restic("check", "--read-data")
		entries, err := os.ReadDir(target)
		require.NoError(t, err)
		require.NotEmpty(t, entries)
	})
}

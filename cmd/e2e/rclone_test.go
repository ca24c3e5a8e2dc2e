package e2e

import (
	"path/filepath"
	"testing"
)

// TestRclone syncs a tree up and down as provider "Other", which is what a
// user has before rclone knows Catena, and lets rclone compare by hash.
func TestRclone(t *testing.T) {
	needClients(t, "rclone")
	eachFront(t, func(t *testing.T, f front) {
		env := append(f.env(t),
			"RCLONE_CONFIG_CAT_TYPE=s3", "RCLONE_CONFIG_CAT_PROVIDER=Other", "RCLONE_CONFIG_CAT_ENDPOINT="+f.endpoint,
			"RCLONE_CONFIG_CAT_ACCESS_KEY_ID="+f.srv.AccessKey, "RCLONE_CONFIG_CAT_SECRET_ACCESS_KEY="+f.srv.SecretKey,
			"RCLONE_CONFIG="+filepath.Join(t.TempDir(), "rclone.conf"))
		rclone := func(args ...string) {
			t.Helper()
			if f.insecure {
				args = append(args, "--no-check-certificate")
			}
			f.command(t, env, "rclone", args...)
		}
		tree := goSource(t, "internal")
		rclone("mkdir", "cat:rclone")
		rclone("sync", "--transfers", "8", tree, "cat:rclone/tree")
		rclone("check", "--download", tree, "cat:rclone/tree")
		rclone("sync", tree, "cat:rclone/tree") // nothing to do
		big := randomFile(t, 220<<20)           // above rclone's multipart cutoff
		rclone("copyto", big, "cat:rclone/big")
		rclone("copyto", "cat:rclone/big", "cat:rclone/big-copy") // on the server
		down := filepath.Join(t.TempDir(), "big")
		rclone("copyto", "cat:rclone/big-copy", down)
		sameFile(t, big, down)
		rclone("purge", "cat:rclone")
	})
}

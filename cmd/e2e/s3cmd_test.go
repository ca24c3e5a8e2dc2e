package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestS3cmd puts, lists, copies, moves and removes; s3cmd always names the
// storage class STANDARD and reads policies and ACLs that are not set.
func TestS3cmd(t *testing.T) {
	needClients(t, "s3cmd")
	eachFront(t, func(t *testing.T, f front) {
		host := strings.TrimPrefix(strings.TrimPrefix(f.endpoint, "https://"), "http://")
		env := f.env(t)
		s3cmd := func(args ...string) string {
			t.Helper()
			base := []string{"--access_key=" + f.srv.AccessKey, "--secret_key=" + f.srv.SecretKey, "--host=" + host, "--host-bucket=" + host, "--no-progress"}
			if f.insecure {
				base = append(base, "--ssl", "--no-check-certificate")
			} else {
				base = append(base, "--no-ssl")
			}
			return f.command(t, env, "s3cmd", append(base, args...)...)
		}
		s3cmd("mb", "s3://s3cmd")
		small, big := randomFile(t, 70001), randomFile(t, 40<<20)
		s3cmd("put", small, "s3://s3cmd/a b/small")
		s3cmd("put", "--multipart-chunk-size-mb=15", big, "s3://s3cmd/big")
		require.Contains(t, s3cmd("ls", "s3://s3cmd"), "s3://s3cmd/big")
		require.Contains(t, s3cmd("info", "s3://s3cmd/big"), "File size: 41943040")
		s3cmd("cp", "s3://s3cmd/big", "s3://s3cmd/big2")
		s3cmd("mv", "s3://s3cmd/a b/small", "s3://s3cmd/moved")
		got := t.TempDir()
		s3cmd("get", "s3://s3cmd/big2", filepath.Join(got, "big"))
		s3cmd("get", "s3://s3cmd/moved", filepath.Join(got, "small"))
		sameFile(t, big, filepath.Join(got, "big"))
		sameFile(t, small, filepath.Join(got, "small"))
		s3cmd("sync", goSource(t, "net")+"/", "s3://s3cmd/net/")
		down := filepath.Join(got, "net")
		s3cmd("sync", "s3://s3cmd/net/", down+"/")
		sameTree(t, goSource(t, "net"), down)
		s3cmd("del", "--recursive", "--force", "s3://s3cmd")
		s3cmd("rb", "s3://s3cmd")
	})
}

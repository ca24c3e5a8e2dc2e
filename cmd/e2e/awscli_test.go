package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// aws runs the aws CLI against a front.
func (f front) aws(t *testing.T, args ...string) string {
	t.Helper()
	all := []string{"--endpoint-url", f.endpoint}
	if f.insecure {
		all = append(all, "--no-verify-ssl")
	}
	return f.command(t, f.env(t), "aws", append(all, args...)...)
}

// TestAWSCLI is README's first session, with every byte compared.
func TestAWSCLI(t *testing.T) {
	needClients(t, "aws")
	eachFront(t, func(t *testing.T, f front) {
		f.aws(t, "s3", "mb", "s3://first")
		small := randomFile(t, 12345)
		f.aws(t, "s3", "cp", small, "s3://first/dir/small.bin")
		back := filepath.Join(t.TempDir(), "back")
		f.aws(t, "s3", "cp", "s3://first/dir/small.bin", back)
		sameFile(t, small, back)

		tree := goSource(t, "crypto")
		if f.name == "http" {
			tree = goSource(t, "cmd") // thousands of files
		}
		f.aws(t, "s3", "sync", "--only-show-errors", tree, "s3://first/tree")
		listing := f.aws(t, "s3", "ls", "--recursive", "s3://first/tree/")
		require.Equal(t, countFiles(t, tree), strings.Count(listing, "\n"))
		down := filepath.Join(t.TempDir(), "down")
		f.aws(t, "s3", "sync", "--only-show-errors", "s3://first/tree", down)
		sameTree(t, tree, down)

		url := strings.TrimSpace(f.aws(t, "s3", "presign", "s3://first/dir/small.bin"))
		viaCurl := filepath.Join(t.TempDir(), "curl")
		out, err := exec.Command("curl", "-sSfk", "-o", viaCurl, url).CombinedOutput()
		require.NoError(t, err, "%s", out)
		sameFile(t, small, viaCurl)

		f.aws(t, "s3", "rm", "--recursive", "--only-show-errors", "s3://first")
		require.Empty(t, f.aws(t, "s3", "ls", "--recursive", "s3://first"))
		f.aws(t, "s3", "rb", "s3://first")
	})
}

// TestAWSCLIMultipart moves 1 GiB in parts, copies it on the server, and
// compares every byte.
func TestAWSCLIMultipart(t *testing.T) {
	needClients(t, "aws")
	srv := serve(t, false)
	f := front{name: "http", endpoint: srv.Endpoint(), srv: srv}
	f.aws(t, "s3", "mb", "s3://big")
	big := randomFile(t, 1<<30)
	f.aws(t, "s3", "cp", "--only-show-errors", big, "s3://big/one")
	f.aws(t, "s3", "cp", "--only-show-errors", "s3://big/one", "s3://big/two")
	back := filepath.Join(t.TempDir(), "back")
	f.aws(t, "s3", "cp", "--only-show-errors", "s3://big/two", back)
	sameFile(t, big, back)
	f.aws(t, "s3", "rb", "--force", "s3://big")
}

func countFiles(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	require.NoError(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n++
		}
		return err
	}))
	return n
}

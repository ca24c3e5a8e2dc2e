package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"catena/cmd/internal/harness"

	"github.com/stretchr/testify/require"
)

// TestBehindNginx runs a session through a reverse proxy with the settings
// that README recommends.
func TestBehindNginx(t *testing.T) {
	needClients(t, "aws")
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if _, err := os.Stat(nginx); err != nil {
		if required {
			t.Fatal("nginx is not installed")
		}
		t.Skip("nginx is not installed")
	}
	srv := serve(t, false, "--trusted-proxies", "127.0.0.1/32")
	addr := startNginx(t, nginx, srv.S3)
	f := front{name: "nginx", endpoint: "http://" + addr, srv: srv}
	f.aws(t, "s3", "mb", "s3://proxied")
	tree := goSource(t, "net")
	f.aws(t, "s3", "sync", "--only-show-errors", tree, "s3://proxied/net")
	big := randomFile(t, 30<<20)
	f.aws(t, "s3", "cp", "--only-show-errors", big, "s3://proxied/with space+plus/big")
	down := t.TempDir()
	f.aws(t, "s3", "sync", "--only-show-errors", "s3://proxied/net", filepath.Join(down, "net"))
	f.aws(t, "s3", "cp", "--only-show-errors", "s3://proxied/with space+plus/big", filepath.Join(down, "big"))
	sameTree(t, tree, filepath.Join(down, "net"))
	sameFile(t, big, filepath.Join(down, "big"))
	f.aws(t, "s3", "rb", "--force", "s3://proxied")
}

func startNginx(t *testing.T, nginx, upstream string) string {
	t.Helper()
	addr, err := harness.FreeAddr()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	conf := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen %[2]s;
    client_max_body_size 0;
    ignore_invalid_headers off;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
    }
  }
}
`, dir, addr, upstream)
	path := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o644))
	cmd := exec.Command(nginx, "-c", path, "-e", filepath.Join(dir, "error.log"))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		return exec.Command("curl", "-s", "-o", "/dev/null", "http://"+addr+"/").Run() == nil
	}, 10*time.Second, 20*time.Millisecond)
	return addr
}

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"catena/cmd/internal/harness"

	"github.com/stretchr/testify/require"
)

// clients is the folder that install.sh filled; empty when there is none.
var clients = os.Getenv("CATENA_E2E")

// required turns a skip into a failure: the gate must notice a missing client.
var required = os.Getenv("CATENA_E2E_REQUIRED") != ""

// binDir is the folder of binary; TestMain makes and removes it.
var binDir string

// binary is built once for all tests, by the first that needs it.
var binary = sync.OnceValues(func() (string, error) { return harness.Build(context.Background(), binDir) })

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if binDir, err = os.MkdirTemp("", "catena-e2e-bin"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(binDir)
	return m.Run()
}

// front is one way to reach a server.
type front struct {
	name, endpoint string
	srv            *harness.Server
	// insecure: the certificate is self-signed and must not be checked.
	insecure bool
}

func needClients(t *testing.T, names ...string) {
	t.Helper()
	missing := ""
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(clients, "bin", n)); clients == "" || err != nil {
			missing += " " + n
		}
	}
	if missing == "" {
		return
	}
	if required {
		t.Fatalf("CATENA_E2E=%q lacks%s: run install.sh", clients, missing)
	}
	t.Skipf("real clients are not installed:%s (see install.sh)", missing)
}

// serve starts a server on three fresh directories, stopped at the test's end.
func serve(t *testing.T, tls bool, args ...string) *harness.Server {
	t.Helper()
	bin, err := binary()
	require.NoError(t, err)
	root := t.TempDir()
	log := &tail{}
	srv, err := harness.Start(context.Background(), harness.Options{
		Binary: bin, TLS: tls, Args: args, Log: log,
		Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")},
	})
	require.NoError(t, err, "%s", log)
	t.Cleanup(func() {
		if err := srv.Stop(40 * time.Second); err != nil {
			t.Errorf("stop: %v\n%s", err, log)
		}
		if t.Failed() {
			t.Logf("server log:\n%s", log)
		}
	})
	return srv
}

// eachFront runs a client's test over HTTP and over TLS.
func eachFront(t *testing.T, run func(t *testing.T, f front)) {
	for _, tls := range []bool{false, true} {
		name := "http"
		if tls {
			name = "tls"
		}
		t.Run(name, func(t *testing.T) {
			srv := serve(t, tls)
			run(t, front{name: name, endpoint: srv.Endpoint(), srv: srv, insecure: tls})
		})
	}
}

// env is the environment in which every client finds its keys, and nothing of the user's.
func (f front) env(t *testing.T) []string {
	return append(os.Environ(),
		"HOME="+t.TempDir(),
		"PATH="+filepath.Join(clients, "bin")+":"+os.Getenv("PATH"),
		"AWS_ACCESS_KEY_ID="+f.srv.AccessKey, "AWS_SECRET_ACCESS_KEY="+f.srv.SecretKey,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"PYTHONWARNINGS=ignore")
}

// command runs a client and fails the test with its output if it fails.
func (f front) command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(clients, "bin", name), args...)
	cmd.Env = env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, last(out.String()), last(errOut.String()))
	}
	return out.String()
}

func last(s string) string {
	if len(s) > 4000 {
		return "..." + s[len(s)-4000:]
	}
	return s
}

// goSource is a folder of Go's own source: a real tree of many small files.
func goSource(t *testing.T, sub string) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "src", sub)
}

// sameTree compares two folders byte by byte.
func sameTree(t *testing.T, want, got string) {
	t.Helper()
	out, err := exec.Command("diff", "-r", "--brief", want, got).CombinedOutput()
	require.NoError(t, err, "trees differ:\n%s", last(string(out)))
}

// randomFile writes n random bytes to a new file.
func randomFile(t *testing.T, n int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("random-%d", n))
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	buf := make([]byte, 1<<20)
	for n > 0 {
		_, _ = rand.Read(buf)
		m := min(n, int64(len(buf)))
		_, err := f.Write(buf[:m])
		require.NoError(t, err)
		n -= m
	}
	return path
}

func sameFile(t *testing.T, want, got string) {
	t.Helper()
	out, err := exec.Command("cmp", want, got).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// tail keeps the end of a server's log.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if over := len(l.b) - 32<<10; over > 0 {
		l.b = append(l.b[:0], l.b[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/bench"
)

// benchTargets parses a command line up to the run.
func benchTargets(t *testing.T, environ []string, args ...string) (*benchFlags, []bench.Target, error) {
	t.Helper()
	b := &benchFlags{set: bench.Defaults()}
	c := benchCommand(environment{})
	c.ResetFlags()
	b.addFlags(c)
	require.NoError(t, c.ParseFlags(args))
	targets, err := b.prepare(environment{environ: environ})
	return b, targets, err
}

func TestBenchTargets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("from-a-file\n"), 0o600))
	env := []string{"AWS_ACCESS_KEY_ID=AWS", "AWS_SECRET_ACCESS_KEY=aws-secret", "CATENA_BENCH_AGAINST_ACCESS_KEY=OTHER"}
	b, targets, err := benchTargets(t, env,
		"--endpoint", "https://a.example:9000/", "--against", "b.example:9000", "--against-secret-key-file", file, "--insecure",
		"--size", "4KiB,1MiB", "--size", "7", "--ops", "put,get", "--multipart-size", "1GiB", "--server-pid", "1,2", "--against-pid", "3")
	require.NoError(t, err)
	require.Equal(t, []int64{4096, 1 << 20, 7}, b.set.Sizes)
	require.Equal(t, []string{"put", "get"}, b.set.Ops)
	require.Equal(t, int64(1<<30), b.set.MultipartSize)
	require.Equal(t, []bench.Target{
		{
			Name: "a.example:9000", Endpoint: "a.example:9000", TLS: true, Insecure: true,
			AccessKey: "AWS", SecretKey: "aws-secret", Pids: []int{1, 2},
		},
		{
			Name: "b.example:9000", Endpoint: "b.example:9000", Insecure: true,
			AccessKey: "OTHER", SecretKey: "from-a-file", Pids: []int{3},
		},
	}, targets)
}

func TestBenchMistakes(t *testing.T) {
	env := []string{"AWS_ACCESS_KEY_ID=AWS", "AWS_SECRET_ACCESS_KEY=aws-secret"}
	for _, tt := range []struct {
		env  []string
		args string
		want string
	}{
		{nil, "bench", "no keys: set AWS_ACCESS_KEY_ID"},
		{env, "bench --endpoint ftp://x", "not of the form"},
		{env, "bench --endpoint http://u:p@x", "not of the form"},
		{env, "bench --size big --part-size x", `--part-size: "x" is not valid`},
		{env, "bench --ops fly --concurrency 0", "concurrency 0"},
		{env, "bench --against-pid 3", "--against-pid without --against"},
		{env, "bench x", "takes no arguments"},
		{env, "bench compare", "name one report with two endpoints"},
	} {
		code, _, stderr := command(t, tt.env, strings.Fields(tt.args)...)
		require.Equal(t, exitUsage, code, tt.args)
		require.Contains(t, stderr, tt.want, tt.args)
	}
	code, _, stderr := command(t, env, "bench", "--endpoint", "127.0.0.1:1")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "endpoint 127.0.0.1:1: bucket catena-bench")
	require.NotContains(t, stderr, "aws-secret")
}

func TestBenchCompareFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, rate float64) string {
		r := bench.Report{Format: bench.Format, Version: bench.Version, Targets: []bench.TargetReport{{Name: name}},
			Results: []bench.Result{{Target: name, Op: "put", Size: 4096, Concurrency: 16, Ops: 1, OpsPerSec: rate}}}
		var b bytes.Buffer
		require.NoError(t, r.Write(&b))
		path := filepath.Join(dir, name+".json")
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
		return path
	}
	a, b := write("old", 100), write("new", 250)
	code, stdout, _ := command(t, nil, "bench", "compare", a, b)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "A is old, B is new")
	require.Contains(t, stdout, "2.50x")
	code, _, stderr := command(t, nil, "bench", "compare", a)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "nothing to compare it with")
	require.NoError(t, os.WriteFile(b, []byte("{}"), 0o600))
	_, _, stderr = command(t, nil, "bench", "compare", a, b)
	require.Contains(t, stderr, b+": bench: not a report")
}

func TestProgressIsForTerminals(t *testing.T) {
	for _, on := range []bool{true, false} {
		var b bytes.Buffer
		p := &progressLine{env: environment{stderr: &b}, on: on}
		p.show(bench.Progress{Target: "a", Stage: "running", Op: "put", Size: 4096, Done: 10, Errors: 1, Elapsed: 1e9})
		p.result(bench.Result{Target: "a", Op: "put", Size: 4096, OpsPerSec: 12})
		p.clear()
		require.Equal(t, on, strings.Contains(b.String(), "10 ops/s"))
		require.Equal(t, on, strings.Contains(b.String(), "1 errors"))
		require.Equal(t, on, b.Len() > 0)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/config"
	"catena/cmd/internal/keys"
	"catena/cmd/internal/lifecycle"
)

// command runs a command line in an empty environment.
func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), environment{stdout: &out, stderr: &err, environ: environ}, args)
	return code, out.String(), err.String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestExitCodesAndMessages(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string // in standard error
	}{
		{"nope", exitUsage, `unknown command "nope"`},
		{"server", exitUsage, "no data directory is given"},
		{"server --tablets many", exitUsage, "want a whole number"},
		{"server --tablets many", exitUsage, "no data directory is given"},
		{"server --nope d", exitUsage, "unknown flag: --nope; see catena server --help"},
		{"server --tablets many d", exitUsage, "want a whole number"},
		{"server --tablets 0 --log-level loud d", exitUsage, `log-level: "loud"`},
		{"server --config /nowhere/x.yaml d", exitUsage, "/nowhere/x.yaml"},
		{"server --secret-key x d", exitUsage, "unknown flag: --secret-key"},
		{"config --s3 nowhere", exitUsage, "want host:port"},
		{"keys", exitUsage, "name a data directory"},
		{"keys /nowhere", exitFailed, "no keys in /nowhere/keys"},
		{"healthcheck x", exitUsage, "takes no arguments"},
		{"version x", exitUsage, "takes no arguments"},
	} {
		code, _, stderr := command(t, nil, strings.Fields(tt.args)...)
		require.Equal(t, tt.code, code, tt.args)
		require.Contains(t, stderr, tt.want, tt.args)
	}
	code, stdout, _ := command(t, nil, "version")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "catena ")
	code, stdout, _ = command(t, nil)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "server")
}

func TestConfigCommand(t *testing.T) {
	env := []string{"CATENA_ACCESS_KEY=ACCESS", "CATENA_SECRET_KEY=hush-hush-77", "CATENA_TABLETS=5", "CATENA_TYPO=1"}
	code, stdout, stderr := command(t, env, "config", "d1", "d2", "--admin", "127.0.0.1:7")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "dirs: [d1, d2] # arguments\n")
	require.Contains(t, stdout, `admin: "127.0.0.1:7" # flag --admin`)
	require.Contains(t, stdout, "tablets: 5 # environment CATENA_TABLETS")
	require.NotContains(t, stdout+stderr, "hush")
	require.Contains(t, stderr, "CATENA_TYPO is not a setting")

	code, stdout, stderr = command(t, append(env, "CATENA_LOG_LEVEL=loud"), "config", "--s3", "nowhere")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stdout, "s3: [nowhere] # flag --s3", "the result is printed also with problems")
	require.Contains(t, stderr, "loud")
	require.Contains(t, stderr, "nowhere")
}

// Flags, environment, file and what they contradict are reported in one go: a
// person mends them once.
func TestAllProblemsOfAllSourcesAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte("drain-delay: soon\nno-such-key: 1\n"), 0o600))
	env := []string{"CATENA_DATA_CHAINS=few", "CATENA_LOG_LEVEL=loud", "CATENA_TLS_CERT=/c.pem"}
	args := []string{
		"--tablets", "many", "--max-requests=lots", "--max-requests=7", "--nope", "--trusted-proxies", "10.0.0.0/33",
		"--s3", "nowhere", "--nor-this=1", "-x", "", "d1", "--config", file, "--admin",
	}
	for _, name := range []string{"config", "server"} {
		code, stdout, stderr := command(t, env, append([]string{name}, args...)...)
		require.Equal(t, exitUsage, code)
		require.Equal(t, name == "config", strings.Contains(stdout, "s3: [nowhere] # flag --s3"), "config shows what is in effect all the same")
		for _, want := range []string{
			`--tablets: "many" is not valid`, `--max-requests: "lots" is not valid`,
			"unknown flag: --nope; see catena " + name + " --help", `"10.0.0.0/33" is not valid`,
			`s3: address "nowhere"`, "unknown flag: --nor-this", "unknown flag: -x", "flag needs an argument: --admin",
			`CATENA_DATA_CHAINS: "few"`, `log-level: "loud"`, "tls-cert and tls-key belong together",
			`drain-delay: "soon"`, `unknown key "no-such-key"`,
			`directory 1 of 2 is given as ""`,
		} {
			require.Contains(t, stderr, want)
		}
	}
	code, _, stderr := command(t, nil, "config", "--tablets", "many", "--data-chains", "few")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "many")
	require.Contains(t, stderr, "few")
	code, stdout, _ := command(t, nil, "server", "--help")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "--drain-timeout")
}

// An empty argument is an unset variable of a script; it must not become the
// current directory.
func TestAnEmptyDirectoryArgumentIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"server", ""}, {"server", "d1", "  "}, {"config", ""}, {"keys", ""}, {"keys", "d1", ""}} {
		code, _, stderr := command(t, nil, args...)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, stderr, "which names none", args)
	}
	left, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, left)
}

func opened(t *testing.T, c config.Config) (keys.Decision, string) {
	t.Helper()
	var log bytes.Buffer
	set, k, err := openDirs(slog.New(slog.NewTextHandler(&log, nil)), c)
	require.NoError(t, err)
	require.True(t, set.Record().Formed)
	set.Close()
	require.NotContains(t, log.String(), k.Keys.Secret)
	return k, log.String()
}

func TestKeysOfAStore(t *testing.T) {
	root := t.TempDir()
	c := config.Config{Dirs: []string{filepath.Join(root, "a"), filepath.Join(root, "b"), filepath.Join(root, "c")}}
	first, _ := opened(t, c)
	require.Equal(t, keys.Made, first.Source)
	code, stdout, _ := command(t, nil, "keys", c.Dirs[1])
	require.Equal(t, exitOK, code)
	require.Equal(t, "export AWS_ACCESS_KEY_ID="+first.Keys.Access+"\nexport AWS_SECRET_ACCESS_KEY="+first.Keys.Secret+"\n", stdout)

	again, _ := opened(t, c)
	require.Equal(t, first.Keys.Pair, again.Keys.Pair)

	// The newest copy was on a DIR; another DIR is lost, an empty one takes its place.
	require.NoError(t, os.RemoveAll(c.Dirs[2]))
	require.NoError(t, os.Mkdir(c.Dirs[2], 0o700))
	c.AccessKey, c.SecretKey = "GIVEN", "hush'hush-77"
	third, log := opened(t, c)
	require.Equal(t, keys.Replaced, third.Source)
	require.Contains(t, log, "are replaced by those of the environment (access key GIVEN)")
	_, stdout, _ = command(t, nil, "keys", c.Dirs[2])
	require.Contains(t, stdout, `export AWS_SECRET_ACCESS_KEY='hush'\''hush-77'`)
}

func TestAnExistingNodeWithoutKeysIsRefused(t *testing.T) {
	c := config.Config{Dirs: []string{filepath.Join(t.TempDir(), "a")}}
	opened(t, c)
	require.NoError(t, os.Remove(filepath.Join(c.Dirs[0], keys.FileName)))
	_, _, err := openDirs(quiet(), c)
	require.ErrorIs(t, err, keys.ErrNoKeys)
	c.AccessKey, c.SecretKey = "GIVEN", "hush-hush-77"
	opened(t, c) // the refused start gave its locks back
}

func TestAnnounceShowsSecretsOnlyToATerminal(t *testing.T) {
	c := config.Default()
	c.Dirs = []string{filepath.Join(t.TempDir(), "a")}
	c.S3 = []string{"[::]:9000"}
	c.TLSSelfSigned = true
	set, k, err := openDirs(quiet(), c)
	require.NoError(t, err)
	defer set.Close()
	for _, terminal := range []bool{true, false} {
		var out, log bytes.Buffer
		announce(environment{stdout: &out, stdoutIsTerminal: terminal}, slog.New(slog.NewJSONHandler(&log, nil)), c, set, k)
		require.Equal(t, terminal, strings.Contains(out.String(), "export AWS_SECRET_ACCESS_KEY="+k.Keys.Secret))
		require.Equal(t, terminal, strings.Contains(out.String(), "AWS_ENDPOINT_URL=https://localhost:9000\n"))
		require.Equal(t, terminal, strings.Contains(out.String(), "AWS_CA_BUNDLE="))
		require.NotContains(t, log.String(), k.Keys.Secret)
		require.Contains(t, log.String(), filepath.Join(c.Dirs[0], "keys"))
	}
	k.Source = keys.Stored
	var out bytes.Buffer
	announce(environment{stdout: &out, stdoutIsTerminal: true}, quiet(), c, set, k)
	require.Empty(t, out.String())
}

func TestLogFormat(t *testing.T) {
	for _, tt := range []struct {
		format   string
		terminal bool
		json     bool
	}{{"auto", true, false}, {"auto", false, true}, {"text", false, false}, {"json", true, true}} {
		var b bytes.Buffer
		c := config.Default()
		c.LogFormat, c.LogLevel = tt.format, "warn"
		log, err := newLogger(environment{stderr: &b, stderrIsTerminal: tt.terminal}, c)
		require.NoError(t, err)
		log.Info("hidden")
		log.Warn("seen", "a", 1)
		require.NotContains(t, b.String(), "hidden")
		require.Equal(t, tt.json, json.Valid(b.Bytes()), b.String())
	}
}

func TestReadinessOverALife(t *testing.T) {
	r := newReadiness()
	require.ErrorContains(t, r.ask(t.Context()), "starting")
	r.set(func(context.Context) error { return nil })
	require.NoError(t, r.ask(t.Context()))
	r.draining()
	require.ErrorContains(t, r.ask(t.Context()), "stopping")
	r.set(func(context.Context) error { return nil })
	require.ErrorContains(t, r.ask(t.Context()), "stopping", "a part that reports late does not make it ready again")
}

func TestHealthcheck(t *testing.T) {
	ready := errors.New("no map")
	s, err := admin.New(admin.Config{
		Addr: "127.0.0.1:0", Log: quiet(), Metrics: prometheus.NewRegistry(),
		Ready: func(context.Context) error { return ready },
	})
	require.NoError(t, err)
	require.NoError(t, s.Start(func(err error) { t.Error(err) }))
	env := []string{"CATENA_ADMIN=" + s.Addr().String()}
	code, _, stderr := command(t, env, "healthcheck")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "not ready: 503 Service Unavailable: not ready: no map")
	ready = nil
	code, stdout, _ := command(t, nil, "healthcheck", "--admin", s.Addr().String())
	require.Equal(t, exitOK, code)
	require.Equal(t, "ready\n", stdout)
	require.NoError(t, s.Stop(t.Context()))
	code, _, _ = command(t, env, "healthcheck", "--timeout", "1s")
	require.Equal(t, exitFailed, code)
}

func TestCertHosts(t *testing.T) {
	c := config.Default()
	c.S3 = []string{"[::]:9000", "192.0.2.7:9000", "s3.local:1"}
	c.Domains = []string{"s3.example.com"}
	hosts := certHosts(c)
	for _, want := range []string{"192.0.2.7", "s3.local", "127.0.0.1", "s3.example.com", "*.s3.example.com"} {
		require.Contains(t, hosts, want)
	}
	require.NotContains(t, hosts, "::")
}

func TestTLSAndAdminAreParts(t *testing.T) {
	dir := t.TempDir()
	c := config.Default()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a free port
	require.NoError(t, err)
	c.Admin, c.TLSSelfSigned = ln.Addr().String(), true
	require.NoError(t, ln.Close())
	group := lifecycle.NewGroup(quiet())
	conf, err := addTLS(group, quiet(), c, []string{dir})
	require.NoError(t, err)
	ready := newReadiness()
	require.NoError(t, addAdmin(group, admin.Config{
		Addr: c.Admin, TLS: conf, Log: quiet(), Metrics: prometheus.NewRegistry(), Ready: ready.ask,
	}))
	ctx, cancel := context.WithCancel(t.Context())
	err = group.Run(ctx, lifecycle.Options{DrainTimeout: time.Minute, NotReady: ready.draining, Started: func() {
		require.ErrorContains(t, admin.Check(ctx, c.Admin, true), "not ready: starting")
		ready.set(func(context.Context) error { return nil })
		require.NoError(t, admin.Check(ctx, c.Admin, true))
		cancel()
	}})
	require.NoError(t, err)

	c.TLSSelfSigned = false
	conf, err = addTLS(group, quiet(), c, []string{dir})
	require.NoError(t, err)
	require.Nil(t, conf)
	c.TLSCert, c.TLSKey = "/nowhere/c", "/nowhere/k"
	_, err = addTLS(group, quiet(), c, []string{dir})
	require.ErrorContains(t, err, "/nowhere/c")
}

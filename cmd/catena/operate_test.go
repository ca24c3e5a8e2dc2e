package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/cmd/internal/admin"
	"catena/cmd/internal/config"
	"catena/cmd/internal/keys"
	"catena/cmd/internal/tlsconf"
)

// fakeCluster is a cluster of three stores, of which two are gone for good.
type fakeCluster struct {
	st     admin.Status
	forced []admin.ForceRequest
}

func newFakeCluster() *fakeCluster {
	id := func(n byte) chain.StoreID { return chain.StoreID{n, 0xab, 15: n} }
	rep := func(n byte, inc uint64) admin.Replica { return admin.Replica{Store: id(n), Incarnation: inc} }
	return &fakeCluster{st: admin.Status{
		Software: "catena test", Cluster: "c1", Host: "here", Leader: id(1).String(), Factor: 3, VotersWanted: 3, VotersReady: 2,
		Tablets: 1, DataChains: 1, Chains: 2, Below: 1, Unwritable: 1,
		Masters: []admin.Master{{Store: id(1).String(), Role: "leader"}, {Store: id(2).String(), Role: "dead", Reason: "input/output error"}},
		Stores: []admin.Store{
			{ID: id(1).String(), Path: "/d1", State: "live", Alive: true, Replicas: 2, Space: &admin.Space{Used: 64 << 20, Free: 3 << 30}},
			{ID: id(2).String(), Path: "/d2", State: "failed", Reason: "input/output error"},
		},
		Trouble: []admin.Chain{{
			ID: 7, Kind: "index", Epoch: chain.Epoch{N: 4}, Serving: []admin.Replica{rep(2, 1)}, Recoverable: []admin.Replica{rep(2, 1)},
			Former: []admin.Replica{rep(1, 3)}, Next: "no member serves", Unwritable: true,
		}},
		Plan:   []string{"chain 9: fill it"},
		Forced: []admin.Forced{{Chain: 3, Epoch: chain.Epoch{N: 2}, Replica: rep(1, 1), Reason: "burnt"}},
	}}
}

func (f *fakeCluster) Status(context.Context) (admin.Status, error) { return f.st, nil }

func (f *fakeCluster) LookAtFactor(to int) (admin.FactorChange, error) {
	if to > 3 {
		return admin.FactorChange{}, &admin.Refusal{Reason: "too few stores"}
	}
	return admin.FactorChange{From: f.st.Factor, To: to, MinAck: 2, Shrink: 2}, nil
}

func (f *fakeCluster) SetFactor(_ context.Context, to int) error {
	f.st.Factor, f.st.Below = to, 0
	return nil
}

func (f *fakeCluster) Force(_ context.Context, r admin.ForceRequest) error {
	f.forced = append(f.forced, r)
	return nil
}

// listen serves a cluster's API and gives its address; with a directory over
// TLS, with a self-signed certificate kept there.
func listen(t *testing.T, c admin.Cluster, k keys.Keys, dir string) string {
	t.Helper()
	api, err := admin.NewAPI(admin.APIConfig{Cluster: c, Credentials: rootCredential{k}, Now: time.Now, Log: quiet()})
	require.NoError(t, err)
	cfg := admin.Config{
		Addr: "127.0.0.1:0", Log: quiet(), Metrics: prometheus.NewRegistry(), API: api,
		Ready: func(context.Context) error { return nil },
	}
	if dir != "" {
		cert, key, _, err := tlsconf.SelfSigned{Dirs: []string{dir}, Now: time.Now()}.LoadOrMake()
		require.NoError(t, err)
		f, err := tlsconf.Load(tlsconf.Config{CertFile: cert, KeyFile: key, Log: quiet()})
		require.NoError(t, err)
		cfg.TLS = f.TLS()
	}
	s, err := admin.New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start(func(err error) { t.Error(err) }))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s.Addr().String()
}

func operatorKeys() keys.Keys {
	return keys.Keys{Pair: keys.Pair{Access: "OPERATOR", Secret: "hush-hush-77"}}
}

// operatorEnv is the environment of somebody who has those keys.
func operatorEnv(addr string) []string {
	return []string{"CATENA_ADMIN=" + addr, "CATENA_ACCESS_KEY=OPERATOR", "CATENA_SECRET_KEY=hush-hush-77"}
}

func TestStatusCommand(t *testing.T) {
	c := newFakeCluster()
	addr := listen(t, c, operatorKeys(), "")
	env := operatorEnv(addr)
	code, out, errOut := command(t, env, "status")
	require.Equal(t, exitOK, code, errOut)
	for _, want := range []string{
		"factor 3", "masters: 2 of 3 voters ready; no further disk may go until all are", "leader", "(input/output error)",
		"64MiB", "3GiB", "failed", "below factor 1", "without writes 1",
		"chain 7: no member serves", "plan: 1 changes\n  chain 9: fill it", "forced: chain 3 was started from", "burnt",
	} {
		require.Contains(t, out, want)
	}
	_, out, _ = command(t, env, "status", "--chains")
	require.Contains(t, out, "former [01ab")
	code, out, _ = command(t, env, "status", "--json")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `"chains_below_factor": 1`)
	require.Equal(t, 1, strings.Count(out, "\n}\n"), "one object, indented")

	code, _, errOut = command(t, []string{"CATENA_ADMIN=" + addr, "CATENA_ACCESS_KEY=OPERATOR", "CATENA_SECRET_KEY=hush-hush-78"}, "status")
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "does not accept the keys")
	require.NotContains(t, errOut, "hush")
	code, _, errOut = command(t, []string{"CATENA_ADMIN=" + addr}, "status")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "no keys: set CATENA_ACCESS_KEY and CATENA_SECRET_KEY, or name a data directory with --dir")
}

// A newer server's fields come through an older client's --json.
func TestStatusJSONIsWhatTheServerSaid(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, admin.PathStatus, r.URL.Path)
		_, _ = w.Write([]byte(`{"factor":3,"of_tomorrow":[1.50,"<"]}` + "\n"))
	}))
	defer srv.Close()
	code, out, errOut := command(t, operatorEnv(strings.TrimPrefix(srv.URL, "http://")), "status", "--json")
	require.Equal(t, exitOK, code, errOut)
	require.Equal(t, "{\n  \"factor\": 3,\n  \"of_tomorrow\": [\n    1.50,\n    \"<\"\n  ]\n}\n", out)
}

func TestFactorCommand(t *testing.T) {
	c := newFakeCluster()
	env := operatorEnv(listen(t, c, operatorKeys(), ""))
	for _, tt := range []struct {
		args    string
		code    int
		out     string // in standard output
		errOut  string // in standard error
		becomes int
	}{
		{"factor", exitOK, "3\n", "", 3},
		{"factor two", exitUsage, "", `"two" is not a number of copies`, 3},
		{"factor 0", exitUsage, "", `"0" is not a number of copies`, 3},
		{"factor 2 3", exitUsage, "", "one number is wanted", 3},
		{"factor 4", exitFailed, "", "refused: too few stores", 3},
		{"factor 3", exitOK, "The factor is 3 already", "", 3},
		{"factor 2 --dry-run", exitOK, "2 chains shrink, one member at a time", "", 3},
		{"factor 1", exitFailed, "a lost disk loses what is on it", "--i-accept-data-loss", 3},
		{"factor 2 --wait 10s", exitOK, "all 2 chains have 2 members", "", 2},
		{"factor 1 --i-accept-data-loss", exitOK, "changed", "", 1},
	} {
		code, out, errOut := command(t, env, strings.Fields(tt.args)...)
		require.Equal(t, tt.code, code, "%s: %s", tt.args, errOut)
		require.Contains(t, out, tt.out, tt.args)
		require.Contains(t, errOut, tt.errOut, tt.args)
		require.Equal(t, tt.becomes, c.st.Factor, tt.args)
	}
}

func TestForceCommand(t *testing.T) {
	c := newFakeCluster()
	env := operatorEnv(listen(t, c, operatorKeys(), ""))
	for args, want := range map[string][]string{
		"force":                            {"a chain and a replica are wanted"},
		"force x y":                        {`"x" is not a chain's number`, "--reason is needed", "say --i-accept-data-loss"},
		"force 7 01ab0000/3 --reason gone": {"say --i-accept-data-loss"},
		"force 7 01ab0000/3 --i-accept-data-loss":                 {"--reason is needed"},
		"force 8 01ab0000/3 --i-accept-data-loss --reason gone":   {"refused: chain 8 is as it should be"},
		"force 7 01ab0000/2 --i-accept-data-loss --reason gone":   {"chain 7 knows no replica", "it knows 02ab"},
		"force 7 01ab/3 --i-accept-data-loss --reason gone":       {"chain 7 knows no replica"},
		"force 7 01ab0000/3/3 --i-accept-data-loss --reason gone": {"chain 7 knows no replica"},
	} {
		code, _, errOut := command(t, env, strings.Fields(args)...)
		require.NotEqual(t, exitOK, code, args)
		for _, w := range want {
			require.Contains(t, errOut, w, args)
		}
	}
	require.Empty(t, c.forced)
	code, out, errOut := command(t, env, "force", "7", "01ab0000/3", "--i-accept-data-loss", "--reason", "both disks burnt")
	require.Equal(t, exitOK, code, errOut)
	require.Len(t, c.forced, 1)
	require.Equal(t, chain.Epoch{N: 4}, c.forced[0].Epoch, "the epoch that was seen")
	require.Equal(t, c.st.Trouble[0].Former[0], c.forced[0].Replica)
	require.Contains(t, out, "recorded: both disks burnt (by OPERATOR, ")
}

// Over TLS the server is verified: what it says counts.
func TestOperatingOverTLS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	k, _ := opened(t, config.Config{Dirs: []string{dir}})
	env := []string{"CATENA_ADMIN=" + listen(t, newFakeCluster(), k.Keys, dir)}
	code, out, errOut := command(t, env, "factor", "--tls-self-signed", "--dir", dir)
	require.Equal(t, exitOK, code, errOut)
	require.Equal(t, "3\n", out)
	ca := filepath.Join(dir, tlsconf.SelfSignedCert)
	code, _, errOut = command(t, env, "factor", "--tls-ca", ca, "--dir", dir)
	require.Equal(t, exitOK, code, errOut)

	stranger, _, _, err := tlsconf.SelfSigned{Dirs: []string{t.TempDir()}, Now: time.Now()}.LoadOrMake()
	require.NoError(t, err)
	for _, args := range [][]string{{"--tls-ca", stranger}, {"--tls-cert", ca, "--tls-key", "/nowhere"}} {
		code, _, errOut = command(t, env, append([]string{"factor", "--dir", dir}, args...)...)
		require.Equal(t, exitFailed, code, args)
		require.Contains(t, errOut, "certificate", args)
	}
	env = append(env, "CATENA_ACCESS_KEY="+k.Keys.Access, "CATENA_SECRET_KEY="+k.Keys.Secret)
	code, _, errOut = command(t, env, "factor", "--tls-self-signed")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "--tls-ca")
	code, _, errOut = command(t, env, "factor", "--tls-ca", filepath.Join(dir, "keys"), "--dir", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "holds no PEM certificate")
}

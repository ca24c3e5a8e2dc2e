package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/harness"
	"catena/cmd/internal/workload"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// operate runs an operator's command of the binary against a server.
func operate(t *testing.T, srv *harness.Server, args ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if srv.TLS {
		args = append(args, "--tls-self-signed", "--dir", srv.Dirs[0])
	}
	cmd := exec.CommandContext(ctx, srv.Binary, args...)
	cmd.Env = append(os.Environ(), "CATENA_ADMIN="+srv.Admin, "CATENA_ACCESS_KEY="+srv.AccessKey, "CATENA_SECRET_KEY="+srv.SecretKey)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func status(t *testing.T, srv *harness.Server) (st admin.Status) {
	t.Helper()
	out, err := operate(t, srv, "status", "--json")
	require.NoError(t, err, out)
	require.NoError(t, json.Unmarshal([]byte(out), &st))
	return st
}

// TestTheFactorIsChangedUnderLoad goes from three copies to two and back, over a
// restart, while eight writers work: the chains follow, no operation is refused,
// and every object is there.
func TestTheFactorIsChangedUnderLoad(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	root, log := t.TempDir(), &tail{}
	s3, err := harness.FreeAddr()
	require.NoError(t, err)
	opts := harness.Options{Binary: bin, Log: log, S3: s3, Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}}
	srv, err := harness.Start(t.Context(), opts)
	require.NoError(t, err, "%s", log)
	defer func() { srv.Kill() }()
	load, err := workload.New(workload.Config{
		Endpoint: s3, AccessKey: srv.AccessKey, SecretKey: srv.SecretKey, Bucket: "factor", Writers: 8, KeysPerWriter: 30, MaxSize: 6 << 20, Seed: 3,
		Idle:      func(ctx context.Context) error { return srv.WaitIdle(ctx) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
	})
	require.NoError(t, err)
	require.NoError(t, load.MakeBucket(t.Context()))

	during := func(factor int) {
		before := load.Refused()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { load.Run(ctx); close(done) }()
		time.Sleep(300 * time.Millisecond) // let the writers begin: they are a process's real load
		out, err := operate(t, srv, "factor", fmt.Sprint(factor), "--wait", "2m")
		refused := load.Refused() - before
		cancel()
		<-done
		require.NoError(t, err, "%s\n%s", out, log)
		require.Contains(t, out, fmt.Sprintf("all 45 chains have %d members", factor))
		require.NoError(t, load.Verify(t.Context()))
		require.Zero(t, refused, "operations that were refused while the chains followed\n%s", log)
		t.Logf("factor %d: %d operations acknowledged so far", factor, load.Acked())
		st := status(t, srv)
		require.Equal(t, factor, st.Factor)
		require.Zero(t, st.Below+st.Above+st.Unwritable)
		replicas := 0
		for _, s := range st.Stores {
			replicas += s.Replicas
		}
		require.Equal(t, 45*factor, replicas)
	}
	during(2)
	out, err := operate(t, srv, "factor", "4")
	require.Error(t, err)
	require.Contains(t, out, "refused: a factor of 4 needs 4 stores that live, and there are 3")

	require.NoError(t, srv.Stop(40*time.Second))
	srv, err = harness.Start(t.Context(), opts)
	require.NoError(t, err, "%s", log)
	require.Equal(t, 2, status(t, srv).Factor, "it is stored, and not computed from the directories")
	require.NoError(t, load.Verify(t.Context()))
	during(3)

	// Any one directory may go again now.
	require.NoError(t, srv.Stop(40*time.Second))
	require.NoError(t, os.RemoveAll(opts.Dirs[0]))
	srv, err = harness.Start(t.Context(), opts)
	require.NoError(t, err, "%s", log)
	require.NoError(t, load.Verify(t.Context()))
	require.NoError(t, srv.Stop(40*time.Second))
}

// TestAnOperatorForcesADeadCluster loses the two directories that have the newest
// writes, while the third one was away: nothing serves until an operator
// accepts the loss, chain by chain. Then what the third one had is there again.
func TestAnOperatorForcesADeadCluster(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	root, log := t.TempDir(), &tail{}
	opts := harness.Options{Binary: bin, Log: log, Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}}
	put := func(prefix string) {
		srv, err := harness.Start(t.Context(), opts)
		require.NoError(t, err, "%s", log)
		defer srv.Kill()
		c := clientOf(t, srv)
		_ = c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}) // it may be there
		for i := range 20 {
			_, err := c.PutObject(t.Context(), "bucket", fmt.Sprintf("%s%d", prefix, i), strings.NewReader(prefix), int64(len(prefix)), minio.PutObjectOptions{})
			require.NoError(t, err)
		}
		require.NoError(t, srv.Stop(40*time.Second))
	}
	put("early")
	away := opts.Dirs[2] + ".away"
	require.NoError(t, os.Rename(opts.Dirs[2], away))
	put("late")
	require.NoError(t, os.Rename(away, opts.Dirs[2]))
	for _, d := range opts.Dirs[:2] {
		require.NoError(t, os.RemoveAll(filepath.Join(d, "store")))
	}

	srv, err := harness.Launch(opts)
	require.NoError(t, err)
	defer srv.Kill()
	var st admin.Status
	require.Eventually(t, func() bool {
		out, err := operate(t, srv, "status", "--json")
		return err == nil && json.Unmarshal([]byte(out), &st) == nil && len(st.Trouble) == 45 && st.Stores[2].Alive &&
			strings.Contains(st.Trouble[0].Next, "no member serves") // not before the lost stores were heard of
	}, 20*time.Second, 100*time.Millisecond, "%s", log)
	for _, c := range st.Trouble {
		var old *admin.Replica
		for _, r := range c.Known() {
			if r.Store.String() == st.Stores[2].ID {
				old = &r
			}
		}
		require.NotNil(t, old, "chain %d: %+v", c.ID, c)
		out, err := operate(t, srv, "force", fmt.Sprint(c.ID), old.String(), "--reason", "two disks burnt")
		require.Error(t, err)
		require.Contains(t, out, "--i-accept-data-loss")
		out, err = operate(t, srv, "force", fmt.Sprint(c.ID), old.String(), "--reason", "two disks burnt", "--i-accept-data-loss")
		require.NoError(t, err, "%s\n%s", out, log)
		require.Contains(t, out, "recorded: two disks burnt (by "+srv.AccessKey+", ")
	}
	require.NoError(t, srv.WaitReady(t.Context()), "%s", log)
	require.NoError(t, srv.WaitMetric(t.Context(), "catena_master_chains_below_factor", 0))
	c := clientOf(t, srv)
	for i := range 20 {
		o, err := c.GetObject(t.Context(), "bucket", fmt.Sprintf("early%d", i), minio.GetObjectOptions{})
		require.NoError(t, err)
		var got bytes.Buffer
		_, err = got.ReadFrom(o)
		require.NoError(t, err)
		require.Equal(t, "early", got.String())
		_, err = c.StatObject(t.Context(), "bucket", fmt.Sprintf("late%d", i), minio.StatObjectOptions{})
		require.Equal(t, "NoSuchKey", minio.ToErrorResponse(err).Code, "the third directory never had it: this is what was accepted")
	}
	require.NoError(t, srv.Stop(40*time.Second))

	srv, err = harness.Start(t.Context(), opts)
	require.NoError(t, err)
	defer srv.Kill()
	require.Len(t, status(t, srv).Forced, 45, "recorded for ever")
	out, err := operate(t, srv, "force", "1", st.Stores[2].ID+"/1", "--reason", "again", "--i-accept-data-loss")
	require.Error(t, err)
	require.Contains(t, out, "refused: ", "nobody needs to any more")
}

func clientOf(t *testing.T, srv *harness.Server) *minio.Client {
	t.Helper()
	c, err := minio.New(srv.S3, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, ""), Region: "us-east-1"})
	require.NoError(t, err)
	return c
}

// TestStatusOverTLS asks a server with a self-signed certificate.
func TestStatusOverTLS(t *testing.T) {
	srv := serve(t, true)
	st := status(t, srv)
	require.Equal(t, 3, st.Factor)
	require.Equal(t, 45, st.Chains)
	require.NotNil(t, st.Stores[0].Space)
	require.Eventually(t, func() bool { return status(t, srv).VotersReady == 3 }, 10*time.Second, 100*time.Millisecond)
}

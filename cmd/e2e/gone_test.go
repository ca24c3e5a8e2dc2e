package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/harness"
	"catena/cmd/internal/workload"

	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

// TestADirectoryIsRemovedUnderTheServer removes one directory of three while the
// server runs: its store is named as failed within seconds, puts and gets go on,
// nothing is written into an empty directory that comes to its place, and a
// restart fills that one again.
func TestADirectoryIsRemovedUnderTheServer(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	root, log := t.TempDir(), &tail{}
	opts := harness.Options{Binary: bin, Log: log, Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}}
	srv, err := harness.Start(t.Context(), opts)
	require.NoError(t, err, "%s", log)
	defer func() { srv.Kill() }()
	c := clientOf(t, srv)
	require.NoError(t, c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}))
	o := &goneObjects{t: t, c: c}
	for range 20 {
		require.NoError(t, o.put())
	}

	lost := opts.Dirs[0]
	for os.RemoveAll(lost) != nil { // what the server makes meanwhile may be in the way
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	i := slices.IndexFunc(status(t, srv).Stores, func(s admin.Store) bool { return s.Path == lost })
	require.GreaterOrEqual(t, i, 0)
	for status(t, srv).Stores[i].State != "failed" {
		require.Less(t, time.Since(began), 10*time.Second, "status does not name it\n%s", log)
		time.Sleep(100 * time.Millisecond)
	}
	st := status(t, srv).Stores[i]
	require.Contains(t, st.Reason, "its directory is gone")
	require.False(t, st.Full)
	failed, err := srv.MetricSum(t.Context(), "catena_store_failed")
	require.NoError(t, err)
	require.Equal(t, 1.0, failed)
	// The chains go on: within seconds every put is answered.
	for o.put() != nil {
		require.Less(t, time.Since(began), 15*time.Second, "puts are refused\n%s", log)
	}
	require.NoError(t, os.Mkdir(lost, 0o700))
	for range 40 {
		require.NoError(t, o.put(), "%s", log)
	}
	o.readAll()
	left, err := os.ReadDir(lost)
	require.NoError(t, err)
	require.Empty(t, left, "the server wrote into the directory that came later")

	require.NoError(t, srv.Stop(30*time.Second), "%s", log)
	left, err = os.ReadDir(lost)
	require.NoError(t, err)
	require.Empty(t, left, "nor when it stops")
	srv, err = harness.Start(t.Context(), opts)
	require.NoError(t, err, "%s", log)
	o.c = clientOf(t, srv)
	for began = time.Now(); ; time.Sleep(200 * time.Millisecond) {
		st := status(t, srv)
		if st.Chains > 0 && st.Below == 0 && st.VotersReady == st.VotersWanted {
			break
		}
		require.Less(t, time.Since(began), 60*time.Second, "it is not filled again: %+v\n%s", st, log)
	}
	require.Greater(t, onDisk(t, []string{lost}), int64(mib))
	require.NoError(t, o.put())
	o.readAll()
}

// goneObjects are the objects that were acknowledged, small ones and ones in chunks.
type goneObjects struct {
	t    *testing.T
	c    *minio.Client
	kept []workload.Version
	n    int
}

func (o *goneObjects) put() error {
	o.n++
	v := workload.Version{Seed: uint64(o.n), Size: []int64{1000, 300_000}[o.n%2]}
	b := v.Bytes()
	_, err := o.c.PutObject(o.t.Context(), "bucket", fmt.Sprint(o.n), bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{DisableMultipart: true})
	if err == nil {
		o.kept = append(o.kept, v)
	}
	return err
}

func (o *goneObjects) readAll() {
	o.t.Helper()
	for _, v := range o.kept {
		r, err := o.c.GetObject(o.t.Context(), "bucket", fmt.Sprint(v.Seed), minio.GetObjectOptions{})
		require.NoError(o.t, err)
		var got bytes.Buffer
		_, err = got.ReadFrom(r)
		require.NoError(o.t, err)
		require.True(o.t, bytes.Equal(v.Bytes(), got.Bytes()), v.Seed)
	}
}

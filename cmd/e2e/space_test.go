package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"catena/cmd/internal/harness"
	"catena/cmd/internal/workload"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

// TestSpaceComesBack fills a server, removes everything, and fills it again:
// the bytes of what was removed are used again.
func TestSpaceComesBack(t *testing.T) {
	srv := serve(t, false, "--release-grace", "1s")
	client, err := minio.New(srv.S3, &minio.Options{Creds: credentials.NewStaticV4(srv.AccessKey, srv.SecretKey, ""), Region: "us-east-1"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	require.NoError(t, client.MakeBucket(ctx, "space", minio.MakeBucketOptions{}))
	empty := onDisk(t, srv.Dirs)

	first := fill(ctx, t, client, 1)
	full := onDisk(t, srv.Dirs)
	live, err := srv.MetricSum(ctx, "catena_store_chunk_live_bytes")
	require.NoError(t, err)
	require.Greater(t, live, 3*250.0*mib, "three copies of the large objects")
	removeAll(ctx, t, client)
	settled(ctx, t, srv)
	t.Logf("%d MiB of objects: %d MiB on disk before, %d with them, %d after their removal", first/mib, empty/mib, full/mib, onDisk(t, srv.Dirs)/mib)

	for round := range 2 {
		fill(ctx, t, client, uint64(round+2))
		again := onDisk(t, srv.Dirs)
		t.Logf("%d MiB on disk with other objects in their place", again/mib)
		require.Less(t, again, full+3*first/3, "the space of what was removed is used again")
		removeAll(ctx, t, client)
		settled(ctx, t, srv)
	}
	noErrors(t, srv.Log.(*tail))
}

// fill puts about 300 MiB of objects of mixed sizes, and reads some of them.
func fill(ctx context.Context, t *testing.T, client *minio.Client, seed uint64) (total int64) {
	t.Helper()
	type object struct {
		key string
		v   workload.Version
	}
	var objects []object
	for _, kind := range []struct{ n, size int }{{200, 4 << 10}, {500, 60_000}, {40, 1 << 20}, {20, 5 << 20}, {8, 18 << 20}} {
		for i := range kind.n {
			objects = append(objects, object{fmt.Sprintf("%d/%d", kind.size, i), workload.Version{Seed: seed<<32 | uint64(kind.size+i), Size: int64(kind.size)}})
			total += int64(kind.size)
		}
	}
	work := make(chan object)
	errs := make(chan error, 8)
	var wg sync.WaitGroup
	for range cap(errs) {
		wg.Go(func() {
			var err error
			for o := range work {
				if err != nil {
					continue
				}
				b := o.v.Bytes()
				if _, err = client.PutObject(ctx, "space", o.key, bytes.NewReader(b), int64(len(b)), minio.PutObjectOptions{DisableMultipart: true}); err != nil {
					errs <- err
				}
			}
		})
	}
	for _, o := range objects {
		work <- o
	}
	close(work)
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	for i := 0; i < len(objects); i += 37 {
		r, err := client.GetObject(ctx, "space", objects[i].key, minio.GetObjectOptions{})
		require.NoError(t, err)
		var got bytes.Buffer
		_, err = got.ReadFrom(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(objects[i].v.Bytes(), got.Bytes()), objects[i].key)
	}
	return total
}

func removeAll(ctx context.Context, t *testing.T, client *minio.Client) {
	t.Helper()
	for e := range client.RemoveObjects(ctx, "space", client.ListObjects(ctx, "space", minio.ListObjectsOptions{Recursive: true}), minio.RemoveObjectsOptions{}) {
		require.NoError(t, e.Err, e.ObjectName)
	}
}

// settled waits until what was removed is gone from the disks: no live bytes of
// chunks, no segments of chunks, and a short log.
func settled(ctx context.Context, t *testing.T, srv *harness.Server) {
	t.Helper()
	began := time.Now()
	for {
		var v [4]float64
		for i, name := range []string{"chunks", "chunk_live_bytes", "chunk_segments", "record_segments"} {
			var err error
			v[i], err = srv.MetricSum(ctx, "catena_store_"+name)
			require.NoError(t, err)
		}
		if v[0] == 0 && v[1] == 0 && v[2] == 0 && v[3] <= 3*3 {
			t.Logf("everything removed is off the disks after %s", time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > time.Minute {
			require.Fail(t, "what was removed stays", "%v chunks, %v bytes, %v chunk segments, %v record segments", v[0], v[1], v[2], v[3])
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// onDisk is what directories take of their file systems.
func onDisk(t *testing.T, dirs []string) (total int64) {
	t.Helper()
	for _, dir := range dirs {
		require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // removed meanwhile
			}
			if i, err := d.Info(); err == nil {
				total += i.Sys().(*syscall.Stat_t).Blocks * 512
			}
			return nil
		}))
	}
	return total
}

// A new idle server takes at most 256 MiB a directory, also after 50 restarts.
func TestIdleServerStaysSmall(t *testing.T) {
	bin, err := binary()
	require.NoError(t, err)
	root := t.TempDir()
	log := &tail{}
	opts := harness.Options{Binary: bin, Log: log, Dirs: []string{filepath.Join(root, "d1"), filepath.Join(root, "d2"), filepath.Join(root, "d3")}}
	restarts := 50
	if testing.Short() {
		restarts = 10
	}
	for i := range restarts + 1 {
		srv, err := harness.Start(t.Context(), opts)
		require.NoError(t, err, "restart %d\n%s", i, log)
		require.NoError(t, srv.Stop(30*time.Second), "restart %d\n%s", i, log)
		for _, dir := range opts.Dirs {
			require.LessOrEqual(t, onDisk(t, []string{dir}), int64(256*mib), "%s after restart %d", dir, i)
		}
	}
	t.Logf("%d, %d and %d MiB after %d restarts", onDisk(t, opts.Dirs[:1])/mib, onDisk(t, opts.Dirs[1:2])/mib, onDisk(t, opts.Dirs[2:])/mib, restarts)
	noErrors(t, log)
}

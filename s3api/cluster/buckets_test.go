package cluster_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain/tablet"
	"catena/s3api/cluster"
	"catena/s3api/cluster/clustertest"
	"catena/s3api/objects"
)

func TestBuckets(t *testing.T) {
	f := newFixture(t)
	b, err := f.Bucket(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, "me", b.Owner)
	require.WithinDuration(t, time.Now(), b.Created, time.Minute)
	again, err := f.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "you"})
	f.kind(objects.KindBucketExists, err)
	require.Equal(t, b, again, "the existing one comes with the error")

	f.put("k", []byte("x"))
	f.kind(objects.KindBucketNotEmpty, f.DeleteBucket(ctx, "b"))
	f.put("l", []byte("x")) // it is open again
	_, err = f.DeleteMany(ctx, "b", []objects.Delete{{Key: "k"}, {Key: "l"}})
	require.NoError(t, err)
	id, _ := f.upload("u", []byte("p"))
	f.kind(objects.KindBucketNotEmpty, f.DeleteBucket(ctx, "b"))
	require.NoError(t, f.Abort(ctx, "b", "u", id))
	require.NoError(t, f.DeleteBucket(ctx, "b"))

	f.kind(objects.KindNoSuchBucket, f.DeleteBucket(ctx, "b"))
	for name, call := range map[string]func() error{
		"bucket": func() error { _, err := f.Bucket(ctx, "b"); return err },
		"put":    func() error { _, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(nil)); return err },
		"get":    func() error { _, err := f.Get(ctx, "b", "k"); return err },
		"delete": func() error { _, err := f.Delete(ctx, objects.Delete{Bucket: "b", Key: "k"}); return err },
		"many":   func() error { _, err := f.DeleteMany(ctx, "b", []objects.Delete{{Key: "k"}}); return err },
		"list":   func() error { _, err := f.List(ctx, objects.List{Bucket: "b", Max: 1}); return err },
		"upload": func() error { _, err := f.CreateUpload(ctx, objects.CreateUpload{Bucket: "b", Key: "k"}); return err },
		"uploads": func() error {
			_, err := f.ListUploads(ctx, objects.ListUploads{Bucket: "b", Max: 1})
			return err
		},
		"parts": func() error { _, err := f.ListParts(ctx, objects.ListParts{Bucket: "b", Key: "k", Max: 1}); return err },
	} {
		require.Equal(t, objects.KindNoSuchBucket.String(), objects.KindOf(call()).String(), name)
	}
	_, err = f.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "you"})
	require.NoError(t, err)
	_, err = f.Head(ctx, "b", "k")
	f.kind(objects.KindNoSuchKey, err)
}

func TestListBuckets(t *testing.T) {
	f := newFixture(t)
	for _, n := range []string{"x1", "x2", "x3", "y"} {
		_, err := f.CreateBucket(ctx, objects.Bucket{Name: n, Owner: "me"})
		require.NoError(t, err)
	}
	_, err := f.CreateBucket(ctx, objects.Bucket{Name: "x0", Owner: "other"})
	require.NoError(t, err)
	var names []string
	q := objects.ListBuckets{Owner: "me", Prefix: "x", Max: 2}
	for {
		page, err := f.ListBuckets(ctx, q)
		require.NoError(t, err)
		for _, b := range page.Buckets {
			names = append(names, b.Name)
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	require.Equal(t, []string{"x1", "x2", "x3"}, names)
}

// TestAnotherGatewaysChangesAreFound: a gateway caches that a bucket exists, and
// the tablets tell it when that is out of date.
func TestAnotherGatewaysChangesAreFound(t *testing.T) {
	f := newFixture(t)
	other, err := cluster.New(cluster.Config{Index: f.mem, Chunks: f.mem, Inline: 1000, ChunkSize: 100_000})
	require.NoError(t, err)
	f.put("k", []byte("x"))
	_, err = other.Head(ctx, "b", "k") // other has the bucket in its cache
	require.NoError(t, err)

	// Generation 3: deletion was tried.
	f.kind(objects.KindBucketNotEmpty, f.DeleteBucket(ctx, "b"))
	_, err = other.Head(ctx, "b", "k")
	require.NoError(t, err)
	_, err = other.Put(ctx, objects.Put{Bucket: "b", Key: "k2"}, newBody([]byte("y")))
	require.NoError(t, err)

	// Gone and made again: another bucket of the same name.
	_, err = f.DeleteMany(ctx, "b", []objects.Delete{{Key: "k"}, {Key: "k2"}})
	require.NoError(t, err)
	require.NoError(t, f.DeleteBucket(ctx, "b"))
	_, err = f.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "me"})
	require.NoError(t, err)
	_, err = other.Head(ctx, "b", "k")
	f.kind(objects.KindNoSuchKey, err)

	// A write that was prepared for the old one never lands in the new one.
	require.NoError(t, f.DeleteBucket(ctx, "b"))
	_, err = f.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "me"})
	require.NoError(t, err)
	_, err = other.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(noise(1, 5000)))
	f.kind(objects.KindUnavailable, err)
	_, err = other.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(noise(1, 5000)))
	require.NoError(t, err)

	_, err = f.DeleteMany(ctx, "b", []objects.Delete{{Key: "k"}})
	require.NoError(t, err)
	require.NoError(t, f.DeleteBucket(ctx, "b"))
	_, err = other.List(ctx, objects.List{Bucket: "b", Max: 1})
	f.kind(objects.KindNoSuchBucket, err)
}

// stop makes a gateway of its own give up when a command would be sent for the
// n-th time, and gives back how many it sent.
func interrupted(f *fixture, n int, call func(*cluster.Cluster) error) (finished bool) {
	f.t.Helper()
	c, err := cluster.New(cluster.Config{Index: f.mem, Chunks: f.mem, CommandTimeout: 5 * time.Millisecond})
	require.NoError(f.t, err)
	sent, stopped := 0, false
	f.mem.Fate = func(tablet.Command) clustertest.Fate {
		if sent++; sent > n {
			stopped = true
			return clustertest.Refused
		}
		return clustertest.Arrives
	}
	err = call(c)
	f.mem.Fate = nil
	if !stopped {
		require.NoError(f.t, err)
	}
	return !stopped
}

// TestDriversThatStopHalfWay: whoever comes next finishes a creation or deletion
// that was begun, at whatever command its driver stopped.
func TestDriversThatStopHalfWay(t *testing.T) {
	for _, split := range []bool{false, true} {
		for n := 0; ; n++ {
			f := newFixture(t)
			if split {
				f.mem.Split(owner(f.bucketID(), "m"))
			}
			done := interrupted(f, n, func(c *cluster.Cluster) error { return c.DeleteBucket(ctx, "b") })
			b, err := f.Bucket(ctx, "b")
			if err == nil {
				require.Zero(t, n, "DELETING is finished by whoever meets it")
				require.Equal(t, "b", b.Name)
				f.put("k", []byte("x"))
			} else {
				f.kind(objects.KindNoSuchBucket, err)
				_, err = f.CreateBucket(ctx, objects.Bucket{Name: "b"})
				require.NoError(t, err)
				f.put("k", []byte("x"))
			}
			if done {
				break
			}
		}
		for n := 0; ; n++ {
			f := newFixture(t)
			f.put("k", []byte("x"))
			if split {
				f.mem.Split(owner(f.bucketID(), "a"))
			}
			done := interrupted(f, n, func(c *cluster.Cluster) error {
				err := c.DeleteBucket(ctx, "b")
				if objects.KindOf(err) == objects.KindBucketNotEmpty {
					return nil
				}
				return err
			})
			f.same("k", []byte("x"))
			f.put("0", []byte("y"))
			f.put("z", []byte("y"))
			if done {
				break
			}
		}
		for n := 0; ; n++ {
			f := newFixture(t)
			done := interrupted(f, n, func(c *cluster.Cluster) error {
				_, err := c.CreateBucket(ctx, objects.Bucket{Name: "new"})
				return err
			})
			_, err := f.Put(ctx, objects.Put{Bucket: "new", Key: "k"}, newBody([]byte("x")))
			if n == 0 {
				f.kind(objects.KindNoSuchBucket, err)
			} else {
				require.NoError(t, err)
			}
			if done {
				break
			}
		}
	}
}

func TestConcurrentBucketDrivers(t *testing.T) {
	f := newFixture(t)
	for round := range 30 {
		name := fmt.Sprintf("r%d", round)
		var wg sync.WaitGroup
		var mu sync.Mutex
		created, deleted, put := 0, 0, 0
		count := func(n *int, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				*n++
			}
		}
		for range 3 {
			c, err := cluster.New(cluster.Config{Index: f.mem, Chunks: f.mem})
			require.NoError(t, err)
			wg.Go(func() {
				_, err := c.CreateBucket(ctx, objects.Bucket{Name: name, Owner: "me"})
				count(&created, err)
			})
			wg.Go(func() { count(&deleted, c.DeleteBucket(ctx, name)) })
			wg.Go(func() {
				_, err := c.Put(ctx, objects.Put{Bucket: name, Key: "k"}, newBody([]byte("x")))
				count(&put, err)
			})
		}
		wg.Wait()
		_, err := f.Bucket(ctx, name)
		exists := 0
		if err == nil {
			exists = 1
		}
		// Two deletions of one bucket may both say that it is gone; no bucket is
		// gone without a deletion.
		require.LessOrEqual(t, created-exists, deleted)
		require.LessOrEqual(t, exists, created)
		if put > 0 && deleted == 0 {
			_, err = f.Head(ctx, name, "k")
			require.NoError(t, err, "an acknowledged object is there as long as its bucket is")
		}
	}
}

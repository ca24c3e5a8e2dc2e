package cluster_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/cluster"
	"catena/s3api/cluster/clustertest"
	"catena/s3api/objects"
)

var ctx = context.Background()

// body is a client's body of some bytes, which it hands out in odd pieces.
type body struct {
	r    io.Reader
	data []byte
	size int64
	alg  checksum.Algorithm
	// end is the error of Finish, cut that of reading the last byte.
	end, cut error
}

func newBody(data []byte) *body {
	return &body{r: bytes.NewReader(data), data: data, size: int64(len(data)), alg: checksum.CRC64NVME}
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) > 70_001 {
		p = p[:70_001]
	}
	n, err := b.r.Read(p)
	if err == io.EOF && b.cut != nil {
		err = b.cut
	}
	return n, err
}

func (b *body) Size() int64 { return b.size }

func (b *body) Finish() (objects.Digests, error) {
	return objects.Digests{Size: int64(len(b.data)), MD5: md5.Sum(b.data), Checksum: sumOf(b.alg, b.data)}, b.end
}

func sumOf(a checksum.Algorithm, data []byte) objects.Checksum {
	h := checksum.NewHasher(a)
	h.Write(data)
	return objects.Checksum{Algorithm: objects.Algorithm(a.String()), Type: objects.FullObject, Value: h.Value().Base64()}
}

// noise is n bytes that differ from place to place.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func etagOf(data []byte) string { return fmt.Sprintf("%x", md5.Sum(data)) }

// fixture is a backend over chains in memory, with a bucket "b". Its chunks are
// of 100,000 bytes, and 1,000 bytes are inline.
type fixture struct {
	t *testing.T
	*cluster.Cluster
	mem *clustertest.Memory
}

func small(c *cluster.Config) {
	c.ChunkSize, c.Inline, c.ReadPiece = 100_000, 1000, 30_000
	c.WriteTimeout, c.CommandTimeout = 2_000_000_000, 2_000_000_000
}

func newFixture(t *testing.T, opts ...func(*cluster.Config)) *fixture {
	t.Helper()
	var ticks atomic.Int64
	start := time.Now()
	// Every look at the clock is a millisecond later than the one before.
	now := func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
	c, mem := clustertest.NewBackend(clustertest.Config{Now: now}, append([]func(*cluster.Config){small}, opts...)...)
	f := &fixture{t: t, Cluster: c, mem: mem}
	_, err := c.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "me"})
	require.NoError(t, err)
	return f
}

func (f *fixture) put(key string, data []byte) objects.Info {
	f.t.Helper()
	info, err := f.Put(ctx, objects.Put{Bucket: "b", Key: key}, newBody(data))
	require.NoError(f.t, err)
	require.Equal(f.t, etagOf(data), info.ETag)
	return info
}

func (f *fixture) read(key string, off, n int64) []byte {
	f.t.Helper()
	o, err := f.Get(ctx, "b", key)
	require.NoError(f.t, err)
	if n < 0 {
		n = o.Info().Size
	}
	r, err := o.Range(ctx, off, n)
	require.NoError(f.t, err)
	got, err := io.ReadAll(r)
	require.NoError(f.t, err)
	require.NoError(f.t, r.Close())
	require.NoError(f.t, o.Close())
	return got
}

func (f *fixture) same(key string, want []byte) {
	f.t.Helper()
	if got := f.read(key, 0, -1); !bytes.Equal(want, got) {
		f.t.Fatalf("%s has %d other bytes, want %d", key, len(got), len(want))
	}
}

func (f *fixture) kind(want objects.Kind, err error) {
	f.t.Helper()
	require.Error(f.t, err)
	require.Equal(f.t, want.String(), objects.KindOf(err).String(), "%v", err)
}

func (f *fixture) upload(key string, data ...[]byte) (id string, parts []objects.CompletePart) {
	f.t.Helper()
	u, err := f.CreateUpload(ctx, objects.CreateUpload{Bucket: "b", Key: key})
	require.NoError(f.t, err)
	for i, d := range data {
		p, err := f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: key, UploadID: u.ID, Number: i + 1}, newBody(d))
		require.NoError(f.t, err)
		parts = append(parts, objects.CompletePart{Number: p.Number, ETag: p.ETag})
	}
	return u.ID, parts
}

func (f *fixture) complete(key, id string, parts []objects.CompletePart) (objects.Info, error) {
	return f.Complete(ctx, objects.Complete{Bucket: "b", Key: key, UploadID: id, Parts: parts, Size: -1})
}

// bucketID is the id of bucket "b", as a chunk's header says.
func (f *fixture) bucketID() chain.BucketID {
	f.t.Helper()
	res, err := f.mem.Query(ctx, chain.OwnerKey(chain.BucketID{}, "bucket/b"), tablet.Query{Key: "bucket/b", Ask: tablet.AskRecord{}})
	require.NoError(f.t, err)
	return res.Record.ID
}

type clusterConfig = cluster.Config

func owner(id chain.BucketID, key string) []byte { return chain.OwnerKey(id, key) }

package gc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/chain/tablet/tablettest"
)

var ctx = context.Background()

var bucket = chain.BucketID{0xB0}

// chains are tablets and chunks in memory.
type chains struct {
	t       *testing.T
	mu      sync.Mutex
	now     time.Time
	tablets []*tablettest.Replica
	chunks  map[chain.ChunkID]data.Header
	on      map[chain.ChunkID]chain.ChainID
	op      int
	removes int
	// fail makes a removal from a chain fail; doErr a command.
	fail  map[chain.ChainID]error
	doErr error
}

func newChains(t *testing.T) *chains {
	c := &chains{t: t, now: time.Now(), chunks: map[chain.ChunkID]data.Header{}, on: map[chain.ChunkID]chain.ChainID{}, fail: map[chain.ChainID]error{}}
	c.tablets = []*tablettest.Replica{tablettest.NewReplica(chain.Tablet{ID: 1, Generation: 1}, c.now.UnixMilli())}
	c.do("", &tablet.SetBucket{Row: tablet.BucketRow{Generation: 1}})
	return c
}

func (c *chains) find(owner []byte) *tablettest.Replica {
	for _, r := range c.tablets {
		if r.Tablet.Contains(owner) {
			return r
		}
	}
	return nil
}

func (c *chains) Do(_ context.Context, owner []byte, cmd tablet.Command) (tablet.Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doErr != nil {
		return tablet.Answer{}, c.doErr
	}
	r := c.find(owner)
	r.WallMs = c.now.UnixMilli()
	cmd.Tablet, cmd.Generation = r.Tablet.ID, r.Tablet.Generation
	return r.Do(cmd)
}

func (c *chains) Query(_ context.Context, owner []byte, q tablet.Query) (tablet.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.find(owner)
	q.Tablet, q.Generation = r.Tablet.ID, r.Tablet.Generation
	return r.Query(q)
}

func (c *chains) Remove(_ context.Context, on chain.ChainID, ids []chain.ChunkID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removes++
	if err := c.fail[on]; err != nil {
		return err
	}
	for _, id := range ids {
		if at, ok := c.on[id]; ok && at != on {
			return fmt.Errorf("chunk %s is on chain %d, not %d", id, at, on)
		}
		delete(c.chunks, id)
		delete(c.on, id)
	}
	return nil
}

func (c *chains) ListChunks(_ context.Context, on chain.ChainID, after chain.ChunkID, max int) (hs []data.Header, more bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range c.chunks {
		if c.on[id] == on && id.Compare(after) > 0 {
			hs = append(hs, h)
		}
	}
	slices.SortFunc(hs, func(a, b data.Header) int { return a.ID.Compare(b.ID) })
	if len(hs) > max {
		return hs[:max], true, nil
	}
	return hs, false, nil
}

// do runs a command as a gateway that has learned the tablet's time.
func (c *chains) do(key string, a tablet.Action) {
	c.t.Helper()
	c.op++
	r := c.find(chain.OwnerKey(bucket, key))
	cmd := tablet.Command{
		Op: chain.OpID{1, byte(c.op >> 16), byte(c.op >> 8), byte(c.op)}, Learned: r.Applied.Time,
		Bucket: bucket, BucketGen: 1, Key: key, Action: a, Stamp: max(r.Applied.Time, 1),
	}
	ans, err := c.Do(ctx, cmd.Owner(), cmd)
	require.NoError(c.t, err)
	require.Equal(c.t, tablet.StatusOK, ans.Status, ans.Detail)
}

// blob makes the chunks of a blob.
func (c *chains) blob(n byte, key string, chunks int) (es []tablet.Extent) {
	r := c.find(chain.OwnerKey(bucket, key))
	for i := range chunks {
		id := chain.ChunkID{Blob: chain.BlobID{n}, Ordinal: uint32(i)}
		on := chain.ChainID(i%3 + 1)
		c.chunks[id] = data.Header{ID: id, Bucket: bucket, Key: key, Stamp: r.Applied.Time, Size: 1}
		c.on[id] = on
		es = append(es, tablet.Extent{Chain: on, Chunk: id, Length: 1})
	}
	return es
}

func (c *chains) put(n byte, key string, chunks int) {
	c.t.Helper()
	es := c.blob(n, key, chunks)
	a := &tablet.PutObject{Object: tablet.Object{Size: int64(chunks), VersionID: tablet.NullVersion}}
	if chunks <= tablet.MaxRowExtents {
		a.Object.Layout = tablet.Layout{Kind: tablet.LayoutExtents, Extents: es}
	} else {
		a.Object.Layout = tablet.Layout{Kind: tablet.LayoutManifest, Blob: chain.BlobID{n}}
		a.Manifest = &tablet.Manifest{Extents: es}
	}
	c.do(key, a)
}

func (c *chains) delete(key string) { c.do(key, &tablet.DeleteObject{}) }

func (c *chains) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.chunks)
}

// rows counts the rows of a kind in all tablets.
func (c *chains) rows(kind byte) (n int) {
	for _, r := range c.tablets {
		require.NoError(c.t, r.Rows.Scan([]byte{kind}, []byte{kind + 1}, func(_, _ []byte) bool { n++; return true }))
	}
	return n
}

const kindPart, kindManifest, kindRelease = 0x48, 0x50, 0x58

func (c *chains) worker(change ...func(*Config)) *Worker {
	cfg := Config{
		Index: c, Chunks: c, Lister: c, Grace: 15 * time.Minute,
		Now:        func() time.Time { return c.now },
		DataChains: func() []chain.ChainID { return []chain.ChainID{1, 2, 3} },
		Tablets: func() (ts []chain.Tablet) {
			for _, r := range c.tablets {
				ts = append(ts, r.Tablet)
			}
			return ts
		},
		Registry: prometheus.NewRegistry(),
	}
	for _, f := range change {
		f(&cfg)
	}
	w, err := New(cfg)
	require.NoError(c.t, err)
	return w
}

func TestDroppedChunksGoAfterTheGrace(t *testing.T) {
	c := newChains(t)
	c.put(1, "a", 5)
	c.put(2, "b", 40)
	c.put(3, "c", 2)
	c.delete("a")
	c.delete("b")
	w := c.worker()
	c.now = c.now.Add(15*time.Minute - time.Millisecond)
	s, err := w.Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, Stats{}, s)
	require.Len(t, c.chunks, 47)

	c.now = c.now.Add(time.Millisecond)
	s, err = w.Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, Stats{Releases: 2, Chunks: 45}, s)
	require.Len(t, c.chunks, 2, "what is named stays")
	require.Zero(t, c.rows(kindRelease)+c.rows(kindManifest))
	require.LessOrEqual(t, c.removes, 3, "one removal a chain")
}

func TestUploadsAreWorkedOffInPieces(t *testing.T) {
	c := newChains(t)
	up := chain.ID128{7}
	c.do("k", &tablet.CreateUpload{ID: up})
	for i := range 1100 {
		id := chain.ChunkID{Blob: chain.BlobID{9, byte(i >> 8), byte(i)}}
		c.chunks[id], c.on[id] = data.Header{ID: id, Bucket: bucket, Key: "k"}, 1
		c.do("k", &tablet.PutPart{Upload: up, Part: tablet.Part{
			Number: uint32(i + 1), Blob: id.Blob, Size: 1,
			Layout: tablet.Layout{Kind: tablet.LayoutExtents, Extents: []tablet.Extent{{Chain: 1, Chunk: id, Length: 1}}},
		}})
	}
	c.do("k", &tablet.Abort{Upload: up})
	c.now = c.now.Add(time.Hour)
	s, err := c.worker().Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, Stats{Releases: 1, Chunks: 1100}, s)
	require.Empty(t, c.chunks)
	require.Zero(t, c.rows(kindPart)+c.rows(kindRelease))
}

func TestFailedChainKeepsItsReleaseRows(t *testing.T) {
	c := newChains(t)
	c.put(1, "a", 1) // on chain 1
	c.put(2, "b", 2) // on chains 1 and 2
	c.delete("a")
	c.delete("b")
	c.now = c.now.Add(time.Hour)
	c.fail[2] = errors.New("down")
	w := c.worker()
	s, err := w.Pass(ctx)
	require.ErrorContains(t, err, "down")
	require.Equal(t, 1, s.Releases)
	require.Equal(t, 1, c.rows(kindRelease))
	delete(c.fail, 2)
	s, err = w.Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, s.Releases)
	require.Empty(t, c.chunks)
}

func TestWorkerThatDiesInBetweenIsFollowed(t *testing.T) {
	c := newChains(t)
	c.put(1, "a", 3)
	c.delete("a")
	c.now = c.now.Add(time.Hour)
	c.doErr = errors.New("lost")
	_, err := c.worker().Pass(ctx)
	require.Error(t, err)
	require.Empty(t, c.chunks)
	require.Equal(t, 1, c.rows(kindRelease))
	c.doErr = nil
	_, err = c.worker().Pass(ctx)
	require.NoError(t, err)
	require.Zero(t, c.rows(kindRelease))
}

func TestManyReleasesAndSplitTablets(t *testing.T) {
	c := newChains(t)
	for i := range 300 {
		key := fmt.Sprintf("%c%d", 'a'+i%26, i)
		c.put(byte(i%250+1), key, 1)
		c.delete(key)
	}
	old := c.worker().cfg.Tablets() // from before the splits
	for _, at := range []string{"f", "r"} {
		for i, r := range c.tablets {
			if r.Tablet.Contains(chain.OwnerKey(bucket, at)) {
				left, right, err := r.Split(chain.OwnerKey(bucket, at), chain.TabletID(10+i))
				require.NoError(t, err)
				c.tablets = slices.Replace(c.tablets, i, i+1, left, right)
				break
			}
		}
	}
	c.now = c.now.Add(time.Hour)
	s, err := c.worker(func(cfg *Config) { cfg.Tablets = func() []chain.Tablet { return old } }).Pass(ctx)
	require.NoError(t, err)
	require.Equal(t, 300, s.Releases)
	require.Zero(t, c.rows(kindRelease))
}

func TestOrphans(t *testing.T) {
	c := newChains(t)
	c.put(1, "a", 5)
	c.put(2, "b", 30)
	c.put(3, "c", 2)
	c.delete("c") // its release row names them
	c.blob(4, "a", 3)
	c.blob(5, "nothing", 4)
	w := c.worker()
	n, err := w.Orphans(ctx)
	require.NoError(t, err)
	require.Zero(t, n, "a request may still be under way")

	c.now = c.now.Add(24*time.Hour + time.Second)
	c.blob(6, "a", 1) // young, but stamped with an old time: the tablet decides
	n, err = w.Orphans(ctx)
	require.NoError(t, err)
	require.Equal(t, 8, n, "an idle tablet is made to go on, and then nothing can name them")
	for id := range c.chunks {
		require.Contains(t, []byte{1, 2, 3}, id.Blob[0])
	}
	require.Len(t, c.chunks, 37)
}

func TestOrphanIsKeptWhenItsOwnerDoesNotAnswer(t *testing.T) {
	c := newChains(t)
	c.blob(4, "a", 3)
	c.now = c.now.Add(25 * time.Hour)
	c.doErr = errors.New("unreachable")
	n, err := c.worker().Orphans(ctx)
	require.Error(t, err)
	require.Zero(t, n)
	require.Len(t, c.chunks, 3)

	// The tablet's clock is behind this node's: not now.
	c.doErr = nil
	w := c.worker(func(cfg *Config) { cfg.Now = func() time.Time { return c.now.Add(24 * time.Hour) } })
	c.now = c.now.Add(-20 * time.Hour)
	n, err = w.Orphans(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Len(t, c.chunks, 3)
}

func TestRunWorksUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChains(t)
		c.put(1, "a", 3)
		c.delete("a")
		c.blob(2, "b", 1)
		w := c.worker(func(cfg *Config) {
			cfg.Now = func() time.Time {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.now = time.Now() // the bubble's
				return c.now
			}
		})
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		time.Sleep(14 * time.Minute)
		synctest.Wait()
		require.Equal(t, 4, c.count())
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, c.count())
		time.Sleep(31 * time.Hour)
		synctest.Wait()
		require.Zero(t, c.count())
		cancel()
		<-done
	})
}

func TestConfigReportsEveryProblem(t *testing.T) {
	_, err := New(Config{DataChains: func() []chain.ChainID { return nil }, Grace: -1})
	for _, want := range []string{"no Index", "no Chunks", "no Tablets", "Lister", "negative"} {
		require.ErrorContains(t, err, want)
	}
}

package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/cluster"
	"catena/s3api/cluster/clustertest"
	"catena/s3api/objects"
)

func TestPutSizes(t *testing.T) {
	for _, size := range []int{0, 1, 999, 1000, 1001, 99_999, 100_000, 100_001, 350_000, 2_000_000} {
		for _, known := range []bool{true, false} {
			f := newFixture(t)
			data := noise(uint64(size), size)
			b := newBody(data)
			if !known {
				b.size = -1
			}
			info, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, b)
			require.NoError(t, err)
			require.EqualValues(t, size, info.Size)
			require.Equal(t, etagOf(data), info.ETag)
			f.same("k", data)
			chunks := 0
			if size > 1000 {
				chunks = (size + 99_999) / 100_000
			}
			require.Len(t, f.mem.ChunkIDs(), chunks, "%d bytes, known %v", size, known)
			for _, id := range f.mem.ChunkIDs() {
				h := f.mem.Header(id)
				require.Equal(t, "k", h.Key)
				require.Equal(t, f.bucketID(), h.Bucket)
				require.NotZero(t, h.Stamp)
			}
			require.Zero(t, f.mem.Open())
		}
	}
}

func TestRanges(t *testing.T) {
	f := newFixture(t)
	for _, size := range []int{500, 350_000} {
		data := noise(1, size)
		f.put("k", data)
		for _, r := range [][2]int{{0, 0}, {0, 1}, {size - 1, 1}, {size, 0}, {size / 3, size / 2}, {0, size}} {
			got := f.read("k", int64(r[0]), int64(r[1]))
			require.True(t, bytes.Equal(data[r[0]:r[0]+r[1]], got), "%d+%d of %d", r[0], r[1], size)
		}
		o, err := f.Get(ctx, "b", "k")
		require.NoError(t, err)
		for _, r := range [][2]int64{{-1, 1}, {0, int64(size) + 1}, {int64(size) + 1, 0}, {1, -1}} {
			_, err := o.Range(ctx, r[0], r[1])
			f.kind(objects.KindInvalidRange, err)
		}
	}
}

func TestReaderCanBeClosedEarly(t *testing.T) {
	f := newFixture(t)
	f.put("k", noise(1, 900_000))
	o, err := f.Get(ctx, "b", "k")
	require.NoError(t, err)
	r, err := o.Range(ctx, 0, 900_000)
	require.NoError(t, err)
	_, err = r.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = r.Read(make([]byte, 10))
	require.Error(t, err)
}

func TestNothingIsVisibleOrLeftWhenTheBodyIsBad(t *testing.T) {
	bad := errors.New("bad digest")
	for _, size := range []int{10, 350_000} {
		for name, spoil := range map[string]func(*body){
			"digest":    func(b *body) { b.end = bad },
			"cut":       func(b *body) { b.cut, b.r = bad, bytes.NewReader(b.data[:size/2]) },
			"cut at 0":  func(b *body) { b.cut, b.r = bad, bytes.NewReader(nil) },
			"cut blind": func(b *body) { b.cut, b.size, b.r = bad, -1, bytes.NewReader(b.data[:size/2]) },
		} {
			f := newFixture(t)
			b := newBody(noise(1, size))
			spoil(b)
			_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, b)
			require.ErrorIs(t, err, bad, "%s: the body's error comes through", name)
			_, err = f.Head(ctx, "b", "k")
			f.kind(objects.KindNoSuchKey, err)
			require.Empty(t, f.mem.ChunkIDs(), name)
			require.Zero(t, f.mem.Open(), name)
			require.Zero(t, f.mem.Arrived("PutObject"), name)
		}
	}
}

func TestBodyOfAnotherSizeIsRefused(t *testing.T) {
	for _, size := range []int{10, 1000, 1001, 350_000} {
		for _, say := range []int64{-1, 1} {
			f := newFixture(t)
			b := newBody(noise(1, size))
			b.size += say
			_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, b)
			f.kind(objects.KindInternal, err)
			require.Zero(t, f.mem.Arrived("PutObject"))
			require.Empty(t, f.mem.ChunkIDs())
			require.Zero(t, f.mem.Open())
		}
	}
}

// TestFailedChunkIsWrittenAgain makes a step of some chunks fail.
func TestFailedChunkIsWrittenAgain(t *testing.T) {
	for name, step := range map[string]clustertest.Step{"create": clustertest.StepCreate, "write": clustertest.StepWrite, "seal": clustertest.StepSeal} {
		for _, sealed := range []bool{false, true} {
			f := newFixture(t)
			var failed atomic.Int32
			f.mem.SetFault(func(s clustertest.Step, on chain.ChainID, h data.Header) (error, bool) {
				if s == step && h.ID.Ordinal%2 == 0 && failed.Add(1) <= 4 {
					return &chain.Refusal{Kind: chain.RefusedUnknown}, sealed
				}
				return nil, false
			})
			want := noise(1, 730_000)
			f.put("k", want)
			f.same("k", want)
			require.GreaterOrEqual(t, failed.Load(), int32(4), name)
			require.Len(t, f.mem.ChunkIDs(), 8, "%s: what was sealed all the same is discarded", name)
			require.Zero(t, f.mem.Open(), name)
		}
	}
}

func TestChunkGoesToAnotherChain(t *testing.T) {
	f := newFixture(t)
	f.mem.SetFault(func(s clustertest.Step, on chain.ChainID, _ data.Header) (error, bool) {
		if on == 2 && s == clustertest.StepSeal {
			return &chain.Refusal{Kind: chain.RefusedFailed}, false
		}
		return nil, false
	})
	want := noise(1, 730_000)
	f.put("k", want)
	f.same("k", want)
}

func TestChunkThatIsNotHeldFailsTheRequest(t *testing.T) {
	f := newFixture(t, func(c *cluster.Config) { c.HoldBudget = 150_000 })
	want := noise(1, 730_000)
	f.put("k", want) // most chunks are not held, and none fails
	f.same("k", want)
	f.mem.SetFault(func(s clustertest.Step, _ chain.ChainID, _ data.Header) (error, bool) {
		if s == clustertest.StepSeal {
			return &chain.Refusal{Kind: chain.RefusedUnknown}, false
		}
		return nil, false
	})
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "l"}, newBody(want))
	f.kind(objects.KindUnavailable, err)
	_, err = f.Head(ctx, "b", "l")
	f.kind(objects.KindNoSuchKey, err)
	require.Zero(t, f.mem.Open())

	// The budget is given back: a held chunk can be written again.
	f.mem.SetFault(nil)
	for range 20 {
		f.put("k", want)
	}
}

func TestFullStore(t *testing.T) {
	f := newFixture(t, func(c *cluster.Config) { c.WriteTimeout = 20 * time.Millisecond })
	f.mem.SetFault(func(s clustertest.Step, _ chain.ChainID, _ data.Header) (error, bool) {
		if s == clustertest.StepCreate {
			return &chain.Refusal{Kind: chain.RefusedFull}, false
		}
		return nil, false
	})
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(noise(1, 5000)))
	f.kind(objects.KindFull, err)
	require.Zero(t, f.mem.Open())
}

func TestPutIsCancelled(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(ctx)
	f.mem.SetFault(func(s clustertest.Step, _ chain.ChainID, h data.Header) (error, bool) {
		if s == clustertest.StepWrite && h.ID.Ordinal == 3 {
			cancel()
		}
		return nil, false
	})
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(noise(1, 730_000)))
	require.Error(t, err)
	require.Empty(t, f.mem.ChunkIDs())
	require.Zero(t, f.mem.Open())
}

func TestCommandWhoseAnswerIsLostIsExecutedOnce(t *testing.T) {
	f := newFixture(t)
	lost := 0
	f.mem.Fate = func(c tablet.Command) clustertest.Fate {
		if _, ok := c.Action.(*tablet.PutObject); ok && lost < 3 {
			lost++
			return clustertest.AnswerLost
		}
		return clustertest.Arrives
	}
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k", If: objects.Condition{IfNoneMatch: "*"}}, newBody([]byte("x")))
	require.NoError(t, err, "its own repeat is answered with its own success")
	require.Equal(t, 4, f.mem.Arrived("PutObject"))
}

func TestLateFirstTryHasNoEffectAfterANegativeAnswer(t *testing.T) {
	f := newFixture(t)
	f.put("k", []byte("there"))
	first := true
	f.mem.Fate = func(c tablet.Command) clustertest.Fate {
		if _, ok := c.Action.(*tablet.PutObject); ok && first {
			first = false
			return clustertest.Delayed
		}
		return clustertest.Arrives
	}
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k", If: objects.Condition{IfNoneMatch: "*"}}, newBody([]byte("x")))
	f.kind(objects.KindPrecondition, err)
	_, err = f.Delete(ctx, objects.Delete{Bucket: "b", Key: "k"})
	require.NoError(t, err)
	require.Len(t, f.mem.DeliverLate(), 1)
	_, err = f.Head(ctx, "b", "k")
	f.kind(objects.KindNoSuchKey, err)
}

func TestUnknownOutcomeIsToldAndItsChunksStay(t *testing.T) {
	f := newFixture(t, func(c *cluster.Config) { c.CommandTimeout = 30 * time.Millisecond })
	f.put("warm", []byte("x"))
	f.mem.Fate = func(c tablet.Command) clustertest.Fate {
		if _, ok := c.Action.(*tablet.PutObject); ok {
			return clustertest.AnswerLost
		}
		return clustertest.Arrives
	}
	want := noise(1, 350_000)
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(want))
	f.kind(objects.KindUnknown, err)
	f.same("k", want) // it had taken effect, and nothing was removed
}

func TestNothingDoneIsUnavailable(t *testing.T) {
	f := newFixture(t, func(c *cluster.Config) { c.CommandTimeout = 30 * time.Millisecond })
	f.mem.Fate = func(tablet.Command) clustertest.Fate { return clustertest.Refused }
	_, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody([]byte("x")))
	f.kind(objects.KindUnavailable, err)
	_, err = f.Delete(ctx, objects.Delete{Bucket: "b", Key: "k"})
	f.kind(objects.KindUnavailable, err)
	f.mem.OnQuery = func(tablet.Query) error { return &chain.Refusal{Kind: chain.RefusedBusy} }
	_, err = f.Head(ctx, "b", "k")
	f.kind(objects.KindSlowDown, err)
}

func TestTokenAnswersTheClientsOwnRepeat(t *testing.T) {
	f := newFixture(t)
	p := objects.Put{Bucket: "b", Key: "k", If: objects.Condition{IfNoneMatch: "*"}, Token: "abc"}
	first, err := f.Put(ctx, p, newBody([]byte("x")))
	require.NoError(t, err)
	// The same request through another gateway, after its answer was lost.
	other, err := cluster.New(cluster.Config{Index: f.mem, Chunks: f.mem})
	require.NoError(t, err)
	again, err := other.Put(ctx, p, newBody([]byte("x")))
	require.NoError(t, err)
	require.Equal(t, first, again)
	p.Token = "abd"
	_, err = other.Put(ctx, p, newBody([]byte("x")))
	f.kind(objects.KindPrecondition, err)
	p.Token, p.Key = "abc", "l"
	_, err = other.Put(ctx, p, newBody([]byte("x")))
	require.NoError(t, err, "another key is another request")
	require.Equal(t, 4, f.mem.Arrived("PutObject"))
}

func TestIdleTabletGivesAFreshStamp(t *testing.T) {
	now := time.Now()
	c, mem := clustertest.NewBackend(clustertest.Config{Now: func() time.Time { return now }}, small)
	f := &fixture{t: t, Cluster: c, mem: mem}
	_, err := c.CreateBucket(ctx, objects.Bucket{Name: "b"})
	require.NoError(t, err)
	f.put("k", noise(1, 5000))
	require.Zero(t, mem.Arrived("Empty"))
	now = now.Add(3 * time.Hour)
	mem.SetFault(func(s clustertest.Step, _ chain.ChainID, h data.Header) (error, bool) {
		if s == clustertest.StepCreate {
			require.Equal(t, now.UnixMilli(), h.Stamp)
		}
		return nil, false
	})
	f.put("k", noise(2, 350_000))
	require.Equal(t, 1, mem.Arrived("Empty"))
	// Inline objects need no stamp.
	now = now.Add(3 * time.Hour)
	f.put("k", []byte("x"))
	require.Equal(t, 1, mem.Arrived("Empty"))
}

func TestRequestLongerThanADayFails(t *testing.T) {
	now := time.Now()
	c, mem := clustertest.NewBackend(clustertest.Config{Now: func() time.Time { return now }}, small)
	f := &fixture{t: t, Cluster: c, mem: mem}
	_, err := c.CreateBucket(ctx, objects.Bucket{Name: "b"})
	require.NoError(t, err)
	mem.SetFault(func(s clustertest.Step, _ chain.ChainID, h data.Header) (error, bool) {
		if s == clustertest.StepSeal && h.Key == "k" {
			now = now.Add(25 * time.Hour)
			f.put("other", []byte("x"))
		}
		return nil, false
	})
	_, err = f.Put(ctx, objects.Put{Bucket: "b", Key: "k"}, newBody(noise(1, 5000)))
	f.kind(objects.KindUnavailable, err)
	_, err = f.Head(ctx, "b", "k")
	f.kind(objects.KindNoSuchKey, err)
}

func TestDeleteManyOverTablets(t *testing.T) {
	f := newFixture(t)
	var keys []objects.Delete
	for _, k := range []string{"a", "b", "c", "d", "e", "f"} {
		f.put(k, []byte(k))
		keys = append(keys, objects.Delete{Key: k})
	}
	for _, at := range []string{"b", "e"} {
		f.mem.Split(owner(f.bucketID(), at))
	}
	keys[3].If.IfMatch = "no"
	keys = append(keys, objects.Delete{Key: "none"})
	errs, err := f.DeleteMany(ctx, "b", keys)
	require.NoError(t, err)
	require.Equal(t, []string{"ok", "ok", "ok", "precondition failed", "ok", "ok", "ok"}, kinds(errs))
	page, err := f.List(ctx, objects.List{Bucket: "b", Max: 10})
	require.NoError(t, err)
	require.Len(t, page.Objects, 1)
	require.Equal(t, "d", page.Objects[0].Key)
}

func TestDeleteManyFailsAsAWhole(t *testing.T) {
	f := newFixture(t, func(c *cluster.Config) { c.CommandTimeout = 30 * time.Millisecond })
	f.mem.Fate = func(tablet.Command) clustertest.Fate { return clustertest.Refused }
	errs, err := f.DeleteMany(ctx, "b", []objects.Delete{{Key: "a"}, {Key: "b"}})
	f.kind(objects.KindUnavailable, err)
	require.Nil(t, errs)
}

func TestReadFollowsAChangeOfLayoutAndNeverMixes(t *testing.T) {
	f := newFixture(t)
	f.put("k", noise(1, 350_000))
	o, err := f.Get(ctx, "b", "k")
	require.NoError(t, err)
	// The object is replaced, and its chunks are removed.
	old := f.mem.ChunkIDs()
	f.put("k", noise(2, 350_000))
	for _, id := range old {
		f.mem.RemoveChunk(id)
	}
	_, err = o.Range(ctx, 0, 350_000)
	f.kind(objects.KindUnavailable, err)

	// A row that names bytes that are gone is damage, and said.
	for _, id := range f.mem.ChunkIDs() {
		f.mem.RemoveChunk(id)
	}
	o, err = f.Get(ctx, "b", "k")
	require.NoError(t, err)
	_, err = o.Range(ctx, 0, 10)
	f.kind(objects.KindInternal, err)
}

func TestConfigReportsEveryProblem(t *testing.T) {
	_, err := cluster.New(cluster.Config{Inline: 1 << 20, ChunkSize: 1 << 30, Inflight: -1})
	for _, want := range []string{"no Index", "no Chunks", "inline limit", "chunk size", "inflight"} {
		require.ErrorContains(t, err, want)
	}
}

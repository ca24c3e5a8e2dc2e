package client

import (
	"context"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"

	"github.com/stretchr/testify/require"
)

func header(size uint32) data.Header {
	return data.Header{ID: chain.ChunkID{Blob: chain.BlobID{1}, Ordinal: 2}, Size: size}
}

// The sums of a chunk do not depend on how its bytes were cut into frames.
func TestWriterSumsBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{1, 100, sumBlock - 1, sumBlock, sumBlock + 1, 3*sumBlock + 17, 5 * sumBlock} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(rng.Uint32())
		}
		var want data.Sums
		for at := 0; at < size; at += sumBlock {
			want = append(want, crc32.Checksum(content[at:min(at+sumBlock, size)], crc32.MakeTable(crc32.Castagnoli)))
		}
		for range 5 {
			n := &fakeNode{m: cmap(), open: func(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch, data.Header) error { return nil }}
			at := uint32(0)
			n.write = func(off uint32, b []byte) error {
				require.Equal(t, at, off, "frames follow each other")
				require.Equal(t, content[off:int(off)+len(b)], b)
				at += uint32(len(b))
				return nil
			}
			n.seal = func(s data.Sums) error { require.Equal(t, want, s); return nil }
			w, err := newClient(t, n).Create(context.Background(), header(uint32(size)), nil)
			require.NoError(t, err)
			for rest := content; len(rest) > 0; {
				k := min(1+rng.IntN(2*sumBlock), len(rest))
				require.NoError(t, w.Write(context.Background(), rest[:k]))
				rest = rest[k:]
			}
			e, err := w.Seal(context.Background())
			require.NoError(t, err)
			require.Equal(t, tablet.Extent{Chain: w.Chain(), Chunk: header(0).ID, Length: uint32(size)}, e)
			w.Abort()
			require.Empty(t, n.aborted, "a sealed chunk is not aborted")
		}
	}
}

// A frame that was not taken is sent again, and nothing else is.
func TestWriteRepeatsBusyFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		n.open = func(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch, data.Header) error { return nil }
		var offs []uint32
		n.write = func(off uint32, _ []byte) error {
			offs = append(offs, off)
			switch len(offs) {
			case 2, 3:
				return refusal(chain.RefusedBusy)
			case 5:
				return refusal(chain.RefusedEpoch)
			}
			return nil
		}
		w, err := newClient(t, n).Create(context.Background(), header(30), nil)
		require.NoError(t, err)
		require.NoError(t, w.Write(context.Background(), make([]byte, 10)))
		require.NoError(t, w.Write(context.Background(), make([]byte, 10)))
		require.Equal(t, chain.RefusedEpoch, kindOf(t, w.Write(context.Background(), make([]byte, 10))))
		require.Equal(t, []uint32{0, 10, 10, 10, 20}, offs)
		w.Abort()
		require.Len(t, n.aborted, 1)
	})
}

func TestCreateChoosesChains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		down := config(11, chain.KindData, 1)
		n.m.Chains[11] = down // below minAck
		asked := map[chain.ChainID]int{}
		n.open = func(_ context.Context, c chain.ChainID, r chain.ReplicaID, e chain.Epoch, _ data.Header) error {
			require.Equal(t, replica(1), r)
			require.Equal(t, chain.Epoch{N: 1}, e)
			asked[c]++
			return nil
		}
		c := newClient(t, n)
		for range 200 {
			w, err := c.Create(context.Background(), header(1), nil)
			require.NoError(t, err)
			require.Equal(t, n.m.Chains[w.Chain()].Kind, chain.KindData)
		}
		require.Zero(t, asked[11], "a chain that takes no writes is not asked")
		require.Greater(t, asked[10], 50, "the others share the load")
		require.Greater(t, asked[12], 50)
		clear(asked)
		for range 50 {
			_, err := c.Create(context.Background(), header(1), []chain.ChainID{10})
			require.NoError(t, err)
		}
		require.Zero(t, asked[10], "what is to be avoided is not asked while there is another")
		for range 50 {
			_, err := c.Create(context.Background(), header(1), []chain.ChainID{10, 12})
			require.NoError(t, err)
		}
		require.NotZero(t, asked[10], "if there is no other, it is")
	})
}

// refusedBy makes an open function that some chains refuse.
func refusedBy(asked *[]chain.ChainID, kinds map[chain.ChainID]chain.RefusalKind) func(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch, data.Header) error {
	return func(_ context.Context, c chain.ChainID, _ chain.ReplicaID, _ chain.Epoch, _ data.Header) error {
		*asked = append(*asked, c)
		if k := kinds[c]; k != 0 {
			return refusal(k)
		}
		return nil
	}
}

func TestCreateGoesToAnotherChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		for _, kind := range []chain.RefusalKind{chain.RefusedFull, chain.RefusedNotReady, chain.RefusedFailed, chain.RefusedEpoch} {
			var asked []chain.ChainID
			n.open = refusedBy(&asked, map[chain.ChainID]chain.RefusalKind{10: kind, 11: kind})
			w, err := newClient(t, n).Create(context.Background(), header(1), nil)
			require.NoError(t, err)
			require.EqualValues(t, 12, w.Chain())
			require.LessOrEqual(t, len(asked), 3, "a chain is not asked twice while there is another")
		}
	})
}

func TestCreateTellsAFullClusterAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		var asked []chain.ChainID
		n.open = refusedBy(&asked, map[chain.ChainID]chain.RefusalKind{10: chain.RefusedFull, 11: chain.RefusedFull, 12: chain.RefusedFull})
		began := time.Now()
		_, err := newClient(t, n).Create(context.Background(), header(1), nil)
		require.Equal(t, chain.RefusedFull, kindOf(t, err))
		require.ElementsMatch(t, []chain.ChainID{10, 11, 12}, asked)
		require.Zero(t, time.Since(began))
	})
}

// The id of an open that was not answered is not used again, and what a late
// head may have opened is given up.
func TestCreateEndsWhenAnOpenIsNotAnswered(t *testing.T) {
	for name, open := range map[string]func(context.Context) error{
		"lost":    func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"unknown": func(context.Context) error { return refusal(chain.RefusedUnknown) },
		"invalid": func(context.Context) error { return refusal(chain.RefusedInvalid) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &fakeNode{m: cmap()}
				asked := 0
				n.open = func(ctx context.Context, _ chain.ChainID, _ chain.ReplicaID, _ chain.Epoch, _ data.Header) error {
					asked++
					return open(ctx)
				}
				began := time.Now()
				_, err := newClient(t, n).Create(context.Background(), header(1), nil)
				require.NotEqual(t, chain.RefusedUnknown, kindOf(t, err), "nothing that a row could name was done")
				require.Equal(t, 1, asked)
				require.LessOrEqual(t, time.Since(began), 3*time.Second, "one try does not take the whole call's time")
				if name == "lost" {
					require.Equal(t, []chain.ChunkID{header(1).ID}, n.aborted)
				}
			})
		})
	}
}

func TestReadTriesEveryReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		asked := map[chain.ReplicaID]int{}
		n.read = func(r chain.ReplicaID) ([]byte, error) {
			asked[r]++
			switch r {
			case replica(1):
				return nil, refusal(chain.RefusedFailed)
			case replica(2):
				return nil, refusal(chain.RefusedGone)
			}
			return []byte{42}, nil
		}
		c := newClient(t, n)
		for range 100 {
			b, err := c.Read(context.Background(), tablet.Extent{Chain: 10}, 0, 1)
			require.NoError(t, err)
			require.Equal(t, []byte{42}, b)
		}
		require.Equal(t, 100, asked[replica(3)])
		require.Greater(t, asked[replica(1)], 10, "reads are spread")
	})
}

// "Gone" needs the word of every Serving replica, and a chain that confirms
// afterwards that they still serve.
func TestGoneIsBelievedOnlyFromTheWholeChain(t *testing.T) {
	gone := refusal(chain.RefusedGone)
	for name, c := range map[string]struct {
		says  [3]error
		probe error
		kind  chain.RefusalKind
		slow  bool
	}{
		"all say so":             {says: [3]error{gone, gone, gone}, kind: chain.RefusedGone},
		"one failed":             {says: [3]error{gone, gone, refusal(chain.RefusedFailed)}, slow: true},
		"one is not there":       {says: [3]error{refusal(chain.RefusedNotReady), gone, gone}, slow: true},
		"the epoch is another":   {says: [3]error{gone, gone, gone}, probe: refusal(chain.RefusedEpoch), slow: true},
		"the chain is too short": {says: [3]error{gone, gone, gone}, probe: refusal(chain.RefusedBelowMinAck), slow: true},
		"the probe is not sure":  {says: [3]error{gone, gone, gone}, probe: refusal(chain.RefusedGone), slow: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &fakeNode{m: cmap(), probe: func() error { return c.probe }}
				n.read = func(r chain.ReplicaID) ([]byte, error) { return nil, c.says[r.Store[0]-1] }
				began := time.Now()
				_, err := newClient(t, n).Read(context.Background(), tablet.Extent{Chain: 10}, 0, 1)
				if c.slow {
					require.NotEqual(t, chain.RefusedGone, kindOf(t, err))
					require.Equal(t, 15*time.Second, time.Since(began), "it is asked again to the end")
					return
				}
				require.Equal(t, c.kind, kindOf(t, err))
				require.Zero(t, time.Since(began))
			})
		})
	}
}

func TestReadOfAChainThatNobodyServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		n.m.Chains[10] = chain.Config{Chain: 10, Kind: chain.KindData}
		_, err := newClient(t, n).Read(context.Background(), tablet.Extent{Chain: 10}, 0, 1)
		require.Equal(t, chain.RefusedNotReady, kindOf(t, err))
	})
}

// The id of a clone that was not answered is not sent again; a refused one is.
func TestCloneIsSentAgainOnlyWhenNothingWasDone(t *testing.T) {
	for name, c := range map[string]struct {
		tries []error
		kind  chain.RefusalKind
		calls int
	}{
		"taken":            {tries: []error{nil}, calls: 1},
		"refused, taken":   {tries: []error{refusal(chain.RefusedNotHead), nil}, calls: 2},
		"unknown":          {tries: []error{refusal(chain.RefusedUnknown), nil}, calls: 1, kind: chain.RefusedUnknown},
		"lost":             {tries: []error{context.DeadlineExceeded, nil}, calls: 1, kind: chain.RefusedUnknown},
		"gone":             {tries: []error{refusal(chain.RefusedGone)}, calls: 1, kind: chain.RefusedGone},
		"refused, unknown": {tries: []error{refusal(chain.RefusedEpoch), refusal(chain.RefusedUnknown), nil}, calls: 2, kind: chain.RefusedUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &fakeNode{m: cmap()}
				calls := 0
				n.clone = func() error { calls++; return c.tries[calls-1] }
				e, err := newClient(t, n).Clone(context.Background(), tablet.Extent{Chain: 10}, header(5))
				require.Equal(t, c.calls, calls)
				if c.kind != 0 {
					require.Equal(t, c.kind, kindOf(t, err))
					return
				}
				require.NoError(t, err)
				require.Equal(t, tablet.Extent{Chain: 10, Chunk: header(5).ID, Length: 5}, e)
			})
		})
	}
}

func TestRemoveIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		calls := 0
		n.remove = func(context.Context) error {
			if calls++; calls < 3 {
				return refusal(chain.RefusedUnknown) // removing again does no harm
			}
			return nil
		}
		require.NoError(t, newClient(t, n).Remove(context.Background(), 10, []chain.ChunkID{{}}))
		require.Equal(t, 3, calls)
	})
}

// Discards go on when their caller is gone, and end with the client.
func TestDiscardRunsInTheBackgroundUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		removed := make(chan struct{}, 4)
		n.remove = func(context.Context) error { removed <- struct{}{}; return nil }
		c := newClient(t, n)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.Discard(ctx, []tablet.Extent{{Chain: 10}, {Chain: 11}, {Chain: 10}})
		synctest.Wait()
		require.Len(t, removed, 2, "one removal for each chain")
		n.remove = func(ctx context.Context) error { return refusal(chain.RefusedNotReady) }
		c.Discard(ctx, []tablet.Extent{{Chain: 10}})
		began := time.Now()
		c.Close()
		require.Zero(t, time.Since(began))
		c.Discard(ctx, []tablet.Extent{{Chain: 10}}) // does nothing
	})
}

package chaintest

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/internal/rule"
)

var (
	dataSeed  = flag.Uint64("data.seed", 0, "run only this seed of the data chain, and print it in words")
	dataSeeds = flag.Uint64("data.seeds", 2000, "number of seeds of the data chain")
)

// dataShapes are the chains that the seeds take in turns.
func dataShapes(seed uint64) DataOptions {
	switch seed % 8 {
	case 1:
		return DataOptions{Nodes: 3, Factor: 2, MinAck: 2}
	case 2:
		return DataOptions{Nodes: 3, Factor: 2, MinAck: 1}
	case 3:
		return DataOptions{Net: NetOptions{MinDelay: chain.Millisecond / 10, MaxDelay: chain.Millisecond, InOrder: true}}
	case 4:
		return DataOptions{Nodes: 5, Factor: 4, MinAck: 2}
	}
	return DataOptions{}
}

// sweepData runs seeds on all processors until one fails; it returns the
// results added up, and the failed run with the smallest seed that was met.
func sweepData(seeds uint64, shape func(seed uint64) DataOptions) (sum DataResult, failed *DataResult) {
	var next atomic.Uint64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				mu.Lock()
				stop := seed > seeds || failed != nil
				mu.Unlock()
				if stop {
					return
				}
				res := RunData(seed, shape(seed))
				mu.Lock()
				sum.add(&res)
				if res.Err != nil && (failed == nil || res.Seed < failed.Seed) {
					failed = &res
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return sum, failed
}

func (r *DataResult) add(o *DataResult) {
	r.Steps += o.Steps
	r.Sealed += o.Sealed
	r.Cloned += o.Cloned
	r.Removed += o.Removed
	r.Epochs += o.Epochs
	r.Promotions += o.Promotions
	r.Crashes += o.Crashes
	r.Wipes += o.Wipes
	r.Rollbacks += o.Rollbacks
}

func TestDataSeeds(t *testing.T) {
	if *dataSeed != 0 {
		opt := dataShapes(*dataSeed)
		opt.Words, opt.Rollback = 20000, *rollFlag
		res := RunData(*dataSeed, opt)
		fmt.Println(res.Words)
		require.NoError(t, res.Err)
		return
	}
	seeds := *dataSeeds
	if testing.Short() {
		seeds = min(seeds, 200)
	}
	sum, failed := sweepData(seeds, dataShapes)
	if failed != nil {
		t.Fatalf("seed %d: %v; run with -data.seed=%d to see it in words", failed.Seed, failed.Err, failed.Seed)
	}
	t.Logf("%+v", sum)
	// The runs were worth while: all that the invariants speak of happened often.
	n := int(seeds)
	require.Greater(t, sum.Sealed, 5*n)
	require.Greater(t, sum.Cloned, n)
	require.Greater(t, sum.Removed, n)
	require.Greater(t, sum.Promotions, n)
	require.Greater(t, sum.Crashes, n/2)
	require.Greater(t, sum.Wipes, n/2)
}

// The same seed gives the same trace: what a seed shows can be replayed.
func TestDataSeedIsReplayable(t *testing.T) {
	hashes := map[uint64]bool{}
	for seed := uint64(1); seed <= 24; seed++ {
		a, b := RunData(seed, dataShapes(seed)), RunData(seed, dataShapes(seed))
		require.Equal(t, a, b)
		require.False(t, hashes[a.Hash], "two seeds, one trace")
		hashes[a.Hash] = true
	}
}

// Each rule that is left out is seen. A mutant that survives fails the test.
func TestDataMutantsAreCaught(t *testing.T) {
	for name, without := range map[string]rule.Rule{
		"seal acknowledged before sync":            rule.AckAfterSync,
		"no epoch check at seal":                   rule.EpochAtSeal,
		"joiner promoted off the commit path":      rule.PromoteOnPath,
		"commit path not persisted":                rule.PathPersisted,
		"scan begins before live frames":           rule.FeedBeforeScan,
		"removal undone by the joiner's copy":      rule.RemovalStopsCopy,
		"commit below minAck":                      rule.CommitAtMinAck,
		"a joiner that copies nothing":             rule.CopyAll,
		"a joiner that keeps what the source lost": rule.Quarantine,
		"sums not compared":                        rule.SumsCompared,
	} {
		t.Run(name, func(t *testing.T) {
			_, failed := sweepData(20000, func(seed uint64) DataOptions {
				opt := dataShapes(seed)
				opt.rules = rule.Without(without)
				return opt
			})
			require.NotNil(t, failed, "nobody saw it")
			t.Logf("seed %d: %v", failed.Seed, failed.Err)
		})
	}
}

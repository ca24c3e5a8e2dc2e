package chaintest

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"catena/chain/internal/rule"

	"github.com/stretchr/testify/require"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run this one seed and print its trace")
	seedsFlag = flag.Uint64("seeds", 2000, "how many seeds to run")
	rollFlag  = flag.Bool("rollback", false, "with -seed: disks may come back as older images")
	ruleFlag  = flag.Int("rule", 0, "with -seed: leave out this rule (its number in chain/internal/rule)")
)

// forSeeds runs fn for seeds 1 to n on all cores, until fn returns false.
func forSeeds(n uint64, fn func(seed uint64) bool) {
	var next atomic.Uint64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := next.Add(1); s <= n && !stop.Load(); s = next.Add(1) {
				if !fn(s) {
					stop.Store(true)
				}
			}
		})
	}
	wg.Wait()
}

func TestIndexSeeds(t *testing.T) {
	if *seedFlag != 0 {
		res := RunIndex(*seedFlag, IndexOptions{Words: 100000, Rollback: *rollFlag, rules: rule.Without(rule.Rule(*ruleFlag))})
		t.Log("\n" + res.Trace)
		require.NoError(t, res.Err)
		return
	}
	var mu sync.Mutex
	var failed []Result
	var steps, commits, epochs atomic.Int64
	forSeeds(*seedsFlag, func(seed uint64) bool {
		res := RunIndex(seed, IndexOptions{})
		steps.Add(int64(res.Steps))
		commits.Add(int64(res.Commits))
		epochs.Add(int64(res.Epochs))
		if res.Err != nil {
			mu.Lock()
			failed = append(failed, res)
			mu.Unlock()
		}
		return true
	})
	t.Logf("%d seeds: %d steps, %d entries, %d epochs", *seedsFlag, steps.Load(), commits.Load(), epochs.Load())
	for i, res := range failed {
		if i == 10 {
			t.Logf("and %d more", len(failed)-i)
			break
		}
		t.Errorf("%s; see it again with -run TestIndexSeeds -seed %d -v", res, res.Seed)
	}
}

func TestIndexSameSeedSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		a, b := RunIndex(seed, IndexOptions{}), RunIndex(seed, IndexOptions{Words: 100})
		require.NoError(t, a.Err)
		require.Equal(t, a.Hash, b.Hash, "seed %d", seed)
		require.Equal(t, a.Steps, b.Steps, "seed %d", seed)
		other := RunIndex(seed+100, IndexOptions{})
		require.NotEqual(t, a.Hash, other.Hash)
	}
}

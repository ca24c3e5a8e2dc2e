package chaintest

import (
	"flag"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	dataSeed  = flag.Uint64("data.seed", 0, "run only this seed of the data chain, with words")
	dataSeeds = flag.Uint64("data.seeds", 300, "number of seeds of the data chain")
)

// runData runs one seed and, if it fails, again with words.
func runData(t *testing.T, seed uint64, opt DataOptions) DataResult {
	res := RunData(seed, opt)
	if res.Err != nil {
		opt.Words = 400
		t.Fatalf("seed %d: %v\n%s", seed, res.Err, RunData(seed, opt).Words)
	}
	return res
}

func TestDataSeeds(t *testing.T) {
	if *dataSeed != 0 {
		fmt.Printf("%+v\n", runData(t, *dataSeed, DataOptions{Words: 1}))
		return
	}
	var sum DataResult
	for seed := uint64(1); seed <= *dataSeeds; seed++ {
		res := runData(t, seed, DataOptions{})
		sum.Steps += res.Steps
		sum.Sealed += res.Sealed
		sum.Cloned += res.Cloned
		sum.Removed += res.Removed
		sum.Epochs += res.Epochs
		sum.Promotions += res.Promotions
		sum.Crashes += res.Crashes
		sum.Wipes += res.Wipes
	}
	t.Logf("%+v", sum)
	require.Positive(t, sum.Sealed)
}

package chaintest

import (
	"testing"

	"catena/chain/internal/rule"

	"github.com/stretchr/testify/require"
)

func rollbackShapes(seed uint64) DataOptions {
	opt := dataShapes(seed)
	opt.Rollback = true
	return opt
}

// Disks come back as older images of themselves, among all the other faults.
func TestDataRollbackSeeds(t *testing.T) {
	sum, failed := sweepData(*dataSeeds/3, rollbackShapes)
	if failed != nil {
		t.Fatalf("seed %d: %v; run with -rollback -data.seed=%d to see it in words", failed.Seed, failed.Err, failed.Seed)
	}
	t.Logf("%+v", sum)
	require.Greater(t, sum.Rollbacks, int(*dataSeeds)/6)
}

// Without the review what a disk forgot is missing for good.
func TestDataRollbackMutantIsCaught(t *testing.T) {
	_, failed := sweepData(2000, func(seed uint64) DataOptions {
		opt := rollbackShapes(seed)
		opt.rules = rule.Without(rule.ReviewAtStart)
		return opt
	})
	require.NotNil(t, failed, "nobody saw it")
	t.Logf("seed %d: %v", failed.Seed, failed.Err)
}

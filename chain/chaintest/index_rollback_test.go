package chaintest

import (
	"sync"
	"testing"

	"catena/chain/internal/rule"

	"github.com/stretchr/testify/require"
)

// Disks come back as older images of themselves, among all the other faults.
func TestIndexRollbackSeeds(t *testing.T) {
	var mu sync.Mutex
	var failed []Result
	forSeeds(*seedsFlag/2, func(seed uint64) bool {
		res := RunIndex(seed, IndexOptions{Rollback: true})
		mu.Lock()
		defer mu.Unlock()
		if res.Err != nil {
			failed = append(failed, res)
		}
		return len(failed) < 10
	})
	for _, res := range failed {
		t.Errorf("%s; see it again with -run TestIndexSeeds -rollback -seed %d -v", res, res.Seed)
	}
}

// The rules that disks which come back as older images need: each must be seen
// missing.
func TestIndexRollbackMutantsAreCaught(t *testing.T) {
	for _, m := range []struct {
		name string
		rule rule.Rule
	}{
		{"an older image serves on", rule.OlderLeaves},
		{"a lease before the child has the log", rule.LeaseAfterCaughtUp},
		{"a start's number from the disk alone", rule.BootByClock},
	} {
		t.Run(m.name, func(t *testing.T) {
			res, found := firstViolation(mutantSeeds, focusNone, IndexOptions{Rollback: true, rules: rule.Without(m.rule)})
			require.True(t, found, "no seed up to %d sees the rule missing", mutantSeeds)
			require.NoError(t, RunIndex(res.Seed, IndexOptions{Rollback: true}).Err)
			t.Log(res)
		})
	}
}

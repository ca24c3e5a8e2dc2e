package chaintest

import (
	"sync"
	"testing"

	"catena/chain/internal/mutant"

	"github.com/stretchr/testify/require"
)

// indexMutants are the rules of an index chain, each with the number of seeds
// within which the simulator must see that it is missing.
var indexMutants = []struct {
	name   string
	rule   mutant.Rule
	within uint64
}{
	{"ack before sync", mutant.AckBeforeSync, 2000},
	{"no epoch check", mutant.NoEpochCheck, 2000},
	{"epoch not persisted", mutant.EpochNotPersisted, 2000},
	{"read without a lease", mutant.ReadWithoutLease, 2000},
	{"commit before all have it", mutant.CommitBeforeAll, 2000},
	{"head counts durable acks", mutant.HeadCountsDurable, 2000},
	{"no stream rule", mutant.NoStreamRule, 2000},
	{"answer without entry not confirmed", mutant.AnswerUnconfirmed, 2000},
	{"answer ignores the pending entry", mutant.AnswerIgnoresPending, 2000},
	{"joiner promoted off the commit path", mutant.PromoteOffPath, 2000},
	{"commit path not persisted", mutant.PathNotPersisted, 2000},
	{"in sync at the commit position", mutant.InSyncAtCommit, 2000},
	{"sync report of any epoch", mutant.ReportAnyEpoch, 2000},
	{"lease counted from receipt", mutant.LeaseFromReceipt, 2000},
	{"lease of any epoch", mutant.LeaseAnyEpoch, 2000},
	{"lease outlives the granter's", mutant.LeaseOutlivesParent, 2000},
	{"no waiting out", mutant.NoWaitOut, 2000},
	{"only the new tail waits", mutant.WaitOnlyAtNewTail, 2000},
	{"no wait after a restart", mutant.NoRestartWait, 2000},
	{"restart wait only for later epochs", mutant.RestartWaitOnlyLater, 2000},
	{"new tail reads at once", mutant.NoTailBarrier, 2000},
	{"commit below min_ack", mutant.CommitBelowMinAck, 2000},
	{"read below min_ack", mutant.ReadBelowMinAck, 2000},
	{"durable prefix ignored", mutant.NoDurablePrefix, 2000},
	{"joiner cuts to its applied position", mutant.TruncateToApplied, 2000},
	{"unsettled member alone", mutant.UnsettledMayBeAlone, 2000},
	{"hello answered before agreeing", mutant.HelloBeforeAgreed, 2000},
	{"head orders before its hello is answered", mutant.OrderBeforeHello, 2000},
	{"entries applied uncommitted", mutant.ApplyUncommitted, 2000},
	{"snapshot without the log under it", mutant.SnapshotWithoutLog, 2000},
	{"log goes on from the last page", mutant.SnapshotAtEnd, 2000},
	{"snapshot copies nothing", mutant.CopyNothing, 2000},
	{"joiner ahead of its source", mutant.JoinerAheadOfSource, 2000},
	{"drained tail takes a late grant", mutant.HandBackNotFinal, 2000},
}

// firstViolation runs seeds in order until one breaks an invariant.
func firstViolation(within uint64, o IndexOptions) (Result, bool) {
	var mu sync.Mutex
	var first Result
	found := false
	forSeeds(within, func(seed uint64) bool {
		res := RunIndex(seed, o)
		mu.Lock()
		defer mu.Unlock()
		if res.Err != nil && (!found || seed < first.Seed) {
			first, found = res, true
		}
		return !found
	})
	return first, found
}

func TestIndexMutantsAreCaught(t *testing.T) {
	for _, m := range indexMutants {
		t.Run(m.name, func(t *testing.T) {
			res, found := firstViolation(m.within, IndexOptions{off: mutant.Without(m.rule)})
			require.True(t, found, "no seed up to %d sees the rule missing", m.within)
			t.Log(res)
		})
	}
}

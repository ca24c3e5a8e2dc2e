package chaintest

import (
	"sync"
	"testing"

	"catena/chain/internal/mutant"

	"github.com/stretchr/testify/require"
)

// mutantSeeds is within how many seeds a missing rule must be seen; of these,
// only those of the mutant's focus run.
const mutantSeeds = 30000

// indexMutants are the rules of an index chain. The simulator must see each of
// them missing, in a run that is free of violations when no rule is missing.
var indexMutants = []struct {
	name  string
	rule  mutant.Rule
	focus focus
}{
	{"ack before sync", mutant.AckBeforeSync, focusNone},
	{"no epoch check", mutant.NoEpochCheck, focusNone},
	{"epoch not persisted", mutant.EpochNotPersisted, focusNone},
	{"read without a lease", mutant.ReadWithoutLease, focusTail},
	{"commit before all have it", mutant.CommitBeforeAll, focusNone},
	{"head counts durable acks", mutant.HeadCountsDurable, focusNone},
	{"no stream rule", mutant.NoStreamRule, focusCrash},
	{"answer without entry not confirmed", mutant.AnswerUnconfirmed, focusHead},
	{"answer ignores the pending entry", mutant.AnswerIgnoresPending, focusNone},
	{"joiner promoted off the commit path", mutant.PromoteOffPath, focusReport},
	{"commit path not persisted", mutant.PathNotPersisted, focusReport},
	{"in sync at the commit position", mutant.InSyncAtCommit, focusNone},
	{"sync report of any epoch", mutant.ReportAnyEpoch, focusReport},
	{"lease counted from receipt", mutant.LeaseFromReceipt, focusTail},
	{"lease of any epoch", mutant.LeaseAnyEpoch, focusTail},
	{"lease outlives the granter's", mutant.LeaseOutlivesParent, focusTail},
	{"no waiting out", mutant.NoWaitOut, focusTail},
	{"only the new tail waits", mutant.WaitOnlyAtNewTail, focusPromotion},
	{"no wait after a restart", mutant.NoRestartWait, focusTail},
	{"restart wait only for later epochs", mutant.RestartWaitOnlyLater, focusTail},
	{"new tail reads at once", mutant.NoTailBarrier, focusNone},
	{"commit below min_ack", mutant.CommitBelowMinAck, focusNone},
	{"read below min_ack", mutant.ReadBelowMinAck, focusNone},
	{"durable prefix ignored", mutant.NoDurablePrefix, focusNone},
	{"joiner cuts to its applied position", mutant.TruncateToApplied, focusNone},
	{"unsettled member alone", mutant.UnsettledMayBeAlone, focusPromotion},
	{"hello answered before agreeing", mutant.HelloBeforeAgreed, focusCrash},
	{"head orders before its hello is answered", mutant.OrderBeforeHello, focusCrash},
	{"entries applied uncommitted", mutant.ApplyUncommitted, focusNone},
	{"snapshot without the log under it", mutant.SnapshotWithoutLog, focusNone},
	{"log goes on from the last page", mutant.SnapshotAtEnd, focusNone},
	{"snapshot copies nothing", mutant.CopyNothing, focusNone},
	{"joiner ahead of its source", mutant.JoinerAheadOfSource, focusReport},
	{"drained tail takes a late grant", mutant.HandBackNotFinal, focusDrain},
}

// firstViolation runs seeds of a focus (of any, for focusNone), in order, until
// one breaks an invariant.
func firstViolation(within uint64, f focus, o IndexOptions) (Result, bool) {
	var mu sync.Mutex
	var first Result
	found := false
	forSeeds(within, func(seed uint64) bool {
		if f != focusNone && focusOf(seed) != f {
			return true
		}
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
			res, found := firstViolation(mutantSeeds, m.focus, IndexOptions{off: mutant.Without(m.rule)})
			require.True(t, found, "no seed up to %d sees the rule missing", mutantSeeds)
			require.NoError(t, RunIndex(res.Seed, IndexOptions{}).Err)
			t.Log(res)
		})
	}
}

package chaintest

import (
	"sync"
	"testing"

	"catena/chain/internal/rule"

	"github.com/stretchr/testify/require"
)

// mutantSeeds is within how many seeds a missing rule must be seen; of these,
// only those of the mutant's focus run.
const mutantSeeds = 30000

// indexMutants are the rules of an index chain. The simulator must see each of
// them missing, in a run that is free of violations when no rule is missing.
var indexMutants = []struct {
	name  string
	rule  rule.Rule
	focus focus
}{
	{"ack before sync", rule.AckAfterSync, focusNone},
	{"no epoch check", rule.EpochCheck, focusNone},
	{"epoch not persisted", rule.EpochPersisted, focusNone},
	{"read without a lease", rule.ReadUnderLease, focusTail},
	{"commit before all have it", rule.CommitAfterAll, focusNone},
	{"head counts durable acks", rule.CommitByTail, focusNone},
	{"no stream rule", rule.PresentStream, focusCrash},
	{"answer without entry not confirmed", rule.AnswerConfirmed, focusHead},
	{"answer ignores the pending entry", rule.AnswerAfterPending, focusNone},
	{"joiner promoted off the commit path", rule.PromoteOnPath, focusReport},
	{"commit path not persisted", rule.PathPersisted, focusReport},
	{"in sync at the commit position", rule.InSyncAtLogEnd, focusNone},
	{"sync report of any epoch", rule.ReportOfEpoch, focusReport},
	{"lease counted from receipt", rule.LeaseFromRequest, focusTail},
	{"lease of any epoch", rule.LeaseOfEpoch, focusTail},
	{"lease outlives the granter's", rule.LeaseWithinParent, focusTail},
	{"no waiting out", rule.WaitOut, focusTail},
	{"only the new tail waits", rule.SurvivorWaits, focusPromotion},
	{"no wait after a restart", rule.RestartWaits, focusTail},
	{"restart wait only for later epochs", rule.RestartWaitsInEpoch, focusTail},
	{"new tail reads at once", rule.TailBarrier, focusNone},
	{"commit below min_ack", rule.CommitAtMinAck, focusNone},
	{"read below min_ack", rule.ReadAtMinAck, focusNone},
	{"durable prefix ignored", rule.DurablePrefix, focusNone},
	{"joiner cuts to its applied position", rule.TruncateToSource, focusNone},
	{"unsettled member alone", rule.SettledMember, focusPromotion},
	{"hello answered before agreeing", rule.HelloAfterAgreed, focusCrash},
	{"head orders before its hello is answered", rule.OrderAfterHello, focusCrash},
	{"entries applied uncommitted", rule.ApplyCommitted, focusNone},
	{"snapshot without the log under it", rule.SnapshotWithLog, focusNone},
	{"log goes on from the last page", rule.SnapshotAtStart, focusNone},
	{"snapshot copies nothing", rule.CopyAll, focusNone},
	{"joiner ahead of its source", rule.JoinerBehindSource, focusReport},
	{"drained tail takes a late grant", rule.HandBackFinal, focusDrain},
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
			res, found := firstViolation(mutantSeeds, m.focus, IndexOptions{rules: rule.Without(m.rule)})
			require.True(t, found, "no seed up to %d sees the rule missing", mutantSeeds)
			require.NoError(t, RunIndex(res.Seed, IndexOptions{}).Err)
			t.Log(res)
		})
	}
}

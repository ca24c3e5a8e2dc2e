package chaintest

import (
	"slices"
	"strings"
	"testing"

	"catena/chain/internal/mutant"

	"github.com/stretchr/testify/require"
)

// TestExplore goes through every state of the quick scopes.
func TestExplore(t *testing.T) {
	for _, s := range quickScopes() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			res := Explore(s, ExploreOptions{Calm: 500})
			t.Log(res)
			require.NoError(t, res.Err, strings.Join(res.Story, "\n"))
			require.True(t, res.Exhausted)
			// The bounds, and nothing else, are what keeps the chain from more.
			require.Equal(t, s.Epochs, res.Epochs)
			require.Equal(t, s.Warm+len(s.Ops), res.Answers)
			require.NotZero(t, res.Entries)
			require.NotZero(t, res.Calmed)

		})
	}
}

// TestExploreInAnyOrder: of states with the same fingerprint only the first is
// gone on from. If two of them had different futures, what is found would depend
// on the order in which things are tried.
func TestExploreInAnyOrder(t *testing.T) {
	for _, name := range []string{"abc-drain", "ab-snapshot", "ab-join", "abc-removal"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(quickScopes(), func(s Scope) bool { return s.Name == name })
			s := quickScopes()[i]
			there, back := Explore(s, ExploreOptions{Calm: 500}), Explore(s, ExploreOptions{backwards: true})
			require.NoError(t, there.Err)
			require.NoError(t, back.Err)
			require.Equal(t, there.States, back.States)
			require.Equal(t, there.Transitions, back.Transitions)
			require.Equal(t, there.Depth, back.Depth)
		})
	}
}

// exploreMutants are rules of an index chain, each with the scope in which the
// explorer sees it missing.
var exploreMutants = []struct {
	rule  mutant.Rule
	name  string
	scope Scope
}{
	{mutant.AckBeforeSync, "ack before sync", mTwo},
	{mutant.NoEpochCheck, "no epoch check", mThree},
	{mutant.EpochNotPersisted, "epoch not persisted", Scope{Serving: 3, Replicas: 3, Epochs: 2, Remove: "C", SlowState: true}},
	{mutant.ReadWithoutLease, "read without a lease", mThree},
	{mutant.CommitBeforeAll, "commit before all have it", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut}, Window: 2}},
	{mutant.HeadCountsDurable, "head counts durable acks", mThree},
	{mutant.NoStreamRule, "no stream rule", mTwo},
	{mutant.AnswerUnconfirmed, "answer without entry not confirmed", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut, opDelete, opPutAbsent}, Ticks: 1, Remove: "A"}},
	{mutant.AnswerIgnoresPending, "answer ignores the pending entry", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPutAbsent}}},
	{mutant.PromoteOffPath, "joiner promoted off the commit path", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C"}},
	{mutant.PathNotPersisted, "commit path not persisted", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Fail: "B", Join: "C"}},
	{mutant.InSyncAtCommit, "in sync at the commit position", Scope{Serving: 2, Replicas: 3, Epochs: 4, Warm: 1, Crashes: 1, Fail: "B", Strays: 1, Join: "C"}},
	{mutant.ReportAnyEpoch, "sync report of any epoch", Scope{Serving: 2, Replicas: 3, MinAck: 1, Epochs: 5, Ops: []opKind{opPut}, Ticks: 1, Window: 2, Remove: "B", Join: "C"}},
	{mutant.LeaseFromReceipt, "lease counted from receipt", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Ticks: 2, Remove: "C"}},
	{mutant.LeaseOutlivesParent, "lease outlives the granter's", Scope{Serving: 3, Replicas: 3, MinAck: 1, Epochs: 3, Ops: []opKind{opPut}, Ticks: 3, Pass: []int{11}, Remove: "BC"}},
	{mutant.NoWaitOut, "no waiting out", mThree},
	{mutant.WaitOnlyAtNewTail, "only the new tail waits", Scope{Serving: 2, Replicas: 3, Epochs: 5, Ops: []opKind{opPut}, Remove: "B", Join: "C"}},
	{mutant.NoRestartWait, "no wait after a restart", mThreeCrash},
	{mutant.RestartWaitOnlyLater, "restart wait only for later epochs", mThreeCrash},
	{mutant.NoTailBarrier, "new tail reads at once", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut}, Crashes: 1, Fail: "B", Strays: 1, Ticks: 1, Pass: []int{10}}},
	{mutant.CommitBelowMinAck, "commit below min_ack", Scope{Serving: 2, Replicas: 2, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "AB"}},
	{mutant.ReadBelowMinAck, "read below min_ack", Scope{Serving: 2, Replicas: 2, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "AB"}},
	{mutant.NoDurablePrefix, "durable prefix ignored", mTwo},
	{mutant.TruncateToApplied, "joiner cuts to its applied position", Scope{Serving: 2, Replicas: 2, Epochs: 3, Ops: []opKind{opPut}, Remove: "A", Join: "A"}},
	{mutant.UnsettledMayBeAlone, "unsettled member alone", Scope{Serving: 2, Replicas: 3, MinAck: 1, Epochs: 5, Ops: []opKind{opPut}, Remove: "AB", Join: "C"}},
	{mutant.HelloBeforeAgreed, "hello answered before agreeing", Scope{Serving: 3, Replicas: 3, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2}},
	{mutant.OrderBeforeHello, "head orders before its hello is answered", mTwo},
	{mutant.ApplyUncommitted, "entries applied uncommitted", mTwo},
	{mutant.SnapshotWithoutLog, "snapshot without the log under it", mSnap},
	{mutant.SnapshotAtEnd, "log goes on from the last page", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C", Warm: 3, Retain: 1, PageRows: 8, SlowPages: true}},
	{mutant.CopyNothing, "snapshot copies nothing", mSnap},
	{mutant.JoinerAheadOfSource, "joiner ahead of its source", Scope{Serving: 1, Replicas: 2, MinAck: 1, Epochs: 3, Ops: []opKind{opPut, opPut}, Crashes: 1, Join: "B"}},
	{mutant.HandBackNotFinal, "drained tail takes a late grant", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Drains: 1, Remove: "C"}},
}

var (
	mTwo        = Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 1}
	mThree      = Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "ABC"}
	mThreeCrash = Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Ticks: 1, Remove: "ABC"}
	mJoin       = Scope{Serving: 2, Replicas: 3, Epochs: 3, Ops: []opKind{opPut}, Join: "C"}
	mJoinCrash  = Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Remove: "AB", Join: "C"}
	mSnap       = Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C", Warm: 3, Retain: 1}
)

func TestExploreMutants(t *testing.T) {
	for _, m := range exploreMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			res := Explore(m.scope, ExploreOptions{States: 3_000_000, off: mutant.Without(m.rule)})
			require.Error(t, res.Err, "%s", res)
			t.Logf("%s\n%s", res, strings.Join(res.Story, "\n"))
			if m.rule != mutant.EpochNotPersisted { // seen before the first step
				require.Equal(t, "     violation: "+res.Err.Error(), res.Story[len(res.Story)-1])
			}
		})
	}
}

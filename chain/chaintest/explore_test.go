package chaintest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"catena/chain/internal/rule"

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

// TestScopeDigest: every field of a scope bounds what is explored.
func TestScopeDigest(t *testing.T) {
	s := Scope{Name: "ab", Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut}}
	explicit := s
	explicit.MinAck, explicit.Pass = 2, []int{21}
	require.Equal(t, s.Digest(), explicit.Digest(), "a default is what it stands for")

	seen := map[string]string{s.Digest(): "as it is"}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		before := reflect.ValueOf(f.Interface())
		switch f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "B")
		case reflect.Int:
			f.SetInt(f.Int() + 7)
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Slice:
			f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
		default:
			t.Fatalf("a field of a new kind: %s", name)
		}
		require.NotContains(t, seen, s.Digest(), name)
		seen[s.Digest()] = name
		f.Set(before)
	}
}

// exploreMutants are rules of an index chain, each with the scope in which the
// explorer sees it missing.
var exploreMutants = []struct {
	rule  rule.Rule
	name  string
	scope Scope
}{
	{rule.AckAfterSync, "ack before sync", mTwo},
	{rule.EpochCheck, "no epoch check", mThree},
	{rule.EpochPersisted, "epoch not persisted", Scope{Serving: 3, Replicas: 3, Epochs: 2, Remove: "C", SlowState: true}},
	{rule.ReadUnderLease, "read without a lease", mThree},
	{rule.CommitAfterAll, "commit before all have it", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut}, Window: 2}},
	{rule.CommitByTail, "head counts durable acks", mThree},
	{rule.PresentStream, "no stream rule", mTwo},
	{rule.AnswerConfirmed, "answer without entry not confirmed", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut, opDelete, opPutAbsent}, Ticks: 1, Remove: "A"}},
	{rule.AnswerAfterPending, "answer ignores the pending entry", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut, opPutAbsent}}},
	{rule.PromoteOnPath, "joiner promoted off the commit path", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C"}},
	{rule.PathPersisted, "commit path not persisted", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Crashes: 1, Fail: "B", Join: "C"}},
	{rule.InSyncAtLogEnd, "in sync at the commit position", Scope{Serving: 2, Replicas: 3, Epochs: 4, Warm: 1, Crashes: 1, Fail: "B", Strays: 1, Join: "C"}},
	{rule.ReportOfEpoch, "sync report of any epoch", Scope{Serving: 2, Replicas: 3, MinAck: 1, Epochs: 5, Ops: []opKind{opPut}, Ticks: 1, Window: 2, Remove: "B", Join: "C"}},
	{rule.LeaseFromRequest, "lease counted from receipt", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Ticks: 2, Remove: "C"}},
	{rule.LeaseWithinParent, "lease outlives the granter's", Scope{Serving: 3, Replicas: 3, MinAck: 1, Epochs: 3, Ops: []opKind{opPut}, Ticks: 3, Pass: []int{11}, Remove: "BC"}},
	{rule.WaitOut, "no waiting out", mThree},
	{rule.SurvivorWaits, "only the new tail waits", Scope{Serving: 2, Replicas: 3, Epochs: 5, Ops: []opKind{opPut}, Remove: "B", Join: "C"}},
	{rule.RestartWaits, "no wait after a restart", mThreeCrash},
	{rule.RestartWaitsInEpoch, "restart wait only for later epochs", mThreeCrash},
	{rule.TailBarrier, "new tail reads at once", Scope{Serving: 2, Replicas: 2, Epochs: 1, Ops: []opKind{opPut}, Crashes: 1, Fail: "B", Strays: 1, Ticks: 1, Pass: []int{10}}},
	{rule.CommitAtMinAck, "commit below min_ack", Scope{Serving: 2, Replicas: 2, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "AB"}},
	{rule.ReadAtMinAck, "read below min_ack", Scope{Serving: 2, Replicas: 2, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Remove: "AB"}},
	{rule.DurablePrefix, "durable prefix ignored", mTwo},
	{rule.TruncateToSource, "joiner cuts to its applied position", Scope{Serving: 2, Replicas: 2, Epochs: 3, Ops: []opKind{opPut}, Remove: "A", Join: "A"}},
	{rule.SettledMember, "unsettled member alone", Scope{Serving: 2, Replicas: 3, MinAck: 1, Epochs: 5, Ops: []opKind{opPut}, Remove: "AB", Join: "C"}},
	{rule.HelloAfterAgreed, "hello answered before agreeing", Scope{Serving: 3, Replicas: 3, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2}},
	{rule.OrderAfterHello, "head orders before its hello is answered", mTwo},
	{rule.ApplyCommitted, "entries applied uncommitted", mTwo},
	{rule.SnapshotWithLog, "snapshot without the log under it", mSnap},
	{rule.SnapshotAtStart, "log goes on from the last page", Scope{Serving: 2, Replicas: 3, Epochs: 4, Ops: []opKind{opPut}, Join: "C", Warm: 3, Retain: 1, PageRows: 8, SlowPages: true}},
	{rule.CopyAll, "snapshot copies nothing", mSnap},
	{rule.JoinerBehindSource, "joiner ahead of its source", Scope{Serving: 1, Replicas: 2, MinAck: 1, Epochs: 3, Ops: []opKind{opPut, opPut}, Crashes: 1, Join: "B"}},
	{rule.HandBackFinal, "drained tail takes a late grant", Scope{Serving: 3, Replicas: 3, Epochs: 2, Ops: []opKind{opPut}, Crashes: 1, Drains: 1, Remove: "C"}},
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
			res := Explore(m.scope, ExploreOptions{States: 3_000_000, rules: rule.Without(m.rule)})
			require.Error(t, res.Err, "%s", res)
			t.Logf("%s\n%s", res, strings.Join(res.Story, "\n"))
			if m.rule != rule.EpochPersisted { // seen before the first step
				require.Equal(t, "     violation: "+res.Err.Error(), res.Story[len(res.Story)-1])
			}
		})
	}
}

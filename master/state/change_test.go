package state

import (
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// lab is one chain to which changes are made by hand.
type lab struct {
	t  *testing.T
	st *State
	n  uint64
	id chain.ChainID
}

func rep(store, inc int) chain.ReplicaID {
	return chain.ReplicaID{Store: sid(store), Incarnation: uint64(inc)}
}

// newLab has one index chain (1) and one data chain (3) on the given stores of
// five, in the order A=1, B=2, ...
func newLab(t *testing.T, factor uint8, kind chain.Kind) *lab {
	l := &lab{t: t, st: &State{}, id: 1}
	l.must(Command{Init: &Init{Cluster: chain.ClusterID{1}, Stores: newStores(5, 1), Tablets: 1, DataChains: 1, Factor: factor}})
	if kind == chain.KindData {
		l.id = 3
	}
	c := l.st.Chains[l.st.chainIndex(l.id)].clone()
	c.Config.Serving = nil
	for i := range int(factor) {
		c.Config.Serving = append(c.Config.Serving, rep(i+1, 1))
	}
	c.Config.Settled = append([]chain.ReplicaID{}, c.Config.Serving...)
	c.Config.Recoverable = append([]chain.ReplicaID{}, c.Config.Serving...)
	l.st.Chains[l.st.chainIndex(l.id)] = c
	require.NoError(t, l.st.Check())
	return l
}

func (l *lab) apply(cmd Command) error {
	l.n++
	cmd.Op = chain.OpID{byte(l.n), byte(l.n >> 8), 7}
	err := l.st.Apply(l.n, cmd).Err()
	require.NoError(l.t, l.st.Check())
	return err
}

func (l *lab) must(cmd Command) {
	l.t.Helper()
	require.NoError(l.t, l.apply(cmd))
}

func (l *lab) cfg() *chain.Config { return &l.st.Chain(l.id).Config }

// try makes a change in the present epoch.
func (l *lab) try(c ChangeChain) error {
	c.Chain = l.id
	if c.Expect.IsZero() {
		c.Expect = l.cfg().Epoch
	}
	if (c.Kind == ChangePromote || c.Kind == ChangeSettle) && c.Reported.IsZero() {
		c.Reported = c.Expect
	}
	return l.apply(Command{Change: &c})
}

func (l *lab) do(kind ChangeKind, rs ...chain.ReplicaID) {
	l.t.Helper()
	require.NoError(l.t, l.try(ChangeChain{Kind: kind, Replicas: rs, Reason: "test"}))
}

func (l *lab) refused(why string, kind ChangeKind, rs ...chain.ReplicaID) {
	l.t.Helper()
	before := *l.st.Chain(l.id)
	require.ErrorContains(l.t, l.try(ChangeChain{Kind: kind, Replicas: rs, Reason: "test"}), why)
	require.Equal(l.t, before, *l.st.Chain(l.id), "a refused change changes nothing")
}

func TestEpochsFormOneLine(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	first := l.cfg().Epoch
	l.do(ChangeRemove, rep(2, 1))
	require.Equal(t, first, l.cfg().Prev)
	require.Equal(t, first.Next(), l.cfg().Epoch)
	err := l.try(ChangeChain{Kind: ChangeJoin, Expect: first, Replicas: []chain.ReplicaID{rep(2, 1)}})
	require.ErrorContains(t, err, "is at epoch 0.2, not 0.1")
}

func TestAnEpochNamesOneConfigurationSettledMembersIncluded(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1))
	l.do(ChangeJoin, rep(1, 1))
	l.do(ChangePromote, rep(1, 1))
	require.Equal(t, []chain.ReplicaID{rep(2, 1), rep(3, 1)}, l.cfg().Settled, "promotion unsettles")
	require.Equal(t, l.cfg().Settled, l.cfg().Recoverable, "only settled members")
	e := l.cfg().Epoch
	l.do(ChangeSettle, rep(1, 1))
	require.Equal(t, e.Next(), l.cfg().Epoch)
	require.Equal(t, l.cfg().Serving, l.cfg().Recoverable)
}

func TestPromotionSettlesOnADataChain(t *testing.T) {
	l := newLab(t, 3, chain.KindData)
	l.do(ChangeRemove, rep(1, 1))
	l.do(ChangeJoin, rep(4, 2))
	l.do(ChangePromote, rep(4, 2))
	require.Equal(t, []chain.ReplicaID{rep(2, 1), rep(3, 1), rep(4, 2)}, l.cfg().Recoverable)
}

func TestPromotionIsCompareAndSetOnTheReportsEpoch(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1))
	l.do(ChangeJoin, rep(4, 2))
	reported := l.cfg().Epoch
	l.do(ChangeRemove, rep(2, 1))
	err := l.try(ChangeChain{Kind: ChangePromote, Replicas: []chain.ReplicaID{rep(4, 2)}, Reported: reported})
	require.ErrorContains(t, err, "was in sync in epoch 0.3 only")
	l.do(ChangePromote, rep(4, 2))
	require.Equal(t, rep(4, 2), l.cfg().Tail())
}

func TestALeaseBeforeThePromotionDoesNotSettle(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(3, 1))
	before := l.cfg().Epoch
	l.do(ChangeJoin, rep(3, 1))
	l.do(ChangePromote, rep(3, 1))
	err := l.try(ChangeChain{Kind: ChangeSettle, Replicas: []chain.ReplicaID{rep(3, 1)}, Reported: before})
	require.ErrorContains(t, err, "promoted in 0.4")
	future := l.cfg().Epoch.Next()
	require.Error(t, l.try(ChangeChain{Kind: ChangeSettle, Replicas: []chain.ReplicaID{rep(3, 1)}, Reported: future}))
	// An epoch later the lease of the promotion's own epoch still counts.
	promoted := l.cfg().Epoch
	l.do(ChangeRemove, rep(1, 1))
	require.NoError(t, l.try(ChangeChain{Kind: ChangeSettle, Replicas: []chain.ReplicaID{rep(3, 1)}, Reported: promoted}))
}

func TestEveryConfigurationHasASettledMember(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1), rep(2, 1))
	l.do(ChangeJoin, rep(4, 2))
	l.do(ChangePromote, rep(4, 2))
	l.refused("no settled member would serve", ChangeRemove, rep(3, 1))
	l.refused("nobody would serve", ChangeRemove, rep(3, 1), rep(4, 2))
	l.do(ChangeSettle, rep(4, 2))
	l.do(ChangeRemove, rep(3, 1))
	require.Equal(t, rep(4, 2), l.cfg().Head())
}

func TestAnUnsettledMemberIsNeverFollowedSoNeverHead(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1))
	l.do(ChangeJoin, rep(4, 2))
	l.do(ChangePromote, rep(4, 2))
	l.do(ChangeJoin, rep(5, 3))
	l.refused("the tail has not settled yet", ChangePromote, rep(5, 3))
	err := l.try(ChangeChain{Kind: ChangeRemove, Choice: true, Replicas: []chain.ReplicaID{rep(2, 1)}})
	require.ErrorContains(t, err, "is settled and another member is not yet")
	l.do(ChangeSettle, rep(4, 2))
	l.do(ChangePromote, rep(5, 3))
}

func TestTheRecoverableSetBelowMinAckIsTheLastCommittingOnes(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	all := append([]chain.ReplicaID{}, l.cfg().Serving...)
	l.do(ChangeRemove, rep(1, 1), rep(2, 1))
	require.Equal(t, all, l.cfg().Recoverable, "nothing commits without the two, so they still hold everything")
	require.False(t, l.cfg().Writable())
	l.do(ChangeRestart, rep(1, 1))
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, l.cfg().Serving)
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, l.cfg().Settled)
	require.Equal(t, all, l.cfg().Recoverable)
	// The third one was in the set: it joins beside its old rows.
	l.refused("would have to be incarnation 2", ChangeJoin, rep(3, 1))
	l.do(ChangeJoin, rep(3, 2))
	l.do(ChangePromote, rep(3, 2))
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, l.cfg().Recoverable, "it commits again, and the new tail is not settled")
}

func TestADeadChainStartsOnlyFromTheRecoverableSet(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1))
	l.refused("is not in the recoverable set", ChangeRestart, rep(1, 1))
	l.do(ChangeForce, rep(1, 1))
	require.Equal(t, []Forced{{Chain: 1, Epoch: l.cfg().Epoch, Replica: rep(1, 1), Reason: "test"}}, l.st.Forced)
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, l.cfg().Recoverable)
	require.Error(t, l.try(ChangeChain{Kind: ChangeForce, Replicas: []chain.ReplicaID{rep(2, 1)}}), "without a reason")
	l.refused("the chain knows no replica", ChangeForce, rep(5, 1))
}

func TestARemovedMemberComesBackOnlyAsAJoiner(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(2, 1))
	l.refused("is not joining", ChangePromote, rep(2, 1))
	l.refused("does not serve", ChangeSettle, rep(2, 1))
	l.do(ChangeJoin, rep(2, 1))
	l.refused("is joining already", ChangeJoin, rep(4, 2))
	l.do(ChangeDrop, rep(2, 1))
	l.do(ChangeJoin, rep(4, 2))
	l.refused("is not joining", ChangePromote, rep(2, 1))
}

func TestRowsThatMayNotBeBelievedComeBackAsANewIncarnation(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	require.NoError(t, l.try(ChangeChain{Kind: ChangeRemove, Replicas: []chain.ReplicaID{rep(2, 1)}, Void: true}))
	l.refused("would have to be incarnation 2", ChangeJoin, rep(2, 1))
	l.do(ChangeJoin, rep(2, 2))
	require.NoError(t, l.try(ChangeChain{Kind: ChangeDrop, Replicas: []chain.ReplicaID{rep(2, 2)}, Void: true}))
	l.refused("would have to be incarnation 3", ChangeJoin, rep(2, 2))
	l.do(ChangeJoin, rep(2, 3))
}

func TestAnIOErrorMakesEverythingOnTheStoreSuspect(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	fail := &SetStoreState{ID: sid(2), Expect: chain.StoreLive, State: chain.StoreFailed, Broken: true, Reason: "EIO"}
	l.must(Command{SetStore: fail})
	require.Equal(t, []chain.ReplicaID{rep(2, 1)}, l.st.Chain(1).Suspect)
	require.Error(t, l.apply(Command{SetStore: fail}), "it has failed already")
	l.do(ChangeRemove, rep(2, 1))
	require.Empty(t, l.st.Chain(1).Suspect)
	l.refused("is not live", ChangeJoin, rep(2, 2))
	l.must(Command{SetStore: &SetStoreState{ID: sid(2), Expect: chain.StoreFailed, State: chain.StoreLive, Incarnation: 1}})
	require.EqualValues(t, 2, l.st.Store(sid(2)).Incarnation, "whatever it says itself")
	l.refused("would have to be incarnation 2", ChangeJoin, rep(2, 1))
	l.do(ChangeJoin, rep(2, 2))
}

func TestAFormerMemberWhoseStoreBreaksLaterMayNotRestartTheChain(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	l.do(ChangeRemove, rep(1, 1), rep(2, 1))
	l.must(Command{SetStore: &SetStoreState{ID: sid(1), Expect: chain.StoreLive, State: chain.StoreFailed, Broken: true}})
	l.refused("are not to be believed", ChangeRestart, rep(1, 1))
	l.do(ChangeRestart, rep(2, 1))
	require.Equal(t, []chain.ReplicaID{rep(2, 1), rep(3, 1)}, l.cfg().Recoverable)
}

func TestAReplacedStoreIsNeverUsedAgain(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	n := newStores(1, 9)[0]
	require.ErrorContains(t, l.apply(Command{Replace: &ReplaceStore{Old: sid(2), Store: n}}), "has not failed")
	l.must(Command{SetStore: &SetStoreState{ID: sid(2), Expect: chain.StoreLive, State: chain.StoreFailed}})
	l.must(Command{Replace: &ReplaceStore{Old: sid(2), Store: n}})
	require.Equal(t, sid(2), l.st.Store(n.ID).Replaces)
	require.ErrorContains(t, l.apply(Command{SetStore: &SetStoreState{ID: sid(2), Expect: chain.StoreReplaced, State: chain.StoreLive}}), "never used again")
	require.ErrorContains(t, l.apply(Command{AddStore: &AddStore{Store: newStores(1, 2)[0]}}), "is known already")
	l.do(ChangeRemove, rep(2, 1))
	require.Empty(t, l.st.Chain(1).Former, "what was on it need not be remembered")
}

func TestMinAckRisesOnlyWithTheMembers(t *testing.T) {
	l := newLab(t, 1, chain.KindIndex)
	require.EqualValues(t, 1, l.cfg().MinAck)
	require.ErrorContains(t, l.try(ChangeChain{Kind: ChangeResize, Factor: 3, MinAck: 2}), "1 members, min_ack 2")
	require.NoError(t, l.try(ChangeChain{Kind: ChangeResize, Factor: 3, MinAck: 1}))
	l.do(ChangeJoin, rep(2, 2))
	l.do(ChangePromote, rep(2, 2))
	require.NoError(t, l.try(ChangeChain{Kind: ChangeResize, Factor: 3, MinAck: 2}))
	require.Error(t, l.try(ChangeChain{Kind: ChangeResize, Factor: 3, MinAck: 2}), "changes nothing")
	require.Error(t, l.try(ChangeChain{Kind: ChangeResize, Factor: 2, MinAck: 3}))
	l.do(ChangeSettle, rep(2, 2))
	require.Error(t, l.try(ChangeChain{Kind: ChangeRemove, Choice: true, Replicas: []chain.ReplicaID{rep(1, 1)}}), "it could not commit")
}

func TestTheSameCommandTwice(t *testing.T) {
	l := newLab(t, 3, chain.KindIndex)
	cmd := Command{Op: chain.OpID{42}, Change: &ChangeChain{Chain: 1, Expect: l.cfg().Epoch, Kind: ChangeRemove, Replicas: []chain.ReplicaID{rep(1, 1)}}}
	first := l.st.Apply(100, cmd)
	require.NoError(t, first.Err())
	again := l.st.Apply(101, cmd)
	require.True(t, again.Repeat)
	require.Equal(t, first.Version, again.Version)
	require.NoError(t, again.Err())
	require.EqualValues(t, 100, l.st.Version)
	// A refusal is remembered as well.
	bad := Command{Op: chain.OpID{43}, Factor: &SetFactor{Expect: 9, Factor: 2}}
	require.Equal(t, l.st.Apply(102, bad).Refused, l.st.Apply(103, bad).Refused)
	// The window is bounded.
	for i := range OpWindow + 10 {
		l.st.Apply(200, Command{Op: chain.OpID{1, 1, byte(i), byte(i >> 8), 1}, Factor: &SetFactor{Expect: 9, Factor: 2}})
	}
	require.Len(t, l.st.Ops, OpWindow)
}

func TestRefusedCommands(t *testing.T) {
	empty := &State{}
	require.Error(t, empty.Apply(1, Command{Op: chain.OpID{1}, Feature: &SetFeature{Level: 1}}).Err(), "before Init")
	l := newLab(t, 3, chain.KindIndex)
	for name, cmd := range map[string]Command{
		"a second init":       {Init: &Init{Cluster: chain.ClusterID{2}, Stores: newStores(3, 1), Tablets: 1, DataChains: 1}},
		"an unknown chain":    {Change: &ChangeChain{Chain: 99, Kind: ChangeSettle, Replicas: []chain.ReplicaID{rep(1, 1)}}},
		"no replica":          {Change: &ChangeChain{Chain: 1, Expect: l.cfg().Epoch, Kind: ChangeJoin}},
		"two to join":         {Change: &ChangeChain{Chain: 1, Expect: l.cfg().Epoch, Kind: ChangeJoin, Replicas: []chain.ReplicaID{rep(4, 2), rep(5, 3)}}},
		"a joiner that is in": {Change: &ChangeChain{Chain: 1, Expect: l.cfg().Epoch, Kind: ChangeJoin, Replicas: []chain.ReplicaID{rep(1, 2)}}},
		"an unknown store":    {SetStore: &SetStoreState{ID: sid(77), Expect: chain.StoreLive, State: chain.StoreFailed}},
		"a wrong state":       {SetStore: &SetStoreState{ID: sid(1), Expect: chain.StoreFailed, State: chain.StoreLive}},
		"live to live":        {SetStore: &SetStoreState{ID: sid(1), Expect: chain.StoreLive, State: chain.StoreLive}},
		"a factor of 0":       {Factor: &SetFactor{Expect: 3}},
		"a factor of 99":      {Factor: &SetFactor{Expect: 3, Factor: 99}},
		"an older feature":    {Feature: &SetFeature{}},
	} {
		before, err := l.st.EncodeSnapshot()
		require.NoError(t, err)
		ops := len(l.st.Ops)
		require.Error(t, l.apply(cmd), name)
		l.st.Ops = l.st.Ops[:ops]
		after, err := l.st.EncodeSnapshot()
		require.NoError(t, err)
		require.Equal(t, string(before), string(after), name)
	}
	for name, c := range map[string]Init{
		"no cluster":           {Stores: newStores(3, 1), Tablets: 1, DataChains: 1},
		"no stores":            {Cluster: chain.ClusterID{1}, Tablets: 1, DataChains: 1},
		"a store twice":        {Cluster: chain.ClusterID{1}, Stores: append(newStores(3, 1), newStores(1, 1)...), Tablets: 1, DataChains: 1},
		"no tablets":           {Cluster: chain.ClusterID{1}, Stores: newStores(3, 1), DataChains: 1},
		"too many data chains": {Cluster: chain.ClusterID{1}, Stores: newStores(3, 1), Tablets: 1, DataChains: 1 << 20},
		"a factor above":       {Cluster: chain.ClusterID{1}, Stores: newStores(2, 1), Tablets: 1, DataChains: 1, Factor: 3},
	} {
		st := &State{}
		require.Error(t, st.Apply(1, Command{Op: chain.OpID{1}, Init: &c}).Err(), name)
		require.True(t, st.Cluster.IsZero(), name)
	}
}

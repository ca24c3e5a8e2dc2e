package state

import (
	"slices"
	"strings"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// scene is a sim with the helpers of the planner's tests.
func scene(t *testing.T, stores int, factor uint8) *sim {
	s := newSim(t, stores, factor)
	s.settleDown()
	return s
}

func (s *sim) set(id int, h Health) {
	h.Since, h.Incarnation = s.now, max(h.Incarnation, s.obs[sid(id)].Incarnation)
	s.obs[sid(id)] = h
}

// plan is the planner's text, without applying it.
func (s *sim) plan(reports ...chain.Report) string {
	return Describe(Next(s.st, s.observed(reports)))
}

func (s *sim) cfg(id chain.ChainID) *chain.Config { return &s.st.Chain(id).Config }

func (s *sim) on(id int) (n int) {
	for _, c := range s.st.Chains {
		if slices.ContainsFunc(c.Config.Serving, func(r chain.ReplicaID) bool { return r.Store == sid(id) }) {
			n++
		}
	}
	return n
}

func TestNothingToDo(t *testing.T) {
	require.Equal(t, "nothing to change\n", scene(t, 3, 3).plan())
	require.Empty(t, Next(&State{}, Observed{}), "before Init")
}

func TestAFailedStoreLeavesItsChainsAtOnce(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(2, Health{Broken: true, Reason: "EIO"})
	require.Equal(t, 5, s.round(nil, 100), "the store and its four chains in one batch: %s", s.plan())
	require.Zero(t, s.on(2))
	require.Equal(t, "nothing to change\n", s.plan())
}

func TestTwoStoresThatFailTogetherLeaveInOneStep(t *testing.T) {
	s := scene(t, 4, 3)
	s.set(1, Health{Broken: true})
	s.set(2, Health{Broken: true})
	s.round(nil, 100)
	for _, c := range s.st.Chains {
		for _, r := range c.Config.Serving {
			require.NotContains(t, []chain.StoreID{sid(1), sid(2)}, r.Store)
		}
		require.LessOrEqual(t, c.Config.Epoch.N, uint64(2), "one epoch, so the recoverable set keeps whoever may come back")
	}
}

func TestAChainThatCouldNotCommitKeepsItsMembers(t *testing.T) {
	s := scene(t, 2, 2)
	s.set(2, Health{Reason: "silent"})
	s.round(nil, 100)
	require.Equal(t, 4, s.on(2), "nobody could join: the member is waited for")
	s.set(2, Health{Alive: true})
	s.settleDown()
	require.EqualValues(t, 1, s.cfg(1).Epoch.N, "and resumes without a resync")
}

func TestAStoreInThePlaceOfALostOneIsFilled(t *testing.T) {
	s := scene(t, 3, 3)
	s.work()
	s.set(3, Health{Broken: true})
	s.round(nil, 100)
	s.offer = []Offer{{Store: newStores(1, 9)[0], Replaces: sid(3)}}
	s.set(9, Health{Alive: true, Incarnation: 1})
	require.Contains(t, s.plan(), "put store "+sid(9).String()+" in the place of "+sid(3).String())
	s.round(nil, 100)
	require.Contains(t, s.plan(), "stands in the place of store "+sid(3).String())
	s.settleDown()
	require.Equal(t, 4, s.on(9))
	require.Equal(t, chain.StoreReplaced, s.st.Store(sid(3)).State)
	for _, c := range s.st.Chains {
		require.EqualValues(t, 2, c.Config.Tail().Incarnation)
		require.Equal(t, sid(9), c.Config.Tail().Store)
	}
}

func TestAReplacedStoreThatIsStillThoughtLive(t *testing.T) {
	s := scene(t, 3, 3)
	delete(s.obs, sid(3))
	s.offer = []Offer{{Store: newStores(1, 9)[0], Replaces: sid(3)}}
	s.set(9, Health{Alive: true, Incarnation: 1})
	s.settleDown()
	require.Equal(t, 4, s.on(9))
}

func TestAnAbsentStoreIsWaitedForBeforeItIsReplacedElsewhere(t *testing.T) {
	s := scene(t, 4, 3)
	s.set(1, Health{Reason: "silent"})
	s.round(nil, 100)
	require.Zero(t, s.on(1))
	require.Equal(t, "nothing to change\n", s.plan())
	s.now = s.now.Add(599 * chain.Second)
	require.Equal(t, "nothing to change\n", s.plan())
	s.now = s.now.Add(2 * chain.Second)
	require.Contains(t, s.plan(), "the chain lacks a member")
}

func TestABrokenStoreIsReplacedElsewhereAtOnce(t *testing.T) {
	s := scene(t, 4, 3)
	s.set(1, Health{Broken: true})
	s.round(nil, 100)
	require.Contains(t, s.plan(), "the chain lacks a member")
	s.settleDown()
	for _, c := range s.st.Chains {
		require.Len(t, c.Config.Serving, 3)
	}
}

func TestAReturningStoreKeepsItsIncarnation(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Reason: "silent"})
	s.round(nil, 100)
	s.set(1, Health{Alive: true})
	s.round(nil, 100)
	require.Contains(t, s.plan(), "fill 01000000/1 (is back, with what it had)")
	s.settleDown()
	require.Equal(t, rep(1, 1), s.cfg(1).Tail())
}

func TestAStoreThatBrokeComesBackAsANewIncarnation(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Broken: true})
	s.round(nil, 100)
	s.set(1, Health{Alive: true, Incarnation: 2})
	s.round(nil, 100)
	require.Contains(t, s.plan(), "fill 01000000/2 (is back, and is filled anew)")
	s.settleDown()
	require.Equal(t, rep(1, 2), s.cfg(1).Tail())
	require.EqualValues(t, 2, s.st.Store(sid(1)).Incarnation)
}

func TestALastMemberWhoseStoreBrokeServesOnWhenItIsBack(t *testing.T) {
	s := scene(t, 1, 1)
	s.work()
	s.set(1, Health{Broken: true})
	s.round(nil, 100)
	s.set(1, Health{Alive: true})
	s.settleDown()
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, s.cfg(1).Serving, "no other copy exists")
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, s.st.Chain(1).Suspect)
	// As soon as there is a second store, the suspect rows are copied and given up.
	s.index++
	s.st.Apply(s.index, Command{Op: chain.OpID{77}, Factor: &SetFactor{Expect: 1, Factor: 2}})
	s.offer = []Offer{{Store: newStores(1, 9)[0]}}
	s.set(9, Health{Alive: true, Incarnation: 1})
	s.settleDown()
	require.NotContains(t, s.cfg(1).Serving, rep(1, 1))
	require.Empty(t, s.st.Chain(1).Suspect)
	require.Len(t, s.cfg(1).Serving, 2)
}

func TestADeadChainRestartsFromWhoeverIsBackFirst(t *testing.T) {
	s := scene(t, 3, 3)
	s.work()
	require.Equal(t, []chain.StoreID{sid(1)}, []chain.StoreID{s.cfg(1).Head().Store})
	order := slices.Clone(s.cfg(1).Serving)
	for i := 1; i <= 3; i++ {
		s.set(i, Health{Reason: "silent"})
		s.round(nil, 100)
	}
	require.Equal(t, order[1:], s.cfg(1).Serving, "nobody was left to go on")
	s.set(2, Health{Alive: true})
	s.settleDown()
	s.set(1, Health{Alive: true})
	s.set(3, Health{Alive: true})
	s.settleDown()
	require.Len(t, s.cfg(1).Serving, 3)
}

func TestASoleSurvivorThatFailsGivesWayToTheRecoverableSet(t *testing.T) {
	s := scene(t, 4, 3)
	s.work()
	id := s.st.Chains[0].Config.Chain
	m := slices.Clone(s.cfg(id).Serving)
	// Two fail, a fourth store could join, so the third goes on alone ...
	for _, r := range m[:2] {
		s.obs[r.Store] = Health{Reason: "silent", Since: s.now}
	}
	s.round(nil, 100)
	require.Equal(t, m[2:], s.cfg(id).Serving)
	require.Equal(t, m, s.cfg(id).Recoverable)
	// ... and fails before it is filled, while the first is back.
	s.obs[m[2].Store] = Health{Broken: true, Since: s.now}
	s.obs[m[0].Store] = Health{Alive: true, Since: s.now, Incarnation: 1}
	s.round(nil, 100)
	require.Contains(t, s.plan(), "restart from "+m[0].String())
	s.round(nil, 100)
	require.Equal(t, m[:1], s.cfg(id).Serving)
}

func TestReportsArePutToUseOnlyInTheirEpoch(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Reason: "silent"})
	s.round(nil, 100)
	s.set(1, Health{Alive: true})
	s.round(nil, 100)
	s.round(nil, 100)
	c := s.cfg(1)
	require.Equal(t, []chain.ReplicaID{rep(1, 1)}, c.Syncing)
	in := chain.Report{Kind: chain.ReportInSync, Chain: 1, Epoch: c.Epoch, From: c.Tail(), Replica: rep(1, 1)}
	require.Contains(t, s.plan(in), "let 01000000/1 serve (in sync)")
	for name, wrong := range map[string]func(*chain.Report){
		"an older epoch":    func(r *chain.Report) { r.Epoch = c.Prev },
		"not from the tail": func(r *chain.Report) { r.From = c.Head() },
		"another replica":   func(r *chain.Report) { r.Replica = rep(1, 2) },
		"another chain":     func(r *chain.Report) { r.Chain = 99 },
	} {
		r := in
		wrong(&r)
		require.NotContains(t, s.plan(r), "serve", name)
	}
}

func TestAJoinerThatIsTooFarBehindIsFilledAsANewIncarnation(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Reason: "silent"})
	s.round(nil, 100)
	s.set(1, Health{Alive: true})
	s.round(nil, 100)
	s.round(nil, 100)
	c := s.cfg(1)
	behind := chain.Report{Kind: chain.ReportBehind, Chain: 1, Epoch: c.Epoch, From: c.Tail(), Replica: rep(1, 1)}
	s.round([]chain.Report{behind}, 100)
	require.Empty(t, s.cfg(1).Syncing)
	s.round([]chain.Report{behind}, 100)
	require.Equal(t, []chain.ReplicaID{rep(1, 2)}, s.cfg(1).Syncing)
	s.settleDown()
}

func TestADivergedReplicaRejoinsAsANewIncarnation(t *testing.T) {
	s := scene(t, 3, 3)
	c := s.cfg(1)
	bad, head := c.Serving[1], c.Head()
	own := chain.Report{Kind: chain.ReportDiverged, Chain: 1, Epoch: c.Epoch, From: bad, Replica: bad, Detail: "digest"}
	require.Contains(t, s.plan(own), "remove "+bad.String()+" (its log diverged: digest)")
	accused := own
	accused.From, accused.Replica = c.Tail(), head
	require.Contains(t, s.plan(accused), "remove "+head.String())
	accused.Epoch = c.Prev
	require.Equal(t, "nothing to change\n", s.plan(accused), "an accusation holds in its own epoch")
	accused.Epoch, accused.From = c.Epoch, rep(9, 1)
	require.Equal(t, "nothing to change\n", s.plan(accused), "and from a member")
	s.round([]chain.Report{own}, 100)
	s.settleDown()
	require.Equal(t, chain.ReplicaID{Store: bad.Store, Incarnation: 2}, s.cfg(1).Tail())
}

// A disk that came back older may be all that serves, and says itself that it
// lacks what was acknowledged: another of the recoverable set has it.
func TestASoleSurvivorThatLeavesGivesWayToTheRecoverableSet(t *testing.T) {
	s := scene(t, 3, 3)
	m := slices.Clone(s.cfg(1).Serving)
	own := chain.Report{Kind: chain.ReportDiverged, Chain: 1, Epoch: s.cfg(1).Epoch, From: m[1], Replica: m[1], Detail: "older"}
	s.set(int(m[0].Store[15]), Health{Incarnation: 1})
	s.set(int(m[2].Store[15]), Health{Incarnation: 1})
	require.NotContains(t, s.plan(own), "restart from", "nobody else is there")
	s.set(int(m[0].Store[15]), Health{Alive: true, Incarnation: 1})
	s.st.Chain(1).Config.Serving = []chain.ReplicaID{m[1]}
	require.NotContains(t, s.plan(), "restart from", "it serves")
	require.Contains(t, s.plan(own), "restart from "+m[0].String())
}

func TestTheLastSettledMemberStaysWhateverIsSaidOfIt(t *testing.T) {
	s := scene(t, 1, 1)
	c := s.cfg(1)
	own := chain.Report{Kind: chain.ReportDiverged, Chain: 1, Epoch: c.Epoch, From: c.Head(), Replica: c.Head()}
	require.Equal(t, "nothing to change\n", s.plan(own))
}

func TestJoinsAreBounded(t *testing.T) {
	s := &sim{t: t, st: fresh(t, 3, 12, 32), index: 1, now: 1, obs: map[chain.StoreID]Health{}, acked: map[chain.ChainID]int{}, has: map[holding]int{}, path: map[chain.ChainID]onPath{}, lose: func(int) int { return 0 }}
	for i := 1; i <= 3; i++ {
		s.set(i, Health{Alive: true, Incarnation: 1})
	}
	s.set(3, Health{Broken: true})
	s.round(nil, 1000)
	s.offer = []Offer{{Store: newStores(1, 9)[0], Replaces: sid(3)}}
	s.set(9, Health{Alive: true, Incarnation: 1})
	s.round(nil, 1000)
	for range 3 { // nobody gets in sync
		s.round(nil, 1000)
		syncing := 0
		for _, c := range s.st.Chains {
			if len(c.Config.Syncing) > 0 {
				syncing++
				require.LessOrEqual(t, c.Config.Chain, chain.ChainID(13), "tablets first")
			}
		}
		require.Equal(t, 8, syncing)
	}
	s.settleDown()
	require.Equal(t, 45, s.on(9))
}

func TestAFlappingStoreIsGivenJoinersLate(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Reason: "silent"})
	s.round(nil, 100)
	s.set(1, Health{Alive: true, Flaps: 3})
	s.round(nil, 100)
	require.Equal(t, chain.StoreLive, s.st.Store(sid(1)).State)
	s.now = s.now.Add(19 * chain.Second)
	require.Equal(t, "nothing to change\n", s.plan(), "three losses: 5 s doubled twice")
	s.now = s.now.Add(2 * chain.Second)
	require.Contains(t, s.plan(), "is back")
}

func TestAFullStoreTakesNoJoiner(t *testing.T) {
	s := scene(t, 4, 3)
	s.set(4, Health{Alive: true, Full: true})
	s.set(1, Health{Broken: true})
	s.round(nil, 100)
	for _, c := range s.st.Chains {
		if c.Config.Member(rep(4, 1)) {
			continue
		}
		require.Empty(t, c.Config.Syncing)
	}
}

func TestAnAddedStoreTakesItsShare(t *testing.T) {
	s := &sim{t: t, st: fresh(t, 3, 12, 32), index: 1, now: 1, obs: map[chain.StoreID]Health{}, acked: map[chain.ChainID]int{}, has: map[holding]int{}, path: map[chain.ChainID]onPath{}, lose: func(int) int { return 0 }}
	for i := 1; i <= 3; i++ {
		s.set(i, Health{Alive: true, Incarnation: 1})
	}
	n := newStores(1, 4)[0]
	n.Domain = [4]string{"z", "r", "h1", "d9"}
	s.offer = []Offer{{Store: n}}
	s.set(4, Health{Alive: true, Incarnation: 1})
	s.settleDown()
	require.Equal(t, []int{34, 34, 34, 33}, []int{s.on(1), s.on(2), s.on(3), s.on(4)})
	for _, c := range s.st.Chains {
		require.Len(t, c.Config.Serving, 3)
	}
}

func TestTheFactorIsFollowedUpAndDown(t *testing.T) {
	s := scene(t, 3, 1)
	for i, f := range []uint8{3, 2, 1, 3} {
		s.index++
		require.NoError(t, s.st.Apply(s.index, Command{Op: chain.OpID{88, byte(i)}, Factor: &SetFactor{Expect: s.st.Factor, Factor: f}}).Err())
		s.settleDown()
		for _, c := range s.st.Chains {
			require.Len(t, c.Config.Serving, int(f))
			require.Equal(t, f, c.Config.Factor)
			require.Equal(t, min(2, f), c.Config.MinAck)
		}
	}
}

func TestACommandMadeTwiceForOneStateIsOneCommand(t *testing.T) {
	s := scene(t, 3, 3)
	s.set(1, Health{Broken: true})
	a, b := Next(s.st, s.observed(nil)), Next(s.st, s.observed(nil))
	require.Equal(t, a, b)
	s.round(nil, 1)
	c := Next(s.st, s.observed(nil))
	require.NotEqual(t, a[1].Op, c[0].Op, "for another state it is another one")
	require.Equal(t, strings.TrimSpace(a[1].String()), strings.TrimSpace(c[0].String()))
}

func TestBelowFactor(t *testing.T) {
	s := scene(t, 3, 3)
	installed := func(id chain.ChainID, _ chain.ReplicaID) chain.Epoch { return s.cfg(id).Epoch }
	nobody := func(chain.StoreID) bool { return false }
	require.Empty(t, s.st.BelowFactor(Confirm{installed, nobody}))
	require.Len(t, s.st.BelowFactor(Confirm{func(chain.ChainID, chain.ReplicaID) chain.Epoch { return chain.Epoch{} }, nobody}), 4, "nothing confirmed")
	require.Len(t, s.st.BelowFactor(Confirm{installed, func(id chain.StoreID) bool { return id == sid(2) }}), 4, "a store that is down")
	s.set(1, Health{Broken: true})
	s.round(nil, 2)
	require.Len(t, s.st.BelowFactor(Confirm{installed, nobody}), 4)
}

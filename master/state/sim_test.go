package state

import (
	"fmt"
	"slices"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// sim is a cluster as the planner sees it, with a ghost of what the chains
// hold: how many writes were acknowledged, and how many each replica has.
type sim struct {
	t     require.TestingT
	st    *State
	index uint64
	now   chain.Instant
	obs   map[chain.StoreID]Health
	offer []Offer
	// gone are the stores whose disk will never come back.
	gone map[chain.StoreID]bool
	next int
	// acked by chain; has by chain and replica; path is the joiner that the tail
	// has put on the commit path, and the epoch in which it did.
	acked map[chain.ChainID]int
	has   map[holding]int
	path  map[chain.ChainID]onPath
	lose  func(most int) int
}

type holding struct {
	chain   chain.ChainID
	replica chain.ReplicaID
}

type onPath struct {
	replica chain.ReplicaID
	epoch   chain.Epoch
}

func sid(n int) chain.StoreID { return chain.StoreID{0: byte(n), 15: byte(n)} }

func newStores(n, first int) (out []NewStore) {
	for i := range n {
		k := first + i
		out = append(out, NewStore{ID: sid(k), Domain: [4]string{"z", "r", fmt.Sprint("h", k/2), fmt.Sprint("d", k)}, Incarnation: 1})
	}
	return out
}

func newSim(t require.TestingT, stores int, factor uint8) *sim {
	s := &sim{
		t: t, st: &State{}, obs: map[chain.StoreID]Health{}, gone: map[chain.StoreID]bool{}, next: stores + 1, now: 1,
		acked: map[chain.ChainID]int{}, has: map[holding]int{}, path: map[chain.ChainID]onPath{}, lose: func(int) int { return 0 },
	}
	s.apply(Command{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1}, Stores: newStores(stores, 1), Tablets: 1, DataChains: 2, Factor: factor}})
	for _, x := range s.st.Stores {
		s.obs[x.ID] = Health{Alive: true, Incarnation: 1}
	}
	return s
}

// apply applies a command that must not be refused, and holds the state to its
// invariants.
func (s *sim) apply(cmd Command) {
	b, err := Encode([]Command{cmd})
	require.NoError(s.t, err)
	back, err := Decode(b)
	require.NoError(s.t, err)
	s.index++
	before := s.st.Clone()
	res := s.st.Apply(s.index, back[0])
	if res.Err() != nil {
		require.NoError(s.t, res.Err(), "%s\n%s", cmd, dump(before))
	}
	require.NoError(s.t, s.st.Check(), "%s", cmd)
	if c := cmd.Change; c != nil && c.Kind == ChangeJoin {
		r := c.Replicas[0]
		k := holding{c.Chain, r}
		// A joiner that comes back is cut to where its log meets its source's.
		s.has[k] = max(0, s.has[k]-s.lose(s.has[k]))
	}
}

func dump(st *State) (out string) {
	for _, c := range st.Chains {
		out += fmt.Sprintf("chain %d %s %s serving %v syncing %v settled %v recoverable %v former %v suspect %v\n", c.Config.Chain, c.Config.Kind, c.Config.Epoch, c.Config.Serving, c.Config.Syncing, c.Config.Settled, c.Config.Recoverable, c.Former, c.Suspect)
	}
	for _, x := range st.Stores {
		out += fmt.Sprintf("store %s state %d broken %v\n", x.ID.String()[:4], x.State, x.Broken)
	}
	return out
}

func (s *sim) up(id chain.StoreID) bool { h := s.obs[id]; return h.Alive && !h.Broken }

// allUp reports whether everybody that serves is there.
func (s *sim) allUp(c *chain.Config) bool {
	return !slices.ContainsFunc(c.Serving, func(r chain.ReplicaID) bool { return !s.up(r.Store) })
}

// work lets each chain acknowledge a write, if it can.
func (s *sim) work() {
	for _, c := range s.st.Chains {
		cfg := &c.Config
		if !cfg.Writable() || !s.allUp(cfg) {
			continue
		}
		p := s.path[cfg.Chain]
		joiner := p.epoch == cfg.Epoch && cfg.IsSyncing(p.replica)
		if joiner && !s.up(p.replica.Store) {
			continue // nothing commits without a joiner on the commit path
		}
		s.acked[cfg.Chain]++
		for _, r := range cfg.Serving {
			s.has[holding{cfg.Chain, r}] = s.acked[cfg.Chain]
		}
		if joiner {
			s.has[holding{cfg.Chain, p.replica}] = s.acked[cfg.Chain]
		}
	}
}

// reports are what the replicas would say now; syncing ones have been filled.
func (s *sim) reports() (out []chain.Report) {
	for _, c := range s.st.Chains {
		cfg := &c.Config
		for i, r := range cfg.Serving {
			upstream := !slices.ContainsFunc(cfg.Serving[:i+1], func(m chain.ReplicaID) bool { return !s.up(m.Store) })
			if cfg.Kind == chain.KindIndex && !cfg.IsSettled(r) && upstream {
				out = append(out, chain.Report{Kind: chain.ReportSettled, Chain: cfg.Chain, Epoch: cfg.Epoch, From: r, Replica: r})
			}
		}
		for _, r := range cfg.Syncing {
			if s.up(r.Store) && s.up(cfg.Tail().Store) {
				s.has[holding{cfg.Chain, r}] = s.has[holding{cfg.Chain, cfg.Tail()}]
				s.path[cfg.Chain] = onPath{r, cfg.Epoch}
				out = append(out, chain.Report{Kind: chain.ReportInSync, Chain: cfg.Chain, Epoch: cfg.Epoch, From: cfg.Tail(), Replica: r})
			}
		}
	}
	return out
}

func (s *sim) observed(reports []chain.Report) Observed {
	o := Observed{Now: s.now, Stores: map[chain.StoreID]Health{}, Reports: reports, Offers: s.offer, Limits: DefaultLimits()}
	for id, h := range s.obs {
		o.Stores[id] = h
	}
	return o
}

// round plans once and applies everything, each command on what the ones
// before it made; only the last ones are cut off at times.
func (s *sim) round(reports []chain.Report, most int) int {
	cmds := Next(s.st, s.observed(reports))
	require.Equal(s.t, Describe(cmds), Describe(Next(s.st, s.observed(reports))), "the plan is a function of what it is given")
	for i, c := range cmds {
		if i >= most {
			break
		}
		s.apply(c)
		s.check()
	}
	return len(cmds)
}

// check is the promise: every member of the recoverable set holds every
// acknowledged write, and so does every settled member.
func (s *sim) check() {
	for _, c := range s.st.Chains {
		cfg := &c.Config
		for _, r := range slices.Concat(cfg.Recoverable, cfg.Settled) {
			if s.has[holding{cfg.Chain, r}] < s.acked[cfg.Chain] {
				require.Fail(s.t, "acknowledged writes are lost", "chain %d: %s\n%s", cfg.Chain, r, dump(s.st))
			}
		}
	}
}

// settleDown runs without faults until nothing is left to do.
func (s *sim) settleDown() {
	for i := 0; ; i++ {
		if i > 500 {
			require.Fail(s.t, "the planner does not come to an end", dump(s.st))
		}
		s.now = s.now.Add(1000 * chain.Second)
		n := s.round(s.reports(), 1<<20)
		s.work()
		if n == 0 {
			return
		}
	}
}

// lostForGood reports that no disk that could start the chain is left.
func (s *sim) lostForGood(c *Chain) bool {
	return !slices.ContainsFunc(slices.Concat(c.Config.Recoverable, c.Config.Settled), func(r chain.ReplicaID) bool {
		f, ok := c.former(r.Store)
		void := ok && f.Replica == r && f.Void || c.isSuspect(r) && c.Config.Position(r) < 0
		return !s.gone[r.Store] && !void
	})
}

func (s *sim) live() (n int) {
	for _, x := range s.st.Stores {
		if x.State == chain.StoreLive && s.up(x.ID) {
			n++
		}
	}
	return n
}

func TestPlannerKeepsEveryInvariantAndConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stores := rapid.IntRange(1, 6).Draw(t, "stores")
		factor := rapid.IntRange(1, min(3, stores)).Draw(t, "factor")
		s := newSim(t, stores, uint8(factor))
		s.lose = func(most int) int { return rapid.IntRange(0, most).Draw(t, "cut") }
		pick := func() chain.StoreID {
			return rapid.SampledFrom(s.st.Stores).Draw(t, "store").ID
		}
		var reports []chain.Report
		t.Repeat(map[string]func(*rapid.T){
			"silent": func(t *rapid.T) {
				id := pick()
				h := s.obs[id]
				h.Alive, h.Since, h.Flaps = false, s.now, h.Flaps+1
				s.obs[id] = h
			},
			"broken": func(t *rapid.T) {
				id := pick()
				s.obs[id] = Health{Broken: true, Since: s.now, Incarnation: s.obs[id].Incarnation}
			},
			"back": func(t *rapid.T) {
				id := pick()
				if h := s.obs[id]; !s.up(id) && !s.gone[id] {
					s.obs[id] = Health{Alive: true, Since: s.now, Flaps: h.Flaps, Incarnation: h.Incarnation + 1}
				}
			},
			"replace": func(t *rapid.T) {
				old := pick()
				if s.up(old) || s.gone[old] || s.st.Store(old).State == chain.StoreReplaced {
					t.Skip("not lost")
				}
				s.gone[old] = true
				n := newStores(1, s.next)[0]
				s.next++
				s.offer = append(s.offer, Offer{Store: n, Replaces: old})
				s.obs[n.ID] = Health{Alive: true, Since: s.now, Incarnation: 1}
			},
			"add": func(t *rapid.T) {
				if s.next > 12 {
					t.Skip("enough")
				}
				n := newStores(1, s.next)[0]
				s.next++
				s.offer = append(s.offer, Offer{Store: n})
				s.obs[n.ID] = Health{Alive: true, Since: s.now, Incarnation: 1}
			},
			"factor": func(t *rapid.T) {
				f := uint8(rapid.IntRange(1, 3).Draw(t, "factor"))
				s.index++
				s.st.Apply(s.index, Command{Op: chain.OpID{2, byte(s.index), byte(s.index >> 8)}, Factor: &SetFactor{Expect: s.st.Factor, Factor: f}})
			},
			"diverge": func(t *rapid.T) {
				c := rapid.SampledFrom(s.st.Chains).Draw(t, "chain")
				if len(c.Config.Settled) < 2 {
					t.Skip("the last one")
				}
				r := rapid.SampledFrom(c.Config.Serving).Draw(t, "replica")
				reports = append(reports, chain.Report{Kind: chain.ReportDiverged, Chain: c.Config.Chain, Epoch: c.Config.Epoch, From: r, Replica: r})
			},
			"report": func(t *rapid.T) { reports = append(reports, s.reports()...) },
			"work":   func(t *rapid.T) { s.work() },
			"time": func(t *rapid.T) {
				s.now = s.now.Add(int64(rapid.IntRange(1, 700).Draw(t, "seconds")) * chain.Second)
			},
			"plan": func(t *rapid.T) { s.round(reports, rapid.IntRange(0, 20).Draw(t, "most")) },
			"":     func(t *rapid.T) { s.check() },
		})
		for id := range s.obs {
			if !s.gone[id] {
				s.obs[id] = Health{Alive: true, Since: s.now, Incarnation: 9}
			}
		}
		s.settleDown()
		for _, c := range s.st.Chains {
			cfg := &c.Config
			if s.lostForGood(c) {
				continue
			}
			require.Len(t, cfg.Serving, min(s.live(), int(s.st.Factor)), "chain %d\n%s", cfg.Chain, dump(s.st))
			require.Equal(t, cfg.Serving, cfg.Settled)
			require.Empty(t, cfg.Syncing)
			for _, r := range cfg.Serving {
				require.Equal(t, s.acked[cfg.Chain], s.has[holding{cfg.Chain, r}])
			}
		}
		snap, err := s.st.EncodeSnapshot()
		require.NoError(t, err)
		back, err := DecodeSnapshot(snap)
		require.NoError(t, err)
		again, err := back.EncodeSnapshot()
		require.NoError(t, err)
		require.Equal(t, string(snap), string(again))
	})
}

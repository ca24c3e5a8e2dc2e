package state

import (
	"slices"

	"catena/chain"
)

// joins adds joiners to the chains that lack members: first those that cannot
// commit, then those with the fewest members, tablets before data.
func (p *planner) joins() {
	var need []*Chain
	for _, c := range p.st.Chains {
		cfg := &c.Config
		if !p.changed[cfg.Chain] && len(cfg.Syncing) == 0 && len(cfg.Serving) < int(cfg.Factor) && p.sourceReady(c) {
			need = append(need, c)
		}
	}
	slices.SortStableFunc(need, func(a, b *Chain) int {
		if d := len(a.Config.Serving) - len(b.Config.Serving); d != 0 {
			return d
		}
		return int(a.Config.Kind) - int(b.Config.Kind)
	})
	for _, c := range need {
		p.joinTo(c, "")
	}
}

// sourceReady reports that a joiner would have somebody to copy from.
func (p *planner) sourceReady(c *Chain) bool {
	return len(c.Config.Serving) > 0 && !p.obs.down(p.st, c.Config.Tail().Store) && !p.isDiverged(c, c.Config.Tail())
}

// joinTo plans a joiner if there is one within the limits.
func (p *planner) joinTo(c *Chain, why string) {
	cfg := &c.Config
	source := cfg.Tail().Store
	if p.sources[source] >= p.obs.Limits.JoinsPerSource {
		return
	}
	s := p.candidate(c, nil)
	if s == nil || p.targets[s.ID] >= p.obs.Limits.JoinsPerTarget {
		return
	}
	p.planJoin(c, s, why)
}

func (p *planner) planJoin(c *Chain, s *Store, why string) {
	r := c.joiner(s.ID)
	_, was := c.former(s.ID)
	switch {
	case why != "":
	case was && r.Incarnation < c.Next:
		why = "is back, with what it had"
	case was:
		why = "is back, and is filled anew"
	case !s.Replaces.IsZero():
		why = "stands in the place of store " + s.Replaces.String()
	default:
		why = "the chain lacks a member"
	}
	p.targets[s.ID]++
	p.sources[c.Config.Tail().Store]++
	var others []chain.StoreID
	for _, m := range c.Config.Serving {
		others = append(others, m.Store)
	}
	p.load.add(s.ID, others)
	p.change(c, ChangeChain{Kind: ChangeJoin, Replicas: []chain.ReplicaID{r}, Reason: why})
}

// candidate is the store that should join a chain from which these members are
// being removed; nil if there is none, or if it is too early to give up on a
// store that may come back.
func (p *planner) candidate(c *Chain, gone []chain.ReplicaID) *Store {
	cfg := &c.Config
	var members, cands []*Store
	for _, r := range slices.Concat(cfg.Serving, cfg.Syncing) {
		if s := p.st.Store(r.Store); s != nil && !slices.Contains(gone, r) {
			members = append(members, s)
		}
	}
	for _, s := range p.st.Stores {
		serves := slices.ContainsFunc(slices.Concat(cfg.Serving, cfg.Syncing), func(r chain.ReplicaID) bool { return r.Store == s.ID })
		if !serves && p.obs.steady(p.st, s.ID) {
			cands = append(cands, s)
		}
	}
	// A diverged member's own store can take it back as a new incarnation.
	for _, r := range gone {
		if s := p.st.Store(r.Store); s != nil && p.isDiverged(c, r) && p.obs.steady(p.st, r.Store) {
			cands = append(cands, s)
		}
	}
	// A chain that cannot commit does not wait.
	if missing := int(cfg.Factor) - len(members); len(members) >= int(cfg.MinAck) && missing <= p.awaited(c, gone) {
		cands = slices.DeleteFunc(cands, func(s *Store) bool {
			_, was := c.former(s.ID)
			return !was && s.Replaces.IsZero()
		})
	}
	return p.choose(c, cands, members)
}

// awaited counts the stores that were members, are absent without an I/O
// error, and are still waited for.
func (p *planner) awaited(c *Chain, gone []chain.ReplicaID) int {
	n := 0
	count := func(r chain.ReplicaID) {
		s := p.st.Store(r.Store)
		h, known := p.obs.Stores[r.Store]
		if s == nil || s.State == chain.StoreReplaced || s.Broken || !p.obs.down(p.st, r.Store) || known && h.Broken {
			return
		}
		if !known || int64(p.obs.Now-h.Since) < p.obs.Limits.ReplaceAfter {
			n++
		}
	}
	for _, f := range c.Former {
		if !f.Void {
			count(f.Replica)
		}
	}
	for _, r := range gone {
		count(r)
	}
	return n
}

// choose prefers, in this order: another failure domain, as wide as possible;
// the store in the place of a lost member; a former member that has its rows;
// the store with the fewest joiners in flight beyond the limit; the least loaded.
func (p *planner) choose(c *Chain, cands, members []*Store) *Store {
	var best *Store
	var cost []int
	for _, s := range cands {
		shared, beyond := p.load.shared(s.ID, members)
		cs := []int{conflict(s, members), 2, 0, beyond, p.load.replicas[s.ID], shared}
		if !s.Replaces.IsZero() {
			cs[1] = 1
		}
		if f, was := c.former(s.ID); was && !f.Void {
			cs[1] = 0
		}
		if p.targets[s.ID] >= p.obs.Limits.JoinsPerTarget {
			cs[2] = 1
		}
		if best == nil || slices.Compare(cs, cost) < 0 {
			best, cost = s, cs
		}
	}
	return best
}

// rebalance moves replicas from the store that holds the most to the one that
// holds the fewest, while they differ by two or more: a joiner comes first, and
// the surplus member goes when it has settled. Only when nothing else is to do.
func (p *planner) rebalance() {
	for _, c := range p.st.Chains {
		if len(c.Config.Serving) != int(c.Config.Factor) || len(c.Config.Syncing) > 0 || len(c.Config.Settled) < len(c.Config.Serving) {
			return
		}
	}
	var up []*Store
	for _, s := range p.st.Stores {
		if s.State == chain.StoreReplaced {
			continue
		}
		if !p.obs.steady(p.st, s.ID) {
			return
		}
		up = append(up, s)
	}
	for _, c := range p.st.Chains {
		p.move(c, up)
	}
}

// move plans a joiner on the emptiest store, if a member's store holds at least
// two more and could go without spreading the chain less well. Which member
// goes is decided by shrink, by the same measure, when the joiner has settled.
func (p *planner) move(c *Chain, up []*Store) {
	on := func(s *Store) bool {
		return slices.ContainsFunc(c.Config.Serving, func(r chain.ReplicaID) bool { return r.Store == s.ID })
	}
	var from, to *Store
	for _, s := range up {
		if !on(s) && (to == nil || p.load.replicas[s.ID] < p.load.replicas[to.ID]) {
			to = s
		}
	}
	if to == nil || p.targets[to.ID] >= p.obs.Limits.JoinsPerTarget || p.sources[c.Config.Tail().Store] >= p.obs.Limits.JoinsPerSource {
		return
	}
	now, best := p.spread(c, chain.StoreID{}), 5
	for _, s := range up {
		after := p.spread(c, s.ID, to)
		if on(s) && (after < best || after == best && p.load.replicas[s.ID] > p.load.replicas[from.ID]) {
			from, best = s, after
		}
	}
	if from == nil || best > now || p.load.replicas[from.ID]-p.load.replicas[to.ID] < 2 {
		return
	}
	p.planJoin(c, to, "moves from store "+from.ID.String()+", which holds more")
	p.load.replicas[from.ID]--
}

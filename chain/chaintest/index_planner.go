package chaintest

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// planner drives the simulated master for an index chain: it suspects (rightly
// or not), removes, adds joiners, promotes and settles on reports, and starts a
// dead chain again. It knows what a real master knows, and some rumours.
type planner struct {
	c *indexCluster
	// suspected: nodes that the master thinks dead, and since when.
	suspected map[int]Real
	// left: replicas that must not come back: diverged, or too far behind.
	left map[chain.ReplicaID]bool
	// newest incarnation of each node's store.
	incarnation map[int]uint64
}

// reported carries a report to the master.
func (c *indexCluster) reported(p *indexProc, rep chain.Report) {
	hold := int64(0)
	if rep.Kind == chain.ReportInSync {
		hold = c.attackReport(p, rep.Replica)
	}
	c.w.After(hold, func() { c.net.Carry(p.n.id, MasterNode, func() { c.planner.report(rep) }) })
}

// report takes what a replica says. Unknown and stale reports do nothing.
func (pl *planner) report(rep chain.Report) {
	c := pl.c
	changed := false
	switch rep.Kind {
	case chain.ReportInSync:
		// The word of a tail that is lost meanwhile is true, but to act on it would
		// leave the chain with a settled member that never comes back.
		if changed = !c.procs[rep.From].wiped && c.master.Promote(rep.Epoch, rep.Replica); changed {
			c.attackPromotion()
		}
	case chain.ReportSettled:
		changed = c.master.Settle(rep.Epoch, rep.Replica)
	case chain.ReportDiverged:
		if !c.procs[rep.Replica].rolled.ever {
			c.w.Fail("%s reports %s diverged: %s", rep.From, rep.Replica, rep.Detail)
		}
		if rep.From == rep.Replica || rep.Epoch == c.master.Config.Epoch {
			pl.left[rep.Replica] = true // the plan takes it out
		}
	case chain.ReportBehind:
		if c.master.Config.IsSyncing(rep.Replica) {
			pl.left[rep.Replica] = true
			changed = c.master.Remove(rep.Replica)
		}
	case chain.ReportUnreachable:
		if c.w.Chance(0.3) && !c.quiet {
			pl.suspected[NodeOf(rep.Replica)] = c.w.Now()
		}
	case chain.ReportClock:
		c.w.Fail("%s holds an entry back: %s", rep.From, rep.Detail)
	}
	if changed {
		c.configured()
	}
}

// plan looks at the chain once, and makes at most one change.
func (pl *planner) plan() {
	c := pl.c
	c.w.After(c.w.Between(c.opt.PlanEvery/2, c.opt.PlanEvery), pl.plan)
	if c.masterDown {
		return
	}
	pl.look()
	if pl.change() {
		c.configured()
	}
	c.push()
}

// look updates suspicions.
func (pl *planner) look() {
	c := pl.c
	for _, n := range c.nodes {
		_, suspected := pl.suspected[n.id]
		down := !n.up || !c.net.Reaches(n.id, MasterNode)
		switch {
		case down && !suspected && c.w.Chance(c.opt.Detect):
			pl.suspected[n.id] = c.w.Now()
		case !suspected && !c.quiet && c.w.Chance(c.opt.FalseSuspicion):
			pl.suspected[n.id] = c.w.Now()
		case !down && suspected && (c.quiet || c.w.Chance(0.5)):
			delete(pl.suspected, n.id)
		}
	}
}

// usable: the master would give the replica work.
func (pl *planner) usable(r chain.ReplicaID) bool {
	_, suspected := pl.suspected[NodeOf(r)]
	p := pl.c.procs[r]
	return !suspected && !pl.left[r] && (p == nil || !p.wiped)
}

func (pl *planner) change() bool {
	c := pl.c
	m := c.master
	cfg := &m.Config
	for _, r := range cfg.Syncing {
		if !pl.usable(r) {
			return m.Remove(r)
		}
	}
	bad := slices.DeleteFunc(slices.Clone(cfg.Serving), pl.usable)
	if len(bad) == len(cfg.Serving) {
		return pl.restart()
	}
	for _, r := range bad {
		if pl.remove(r) {
			return true
		}
	}
	if len(bad) > 0 {
		// The last settled member is among them: the chain waits for it, or,
		// when its disk is gone, for another member of the recoverable set.
		for _, r := range bad {
			if c.procs[r].wiped {
				return pl.restart()
			}
		}
		return false
	}
	if len(cfg.Serving) > int(cfg.Factor) {
		r := cfg.Serving[c.w.Rand.IntN(len(cfg.Serving))]
		return pl.settledEnough(r) && pl.remove(r)
	}
	return len(cfg.Syncing) == 0 && len(cfg.Serving) <= int(cfg.Factor) && pl.join()
}

// remove takes a member out, unless only settled members would be left whose
// disks are gone: those never come back.
func (pl *planner) remove(r chain.ReplicaID) bool {
	left := !pl.c.rules.Holds(rule.SettledMember) || pl.c.goodLeft(r)
	return left && pl.c.master.Remove(r)
}

// settledEnough: by choice, no settled member goes while another is not settled.
func (pl *planner) settledEnough(r chain.ReplicaID) bool {
	cfg := &pl.c.master.Config
	return len(cfg.Settled) == len(cfg.Serving) || !cfg.IsSettled(r)
}

// restart starts the chain from a member of the recoverable set that is there.
func (pl *planner) restart() bool {
	c := pl.c
	rec := slices.DeleteFunc(slices.Clone(c.master.Config.Recoverable), func(r chain.ReplicaID) bool { return !pl.usable(r) || c.mending(r) })
	if len(rec) == 0 {
		return false
	}
	return c.master.Restart(rec[c.w.Rand.IntN(len(rec))])
}

// join adds a node that is not a member: as the replica that it was, or as a
// new one when that is lost, diverged or too far behind.
func (pl *planner) join() bool {
	c := pl.c
	cfg := &c.master.Config
	if len(cfg.Serving) == int(cfg.Factor) && (c.quiet || !c.w.Chance(c.opt.Move)) {
		return false
	}
	member := func(id int) bool {
		return slices.ContainsFunc(cfg.Serving, func(r chain.ReplicaID) bool { return NodeOf(r) == id })
	}
	var free []*indexNode
	for _, n := range c.nodes {
		if _, suspected := pl.suspected[n.id]; !suspected && !member(n.id) {
			free = append(free, n)
		}
	}
	if len(free) == 0 {
		return false
	}
	n := free[c.w.Rand.IntN(len(free))]
	r := pl.replicaOf(n)
	return c.master.Join(r)
}

func (pl *planner) replicaOf(n *indexNode) chain.ReplicaID {
	r := replicaID(n.id, max(pl.incarnation[n.id], 1))
	if p := pl.c.procs[r]; pl.incarnation[n.id] == 0 || p != nil && (p.wiped || pl.left[r]) {
		pl.incarnation[n.id]++
		r.Incarnation = pl.incarnation[n.id]
	}
	return r
}

func replicaID(node int, incarnation uint64) chain.ReplicaID {
	return chain.ReplicaID{Store: chain.StoreID{byte(node)}, Incarnation: incarnation}
}

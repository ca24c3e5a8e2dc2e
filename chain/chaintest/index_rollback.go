package chaintest

import (
	"slices"

	"catena/chain"
	"catena/chain/index"
)

// A disk may come back as an older image of itself: it says that it is the same
// replica, and has forgotten what it had synced. With IndexOptions.Rollback this
// happens, to one member at a time, while another settled one has everything. A
// member is *mending* from then on until its disk has again all that had been
// committed before, and the epoch in which it was. The invariants change in nothing but this: a mending member
// need not have everything, may stop, and may be reported; and the master, who
// must not know of it, by chance never leaves the chain to it and to those that
// were filled from it alone: what they forgot is nowhere then.

// rolled is what is known of a replica that was rolled back.
type rolled struct {
	ever bool
	// boot is the highest number of a start that its disk ever had.
	boot uint64
	// had is what was on its disk, and owes the end of what of it is committed:
	// what it said before it was rolled back may let a tail commit after that.
	had  map[uint64]*index.Entry
	owes uint64
	// epoch is the newest that was on its disk; its member acts again as if it
	// had never been in it.
	epoch chain.Epoch
}

// lost notes that an entry is committed which a replica had before it was rolled
// back; false if it never had it.
func (p *indexProc) lost(e *index.Entry) bool {
	if p.rolled.had[e.Seq] != e {
		return false
	}
	p.rolled.owes = max(p.rolled.owes, e.Seq)
	return true
}

// mending reports whether a replica lacks what it had before it was rolled back.
func (c *indexCluster) mending(r chain.ReplicaID) bool {
	p := c.procs[r]
	if p == nil {
		return false
	}
	if st := p.durable.state; p.r != nil && st != nil && !st.Config.Epoch.Less(p.rolled.epoch) {
		p.rolled.epoch = chain.Epoch{}
		if c.holds(p, p.rolled.owes) {
			p.rolled.owes = 0
		}
	}
	return p.rolled.owes > 0 || !p.rolled.epoch.IsZero()
}

// rollBack puts an older image in the place of a member's disk.
func (c *indexCluster) rollBack() {
	cfg := &c.master.Config
	p := c.procs[cfg.Serving[c.w.Rand.IntN(len(cfg.Serving))]]
	for r := range c.procs {
		if c.mending(r) {
			return
		}
	}
	if !c.goodLeft(p.id) || cfg.Factor < 3 || p.wiped || p.stopped || p.durable.state == nil {
		return
	}
	p.n.crash()
	p.rolled.boot = max(p.rolled.boot, p.durable.state.Boot)
	last := p.disk.Synced()
	first := 0
	if c.w.Chance(0.6) {
		first = max(0, last-12)
	}
	n := first + c.w.Rand.IntN(last-first+1)
	if c.w.Chance(0.3) {
		n = p.lifeBefore()
	}
	if !c.remembered(p, n) {
		c.w.After(0, p.n.reboot)
		return
	}
	p.rollTo(n)
	// Bringing an image back takes longer than any lease that its last life gave,
	// and no replica starts more than once a second for long.
	down := c.w.Between(c.opt.Index.Lease, 2*c.opt.Index.Lease)
	if wait := int64(p.rolled.boot)*1000 + 1000 - p.n.clock.Now().WallMs; wait > 0 && wait < 3600_000 {
		down = max(down, wait*chain.Millisecond)
	}
	p.n.away = c.w.Now() + Real(down)
	c.w.After(down, p.n.reboot)
}

// lifeBefore is the number of records that the disk had before the last start.
func (p *indexProc) lifeBefore() int {
	recs := p.disk.Records()[:p.disk.Synced()]
	n := len(recs)
	for n > 0 && (recs[n-1].kind != recState || recs[n-1].state.Boot == p.durable.state.Boot) {
		n--
	}
	return n
}

// remembered reports whether, of each configuration that a disk of n records
// has forgotten to have left, another member knows that it is over. A member
// that missed that, and one that forgot it, are together an old chain; nothing
// that they can ask tells them so. The same with a tail that forgets that it put
// a joiner on the commit path, while nobody has heard yet of its promotion.
func (c *indexCluster) remembered(p *indexProc, n int) bool {
	var from chain.Epoch
	path := p.durable.state.CommitPath
	for _, rec := range p.disk.Records()[:n] {
		if rec.kind != recState {
			continue
		}
		from = rec.state.Config.Epoch
		if from == p.durable.state.Config.Epoch && rec.state.CommitPath == path {
			path = chain.ReplicaID{}
		}
	}
	for i := range c.master.History {
		h := &c.master.History[i]
		last := h.Epoch == p.durable.state.Config.Epoch && !path.IsZero()
		if h.Epoch.Less(from) || !h.Epoch.Less(p.durable.state.Config.Epoch) && !last || h.Position(p.id) < 0 {
			continue
		}
		if !slices.ContainsFunc(h.Serving, func(r chain.ReplicaID) bool {
			q := c.procs[r]
			return r != p.id && (q.wiped || q.durable.state != nil && h.Epoch.Less(q.durable.state.Config.Epoch))
		}) {
			return false
		}
	}
	return true
}

// rollTo leaves the first n records of a disk.
func (p *indexProc) rollTo(n int) {
	c := p.n.c
	c.w.Trace.Say("%s %s is rolled back from %d to %d records", c.w.Now(), p.id, p.disk.Synced(), n)
	c.w.Trace.Note(4, uint64(p.n.id), uint64(n))
	had := map[uint64]*index.Entry{}
	for _, e := range p.durable.entries {
		had[e.Seq] = e
	}
	epoch := p.durable.state.Config.Epoch
	p.disk.Rollback(n)
	p.durable = durableLog{}
	for i := range p.disk.Records() {
		p.durable.add(&p.disk.Records()[i])
	}
	// What was applied then was committed.
	p.flushed = 0
	p.applied.Seq = min(p.applied.Seq, p.durable.last(), uint64(len(c.check_.committed)))
	for s := p.durable.base.Seq; s < p.applied.Seq; s++ {
		if p.durable.entries[s-p.durable.base.Seq] != c.check_.committed[s] {
			p.applied.Seq = s
		}
	}
	p.rolled = rolled{ever: true, boot: p.rolled.boot, had: had, epoch: epoch, owes: uint64(len(c.check_.committed))}
}

// goodLeft reports whether a settled member other than r has everything.
func (c *indexCluster) goodLeft(r chain.ReplicaID) bool {
	return slices.ContainsFunc(c.master.Config.Settled, func(s chain.ReplicaID) bool {
		return s != r && !c.procs[s].wiped && !c.mending(s) && !c.planner.left[s]
	})
}

package chaintest

import (
	"fmt"

	"catena/chain"
	"catena/chain/index"
)

// focus is what a seed's faults aim at, beside the usual ones: the moments on
// which the rules turn are too rare for chance alone.
type focus uint8

const (
	focusNone focus = iota
	focusTail
	focusHead
	focusReport
	focusPromotion
	focusDrain
	focusCrash
	focuses
)

// focusOf spreads the seeds over the focuses.
func focusOf(seed uint64) focus { return focus(seed % uint64(focuses)) }

// faults makes one thing go wrong, again and again until the quiet comes.
func (c *indexCluster) faults() {
	if c.quiet {
		return
	}
	c.w.After(c.w.Between(c.opt.FaultEvery/2, 2*c.opt.FaultEvery), c.faults)
	if c.w.Chance(0.4) && !c.masterDown {
		switch c.focus {
		case focusTail:
			c.attackTail()
			return
		case focusHead:
			c.attackHead()
			return
		case focusDrain:
			c.drain()
			return
		case focusCrash:
			c.attackStream()
			return
		}
	}
	if c.rollbacks && c.w.Chance(0.3) {
		c.rollBack()
		return
	}
	n := c.nodes[c.w.Rand.IntN(len(c.nodes))]
	switch k := c.w.Rand.IntN(100); {
	case k < 25:
		c.crash(n, c.w.Between(0, 400*chain.Millisecond))
	case k < 30:
		c.crash(n, c.w.Between(0, 3*chain.Second))
	case k < 35:
		for _, n := range c.nodes { // the power fails
			c.crash(n, c.w.Between(0, 2*chain.Second))
		}
	case k < 40:
		c.crash(n, 0)
		c.crash(c.nodes[c.w.Rand.IntN(len(c.nodes))], 0)
	case k < 55:
		c.cutOff(n)
	case k < 65:
		c.cutOne(n, c.w.Rand.IntN(len(c.nodes)+1))
	case k < 72:
		c.net.Swizzle(c.nodeIDs(), c.w.Between(100*chain.Millisecond, 2*chain.Second))
	case k < 80:
		c.net.Clog(n.id, c.w.Rand.IntN(len(c.nodes)+1), c.w.Between(0, 2*c.opt.Index.Lease))
	case k < 88:
		n.paused = c.w.Now() + Real(c.w.Between(0, 2*c.opt.Index.Lease))
	case k < 92:
		c.masterDown = true
		c.w.After(c.w.Between(0, 2*chain.Second), func() { c.masterDown = false })
	default:
		c.wipe(n)
	}
}

func (c *indexCluster) nodeIDs() []int {
	var ids []int
	for _, n := range c.nodes {
		ids = append(ids, n.id)
	}
	return ids
}

// crash ends a process, and starts it again later.
func (c *indexCluster) crash(n *indexNode, down int64) {
	n.crash()
	c.w.After(down, n.reboot)
}

// cutOff takes a node off from the master and from some others, but not from clients.
func (c *indexCluster) cutOff(n *indexNode) {
	var cuts [][2]int
	for i := 0; i <= len(c.nodes); i++ {
		if i != n.id && c.w.Chance(0.8) {
			cuts = append(cuts, [2]int{i, n.id}, [2]int{n.id, i})
		}
	}
	c.cutFor(cuts, c.w.Between(0, 3*chain.Second))
}

// cutOne cuts one direction between two nodes, or a node and the master.
func (c *indexCluster) cutOne(n *indexNode, other int) {
	if other == n.id {
		other = 0
	}
	cut := [2]int{n.id, other}
	if c.w.Chance(0.5) {
		cut = [2]int{other, n.id}
	}
	c.cutFor([][2]int{cut}, c.w.Between(0, 3*chain.Second))
}

func (c *indexCluster) cutFor(cuts [][2]int, d int64) {
	c.w.Trace.Say("%s cut %v for %s", c.w.Now(), cuts, Real(d))
	for _, x := range cuts {
		c.net.Cut(x[0], x[1], true)
	}
	c.w.After(d, func() {
		for _, x := range cuts {
			c.net.Cut(x[0], x[1], false)
		}
	})
}

// attackTail cuts the tail (and perhaps those before it, but not the head) off
// from everyone but clients and each other, and takes it out at once. Sometimes
// a grant to it was long on its way and its later requests were lost; sometimes
// the replica that must wait for its lease starts again just then.
func (c *indexCluster) attackTail() {
	cfg := c.master.Config
	if len(cfg.Serving) < 2 {
		return
	}
	first := 1 + c.w.Rand.IntN(len(cfg.Serving)-1)
	if c.w.Chance(0.5) {
		first = len(cfg.Serving) - 1
	}
	lost := cfg.Serving[first:]
	pred, tail := NodeOf(cfg.Serving[first-1]), NodeOf(lost[0])
	lease, lead := c.opt.Index.Lease, int64(0)
	if len(lost) > 1 {
		// A middle cut off with its tail: it has no lease to pass on, for long.
		c.cutFor(c.around(lost), c.w.Between(3*chain.Second, 6*chain.Second))
		return
	}
	if c.w.Chance(0.6) {
		lead = c.w.Between(lease/2, lease*5/4)
		c.net.Clog(pred, tail, lead)
		c.w.After(c.w.Between(lease/10, lease/3), func() { c.cutFor([][2]int{{tail, pred}}, lead) })
	}
	c.w.After(lead, func() {
		c.cutFor(c.around(lost), c.w.Between(lease, 6*lease))
		if c.planner.settledEnough(lost[0]) && c.planner.remove(lost[0]) {
			c.configured()
		}
		if c.w.Chance(0.5) {
			c.w.After(c.w.Between(0, lease/2), func() { c.crash(c.nodes[pred-1], c.w.Between(0, 20*chain.Millisecond)) })
		}
	})
}

// attackStream holds what a replica sends to its successor, and starts the
// replica again meanwhile: what both starts sent arrives in any order.
func (c *indexCluster) attackStream() {
	cfg := c.master.Config
	if len(cfg.Serving) < 2 {
		return
	}
	i := c.w.Rand.IntN(len(cfg.Serving) - 1)
	d := c.w.Between(20*chain.Millisecond, 200*chain.Millisecond)
	c.net.Clog(NodeOf(cfg.Serving[i]), NodeOf(cfg.Serving[i+1]), d)
	c.w.After(c.w.Between(0, d), func() { c.crash(c.nodes[NodeOf(cfg.Serving[i])-1], c.w.Between(0, 5*chain.Millisecond)) })
}

// attackWrite starts everyone but the tail again while an entry is on its way
// down: they lose it, the tail may have it.
func (c *indexCluster) attackWrite(p *indexProc) {
	cfg := c.master.Config
	if c.quiet || c.focus != focusCrash || cfg.Head() != p.id || !c.w.Chance(0.1) {
		return
	}
	c.w.After(c.w.Between(0, 4*c.opt.Net.MaxDelay), func() {
		for _, r := range cfg.Serving[:len(cfg.Serving)-1] {
			c.crash(c.nodes[NodeOf(r)-1], c.w.Between(0, 5*chain.Millisecond))
		}
	})
}

// attackHead cuts the head off from everyone but clients, and takes it out.
func (c *indexCluster) attackHead() {
	head := c.master.Config.Head()
	if len(c.master.Config.Serving) < 2 {
		return
	}
	c.cutFor(c.around([]chain.ReplicaID{head}), c.w.Between(c.opt.Index.Lease, 5*c.opt.Index.Lease))
	c.w.After(c.w.Between(0, 50*chain.Millisecond), func() {
		if !c.masterDown && c.planner.settledEnough(head) && c.planner.remove(head) {
			c.configured()
		}
	})
}

// around are all links between a group of replicas and everyone else.
func (c *indexCluster) around(group []chain.ReplicaID) [][2]int {
	in := map[int]bool{}
	for _, r := range group {
		in[NodeOf(r)] = true
	}
	var cuts [][2]int
	for i := MasterNode; i <= len(c.nodes); i++ {
		for j := 1; j <= len(c.nodes); j++ {
			if !in[i] && in[j] {
				cuts = append(cuts, [2]int{i, j}, [2]int{j, i})
			}
		}
	}
	return cuts
}

// attackReport holds a report of a joiner in sync for a while, in which its
// source starts again and cannot reach it.
func (c *indexCluster) attackReport(p *indexProc, joiner chain.ReplicaID) int64 {
	if c.quiet || c.focus != focusReport || !c.w.Chance(0.6) {
		return 0
	}
	hold := c.w.Between(0, 500*chain.Millisecond)
	c.w.After(0, func() { c.crash(p.n, c.w.Between(0, 20*chain.Millisecond)) })
	c.cutFor([][2]int{{p.n.id, NodeOf(joiner)}, {NodeOf(joiner), p.n.id}}, hold)
	return hold
}

// attackPromotion keeps a promotion from those that served before; or isolates
// the old tail, and takes it out before its lease has ended; or starts all old
// members again at once, isolates the promoted one, and takes it out.
func (c *indexCluster) attackPromotion() {
	if c.quiet || c.focus != focusPromotion || !c.w.Chance(0.7) {
		return
	}
	serving := c.master.Config.Serving
	old, promoted := serving[:len(serving)-1], serving[len(serving)-1]
	gone := old[len(old)-1]
	switch c.w.Rand.IntN(3) {
	case 0:
		c.cutFor(c.around(old), c.w.Between(chain.Second, 5*chain.Second))
		return
	case 1:
		c.cutFor(c.around(old[len(old)-1:]), c.w.Between(chain.Second, 5*chain.Second))
	case 2:
		gone = promoted
		at := c.w.Between(chain.Millisecond, 40*chain.Millisecond)
		c.w.After(at, func() {
			for _, r := range old {
				c.crash(c.nodes[NodeOf(r)-1], 0)
			}
			c.cutFor(c.around([]chain.ReplicaID{promoted}), c.w.Between(chain.Second, 3*chain.Second))
		})
	}
	c.w.After(c.w.Between(40*chain.Millisecond, c.opt.Index.Lease/2), func() {
		if !c.masterDown && c.planner.remove(gone) {
			c.configured()
		}
	})
}

// drain is an orderly stop: the tail hands back its lease, the master takes it
// out or does not get to it, and the process ends and starts again later.
func (c *indexCluster) drain() {
	tail := c.master.Config.Tail()
	p := c.procs[tail]
	if p == nil || p.r == nil || len(c.master.Config.Serving) < 2 {
		return
	}
	p.whenAwake(p.gen, func() { p.step(index.Drain{}, "drain") })
	if c.w.Chance(0.5) {
		c.w.After(c.w.Between(0, 50*chain.Millisecond), func() {
			c.cutFor(c.around([]chain.ReplicaID{tail}), c.opt.Index.Lease)
		})
	}
	c.w.After(c.w.Between(0, 100*chain.Millisecond), func() {
		if !c.masterDown && c.w.Chance(0.7) && c.planner.settledEnough(tail) && c.planner.remove(tail) {
			c.configured()
		}
	})
	c.w.After(c.w.Between(0, chain.Second), func() { c.crash(p.n, c.w.Between(0, 600*chain.Millisecond)) })
}

// wipe puts an empty disk in the place of a node's, if that loses nothing that
// is promised: another member of the recoverable set must be left.
func (c *indexCluster) wipe(n *indexNode) {
	left := 0
	for _, r := range c.master.Config.Recoverable {
		if p := c.procs[r]; NodeOf(r) != n.id && p != nil && !p.wiped && !c.mending(r) && !c.planner.left[r] {
			left++
		}
	}
	if left == 0 || len(n.replicas) == 0 {
		return
	}
	c.w.Trace.Say("%s node %d loses its disk", c.w.Now(), n.id)
	n.crash()
	for _, p := range n.replicas {
		p.wiped = true
		p.disk.Wipe()
		p.durable = durableLog{}
		c.planner.left[p.id] = true
	}
	c.w.After(c.w.Between(0, chain.Second), n.reboot)
	if c.planner.change() {
		c.configured()
	}
}

// describe gives a message in a line.
func describe(msg any) string {
	switch m := msg.(type) {
	case *index.Hello:
		return fmt.Sprintf("Hello{%s stream %x}", m.Config.Epoch, m.Stream)
	case *index.Welcome:
		return fmt.Sprintf("Welcome{%s %x/%x end %+v holding %d}", m.Epoch, m.Stream, m.Accept, m.Marks[len(m.Marks)-1], m.Holding)
	case *index.Append:
		var seqs []string
		for _, e := range m.Entries {
			seqs = append(seqs, fmt.Sprintf("%s/%d", e.Epoch, e.Seq))
		}
		return fmt.Sprintf("Append{%s %x %v durable %d committed %d probe %x poll %v}", m.Epoch, m.Stream, seqs, m.Durable, m.Committed, m.Probe, m.Poll)
	case *index.Ack:
		return fmt.Sprintf("Ack{%s %x received %d durable %d committed %d confirmed %x gap %v based %v whole %v}", m.Epoch, m.Stream, m.Received, m.Durable, m.Committed, m.Confirmed, m.Gap, m.Based, m.Whole)
	case *index.Newer:
		return fmt.Sprintf("Newer{%s}", m.Config.Epoch)
	case *index.PageReply:
		return fmt.Sprintf("PageReply{%q first %v at %d upper %d, %d rows, next %q}", m.From, m.First, m.At.Seq, m.Upper, len(m.Page.Rows), m.Page.Next)
	}
	return fmt.Sprintf("%T%+v", msg, msg)
}

// sayEffect puts an effect into the trace.
func (c *indexCluster) sayEffect(p *indexProc, effect index.Effect) {
	switch e := effect.(type) {
	case index.Send:
		c.w.Trace.Say("%s %s -> %s %s", c.w.Now(), p.id, e.Env.To, describe(e.Env.Msg))
	case index.PersistEntry:
		c.w.Trace.Say("%s %s persist entry %s/%d", c.w.Now(), p.id, e.Entry.Epoch, e.Entry.Seq)
	case index.PersistState:
		s := e.State
		c.w.Trace.Say("%s %s persist state epoch %s waited %s path %v installing %v at %d max %d boot %d", c.w.Now(), p.id, s.Config.Epoch, s.WaitedOut, s.CommitPath, s.Installing, s.SnapshotAt.Seq, s.SnapshotMax, s.Boot)
	case index.Apply:
		c.w.Trace.Say("%s %s apply %s/%d", c.w.Now(), p.id, e.Entry.Epoch, e.Entry.Seq)
	default:
		c.w.Trace.Say("%s %s %T%+v", c.w.Now(), p.id, e, e)
	}
}

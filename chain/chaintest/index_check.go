package chaintest

import (
	"fmt"

	"catena/chain"
	"catena/chain/index"
)

// checker holds what is true of the chain as a whole, gathered from what the
// replicas do, and compares every step with it.
type checker struct {
	// committed is the log that some replica has applied, entry by entry.
	committed []*index.Entry
	// floor is, for each key, the newest change that a client was told of.
	floor []uint64
	// applied is when the entry of a command was first applied anywhere; entries
	// applied at once are a nanosecond apart, in their order.
	applied     map[uint64]Real
	lastApplied Real
	// tails is who answered reads in an epoch.
	tails map[chain.Epoch]chain.ReplicaID
}

// onApply: everyone applies the same entries in the same order; and what is
// applied for the first time is durable on everyone who could be asked for it.
func (c *indexCluster) onApply(p *indexProc, e index.Apply) {
	ck := &c.check_
	seq := e.Entry.Seq
	switch n := uint64(len(ck.committed)); {
	case seq <= n:
		if ck.committed[seq-1] != e.Entry {
			c.w.Fail("replica %s applies another entry %s/%d than %s/%d, which was committed", p.id, e.Entry.Epoch, seq, ck.committed[seq-1].Epoch, seq)
		}
	case seq > n+1:
		c.w.Fail("replica %s applies %d, but %d was never committed", p.id, seq, n+1)
	default:
		ck.committed = append(ck.committed, e.Entry)
		ck.lastApplied = max(c.w.Now(), ck.lastApplied+1)
		ck.applied[opOf(e.Entry)] = ck.lastApplied
		c.firstApplied(p, e.Entry)
	}
	if e.After.Digest != e.Entry.DigestAfter() {
		c.w.Fail("replica %s has another digest after %d", p.id, seq)
	}
}

// firstApplied checks the commit point itself.
func (c *indexCluster) firstApplied(p *indexProc, e *index.Entry) {
	cfg := p.r.Status().Config
	if !cfg.Writable() {
		c.w.Fail("replica %s commits %d in epoch %s with %d of at least %d members", p.id, e.Seq, cfg.Epoch, len(cfg.Serving), cfg.MinAck)
	}
	for _, m := range cfg.Serving {
		if q := c.procs[m]; q == nil || !q.wiped && !c.holds(q, e.Seq) && !q.lost(e) {
			c.w.Fail("replica %s commits %d in epoch %s, which %s has not on disk", p.id, e.Seq, cfg.Epoch, m)
		}
	}
}

// holds: the replica's disk has the committed log up to seq, whatever happens to it now.
func (c *indexCluster) holds(p *indexProc, seq uint64) bool {
	d := &p.durable
	switch {
	case seq == 0:
		return true
	case d.state == nil || d.state.Installing || d.last() < seq:
		return false
	case seq <= d.base.Seq:
		return c.check_.committed[d.base.Seq-1].DigestAfter() == d.base.Digest
	}
	return d.entries[seq-d.base.Seq-1] == c.check_.committed[seq-1]
}

// check runs after every step.
func (c *indexCluster) check(p *indexProc) {
	if p.r == nil {
		return
	}
	st := p.r.Status()
	if st.Applied.Seq > st.Durable && !st.Installing || st.Durable > st.Last.Seq {
		c.w.Fail("replica %s: applied %d, durable %d, last %d", p.id, st.Applied.Seq, st.Durable, st.Last.Seq)
	}
	if !st.Installing && st.Applied != p.applied {
		c.w.Fail("replica %s: applied %+v, but its rows are at %+v", p.id, st.Applied, p.applied)
	}
	c.checkRecoverable()
}

// checkRecoverable: each member of the recoverable set holds every entry that
// was ever applied, and so all that a client was told.
func (c *indexCluster) checkRecoverable() {
	n := uint64(len(c.check_.committed))
	for _, r := range c.master.Config.Recoverable {
		if p := c.procs[r]; !p.wiped && !c.holds(p, n) && !c.mending(r) {
			c.w.Fail("%s is in the recoverable set of epoch %s and has not entry %d", r, c.master.Config.Epoch, n)
		}
	}
}

// maxWaiting is far above what a chain of five with a full window keeps in flight.
const maxWaiting = 20000

// checkSend: nothing is said in an epoch that is not on the speaker's disk, but
// that it does not know a newer one.
func (c *indexCluster) checkSend(p *indexProc, msg index.Message) {
	if _, ok := msg.(*index.Ask); ok {
		return
	}
	if n := c.w.Waiting(); n > maxWaiting {
		c.w.Fail("%d events wait: messages breed messages", n)
	}
	if st := p.durable.state; st == nil || st.Config.Epoch.Less(msg.MsgEpoch()) {
		c.w.Fail("%s sends %s, and that epoch is not on its disk", p.id, describe(msg))
	}
}

// checkServe: in one epoch one replica answers reads, its tail, and never below MinAck.
func (c *indexCluster) checkServe(p *indexProc, e index.Serve) {
	if e.Until == 0 {
		return
	}
	cfg := p.r.Status().Config
	if prev, ok := c.check_.tails[e.Epoch]; ok && prev != p.id {
		c.w.Fail("%s and %s answer reads in epoch %s", prev, p.id, e.Epoch)
	}
	c.check_.tails[e.Epoch] = p.id
	if cfg.Tail() != p.id || cfg.Epoch != e.Epoch {
		c.w.Fail("%s answers reads in epoch %s, whose tail is %s", p.id, e.Epoch, cfg.Tail())
	}
	if !cfg.Writable() {
		c.w.Fail("%s answers reads below min_ack", p.id)
	}
}

// checkRead: what a tail is about to answer was committed, and is not older
// than what anybody had been told before the call began.
func (c *indexCluster) checkRead(p *indexProc, k *call, a answer) {
	if err := c.compatible(k, a); err != nil {
		c.w.Fail("replica %s answers read %d: %v", p.id, k.cmd.op, err)
	}
}

func (c *indexCluster) compatible(k *call, a answer) error {
	switch {
	case a.seq > uint64(len(c.check_.committed)):
		return fmt.Errorf("key %d at entry %d, which is not committed", k.cmd.key, a.seq)
	case a.seq < k.floor:
		return fmt.Errorf("key %d at entry %d, but entry %d was known before the call", k.cmd.key, a.seq, k.floor)
	}
	return nil
}

// checkReply: an answer that was ordered is committed; one that was not is as
// good as a read.
func (c *indexCluster) checkReply(p *indexProc, k *call, a answer) {
	ck := &c.check_
	if a.op != k.cmd.op {
		c.w.Fail("replica %s answers op %d with the answer to %d", p.id, k.cmd.op, a.op)
		return
	}
	if !a.entry {
		if err := c.compatible(k, a); err != nil {
			c.w.Fail("replica %s answers op %d without an entry: %v", p.id, k.cmd.op, err)
		}
		return
	}
	if a.ok && a.seq <= k.floor {
		c.w.Fail("replica %s acknowledges op %d as entry %d, but entry %d was known before the call", p.id, k.cmd.op, a.seq, k.floor)
	}
	if a.ok && (a.seq > uint64(len(ck.committed)) || opOf(ck.committed[a.seq-1]) != k.cmd.op) {
		c.w.Fail("replica %s acknowledges op %d as entry %d, which is not committed", p.id, k.cmd.op, a.seq)
	}
}

// opOf is the command that an entry carries out.
func opOf(e *index.Entry) uint64 {
	changes := decodeChanges(e.Body)
	return decodeAnswer(changes[len(changes)-1].value).op
}

// checkAnswer runs when the client has its answer: from now on nobody may see less.
func (c *indexCluster) checkAnswer(k *call) {
	floor := &c.check_.floor[k.cmd.key]
	*floor = max(*floor, k.out.seq)
}

// checkQuiet: after the faults, the chain is whole, and all its members are equal.
func (c *indexCluster) checkQuiet() error {
	cfg := &c.master.Config
	if len(cfg.Serving) != int(cfg.Factor) || len(cfg.Syncing) > 0 || len(cfg.Settled) != len(cfg.Serving) {
		return fmt.Errorf("epoch %s: serving %v, syncing %v, settled %v", cfg.Epoch, cfg.Serving, cfg.Syncing, cfg.Settled)
	}
	first := c.procs[cfg.Serving[0]]
	n := uint64(len(c.check_.committed))
	for _, r := range cfg.Serving {
		p := c.procs[r]
		if p.r == nil || p.stopped {
			return fmt.Errorf("%s is not running", r)
		}
		st := p.r.Status()
		if st.Config.Epoch != cfg.Epoch || !st.Active || st.Applied.Seq != n || st.Last.Seq != n {
			return fmt.Errorf("%s: epoch %s active %v, applied %d of %d, last %d", r, st.Config.Epoch, st.Active, st.Applied.Seq, n, st.Last.Seq)
		}
		if st.Applied != first.applied {
			return fmt.Errorf("%s is at %+v, %s at %+v", r, st.Applied, first.id, first.applied)
		}
		if len(p.calls) > 0 {
			return fmt.Errorf("%s has %d requests without an answer", r, len(p.calls))
		}
		if err := sameRows(p, first); err != nil {
			return err
		}
	}
	if tail := c.procs[cfg.Tail()]; !tail.mayAnswer(cfg.Epoch) {
		return fmt.Errorf("the tail %s answers no reads", tail.id)
	}
	return nil
}

func sameRows(p, q *indexProc) error {
	if len(p.rows) != len(q.rows) {
		return fmt.Errorf("%s has %d rows, %s has %d", p.id, len(p.rows), q.id, len(q.rows))
	}
	for k, v := range p.rows {
		if q.rows[k] != v {
			return fmt.Errorf("%s and %s differ in row %s", p.id, q.id, k)
		}
	}
	return nil
}

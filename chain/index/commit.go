package index

import (
	"fmt"

	"catena/chain"
	"catena/chain/internal/rule"
)

// tailCommit: only the tail decides that entries are committed: those that are
// on its own disk, on every disk upstream (by what the present stream has
// said), and on the disk of a joiner that is on the commit path. Below MinAck
// nothing is.
func (r *Replica) tailCommit() {
	if !r.rules.Holds(rule.CommitAfterAll) && r.isHead() && r.down != nil {
		r.commitTo(min(r.durable, r.down.received))
	}
	if !r.isTail() {
		return
	}
	if r.probe > r.confirmed {
		r.confirmed = r.probe
		r.ackDue = true
		r.releaseWaiters()
	}
	if !r.writable() {
		return
	}
	n := r.durablePrefix()
	if !r.rules.Holds(rule.DurablePrefix) {
		n = r.durable
	}
	if !r.state.CommitPath.IsZero() {
		if r.join == nil || r.join.to != r.state.CommitPath {
			return
		}
		n = min(n, r.join.durable)
	}
	r.commitTo(n)
}

// commitTo applies everything up to n, which is known to be committed, and
// answers what waited for it. Rows never get ahead of the log on this disk:
// for a Serving replica that follows from the durable prefix, a joiner waits.
func (r *Replica) commitTo(n uint64) {
	n = min(n, r.durable)
	if n <= r.applied.Seq || r.state.Installing {
		return
	}
	for r.applied.Seq < n {
		rec := r.log.at(r.applied.Seq + 1)
		r.applied = rec.applied()
		r.emit(Apply{Entry: rec.e, After: r.applied})
	}
	r.machine.Commit(n)
	r.answerProposals()
	r.releaseWaiters()
	r.trim()
	r.ackDue = true
}

// trim forgets applied entries that nobody is likely to ask for.
func (r *Replica) trim() {
	entries, bytes := r.cfg.RetainEntries, r.cfg.RetainBytes
	keep := r.applied.Seq
	if l := r.join; l != nil && (l.state == linkStreaming || l.state == linkOffering || l.state == linkResuming) {
		if have := int(r.log.last().Seq - r.log.base.Seq); have <= r.cfg.JoinEntries && r.log.bytes <= r.cfg.JoinBytes {
			keep = min(keep, l.needs())
		}
	}
	for keep > r.log.base.Seq {
		n := len(r.log.recs)
		if n <= entries && r.log.bytes <= bytes {
			return
		}
		over := max(n-entries, 1)
		r.log.trim(min(keep, r.log.base.Seq+uint64(over)))
	}
}

// sendAck tells the predecessor (a joiner: its source) how far things are.
func (r *Replica) sendAck() {
	gap := r.ackGap
	r.ackDue, r.ackGap = false, false
	if r.up.ch.Accept == 0 {
		return
	}
	r.up.acked = r.log.last().Seq
	a := &Ack{
		Channel: r.up.ch, Received: r.log.last().Seq, Durable: r.durable,
		Committed: r.applied.Seq, Confirmed: r.confirmed, Free: r.leastFree(), Gap: gap,
	}
	if r.isJoiner() {
		a.Based = r.up.resumed
		a.Whole = r.whole()
	}
	r.send(r.up.from, a)
}

// onAck learns from downstream what is committed and confirmed, and passes it on.
func (r *Replica) onAck(from chain.ReplicaID, m *Ack) {
	l := r.linkTo(from)
	if !r.rules.Holds(rule.EpochCheck) && l != nil && m.Epoch != l.ch.Epoch {
		m2 := *m
		m2.Channel = l.ch
		m = &m2
	}
	if l == nil || m.Channel != l.ch || l.state == linkHello {
		return
	}
	l.heard = r.now.Mono
	l.free = m.Free
	if l.joiner {
		r.ackOfJoiner(l, m)
		return
	}
	if l.state != linkStreaming {
		return
	}
	l.progress(m)
	l.committed = max(l.committed, m.Committed)
	committed := m.Committed
	if !r.rules.Holds(rule.CommitByTail) {
		committed = max(committed, min(m.Durable, r.durable))
	}
	if committed > r.log.last().Seq && r.rules.Holds(rule.DurablePrefix) && r.rules.Holds(rule.CommitAfterAll) {
		// The tail commits nothing that was never here: one of the two is wrong,
		// and nothing is applied on the word of either. (Here, but not on this
		// disk, is what this disk lost and was fetched again: it is applied later.)
		r.strayed(l, fmt.Sprintf("says %d is committed, and its predecessor's log ends at %d", committed, r.log.last().Seq))
		return
	}
	r.commitTo(committed)
	if m.Confirmed > r.confirmed {
		r.confirmed = m.Confirmed
		r.ackDue = true
		r.releaseWaiters()
	}
}

// progress moves what is in flight. A gap is answered once: the entries that
// are still on their way after it would each report it again, and each report
// would send all of them again.
func (l *downLink) progress(m *Ack) {
	if m.Received > l.received {
		l.received = m.Received
		l.stalled, l.rewound = false, false
	}
	if m.Gap && m.Received == l.received && !l.rewound {
		l.next, l.rewound = l.received+1, true
	}
	l.next = max(l.next, l.received+1)
}

// leastFree is the least free space from here down, a joiner's too.
func (r *Replica) leastFree() int64 {
	free := r.free
	for _, l := range []*downLink{r.down, r.join} {
		if l != nil {
			free = min(free, l.free)
		}
	}
	return free
}

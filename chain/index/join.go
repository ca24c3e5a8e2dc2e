package index

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// This file is the tail's side of joining: which part of the log, or whether a
// snapshot, brings the joiner up; and the commit path, on which the joiner is
// before it is reported in sync.

// pages is the source's side of a snapshot.
type pages struct {
	// reading is the request that a ReadPage answers; nil for none.
	reading *PageRequest
	id      uint64
	// at is the position applied when the page was asked for.
	at Applied
	// pin is the lowest position that any first page of this stream told; the
	// log above it is kept. Valid if pinned.
	pin    uint64
	pinned bool
}

// needs is the end of what the joiner has no further use for.
func (l *downLink) needs() uint64 {
	if l.state == linkOffering && l.pages.pinned {
		return l.pages.pin
	}
	if l.state == linkOffering {
		return ^uint64(0)
	}
	return l.received
}

// welcomeJoiner finds the newest position that both logs have.
func (r *Replica) welcomeJoiner(l *downLink, m *Welcome) {
	if m.Holding == HoldsRows && m.Marks[0].Seq > r.log.last().Seq && r.rules.Holds(rule.OlderLeaves) {
		// It served once, and so did this replica then.
		r.outdated(l, m.Marks[0])
		return
	}
	if m.Holding != HoldsHalfNoBase && !r.beforeBase(m) {
		for _, have := range slices.Backward(m.Marks) {
			if mine, ok := r.log.mark(have.Seq); ok && mine == have {
				l.state, l.at = linkResuming, mine
				l.received = mine.Seq
				l.next = mine.Seq + 1
				r.send(l.to, &Resume{Channel: l.ch, At: mine})
				return
			}
		}
	}
	if m.Holding != HoldsRows {
		l.state = linkOffering
		r.send(l.to, &Offer{Channel: l.ch})
		return
	}
	// Its rows may be the last copy of something: a snapshot goes into a new
	// incarnation beside them, never over them.
	l.state = linkStuck
	r.reports.set(chain.ReportBehind, l.to, "its log is not reached by the tail's")
	r.report()
}

// beforeBase: the joiner's half snapshot began at an entry that this tail has
// not applied and, below MinAck, cannot: it has no page that is new enough.
func (r *Replica) beforeBase(m *Welcome) bool {
	return m.Holding == HoldsHalf && m.Marks[0].Seq > r.applied.Seq && !r.state.Config.Writable()
}

// ackOfJoiner moves the joiner's stream. What the joiner had on disk before it
// cut its log on this stream is not what it has: only acks after that count.
func (r *Replica) ackOfJoiner(l *downLink, m *Ack) {
	if !m.Based {
		return
	}
	l.whole = m.Whole
	l.durable = max(l.durable, m.Durable)
	switch l.state {
	case linkResuming, linkOffering:
		r.startStreaming(l, m.Received)
	case linkStreaming:
		l.progress(m)
	}
}

// onPageRequest reads a page, one at a time. A page must not be older than the
// position where the snapshot began: what lies between would be missing.
func (r *Replica) onPageRequest(from chain.ReplicaID, m *PageRequest) {
	l := r.join
	if l == nil || from != l.to || m.Channel != l.ch || l.state == linkHello || l.pages.reading != nil {
		return
	}
	if !m.First && r.applied.Seq < m.AtLeast {
		return
	}
	l.heard = r.now.Mono
	if m.First && !l.pages.pinned {
		l.pages.pin, l.pages.pinned = r.applied.Seq, true
	}
	r.readID++
	l.pages.reading, l.pages.id, l.pages.at = m, r.readID, r.applied
	r.emit(ReadPage{ID: r.readID, From: m.From})
}

func (r *Replica) onPageRead(ev *PageRead) {
	l := r.join
	if l == nil || l.pages.reading == nil || ev.ID != l.pages.id {
		return
	}
	m := l.pages.reading
	l.pages.reading = nil
	at, page := l.pages.at, ev.Page
	if !r.rules.Holds(rule.SnapshotAtStart) {
		at = r.applied
	}
	if !r.rules.Holds(rule.CopyAll) {
		page.Rows = nil
	}
	r.send(l.to, &PageReply{
		Channel: l.ch, From: m.From, First: m.First, At: at, Upper: r.applied.Seq, Page: page,
	})
}

// commitPath is the mode in which the tail commits nothing that the joiner has
// not on disk. It is in the state record, is left only by a new configuration,
// and is on disk before the joiner is reported: so a tail that restarts
// between the report and the promotion is still in it.
type commitPath struct {
	token uint64
	// persisted: the mode is on disk. target is the end of the tail's log at
	// that moment, or at its first lease of the epoch, whichever is later: the
	// joiner must have all of it, because any of it may have been committed
	// before this tail restarted and forgot.
	persisted bool
	target    uint64
}

// restored takes up the mode that was found on disk.
func (p *commitPath) restored(r *Replica) {
	if !r.state.CommitPath.IsZero() {
		p.persisted, p.target = true, r.log.last().Seq
	}
}

func (p *commitPath) onDurable(r *Replica, token uint64) {
	if p.token != 0 && token >= p.token && !p.persisted {
		p.persisted, p.target = true, r.log.last().Seq
		if !r.rules.Holds(rule.InSyncAtLogEnd) {
			p.target = r.applied.Seq
		}
	}
}

// mayFeed: before its first lease a tail may lack what its disk has lost, and a
// joiner that has all of its log has not all that was acknowledged.
func (r *Replica) mayFeed() bool { return r.isHead() || r.lease.heldOnce }

// advanceJoin puts a joiner that has nearly everything on the commit path.
func (r *Replica) advanceJoin() {
	l := r.join
	if l == nil || l.state != linkStreaming || !r.mayFeed() {
		return
	}
	if r.state.CommitPath.IsZero() && l.whole && r.rules.Holds(rule.PromoteOnPath) {
		if r.log.last().Seq-min(l.durable, r.log.last().Seq) <= uint64(r.cfg.Window/2) {
			r.state.CommitPath = l.to
			r.path.token = r.persistState()
		}
	}
	if r.path.inSync(r) && !r.reports.told[reportKey{chain.ReportInSync, l.to}] {
		r.report()
	}
}

// inSync: the joiner is persistently on the commit path and has the tail's log.
func (p *commitPath) inSync(r *Replica) bool {
	l := r.join
	if l == nil || l.state != linkStreaming || !l.whole || !r.mayFeed() {
		return false
	}
	if !r.rules.Holds(rule.PromoteOnPath) {
		return l.durable >= r.durable
	}
	return p.persisted && r.state.CommitPath == l.to && l.durable >= p.target
}

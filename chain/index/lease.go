package index

import (
	"math"

	"catena/chain"
	"catena/chain/internal/rule"
)

// lease is the read lease that this replica holds in the present epoch.
type lease struct {
	// until ends it, on this replica's clock, already shortened by a tenth.
	// Invariant: no lease given downstream outlives it, but for the head's, which
	// holds none.
	until chain.Instant
	// waitsForLease is the successor's request that waits for this replica's own lease.
	waitsForLease *LeaseRequest
	// waitsForLog is the successor's request that waits until it has this log.
	waitsForLog *LeaseRequest
	// asked is when the last request was sent, granted when the last grant came.
	asked, granted chain.Instant
	// heldOnce: a lease was held in this epoch, so this member is settled.
	heldOnce bool
	// drained: this tail answers nothing more in this epoch, in this start.
	drained bool
	// handedBack is the start in which the tail said so, tailBoot the newest in
	// which it wants a lease. While the lease is closed nothing is granted or
	// taken, so that no late grant counts whose record was dropped.
	handedBack, tailBoot uint64
	// reopened is when a tail that started again opened it.
	reopened chain.Instant
	// published is the end of the lease that the driver was told.
	published chain.Instant
}

// forever is the lease of a replica that is head and tail: it needs none,
// because nothing commits in any later epoch before it has taken part.
const forever = chain.Instant(math.MaxInt64)

// closed: the tail has handed back, and has not started again since.
func (l *lease) closed() bool { return l.handedBack != 0 && l.tailBoot <= l.handedBack }

// askLease asks the predecessor for a lease, counted from now.
func (r *Replica) askLease() {
	if r.isHead() || !r.isServing() || r.lease.drained || r.lease.closed() {
		return
	}
	if r.isTail() {
		r.lease.tailBoot = r.state.Boot
	}
	if r.lease.asked == 0 {
		r.lease.granted = r.now.Mono // silence counts from here
	}
	r.lease.asked = r.now.Mono
	r.send(r.state.Config.Pred(r.cfg.Self), &LeaseRequest{
		Epoch: r.state.Config.Epoch, Boot: r.state.Boot, Sent: r.now.Mono, TailBoot: r.lease.tailBoot,
	})
}

// tickLease renews the lease when a quarter of it has passed, and asks at
// every tick while there is none.
func (r *Replica) tickLease() {
	if r.lease.until <= r.now.Mono || r.now.Mono >= r.lease.asked.Add(r.cfg.Lease/4) {
		r.askLease()
	}
	if r.lease.drained || r.lease.closed() {
		r.passHandBack()
	}
}

// passHandBack tells the predecessor, at every tick until the epoch ends: it
// must reach everyone who might wait.
func (r *Replica) passHandBack() {
	if pred := r.state.Config.Pred(r.cfg.Self); !pred.IsZero() {
		r.send(pred, &HandBack{Epoch: r.state.Config.Epoch, Boot: r.lease.handedBack})
	}
}

// onLeaseRequest grants the successor what is left of this replica's own lease.
// When that is not fresh, it is renewed and the successor is granted again:
// otherwise every link of a long chain would lose some of the time.
func (r *Replica) onLeaseRequest(from chain.ReplicaID, m *LeaseRequest) {
	if from != r.state.Config.Succ(r.cfg.Self) {
		return
	}
	wasClosed := r.lease.closed()
	r.lease.tailBoot = max(r.lease.tailBoot, m.TailBoot)
	if r.lease.closed() {
		return
	}
	if wasClosed {
		r.lease.reopened = r.now.Mono
	}
	if !r.caughtUp(m.Boot) {
		r.lease.waitsForLog = m
		r.reopen(m.Boot)
		return
	}
	left := r.cfg.Lease
	if !r.isHead() && r.rules.Holds(rule.LeaseWithinParent) {
		left = min(left, int64(r.lease.until)-int64(r.now.Mono))
	}
	r.lease.waitsForLease = nil
	if !r.isHead() && r.now.Mono >= r.lease.asked.Add(r.cfg.Lease/8) {
		r.lease.waitsForLease = m
		r.askLease()
	}
	if left <= 0 {
		r.lease.waitsForLease = m
		return
	}
	r.recordGrant(r.now.Mono.Add(left))
	r.send(from, &LeaseGrant{Epoch: m.Epoch, Boot: m.Boot, Sent: m.Sent, Duration: left})
}

// caughtUp reports whether the successor, in this start of it, has everything
// that this log had when the stream to it was opened. Usually it always had; but
// its disk may be an older image of itself, and then what it lacks was read or
// acknowledged before.
func (r *Replica) caughtUp(boot uint64) bool {
	l := r.down
	if !r.rules.Holds(rule.LeaseAfterCaughtUp) {
		return true
	}
	return l != nil && l.state == linkStreaming && startOf(l.ch.Accept) == boot && l.received >= l.endAtOpen
}

// reopen says hello to a successor that asks in a newer start than that which
// accepted the stream. A hello that came late may have been accepted after the
// restart, and then it is in a stream that this replica does not send on, and
// asks for none.
func (r *Replica) reopen(boot uint64) {
	if l := r.down; l != nil && l.state != linkHello && startOf(l.ch.Accept) < boot {
		r.openStream(l)
	}
}

// grantWhenCaughtUp answers a request that came before its sender had this log.
func (r *Replica) grantWhenCaughtUp() {
	if m := r.lease.waitsForLog; m != nil && r.caughtUp(m.Boot) {
		r.lease.waitsForLog = nil
		r.onLeaseRequest(r.state.Config.Succ(r.cfg.Self), m)
	}
}

// recordGrant keeps, for the epoch, until when a lease may be in use downstream.
func (r *Replica) recordGrant(until chain.Instant) {
	for i := range r.grants {
		if g := &r.grants[i]; !g.restart && g.cfg.Epoch == r.state.Config.Epoch {
			g.until = max(g.until, until)
			return
		}
	}
	r.grants = append(r.grants, grant{cfg: r.state.Config, until: until})
}

// onLeaseGrant takes a lease, counted from when this replica asked for it.
func (r *Replica) onLeaseGrant(from chain.ReplicaID, m *LeaseGrant) {
	if from != r.state.Config.Pred(r.cfg.Self) || m.Boot != r.state.Boot || m.Sent > r.now.Mono {
		return
	}
	if r.lease.closed() || m.Sent < r.lease.reopened || r.lease.drained && r.rules.Holds(rule.HandBackFinal) {
		return
	}
	start := m.Sent
	if !r.rules.Holds(rule.LeaseFromRequest) {
		start = r.now.Mono
	}
	r.lease.granted = r.now.Mono
	r.lease.until = max(r.lease.until, start.Add(m.Duration/10*9))
	if r.lease.until <= r.now.Mono {
		return
	}
	if !r.lease.heldOnce {
		r.lease.heldOnce = true
		if r.rules.Holds(rule.LeaseAfterCaughtUp) {
			// Until now this log may have lacked what its disk has lost.
			r.barrier = max(r.barrier, r.log.last().Seq)
			r.path.target = max(r.path.target, r.log.last().Seq)
		}
		r.report()
	}
	if held := r.lease.waitsForLease; held != nil {
		r.onLeaseRequest(r.state.Config.Succ(r.cfg.Self), held)
	}
}

// mayRead reports whether this replica answers reads, and until when.
func (r *Replica) mayRead() (chain.Instant, bool) {
	c := &r.state.Config
	switch {
	case !r.isTail() || r.lease.drained && r.rules.Holds(rule.HandBackFinal):
		return 0, false
	case !c.Writable() && r.rules.Holds(rule.ReadAtMinAck):
		// A sole survivor has no lease; see DESIGN.md, rule 16.
		return 0, false
	case r.applied.Seq < r.barrier && r.rules.Holds(rule.TailBarrier):
		return 0, false
	case r.isHead() || !r.rules.Holds(rule.ReadUnderLease):
		return forever, true
	}
	return r.lease.until, r.lease.until > r.now.Mono
}

// publish tells the driver of a change of the lease.
func (r *Replica) publish() {
	until, ok := r.mayRead()
	if !ok {
		until = 0
	}
	if until == r.lease.published || (until == 0 && r.lease.published <= r.now.Mono) {
		return
	}
	r.lease.published = until
	r.emit(Serve{Epoch: r.state.Config.Epoch, Until: until})
}

// publishNothing revokes, when the epoch or the replica ends.
func (r *Replica) publishNothing() {
	if r.lease.published != 0 && r.rules.Holds(rule.LeaseOfEpoch) {
		r.lease.published = 0
		r.emit(Serve{Epoch: r.state.Config.Epoch})
	}
}

// drain hands the lease back. It is final for the epoch: later grants are refused.
func (r *Replica) drain() {
	if r.phase != phaseActive || !r.isTail() || r.isHead() {
		return
	}
	r.lease.drained = true
	r.lease.handedBack = r.state.Boot
	if r.rules.Holds(rule.HandBackFinal) {
		r.lease.until = 0
	}
	r.passHandBack()
}

// onHandBack: the tail of this epoch answers no more, so nothing given in it
// needs to be waited out.
func (r *Replica) onHandBack(from chain.ReplicaID, m *HandBack) {
	if from != r.state.Config.Succ(r.cfg.Self) || m.Boot <= r.lease.handedBack {
		return
	}
	r.lease.handedBack = m.Boot
	if !r.lease.closed() {
		return // it has started again since, and holds a newer lease
	}
	r.lease.until = 0
	r.lease.waitsForLease = nil
	for i := range r.grants {
		// In older epochs this tail can answer no more either: it has this one.
		if g := &r.grants[i]; !g.restart && g.cfg.Tail() == r.state.Config.Tail() {
			g.until = 0
		}
	}
	r.passHandBack()
}

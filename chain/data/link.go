package data

import (
	"math"

	"catena/chain"
	"catena/chain/internal/rule"
)

// A link is one side of the ordered, reliable stream to a neighbour. It lives
// in one epoch and between one start of each side: whatever an older epoch or
// an earlier start still carries is refused. When the neighbour starts again
// both directions begin anew, and everything that was on its way has failed.
type link struct {
	peer chain.ReplicaID
	// boot is the neighbour's start; 0 until it is heard of. It only grows.
	boot uint64
	// queue holds the packets that are not acknowledged, seqs acked+1 to seq.
	queue      []item
	seq, acked uint64
	// sent and released count frame bytes given to this link and released by the peer.
	sent, released uint64
	// in is the last packet taken; taken counts its stream's frame bytes.
	in, taken uint64
	// early are packets that overtook others: kept until their turn.
	early   map[uint64]Body
	free    int64
	ackDue  bool
	helloAt chain.Instant
	// stuckAt is since when the neighbour owes an answer; 0 while it does not.
	stuckAt chain.Instant
}

type item struct {
	seq    uint64
	body   Body
	bytes  int
	op     *op
	sentAt chain.Instant
}

func (r *Replica) newLink(peer chain.ReplicaID) *link {
	return &link{peer: peer, free: math.MaxInt64, stuckAt: r.now}
}

// outstanding is how many frame bytes given to the link have not left it at the far end.
func (l *link) outstanding() int {
	if l == nil {
		return 0
	}
	return int(l.sent - min(l.released, l.sent))
}

func (r *Replica) header(l *link) Link {
	h := Link{Epoch: r.cfg.Epoch, From: r.state.Boot, To: l.boot, Ack: l.in, Released: l.taken, Free: r.free}
	if l == r.up && r.required() {
		// What the next replica still holds back holds back this one's sender too.
		h.Released -= min(uint64(r.down.outstanding()), h.Released)
		h.Free = min(h.Free, r.down.free)
	} else if l == r.up && r.down != nil && r.down.boot != 0 {
		h.Free = min(h.Free, r.down.free)
	}
	return h
}

func (r *Replica) transmit(to chain.ReplicaID, msg any) {
	r.emit(Send{Env: chain.Envelope{Chain: r.chain, From: r.self, To: to, Msg: msg}})
}

func (r *Replica) sendHello(l *link) {
	l.helloAt = r.now
	r.transmit(l.peer, Hello{Link: r.header(l), Config: r.cfg})
}

// send queues a body for the neighbour and transmits it if the link is up.
func (r *Replica) send(l *link, o *op, body Body) {
	if l == nil {
		return
	}
	l.seq++
	it := item{seq: l.seq, body: body, op: o, sentAt: r.now}
	if f, ok := body.(MsgFrame); ok {
		it.bytes = len(f.Bytes)
		l.sent += uint64(it.bytes)
		o.inflight += it.bytes
	}
	l.queue = append(l.queue, it)
	if l.stuckAt == 0 {
		l.stuckAt = r.now
	}
	if l.boot != 0 {
		r.transmit(l.peer, Packet{Link: r.header(l), Seq: it.seq, Body: body})
		l.ackDue = false
	}
}

func (r *Replica) datagram(l *link, body Body) {
	if l != nil && l.boot != 0 {
		r.transmit(l.peer, Datagram{Link: r.header(l), Body: body})
	}
}

// resend sends again what is overdue, a bounded piece at a time.
func (r *Replica) resend(l *link) {
	if l.boot == 0 {
		if r.now >= l.helloAt.Add(r.conf.ResendAfter) {
			r.sendHello(l)
		}
		return
	}
	bytes := 0
	for i := range l.queue {
		it := &l.queue[i]
		if r.now < it.sentAt.Add(r.conf.ResendAfter) || bytes > 1<<20 || i >= 256 {
			return
		}
		it.sentAt = r.now
		bytes += it.bytes
		r.transmit(l.peer, Packet{Link: r.header(l), Seq: it.seq, Body: it.body})
	}
}

// purge takes an operation's bytes out of the queue; the numbers stay.
func (l *link) purge(o *op) {
	if l == nil {
		return
	}
	for i := range l.queue {
		if it := &l.queue[i]; it.op == o {
			it.op = nil
			if it.bytes > 0 {
				it.body, it.bytes = MsgSkip{Bytes: uint32(it.bytes)}, 0
			}
		}
	}
	o.inflight = 0
}

// acked notes what the neighbour says of this side's stream.
func (r *Replica) acked(l *link, h Link) {
	l.free = h.Free
	l.released = max(l.released, min(h.Released, l.sent))
	if h.Ack <= l.acked || h.Ack > l.seq {
		return
	}
	n := int(h.Ack - l.acked)
	for _, it := range l.queue[:n] {
		if it.op != nil {
			it.op.inflight -= it.bytes
			it.op.active = r.now
		}
	}
	clear(l.queue[:n])
	l.queue = l.queue[n:]
	l.acked = h.Ack
	l.stuckAt = 0
	if len(l.queue) > 0 {
		l.stuckAt = r.now
	} else {
		l.queue = nil
	}
}

// deliver judges a message by chain, epoch and starts before anything is done with it.
func (r *Replica) deliver(env chain.Envelope) {
	h, ok := linkOf(env.Msg)
	if !ok || env.Chain != r.chain || env.To != r.self {
		return
	}
	newest := r.newest()
	switch c := h.Epoch.Compare(newest.Epoch); {
	case c > 0 && (r.rules.Holds(rule.EpochAtSeal) || isHello(env.Msg)):
		if m, ok := env.Msg.(Hello); ok && m.Config.Epoch == h.Epoch {
			r.configure(m.Config)
		}
		return
	case c < 0 && r.rules.Holds(rule.EpochAtSeal):
		r.tellNewer(env.From)
		return
	}
	if !r.active {
		return
	}
	l := r.linkTo(env.From)
	if l == nil || !r.sameStarts(l, h) {
		return
	}
	switch m := env.Msg.(type) {
	case Hello:
		if h.To == 0 {
			r.sendHello(l)
		}
	case Packet:
		if h.To == 0 {
			return
		}
		r.acked(l, h)
		l.ackDue = true
		r.takePacket(l, m)
	case Ack:
		r.acked(l, h)
	case Datagram:
		r.acked(l, h)
		r.handleDatagram(l, m.Body)
	}
	r.wakeFrames()
}

// maxEarly bounds how far packets may overtake others and still be kept.
const maxEarly = 64

// takePacket takes a packet in its turn, and those that waited for it.
func (r *Replica) takePacket(l *link, m Packet) {
	if m.Seq > l.in+1 && m.Seq <= l.in+maxEarly {
		if l.early == nil {
			l.early = map[uint64]Body{}
		}
		l.early[m.Seq] = m.Body
	}
	body, ok := m.Body, m.Seq == l.in+1
	// A body may reconfigure the replica or reset the link: look again each time.
	for ok && r.linkTo(l.peer) == l {
		l.in++
		delete(l.early, l.in)
		r.handle(l, body)
		body, ok = l.early[l.in+1]
	}
}

// sameStarts reports whether the message is between the present starts of both
// sides, and adopts a newer start of the neighbour.
func (r *Replica) sameStarts(l *link, h Link) bool {
	if h.From < l.boot || h.From == 0 {
		return false
	}
	if h.To != 0 && h.To != r.state.Boot {
		if h.To < r.state.Boot {
			r.sendHello(l)
		}
		return false
	}
	if h.From > l.boot {
		r.learnStart(l, h.From)
	}
	return true
}

func (r *Replica) learnStart(l *link, boot uint64) {
	defer r.sourceStarted(l)
	if l.boot != 0 {
		*l = *r.newLink(l.peer)
		l.boot, l.stuckAt = boot, 0
		r.peerRestarted(l)
		return
	}
	l.boot, l.stuckAt = boot, 0
	for i := range l.queue {
		it := &l.queue[i]
		it.sentAt, l.stuckAt = r.now, r.now
		r.transmit(l.peer, Packet{Link: r.header(l), Seq: it.seq, Body: it.body})
	}
}

// tellNewer answers a replica of an older epoch, at most once in a while.
func (r *Replica) tellNewer(to chain.ReplicaID) {
	if !r.active {
		return
	}
	if at, ok := r.told[to]; ok && r.now < at.Add(r.conf.ResendAfter) {
		return
	}
	r.told[to] = r.now
	r.transmit(to, Hello{Link: Link{Epoch: r.cfg.Epoch, From: r.state.Boot, Free: r.free}, Config: r.cfg})
}

func (r *Replica) linkTo(peer chain.ReplicaID) *link {
	switch {
	case r.up != nil && r.up.peer == peer:
		return r.up
	case r.down != nil && r.down.peer == peer:
		return r.down
	}
	return nil
}

func linkOf(msg any) (Link, bool) {
	switch m := msg.(type) {
	case Hello:
		return m.Link, true
	case Packet:
		return m.Link, true
	case Ack:
		return m.Link, true
	case Datagram:
		return m.Link, true
	}
	return Link{}, false
}

// stuck reports whether the neighbour has owed an answer for too long. Nothing
// new is begun then: its queue would grow until somebody reconfigures.
func (r *Replica) stuck(l *link) bool {
	return l != nil && l.stuckAt != 0 && r.now >= l.stuckAt.Add(r.conf.UnreachableAfter)
}

func isHello(msg any) bool {
	_, ok := msg.(Hello)
	return ok
}

// flushAcks acknowledges what this step took, unless a packet already did.
func (r *Replica) flushAcks() {
	for _, l := range [...]*link{r.up, r.down} {
		if l != nil && l.ackDue && l.boot != 0 {
			r.sendAck(l)
		}
	}
	// When the next replica released bytes, the sender above may go on.
	if r.up != nil && r.up.boot != 0 && r.required() {
		released := r.header(r.up).Released
		if released >= r.toldUp+uint64(r.conf.ReplicaInflight/32) || released > r.toldUp && r.down.outstanding() == 0 {
			r.sendAck(r.up)
		}
	}
}

func (r *Replica) sendAck(l *link) {
	h := r.header(l)
	r.transmit(l.peer, Ack{Link: h})
	l.ackDue = false
	if l == r.up {
		r.toldUp, r.toldFree, r.toldAt = h.Released, h.Free, r.now
	}
}

// tellFree keeps the free space that the replica above knows fresh on an idle chain.
func (r *Replica) tellFree() {
	if r.up == nil || r.up.boot == 0 || r.now < r.toldAt.Add(r.conf.ReportEvery) {
		return
	}
	if r.header(r.up).Free != r.toldFree || r.now >= r.toldAt.Add(10*r.conf.ReportEvery) {
		r.sendAck(r.up)
	}
}

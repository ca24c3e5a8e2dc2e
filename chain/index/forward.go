package index

import (
	"fmt"

	"catena/chain"
	"catena/chain/internal/rule"
)

// unknownFree stands for a free space that nobody has told yet.
const unknownFree = int64(1) << 62

// upLink is the stream on which this replica receives.
type upLink struct {
	from chain.ReplicaID
	ch   Channel
	// durable is what every replica upstream has on disk, as told on this
	// stream; it is learned anew on each.
	durable uint64
	// resumed: a joiner's log agrees with its source's up to its end.
	resumed bool
	// acked is the end of the log as last acknowledged.
	acked uint64
	// gapTold: a gap was reported since the last tick or entry. Once is enough:
	// every further one would ask for everything again.
	gapTold bool
}

type linkState uint8

const (
	linkHello     linkState = iota // hello sent, no welcome yet
	linkFetching                   // the successor has entries that this replica lost
	linkResuming                   // the joiner was told where the logs agree
	linkOffering                   // the joiner was offered a snapshot
	linkStuck                      // the other side cannot go on; it was reported
	linkStreaming                  // entries flow
)

// downLink is a stream on which this replica sends: to its successor, or to a joiner.
type downLink struct {
	to     chain.ReplicaID
	joiner bool
	ch     Channel
	state  linkState
	// received, durable and whole are what the receiver said on this stream;
	// durable and whole only of a joiner, after its log agreed with this one.
	// Invariant, once entries flow: received < next.
	received, durable uint64
	whole             bool
	// committed is how far the receiver has committed, as it said on this stream.
	committed uint64
	// endAtOpen is the end of this log when the stream began: everything that was
	// ever committed without the receiver's knowledge lies at or before it.
	endAtOpen uint64
	// free is the least free space from the receiver down, in bytes, as it said last.
	free int64
	// next is the first entry not sent; what lies between received and next is in flight.
	next uint64
	// What the last Append said, so that news is sent and nothing else.
	sentDurable, sentProbe, sentCommitted uint64
	// at is where the logs agree (resuming), or the end to fetch (fetching).
	at Mark
	// receivedAtTick is received at the last tick: no progress means a loss. stalled:
	// there was none, so one batch at a time is tried until there is.
	receivedAtTick uint64
	stalled        bool
	// rewound: entries were sent again for a gap since the last tick or progress.
	rewound bool
	// pages is the source's side of a snapshot.
	pages pages
	// heard is when the receiver was last heard, or began to owe an answer.
	heard chain.Instant
	owing bool
}

// appendEntry puts an entry, known to follow, into the log and onto the disk.
func (r *Replica) appendEntry(e *Entry) bool {
	if !r.state.Installing {
		if err := r.machine.Append(e); err != nil {
			r.stop(fmt.Sprintf("entry %s/%d: %v", e.Epoch, e.Seq, err))
			return false
		}
	}
	r.log.append(e)
	r.up.gapTold = false
	r.persistEntry(e)
	if !r.rules.Holds(rule.ApplyCommitted) {
		r.durable = e.Seq
		r.commitTo(e.Seq)
	}
	return true
}

// onAppend takes entries of the present stream, in order and without a gap.
func (r *Replica) onAppend(from chain.ReplicaID, m *Append) {
	if r.rules.Holds(rule.PresentStream) && r.rules.Holds(rule.EpochCheck) && !r.onStream(from, m.Channel) {
		return
	}
	if r.isJoiner() && !r.up.resumed {
		return
	}
	for _, e := range m.Entries {
		if !r.accept(e) {
			break
		}
	}
	if r.stopped != "" {
		return
	}
	r.up.durable = max(r.up.durable, m.Durable)
	if !r.isHead() {
		r.probe = max(r.probe, m.Probe)
	}
	if r.isJoiner() {
		r.sourceCommitted = max(r.sourceCommitted, m.Committed)
	}
	if m.Poll || r.log.last().Seq >= r.up.acked+uint64(r.cfg.Window/4)+1 {
		r.ackDue = true
	}
}

// accept takes one entry if it is the next one; false ends the batch.
func (r *Replica) accept(e *Entry) bool {
	last := r.log.last()
	switch {
	case e.Seq <= last.Seq:
		return true // sent again
	case !r.log.follows(e):
		if !r.up.gapTold {
			r.up.gapTold, r.ackDue, r.ackGap = true, true, true
		}
		return false
	case e.Digest != last.Digest:
		r.cannotReproduce(Mark{Epoch: last.Epoch, Seq: last.Seq, Digest: e.Digest})
		return false
	case r.holdsBack(e):
		return false
	case r.overfull():
		return false
	}
	return r.appendEntry(e)
}

// holdsBack: an entry's time that jumps far ahead of this replica's clock is
// not believed until the clock comes near; the sender sends again meanwhile.
func (r *Replica) holdsBack(e *Entry) bool {
	before := r.applied.Time
	if last := r.log.last().Seq; last > r.log.base.Seq {
		before = r.log.at(last).e.Time
	}
	if e.Time <= before+1 || e.Time <= r.now.WallMs+r.cfg.ClockSlackMs {
		return false
	}
	r.reports.set(chain.ReportClock, r.cfg.Self, fmt.Sprintf("entry %s/%d is %d ms ahead", e.Epoch, e.Seq, e.Time-r.now.WallMs))
	return true
}

// durablePrefix is what this replica and all before it have on disk.
func (r *Replica) durablePrefix() uint64 {
	if r.isHead() {
		return r.durable
	}
	return min(r.durable, r.up.durable)
}

// pump sends what is new: entries as far as the window reaches, and with them
// (or alone, when there are none) the durable prefix and the probe.
func (r *Replica) pump(l *downLink) {
	if l == nil || l.state != linkStreaming {
		return
	}
	if l.next <= r.log.base.Seq && !r.passTrimmed(l) {
		return
	}
	window := uint64(r.cfg.Window)
	if l.stalled && l.next > l.received+1 {
		window = 0 // the one batch is on its way
	}
	for last := r.sendable(l); l.next <= last && l.next-l.received <= window; {
		batch := r.log.batch(l.next, min(last, l.received+window), r.cfg.BatchBytes)
		l.next += uint64(len(batch))
		r.sendAppend(l, batch, false)
		if l.stalled {
			break
		}
	}
	if r.hasNews(l) {
		r.sendAppend(l, nil, false)
	}
}

// sendable is the end of what may be sent on a link. A successor gets entries
// while they are being synced here. A joiner gets only what is on this disk: if
// this replica lost in a crash what the joiner has, and the joiner were promoted
// before it was told to cut it, two Serving logs would differ, and nobody cuts.
func (r *Replica) sendable(l *downLink) uint64 {
	if l.joiner && r.rules.Holds(rule.JoinerBehindSource) {
		return r.durable
	}
	return r.log.last().Seq
}

// passTrimmed deals with a receiver that needs entries no longer in memory. A
// successor has them, only its ack was lost: they are committed. A joiner that
// is really behind gets a new stream, and on it a snapshot.
func (r *Replica) passTrimmed(l *downLink) bool {
	if l.joiner {
		r.openStream(l)
		return false
	}
	l.received = max(l.received, r.log.base.Seq)
	l.next = r.log.base.Seq + 1
	return true
}

// hasNews: an empty Append is worth sending. A head that waits for one probe
// lets the next ones gather behind it.
func (r *Replica) hasNews(l *downLink) bool {
	if l.joiner {
		return r.applied.Seq > l.sentCommitted
	}
	if r.durablePrefix() > l.sentDurable {
		return true
	}
	return r.probe > l.sentProbe && (!r.isHead() || l.sentProbe <= r.confirmed)
}

func (r *Replica) sendAppend(l *downLink, batch []*Entry, poll bool) {
	l.sentDurable, l.sentProbe, l.sentCommitted = r.durablePrefix(), r.probe, r.applied.Seq
	r.probeSent = max(r.probeSent, l.sentProbe)
	r.send(l.to, &Append{
		Channel: l.ch, Entries: batch, Durable: l.sentDurable,
		Committed: l.sentCommitted, Probe: l.sentProbe, Poll: poll,
	})
}

// tickLink sends again what was lost. A tick without progress means a loss.
func (r *Replica) tickLink(l *downLink) {
	if l == nil {
		return
	}
	owes := r.owes(l)
	if owes && !l.owing {
		l.heard = r.now.Mono // its silence counts from here
	}
	l.owing = owes
	switch l.state {
	case linkHello:
		r.send(l.to, &Hello{Config: r.state.Config, Stream: l.ch.Stream})
	case linkFetching:
		r.send(l.to, &Fetch{Channel: l.ch, From: r.log.last().Seq + 1})
	case linkResuming:
		r.send(l.to, &Resume{Channel: l.ch, At: l.at})
	case linkOffering:
		r.send(l.to, &Offer{Channel: l.ch})
	case linkStreaming:
		if l.received == l.receivedAtTick && l.next > l.received+1 {
			l.next, l.stalled = l.received+1, true
		}
		l.receivedAtTick, l.rewound = l.received, false
		if owes {
			r.sendAppend(l, nil, true)
		}
	}
}

// owes: the receiver has not said all that this replica waits for.
func (r *Replica) owes(l *downLink) bool {
	switch {
	case l.state == linkStuck:
		return false
	case l.state != linkStreaming:
		return true
	case l.free <= 0:
		// Creates are refused on its word, so it is asked until there is room again:
		// on a quiet chain nothing else would bring the news.
		return true
	case l.joiner:
		return l.durable < r.durable || !l.whole
	}
	// A receiver that restarted commits again what is committed here; for that it
	// must hear the durable prefix on its new stream, and the one message may be lost.
	return l.received < r.log.last().Seq || r.applied.Seq < r.log.last().Seq || l.committed < r.applied.Seq || r.confirmed < r.probe
}

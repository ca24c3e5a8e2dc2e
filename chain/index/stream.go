package index

import (
	"fmt"

	"catena/chain"
	"catena/chain/internal/rule"
)

// This file opens streams: hello, welcome, the comparison of two logs, and what
// a predecessor takes back that it lost in a crash.

func (r *Replica) newLink(to chain.ReplicaID, joiner bool) *downLink {
	return &downLink{to: to, joiner: joiner, heard: r.now.Mono}
}

// nextNumber makes a stream's number, of either side: never used before or after.
func (r *Replica) nextNumber() uint64 {
	r.streams++
	return inStart(r.state.Boot, r.streams)
}

// inStart makes the nth number of a start: greater than all of earlier starts,
// and told apart from them by startOf. Rule 3 rests on it.
func inStart(boot uint64, n uint32) uint64 { return boot<<32 | uint64(n) }

// startOf is the boot number of the start that made a number.
func startOf(number uint64) uint64 { return number >> 32 }

// openStream says hello on a new stream. What earlier ones still carry is void.
func (r *Replica) openStream(l *downLink) {
	*l = downLink{to: l.to, joiner: l.joiner, heard: l.heard, owing: l.owing, free: unknownFree}
	l.ch = Channel{Epoch: r.state.Config.Epoch, Stream: r.nextNumber()}
	r.send(l.to, &Hello{Config: r.state.Config, Stream: l.ch.Stream})
}

// onHello opens the stream, or keeps the hello until this replica has agreed
// with its own successor: before that it may have lost, in a crash, entries
// that its successor still has.
func (r *Replica) onHello(from chain.ReplicaID, m *Hello) {
	if from != r.state.Config.Pred(r.cfg.Self) {
		return
	}
	if m.Stream < r.up.ch.Stream {
		// It came late, or its sender has forgotten the newer one.
		r.send(from, &Reset{Channel{Epoch: r.state.Config.Epoch, Stream: r.up.ch.Stream}})
		return
	}
	if !r.agreed && r.rules.Holds(rule.HelloAfterAgreed) {
		r.holdHello(from, m)
		return
	}
	if m.Stream != r.up.ch.Stream {
		r.up = upLink{from: from, ch: Channel{Epoch: r.state.Config.Epoch, Stream: m.Stream, Accept: r.nextNumber()}}
		r.suspect = nil
	}
	r.send(from, &Welcome{Channel: r.up.ch, Marks: r.marks(), Holding: r.holding(), Free: r.leastFree()})
}

func (r *Replica) holdHello(from chain.ReplicaID, m *Hello) {
	if from == r.state.Config.Pred(r.cfg.Self) && (r.heldHello == nil || r.heldHello.Stream < m.Stream) {
		r.heldHello = m
	}
}

// maxMarks bounds a Welcome. A Serving replica never has more, because the
// head's window is smaller; of a joiner's, the newest matter.
const maxMarks = 2 * maxWindow

// marks are the applied position and everything above it.
func (r *Replica) marks() []Mark {
	first := r.applied.Seq
	if n := r.log.last().Seq - first; n >= maxMarks {
		first = r.log.last().Seq - maxMarks + 1
	}
	var ms []Mark
	for seq := first; seq <= r.log.last().Seq; seq++ {
		m, _ := r.log.mark(seq)
		ms = append(ms, m)
	}
	return ms
}

// onWelcome compares the logs of both ends of a link.
func (r *Replica) onWelcome(from chain.ReplicaID, m *Welcome) {
	l := r.linkTo(from)
	if l == nil || l.state != linkHello || m.Stream != l.ch.Stream || len(m.Marks) == 0 {
		return
	}
	l.heard = r.now.Mono
	l.ch.Accept = m.Accept
	l.free = m.Free
	if l.joiner {
		r.welcomeJoiner(l, m)
		return
	}
	applied, end, last := m.Marks[0], m.Marks[len(m.Marks)-1], r.log.last()
	l.committed = applied.Seq
	if applied.Seq > last.Seq && r.rules.Holds(rule.OlderLeaves) {
		r.outdated(l, applied)
		return
	}
	if end.Seq > last.Seq {
		r.successorAhead(l, m.Marks, end)
		return
	}
	mine, ok := r.log.mark(end.Seq)
	if !ok {
		r.strayed(l, fmt.Sprintf("its log ends at %s/%d, and its predecessor's reaches back to %d: it lacks what was applied",
			end.Epoch, end.Seq, r.log.base.Seq))
		return
	}
	if mine.Epoch != end.Epoch {
		r.parted(l, mine, end)
		return
	}
	r.startStreaming(l, end.Seq)
	r.agree()
	switch {
	case mine.Digest == end.Digest:
	case r.isHead():
		r.send(l.to, &Suspect{Channel: l.ch, At: mine})
	default:
		r.strayed(l, fmt.Sprintf("its log up to %s/%d has digest %x, want %x", end.Epoch, end.Seq, end.Digest, mine.Digest))
	}
}

// successorAhead fetches what this replica lost in a crash.
func (r *Replica) successorAhead(l *downLink, marks []Mark, end Mark) {
	last := r.log.last()
	for _, m := range marks {
		switch {
		case m == last:
			l.state, l.at = linkFetching, end
			r.send(l.to, &Fetch{Channel: l.ch, From: last.Seq + 1})
			return
		case m.Seq == last.Seq && m.Epoch != last.Epoch:
			r.parted(l, last, m)
			return
		}
	}
	r.strayed(l, fmt.Sprintf("its log does not pass through its predecessor's end %s/%d", last.Epoch, last.Seq))
}

// outdated: another member has applied what was never in this log. What is
// applied was on the disk of every Serving member, so this disk has lost it: it
// is an older image of itself. It says so of itself; the other is right.
func (r *Replica) outdated(l *downLink, applied Mark) {
	last := r.log.last()
	r.leave(fmt.Sprintf("%s has applied %s/%d, and the log here ends at %s/%d: this disk is an older image of itself",
		l.to, applied.Epoch, applied.Seq, last.Epoch, last.Seq))
}

// parted: at one position the two logs have entries of different epochs. Only a
// joiner's log is ever cut, and what is cut is older than all that takes its
// place, so the lower epoch is on a disk that has forgotten the cut.
func (r *Replica) parted(l *downLink, mine, theirs Mark) {
	if mine.Epoch.Less(theirs.Epoch) && r.rules.Holds(rule.OlderLeaves) {
		r.leave(fmt.Sprintf("the log here has %s/%d where that of %s has %s/%d: this disk is an older image of itself",
			mine.Epoch, mine.Seq, l.to, theirs.Epoch, theirs.Seq))
		return
	}
	r.strayed(l, fmt.Sprintf("its log has %s/%d where its predecessor's has %s/%d", theirs.Epoch, theirs.Seq, mine.Epoch, mine.Seq))
}

// strayed reports a Serving successor whose log is not this one's prefix, nor
// the other way round: no rule leads there, so its disk lost or changed
// something. It rejoins as a new incarnation.
func (r *Replica) strayed(l *downLink, detail string) {
	l.state = linkStuck
	r.reports.set(chain.ReportDiverged, l.to, detail)
	r.report()
}

func (r *Replica) startStreaming(l *downLink, received uint64) {
	l.state, l.endAtOpen = linkStreaming, r.log.last().Seq
	l.received, l.receivedAtTick, l.next = received, received, received+1
}

// agree: this replica has everything that its successor has. Now it answers
// its predecessor, or, as head, orders.
func (r *Replica) agree() {
	r.agreed = true
	if h := r.heldHello; h != nil {
		r.heldHello = nil
		r.onHello(r.state.Config.Pred(r.cfg.Self), h)
	}
}

// onFetch answers with entries, all of which are still in memory: what a
// predecessor lacks is not committed, unless its disk is an older image.
func (r *Replica) onFetch(from chain.ReplicaID, m *Fetch) {
	if !r.onStream(from, m.Channel) || m.From > r.log.last().Seq {
		return
	}
	if m.From <= r.log.base.Seq {
		r.send(from, &Reset{Channel: m.Channel}) // applied meanwhile: it has lost more than it thought
		return
	}
	r.send(from, &Fetched{Channel: r.up.ch, Entries: r.log.batch(m.From, r.log.last().Seq, r.cfg.BatchBytes)})
}

func (r *Replica) onFetched(from chain.ReplicaID, m *Fetched) {
	l := r.down
	if l == nil || from != l.to || l.state != linkFetching || m.Channel != l.ch {
		return
	}
	l.heard = r.now.Mono
	for _, e := range m.Entries {
		if r.log.last().Seq < l.at.Seq && r.log.follows(e) && e.Digest == r.log.last().Digest {
			if !r.appendEntry(e) {
				return
			}
		}
	}
	if r.log.last().Seq < l.at.Seq {
		r.send(l.to, &Fetch{Channel: l.ch, From: r.log.last().Seq + 1})
		return
	}
	if r.log.last() != l.at {
		r.strayed(l, fmt.Sprintf("fetched up to %s/%d with another digest", l.at.Epoch, l.at.Seq))
		return
	}
	r.startStreaming(l, l.at.Seq)
	r.agree()
}

// onReset: the receiver restarted, or never had this stream. Say hello again.
func (r *Replica) onReset(from chain.ReplicaID, m *Reset) {
	l := r.linkTo(from)
	if l == nil {
		return
	}
	if m.Accept == 0 && m.Stream > inStart(r.state.Boot, r.streams) && r.rules.Holds(rule.OlderLeaves) {
		r.leave(fmt.Sprintf("%s knows a stream %x of this replica, which this disk has forgotten: it is an older image of itself",
			from, m.Stream))
		return
	}
	if l.state == linkHello {
		return
	}
	if m.Channel == l.ch || m.Stream == 0 && startOf(l.ch.Accept) != startOf(m.Accept) {
		r.openStream(l)
	}
}

// tickUp lets a gap be told again, and asks for a hello while there is no
// stream: after a restart the predecessor may have nothing to send, and so no
// way to notice.
func (r *Replica) tickUp() {
	r.up.gapTold = false
	if pred := r.state.Config.Pred(r.cfg.Self); r.up.ch.Accept == 0 && !pred.IsZero() {
		r.send(pred, &Reset{Channel{Epoch: r.state.Config.Epoch, Accept: inStart(r.state.Boot, 0)}})
	}
}

// onStream reports whether a message came on the stream opened by the latest
// hello. If not, its sender is told to say hello again: if that is still its
// stream, one of the two has restarted.
func (r *Replica) onStream(from chain.ReplicaID, ch Channel) bool {
	if from == r.up.from && ch == r.up.ch {
		return true
	}
	if from == r.state.Config.Pred(r.cfg.Self) {
		r.send(from, &Reset{Channel: ch})
	}
	return false
}

func (r *Replica) linkTo(id chain.ReplicaID) *downLink {
	switch {
	case r.down != nil && r.down.to == id:
		return r.down
	case r.join != nil && r.join.to == id:
		return r.join
	}
	return nil
}

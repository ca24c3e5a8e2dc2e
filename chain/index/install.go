package index

import (
	"bytes"
	"fmt"

	"catena/chain"
	"catena/chain/internal/rule"
)

// This file is the joiner's side: its log is cut to its source's, or a fuzzy
// snapshot is installed page by page while live entries gather in its log.

// install is a snapshot on its way in; it outlives epochs and sources. What
// must outlive a restart is in the state record.
type install struct {
	// begun: in this start, the rows of earlier attempts were voided.
	begun bool
	// page is the InstallPage that is being written; 0 for none. Its rows end
	// before next.
	page uint64
	next []byte
	// ended is the token of the record that says that the snapshot is complete;
	// 0 when it is on disk. Until then a crash makes it half again.
	ended uint64
}

// holding says what this replica could be filled up from.
func (r *Replica) holding() Holding {
	switch {
	case r.state.Installing && r.hasBase():
		return HoldsHalf
	case r.state.Installing:
		return HoldsHalfNoBase
	case r.applied == Applied{} && len(r.log.recs) == 0:
		return HoldsNothing
	case !r.whole():
		return HoldsHalf // so it was never promoted, and may begin again
	}
	return HoldsRows
}

// hasBase: the first page of the snapshot told where the log goes on. A source
// offers a snapshot only when its log does not reach back to the start, so
// that position is never zero.
func (r *Replica) hasBase() bool { return r.state.SnapshotAt != Applied{} }

// whole: this replica has, on disk, rows and log that together are everything
// up to the log's end. Rows of a fuzzy snapshot may be ahead of their position,
// but only in what entries up to SnapshotMax wrote; those are all in the log,
// pending ones in the machine's overlay too, and nothing is read by a tail
// before its whole log is applied.
func (r *Replica) whole() bool {
	if r.state.Installing || r.install.ended != 0 {
		return false
	}
	return r.durable >= r.state.SnapshotMax || !r.rules.Holds(rule.SnapshotWithLog)
}

// overfull bounds what a joiner holds in memory while it cannot apply.
func (r *Replica) overfull() bool {
	return r.state.Installing && (len(r.log.recs) >= r.cfg.JoinEntries || r.log.bytes >= r.cfg.JoinBytes)
}

// onResume cuts the log to its source's. Only a joiner ever truncates, and only
// what its source does not have: the source has every acknowledged entry.
func (r *Replica) onResume(from chain.ReplicaID, m *Resume) {
	if !r.isJoiner() || !r.onStream(from, m.Channel) {
		return
	}
	r.ackDue = true
	if r.up.resumed {
		return
	}
	at := m.At
	if !r.rules.Holds(rule.TruncateToSource) {
		at, _ = r.log.mark(r.applied.Seq)
	}
	if mine, ok := r.log.mark(at.Seq); !ok || mine != at || at.Seq < r.applied.Seq {
		return // not an answer to the marks of this stream
	}
	r.truncate(at.Seq)
	r.up.resumed = true
	r.requestPage()
}

// truncate cuts the log above seq.
func (r *Replica) truncate(seq uint64) {
	if seq >= r.log.last().Seq {
		return
	}
	first := r.log.at(seq + 1).e
	r.log.truncate(seq)
	r.durable = min(r.durable, seq)
	for i := range r.writes {
		if w := &r.writes[i]; w.kind == writeEntry && w.seq > seq {
			w.kind = writeOther // its arrival on disk means nothing any more
		}
	}
	r.token++
	r.writes = append(r.writes, write{token: r.token, kind: writeOther})
	r.emit(PersistTruncate{Token: r.token, Seq: seq, Rev: first.Rev})
	if !r.state.Installing {
		r.machine.Truncate(seq)
	}
}

// onOffer begins a snapshot. A replica that has rows never does.
func (r *Replica) onOffer(from chain.ReplicaID, m *Offer) {
	if !r.isJoiner() || !r.onStream(from, m.Channel) {
		return
	}
	if r.up.resumed {
		r.ackDue = true // the source has not heard that there is a base
		return
	}
	if r.holding() == HoldsRows {
		// The snapshot was completed while the offer came: look again.
		r.send(from, &Reset{Channel: m.Channel})
		return
	}
	if r.hasBase() || !r.install.begun {
		r.beginInstall()
	}
	r.requestPage()
}

// beginInstall voids this incarnation's rows and log. The state record goes
// first, so that no crash leaves half a snapshot that looks like rows.
func (r *Replica) beginInstall() {
	if !r.state.Installing && len(r.log.recs) > 0 {
		r.machine.Truncate(0)
	}
	r.state.Installing = true
	r.state.SnapshotFrom, r.state.SnapshotAt, r.state.SnapshotMax = nil, Applied{}, 0
	r.persistState()
	for i := range r.writes {
		if r.writes[i].kind == writeEntry {
			r.writes[i].kind = writeOther
		}
	}
	r.log.reset(Mark{})
	r.applied, r.durable, r.sourceCommitted = Applied{}, 0, 0
	r.install = install{begun: true}
	r.token++
	r.writes = append(r.writes, write{token: r.token, kind: writeOther})
	r.emit(BeginInstall{Token: r.token})
}

// requestPage asks for the next page; at most one is on its way.
func (r *Replica) requestPage() {
	if !r.state.Installing || r.install.page != 0 || r.up.ch.Accept == 0 || r.hasBase() && !r.up.resumed {
		return
	}
	r.send(r.up.from, &PageRequest{
		Channel: r.up.ch, From: r.state.SnapshotFrom, First: !r.hasBase(), AtLeast: r.state.SnapshotAt.Seq,
	})
}

// tickInstall asks again for a page that did not come.
func (r *Replica) tickInstall() {
	if r.isJoiner() && r.install.begun || r.up.resumed {
		r.requestPage()
	}
}

// onPageReply writes a page. The first one tells where the log goes on: that is
// on disk before any entry above it is.
func (r *Replica) onPageReply(from chain.ReplicaID, m *PageReply) {
	if !r.isJoiner() || !r.onStream(from, m.Channel) || !r.state.Installing || r.install.page != 0 {
		return
	}
	if m.First == r.hasBase() || !bytes.Equal(m.From, r.state.SnapshotFrom) || m.At.Seq < r.state.SnapshotAt.Seq {
		return
	}
	r.state.SnapshotMax = max(r.state.SnapshotMax, m.Upper)
	if m.First {
		r.state.SnapshotAt = m.At
		r.applied = m.At
		r.log.reset(markOf(m.At))
		r.durable = m.At.Seq
		r.up.resumed = true
		r.ackDue = true
	}
	r.persistState()
	r.token++
	r.install.page, r.install.next = r.token, m.Page.Next
	r.emit(InstallPage{ID: r.install.page, Page: m.Page})
}

// onPageInstalled goes on with the next page, or ends the snapshot.
func (r *Replica) onPageInstalled(id uint64) {
	if id != r.install.page || !r.state.Installing {
		return
	}
	r.install.page = 0
	if r.install.next != nil {
		r.state.SnapshotFrom = r.install.next
		r.persistState()
		if r.phase == phaseActive {
			r.requestPage()
		}
		return
	}
	r.endInstall()
}

// endInstall gives the rows their position: where the snapshot began. What the
// later pages saw beyond is applied over them again; entries are physical, so
// that does no harm, and the rows are whole once SnapshotMax is passed.
func (r *Replica) endInstall() {
	if !r.rules.Holds(rule.SnapshotWithLog) {
		for r.applied.Seq < min(r.state.SnapshotMax, r.log.last().Seq) {
			r.applied = r.log.at(r.applied.Seq + 1).applied()
		}
	}
	r.emit(EndInstall{Applied: r.applied})
	r.state.Installing, r.state.SnapshotFrom = false, nil
	r.install = install{ended: r.persistState()}
	r.machine.Reload(r.applied)
	for seq := r.applied.Seq + 1; seq <= r.log.last().Seq; seq++ {
		if err := r.machine.Append(r.log.at(seq).e); err != nil {
			r.stop(fmt.Sprintf("entry %d: %v", seq, err))
			return
		}
	}
	r.ackDue = true
}

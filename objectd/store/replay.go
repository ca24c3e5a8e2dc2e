package store

import (
	"fmt"
	"slices"
)

// replayer feeds the log from a record on into the rows and the replicas.
type replayer struct {
	s    *Store
	from uint64 // the first record that the rows may not reflect
	st   stager
	recs []Record
	// next is the number that the next record must have; 0 while none was read.
	next uint64
	// end is the segment in which the log ended.
	end      *segment
	retained int64
	// each takes a record; replay, or a pass of a rebuild.
	each func(*Record) error
}

func (rp *replayer) last() uint64 {
	if rp.next == 0 {
		return rp.from - 1
	}
	return rp.next - 1
}

// run reads the segments from the one that holds the record before rp.from on
// (the rows reflect it, so every end mark before it was durable), until one
// without an end mark ends the log.
func (rp *replayer) run(log []*segment) error {
	start := 0
	for i, g := range log {
		if g.first != 0 && g.first < rp.from {
			start = i
		}
	}
	for _, g := range log[min(start, len(log)):] {
		marked, err := rp.segment(g)
		if err != nil {
			return err
		}
		rp.end = g
		if !marked {
			break
		}
	}
	return rp.flush()
}

// segment replays one segment and reports whether it has its end mark.
func (rp *replayer) segment(g *segment) (marked bool, err error) {
	sc := newScanner(g, headerBytes)
	g.index, g.end, g.marked = nil, headerBytes, false
	for {
		b, err := sc.next()
		if err != nil {
			return false, err
		}
		if b == nil {
			return false, rp.judge(g, sc.off)
		}
		g.noteBatch(b.h, b.off, rp.s.cfg.SegmentSize)
		g.end = sc.off
		if b.h.mark {
			_, last := g.records()
			if want := b.h.first; g.first != 0 && want != last+1 {
				return false, damage(g, b.off, fmt.Sprintf("the end mark says that record %d was the last, found %d", want-1, last))
			}
			g.marked = true
			return true, nil
		}
		if rp.next != 0 && b.h.first != rp.next {
			return false, damage(g, b.off, fmt.Sprintf("record %d follows record %d", b.h.first, rp.next-1))
		}
		if rp.next == 0 && b.h.first > rp.from {
			return false, damage(g, b.off, fmt.Sprintf("the rows reach to record %d, the log begins at %d", rp.from, b.h.first))
		}
		rp.next = b.h.first + uint64(b.h.count)
		for i := range b.recs {
			b.recs[i].at.slot = g.slot
			if err := rp.each(&b.recs[i]); err != nil {
				return false, err
			}
		}
	}
}

// record replays one record.
func (rp *replayer) record(r *Record) error {
	r.rep = rp.s.replicas[r.key]
	if r.kind == recCreate && r.no >= rp.from && r.rep == nil {
		r.rep = newReplica(r.key, r.chain)
		rp.s.replicas[r.key] = r.rep
	}
	if r.kind == recForget || r.kind == recAside && r.first != 0 {
		// These may have outlived their replica, and may be done twice.
		if r.no < rp.from {
			return nil
		}
		return rp.st.stage(r)
	}
	if r.rep == nil {
		return nil // of a replica that was dropped later
	}
	if r.kind == recEntry && r.entry.Seq <= r.rep.applied.Seq {
		rp.retain(r)
		return nil
	}
	if r.no < rp.from {
		return nil
	}
	if r.kind != recEntry && r.no <= r.rep.reflected {
		rp.reflectedBefore(r)
		return nil
	}
	rp.s.own(r)
	if r.kind == recEntry {
		r.rep.queued++ // settle counts it down
	}
	if err := rp.st.stage(r); err != nil {
		return err
	}
	rp.s.settle(r)
	if rp.st.b != nil && rp.st.b.Len() > 4<<20 {
		return rp.flush()
	}
	return nil
}

// reflectedBefore is for a record whose rows are there: only the entries that
// it voids are still to be forgotten.
func (rp *replayer) reflectedBefore(r *Record) {
	if r.kind != recTruncate {
		if r.kind == recImage {
			r.rep.image = r.at.inc
		}
		return
	}
	r.rep.cut(r.seq)
	if r.rev == 0 {
		r.rep.pending, r.rep.retained = nil, nil
		r.rep.setFirst()
	}
}

// own gives a record's bytes a life of their own: they alias the read buffer.
func (s *Store) own(r *Record) {
	if e := r.entry; e != nil {
		e.Body = slices.Clone(e.Body)
		if e.Payload != nil {
			e.Payload = append([]byte{}, e.Payload...)
		}
	}
}

// flush commits what was staged. completed follows, so that the position that
// goes with the batch is right.
func (rp *replayer) flush() error {
	if err := rp.st.commit(); err != nil {
		return err
	}
	rp.st = stager{s: rp.s}
	rp.s.completed.Store(max(rp.last(), rp.from-1))
	return nil
}

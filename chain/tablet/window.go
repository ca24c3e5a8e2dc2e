package tablet

import "catena/chain"

// window is the set of opIDs whose op rows exist, pending included. Each entry
// puts one op row (time, opID, answer) and deletes a few that are too old: so
// the set is derived from the rows after a restart, is in every snapshot, and
// is inherited by both children of a split, with no other mechanism. In memory
// there is only (opID -> time); answers stay in the rows.
type window struct {
	marks map[chain.OpID]opMark
	// order has the marks by time; order[head:] are the ones not dropped.
	order []opAt
	head  int
	// free of the places before head were passed by committed entries: no undo
	// comes back to them. Invariant: free <= head <= len(order).
	free int
}

type opMark struct {
	time int64
	seq  uint64 // of the entry while it is pending; harmless afterwards
}

type opAt struct {
	time int64
	id   chain.OpID
}

// undo is what a truncated entry's mark takes back.
type undo struct {
	has      bool
	id       chain.OpID
	before   opMark // what the mark replaced; zero for nothing
	replaced bool
	dropped  []opUndo
}

type opUndo struct {
	id   chain.OpID
	mark opMark
	pops int // how far head moved
}

func newWindow() window { return window{marks: map[chain.OpID]opMark{}} }

// put adds a mark and gives the one it replaced.
func (w *window) put(id chain.OpID, time int64, seq uint64) (before opMark, replaced bool) {
	before, replaced = w.marks[id]
	w.marks[id] = opMark{time: time, seq: seq}
	w.order = append(w.order, opAt{time, id})
	return before, replaced
}

func (u *undo) put(before opMark, replaced bool, id chain.OpID) {
	u.has, u.id, u.before, u.replaced = true, id, before, replaced
}

// drop removes the mark of an op row that was deleted.
func (w *window) drop(id chain.OpID, time int64) []opUndo {
	m, ok := w.marks[id]
	if !ok || m.time != time {
		return nil
	}
	delete(w.marks, id)
	u := opUndo{id: id, mark: m}
	for w.head < len(w.order) && !w.live(w.order[w.head]) {
		w.head++
		u.pops++
	}
	return []opUndo{u}
}

func (w *window) live(o opAt) bool {
	m, ok := w.marks[o.id]
	return ok && m.time == o.time
}

// undo takes back what one entry did to the window; newest entry first.
func (w *window) undo(u *undo) {
	for i := len(u.dropped) - 1; i >= 0; i-- {
		d := &u.dropped[i]
		w.marks[d.id] = d.mark
		w.head -= d.pops
	}
	if !u.has {
		return
	}
	w.order = w.order[:len(w.order)-1]
	if u.replaced {
		w.marks[u.id] = u.before
	} else {
		delete(w.marks, u.id)
	}
}

// commit says that an entry's mark will not be undone, and frees places.
func (w *window) commit(u *undo) {
	for i := range u.dropped {
		w.free += u.dropped[i].pops
	}
	if w.free > 1024 && w.free > len(w.order)/2 {
		w.order = append([]opAt(nil), w.order[w.free:]...)
		w.head, w.free = w.head-w.free, 0
	}
}

// known gives the mark of an opID that is in the window at time now.
func (w *window) known(id chain.OpID, now int64) (opMark, bool) {
	m, ok := w.marks[id]
	return m, ok && m.time >= now-Window
}

// expired gives up to max op rows that are out of the window at time now.
func (w *window) expired(now int64, max int) [][]byte {
	var keys [][]byte
	for i := w.head; i < len(w.order) && len(keys) < max; i++ {
		o := w.order[i]
		if o.time >= now-Window {
			break
		}
		if w.live(o) {
			keys = append(keys, opKey(o.time, o.id))
		}
	}
	return keys
}

package data

import (
	"slices"

	"catena/chain"
)

// copying is one chunk that is copied whole from a neighbour, because a scan
// listed it, because the source owes it, or because this replica's own copy is
// missing. It is sealed only if what was written has the source's sums.
type copying struct {
	want Chunk
	// known: want has sums. Otherwise the source is asked for them first.
	known bool
	state copyState
	// reserved: the store holds space for it.
	reserved bool
	got      uint32
	req      uint64
	askedAt  chain.Instant
	retryAt  chain.Instant
	token    uint64
	// page and owed say who waits for it; clones are operations that need it.
	page, owed, review bool
	clones             []*op
	// repair: this replica's own copy is damaged, and its neighbours' may be too;
	// they are asked in turn. other: the one that is not copySource is next.
	repair, other bool
}

type copyState uint8

const (
	copyWaiting copyState = iota
	copyAside
	copyReserving
	copyFetching
	copyComputing
	copySealing
)

// addCopy plans a copy, or finds the one that is planned.
func (r *Replica) addCopy(c Chunk) *copying {
	id := c.Header.ID
	if was := r.copies[id]; was != nil {
		return was
	}
	now := &copying{want: c, known: len(c.Sums) > 0}
	r.copies[id] = now
	r.order = append(r.order, now)
	return now
}

// copySource is the neighbour that has what this replica lacks.
func (r *Replica) copySource() *link {
	if r.up != nil {
		return r.up
	}
	if r.isTail() {
		return nil
	}
	return r.down
}

// sourceOf is the neighbour that a copy is asked of.
func (r *Replica) sourceOf(c *copying) *link {
	if c.other && r.up != nil && r.down != nil && !r.isTail() && !r.isJoiner() {
		return r.down
	}
	return r.copySource()
}

// startCopies keeps the allowed number of copies under way.
func (r *Replica) startCopies() {
	if !r.active || r.copySource() == nil {
		return
	}
	busy := 0
	for _, c := range r.order {
		if c.state != copyWaiting {
			busy++
		}
	}
	for _, c := range r.order {
		id := c.want.Header.ID
		if busy >= r.conf.Copies {
			return
		}
		if c.state != copyWaiting || r.now < c.retryAt || r.byChunk[id] != nil && r.byChunk[id].kind == opChunk || r.unanswered[id].n > 0 {
			continue
		}
		busy++
		if c.known {
			r.reserveCopy(c)
		} else {
			r.fetch(c)
		}
	}
}

func (r *Replica) reserveCopy(c *copying) {
	c.state = copyReserving
	r.emit(Reserve{Header: c.want.Header})
}

func (r *Replica) fetch(c *copying) {
	c.state = copyFetching
	r.reqs++
	c.req, c.askedAt = r.reqs, r.now
	r.datagram(r.sourceOf(c), MsgFetch{Req: c.req, Chunk: c.want.Header.ID, From: c.got})
}

// copyReserved: there is space, or the store has the chunk already.
func (r *Replica) copyReserved(c *copying, ev Reserved) {
	if c.state != copyReserving {
		return
	}
	c.state = copyWaiting // answered: nothing of it is on its way
	switch {
	case ev.Err == nil:
		c.reserved = true
		r.fetch(c)
	case ev.Held != nil && same(ev.Held, &c.want):
		r.endCopy(c, true)
	case ev.Held != nil && r.isJoiner():
		// Another chunk under this id: the source's is the one that counts.
		c.state = copyAside
		r.putAside([]chain.ChunkID{c.want.Header.ID})
	default:
		r.retryCopy(c)
		r.failClones(c, refusalKind(ev.Err), "no space to copy the old chunk")
	}
}

// handlePiece takes the next bytes of a chunk that is being copied.
func (r *Replica) handlePiece(l *link, m MsgPiece) {
	c := r.copies[m.Info.Header.ID]
	if c == nil || c.state != copyFetching || m.Req != c.req || l != r.sourceOf(c) {
		return
	}
	switch {
	case m.Kind == chain.RefusedGone && !c.owed:
		// Believed: the source serves in this epoch.
		r.release(c)
		r.failClones(c, chain.RefusedGone, "the old chunk is gone")
		r.endCopy(c, false)
		return
	case m.Kind != 0 || len(m.Bytes) == 0 || len(m.Bytes) > chain.MaxFrame || len(m.Info.Sums) != blocks(m.Info.Header.Size):
		r.retryCopy(c)
		return
	case !c.known || !same(&m.Info, &c.want):
		r.release(c)
		c.want, c.known, c.got = m.Info, true, 0
		r.reserveCopy(c)
		return
	case m.Offset != c.got || uint64(m.Offset)+uint64(len(m.Bytes)) > uint64(c.want.Header.Size):
		return
	}
	r.emit(WriteFrame{Chunk: c.want.Header.ID, Offset: m.Offset, Bytes: m.Bytes})
	c.got += uint32(len(m.Bytes))
	c.askedAt = r.now
	if c.got == c.want.Header.Size {
		c.state = copyComputing
	}
}

func (r *Replica) copyComputed(c *copying, sums Sums) {
	if c.state != copyComputing {
		return
	}
	c.state = copyWaiting
	if !slices.Equal(sums, c.want.Sums) {
		r.retryCopy(c)
		return
	}
	c.state = copySealing
	r.emit(PersistSeal{Token: r.nextToken(), Header: c.want.Header, Sums: c.want.Sums})
	c.token = r.token
	r.await(wait{kind: waitCopy, ids: []chain.ChunkID{c.want.Header.ID}})
}

// asideSynced: what was in the way of a copy is put aside.
func (r *Replica) asideSynced(ids []chain.ChunkID) {
	for _, id := range ids {
		if c := r.copies[id]; c != nil && c.state == copyAside {
			r.reserveCopy(c)
		}
	}
}

// copySynced: the copy is sealed and durable.
func (r *Replica) copySynced(w wait) {
	if c := r.copies[w.ids[0]]; c != nil && c.state == copySealing && c.token == w.token {
		r.endCopy(c, true)
	}
}

// endCopy tells those who waited for the copy. have is false if it is gone.
func (r *Replica) endCopy(c *copying, have bool) {
	r.forgetCopy(c)
	if have {
		if c.owed {
			r.send(r.up, nil, MsgOweDone{Copied: []chain.ChunkID{c.want.Header.ID}})
		}
		for _, o := range c.clones {
			if r.ops[o.n] == o {
				r.makeClone(o)
			}
		}
		// A chunk that a tail got back may be missing in the joiner's list.
		r.owe(c.want, 0)
	}
	if c.page {
		r.join.left--
		r.checkPage()
	}
	if c.review {
		r.review.left--
		r.checkReview()
	}
	r.startCopies()
}

func (r *Replica) forgetCopy(c *copying) {
	delete(r.copies, c.want.Header.ID)
	r.order = slices.DeleteFunc(r.order, func(o *copying) bool { return o == c })
}

// retryCopy begins a copy again after a while.
func (r *Replica) retryCopy(c *copying) {
	r.release(c)
	c.state, c.got = copyWaiting, 0
	c.other = c.repair && !c.other
	c.retryAt = r.now.Add(5 * r.conf.ResendAfter)
}

// release gives the copy's space back, unless a seal is under way.
func (r *Replica) release(c *copying) {
	id := c.want.Header.ID
	switch {
	case c.state == copySealing:
		return
	case c.state == copyReserving, c.state == copyComputing:
		r.emit(Release{Chunk: id})
		r.noteUnanswered(id)
	case c.reserved:
		r.emit(Release{Chunk: id})
	}
	c.reserved = false
}

// dropCopies gives all copies up: their source or their feed has changed.
func (r *Replica) dropCopies() {
	for _, c := range slices.Clone(r.order) {
		r.release(c)
		r.forgetCopy(c)
	}
}

// stopCopying keeps a copy from undoing the removal that just came. A copy that
// is begun later asks the source, which removed the chunk before it told this
// replica, and hears that it is gone.
func (r *Replica) stopCopying(id chain.ChunkID) {
	c := r.copies[id]
	if c == nil {
		return
	}
	r.release(c)
	r.failClones(c, chain.RefusedGone, "the old chunk was removed")
	c.owed = false
	r.endCopy(c, false)
}

func (r *Replica) failClones(c *copying, kind chain.RefusalKind, detail string) {
	clones := c.clones
	c.clones = nil
	for _, o := range clones {
		r.fail(o, kind, detail, tellBoth)
	}
}

// repairForClone copies the old chunk of a clone from the predecessor first.
func (r *Replica) repairForClone(o *op) {
	c := r.addCopy(Chunk{Header: Header{ID: o.old}})
	c.clones = append(c.clones, o)
	r.startCopies()
}

// onRepair copies chunks whose own copies are damaged.
func (r *Replica) onRepair(ids []chain.ChunkID) {
	if !r.active || r.cfg.Position(r.self) < 0 || r.copySource() == nil {
		return
	}
	for _, id := range ids {
		if r.byChunk[id] == nil && !r.beingRemoved(id) {
			r.addCopy(Chunk{Header: Header{ID: id}}).repair = true
		}
	}
	r.startCopies()
}

// beingRemoved reports whether a removal of the chunk is not done everywhere: a
// head would get back from its successor what it has removed itself.
func (r *Replica) beingRemoved(id chain.ChunkID) bool {
	if r.removing[id] > 0 {
		return true
	}
	for _, o := range r.ops {
		if o.kind == opRemove && slices.Contains(o.ids, id) {
			return true
		}
	}
	return false
}

// tickCopies asks again for what did not come.
func (r *Replica) tickCopies() {
	if !r.active {
		return
	}
	r.tickScan(&r.join.scan, r.up)
	r.tickScan(&r.review.scan, r.copySource())
	for _, c := range r.order {
		if c.state == copyFetching && r.now >= c.askedAt.Add(5*r.conf.ResendAfter) {
			r.fetch(c)
		}
	}
	r.startCopies()
}

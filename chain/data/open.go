package data

import "catena/chain"

// validate reports what is wrong with a header; "" if nothing.
func (h *Header) validate() string {
	switch {
	case h.ID == chain.ChunkID{}:
		return "a chunk without id"
	case h.Size == 0 || h.Size > chain.MaxChunk:
		return "a size that is not from 1 byte to 8 MiB"
	case len(h.Key) > MaxKey:
		return "a key of more than 1024 bytes"
	case h.Stamp < 0:
		return "a negative stamp"
	}
	return ""
}

// onOpen takes a caller's request for a new chunk, at the head.
func (r *Replica) onOpen(ev Open) {
	ref := r.refuseNew(&ev.Epoch)
	switch {
	case ref != nil:
	case ev.Header.validate() != "":
		ref = r.refusal(chain.RefusedInvalid, "%s", ev.Header.validate())
	case r.inUse(ev.Header.ID):
		ref = r.refusal(chain.RefusedInvalid, "chunk %s is being written", ev.Header.ID)
	case r.tooMany(true, r.conf.MaxOpen):
		ref = r.refusal(chain.RefusedBusy, "%d chunks are open", len(r.byChunk))
	case r.freeBelow() < int64(ev.Header.Size):
		ref = r.refusal(chain.RefusedFull, "a member of the chain has no space for creates")
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	o := r.newOp(opChunk, 0, ev.Header)
	o.open = request{id: ev.ID, set: true}
	r.startOpen(o)
}

// inUse reports whether an id is being made, or was until just now.
func (r *Replica) inUse(id chain.ChunkID) bool {
	if r.byChunk[id] != nil || r.copies[id] != nil {
		return true
	}
	_, dead := r.dead[id]
	_, late := r.unanswered[id]
	return dead || late
}

// freeBelow is the smallest free space of this replica and those below, a joiner too.
func (r *Replica) freeBelow() int64 {
	if r.down != nil && r.down.boot != 0 {
		return min(r.free, r.down.free)
	}
	return r.free
}

func (r *Replica) handleOpen(m MsgOpen) {
	refuse := func(kind chain.RefusalKind, detail string) {
		r.send(r.up, nil, MsgFailed{Op: m.Op, Kind: kind, Detail: detail})
	}
	switch bad := m.Header.validate(); {
	case m.Op == 0 || r.byUp[m.Op] != nil:
		return
	case bad != "":
		refuse(chain.RefusedInvalid, bad)
	case r.inUse(m.Header.ID):
		refuse(chain.RefusedInvalid, "the chunk is being written")
	case r.tooMany(true, 2*r.conf.MaxOpen):
		refuse(chain.RefusedBusy, "too many chunks are open")
	default:
		r.startOpen(r.newOp(opChunk, m.Op, m.Header))
	}
}

func (r *Replica) startOpen(o *op) {
	r.feedDown(o, MsgOpen{Op: o.n, Header: o.hdr})
	r.emit(Reserve{Header: o.hdr})
}

func (r *Replica) onReserved(ev Reserved) {
	if r.lateAnswer(ev.Chunk) {
		return
	}
	if c := r.copies[ev.Chunk]; c != nil {
		r.copyReserved(c, ev)
		return
	}
	o := r.byChunk[ev.Chunk]
	if o == nil || o.kind != opChunk || o.reserved {
		return
	}
	if ev.Err != nil {
		o.reserved = true // nothing more is to be answered
		r.fail(o, refusalKind(ev.Err), "no space for the chunk: "+ev.Err.Error(), tellBoth)
		return
	}
	o.reserved = true
	for _, p := range o.held {
		r.emit(WriteFrame{Chunk: o.hdr.ID, Offset: p.offset, Bytes: p.bytes})
	}
	o.held, o.heldBytes = nil, 0
	r.checkOpened(o)
	r.wakeFrames()
}

// checkOpened tells that the chunk is open here and, where it must be, below.
func (r *Replica) checkOpened(o *op) {
	if o.openedSent || !o.reserved || r.required() && o.fed && !o.downOpened {
		return
	}
	o.openedSent = true
	o.active = r.now
	if o.up != 0 {
		r.send(r.up, nil, MsgOpened{Op: o.up})
		return
	}
	r.reply(o.open.id, nil)
	o.open.set = false
}

// refusalKind gives the kind of a driver's error.
func refusalKind(err error) chain.RefusalKind {
	if ref, ok := err.(*chain.Refusal); ok {
		return ref.Kind
	}
	return chain.RefusedFailed
}

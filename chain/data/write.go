package data

import "catena/chain"

// onFrame takes a caller's bytes, at the head. They go down the chain and to
// this replica's own store in the same step.
func (r *Replica) onFrame(ev Frame) {
	o, ref := r.openChunk(ev.Chunk)
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	end := uint64(ev.Offset) + uint64(len(ev.Bytes))
	switch {
	case len(ev.Bytes) == 0 || len(ev.Bytes) > chain.MaxFrame:
		ref = r.refusal(chain.RefusedInvalid, "a frame of %d bytes", len(ev.Bytes))
	case o.inflight+o.heldBytes > 2*r.conf.ChunkInflight || len(r.parked) >= 64*r.conf.MaxOpen:
		ref = r.refusal(chain.RefusedBusy, "%d bytes are on their way: wait for the replies", o.inflight+o.heldBytes)
	case ev.Offset != o.got:
		ref = r.refusal(chain.RefusedInvalid, "a frame at %d, want %d", ev.Offset, o.got)
	case end > uint64(o.hdr.Size):
		ref = r.refusal(chain.RefusedInvalid, "a frame to %d in a chunk of %d bytes", end, o.hdr.Size)
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	r.takeFrame(o, ev.Offset, ev.Bytes)
	if r.room(o) {
		r.reply(ev.ID, nil)
		return
	}
	r.parked = append(r.parked, parkedFrame{op: o, id: ev.ID})
}

// openChunk finds a chunk that a caller may write to and seal.
func (r *Replica) openChunk(id chain.ChunkID) (*op, *chain.Refusal) {
	if o := r.byChunk[id]; o != nil && o.kind == opChunk && o.up == 0 {
		if o.sums != nil {
			return nil, r.refusal(chain.RefusedInvalid, "chunk %s is being sealed", id)
		}
		return o, nil
	}
	if d, ok := r.dead[id]; ok {
		return nil, d.refusal
	}
	return nil, r.refusal(chain.RefusedGone, "chunk %s is not open here", id)
}

func (r *Replica) handleFrame(m MsgFrame) {
	o := r.byUp[m.Op]
	if o == nil || o.kind != opChunk || o.sums != nil {
		return
	}
	if m.Offset != o.got || uint64(m.Offset)+uint64(len(m.Bytes)) > uint64(o.hdr.Size) || len(m.Bytes) == 0 {
		r.fail(o, chain.RefusedInvalid, "a frame out of place", tellBoth)
		return
	}
	r.takeFrame(o, m.Offset, m.Bytes)
}

// takeFrame sends bytes on and writes them. The send comes first: the write
// may block the driver, and the next replica can work meanwhile.
func (r *Replica) takeFrame(o *op, offset uint32, bytes []byte) {
	r.forward(o, MsgFrame{Op: o.n, Offset: offset, Bytes: bytes})
	o.got += uint32(len(bytes))
	o.active = r.now
	if o.reserved {
		r.emit(WriteFrame{Chunk: o.hdr.ID, Offset: offset, Bytes: bytes})
		return
	}
	o.held = append(o.held, piece{offset: offset, bytes: bytes})
	o.heldBytes += len(bytes)
}

// room reports whether the caller may send more of this chunk.
func (r *Replica) room(o *op) bool {
	if o.heldBytes >= r.conf.ChunkInflight {
		return false
	}
	if !r.required() {
		return true
	}
	return o.inflight < r.conf.ChunkInflight && r.down.outstanding() < r.conf.ReplicaInflight
}

// wakeFrames answers the frames for which there is room now, oldest first.
func (r *Replica) wakeFrames() {
	if len(r.parked) == 0 {
		return
	}
	keep := r.parked[:0]
	for _, p := range r.parked {
		if r.room(p.op) {
			r.reply(p.id, nil)
			p.op.active = r.now
		} else {
			keep = append(keep, p)
		}
	}
	clear(r.parked[len(keep):])
	r.parked = keep
}

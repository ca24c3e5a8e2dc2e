package data

import "catena/chain"

// onClone takes a caller's request for a clone, at the head. The clone is made
// here first: only if the old chunk is here does anything go down the chain.
func (r *Replica) onClone(ev Clone) {
	ref := r.refuseNew(&ev.Epoch)
	switch {
	case ref != nil:
	case ev.Header.validate() != "":
		ref = r.refusal(chain.RefusedInvalid, "%s", ev.Header.validate())
	case uint64(ev.Offset)+uint64(ev.Header.Size) > chain.MaxChunk || ev.Header.ID == ev.Old:
		ref = r.refusal(chain.RefusedInvalid, "a clone of bytes that no chunk has")
	case r.inUse(ev.Header.ID):
		ref = r.refusal(chain.RefusedInvalid, "chunk %s is being written", ev.Header.ID)
	case r.tooMany(false, r.conf.MaxRequests):
		ref = r.refusal(chain.RefusedBusy, "%d operations are in flight", len(r.ops))
	case r.freeBelow() <= 0:
		ref = r.refusal(chain.RefusedFull, "a member of the chain has no space for creates")
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	o := r.newOp(opClone, 0, ev.Header)
	o.old, o.from = ev.Old, ev.Offset
	o.req = request{id: ev.ID, set: true}
	r.cloning[o.old]++
	r.makeClone(o)
}

func (r *Replica) handleClone(m MsgClone) {
	if m.Op == 0 || r.byUp[m.Op] != nil {
		return
	}
	if m.Header.validate() != "" || r.inUse(m.Header.ID) {
		r.send(r.up, nil, MsgFailed{Op: m.Op, Kind: chain.RefusedInvalid, Detail: "the chunk is being written"})
		return
	}
	o := r.newOp(opClone, m.Op, m.Header)
	o.old, o.from = m.Old, m.Offset
	if r.isJoiner() && !r.verified(o.old) {
		// Its own copy of the old chunk was not compared with the source's yet.
		// The source owes it the clone then, as bytes.
		r.fail(o, chain.RefusedGone, "the old chunk is not compared yet", tellUp)
		return
	}
	r.feedDown(o, MsgClone{Op: o.n, Header: o.hdr, Old: o.old, Offset: o.from})
	r.makeClone(o)
}

func (r *Replica) makeClone(o *op) {
	o.committed = true
	r.emit(MakeClone{Token: r.nextToken(), Header: o.hdr, Old: o.old, Offset: o.from})
	s := sealingChunk{chunk: Chunk{Header: o.hdr}, op: o.n, unasked: true}
	if o.up == 0 {
		s.old = o.old
	}
	r.sealing[r.token] = s
	r.await(wait{kind: waitOp, op: o.n})
}

func (r *Replica) onCloned(ev Cloned) {
	s, ok := r.sealing[ev.Token]
	if !ok || !s.unasked {
		return
	}
	o := r.ops[s.op]
	if s.old != (chain.ChunkID{}) {
		r.uncloning(s.old)
	}
	if ev.Err == nil {
		s.unasked = false
		r.sealing[ev.Token] = s
		if o != nil && o.up == 0 {
			r.feedDown(o, MsgClone{Op: o.n, Header: o.hdr, Old: o.old, Offset: o.from})
		}
		if s.durable {
			r.opSynced(wait{token: ev.Token, op: s.op})
		}
		r.startWaitingRemovals()
		return
	}
	delete(r.sealing, ev.Token)
	for i, w := range r.waits {
		if w.token == ev.Token {
			r.waits[i].kind, r.waits[i].op = waitOther, 0
		}
	}
	if o != nil {
		r.cloneRefused(o, refusalKind(ev.Err), ev.Err.Error())
	}
	r.startWaitingRemovals()
}

// cloneRefused: the store did not make the clone.
func (r *Replica) cloneRefused(o *op, kind chain.RefusalKind, detail string) {
	o.committed = false
	switch {
	case kind != chain.RefusedGone:
		r.fail(o, kind, detail, tellBoth)
	case o.up == 0 && !r.review.done:
		r.fail(o, chain.RefusedNotReady, "the head's chunks are not compared with its successor's yet", tellBoth)
	case o.up == 0:
		// "Gone" is believed only from the head of the newest epoch: the rest
		// of the chain has to confirm that this is it.
		delete(r.byChunk, o.hdr.ID)
		o.kind, o.gone = opProbe, true
		o.hdr.ID = chain.ChunkID{}
		r.startProbe(o)
	case r.isJoiner():
		r.fail(o, kind, detail, tellUp)
	default:
		// The head has the old chunk and this replica should: it was damaged
		// here, or never acknowledged. Its predecessor gives a copy.
		r.repairForClone(o)
	}
}

func (r *Replica) uncloning(old chain.ChunkID) {
	if r.cloning[old]--; r.cloning[old] <= 0 {
		delete(r.cloning, old)
	}
}

// onProbe confirms to a caller that this is the head of the newest epoch.
func (r *Replica) onProbe(ev Probe) {
	ref := r.refuseNew(&ev.Epoch)
	if ref == nil && r.tooMany(false, r.conf.MaxRequests) {
		ref = r.refusal(chain.RefusedBusy, "%d operations are in flight", len(r.ops))
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	o := r.newOp(opProbe, 0, Header{})
	o.req = request{id: ev.ID, set: true}
	r.startProbe(o)
}

func (r *Replica) handleProbe(m MsgProbe) {
	if m.Op != 0 && r.byUp[m.Op] == nil {
		r.startProbe(r.newOp(opProbe, m.Op, Header{}))
	}
}

// startProbe asks the Serving replicas below. A joiner has nothing to confirm.
func (r *Replica) startProbe(o *op) {
	o.synced = true
	if r.isTail() {
		r.finish(o)
		return
	}
	r.feedDown(o, MsgProbe{Op: o.n})
}

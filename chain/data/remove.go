package data

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// onRemove takes a worker's request to drop chunks, at the head.
func (r *Replica) onRemove(ev Remove) {
	ref := r.refuseNew(nil)
	switch {
	case ref != nil:
	case len(ev.Chunks) == 0 || len(ev.Chunks) > r.conf.MaxRemove:
		ref = r.refusal(chain.RefusedInvalid, "a removal of %d chunks, want 1 to %d", len(ev.Chunks), r.conf.MaxRemove)
	case r.tooMany(false, r.conf.MaxRequests):
		ref = r.refusal(chain.RefusedBusy, "%d operations are in flight", len(r.ops))
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	o := r.newOp(opRemove, 0, Header{})
	o.ids = slices.Clone(ev.Chunks)
	o.req = request{id: ev.ID, set: true}
	r.waitingRm = append(r.waitingRm, o)
	r.startWaitingRemovals()
}

// startWaitingRemovals starts the removals that no clone of this head holds up.
// A clone goes down the chain only after this store took it, so a removal that
// overtook it would meet it the other way round below.
func (r *Replica) startWaitingRemovals() {
	if len(r.waitingRm) == 0 {
		return
	}
	var start []*op
	r.waitingRm = slices.DeleteFunc(r.waitingRm, func(o *op) bool {
		held := slices.ContainsFunc(o.ids, func(id chain.ChunkID) bool { return r.cloning[id] > 0 })
		if !held {
			start = append(start, o)
		}
		return !held
	})
	for _, o := range start {
		r.startRemove(o)
	}
}

func (r *Replica) handleRemove(m MsgRemove) {
	if m.Op == 0 || r.byUp[m.Op] != nil || len(m.Chunks) > maxIDs {
		return
	}
	o := r.newOp(opRemove, m.Op, Header{})
	o.ids = m.Chunks
	r.startRemove(o)
}

// startRemove removes here and below. Whatever would still make one of these
// chunks is given up first; a seal already under way is undone by the record
// that follows it.
func (r *Replica) startRemove(o *op) {
	o.committed = true
	for _, id := range o.ids {
		r.stopMaking(id)
	}
	r.persistRemove(wait{kind: waitRemove, op: o.n, ids: o.ids})
	r.feedDown(o, MsgRemove{Op: o.n, Chunks: o.ids})
	r.oweRemoval(o)
}

// stopMaking keeps a chunk that is being removed from being sealed after that
// by a write or a copy that is under way. This replica's seal may come last of
// all: the caller that removes was answered when the others had sealed.
func (r *Replica) stopMaking(id chain.ChunkID) {
	if o := r.byChunk[id]; o != nil && !o.committed {
		r.fail(o, chain.RefusedGone, "the chunk was removed", tellBoth)
	}
	if r.rules.Holds(rule.RemovalStopsCopy) {
		r.stopCopying(id)
	}
}

func (r *Replica) persistRemove(w wait) {
	r.emit(PersistRemove{Token: r.nextToken(), Chunks: w.ids})
	for _, id := range w.ids {
		r.removing[id]++
	}
	r.await(w)
}

// removalSynced: the removal of these chunks is durable here.
func (r *Replica) removalSynced(ids []chain.ChunkID) {
	for _, id := range ids {
		if r.removing[id]--; r.removing[id] <= 0 {
			delete(r.removing, id)
		}
	}
}

// removeSynced goes on with the operation that asked for it.
func (r *Replica) removeSynced(w wait) {
	if o := r.ops[w.op]; o != nil {
		o.synced = true
		o.active = r.now
		r.checkDone(o)
	}
}

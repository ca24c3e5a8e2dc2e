package data

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// blocks is the number of sums of a chunk of this size.
func blocks(size uint32) int { return int((uint64(size) + BlockSize - 1) / BlockSize) }

// onSeal takes a caller's request to seal a chunk, at the head.
func (r *Replica) onSeal(ev Seal) {
	o, ref := r.openChunk(ev.Chunk)
	switch {
	case ref != nil:
	case o.got != o.hdr.Size:
		ref = r.refusal(chain.RefusedInvalid, "%d of %d bytes were sent", o.got, o.hdr.Size)
	case len(ev.Sums) != blocks(o.hdr.Size):
		ref = r.refusal(chain.RefusedInvalid, "%d sums for %d blocks", len(ev.Sums), blocks(o.hdr.Size))
	}
	if ref != nil {
		r.reply(ev.ID, ref)
		return
	}
	o.sums = ev.Sums
	o.req = request{id: ev.ID, set: true}
	o.active = r.now
	r.trySeal(o)
}

func (r *Replica) handleSeal(m MsgSeal) {
	o := r.byUp[m.Op]
	if o == nil || o.kind != opChunk || o.sums != nil {
		return
	}
	if o.got != o.hdr.Size || len(m.Sums) != blocks(o.hdr.Size) {
		r.fail(o, chain.RefusedInvalid, "a seal before all bytes", tellBoth)
		return
	}
	o.sums = m.Sums
	o.active = r.now
	// The rest of the chain works while this replica's last write ends.
	r.forward(o, MsgSeal{Op: o.n, Sums: m.Sums})
	r.trySeal(o)
}

func (r *Replica) onComputed(id chain.ChunkID, sums Sums) {
	if r.lateAnswer(id) {
		return
	}
	if c := r.copies[id]; c != nil {
		r.copyComputed(c, sums)
		return
	}
	o := r.byChunk[id]
	if o == nil || o.kind != opChunk || o.computed != nil || o.got != o.hdr.Size {
		return
	}
	o.computed = append(Sums{}, sums...)
	r.trySeal(o)
}

// trySeal seals a chunk here once the caller's sums and this replica's own are
// there and equal, in the epoch in which the chunk was opened. The head sends
// the seal on only after its own comparison: wrong sums then leave no trace.
func (r *Replica) trySeal(o *op) {
	if o.sums == nil || o.computed == nil || o.committed {
		return
	}
	if o.epoch != r.newest().Epoch && r.rules.Holds(rule.EpochAtSeal) {
		r.fail(o, chain.RefusedEpoch, "the chunk was opened in another epoch", tellBoth)
		return
	}
	if !slices.Equal(o.sums, o.computed) && r.rules.Holds(rule.SumsCompared) {
		r.fail(o, chain.RefusedInvalid, "the bytes written do not have the sums given", tellBoth)
		return
	}
	o.committed = true
	if o.up == 0 {
		r.forward(o, MsgSeal{Op: o.n, Sums: o.sums})
	}
	r.emit(PersistSeal{Token: r.nextToken(), Header: o.hdr, Sums: o.sums})
	r.sealing[r.token] = sealingChunk{chunk: Chunk{Header: o.hdr, Sums: o.sums}, op: o.n}
	r.await(wait{kind: waitOp, op: o.n})
	if !r.rules.Holds(rule.AckAfterSync) {
		o.synced = true
		r.checkDone(o)
	}
}

// onAbort frees an open chunk whose caller went away.
func (r *Replica) onAbort(id chain.ChunkID) {
	if o := r.byChunk[id]; o != nil && o.kind == opChunk && o.up == 0 && o.sums == nil {
		r.fail(o, chain.RefusedGone, "aborted by the caller", tellBoth)
	}
	delete(r.dead, id)
}

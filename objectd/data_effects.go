package objectd

import (
	"errors"
	"fmt"

	"catena/chain"
	"catena/chain/data"
	"catena/objectd/store"
)

// carryOut does what the machine asks, in order.
func (r *dataReplica) carryOut(effects []data.Effect) {
	for _, e := range effects {
		if r.ended.Load() {
			return
		}
		r.do(e)
	}
}

func (r *dataReplica) do(effect data.Effect) {
	st := r.disk.st
	switch e := effect.(type) {
	case data.PersistState:
		r.pending[e.Token] = e.State.Config.Epoch
		st.Append(r.durable(e.Token), store.State(r.key, chain.KindData, data.MarshalState(&e.State)))
	case data.Reserve:
		r.disk.begin()
		r.reserve(e.Header)
		r.disk.end()
	case data.WriteFrame:
		r.disk.begin()
		r.writeFrame(e)
		r.disk.end()
	case data.PersistSeal:
		st.Seal(r.key, e.Header, e.Sums, r.durable(e.Token))
	case data.Release:
		st.Release(r.key, e.Chunk)
	case data.MakeClone:
		err := st.Clone(r.key, e.Header, e.Old, e.Offset, r.durable(e.Token))
		if err != nil {
			r.disk.end() // durable is not called then
		}
		r.local = append(r.local, data.Cloned{Token: e.Token, Err: r.asRefusal(err)})
	case data.PersistRemove:
		st.Append(r.durable(e.Token), store.Remove(r.key, e.Chunks))
	case data.Quarantine:
		st.Quarantine(r.key, e.Chunks, "joining: the source does not have it, or has other bytes under its id", r.durable(e.Token))
	case data.List:
		r.beside(func() { r.list(e) })
	case data.ReadChunk:
		r.beside(func() { r.read(e) })
	case data.Send:
		r.node.cfg.Switch.send(e.Env, chain.KindData)
	case data.Reply:
		if ch, ok := r.waiting[e.ID]; ok {
			delete(r.waiting, e.ID)
			ch <- e.Err
		}
	case data.Report:
		r.node.cfg.Master.Report(e.Report)
	case data.Stop:
		r.fail(r.refusal(chain.RefusedFailed, e.Reason))
	default: // an effect that is not carried out must not pass for done
		r.fail(r.refusal(chain.RefusedFailed, fmt.Sprintf("no driver for the effect %T", e)))
	}
}

func (r *dataReplica) durable(token uint64) func(error) {
	return r.after(func() any { return data.Durable{Token: token} })
}

func (r *dataReplica) writeFrame(e data.WriteFrame) {
	sums, err := r.disk.st.WriteFrame(r.key, e.Chunk, e.Offset, e.Bytes)
	if err != nil {
		r.fail(err)
		return
	}
	if sums != nil {
		r.local = append(r.local, data.Computed{Chunk: e.Chunk, Sums: sums})
	}
}

// list and read run beside the actor, for a joiner.
func (r *dataReplica) list(e data.List) {
	var chunks []data.Chunk
	var more bool
	if joinerCopiesNothing || r.untilRead(func() (err error) {
		chunks, more, err = r.disk.st.List(r.key, e.After, e.Max)
		return err
	}) {
		r.box.post(data.Listed{ID: e.ID, Chunks: chunks, More: more})
	}
}

func (r *dataReplica) read(e data.ReadChunk) {
	info, err := r.disk.st.Chunk(r.key, e.Chunk)
	var b []byte
	if err == nil {
		b, err = r.disk.st.ReadChunk(r.key, e.Chunk, 0, info.Header.Size)
	}
	r.unreadable(e.Chunk, err)
	r.box.post(data.ChunkRead{ID: e.ID, Chunk: info.Chunk, Bytes: b, Err: r.asRefusal(err)})
}

// reserve takes space; a sealed chunk of the same id is described, since a
// joiner may adopt it.
func (r *dataReplica) reserve(h data.Header) {
	err := r.disk.st.Reserve(r.key, h)
	ev := data.Reserved{Chunk: h.ID, Err: r.asRefusal(err)}
	if errors.Is(err, store.ErrInvalid) {
		if info, herr := r.disk.st.Chunk(r.key, h.ID); herr == nil {
			ev.Held = &info.Chunk
		}
	}
	r.local = append(r.local, ev)
}

// asRefusal says an error of the store in the protocol's words.
func (r *dataReplica) asRefusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrFull):
		return r.refusal(chain.RefusedFull, err.Error())
	case errors.Is(err, store.ErrGone):
		return r.refusal(chain.RefusedGone, err.Error())
	case errors.Is(err, store.ErrInvalid):
		return r.refusal(chain.RefusedInvalid, err.Error())
	}
	return r.refusal(chain.RefusedFailed, err.Error())
}

package objectd

import (
	"fmt"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/store"
)

// storeError brings a failure of background store work to the actor.
type storeError struct{ err error }

// Bounds of a snapshot page.
const (
	pageRows  = 512
	pageBytes = 1 << 20
)

// carryOut does what the machine asks, in order.
func (r *indexReplica) carryOut(effects []index.Effect) {
	for _, e := range effects {
		if r.ended.Load() {
			return
		}
		r.do(e)
	}
}

func (r *indexReplica) do(effect index.Effect) {
	st := r.disk.st
	switch e := effect.(type) {
	case index.PersistEntry:
		st.Append(r.durable(e.Token), store.Entry(r.key, e.Entry))
	case index.PersistState:
		r.pending[e.Token] = e.State.Config.Epoch
		st.Append(r.durable(e.Token), store.State(r.key, chain.KindIndex, index.MarshalState(e.State)))
	case index.PersistTruncate:
		st.Append(r.durable(e.Token), store.Truncate(r.key, e.Seq, e.Rev))
	case index.BeginInstall:
		st.Append(r.durable(e.Token), store.BeginInstall(r.key))
	case index.Send:
		r.node.cfg.Switch.send(e.Env, chain.KindIndex)
	case index.Apply:
		r.disk.begin()
		r.apply(e)
		r.disk.end()
	case index.Reply:
		if ch, ok := r.waiting[e.ID]; ok {
			delete(r.waiting, e.ID)
			answer, _ := e.Answer.(tablet.Answer) // nil with an error
			ch <- indexReply{answer, e.Err}
		}
	case index.Serve:
		r.publish(e)
	case index.ReadPage:
		r.beside(func() { r.readPage(e) })
	case index.InstallPage:
		id := e.ID
		st.InstallPage(r.key, e.Page, r.after(func() any { return index.PageInstalled{ID: id} }))
	case index.EndInstall:
		r.disk.begin()
		r.endInstall(e.Applied)
		r.disk.end()
	case index.Report:
		r.node.cfg.Master.Report(e.Report)
	case index.Stop:
		r.fail(r.refusal(chain.RefusedFailed, e.Reason))
	default: // an effect that is not carried out must not pass for done
		r.fail(r.refusal(chain.RefusedFailed, fmt.Sprintf("no driver for the effect %T", e)))
	}
}

// durable posts Durable{token} when the store has synced.
func (r *indexReplica) durable(token uint64) func(error) {
	return r.after(func() any { return index.Durable{Token: token} })
}

// after posts an item when store work is done, or the store's error.
func (a *actor) after(item func() any) func(error) {
	a.disk.begin()
	return func(err error) {
		a.disk.end()
		if err != nil {
			a.box.post(storeError{err})
			return
		}
		a.box.post(item())
	}
}

func (r *indexReplica) apply(e index.Apply) {
	rows, err := tablet.DecodeRows(e.Entry.Body)
	if err == nil {
		err = r.disk.st.Apply(r.key, e.Entry, e.After, rows)
	}
	if err != nil {
		r.fail(err)
	}
}

// publish makes the lease visible to readers; zero revokes.
func (r *indexReplica) publish(s index.Serve) {
	if s.Until == 0 {
		r.lease.Store(nil)
		return
	}
	r.lease.Store(&s)
}

// readPage reads for a joiner: a page may be a megabyte from a slow disk.
func (r *indexReplica) readPage(e index.ReadPage) {
	var page index.Page
	if joinerCopiesNothing || r.untilRead(func() (err error) {
		page, err = r.disk.st.ReadPage(r.key, e.From, pageRows, pageBytes)
		return err
	}) {
		r.box.post(index.PageRead{ID: e.ID, Page: page})
	}
}

// endInstall sets the rows' position, when every page is in place.
func (r *indexReplica) endInstall(applied index.Applied) {
	if err := r.disk.st.EndInstall(r.key, applied); err != nil {
		r.fail(err)
	}
}

// decodeRows is what a store rebuilds rows with.
func decodeRows(body []byte) (tablet.Rows, error) { return tablet.DecodeRows(body) }

package objectd

import (
	"errors"

	"catena/chain"
	"catena/objectd/store"
)

// supersede asks the replica to go for good, with everything that it has on its disk.
type supersede struct{}

// run is the actor's goroutine: it ends with the mailbox.
func (a *actor) run() {
	a.loop(a.handle)
	a.end(a.refusal(chain.RefusedUnknown, "the replica ended"))
}

// keptItems bounds the memory that an idle mailbox keeps.
const keptItems = 1024

// loop hands items to handle until the mailbox is closed and empty.
func (a *actor) loop(handle func(any)) {
	var buf []any
	for items := a.box.take(nil); items != nil; items = a.box.take(buf) {
		for i, it := range items {
			items[i] = nil // what was handled is not kept
			handle(it)
		}
		if buf = items; cap(buf) > keptItems {
			buf = nil // a burst is over
		}
	}
}

// handle takes an item. A replica that has ended only refuses, and is dropped.
func (a *actor) handle(item any) {
	switch it := item.(type) {
	case supersede:
		if !a.ended.Load() {
			a.end(a.refusal(chain.RefusedUnknown, "the replica was replaced"))
		}
		a.drop()
	case storeError:
		a.fail(it.err)
	default:
		if a.ended.Load() {
			a.self.refuse(item)
			return
		}
		a.self.serve(item)
	}
}

// fail ends the replica because its store, or the machine, cannot go on.
func (a *actor) fail(err error) {
	if a.ended.Load() {
		return
	}
	a.lose(err)
	a.end(a.refusal(chain.RefusedUnknown, err.Error()))
}

// lose notes why the replica cannot go on, unless that is its disk's end, of
// which the master hears otherwise, or the node's: that loses nothing.
func (a *actor) lose(err error) {
	if a.disk.ended() || errors.Is(err, store.ErrClosed) {
		return
	}
	a.node.cfg.Logger.Error("a replica ended", "chain", a.addr.chain, "replica", a.addr.replica.String(), "err", err)
	a.why.Store(&err)
	a.node.cfg.Master.Report(lostReport(a.addr, a.newest().Epoch, err))
}

// end takes the replica out of service and answers everyone who waits.
func (a *actor) end(why error) {
	a.ended.Store(true)
	a.disk.news.Store(true)
	a.node.cfg.Switch.detach(a.addr)
	a.self.answerAll(why)
}

// drop removes an ended replica from its disk.
func (a *actor) drop() {
	a.node.cfg.Logger.Info("a replica is dropped: a newer incarnation stands in its place", "chain", a.addr.chain, "replica", a.addr.replica.String())
	a.disk.st.Append(func(error) {}, store.DropReplica(a.key, a.self.kind())) // lost in a crash, it is dropped again
	a.node.forget(a.addr)
	a.box.close()
}

package objectd

import (
	"errors"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/objectd/store"
)

// replica is an actor of either kind.
type replica interface {
	base() *actor
	run()
	// tick lets time pass; nothing happens if a tick waits already.
	tick()
	configure(chain.Config)
	free(bytes int64)
}

// behind is the kind of replica behind an actor: a machine, and those who wait
// for its answers. It is called in the actor's goroutine.
type behind interface {
	kind() chain.Kind
	// serve takes an item of the kind's own: a request, or an event.
	serve(item any)
	// refuse answers an item that still comes to a replica that has ended.
	refuse(item any)
	// answerAll gives everybody who waits this error.
	answerAll(why error)
}

// actor is what both kinds of replica have. Its life is in life.go.
type actor struct {
	self behind
	node *Node
	disk *disk
	addr address
	key  store.Key
	box  *mailbox
	// persisted is the newest epoch on disk; pending is what is on its way there,
	// by token (the actor's goroutine only).
	persisted atomic.Pointer[chain.Epoch]
	pending   map[uint64]chain.Epoch
	// ended: the replica does not act any more: every item is refused or dropped.
	// why is set before it if the replica could not go on although its disk
	// works; the master is told until the chain goes on without this replica.
	ended atomic.Bool
	why   atomic.Pointer[error]
	// toldDamage is when the master was last told of damage.
	toldDamage atomic.Int64
	// ticking: a tick is in the mailbox. An actor that was held up gets one for
	// all the time that passed.
	ticking atomic.Bool
	// conf is the newest configuration that was given to the machine; for
	// refusals, which carry it.
	conf atomic.Pointer[chain.Config]
}

func newActor(n *Node, d *disk, key store.Key) actor {
	id := chain.ReplicaID{Store: d.id, Incarnation: key.Incarnation}
	return actor{node: n, disk: d, key: key, addr: address{key.Chain, id}, box: newMailbox(), pending: map[uint64]chain.Epoch{}}
}

// onDisk notes that everything up to a token is durable, so that the master
// can be told which epoch this replica has persisted.
func (a *actor) onDisk(token uint64) {
	for t, e := range a.pending {
		if t > token {
			continue
		}
		delete(a.pending, t)
		if old := a.persisted.Load(); old == nil || old.Less(e) {
			a.persisted.Store(&e)
			a.disk.news.Store(true)
		}
	}
}

// beside runs store work that is too slow for the actor's goroutine. It is
// called from there, so that Stop waits for it.
func (a *actor) beside(work func()) { a.disk.running.Go(work) }

// again is the pace at which a read that a machine waits for is tried again.
const again = time.Second

// untilRead reads for a neighbour, again and again: the machine waits for the
// answer, and without one its joiner would never be filled. It gives up when the
// replica or the node ends. It runs beside the actor.
func (a *actor) untilRead(read func() error) (ok bool) {
	for {
		err := read()
		if err == nil {
			return true
		}
		a.damaged(err)
		if a.ended.Load() || a.disk.ended() {
			return false
		}
		t := time.NewTimer(again)
		select {
		case <-t.C:
		case <-a.node.stop:
			t.Stop()
			return false
		}
	}
}

// damaged is told the errors of reads. What this replica cannot read, another
// one can: it leaves the chain, and is filled again. Until then it serves what it
// can; and it does not ask to leave while the others could not commit without
// it, because what it cannot read may be damaged there too, and one bad row must
// not end the writes of a whole tablet.
func (a *actor) damaged(err error) {
	if !errors.Is(err, store.ErrDamaged) || a.disk.ended() {
		return
	}
	now := int64(a.node.cfg.Clock.Now().Mono)
	if last := a.toldDamage.Load(); last != 0 && now-last < chain.Second || !a.toldDamage.CompareAndSwap(last, now) {
		return
	}
	cfg := a.newest()
	leaves := cfg.Position(a.addr.replica) < 0 || len(cfg.Serving) > int(cfg.MinAck)
	a.node.cfg.Logger.Error("a replica is damaged", "chain", a.addr.chain, "replica", a.addr.replica.String(), "leaves", leaves, "err", err)
	if !leaves {
		return
	}
	a.node.cfg.Master.Report(lostReport(a.addr, cfg.Epoch, err))
}

// newest is a copy of the newest configuration known here.
func (a *actor) newest() chain.Config {
	if c := a.conf.Load(); c != nil {
		return *c
	}
	return chain.Config{Chain: a.addr.chain}
}

func (a *actor) refusal(kind chain.RefusalKind, detail string) *chain.Refusal {
	return &chain.Refusal{Kind: kind, Chain: a.addr.chain, Newest: a.newest(), Detail: detail}
}

// learn notes a configuration; false if it is not newer. The caller holds the
// node's mapMu.
func (a *actor) learn(c chain.Config) bool {
	if old := a.conf.Load(); old != nil && !old.Epoch.Less(c.Epoch) {
		return false
	}
	a.conf.Store(&c)
	return true
}

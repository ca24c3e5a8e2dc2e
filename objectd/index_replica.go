package objectd

import (
	"context"
	"sync/atomic"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/store"
)

// indexReplica is the actor of one replica of an index chain.
type indexReplica struct {
	actor
	core    *index.Replica
	machine *tablet.Machine
	// tablet is the range that the chain serves.
	tablet chain.Tablet

	// lease is the read lease as last published by the machine.
	lease atomic.Pointer[index.Serve]

	// The rest belongs to the actor's goroutine.
	waiting map[uint64]chan<- indexReply
	nextID  uint64
}

// proposal is a command on its way to the machine.
type proposal struct {
	cmd   *tablet.Command
	reply chan<- indexReply
}

type indexReply struct {
	answer tablet.Answer
	err    error
}

func newIndexReplica(n *Node, d *disk, rec store.Recovered) (*indexReplica, error) {
	r := &indexReplica{actor: newActor(n, d, rec.Key), waiting: map[uint64]chan<- indexReply{}}
	r.self = r
	m := n.cmap.Load()
	for i := range m.Tablets {
		if m.Tablets[i].Chain == rec.Key.Chain {
			r.tablet = m.Tablets[i]
		}
	}
	machine, err := r.loadMachine(rec.Applied)
	if err != nil {
		return nil, err
	}
	r.machine = machine
	recovered := index.Recovered{Applied: rec.Applied, Entries: rec.Entries, Retained: rec.Retained}
	if rec.State != nil {
		st, err := index.UnmarshalState(rec.State)
		if err != nil {
			return nil, err
		}
		recovered.State = &st
		r.learn(st.Config)
		r.persisted.Store(&st.Config.Epoch)
	}
	core, effects, err := index.New(index.Config{
		Self: r.addr.replica, Chain: r.addr.chain, Machine: reloader{machine, r}, Recovered: recovered,
		TickEvery: int64(n.cfg.TickEvery), StartedMs: n.cfg.Clock.Now().WallMs,
	})
	if err != nil {
		return nil, err
	}
	r.core = core
	r.carryOut(effects)
	return r, nil
}

func (r *indexReplica) base() *actor { return &r.actor }
func (r *indexReplica) free(b int64) { r.box.post(index.Free{Bytes: b}) }

func (r *indexReplica) tick() {
	if !r.ticking.Swap(true) {
		r.box.post(index.Tick{})
	}
}

func (r *indexReplica) configure(c chain.Config) {
	if r.learn(c) {
		r.box.post(index.Configure{Config: c})
	}
}

func (r *indexReplica) kind() chain.Kind { return chain.KindIndex }

func (r *indexReplica) serve(item any) {
	switch it := item.(type) {
	case proposal:
		r.propose(it)
	case index.Tick:
		r.ticking.Store(false)
		r.step(it)
	case index.Durable:
		r.onDisk(it.Token)
		r.step(it)
	case index.Event:
		r.step(it)
	}
}

func (r *indexReplica) refuse(item any) {
	if p, ok := item.(proposal); ok {
		p.reply <- indexReply{err: r.refusal(chain.RefusedFailed, "the replica ended")}
	}
}

func (r *indexReplica) step(ev index.Event) {
	r.carryOut(r.core.Step(r.node.cfg.Clock.Now(), ev))
}

// propose gathers the committed rows that the command names, as they are
// applied at this moment (Apply runs in this goroutine too), and steps.
func (r *indexReplica) propose(p proposal) {
	rd, err := r.disk.st.Reader(r.key)
	if err != nil {
		p.reply <- indexReply{err: r.refusal(chain.RefusedFailed, err.Error())}
		return
	}
	given, err := r.machine.Gather(p.cmd, rd)
	_ = rd.Close() // releases a snapshot; nothing is written
	if err != nil {
		r.damaged(err)
		p.reply <- indexReply{err: r.refusal(chain.RefusedFailed, err.Error())}
		return
	}
	r.nextID++
	r.waiting[r.nextID] = p.reply
	r.step(index.Propose{ID: r.nextID, Command: p.cmd, Given: given})
}

func (r *indexReplica) answerAll(why error) {
	r.lease.Store(nil)
	for id, ch := range r.waiting {
		ch <- indexReply{err: why}
		delete(r.waiting, id)
	}
}

// loadMachine makes the tablet's machine from the rows as they are.
func (r *indexReplica) loadMachine(applied index.Applied) (*tablet.Machine, error) {
	rd, err := r.disk.st.Reader(r.key)
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	m := tablet.NewMachine(tablet.Config{Tablet: r.tablet})
	return m, m.Load(rd, applied)
}

// reloader is the tablet's machine, which after a snapshot loads itself from
// the rows that the driver has put in place.
type reloader struct {
	*tablet.Machine
	r *indexReplica
}

// Reload implements index.Machine.
func (m reloader) Reload(applied index.Applied) {
	rd, err := m.r.disk.st.Reader(m.r.key)
	if err == nil {
		err = m.Load(rd, applied)
		_ = rd.Close() // releases a snapshot; nothing is written
	}
	if err != nil {
		m.r.box.post(storeError{err})
	}
}

// Propose gives a command to a replica of an index chain and waits for its
// answer. The error is a *chain.Refusal, or the context's: then the outcome is unknown.
func (n *Node) Propose(ctx context.Context, c chain.ChainID, id chain.ReplicaID, cmd *tablet.Command) (tablet.Answer, error) {
	r, ok := n.lookup(address{c, id}).(*indexReplica)
	if !ok {
		return tablet.Answer{}, n.absent(c)
	}
	reply := make(chan indexReply, 1)
	if !r.box.post(proposal{cmd: cmd, reply: reply}) {
		return tablet.Answer{}, r.refusal(chain.RefusedFailed, "the store failed")
	}
	select {
	case a := <-reply:
		return a.answer, a.err
	case <-ctx.Done():
		return tablet.Answer{}, ctx.Err()
	}
}

// Query reads rows at a replica that must be the tail and hold the read lease
// before the rows are looked at and after the value was read, in one epoch. It
// runs in the caller's goroutine. The error is a *chain.Refusal.
func (n *Node) Query(c chain.ChainID, id chain.ReplicaID, q *tablet.Query) (tablet.Result, error) {
	r, ok := n.lookup(address{c, id}).(*indexReplica)
	if !ok {
		return tablet.Result{}, n.absent(c)
	}
	if !r.disk.enter() {
		return tablet.Result{}, r.refusal(chain.RefusedFailed, "the node has stopped")
	}
	defer r.disk.leave()
	if r.disk.failed() != nil {
		return tablet.Result{}, r.refusal(chain.RefusedFailed, "the store failed")
	}
	before, ok := r.leased()
	if !ok {
		return tablet.Result{}, r.refusal(chain.RefusedNoLease, "")
	}
	rd, err := r.disk.st.Reader(r.key)
	if err != nil {
		r.damaged(err)
		return tablet.Result{}, r.refusal(chain.RefusedFailed, err.Error())
	}
	defer rd.Close()
	end := n.cfg.Clock.Now().Mono.Add(int64(n.cfg.ScanFor))
	view := tablet.View{Tablet: r.tablet, Applied: rd.Applied(), Stop: func() bool { return n.cfg.Clock.Now().Mono >= end }}
	res, err := tablet.Run(q, view, rd)
	if err != nil {
		r.damaged(err)
		return tablet.Result{}, r.refusal(chain.RefusedFailed, err.Error())
	}
	// A lease of the same epoch that is valid now was valid all the time, and
	// nothing newer can have been committed without this replica. A lease of
	// another epoch says nothing about the time between.
	if after, ok := r.leased(); !ok || after != before {
		return tablet.Result{}, r.refusal(chain.RefusedNoLease, "")
	}
	return res, nil
}

// leased reports whether the read lease holds now, and its epoch.
func (r *indexReplica) leased() (chain.Epoch, bool) {
	lease := r.lease.Load()
	if lease == nil || r.node.cfg.Clock.Now().Mono >= lease.Until {
		return chain.Epoch{}, false
	}
	return lease.Epoch, true
}

// newestOf is the configuration of a chain in the newest map.
func (n *Node) newestOf(c chain.ChainID) chain.Config {
	if m := n.cmap.Load(); m != nil {
		return m.Chains[c]
	}
	return chain.Config{Chain: c}
}

// absent is the refusal of a replica that is not here.
func (n *Node) absent(c chain.ChainID) *chain.Refusal {
	return &chain.Refusal{Kind: chain.RefusedNotReady, Chain: c, Newest: n.newestOf(c), Detail: "no such replica here"}
}

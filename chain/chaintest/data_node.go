package chaintest

import (
	"catena/chain"
	"catena/chain/data"
)

// dataNode is one process with one store and one replica of the chain.
type dataNode struct {
	sim   *dataSim
	n     int
	id    chain.ReplicaID
	clock *Clock
	store *dataStore
	r     *data.Replica
	// gen grows with every start and crash: what an earlier one waits for is dead.
	gen int
	up  bool
	// downAt is when it crashed.
	downAt Real
	// rolled: its disk came back as an older image; rolledEpoch is what it had.
	rolled      bool
	rolledEpoch chain.Epoch
}

func newDataNode(s *dataSim, n int) *dataNode {
	node := &dataNode{sim: s, n: n, clock: NewClock(s.w, 0.01)}
	node.id = chain.ReplicaID{Store: chain.StoreID{byte(n)}, Incarnation: 1}
	node.store = newDataStore(node)
	node.start()
	return node
}

// start begins the process from what is on disk.
func (n *dataNode) start() {
	conf := n.sim.opt.Replica
	conf.Self, conf.Chain = n.id, 1
	conf.Recovered = data.Recovered{State: n.store.state}
	r, err := data.NewMutated(conf, n.sim.opt.rules)
	if err != nil {
		n.sim.w.Fail("node %d does not start: %v", n.n, err)
		return
	}
	n.r, n.up = r, true
	n.gen++
	n.soon(data.Free{Bytes: n.free()})
	n.tickLater(n.gen)
}

func (n *dataNode) free() int64 {
	if n.store.full {
		return 0
	}
	return 1 << 40
}

func (n *dataNode) crash() {
	if !n.up {
		return
	}
	n.up = false
	n.downAt = n.sim.w.Now()
	n.gen++
	n.store.crash()
	n.sim.w.Trace.Say("%s node %d crashes", n.sim.w.Now(), n.n)
}

// wipe puts an empty store in the place of this one.
func (n *dataNode) wipe() {
	n.crash()
	n.id.Incarnation++
	n.rolled = false
	n.store = newDataStore(n)
	n.sim.w.Trace.Say("%s node %d has an empty store", n.sim.w.Now(), n.n)
}

func (n *dataNode) tickLater(gen int) {
	n.sim.w.After(n.sim.opt.Replica.TickEvery, func() {
		if gen == n.gen {
			n.step(data.Tick{})
			n.tickLater(gen)
		}
	})
}

// soon puts an event into the mailbox.
func (n *dataNode) soon(ev data.Event) { n.after(0, ev) }

func (n *dataNode) after(d int64, ev data.Event) {
	gen := n.gen
	n.sim.w.After(d, func() {
		if gen == n.gen {
			n.step(ev)
		}
	})
}

func (n *dataNode) step(ev data.Event) {
	if !n.up {
		return
	}
	w := n.sim.w
	w.Trace.Note(uint64(w.Now()), uint64(n.n), dataEventCode(ev))
	if w.Trace.Words() {
		n.sim.sayEvent(n, ev)
	}
	for _, e := range n.r.Step(n.wall(), ev) {
		n.do(e)
	}
}

// do carries an effect out.
func (n *dataNode) do(effect data.Effect) {
	s := n.store
	switch e := effect.(type) {
	case data.PersistState:
		state := e.State
		s.append(dataRecord{token: e.Token, state: &state})
	case data.Reserve:
		n.soon(s.reserve(e))
	case data.WriteFrame:
		s.write(e)
	case data.PersistSeal:
		s.seal(e)
	case data.Release:
		delete(s.open, e.Chunk)
	case data.MakeClone:
		s.clone(e)
	case data.PersistRemove:
		s.append(dataRecord{token: e.Token, gone: e.Chunks})
	case data.Quarantine:
		s.append(dataRecord{token: e.Token, aside: e.Chunks})
	case data.List:
		n.after(n.sim.w.Between(0, chain.Millisecond), s.list(e))
	case data.ReadChunk:
		n.after(n.sim.w.Between(0, 2*chain.Millisecond), s.read(e))
	case data.Send:
		n.sim.net.Send(e.Env)
	case data.Reply:
		n.sim.replied(n, e)
	case data.Report:
		n.sim.report(n, e.Report)
	case data.Stop:
		n.sim.w.Fail("node %d stops: %s", n.n, e.Reason)
	}
}

// dataEventCode numbers the kinds of event for the trace's hash.
func dataEventCode(ev data.Event) uint64 {
	switch ev := ev.(type) {
	case data.Configure:
		return 1<<32 | ev.Config.Epoch.N
	case data.Deliver:
		if p, ok := ev.Env.Msg.(data.Packet); ok {
			return 2<<32 | p.Seq
		}
		return 2 << 32
	case data.Durable:
		return 3<<32 | ev.Token
	case data.Open:
		return 4<<32 | ev.ID
	case data.Frame:
		return 5<<32 | ev.ID
	case data.Seal:
		return 6<<32 | ev.ID
	case data.Clone:
		return 7<<32 | ev.ID
	case data.Remove:
		return 8<<32 | ev.ID
	case data.Listed:
		return 9<<32 | uint64(len(ev.Chunks))
	case data.ChunkRead:
		return 10<<32 | uint64(len(ev.Bytes))
	case data.Tick:
		return 11 << 32
	}
	return 12 << 32
}

package chaintest

import (
	"slices"

	"catena/chain"
	"catena/chain/data"
)

// dataFaults are the faults that a seed uses.
type dataFaults struct {
	crash, wipe, partition, clog, suspect, move, full bool
	every                                             int64
}

// startNemesis draws the faults of this run, so that some seeds have few kinds
// and go deep, and begins.
func (s *dataSim) startNemesis() {
	w := s.w
	s.faults = dataFaults{
		crash: w.Chance(0.7), wipe: w.Chance(0.5), partition: w.Chance(0.5), clog: w.Chance(0.4),
		suspect: w.Chance(0.6), move: w.Chance(0.4), full: w.Chance(0.2),
		every: w.Between(30, 400) * chain.Millisecond,
	}
	if w.Chance(0.2) {
		s.net.Quiet = true // only the nemesis
	}
	s.nemesis()
}

func (s *dataSim) nemesis() {
	s.w.After(s.w.Between(0, 2*s.faults.every), func() {
		if s.quiet {
			return
		}
		s.strike()
		s.nemesis()
	})
}

// strike does one bad thing.
func (s *dataSim) strike() {
	w, f := s.w, &s.faults
	n := s.nodes[w.Rand.IntN(len(s.nodes))]
	if s.opt.Rollback && w.Chance(0.3) {
		s.rollBack(n)
		return
	}
	switch w.Rand.IntN(7) {
	case 0:
		if f.crash {
			s.crash(n)
		}
	case 1:
		if f.wipe && s.mayLose(n) {
			n.wipe()
			s.res.Wipes++
			s.restartLater(n)
		}
	case 2:
		if f.partition {
			s.net.Swizzle(s.nodeNumbers(), w.Between(20, 600)*chain.Millisecond)
		}
	case 3:
		if f.clog {
			m := s.nodes[w.Rand.IntN(len(s.nodes))]
			s.net.Clog(n.n, m.n, w.Between(1, 300)*chain.Millisecond)
		}
	case 4:
		if f.suspect {
			s.remove(n.id)
		}
	case 5:
		if f.move && len(s.master.Config.Serving) > 1 && s.master.Join(n.id) {
			s.configured()
		}
	case 6:
		if f.full {
			n.store.full = !n.store.full
			n.step(data.Free{Bytes: n.free()})
		}
	}
}

func (s *dataSim) nodeNumbers() (ns []int) {
	for _, n := range s.nodes {
		ns = append(ns, n.n)
	}
	return ns
}

func (s *dataSim) crash(n *dataNode) {
	if n.up {
		n.crash()
		s.res.Crashes++
		s.restartLater(n)
	}
}

// restartLater starts a process again, sometimes faster than anybody notices.
func (s *dataSim) restartLater(n *dataNode) {
	d := s.w.Between(1, 20)
	if s.w.Chance(0.5) {
		d = s.w.Between(20, 800)
	}
	gen := n.gen
	s.w.After(d*chain.Millisecond, func() {
		if gen == n.gen {
			n.start()
		}
	})
}

// mayLose: one store can be lost when another member of the recoverable set
// still has everything.
func (s *dataSim) mayLose(n *dataNode) bool {
	if !slices.Contains(s.master.Config.Recoverable, n.id) {
		return true
	}
	left := 0
	for _, r := range s.master.Config.Recoverable {
		if o := s.nodes[NodeOf(r)-1]; o.id == r && o != n && !s.mending(o) {
			left++
		}
	}
	return left > 0
}

// remove takes a member out. It spares the last one whose store is not lost:
// a false suspicion after a lost disk would lose the data, and did not.
func (s *dataSim) remove(r chain.ReplicaID) bool {
	c := s.master.Config
	if n := len(c.Serving) - 1; c.Position(r) >= 0 && (n >= int(c.MinAck) || n > 0 && s.opt.Rollback) {
		alive := func(o chain.ReplicaID) bool {
			return o != r && s.nodes[NodeOf(o)-1].id == o && !s.mending(s.nodes[NodeOf(o)-1])
		}
		if !slices.ContainsFunc(c.Serving, alive) {
			return false
		}
	}
	if !s.master.Remove(r) {
		return false
	}
	s.configured()
	return true
}

// masterLoop is the master's planner: it takes out who is down or lost, adds
// who is missing, starts a dead chain again, and repeats the configuration.
func (s *dataSim) masterLoop() {
	s.w.After(25*chain.Millisecond, func() {
		s.plan()
		s.masterLoop()
	})
}

func (s *dataSim) plan() {
	c := s.master.Config
	if s.w.Chance(0.3) {
		s.publish()
	}
	for _, r := range slices.Concat(c.Serving, c.Syncing) {
		n := s.nodes[NodeOf(r)-1]
		lost := n.id != r
		long := !n.up && s.w.Now() > n.downAt+Real(100*chain.Millisecond)
		if !lost && !long {
			continue
		}
		if s.remove(r) {
			return
		}
		if c.Head() == r && len(c.Serving) == 1 {
			s.revive(r)
			return
		}
	}
	if len(c.Serving) > s.opt.Factor {
		s.remove(c.Serving[s.w.Rand.IntN(len(c.Serving))])
		return
	}
	if len(c.Serving) < s.opt.Factor && len(c.Syncing) == 0 {
		n := s.nodes[s.w.Rand.IntN(len(s.nodes))]
		if n.up && s.master.Join(n.id) {
			s.configured()
		}
	}
}

// revive starts the chain again from another member of the recoverable set.
func (s *dataSim) revive(dead chain.ReplicaID) {
	for _, r := range s.master.Config.Recoverable {
		n := s.nodes[NodeOf(r)-1]
		if r != dead && n.id == r && n.up && !s.mending(n) && s.master.Restart(r) {
			s.configured()
			return
		}
	}
}

// settle ends the faults and demands that the chain is whole again in time:
// full, writable, and with the same chunks everywhere.
func (s *dataSim) settle() {
	w := s.w
	s.quiet = true
	s.net.Quiet = true
	s.net.Heal()
	for _, n := range s.nodes {
		n.store.full = false
		if !n.up {
			n.start()
		} else {
			n.soon(data.Free{Bytes: n.free()})
		}
	}
	end := w.Now() + Real(s.opt.Settle)
	for w.Fault() == nil && !s.whole() {
		if w.Now() >= end {
			w.Fail("not whole %s after the faults: epoch %s serving %v syncing %v", Real(s.opt.Settle), s.master.Config.Epoch, nodesOf(s.master.Config.Serving), nodesOf(s.master.Config.Syncing))
			return
		}
		w.Run(w.Now() + Real(50*chain.Millisecond))
	}
	// What clients began is answered or given up by now; orphans are old.
	w.Run(w.Now() + Real(1200*chain.Millisecond))
	s.sweep(w.Now() + Real(s.opt.Settle))
	s.compareSets()
	s.probe(w.Now() + Real(s.opt.Settle))
}

func (s *dataSim) whole() bool {
	c := s.master.Config
	return len(c.Serving) == s.opt.Factor && len(c.Syncing) == 0
}

// sweep removes what no client heard of, as the search for orphans does: it
// looks at every store, because a seal that failed half-way is on some only.
func (s *dataSim) sweep(end Real) {
	w := s.w
	for w.Fault() == nil {
		orphans := map[chain.ChunkID]bool{}
		for _, n := range s.nodes {
			for id := range n.store.sealed {
				if c := s.chunks[id]; s.master.Config.Position(n.id) >= 0 && (c.acked == nil || c.removing) {
					orphans[id] = true
				}
			}
		}
		var ids []chain.ChunkID
		for _, id := range s.ids {
			if orphans[id] {
				s.chunks[id].removing = true // and never used again
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return
		}
		if w.Now() >= end {
			w.Fail("%d orphans are not removed %s after the faults", len(ids), Real(s.opt.Settle))
			return
		}
		ids = ids[:min(len(ids), 100)]
		s.call(s.nodes[NodeOf(s.master.Config.Head())-1], &dataCall{what: "sweep", remove: ids}, func(id uint64) data.Event {
			return data.Remove{ID: id, Chunks: ids}
		})
		w.Run(w.Now() + Real(300*chain.Millisecond))
	}
}

// compareSets: when all is quiet, the members hold the same chunks.
func (s *dataSim) compareSets() {
	for _, id := range s.ids {
		c := s.chunks[id]
		for _, r := range s.master.Config.Serving {
			_, have := s.nodes[NodeOf(r)-1].store.sealed[id]
			if want := c.acked != nil && !c.removing; have != want {
				s.w.Fail("when all is quiet node %d has %s: %v, want %v", NodeOf(r), id, have, want)
			}
		}
	}
}

// probe demands that a chunk can be written, and that nothing is left open.
func (s *dataSim) probe(end Real) {
	w := s.w
	before := s.res.Sealed
	for w.Fault() == nil && s.res.Sealed == before {
		if w.Now() >= end {
			w.Fail("not writable %s after the faults", Real(s.opt.Settle))
			return
		}
		c := &dataClient{sim: s, n: 99, cfg: s.master.Config}
		c.put()
		w.Run(w.Now() + Real(200*chain.Millisecond))
	}
	w.Run(w.Now() + Real(1200*chain.Millisecond))
	for _, n := range s.nodes {
		if st := n.r.Status(); w.Fault() == nil && (st.Operations != 0 || len(n.store.open) != 0 || st.Copying != 0) {
			w.Fail("node %d has %d operations, %d open chunks, %d copies when all is quiet", n.n, st.Operations, len(n.store.open), st.Copying)
		}
	}
}

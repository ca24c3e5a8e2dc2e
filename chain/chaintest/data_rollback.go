package chaintest

import (
	"slices"

	"catena/chain"
)

// With DataOptions.Rollback a member's disk may come back as an older image of
// itself, one at a time, while another member of the recoverable set has
// everything. A node is *mending* until its replica says that it has reviewed
// what it holds; then it must have everything again.

// rollBack puts an older image in the place of a node's disk.
func (s *dataSim) rollBack(n *dataNode) {
	c := &s.master.Config
	if !n.up || len(c.Serving) < 2 || c.Position(n.id) < 0 || n.store.state == nil || !s.mayLose(n) || slices.ContainsFunc(s.nodes, s.mending) {
		return
	}
	recs := n.store.disk.Records()[:n.store.disk.Synced()]
	keep := s.w.Rand.IntN(len(recs) + 1)
	if !s.remembered(n, keep) {
		return
	}
	epoch := n.store.state.Config.Epoch
	n.crash()
	n.store.disk.Rollback(keep)
	n.store.crash()
	n.rolled, n.rolledEpoch = true, epoch
	s.res.Rollbacks++
	s.w.Trace.Say("%s node %d is rolled back to %d of %d records", s.w.Now(), n.n, keep, len(recs))
	for id := range n.store.sealed {
		// It forgot the removal, and others may copy it back. Nobody refers to it:
		// the search for orphans finds it.
		if c := s.chunks[id]; c != nil && c.removing {
			c.undead = true
		}
	}
	for id := range n.store.aside {
		s.chunks[id].undead = true
	}
	s.restartLater(n)
}

// remembered is that of the index chain: see there.
func (s *dataSim) remembered(n *dataNode, keep int) bool {
	var from chain.Epoch
	now := n.store.state
	path := now.CommitPath
	for _, rec := range n.store.disk.Records()[:keep] {
		if rec.state == nil {
			continue
		}
		from = rec.state.Config.Epoch
		if from == now.Config.Epoch && rec.state.CommitPath == path {
			path = chain.ReplicaID{}
		}
	}
	for i := range s.master.History {
		h := &s.master.History[i]
		last := h.Epoch == now.Config.Epoch && !path.IsZero()
		if h.Epoch.Less(from) || !h.Epoch.Less(now.Config.Epoch) && !last || h.Position(n.id) < 0 {
			continue
		}
		if !slices.ContainsFunc(h.Serving, func(r chain.ReplicaID) bool {
			q := s.nodes[NodeOf(r)-1]
			return r != n.id && (q.id != r || q.store.state != nil && h.Epoch.Less(q.store.state.Config.Epoch))
		}) {
			return false
		}
	}
	return true
}

// mending reports whether a node may lack what it had before it was rolled back.
func (s *dataSim) mending(n *dataNode) bool {
	if !n.rolled || !n.up {
		return n.rolled
	}
	if st := n.r.Status(); st.Active && st.Serving && st.Reviewed && !st.Config.Epoch.Less(n.rolledEpoch) {
		n.rolled = false
		s.checkAll()
	}
	return n.rolled
}

// wall is the time that replicas see: in these runs a second of it passes each
// millisecond, because processes start far more often than once a second.
func (n *dataNode) wall() chain.Now {
	now := n.clock.Now()
	if n.sim.opt.Rollback {
		now.WallMs = 1000 * (now.WallMs - 1_700_000_000_000 + 1_000_000)
	}
	return now
}

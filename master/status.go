package master

import (
	"cmp"
	"slices"

	"catena/chain"
	"catena/master/state"

	"github.com/hashicorp/raft"
)

// Status is what a person or a health check wants to know.
type Status struct {
	// Leader is the store whose voter leads; zero if none of this process does.
	Leader chain.StoreID
	Voters []VoterStatus
	// Version is that of the newest map; 0 before the first.
	Version uint64
	Stores  []state.Store
	// Chains, BelowFactor and Unwritable count chains. BelowFactor goes by what
	// the replicas themselves confirm.
	Chains, BelowFactor, Unwritable int
	// Plan is what the driver would do next, one line per change.
	Plan string
}

// VoterStatus is one directory's part in the masters.
type VoterStatus struct {
	Store chain.StoreID
	// Role is leader, follower, candidate, spare or dead.
	Role string
	// Reason is why it is dead.
	Reason string
}

// Status looks at the masters of this process.
func (s *Server) Status() Status {
	out := Status{Plan: s.Plan()}
	for _, d := range s.cfg.Dirs {
		vs := s.voterStatus(d.Store)
		if vs.Role == "leader" {
			out.Leader = d.Store
		}
		out.Voters = append(out.Voters, vs)
	}
	if m := s.Map(); m != nil {
		out.Version = m.Version
	}
	st := s.newest()
	if st == nil {
		return out
	}
	for _, r := range st.Stores {
		out.Stores = append(out.Stores, *r)
	}
	out.Chains, out.Unwritable = len(st.Chains), unwritable(st)
	out.BelowFactor = len(st.Chains) - st.FullCount(s.obs.epoch, s.obs.down)
	return out
}

func (s *Server) voterStatus(id chain.StoreID) VoterStatus {
	s.mu.Lock()
	v, bad := s.voters[id], s.unusable[id]
	s.mu.Unlock()
	switch {
	case bad != nil:
		return VoterStatus{Store: id, Role: "dead", Reason: bad.Error()}
	case v == nil || v.raft == nil:
		return VoterStatus{Store: id, Role: "spare"}
	case v.isDead():
		reason := ""
		if err := v.log.Dead(); err != nil {
			reason = err.Error()
		}
		return VoterStatus{Store: id, Role: "dead", Reason: reason}
	}
	role := map[raft.RaftState]string{raft.Leader: "leader", raft.Candidate: "candidate", raft.Shutdown: "dead"}[v.raft.State()]
	return VoterStatus{Store: id, Role: cmp.Or(role, "follower")}
}

// Chain gives what the master knows of one chain; false if there is none.
func (s *Server) Chain(id chain.ChainID) (state.Chain, bool) {
	st := s.newest()
	if st == nil {
		return state.Chain{}, false
	}
	c := st.Chain(id)
	if c == nil {
		return state.Chain{}, false
	}
	out := *c
	out.Config = c.Config.Clone()
	out.Former = slices.Clone(c.Former)
	return out, true
}

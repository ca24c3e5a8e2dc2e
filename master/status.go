package master

import (
	"cmp"
	"slices"
	"time"

	"catena/chain"
	"catena/master/state"

	"github.com/hashicorp/raft"
)

// Status is what a person or a health check wants to know.
type Status struct {
	Cluster chain.ClusterID
	// Leader is the store whose voter leads; zero if none of this process does.
	Leader chain.StoreID
	Voters []VoterStatus
	// VotersWanted and VotersReady: see catena_master_voters_missing. Without a
	// leader none is known to be ready.
	VotersWanted, VotersReady int
	// Version is that of the newest map; 0 before the first.
	Version uint64
	// Factor is the number of replicas wanted of every chain.
	Factor uint8
	Stores []StoreStatus
	// Tablets and DataChains count what is served by index and by data chains;
	// the system tablet is among the tablets.
	Tablets, DataChains int
	// Chains, BelowFactor, AboveFactor and Unwritable count chains. BelowFactor
	// goes by what the replicas themselves confirm; AboveFactor are those with more
	// members than wanted.
	Chains, BelowFactor, AboveFactor, Unwritable int
	// Below are the chains that BelowFactor counts.
	Below []ChainStatus
	// Plan is what the driver would do next, one line per change.
	Plan string
	// Forced are the restarts that an operator forced, ever.
	Forced []state.Forced
}

// StoreStatus is one store, as the log has it and as it is seen.
type StoreStatus struct {
	state.Store
	// Alive: it answers now. Full: it takes no new copies. Seen: why it does not
	// answer.
	Alive, Full bool
	Seen        string
	// Replicas is how many chains it is a member of.
	Replicas int
	// Away is set while it does not answer and that was noticed or told.
	Away *Away
}

// Away is the absence of a store, as this process sees it.
type Away struct {
	// Broken: it ended by an I/O error, so it is not waited for. Otherwise it may
	// come back as it was.
	Broken bool
	// For is how long it has been away. OrLonger: it was away already when this
	// process began, and For counts from then.
	For      time.Duration
	OrLonger bool
	// Waited is how much longer its chains wait for it before their copies are
	// made elsewhere, where there is a place; 0 when they wait no longer.
	Waited time.Duration
}

// ChainStatus is one chain that is not as it should be.
type ChainStatus struct {
	state.Chain
	// Next is what is done about it now, or what that waits for.
	Next string
	// Unwritable: fewer than min_ack members can serve.
	Unwritable bool
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
	var out Status
	for _, d := range s.cfg.Dirs {
		vs := s.voterStatus(d.Store)
		if vs.Role == "leader" {
			out.Leader = d.Store
		}
		out.Voters = append(out.Voters, vs)
	}
	out.VotersWanted = s.votersWanted()
	out.VotersReady, _ = s.votersReady()
	if m := s.Map(); m != nil {
		out.Version = m.Version
	}
	st, obs, err := s.look()
	if err != nil {
		out.Plan = s.Plan()
		return out
	}
	look := state.Look(st, obs)
	out.Cluster, out.Factor, out.Forced, out.Plan = st.Cluster, st.Factor, st.Forced, state.Describe(look.Commands)
	out.Stores = s.storeStatus(st, obs)
	out.Tablets, out.DataChains = len(st.Tablets), len(st.Chains)-len(st.Tablets)
	out.Chains, out.Unwritable = len(st.Chains), len(st.Unwritable(s.obs.confirm()))
	for _, c := range st.BelowFactor(s.obs.confirm()) {
		out.Below = append(out.Below, s.chainStatus(c, look))
	}
	out.BelowFactor = len(out.Below)
	for _, c := range st.Chains {
		if len(c.Config.Serving) > int(st.Factor) {
			out.AboveFactor++
		}
	}
	return out
}

func (s *Server) storeStatus(st *state.State, obs state.Observed) (out []StoreStatus) {
	replicas := map[chain.StoreID]int{}
	for _, c := range st.Chains {
		for _, r := range slices.Concat(c.Config.Serving, c.Config.Syncing) {
			replicas[r.Store]++
		}
	}
	for _, r := range st.Stores {
		h := obs.Stores[r.ID]
		out = append(out, StoreStatus{
			Store: *r, Alive: h.Alive && !h.Broken, Full: h.Full, Seen: h.Reason, Replicas: replicas[r.ID], Away: s.away(r, obs),
		})
	}
	return out
}

// away is nil for a store that answers, that is out of use for ever, or of which
// nothing has been heard yet.
func (s *Server) away(r *state.Store, obs state.Observed) *Away {
	h, known := obs.Stores[r.ID]
	if !known || h.Alive && !h.Broken || r.State == chain.StoreReplaced {
		return nil
	}
	out := &Away{Broken: r.Broken || h.Broken, For: time.Duration(obs.Now - h.Since), OrLonger: !s.obs.answered(r.ID)}
	if !out.Broken {
		out.Waited = max(0, time.Duration(obs.Limits.ReplaceAfter)-out.For)
	}
	return out
}

func (s *Server) chainStatus(c *state.Chain, look state.Outlook) ChainStatus {
	out := ChainStatus{Chain: *c, Unwritable: !c.Writable(s.obs.confirm()), Next: look.Waits[c.Config.Chain]}
	for _, cmd := range look.Commands {
		if cmd.Change != nil && cmd.Change.Chain == c.Config.Chain {
			out.Next = "next: " + cmd.String()
		}
	}
	if out.Next == "" {
		out.Next = "its members have to say that they have the newest epoch"
	}
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

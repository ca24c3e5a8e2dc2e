package master

import (
	"math"
	"slices"

	"catena/chain"

	"github.com/hashicorp/raft"
)

// votersWanted is how many directories should hold a voter: up to three, and
// not more than there are stores in use, those that failed included.
func (s *Server) votersWanted() int {
	st := s.newest()
	if st == nil {
		return 0
	}
	n := 0
	for _, r := range st.Stores {
		if r.State != chain.StoreReplaced {
			n++
		}
	}
	return min(n, MaxVoters)
}

// votersReady counts the voters on which a later loss may rest: they run, have
// a vote in the leader's configuration, hold what was committed up to a moment
// ago, and are recorded where the next start looks. False: no voter leads.
func (s *Server) votersReady() (n int, known bool) {
	leader := s.leader()
	if leader == nil {
		return 0, false
	}
	f := leader.raft.GetConfiguration()
	if f.Error() != nil {
		return 0, false
	}
	recorded := s.recorded.Load()
	for _, sv := range f.Configuration().Servers {
		id, ok := storeOf(sv.ID)
		v := s.running(sv.ID)
		if !ok || v == nil || sv.Suffrage != raft.Voter || v.raft.LastIndex() < s.committedBefore.Load() {
			continue
		}
		if recorded != nil && slices.Contains(*recorded, id) {
			n++
		}
	}
	return n, true
}

// votersMissing is how many voters are wanted and not ready; NaN while nobody
// leads, since then nothing is known.
func (s *Server) votersMissing() float64 {
	n, known := s.votersReady()
	if !known {
		return math.NaN()
	}
	return float64(max(s.votersWanted()-n, 0))
}

package master

import (
	"slices"
	"strings"
	"time"

	"catena/chain"
	"catena/master/raftlog"

	"github.com/hashicorp/raft"
)

// voting keeps a voter on each of up to three directories, one change of Raft's
// configuration at a time: the voter of a lost directory is removed only when
// another directory can take its place, the new one is added without a vote,
// and gets it when it has caught up.
func (s *Server) voting(v *voter) {
	f := v.raft.GetConfiguration()
	if f.Error() != nil {
		return
	}
	servers := f.Configuration().Servers
	switch {
	case s.removeLost(v, servers):
	case s.promoteVoter(v, servers):
	case s.addVoter(v, servers):
	default:
		s.stopStrangers(servers)
	}
	if f := v.raft.GetConfiguration(); f.Error() == nil {
		s.announceVoters(f.Configuration().Servers)
	}
	s.committedBefore.Store(s.committedNow.Swap(v.raft.CommitIndex()))
}

func storeOf(id raft.ServerID) (chain.StoreID, bool) {
	s, err := chain.ParseID128(string(id))
	return s, err == nil
}

// running finds the voter of a server; nil if it does not run here.
func (s *Server) running(id raft.ServerID) *voter {
	store, _ := storeOf(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.voters[store]
	if v == nil || v.raft == nil || v.isDead() || v.ended.Load() {
		return nil
	}
	return v
}

// spare finds a directory without a server that could take a voter, first the
// one whose store replaces a lost one.
func (s *Server) spare(servers []raft.Server) (Dir, bool) {
	st := s.newest()
	if st == nil {
		return Dir{}, false
	}
	var found *Dir
	for i, d := range s.cfg.Dirs {
		is := func(sv raft.Server) bool { return sv.ID == serverID(d.Store) }
		if slices.ContainsFunc(servers, is) || s.obs.down(d.Store) {
			continue
		}
		s.mu.Lock()
		v, bad := s.voters[d.Store], s.unusable[d.Store]
		s.mu.Unlock()
		if bad != nil || v != nil && v.isDead() {
			continue
		}
		rec := st.Store(d.Store)
		if rec == nil || rec.State != chain.StoreLive {
			continue
		}
		if found == nil || !rec.Replaces.IsZero() && st.Store(found.Store).Replaces.IsZero() {
			found = &s.cfg.Dirs[i]
		}
	}
	if found == nil {
		return Dir{}, false
	}
	return *found, true
}

// removeLost removes a server that does not run and never will in this process.
func (s *Server) removeLost(v *voter, servers []raft.Server) bool {
	alive, lost := 0, -1
	for i, sv := range servers {
		switch {
		case s.running(sv.ID) == nil:
			lost = i
		case sv.Suffrage == raft.Voter:
			alive++
		}
	}
	if lost < 0 {
		return false
	}
	if _, ok := s.spare(servers); !ok && servers[lost].Suffrage == raft.Voter {
		return false
	}
	// The change itself needs a majority of the new configuration.
	if left := voters(servers) - 1; servers[lost].Suffrage == raft.Voter && 2*alive <= left {
		return false
	}
	err := s.wait(v, v.raft.RemoveServer(servers[lost].ID, 0, s.cfg.Timing.Apply))
	s.cfg.Logger.Info("a lost voter was removed from the masters", "store", string(servers[lost].ID), "err", err)
	return true
}

func voters(servers []raft.Server) (n int) {
	for _, sv := range servers {
		if sv.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}

// promoteVoter gives a vote to a server that has caught up.
func (s *Server) promoteVoter(v *voter, servers []raft.Server) bool {
	for _, sv := range servers {
		n := s.running(sv.ID)
		if sv.Suffrage == raft.Voter || n == nil {
			continue
		}
		if n.raft.AppliedIndex() < v.raft.AppliedIndex() {
			return true // wait: one change at a time
		}
		err := s.wait(v, v.raft.AddVoter(sv.ID, sv.Address, 0, s.cfg.Timing.Apply))
		s.cfg.Logger.Info("a new voter of the masters has caught up", "store", string(sv.ID), "err", err)
		return true
	}
	return false
}

// addVoter starts a server on a spare directory while there are too few.
func (s *Server) addVoter(v *voter, servers []raft.Server) bool {
	if len(servers) >= MaxVoters {
		return false
	}
	d, ok := s.spare(servers)
	if !ok {
		return false
	}
	if s.running(serverID(d.Store)) == nil {
		if err := s.startSpare(d); err != nil {
			s.cfg.Logger.Error("a directory cannot hold a voter", "store", d.Store.String(), "err", err)
			return false
		}
	}
	err := s.wait(v, v.raft.AddNonvoter(serverID(d.Store), serverAddr(d.Store), 0, s.cfg.Timing.Apply))
	s.cfg.Logger.Info("a voter is added to the masters", "store", d.Store.String(), "err", err)
	return true
}

// startSpare opens and runs a directory's server. Files of an earlier
// membership are kept: they hold its votes.
func (s *Server) startSpare(d Dir) error {
	fail := func(err error) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unusable[d.Store] = err
		return err
	}
	if _, err := raftlog.Exists(d.FS); err != nil {
		return fail(err)
	}
	v, err := s.openVoter(d)
	if err != nil {
		return fail(err)
	}
	if err := s.run(v); err != nil {
		v.stop()
		return fail(err)
	}
	s.mu.Lock()
	s.voters[d.Store] = v
	s.mu.Unlock()
	return nil
}

// stopStrangers stops a server that is no member any more: its directory was
// away when it was removed. Its files stay, so it can be a member again.
func (s *Server) stopStrangers(servers []raft.Server) {
	if len(servers) < MaxVoters {
		return // it may be added yet
	}
	for _, v := range s.liveVoters() {
		if !slices.ContainsFunc(servers, func(sv raft.Server) bool { return sv.ID == serverID(v.store) }) {
			s.cfg.Logger.Info("a directory's voter is no member of the masters any more", "store", v.store.String())
			v.stop()
			s.mu.Lock()
			delete(s.voters, v.store)
			s.mu.Unlock()
		}
	}
}

// announceVoters hands on who has a vote, when that has changed.
func (s *Server) announceVoters(servers []raft.Server) {
	var ids []chain.StoreID
	for _, sv := range servers {
		if id, ok := storeOf(sv.ID); ok && sv.Suffrage == raft.Voter {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b chain.StoreID) int { return strings.Compare(a.String(), b.String()) })
	if slices.Equal(ids, s.announced) && (s.recorded.Load() != nil || !s.recordFailed.Swap(false)) {
		return
	}
	s.announced = ids
	select {
	case <-s.toRecord: // nobody has taken that one
	default:
	}
	s.toRecord <- slices.Clone(ids)
}

// recordVoters calls OnVoters, which writes to disks that may hang, beside the driver.
func (s *Server) recordVoters() {
	defer close(s.recorderDone)
	for {
		select {
		case <-s.stopping:
			return
		case ids := <-s.toRecord:
			s.recorded.Store(nil)
			if s.cfg.OnVoters != nil {
				if err := s.cfg.OnVoters(ids); err != nil {
					s.cfg.Logger.Error("the list of voters cannot be recorded; it is tried again", "err", err)
					s.pause(s.cfg.Timing.Heartbeat)
					s.recordFailed.Store(true)
					continue
				}
			}
			s.recorded.Store(&ids)
		}
	}
}

// pause waits, but not longer than the server lives.
func (s *Server) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.stopping:
	}
}

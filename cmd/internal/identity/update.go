package identity

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"catena/chain"
)

// Plan says what Open decided.
func (s *Set) Plan() Plan { return s.plan }

// Record gives a copy of the current record.
func (s *Set) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.Clone()
}

// Dirs gives the DIRs that still take writes, in the order given.
func (s *Set) Dirs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirs()
}

func (s *Set) dirs() []string {
	var out []string
	for _, u := range s.plan.Use {
		if _, ok := s.live[u.Store]; ok {
			out = append(out, u.Path)
		}
	}
	return out
}

// Form ends a first start: from now on losing a DIR is survived, and an empty
// one is a replacement. Call it once, after the keys are on every DIR and
// before any voter is made. On a formed node it does nothing.
func (s *Set) Form() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record.Formed {
		return nil
	}
	next := s.record.Clone()
	next.Formed = true
	if err := s.write(next); err != nil {
		return err
	}
	if len(s.live) < len(s.plan.Use) {
		return errors.New("a directory failed during the first start: replace it, empty the others, and start again")
	}
	return nil
}

// SetVoters records which stores hold a voter, after Raft's own configuration
// has changed. A store that is not known is an error.
func (s *Set) SetVoters(ids []chain.StoreID) error {
	if len(ids) == 0 {
		return errors.New("identity: no voters")
	}
	return s.update(func(r *Record) error {
		for _, id := range ids {
			if _, ok := r.Find(id); !ok {
				return fmt.Errorf("identity: voter %s is not a recorded store", id)
			}
		}
		for i := range r.Stores {
			r.Stores[i].Voter = slices.Contains(ids, r.Stores[i].ID)
		}
		return nil
	})
}

// Renew raises the incarnation of a store that failed, on the other DIRs, so
// that it comes back as a new one. It gives the new incarnation.
func (s *Set) Renew(id chain.StoreID) (uint64, error) {
	var n uint64
	err := s.update(func(r *Record) error {
		st, ok := r.Find(id)
		if !ok {
			return fmt.Errorf("identity: store %s is not recorded", id)
		}
		st.Incarnation++
		n = st.Incarnation
		return nil
	})
	return n, err
}

// MarkDead stops writing to the DIR of a store that failed.
func (s *Set) MarkDead(id chain.StoreID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// update changes the record on every live DIR.
func (s *Set) update(change func(*Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.record.Clone()
	if err := change(&next); err != nil {
		return err
	}
	if next.Equal(s.record) {
		return nil
	}
	return s.write(next)
}

// write puts the next generation on the live DIRs. It counts when a majority of
// the voters recorded *before* it has it. A DIR that fails is not written again,
// one that is full is.
//
// When it does not count, the record in memory still moves on: some DIR may hold
// it, and two contents of one generation must not come from one process.
func (s *Set) write(next Record) error {
	old := s.record
	next.Generation = old.Generation + 1
	p := Plan{Record: next}
	for id, path := range s.live {
		p.Use = append(p.Use, Use{Path: path, Store: id, Stale: true})
	}
	slices.SortFunc(p.Use, func(a, b Use) int { return slices.Compare(a.Store[:], b.Store[:]) })
	s.record = next
	have, voters, errs := 0, len(old.Voters()), []error(nil)
	for _, u := range writeOrder(p) {
		if err := writeIdentity(s.cfg.FS, u.Path, File{Store: u.Store, Record: next}); err != nil {
			errs = append(errs, fmt.Errorf("directory %s: %w", u.Path, err))
			if !isFull(err) {
				delete(s.live, u.Store)
			}
			continue
		}
		if st, ok := old.Find(u.Store); ok && st.Voter {
			have++
		}
	}
	if 2*have > voters {
		return nil
	}
	return fmt.Errorf("identity: generation %d is on %d of %d voters, a majority is needed: %w", next.Generation, have, voters, errors.Join(errs...))
}

// Close gives the directories back.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.locks {
		l.release(false)
	}
	s.locks = nil
}

// isFull reports whether the disk is full, which is no failure of the device.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

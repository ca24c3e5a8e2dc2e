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

// Record gives a copy of the current record. It waits for no disk.
func (s *Set) Record() Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.Clone()
}

// Dirs gives the DIRs that still take writes, in the order given. It waits for no disk.
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
	s.writing.Lock()
	defer s.writing.Unlock()
	next := s.Record()
	if next.Formed {
		return nil
	}
	next.Formed = true
	if err := s.write(next); err != nil {
		return err
	}
	if len(s.Dirs()) < len(s.plan.Use) {
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

// MarkDead stops writing to the DIR of a store that failed. It waits for no disk.
func (s *Set) MarkDead(id chain.StoreID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// update changes the record on every live DIR. What changes nothing is written
// only if the change before it did not count.
func (s *Set) update(change func(*Record) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.Record()
	next := now.Clone()
	if err := change(&next); err != nil {
		return err
	}
	if next.Equal(now) && len(s.bases) == 1 {
		return nil
	}
	return s.write(next)
}

// write puts the next generation on the live DIRs. It counts when a majority of
// the voters recorded *before* it has it. A DIR that fails is not written again,
// one that is full is. The caller holds writing.
//
// When it does not count, the record in memory still moves on: some DIR may hold
// it, and two contents of one generation must not come from one process. A later
// start may then go by either, so the next one needs a majority of both.
func (s *Set) write(next Record) error {
	next.Generation++
	var errs []error
	var have []chain.StoreID
	for _, u := range s.begin(next) {
		err := writeIdentity(s.cfg.FS, s.lockOf(u.Store), File{Store: u.Store, Record: next})
		if err == nil {
			have = append(have, u.Store)
			continue
		}
		errs = append(errs, fmt.Errorf("directory %s: %w", u.Path, err))
		if !isFull(err) {
			s.MarkDead(u.Store)
		}
	}
	for _, voters := range s.bases {
		if n := count(voters, have); 2*n <= len(voters) {
			s.tried(next.Voters())
			return fmt.Errorf("identity: generation %d is on %d of %d voters, a majority is needed: %w", next.Generation, n, len(voters), errors.Join(errs...))
		}
	}
	s.bases = [][]chain.StoreID{next.Voters()}
	return nil
}

// begin makes the record the newest one in memory, where nobody waits for a
// disk, and gives the DIRs to write.
func (s *Set) begin(next Record) []Use {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = next
	p := Plan{Record: next}
	for id, path := range s.live {
		p.Use = append(p.Use, Use{Path: path, Store: id, Stale: true})
	}
	slices.SortFunc(p.Use, func(a, b Use) int { return slices.Compare(a.Store[:], b.Store[:]) })
	return writeOrder(p)
}

// Intact makes sure that a DIR of this process is still the directory that it
// opened. Whoever makes files in it by name asks this first.
func (s *Set) Intact(id chain.StoreID) error { return s.lockOf(id).intact() }

func (s *Set) lockOf(id chain.StoreID) *lock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locks[id]
}

// tried remembers the voters of a record that did not count, each set once.
func (s *Set) tried(voters []chain.StoreID) {
	if !slices.ContainsFunc(s.bases[1:], func(b []chain.StoreID) bool { return slices.Equal(b, voters) }) {
		s.bases = append(s.bases, voters)
	}
}

// count tells how many of the voters are among those that have it.
func count(voters, have []chain.StoreID) (n int) {
	for _, id := range voters {
		if slices.Contains(have, id) {
			n++
		}
	}
	return n
}

// Close gives the directories back.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, l := range s.locks {
		l.release(false)
		delete(s.locks, id)
	}
}

// isFull reports whether the disk is full, which is no failure of the device.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

package identity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"catena/chain"
	"catena/cmd/internal/dirfile"
)

// Config says how a Set is opened.
type Config struct {
	// Dirs are the given directories. Required.
	Dirs []string
	// SegmentSize of a new node, in bytes; DefaultSegmentSize when 0.
	SegmentSize int64
	// FS writes the identity files; dirfile.OS when nil.
	FS dirfile.FS
	// NewID draws ids; crypto/rand when nil.
	NewID func() chain.ID128
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = dirfile.OS{}
	}
	if c.NewID == nil {
		c.NewID = randomID
	}
	return c
}

func randomID() (id chain.ID128) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// Set is the opened and locked DIRs of this process. Its methods may be called
// from any goroutine.
type Set struct {
	cfg  Config
	plan Plan

	// writing puts changes in a row. It is held while disks are written, which may
	// hang: nothing that only reads may wait for it.
	writing sync.Mutex
	// bases are the sets of voters of the last record that counted and of those
	// that were tried since: a later start may go by any of them. Guarded by writing.
	bases [][]chain.StoreID

	// mu is never held over I/O: heartbeats of good disks read the record.
	mu sync.Mutex
	// record is the newest, written or being written. Guarded by mu.
	record Record
	// live are the DIRs that still take writes, by store. Guarded by mu.
	live map[chain.StoreID]string
	// locks stay until Close, also those of DIRs that died. Guarded by mu.
	locks map[chain.StoreID]*lock
}

// Open looks at the DIRs, decides, locks those that are used and writes their
// identities. After it, a fresh node has still to be formed: make its keys,
// then call Form. An error is one sentence per problem.
func Open(cfg Config) (*Set, error) {
	cfg = cfg.withDefaults()
	abs := make([]string, len(cfg.Dirs))
	for i, d := range cfg.Dirs {
		p, err := filepath.Abs(d)
		if err != nil {
			return nil, fmt.Errorf("directory %s: %w", d, err)
		}
		abs[i] = p
	}
	t := &start{cfg: cfg, locks: map[string]*lock{}}
	for _, p := range abs {
		d, l := inspect(cfg.FS, p)
		t.found = append(t.found, d)
		if l != nil {
			t.locks[p] = l
		}
	}
	s, err := t.run()
	if err != nil {
		for _, l := range t.locks {
			l.release(true)
		}
		return nil, err
	}
	return s, nil
}

// start is one start's way from what was found to a Set.
type start struct {
	cfg   Config
	found []DirState
	locks map[string]*lock
}

// run decides and acts. A DIR that dies under it is counted as dead and the
// decision is made anew; this ends, since each round kills one.
func (t *start) run() (*Set, error) {
	for {
		plan, err := Decide(t.found, Options{NewID: t.cfg.NewID, SegmentSize: t.cfg.SegmentSize})
		if err != nil {
			return nil, err
		}
		died, err := t.apply(plan)
		if err == nil {
			return t.finish(plan), nil
		}
		if len(died) == 0 || plan.Fresh {
			return nil, err
		}
		for path, why := range died {
			t.died(path, why)
		}
	}
}

// apply makes, locks, probes and writes. It names the DIRs that failed. It goes
// on after a failure, so that a decision made anew finds the new stores of this
// one in their places.
func (t *start) apply(p Plan) (died map[string]error, err error) {
	died = map[string]error{}
	for _, u := range p.Use {
		if t.locks[u.Path] == nil {
			if err := t.create(u.Path); err != nil {
				return nil, fmt.Errorf("directory %s cannot be made: %w", u.Path, err)
			}
		}
		if err := t.locks[u.Path].probe(); err != nil {
			died[u.Path] = err
		}
	}
	if len(died) > 0 { // nothing is written yet: decide without them first
		return died, failure(died)
	}
	for _, u := range writeOrder(p) {
		f := File{Store: u.Store, Record: p.Record}
		switch err := writeIdentity(t.cfg.FS, t.locks[u.Path], f); {
		case err == nil:
			t.wrote(u.Path, f)
		case u.Create || !isFull(err):
			died[u.Path] = err
		}
	}
	if len(died) > 0 {
		return died, failure(died)
	}
	return nil, t.checkHeld(p.Record)
}

func failure(died map[string]error) error {
	var errs []error
	for path, err := range died {
		errs = append(errs, fmt.Errorf("directory %s: %w", path, err))
	}
	return errors.Join(errs...)
}

// checkHeld makes sure that a majority of the voters has the record, also when
// disks are full: otherwise a later start could miss it.
func (t *start) checkHeld(r Record) error {
	have, voters := 0, len(r.Voters())
	for _, d := range t.found {
		if s, ok := r.Find(d.File.Store); ok && s.Voter && d.State == Identified && d.File.Record.Equal(r) {
			have++
		}
	}
	if 2*have > voters {
		return nil
	}
	return fmt.Errorf("the new list of stores is on %d of %d voters, a majority is needed: make room on their disks", have, voters)
}

// writeOrder gives the DIRs to write: voters first, since a majority of them
// makes a change count, and new ones last, since they count for nothing yet.
func writeOrder(p Plan) []Use {
	rank := func(u Use) int {
		if u.Create {
			return 2
		}
		if s, ok := p.Record.Find(u.Store); ok && s.Voter {
			return 0
		}
		return 1
	}
	out := slices.DeleteFunc(slices.Clone(p.Use), func(u Use) bool { return !u.Create && !u.Stale })
	slices.SortStableFunc(out, func(a, b Use) int { return rank(a) - rank(b) })
	return out
}

// create makes a missing directory and its parents, durably, and locks it.
func (t *start) create(path string) error {
	var made []string
	for p := path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		made = append(made, p)
	}
	// 0700: a DIR holds keys and everybody's objects.
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, p := range made {
		if err := t.cfg.FS.SyncDir(filepath.Dir(p)); err != nil {
			return err
		}
	}
	d, l := inspect(t.cfg.FS, path)
	if l == nil {
		return errors.New(d.refusal() + d.absence())
	}
	t.locks[path] = l
	t.found[indexOf(t.found, path)] = d
	return nil
}

// died marks a DIR as dead. Which store it was is kept for the sentence.
func (t *start) died(path string, err error) {
	d := &t.found[indexOf(t.found, path)]
	d.State, d.Detail = Dead, err.Error()
	d.File = File{Store: d.File.Store}
	t.locks[path].release(false)
	delete(t.locks, path)
}

// wrote remembers what a DIR holds now, for a decision made anew.
func (t *start) wrote(path string, f File) {
	d := &t.found[indexOf(t.found, path)]
	d.State, d.File = Identified, f
}

func (t *start) finish(p Plan) *Set {
	s := &Set{cfg: t.cfg, plan: p, record: p.Record, bases: [][]chain.StoreID{p.Record.Voters()}, live: map[chain.StoreID]string{}, locks: map[chain.StoreID]*lock{}}
	for _, u := range p.Use {
		s.live[u.Store] = u.Path
		s.locks[u.Store] = t.locks[u.Path]
		delete(t.locks, u.Path)
	}
	for _, l := range t.locks { // looked at, not used
		l.release(true)
	}
	return s
}

// writeIdentity writes to the directory that is held, and to no other that has
// come to its path meanwhile.
func writeIdentity(fsys dirfile.FS, held *lock, f File) error {
	body, err := f.Marshal()
	if err == nil {
		err = held.intact()
	}
	if err != nil {
		return err
	}
	return dirfile.Write(fsys, held.path, FileName, fileKind(), body, 0o600)
}

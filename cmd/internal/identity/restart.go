package identity

import (
	"fmt"
	"slices"
	"strings"

	"catena/chain"
)

// restart decides for a node that has been formed. The record is the newest.
func restart(found []DirState, record Record, o Options) (Plan, error) {
	p := Plan{Record: record.Clone()}
	moved, err := p.takePresent(found)
	if err != nil {
		return Plan{}, err
	}
	p.nameLost(found)
	if err := p.checkMajority(); err != nil {
		return Plan{}, err
	}
	placed, err := p.placeEmpty(found, o)
	if err != nil {
		return Plan{}, err
	}
	p.ignoreRest(found)
	if moved || placed {
		p.changed(record)
	}
	slices.SortStableFunc(p.Use, func(a, b Use) int { return indexOf(found, a.Path) - indexOf(found, b.Path) })
	p.Notes = append(p.Notes, standingNotes(found, p)...)
	return p, nil
}

func indexOf(found []DirState, path string) int {
	return slices.IndexFunc(found, func(d DirState) bool { return d.Path == path })
}

// takePresent uses the stores that are there. A replaced one is left alone.
func (p *Plan) takePresent(found []DirState) (moved bool, err error) {
	var problems []string
	for _, d := range byState(found, Identified) {
		s, ok := p.Record.Find(d.File.Store)
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("directory %s holds store %s of this cluster, which is not among the recorded stores of this node: leave it out", d.Path, d.File.Store))
			continue
		case s.Replaced():
			reason := fmt.Sprintf("store %s was replaced by store %s and is not used again", s.ID, s.ReplacedBy)
			p.Ignored = append(p.Ignored, Ignored{Path: d.Path, Reason: reason})
			p.Notes = append(p.Notes, fmt.Sprintf("directory %s is left untouched: %s; empty it to use it anew", d.Path, reason))
			continue
		case s.Path != d.Path:
			p.Notes = append(p.Notes, fmt.Sprintf("store %s has moved from %s to %s", s.ID, s.Path, d.Path))
			s.Path, moved = d.Path, true
		}
		p.Use = append(p.Use, Use{Path: d.Path, Store: s.ID, Stale: !d.File.Record.Equal(p.Record)})
	}
	// A move found late makes earlier ones stale too; changed() sees to that.
	return moved, refuse(problems...)
}

// nameLost lists the recorded stores that are neither used nor replaced.
func (p *Plan) nameLost(found []DirState) {
	for _, s := range p.Record.Stores {
		if s.Replaced() || p.uses(s.ID) {
			continue
		}
		reason := "its directory is not among the given ones"
		for _, d := range found {
			if d.State == Dead && d.File.Store == s.ID || d.File.Store != s.ID && d.Path == s.Path {
				reason = d.absence()
			}
		}
		p.Lost = append(p.Lost, Lost{Store: s, Reason: reason})
		p.Notes = append(p.Notes, fmt.Sprintf("store %s (%s) is missing: %s", s.ID, s.Path, reason))
	}
}

func (p *Plan) uses(id chain.StoreID) bool {
	return slices.ContainsFunc(p.Use, func(u Use) bool { return u.Store == id })
}

// checkMajority refuses a start without most of the recorded voters. Only a
// store that is there counts; an empty DIR in its place counts for nothing.
func (p *Plan) checkMajority() error {
	voters := p.Record.Voters()
	var missing []string
	for _, id := range voters {
		if p.uses(id) {
			continue
		}
		s, _ := p.Record.Find(id)
		why := "replaced"
		for _, l := range p.Lost {
			if l.Store.ID == id {
				why = l.Reason
			}
		}
		missing = append(missing, fmt.Sprintf("store %s at %s (%s)", id, s.Path, why))
	}
	have := len(voters) - len(missing)
	if 2*have > len(voters) {
		return nil
	}
	return refuse(fmt.Sprintf("only %d of the %d recorded voters are there, a majority is needed: missing %s", have, len(voters), strings.Join(missing, ", ")))
}

// placeEmpty gives each empty DIR its role: the lost store recorded at its
// path, else the only lost one, else it is added.
func (p *Plan) placeEmpty(found []DirState, o Options) (placed bool, err error) {
	lost := slices.Clone(p.Lost)
	var rest []DirState
	for _, d := range byState(found, Empty) {
		// Of several stores that were lost at one path the latest is meant.
		i := lastIndex(lost, func(l Lost) bool { return l.Store.Path == d.Path })
		if i < 0 {
			rest = append(rest, d)
			continue
		}
		p.add(d, lost[i].Store.ID, o)
		lost = slices.Delete(lost, i, i+1)
		placed = true
	}
	switch {
	case len(rest) == 0:
		return placed, nil
	case len(lost) == 1 && len(rest) == 1:
		p.add(rest[0], lost[0].Store.ID, o)
		return true, nil
	case len(lost) > 0:
		return false, refuse(ambiguous(rest, lost))
	}
	for _, d := range rest {
		p.add(d, chain.StoreID{}, o)
	}
	return true, nil
}

func ambiguous(rest []DirState, lost []Lost) string {
	names := make([]string, len(lost))
	for i, l := range lost {
		names[i] = fmt.Sprintf("store %s (%s)", l.Store.ID, l.Store.Path)
	}
	if len(lost) == 1 {
		return fmt.Sprintf("any of the empty directories %s could replace %s: give one of them first, the others later", paths(rest), names[0])
	}
	return fmt.Sprintf("the empty directory %s could replace %s: put an empty directory at the path of the store that it shall replace", paths(rest[:1]), strings.Join(names, " or "))
}

// add makes a new store of an empty DIR, in the place of another or beside.
func (p *Plan) add(d DirState, replaces chain.StoreID, o Options) {
	s := Store{ID: o.NewID(), Path: d.Path, Incarnation: 1}
	p.Record.Stores = append(p.Record.Stores, s)
	p.Use = append(p.Use, Use{Path: d.Path, Store: s.ID, Create: true, Replaces: replaces})
	if replaces.IsZero() {
		p.Notes = append(p.Notes, fmt.Sprintf("the empty directory %s is added as store %s", d.Path, s.ID))
		return
	}
	old, _ := p.Record.Find(replaces)
	old.ReplacedBy = s.ID
	p.Notes = append(p.Notes, fmt.Sprintf("the empty directory %s, as store %s, replaces the lost store %s (%s)", d.Path, s.ID, old.ID, old.Path))
}

// ignoreRest names the given DIRs that hold nothing usable and that no lost
// store is recorded at: the others have been named with their store.
func (p *Plan) ignoreRest(found []DirState) {
	for _, d := range found {
		if d.State != Missing && d.State != Dead && d.State != Damaged {
			continue
		}
		p.Ignored = append(p.Ignored, Ignored{Path: d.Path, Reason: d.absence()})
		named := slices.ContainsFunc(p.Lost, func(l Lost) bool { return l.Store.Path == d.Path || l.Store.ID == d.File.Store })
		if !named {
			p.Notes = append(p.Notes, fmt.Sprintf("directory %s is not used: %s", d.Path, d.absence()))
		}
	}
}

func lastIndex(lost []Lost, ok func(Lost) bool) int {
	for i := len(lost) - 1; i >= 0; i-- {
		if ok(lost[i]) {
			return i
		}
	}
	return -1
}

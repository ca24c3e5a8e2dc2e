package identity

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"catena/chain"
)

// Options are what Decide needs besides what was found.
type Options struct {
	// NewID draws a random id. Required.
	NewID func() chain.ID128
	// SegmentSize of a new node, in bytes; DefaultSegmentSize when 0.
	SegmentSize int64
}

// Plan is what a start does with the given DIRs.
type Plan struct {
	// Fresh: no DIR had a formed identity, so nothing was ever served. Keys are
	// made, voters bootstrapped and Set.Form called only then.
	Fresh bool
	// Record is what every used DIR will hold.
	Record Record
	// Use are the DIRs to serve from, in the order given.
	Use []Use
	// Lost are recorded stores that cannot be used, and why.
	Lost []Lost
	// Ignored are given DIRs that are left untouched, and why.
	Ignored []Ignored
	// Notes are full sentences for the log: everything above, and what else a
	// person should know (moved, added, replaced, shared devices, both needed).
	Notes []string
}

// Use is one DIR that is served from. Create, Stale and Replaces speak of this
// start only; what holds over several starts is in the record (ReplacedBy).
type Use struct {
	Path  string
	Store chain.StoreID
	// Create: the DIR has no identity yet.
	Create bool
	// Stale: its identity holds another record than the plan's.
	Stale bool
	// Replaces is the store whose place it takes; zero for none.
	Replaces chain.StoreID
}

// Lost is a recorded store that is not there, also when this plan replaces it.
type Lost struct {
	Store  Store
	Reason string
}

// Ignored is a given DIR that is not used.
type Ignored struct {
	Path, Reason string
}

// refuse makes one error of several sentences.
func refuse(problems ...string) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = errors.New(p)
	}
	return errors.Join(errs...)
}

// Decide says what to do with the DIRs found, or refuses with one sentence per
// problem. It is pure: it reads nothing but its arguments.
func Decide(found []DirState, o Options) (Plan, error) {
	if len(found) == 0 {
		return Plan{}, refuse("no directory is given")
	}
	if problems := checkDistinct(found); len(problems) > 0 {
		return Plan{}, refuse(problems...) // the second look at one directory finds it in use
	}
	var problems []string
	for _, d := range found {
		if s := d.refusal(); s != "" {
			problems = append(problems, s)
		}
	}
	known := byState(found, Identified)
	problems = append(problems, checkSameCluster(known)...)
	if len(problems) > 0 {
		return Plan{}, refuse(problems...)
	}
	if len(known) == 0 {
		return newNode(found, o)
	}
	record, note := newest(known)
	if !record.Formed {
		return resumeForming(found, record)
	}
	p, err := restart(found, record, o)
	if err == nil && note != "" {
		// Two records of one generation: write over both.
		p.Notes = append(p.Notes, note)
		p.changed(record)
	}
	return p, err
}

// newNode is the first start: nothing given has an identity.
func newNode(found []DirState, o Options) (Plan, error) {
	for _, d := range found {
		if d.State != Missing && d.State != Empty {
			return Plan{}, refuse(fmt.Sprintf("no given directory can be used, and %s may hold a store (%s): nothing is created beside it", d.Path, d.absence()))
		}
	}
	size := o.SegmentSize
	if size == 0 {
		size = DefaultSegmentSize
	}
	p := Plan{Fresh: true, Record: Record{Cluster: o.NewID(), Node: o.NewID(), Generation: 1, SegmentSize: size}}
	for i, d := range found {
		s := Store{ID: o.NewID(), Path: d.Path, Voter: i < MaxVoters, Incarnation: 1}
		p.Record.Stores = append(p.Record.Stores, s)
		p.Use = append(p.Use, Use{Path: d.Path, Store: s.ID, Create: true})
	}
	p.Notes = append([]string{fmt.Sprintf("a new cluster is made on %s", paths(found))}, standingNotes(found, p)...)
	return p, nil
}

// resumeForming continues a first start that was cut short. Nothing was served
// then, so an empty DIR may take the id that was meant for its path.
func resumeForming(found []DirState, r Record) (Plan, error) {
	p := Plan{Fresh: true, Record: r.Clone()}
	const unfinished = "the first start of this cluster was not finished, and directory %s %s: start with exactly %s, or empty them all"
	given := map[string]bool{}
	for _, d := range found {
		i := slices.IndexFunc(r.Stores, func(s Store) bool {
			return d.State == Identified && s.ID == d.File.Store || d.State != Identified && s.Path == d.Path
		})
		if i < 0 {
			return Plan{}, refuse(fmt.Sprintf(unfinished, d.Path, "is not one of its", recordedPaths(r)))
		}
		if d.State != Identified && d.State != Empty {
			return Plan{}, refuse(fmt.Sprintf(unfinished, d.Path, "of it cannot be used ("+d.absence()+")", recordedPaths(r)))
		}
		given[r.Stores[i].Path] = true
		p.Use = append(p.Use, Use{Path: d.Path, Store: r.Stores[i].ID, Create: d.State == Empty, Stale: d.State == Identified && !d.File.Record.Equal(r)})
	}
	for _, s := range r.Stores {
		if !given[s.Path] {
			return Plan{}, refuse(fmt.Sprintf(unfinished, s.Path, "of it is not given", recordedPaths(r)))
		}
	}
	p.Notes = append([]string{"a first start that was cut short is continued"}, standingNotes(found, p)...)
	return p, nil
}

// newest picks the record with the highest generation. Among different records
// of one generation (FORMAT.md says how that can be) the one on more DIRs wins,
// then the one with the greater checksum, and a note says so.
func newest(known []DirState) (Record, string) {
	type candidate struct {
		r   Record
		n   int
		sum uint32
	}
	var cs []candidate
	for _, d := range known {
		r := d.File.Record
		if i := slices.IndexFunc(cs, func(c candidate) bool { return c.r.Equal(r) }); i >= 0 {
			cs[i].n++
			continue
		}
		body, _ := File{Record: r}.Marshal() // a record that was read can be written
		cs = append(cs, candidate{r: r, n: 1, sum: crc32.ChecksumIEEE(body)})
	}
	better := func(a, b candidate) bool {
		switch {
		case a.r.Generation != b.r.Generation:
			return a.r.Generation > b.r.Generation
		case a.n != b.n:
			return a.n > b.n
		}
		return a.sum > b.sum
	}
	best, note := cs[0], ""
	for _, c := range cs[1:] {
		if better(c, best) {
			best = c
		}
	}
	for _, c := range cs {
		if c.r.Generation == best.r.Generation && !c.r.Equal(best.r) {
			note = fmt.Sprintf("the directories held different lists of stores, both of generation %d: the one that more of them hold is taken", c.r.Generation)
		}
	}
	return best.r, note
}

// changed raises the generation once and marks every DIR as stale.
func (p *Plan) changed(old Record) {
	p.Record.Generation = old.Generation + 1
	for i := range p.Use {
		p.Use[i].Stale = !p.Use[i].Create
	}
}

func recordedPaths(r Record) string {
	out := make([]string, len(r.Stores))
	for i, s := range r.Stores {
		out[i] = s.Path
	}
	return strings.Join(out, ", ")
}

// standingNotes are true of every start with these DIRs.
func standingNotes(found []DirState, p Plan) (notes []string) {
	voters := p.Record.Voters()
	if len(voters) == 2 {
		notes = append(notes, "the masters have two voters: both directories are needed to start; give a third one to survive the loss of one")
	}
	byDevice := map[uint64][]DirState{}
	var order []uint64
	for _, d := range found {
		used := slices.ContainsFunc(p.Use, func(u Use) bool { return u.Path == d.Path })
		if !used || d.Device == 0 {
			continue
		}
		if byDevice[d.Device] == nil {
			order = append(order, d.Device)
		}
		byDevice[d.Device] = append(byDevice[d.Device], d)
	}
	for _, dev := range order {
		if shared := byDevice[dev]; len(shared) > 1 {
			notes = append(notes, fmt.Sprintf("directories %s share one device: what loses it loses all of them", paths(shared)))
		}
	}
	return notes
}

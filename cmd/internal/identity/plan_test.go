package identity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

// id gives the id that ends in n.
func id(n int) (x chain.ID128) {
	x[14], x[15] = byte(n>>8), byte(n)
	return x
}

// counter draws ids from first on.
func counter(first int) func() chain.ID128 {
	return func() chain.ID128 { first++; return id(first - 1) }
}

func opts() Options { return Options{NewID: counter(100)} }

// record has stores 1..n at /d1../dn; the first three are voters.
func record(n int) Record {
	r := Record{Cluster: id(1000), Node: id(1001), Generation: 5, Formed: true, SegmentSize: DefaultSegmentSize}
	for i := 1; i <= n; i++ {
		r.Stores = append(r.Stores, Store{ID: id(i), Path: fmt.Sprintf("/d%d", i), Voter: i <= MaxVoters, Incarnation: 1})
	}
	return r
}

// has is the DIR at /dN with store N of the record.
func has(n int, r Record) DirState {
	return DirState{Path: fmt.Sprintf("/d%d", n), State: Identified, File: File{Store: id(n), Record: r}}
}

// is is the DIR at /dN in a state that names no store.
func is(n int, s State) DirState {
	return DirState{Path: fmt.Sprintf("/d%d", n), State: s, Detail: "why"}
}

// with changes a copy of a record.
func with(r Record, f func(*Record)) Record {
	r = r.Clone()
	f(&r)
	return r
}

// line says what a plan does with each DIR, for tables.
func line(p Plan) string {
	var out []string
	for _, u := range p.Use {
		s := fmt.Sprintf("%s=%d", u.Path, int(u.Store[14])<<8|int(u.Store[15]))
		if u.Create {
			s += " create"
		}
		if u.Stale {
			s += " stale"
		}
		if !u.Replaces.IsZero() {
			s += fmt.Sprintf(" for %d", u.Replaces[15])
		}
		out = append(out, s)
	}
	for _, l := range p.Lost {
		out = append(out, fmt.Sprintf("lost %d: %s", l.Store.ID[15], l.Reason))
	}
	for _, i := range p.Ignored {
		out = append(out, "ignored "+i.Path)
	}
	return strings.Join(out, "; ")
}

func TestDecide(t *testing.T) {
	r1, r2, r3, r4 := record(1), record(2), record(3), record(4)
	older := with(r3, func(r *Record) { r.Generation = 4 })
	replaced := with(r3, func(r *Record) {
		r.Stores = append(r.Stores, Store{ID: id(9), Path: "/d2", Incarnation: 1})
		r.Stores[1].ReplacedBy = id(9)
	})
	d2new := DirState{Path: "/d2", State: Identified, File: File{Store: id(9), Record: replaced}}
	forming := with(r3, func(r *Record) { r.Generation, r.Formed = 1, false })
	tests := []struct {
		name  string
		found []DirState
		want  string // of line
		gen   uint64
		fresh bool
		notes []string // each is in some note
	}{
		{name: "new, directories missing and empty", found: []DirState{is(1, Missing), is(2, Empty), is(3, Missing)},
			want: "/d1=102 create; /d2=103 create; /d3=104 create", gen: 1, fresh: true, notes: []string{"a new cluster is made on /d1, /d2, /d3"}},
		{name: "all there", found: []DirState{has(1, r3), has(2, r3), has(3, r3)}, want: "/d1=1; /d2=2; /d3=3", gen: 5},
		{name: "given in another order", found: []DirState{has(3, r3), has(1, r3), has(2, r3)}, want: "/d3=3; /d1=1; /d2=2", gen: 5},
		{name: "single directory", found: []DirState{has(1, r1)}, want: "/d1=1", gen: 5},
		{name: "an older record is brought up to date", found: []DirState{has(1, older), has(2, r3), has(3, r3)}, want: "/d1=1 stale; /d2=2; /d3=3", gen: 5},
		{name: "one directory is gone", found: []DirState{has(1, r3), is(2, Missing), has(3, r3)},
			want: "/d1=1; /d3=3; lost 2: the directory does not exist; ignored /d2", gen: 5, notes: []string{"(/d2) is missing: the directory does not exist"}},
		{name: "one device is dead", found: []DirState{has(1, r3), has(2, r3), is(3, Dead)},
			want: "/d1=1; /d2=2; lost 3: the device fails: why; ignored /d3", gen: 5},
		{name: "a device that died after its identity was read", found: []DirState{has(1, r3), has(2, r3), {Path: "/moved", State: Dead, Detail: "eio", File: File{Store: id(3)}}},
			want: "/d1=1; /d2=2; lost 3: the device fails: eio; ignored /moved", gen: 5},
		{name: "one identity is damaged", found: []DirState{has(1, r3), is(2, Damaged), has(3, r3)},
			want: "/d1=1; /d3=3; lost 2: its identity file is unreadable: why; ignored /d2", gen: 5},
		{name: "one is not given", found: []DirState{has(1, r3), has(3, r3)},
			want: "/d1=1; /d3=3; lost 2: its directory is not among the given ones", gen: 5},
		{name: "an empty directory at the lost path", found: []DirState{has(1, r3), is(2, Empty), has(3, r3)},
			want: "/d1=1 stale; /d2=100 create for 2; /d3=3 stale; lost 2: the directory is empty", gen: 6, notes: []string{"replaces the lost store " + id(2).String()}},
		{name: "an empty directory elsewhere, one lost", found: []DirState{has(1, r3), has(3, r3), is(4, Empty)},
			want: "/d1=1 stale; /d3=3 stale; /d4=100 create for 2; lost 2: its directory is not among the given ones", gen: 6},
		{name: "an empty directory elsewhere, the lost one given and dead", found: []DirState{has(1, r3), is(2, Dead), has(3, r3), is(4, Empty)},
			want: "/d1=1 stale; /d3=3 stale; /d4=100 create for 2; lost 2: the device fails: why; ignored /d2", gen: 6},
		{name: "nothing lost, one added", found: []DirState{has(1, r3), has(2, r3), has(3, r3), is(4, Empty)},
			want: "/d1=1 stale; /d2=2 stale; /d3=3 stale; /d4=100 create", gen: 6, notes: []string{"/d4 is added"}},
		{name: "nothing lost, two added", found: []DirState{has(1, r3), has(2, r3), has(3, r3), is(4, Empty), is(5, Empty)},
			want: "/d1=1 stale; /d2=2 stale; /d3=3 stale; /d4=100 create; /d5=101 create", gen: 6},
		{name: "one replaced at its path, one added", found: []DirState{has(1, r3), is(2, Empty), has(3, r3), is(5, Empty)},
			want: "/d1=1 stale; /d2=100 create for 2; /d3=3 stale; /d5=101 create; lost 2: the directory is empty", gen: 6},
		{name: "two lost, each replaced at its path", found: []DirState{has(1, r4), has(2, r4), is(3, Empty), is(4, Empty)},
			want: "/d1=1 stale; /d2=2 stale; /d3=100 create for 3; /d4=101 create for 4; lost 3: the directory is empty; lost 4: the directory is empty", gen: 6},
		{name: "two lost, one at its path, so the other is the only one", found: []DirState{has(1, r4), has(2, r4), is(3, Empty), is(7, Empty)},
			want: "/d1=1 stale; /d2=2 stale; /d3=100 create for 3; /d7=101 create for 4; lost 3: the directory is empty; lost 4: its directory is not among the given ones", gen: 6},
		{name: "a missing path that no store knows is not made", found: []DirState{has(1, r3), has(2, r3), has(3, r3), is(8, Missing)},
			want: "/d1=1; /d2=2; /d3=3; ignored /d8", gen: 5, notes: []string{"directory /d8 is not used: the directory does not exist"}},
		{name: "a store has moved", found: []DirState{has(1, r3), has(2, r3), {Path: "/new", State: Identified, File: File{Store: id(3), Record: r3}}},
			want: "/d1=1 stale; /d2=2 stale; /new=3 stale", gen: 6, notes: []string{"has moved from /d3 to /new"}},
		{name: "the replacement is there", found: []DirState{has(1, replaced), d2new, has(3, replaced)}, want: "/d1=1; /d2=9; /d3=3", gen: 5},
		{name: "a replaced store comes back elsewhere", found: []DirState{has(1, replaced), d2new, has(3, replaced), {Path: "/old", State: Identified, File: File{Store: id(2), Record: older}}},
			want: "/d1=1; /d2=9; /d3=3; ignored /old", gen: 5, notes: []string{"directory /old is left untouched: store " + id(2).String() + " was replaced by"}},
		{name: "a replaced store comes back at its path", found: []DirState{has(1, replaced), has(2, older), has(3, replaced)},
			want: "/d1=1; /d3=3; lost 9: another store is there; ignored /d2", gen: 5},
		{name: "a first start is continued", found: []DirState{has(1, forming), is(2, Empty), is(3, Empty)},
			want: "/d1=1; /d2=2 create; /d3=3 create", gen: 1, fresh: true, notes: []string{"cut short is continued"}},
		{name: "a first start that was formed on one is restarted", found: []DirState{has(1, with(forming, func(r *Record) { r.Generation, r.Formed = 2, true })), has(2, forming), has(3, forming)},
			want: "/d1=1; /d2=2 stale; /d3=3 stale", gen: 2},
		{name: "two directories need both, and it is said", found: []DirState{has(1, r2), has(2, r2)}, want: "/d1=1; /d2=2", gen: 5, notes: []string{"both directories are needed"}},
		{name: "shared devices are said", found: []DirState{dev(has(1, r3), 7, 1), dev(has(2, r3), 8, 1), dev(has(3, r3), 7, 2)}, want: "/d1=1; /d2=2; /d3=3", gen: 5,
			notes: []string{"directories /d1, /d3 share one device"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Decide(tt.found, opts())
			require.NoError(t, err)
			require.Equal(t, tt.want, line(p))
			require.Equal(t, tt.gen, p.Record.Generation)
			require.Equal(t, tt.fresh, p.Fresh)
			require.NoError(t, p.Record.Validate())
			for _, n := range tt.notes {
				require.Contains(t, strings.Join(p.Notes, "\n"), n)
			}
		})
	}
}

func dev(d DirState, device, inode uint64) DirState {
	d.Device, d.Inode = device, inode
	return d
}

func TestDecideRefuses(t *testing.T) {
	r2, r3, r4, r5 := record(2), record(3), record(4), record(5)
	foreign := with(r3, func(r *Record) { r.Cluster = id(2000) })
	otherNode := with(r3, func(r *Record) { r.Node = id(2001) })
	forming := with(r3, func(r *Record) { r.Generation, r.Formed = 1, false })
	tests := []struct {
		name  string
		found []DirState
		want  []string // each is a part of its own sentence (line)
	}{
		{"nothing given", nil, []string{"no directory is given"}},
		{"given twice", []DirState{is(1, Missing), is(1, Missing)}, []string{"directory /d1 is given twice"}},
		{"the same directory by two names", []DirState{dev(has(1, r3), 1, 9), dev(is(2, InUse), 1, 9)}, []string{"/d1 and /d2 are the same directory"}},
		{"one inside another", []DirState{is(1, Missing), {Path: "/d1/x", State: Missing}}, []string{"directory /d1/x lies inside /d1"}},
		{"one inside another, reversed", []DirState{{Path: "/d1/x", State: Missing}, is(1, Missing)}, []string{"directory /d1/x lies inside /d1"}},
		{"files of somebody else", []DirState{is(1, Foreign), is(2, Empty)}, []string{"directory /d1 is not empty (it holds why)"}},
		{"files of somebody else beside a cluster", []DirState{has(1, r3), has(2, r3), is(3, Foreign)}, []string{"directory /d3 is not empty"}},
		{"a file", []DirState{is(1, NotDirectory)}, []string{"/d1 is not a directory"}},
		{"a newer release", []DirState{is(1, Newer)}, []string{"directory /d1 was why: start that release"}},
		{"in use", []DirState{has(1, r3), has(2, r3), is(3, InUse)}, []string{"directory /d3 is in use"}},
		{"not writable", []DirState{has(1, r3), has(2, r3), is(3, NotUsable)}, []string{"directory /d3 is not writable (why)"}},
		{"every problem at once", []DirState{is(1, InUse), is(2, NotUsable), is(3, Foreign)}, []string{"/d1 is in use", "/d2 is not writable", "/d3 is not empty"}},
		{"another cluster", []DirState{has(1, r3), has(2, r3), has(3, foreign)}, []string{"directory /d3 belongs to cluster " + id(2000).String()}},
		{"another node", []DirState{has(1, r3), has(2, r3), has(3, otherNode)}, []string{"directory /d3 belongs to node " + id(2001).String()}},
		{"a copy", []DirState{has(1, r3), has(2, r3), {Path: "/copy", State: Identified, File: File{Store: id(2), Record: r3}}}, []string{"directories /d2 and /copy both say that they are store"}},
		{"a store that nobody recorded", []DirState{has(1, r3), has(2, r3), has(3, r3), has(4, with(r4, func(r *Record) { r.Generation = 4 }))}, []string{"directory /d4 holds store " + id(4).String()}},
		{"a dead one and nothing known", []DirState{is(1, Dead), is(2, Empty)}, []string{"/d1 may hold a store (the device fails: why)"}},
		{"a damaged one and nothing known", []DirState{is(1, Empty), is(2, Damaged)}, []string{"/d2 may hold a store"}},
		{"most voters missing", []DirState{has(1, r3), is(2, Missing), is(3, Dead)}, []string{"only 1 of the 3 recorded voters", "/d2 (the directory does not exist), store"}},
		{"one of two voters missing", []DirState{has(1, r2), is(2, Missing)}, []string{"only 1 of the 2 recorded voters"}},
		{"empty directories count for nothing", []DirState{has(1, r3), is(2, Empty), is(3, Empty)}, []string{"only 1 of the 3 recorded voters"}},
		{"stores without a voter do not count", []DirState{is(1, Missing), is(2, Missing), has(3, r5), has(4, r5), has(5, r5)}, []string{"only 1 of the 3 recorded voters"}},
		{"two lost, one empty directory elsewhere", []DirState{has(1, r4), has(2, r4), is(7, Empty)}, []string{"the empty directory /d7 could replace store " + id(3).String() + " (/d3) or store " + id(4).String() + " (/d4)"}},
		{"one lost, two empty directories elsewhere", []DirState{has(1, r3), has(2, r3), is(7, Empty), is(8, Empty)}, []string{"any of the empty directories /d7, /d8 could replace store " + id(3).String()}},
		{"a first start continued with another directory", []DirState{has(1, forming), is(2, Empty), is(7, Empty)}, []string{"directory /d7 is not one of its"}},
		{"a first start continued with one fewer", []DirState{has(1, forming), has(2, forming)}, []string{"directory /d3 of it is not given"}},
		{"a first start continued with a dead one", []DirState{has(1, forming), is(2, Dead), is(3, Empty)}, []string{"directory /d2 of it cannot be used (the device fails: why)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decide(tt.found, opts())
			require.Error(t, err)
			for _, w := range tt.want {
				require.Contains(t, err.Error(), w)
			}
			if len(tt.want) > 0 && tt.name == "every problem at once" {
				require.Len(t, strings.Split(err.Error(), "\n"), len(tt.want))
			}
		})
	}
}

func TestReplacedVoterCountsAsMissingUntilRaftHasMovedIt(t *testing.T) {
	r := with(record(3), func(r *Record) {
		r.Stores = append(r.Stores, Store{ID: id(9), Path: "/d2", Incarnation: 1})
		r.Stores[1].ReplacedBy = id(9)
	})
	d2 := DirState{Path: "/d2", State: Identified, File: File{Store: id(9), Record: r}}
	_, err := Decide([]DirState{has(1, r), d2, is(3, Missing)}, opts())
	require.ErrorContains(t, err, "only 1 of the 3 recorded voters")
	require.ErrorContains(t, err, "(replaced)")

	moved := with(r, func(r *Record) { r.Stores[1].Voter, r.Stores[3].Voter = false, true })
	d2.File.Record = moved
	_, err = Decide([]DirState{has(1, moved), d2, is(3, Missing)}, opts())
	require.NoError(t, err)
}

func TestDifferentRecordsOfOneGeneration(t *testing.T) {
	a := record(3)
	b := with(a, func(r *Record) { r.Stores[2].Incarnation = 7 })
	p, err := Decide([]DirState{has(1, a), has(2, b), has(3, b)}, opts())
	require.NoError(t, err)
	require.Equal(t, uint64(7), p.Record.Stores[2].Incarnation, "the one on more directories")
	require.Equal(t, uint64(6), p.Record.Generation)
	require.Equal(t, "/d1=1 stale; /d2=2 stale; /d3=3 stale", line(p))
	require.Contains(t, strings.Join(p.Notes, "\n"), "different lists of stores, both of generation 5")

	p1, err := Decide([]DirState{has(1, a), has(2, b)}, opts())
	require.NoError(t, err)
	p2, err := Decide([]DirState{has(2, b), has(1, a)}, opts())
	require.NoError(t, err)
	require.Equal(t, p1.Record, p2.Record, "the order given does not decide")
}

// TestDecideExhaustively goes through every state of up to five recorded
// DIRs and up to two empty ones elsewhere, and checks the rules independently.
func TestDecideExhaustively(t *testing.T) {
	states := []State{Identified, Missing, Empty, Dead, Damaged, 0} // 0: not given
	runs := 0
	for n := 1; n <= 5; n++ {
		total := 1
		for range n {
			total *= len(states)
		}
		for code := range total {
			for extra := range 3 {
				runs++
				checkCombination(t, n, code, extra, states)
			}
		}
	}
	t.Logf("%d combinations", runs)
}

func checkCombination(t *testing.T, n, code, extra int, states []State) {
	r := record(n)
	var found []DirState
	present, voters, lost, emptyAtPath := 0, 0, 0, 0
	desc := fmt.Sprintf("n=%d extra=%d:", n, extra)
	for i := 1; i <= n; i++ {
		s := states[code%len(states)]
		code /= len(states)
		desc += fmt.Sprintf(" %d", s)
		if s == Identified {
			found = append(found, has(i, r))
			present++
			if i <= MaxVoters {
				voters++
			}
			continue
		}
		lost++
		if s == Empty {
			emptyAtPath++
		}
		if s != 0 {
			found = append(found, is(i, s))
		}
	}
	for i := range extra {
		found = append(found, is(n+1+i, Empty))
	}
	if present == 0 {
		return // a new node, or a refusal: tables above
	}
	p, err := Decide(found, opts())
	openLost := lost - emptyAtPath
	ambiguous := extra > 0 && openLost > 0 && (extra > 1 || openLost > 1)
	if 2*voters <= min(n, MaxVoters) || ambiguous {
		require.Error(t, err, desc)
		return
	}
	require.NoError(t, err, desc)
	checkPlan(t, desc, found, r, p)
	require.Len(t, p.Lost, lost, desc)
	require.Len(t, p.Use, present+emptyAtPath+extra, desc)
	replaced := 0
	for _, s := range p.Record.Stores {
		if s.Replaced() {
			replaced++
		}
	}
	require.Equal(t, emptyAtPath+min(extra, openLost), replaced, desc)
}

// checkPlan holds for every plan of a formed node.
func checkPlan(t *testing.T, desc string, found []DirState, old Record, p Plan) {
	t.Helper()
	require.NoError(t, p.Record.Validate(), desc)
	require.False(t, p.Fresh, desc)
	require.Equal(t, old.Voters(), p.Record.Voters(), "%s: a start moves no voter", desc)
	seen := map[chain.StoreID]bool{}
	creates := 0
	for _, u := range p.Use {
		require.False(t, seen[u.Store], desc)
		seen[u.Store] = true
		d := found[indexOf(found, u.Path)]
		require.Equal(t, d.State == Empty, u.Create, desc)
		if u.Create {
			creates++
			_, known := old.Find(u.Store)
			require.False(t, known, "%s: a new store has a new id", desc)
		} else {
			require.Equal(t, d.File.Store, u.Store, desc)
		}
	}
	for _, d := range found {
		used := false
		for _, u := range p.Use {
			used = used || u.Path == d.Path
		}
		require.Equal(t, d.State == Identified || d.State == Empty, used, desc)
	}
	if creates > 0 {
		require.Equal(t, old.Generation+1, p.Record.Generation, desc)
	} else {
		require.Equal(t, old, p.Record, desc)
	}
}

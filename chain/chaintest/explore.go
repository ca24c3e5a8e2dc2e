package chaintest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"catena/chain/index"
	"catena/chain/internal/rule"
)

// The explorer visits, breadth first, every state that a small chain of real
// index.Replicas can reach within the bounds of a scope, and checks each step
// with the invariants of index_check.go. A violation comes with a shortest story
// that leads to it, in words.
//
// What may happen in a state: a message arrives (the oldest of its link, or one
// that strayed), strays (from then on it may arrive at any time, or never), or
// arrives and strays; a disk finishes; a replica ends and starts again, with or
// without what was on its way to the disk; the master makes a configuration; a
// replica learns one; a client's command reaches a head; time passes.
//
// Reductions, and why each leaves nothing out that the scope's bounds do not:
//
//   - A read changes nothing, so every tail that may answer is read after every
//     step, and what it answered is known from then on. So is every reply.
//   - A lost message is one that never arrives: it stays in its link, strays, or
//     is the oldest of a link that is full and gets another one.
//   - A link is first in first out but for strays, of which a scope has few.
//   - The same message twice in a row in one link is one message.
//   - A message of an older epoch than its receiver's is gone: the receiver would
//     tell of the newer configuration, which everyone may learn at any time. One of
//     a newer epoch waits, but for a Hello, which brings its configuration. (Not
//     so where the rule of epochs is left out.)
//   - A restart takes no time, and a replica that is long down is one that
//     nothing happens to. What is under way to a replica that ends is lost.
//   - All clocks are the same and tick together; a replica that hears nothing
//     does nothing by itself, so a later tick of its own adds only the moment.
//   - The master hears what replicas report at once and acts on it at any later
//     time in the same epoch.
//   - State records alone under way are on disk at once, but in scopes with
//     SlowState: before they are, a replica does nothing that it does not do
//     later too.
//   - Pages of a snapshot are read and handed in at once, but in scopes with
//     SlowPages; after a restart the rows are as old as can be: all of the log is
//     above them.
//   - A chain begins whole and quiet: everyone has the first configuration, and
//     the tail a lease.
//
// Steps of one replica are remembered: equal replicas do the same with the same
// event at the same moment. States are compared by 128-bit fingerprints, so that
// two different ones could be taken for one, with a probability that is
// negligible beside what the bounds leave out.

// Scope bounds an exploration. The replicas are called A, B, C, D.
type Scope struct {
	Name string
	// Serving are the first members, head first; Replicas how many there are in
	// all; the others may join.
	Serving, Replicas int
	// MinAck is 2 if it is 0.
	MinAck int
	// Epochs is how many configurations there may be, the first counted.
	Epochs int
	// Ops are the clients' commands on one key, in this order.
	Ops []opKind
	// Crashes, Strays and Ticks are how many of each there may be at most.
	Crashes, Strays, Ticks int
	// Fail are the replicas that may crash, by letters; empty for all.
	Fail string
	// Pass is what one tick may take, in twentieths of a lease. If empty, ticks
	// are so long that every lease runs out.
	Pass []int
	// Drains is how often a tail may be told to hand back its lease.
	Drains int
	// Warm puts are committed everywhere before the story begins.
	Warm int
	// Retain is how many applied entries a replica keeps in memory; 0 for 8. A
	// joiner that needs an older one takes a snapshot.
	Retain int
	// Window is the replicas'; 0 for 8. With 2, every entry is acknowledged
	// as it comes; with 8, only when it is committed.
	Window int
	// Link is how many messages a link holds; 0 for 3.
	Link int
	// Remove, Join and Restart are whom the master may take out, add, and start
	// a dead chain from; by letters. It promotes and settles as it is told.
	Remove, Join, Restart string
	// AnyConfig: a replica may learn every newer configuration, not only the
	// newest, and also that it is no longer a member.
	AnyConfig bool
	// SlowState: state records take time to reach the disk.
	SlowState bool
	// PageRows is how many rows a page of a snapshot has; 0 for 2.
	PageRows int
	// SlowPages: a page of a snapshot is handed in some time after it was read.
	SlowPages bool
	// KeepInCrash: a crash may also leave all that was under way to the disk.
	KeepInCrash bool
}

// Digest tells two definitions of a scope apart, by everything that bounds what
// is explored; what is left to a default counts as that.
func (s Scope) Digest() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", s.withDefaults()))
	return hex.EncodeToString(sum[:8])
}

// withDefaults fills what is zero.
func (s Scope) withDefaults() Scope {
	s.MinAck, s.Link = cmp.Or(s.MinAck, 2), cmp.Or(s.Link, 3)
	s.Window, s.Retain = cmp.Or(s.Window, 8), cmp.Or(s.Retain, 8)
	s.PageRows = cmp.Or(s.PageRows, 2)
	if len(s.Pass) == 0 {
		s.Pass = []int{21}
	}
	return s
}

// ExploreOptions bound the work, not what is explored.
type ExploreOptions struct {
	// States and Time end the exploration when so many states were found, or so
	// long was spent; 0 for no bound. It is then cut.
	States int
	Time   time.Duration
	// Calm: of every so many states, one is asked whether the chain becomes whole
	// when nothing goes wrong any more; 0 for none.
	Calm int
	// Progress, if set, is told after each depth.
	Progress func(depth, states, frontier int)

	rules     rule.Set
	backwards bool // try what may happen in the opposite order
}

// Explored is what an exploration found.
type Explored struct {
	Scope string
	// States were found, Transitions tried, Depth is the length of the longest
	// shortest story; Steps the different steps of single replicas.
	States, Transitions, Depth, Steps int
	// Epochs, Entries and Answers are the most configurations, committed entries
	// and answered commands of any state: what the bounds let the chain reach.
	Epochs, Entries, Answers int
	// Calmed is how many states were asked whether the chain becomes whole.
	Calmed int
	// Exhausted: there are no more states within the scope's bounds. Otherwise
	// the exploration was cut, or ended with a violation.
	Exhausted bool
	// Err is the violation, and Story how it came about, a line a step.
	Err   error
	Story []string
	Took  time.Duration
}

// String says what was found in one line.
func (x Explored) String() string {
	how := "cut"
	switch {
	case x.Err != nil:
		how = "violation: " + x.Err.Error()
	case x.Exhausted:
		how = "exhausted"
	}
	return fmt.Sprintf("scope %s: %d states, %d transitions, depth %d, %d replica steps, up to %d epochs, %d entries, %d answers, %d calmed, %s: %s",
		x.Scope, x.States, x.Transitions, x.Depth, x.Steps, x.Epochs, x.Entries, x.Answers, x.Calmed, x.Took.Round(10*time.Millisecond), how)
}

// Explore visits the states of a scope.
func Explore(s Scope, o ExploreOptions) Explored {
	began := time.Now()
	x := newExplorer(s.withDefaults(), o.rules)
	res := Explored{Scope: s.Name}
	x.search(o, &res)
	res.States, res.Steps, res.Took = len(x.origin), len(x.steps), time.Since(began)
	for _, m := range x.masters {
		res.Epochs = max(res.Epochs, len(m.History))
	}
	for _, k := range x.knowns {
		n := 0
		for _, c := range k.calls {
			n += int(boolBit(c.ended))
		}
		res.Entries, res.Answers = max(res.Entries, len(k.committed)), max(res.Answers, n)
	}
	return res
}

// origin is how a state was first reached.
type origin struct {
	from uint32
	act  action
}

// frontier is the states of one distance from the first, with their places in
// the explorer's origin.
type frontier struct {
	worlds []world
	ids    []uint32
}

// search goes through the states by their distance from the first.
func (x *explorer) search(o ExploreOptions, res *Explored) {
	end := time.Time{}
	if o.Time > 0 {
		end = time.Now().Add(o.Time)
	}
	first, err := x.begin()
	if err != nil {
		res.Err, res.Story = err, []string{"while the chain begins", "violation: " + err.Error()}
		return
	}
	var here frontier
	x.note(&here, first, x.hash(&first), origin{})
	for len(here.worlds) > 0 {
		var next frontier
		for i := range here.worlds {
			if !x.expand(&here.worlds[i], here.ids[i], o, res, &next) {
				return
			}
			if o.States > 0 && len(x.origin) >= o.States || i%256 == 0 && !end.IsZero() && time.Now().After(end) {
				return
			}
		}
		here = next
		if len(here.worlds) > 0 {
			res.Depth++
		}
		if o.Progress != nil {
			o.Progress(res.Depth, len(x.origin), len(here.worlds))
		}
	}
	res.Exhausted = true
}

// note adds a state that was not seen before.
func (x *explorer) note(to *frontier, w world, h index.Hash, from origin) {
	x.seen[h] = struct{}{}
	to.worlds, to.ids = append(to.worlds, w), append(to.ids, uint32(len(x.origin)))
	x.origin = append(x.origin, from)
}

// expand tries everything that may happen in a state, and adds what is new to
// next. False: it broke an invariant, and res says how.
func (x *explorer) expand(w *world, id uint32, o ExploreOptions, res *Explored, next *frontier) bool {
	x.acts = x.choices(w, x.acts[:0])
	if o.backwards {
		slices.Reverse(x.acts)
	}
	for _, a := range x.acts {
		res.Transitions++
		n, err := x.after(w, a)
		if err != nil {
			res.Err, res.Depth, res.Story = err, res.Depth+1, x.story(id, a)
			return false
		}
		h := x.hash(&n)
		if _, ok := x.seen[h]; ok {
			continue
		}
		x.note(next, n, h, origin{from: id, act: a})
		if o.Calm > 0 && len(x.origin)%o.Calm == 0 {
			if done, err := x.calm(n); err != nil {
				res.Err, res.Depth, res.Story = err, res.Depth+1, x.story(id, append([]action{a}, done...)...)
				return false
			}
			res.Calmed++
		}
	}
	return true
}

// story tells again how a state was reached, and what its last steps lead to.
func (x *explorer) story(id uint32, last ...action) []string {
	var acts []action
	for ; id != 0; id = x.origin[id].from {
		acts = append(acts, x.origin[id].act)
	}
	slices.Reverse(acts)
	acts = append(acts, last...)
	w, _ := x.begin()
	var lines []string
	for i := range acts {
		line := fmt.Sprintf("%2d %s", i+1, x.describe(&w, acts[i]))
		x.told = nil
		x.tell = true
		n, err := x.after(&w, acts[i])
		x.tell = false
		lines = append(lines, line)
		for _, t := range x.told {
			lines = append(lines, "     "+t)
		}
		if err != nil {
			lines = append(lines, "     violation: "+err.Error())
			break
		}
		w = n
	}
	return lines
}

// explorer holds what states share: each distinct replica, message, master and
// record of what clients know has a number.
type explorer struct {
	scope  Scope
	rules  rule.Set
	seen   map[index.Hash]struct{}
	origin []origin

	nodes     []*xnode
	nodeIDs   map[index.Hash]uint32
	msgs      []*xmsg
	msgIDs    map[index.Hash]uint32
	masters   []*Master
	masterIDs map[index.Hash]uint32
	knowns    []*known
	knownIDs  map[index.Hash]uint32
	entries   map[entryKey]*index.Entry
	steps     map[stepKey]*xstep
	planned   map[planKey]uint32

	// acts is the room for the choices of the state that is expanded.
	acts []action

	// bench is the one cluster to which the invariants are put.
	bench *indexCluster
	tell  bool
	told  []string
}

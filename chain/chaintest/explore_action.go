package chaintest

import (
	"fmt"
	"slices"
	"strings"

	"catena/chain/index"
	"catena/chain/internal/rule"
)

// actKind is what may happen in a state.
type actKind uint8

const (
	actDeliver actKind = iota // the message at place a arrives, the oldest of its link; astray: number b
	actStray                  // the oldest message of link a strays
	actRepeat                 // ... arrives, and strays
	actSync                   // a's disk finishes
	actCrash                  // a ends and starts again; b: what was under way is on disk
	actPropose                // the next command reaches a
	actLearn                  // a learns the configuration at b of the master's log
	actPass                   // b twentieths of a lease pass
	actPage                   // a hands in a page that it has read
	actDrain                  // a is told to hand back its lease
	actRemove                 // the master removes a
	actJoin                   // ... adds a as a joiner
	actPromote                // ... promotes a
	actSettle                 // ... settles a
	actRestart                // ... starts the chain again from a
)

type action struct {
	kind actKind
	a, b uint8
}

// choices are what may happen in w. What changes nothing is left out.
func (x *explorer) choices(w *world, acts []action) []action {
	acts = x.arrivals(w, acts)
	sc := &x.scope
	for i := range uint8(sc.Replicas) {
		n := x.nodes[w.nodes[i]]
		if len(n.under) > 0 {
			acts = append(acts, action{actSync, i, 0})
		}
		if n.page != nil {
			acts = append(acts, action{actPage, i, 0})
		}
		if int(w.crashes) < sc.Crashes && n.durable.state != nil && (sc.Fail == "" || strings.Contains(sc.Fail, letter(int(i)))) {
			acts = append(acts, action{actCrash, i, 0})
			if sc.KeepInCrash && len(n.under) > 0 {
				acts = append(acts, action{actCrash, i, 1})
			}
		}
		st := n.r.Status()
		if int(w.issued) < sc.Warm+len(sc.Ops) && st.Active && st.Config.Head() == n.id {
			acts = append(acts, action{actPropose, i, 0})
		}
		if int(w.drains) < sc.Drains && st.Active && st.Config.Tail() == n.id {
			acts = append(acts, action{actDrain, i, 0})
		}
		h := x.masters[w.master].History
		for k := len(h) - 1; k >= 0 && st.Config.Epoch.Less(h[k].Epoch); k-- {
			if h[k].Member(n.id) || sc.AnyConfig && !st.Config.Epoch.IsZero() {
				acts = append(acts, action{actLearn, i, uint8(k)})
			}
			if !sc.AnyConfig {
				break
			}
		}
	}
	if int(w.ticks) < sc.Ticks {
		for _, d := range sc.Pass {
			acts = append(acts, action{actPass, 0, uint8(d)})
		}
	}
	return x.plans(w, acts)
}

func (x *explorer) arrivals(w *world, acts []action) []action {
	last := -1
	for i, f := range w.flight[:w.flying] {
		place := f.place()
		first := int(place) != last || place == astray
		last = int(place)
		if !first || x.early(w, f) {
			continue
		}
		acts = append(acts, action{actDeliver, place, uint8(i)})
		if place != astray && int(w.strays) < x.scope.Strays {
			acts = append(acts, action{actStray, place, uint8(i)}, action{actRepeat, place, uint8(i)})
		}
	}
	return acts
}

// early: the receiver has not the message's epoch. It would only ask for the
// configuration, which it may learn at any time; a Hello brings it.
func (x *explorer) early(w *world, f flying) bool {
	m := x.msgs[f.msg()]
	return x.nodes[w.nodes[m.to]].epoch.Less(m.epoch) && !m.hello && x.rules.Holds(rule.EpochCheck)
}

// plans are the configurations that the master may make.
func (x *explorer) plans(w *world, acts []action) []action {
	m := x.masters[w.master]
	if len(m.History) >= x.scope.Epochs {
		return acts
	}
	for i := range uint8(x.scope.Replicas) {
		id := letterID(int(i))
		name := letter(int(i))
		if strings.Contains(x.scope.Remove, name) && m.Config.Member(id) {
			acts = append(acts, action{actRemove, i, 0})
		}
		if strings.Contains(x.scope.Join, name) && !m.Config.Member(id) {
			acts = append(acts, action{actJoin, i, 0})
		}
		if strings.Contains(x.scope.Restart, name) && slices.Contains(m.Config.Recoverable, id) {
			acts = append(acts, action{actRestart, i, 0})
		}
		if w.reports&(1<<i) != 0 {
			acts = append(acts, action{actPromote, i, 0})
		}
		if w.reports&(1<<(maxReplicas+i)) != 0 {
			acts = append(acts, action{actSettle, i, 0})
		}
	}
	return acts
}

// after is the state that an action leads to, or the invariant that it breaks.
func (x *explorer) after(w *world, a action) (world, error) {
	n := *w
	t := &turn{x: x, w: &n, k: x.knowns[w.known]}
	t.load()
	t.do(a)
	for i := range uint8(x.scope.Replicas) {
		t.bench.procs[letterID(int(i))] = &x.nodes[n.nodes[i]].indexProc
	}
	if t.failed == nil {
		t.verify()
	}
	if t.failed != nil {
		return n, readable(t.failed)
	}
	if t.changed {
		n.known = x.addKnown(t.k)
	}
	return n, nil
}

// turn is an action under way.
type turn struct {
	x       *explorer
	w       *world
	bench   *indexCluster
	k       *known
	changed bool // k is a copy
	stepped uint8
	failed  error
}

// load puts the state on the bench.
func (t *turn) load() {
	t.bench = t.x.bench
	t.bench.w.fault = nil
	t.bench.master = t.x.masters[t.w.master]
	for i := range t.x.scope.Replicas {
		n := t.x.nodes[t.w.nodes[i]]
		t.bench.procs[n.id] = &n.indexProc
	}
}

func (t *turn) fail(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

func (t *turn) do(a action) {
	w, x := t.w, t.x
	switch a.kind {
	case actDeliver:
		t.arrive(w.take(int(a.b)).msg())
	case actStray:
		w.strays++
		w.put(astray, w.take(int(a.b)).msg(), x.scope.Link)
	case actRepeat:
		w.strays++
		f := w.take(int(a.b))
		w.put(astray, f.msg(), x.scope.Link)
		t.arrive(f.msg())
	case actSync:
		t.step(int(a.a), a, 0, func(s *stepping) { s.sync() })
	case actCrash:
		w.crashes++
		w.dropTo(int(a.a))
		t.step(int(a.a), a, uint32(a.b), func(s *stepping) { s.crash(a.b == 1) })
	case actPropose:
		t.propose(int(a.a))
	case actLearn:
		cfg := x.masters[w.master].History[a.b]
		t.step(int(a.a), a, w.master<<8|uint32(a.b), func(s *stepping) { s.step(index.Configure{Config: cfg}) })
	case actPage:
		t.step(int(a.a), a, 0, func(s *stepping) {
			page := *s.n.page
			s.n.page = nil
			s.step(page)
		})
	case actDrain:
		w.drains++
		t.step(int(a.a), a, 0, func(s *stepping) { s.step(index.Drain{}) })
	case actPass:
		w.ticks++
		w.now += a.b
		for i := range x.scope.Replicas {
			t.step(i, a, 0, func(s *stepping) { s.step(index.Tick{}) })
		}
	default:
		t.plan(a)
	}
}

// plan makes a configuration, as the rules of the master allow.
func (t *turn) plan(a action) {
	key := planKey{t.w.master, a.kind, a.a}
	next, ok := t.x.planned[key]
	if !ok {
		next = t.x.plan(key)
		t.x.planned[key] = next
	}
	if next == t.w.master {
		return
	}
	t.w.master = next
	t.bench.master = t.x.masters[next]
	if t.x.rules.Holds(rule.ReportOfEpoch) {
		t.w.reports = 0
	}
}

// planKey is a change that the master may make.
type planKey struct {
	master uint32
	kind   actKind
	who    uint8
}

// plan returns the master after a change; the same one if its rules forbid it.
// A report that it acts on is of the present epoch: others are not kept.
func (x *explorer) plan(key planKey) uint32 {
	m := *x.masters[key.master]
	m.History = slices.Clip(m.History)
	id := letterID(int(key.who))
	ok := false
	switch key.kind {
	case actRemove:
		ok = m.Remove(id)
	case actJoin:
		ok = m.Join(id)
	case actPromote:
		ok = m.Promote(m.Config.Epoch, id)
	case actSettle:
		ok = m.Settle(m.Config.Epoch, id)
	case actRestart:
		ok = m.Restart(id)
	}
	if !ok {
		return key.master
	}
	return x.addMaster(&m)
}

func (t *turn) arrive(msg uint32) {
	m := t.x.msgs[msg]
	t.step(m.to, action{kind: actDeliver}, msg, func(s *stepping) { s.step(index.Deliver{Env: m.env}) })
}

func (t *turn) propose(at int) {
	w, x := t.w, t.x
	i := w.issued
	w.issued++
	k := t.knows()
	k.calls[i] = called{begun: true, floor: k.floor}
	t.step(at, action{kind: actPropose}, uint32(i), func(s *stepping) {
		cmd := x.command(i)
		s.step(index.Propose{ID: cmd.op, Command: cmd, Given: s.n.rows.gather(cmd)})
	})
}

func (x *explorer) command(i uint8) command {
	op := uint64(i) + 1
	if int(i) < x.scope.Warm {
		return command{op: op, kind: opPut, value: op}
	}
	return command{op: op, kind: x.scope.Ops[int(i)-x.scope.Warm], value: op}
}

// knows is the record of what is known, to be changed.
func (t *turn) knows() *known {
	if !t.changed {
		t.k, t.changed = t.k.clone(), true
	}
	return t.k
}

// step lets a replica see an event, and the world what it does.
func (t *turn) step(at int, a action, arg uint32, event func(*stepping)) {
	if t.failed != nil {
		return
	}
	st := t.x.stepOf(stepKey{t.w.nodes[at], a.kind, arg, t.w.now}, event)
	if st.failed != nil {
		t.fail(st.failed)
		return
	}
	t.w.nodes[at] = st.next
	t.stepped |= 1 << at
	n := t.x.nodes[st.next]
	t.bench.procs[n.id] = &n.indexProc
	t.x.outdate(t.w, at)
	for _, id := range st.sent {
		if m := t.x.msgs[id]; !t.x.outdated(t.w, m) {
			t.w.put(link(m.from, m.to), id, t.x.scope.Link)
		}
	}
	if t.x.tell {
		t.x.tellStep(at, st)
	}
	for _, e := range st.seen {
		t.effect(n, e)
	}
}

// crash ends the process and starts it again.
func (s *stepping) crash(keep bool) {
	if keep {
		s.store()
	}
	s.n.under = nil
	s.start()
	if s.failed == nil {
		s.step(index.Free{Bytes: 1 << 62})
	}
}

// describe says what an action is.
func (x *explorer) describe(w *world, a action) string {
	who := letter(int(a.a))
	arrow := func(f flying) string {
		m := x.msgs[f.msg()]
		return fmt.Sprintf("%s -> %s: %s", letter(m.from), letter(m.to), x.words(m.env.Msg))
	}
	switch a.kind {
	case actDeliver:
		if a.a == astray {
			return "late or again: " + arrow(w.flight[a.b])
		}
		return arrow(w.flight[a.b])
	case actStray:
		return "lost or late: " + arrow(w.flight[a.b])
	case actRepeat:
		return "and later again: " + arrow(w.flight[a.b])
	case actSync:
		return who + "'s disk finishes"
	case actCrash:
		if a.b == 1 {
			return who + " ends and starts again; what was under way is on its disk"
		}
		return who + " ends and starts again; what was under way to its disk is lost"
	case actPropose:
		c := x.command(w.issued)
		return fmt.Sprintf("client: %s %d at %s", c.kind, c.value, who)
	case actLearn:
		return fmt.Sprintf("%s learns epoch %s", who, x.masters[w.master].History[a.b].Epoch)
	case actPage:
		return who + " hands in a page that it has read"
	case actDrain:
		return who + " is told to hand back its lease"
	case actPass:
		return fmt.Sprintf("%d %% of a lease pass, and everyone ticks", int(a.b)*5)
	}
	what := map[actKind]string{actRemove: "removes", actJoin: "adds as joiner", actPromote: "promotes", actSettle: "settles", actRestart: "starts the chain again from"}
	return "the master " + what[a.kind] + " " + who
}

package chaintest

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"catena/chain"
	"catena/chain/index"
)

// xnode is a replica with its disk and rows, in one state. It is never changed:
// a step makes a new one.
type xnode struct {
	indexProc
	at int // its letter
	// under are records on their way to the disk, pages those that are there.
	under []xrecord
	pages []diskRecord
	// page was read for a joiner, and is not handed in.
	page *index.PageRead
	// read is what a reader finds in the rows.
	read answer
	// epoch is that of the newest configuration that it has.
	epoch chain.Epoch
}

type xrecord struct {
	diskRecord
	token uint64
}

// xmachine makes the same entry of the same command after the same log, so that
// entries can be compared by their addresses across states.
type xmachine struct {
	*registers
	x     *explorer
	after func() index.Mark
}

type entryKey struct {
	after index.Mark
	epoch chain.Epoch
	body  string
}

func (m *xmachine) Evaluate(cmd index.Command, g index.Given, at index.Position) index.Verdict {
	v := m.registers.Evaluate(cmd, g, at)
	if v.Entry != nil {
		key := entryKey{m.after(), at.Epoch, string(v.Entry.Body)}
		if e, ok := m.x.entries[key]; ok {
			v.Entry = e
		} else {
			m.x.entries[key] = v.Entry
		}
	}
	return v
}

// stepKey is an event at a replica: with the same one, it does the same.
type stepKey struct {
	node uint32
	kind actKind
	arg  uint32
	now  uint8
}

// xstep is what the replica then is, and what the world sees of it.
type xstep struct {
	next   uint32
	seen   []index.Effect
	sent   []uint32 // numbers of the messages, in the order of the Sends in seen
	failed error
}

// stepping is a step under way.
type stepping struct {
	x      *explorer
	n      *xnode
	now    chain.Now
	seen   []index.Effect
	failed error
}

func (s *stepping) fail(format string, args ...any) {
	if s.failed == nil {
		s.failed = fmt.Errorf(format, args...)
	}
}

// base is the clock's reading when a chain begins.
const base = chain.Instant(1000 * chain.Second)

const twentieth = chain.Second / 20

func clockAt(now uint8) chain.Now {
	return chain.Now{Mono: base.Add(int64(now) * twentieth)}
}

func (x *explorer) newNode(at int) *xnode {
	n := &xnode{at: at, indexProc: indexProc{id: letterID(at)}}
	s := &stepping{x: x, n: n, now: clockAt(0)}
	s.start()
	return n
}

// cloneNode copies what a step may change.
func (s *stepping) cloneNode(old *xnode) {
	n := *old
	n.under = slices.Clone(old.under)
	n.rows = maps.Clone(old.rows)
	n.durable.entries = slices.Clone(old.durable.entries)
	n.pages = slices.Clip(old.pages)
	regs := *old.machine
	regs.pending = slices.Clone(regs.pending)
	regs.fail = s.fail
	n.machine = &regs
	n.r = old.r.Clone(s.machineFor(&n))
	s.n = &n
}

func (s *stepping) machineFor(n *xnode) *xmachine {
	return &xmachine{registers: n.machine, x: s.x, after: func() index.Mark { return n.r.Status().Last }}
}

// start makes the replica from what its disk has.
func (s *stepping) start() {
	n := s.n
	n.machine = &registers{fail: s.fail}
	n.rows, n.applied, n.serve, n.stopped, n.page = rows{}, index.Applied{}, index.Serve{}, false, nil
	var rec index.Recovered
	if st := n.durable.state; st != nil {
		state := *st
		rec.State, rec.Entries, rec.Applied = &state, slices.Clone(n.durable.entries), n.durable.base
		for _, p := range n.pages {
			for _, row := range p.page.Rows {
				n.rows[string(row.Key)] = string(row.Value)
			}
		}
		n.applied = n.durable.base
		if state.Installing {
			n.applied, rec.Applied = index.Applied{}, index.Applied{}
		}
	}
	r, effects, err := index.NewMutated(index.Config{
		Chain: 1, Self: n.id, Machine: s.machineFor(n), Recovered: rec, TickEvery: chain.Second / 4,
		Window: s.x.scope.Window, RetainEntries: s.x.scope.Retain, UnreachableAfter: 1 << 60, RepeatEvery: 1 << 60,
	}, s.x.rules)
	if err != nil {
		s.fail("%s does not start: %v", letter(n.at), err)
		return
	}
	n.r = r
	s.carryOut(effects)
}

func (s *stepping) step(ev index.Event) {
	if s.failed == nil {
		s.carryOut(s.n.r.Step(s.now, ev))
	}
}

func (s *stepping) carryOut(effects []index.Effect) {
	for _, e := range slices.Clone(effects) {
		s.effect(e)
	}
}

func (s *stepping) effect(effect index.Effect) {
	n := s.n
	write := func(rec diskRecord, token uint64) { n.under = append(n.under, xrecord{rec, token}) }
	switch e := effect.(type) {
	case index.PersistEntry:
		write(diskRecord{kind: recEntry, entry: e.Entry}, e.Token)
	case index.PersistState:
		write(diskRecord{kind: recState, state: e.State}, e.Token)
	case index.PersistTruncate:
		write(diskRecord{kind: recTruncate, seq: e.Seq}, e.Token)
	case index.BeginInstall:
		n.rows, n.applied = rows{}, index.Applied{}
		write(diskRecord{kind: recBegin}, e.Token)
	case index.InstallPage:
		for _, row := range e.Page.Rows {
			n.rows[string(row.Key)] = string(row.Value)
		}
		write(diskRecord{kind: recPage, page: e.Page}, e.ID)
	case index.EndInstall:
		n.applied = e.Applied
	case index.ReadPage:
		page := index.PageRead{ID: e.ID, Page: n.rows.page(e.From, s.x.scope.PageRows)}
		if s.x.scope.SlowPages {
			n.page = &page
			return
		}
		s.step(page)
	case index.Send:
		// The rule of checkSend, at the moment of sending.
		s.check(func(c *indexCluster) { c.checkSend(&n.indexProc, e.Env.Msg.(index.Message)) })
	case index.Apply:
		n.rows.apply(e.Entry.Body)
		n.applied = e.After
	case index.Serve:
		n.serve = e
	case index.Stop:
		n.stopped = true
	}
	s.seen = append(s.seen, effect)
}

// check puts the replica under an invariant that looks at nothing but it.
func (s *stepping) check(rule func(c *indexCluster)) {
	s.x.bench.w.fault = nil
	rule(s.x.bench)
	if err := s.x.bench.w.fault; err != nil && s.failed == nil {
		s.failed = err
	}
}

// settle lets state records that are under way alone reach the disk.
func (s *stepping) settle() {
	for !s.x.scope.SlowState && len(s.n.under) > 0 && s.failed == nil {
		if slices.ContainsFunc(s.n.under, func(r xrecord) bool { return r.kind != recState }) {
			return
		}
		s.sync()
	}
}

// sync makes all that is under way durable, and tells the replica.
func (s *stepping) sync() {
	token, page := s.store()
	if token != 0 {
		s.step(index.Durable{Token: token})
	}
	if page != 0 {
		s.step(index.PageInstalled{ID: page})
	}
}

// store moves what is under way to the disk, and returns what to tell of it.
func (s *stepping) store() (token, page uint64) {
	n := s.n
	for i := range n.under {
		rec := &n.under[i]
		if st := n.durable.state; rec.kind == recState && st != nil && rec.state.Config.Epoch.Less(st.Config.Epoch) {
			s.fail("%s: epoch %s on disk after %s", letter(n.at), rec.state.Config.Epoch, st.Config.Epoch)
		}
		if !n.durable.add(&rec.diskRecord) {
			s.fail("%s: a gap in the log after %d", letter(n.at), n.durable.last())
		}
		switch rec.kind {
		case recPage:
			n.pages = append(n.pages, rec.diskRecord)
			page = rec.token
			continue
		case recBegin:
			n.pages = nil
		}
		token = max(token, rec.token)
	}
	n.under = nil
	return token, page
}

// stepOf is what an event does to a replica; it is worked out once.
func (x *explorer) stepOf(key stepKey, event func(s *stepping)) *xstep {
	if st, ok := x.steps[key]; ok {
		return st
	}
	s := &stepping{x: x, now: clockAt(key.now)}
	s.cloneNode(x.nodes[key.node])
	func() {
		defer func() {
			if p := recover(); p != nil {
				s.fail("panic: %v", p)
			}
		}()
		event(s)
		s.settle()
	}()
	st := &xstep{failed: s.failed}
	if s.failed == nil {
		s.n.read, st.failed = s.n.rows.read(0)
		if s.n.serve.Until <= s.now.Mono {
			st.failed = nil // nobody reads rows that may be half a snapshot
		}
		s.n.epoch = s.n.r.Status().Config.Epoch
		st.next = x.addNode(s.n, s.now)
	}
	for _, e := range s.seen {
		switch e := e.(type) {
		case index.Send:
			if to := letterOf(e.Env.To); to < 0 || to >= x.scope.Replicas {
				continue
			}
			id, _ := x.addMsg(e.Env)
			st.sent = append(st.sent, id)
		case index.Apply, index.Reply, index.Serve, index.Report, index.Stop:
			st.seen = append(st.seen, e)
		}
	}
	x.steps[key] = st
	return st
}

// fingerprint is equal for replicas whose future is, at the same moment: what is
// over now may not be over at another.
func (x *explorer) fingerprint(n *xnode, now chain.Now) index.Hash {
	var h index.Hash
	h.Add(uint64(now.Mono))
	h.Add(uint64(n.at))
	h.Add(uint64(boolBit(n.stopped)))
	n.r.Fingerprint(&h)
	h.Add(uint64(n.machine.time))
	for _, p := range n.machine.pending {
		h.Add(p.seq)
	}
	keys := slices.Collect(maps.Keys(n.rows))
	sort.Strings(keys)
	for _, k := range keys {
		h.AddString(k)
		h.AddString(n.rows[k])
	}
	h.Add(n.applied.Seq)
	h.Add(n.applied.Digest)
	if n.serve.Until > now.Mono {
		h.Add(n.serve.Epoch.N)
		h.Add(uint64(n.serve.Until))
	}
	if st := n.durable.state; st != nil {
		h.AddString(string(index.MarshalState(*st)))
	}
	h.Add(n.durable.base.Seq)
	h.Add(uint64(len(n.durable.entries)))
	for _, e := range n.durable.entries {
		h.Add(e.DigestAfter())
	}
	for _, p := range n.pages {
		addRecord(&h, &p)
	}
	if n.page != nil {
		addRecord(&h, &diskRecord{kind: recPage, page: n.page.Page})
	}
	for i := range n.under {
		addRecord(&h, &n.under[i].diskRecord)
	}
	return h
}

func addRecord(h *index.Hash, rec *diskRecord) {
	h.Add(uint64(rec.kind)<<32 | rec.seq)
	switch rec.kind {
	case recEntry:
		h.Add(rec.entry.DigestAfter())
	case recState:
		h.AddString(string(index.MarshalState(rec.state)))
	case recPage:
		h.Add(uint64(len(rec.page.Rows)))
		h.AddString(string(rec.page.Next))
		for _, row := range rec.page.Rows {
			h.AddString(string(row.Key))
			h.AddString(string(row.Value))
		}
	}
}

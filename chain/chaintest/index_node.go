package chaintest

import (
	"slices"

	"catena/chain"
	"catena/chain/index"
)

// indexNode is one host with one store. Replicas of several incarnations may
// lie on it; each has a log of its own, for simplicity.
type indexNode struct {
	id       int
	c        *indexCluster
	clock    *Clock
	up       bool
	paused   Real // nothing happens before
	away     Real // it does not start before
	replicas []*indexProc
}

// recordKind tells the records of a replica's log apart.
type recordKind uint8

const (
	recEntry recordKind = iota
	recState
	recTruncate
	recBegin
	recPage
)

type diskRecord struct {
	kind  recordKind
	entry *index.Entry
	state index.State
	seq   uint64
	page  index.Page
}

// indexProc is a replica, its driver, and its part of the store.
type indexProc struct {
	n       *indexNode
	id      chain.ReplicaID
	disk    *Disk[diskRecord]
	wiped   bool
	machine *registers

	r       *index.Replica // nil while the process is down
	gen     int            // of the process
	rows    rows
	applied index.Applied
	flushed uint64 // a crash does not bring the rows below this
	serve   index.Serve
	calls   map[uint64]*try
	nextID  uint64
	stopped bool

	// durable is what the disk certainly has.
	durable durableLog
	config  chain.Config // the newest that the replica persisted
	rolled  rolled
	booted  Real
}

// durableLog is what a restart would find, whatever else was lost.
type durableLog struct {
	state   *index.State
	base    index.Applied
	entries []*index.Entry // from base.Seq+1
}

func (d *durableLog) last() uint64 { return d.base.Seq + uint64(len(d.entries)) }

// add plays one record. It fails if the log would have a gap.
func (d *durableLog) add(rec *diskRecord) bool {
	switch rec.kind {
	case recEntry:
		if rec.entry.Seq != d.last()+1 {
			return false
		}
		d.entries = append(d.entries, rec.entry)
	case recTruncate:
		if rec.seq < d.base.Seq {
			return false
		}
		d.entries = d.entries[:min(uint64(len(d.entries)), rec.seq-d.base.Seq)]
	case recBegin:
		d.base, d.entries = index.Applied{}, nil
	case recState:
		s := rec.state
		if s.SnapshotAt != d.base && s.SnapshotAt != (index.Applied{}) && len(d.entries) == 0 {
			d.base = s.SnapshotAt
		}
		d.state = &s
	}
	return true
}

func (n *indexNode) proc(id chain.ReplicaID) *indexProc {
	for _, p := range n.replicas {
		if p.id == id {
			return p
		}
	}
	return nil
}

// create makes a replica of a new incarnation, with nothing on disk.
func (n *indexNode) create(id chain.ReplicaID) *indexProc {
	p := &indexProc{n: n, id: id}
	p.disk = NewDisk[diskRecord](n.c.w, n.c.opt.Disk, p.onSync)
	n.replicas = append(n.replicas, p)
	n.c.procs[id] = p
	if n.up {
		p.start()
	}
	return p
}

// onSync keeps the durable log, and checks what only the disk shows.
func (p *indexProc) onSync(from, to int) {
	c := p.n.c
	for i := from; i < to; i++ {
		rec := &p.disk.Records()[i]
		if rec.kind == recState && p.durable.state != nil && rec.state.Config.Epoch.Less(p.durable.state.Config.Epoch) {
			c.w.Fail("replica %s: epoch %s on disk after %s", p.id, rec.state.Config.Epoch, p.durable.state.Config.Epoch)
		}
		if !p.durable.add(rec) {
			c.w.Fail("replica %s: record %d leaves a gap in its log after %d", p.id, i, p.durable.last())
		}
	}
}

// start makes the replica from what its disk has.
func (p *indexProc) start() {
	c := p.n.c
	p.gen++
	p.booted = c.w.Now()
	p.machine = &registers{fail: c.w.Fail}
	p.calls = map[uint64]*try{}
	p.serve = index.Serve{}
	rec := p.recovered()
	cfg := c.opt.Index
	cfg.Chain, cfg.Self, cfg.Machine, cfg.Recovered = 1, p.id, p.machine, rec
	cfg.StartedMs = p.n.clock.Now().WallMs
	r, effects, err := index.NewMutated(cfg, c.rules)
	if err != nil {
		c.w.Fail("replica %s does not start: %v", p.id, err)
		return
	}
	p.r = r
	p.stopped = false
	c.trace(p, "start", 0)
	p.carryOut(effects)
	p.tickLater()
}

// recovered plays the disk: the rows are those of a flush, somewhere between
// the last one known and what was applied at the crash.
func (p *indexProc) recovered() index.Recovered {
	c := p.n.c
	atCrash := p.applied.Seq
	p.rows, p.applied = rows{}, index.Applied{}
	var rec index.Recovered
	d := &p.durable
	if d.state == nil {
		p.flushed = 0
		return rec
	}
	state := *d.state
	rec.State = &state
	at := d.base.Seq
	if !state.Installing {
		at = max(at, min(uint64(c.w.Between(int64(p.flushed), int64(max(p.flushed, atCrash)))), d.last()))
	}
	for i := range p.disk.Records() {
		switch r := &p.disk.Records()[i]; r.kind {
		case recBegin:
			p.rows = rows{}
		case recPage:
			for _, row := range r.page.Rows {
				p.rows[string(row.Key)] = string(row.Value)
			}
		}
	}
	p.applied = d.base
	for p.applied.Seq < at {
		p.applyEntry(d.entries[p.applied.Seq-d.base.Seq])
	}
	if state.Installing {
		p.applied = index.Applied{}
	}
	rec.Applied = p.applied
	n := at - d.base.Seq
	rec.Entries = slices.Clone(d.entries[n:])
	rec.Retained = slices.Clone(d.entries[n-min(n, uint64(c.w.Rand.IntN(c.opt.Index.RetainEntries+1))) : n])
	p.flushed = at
	return rec
}

// applyEntry moves the rows by one entry; the position follows from the log.
func (p *indexProc) applyEntry(e *index.Entry) {
	p.rows.apply(e.Body)
	p.applied = index.Applied{Epoch: e.Epoch, Seq: e.Seq, Digest: e.DigestAfter(), Rev: e.Rev, Time: e.Time}
}

// crash ends the process; the disk keeps what was synced.
func (p *indexProc) crash() {
	p.r = nil
	p.gen++
	p.serve = index.Serve{}
	p.calls = nil
	p.disk.Crash()
}

func (p *indexProc) tickLater() {
	gen := p.gen
	p.n.c.w.After(p.n.c.opt.Index.TickEvery*8/10, func() {
		p.whenAwake(gen, func() {
			p.step(index.Tick{}, "tick")
			if p.r != nil && p.n.c.w.Chance(0.1) {
				p.flushed = p.applied.Seq
			}
			p.tickLater()
		})
	})
}

// whenAwake runs fn now, or when the pause of the process is over, unless the
// process has ended.
func (p *indexProc) whenAwake(gen int, fn func()) {
	if gen != p.gen || p.r == nil {
		return
	}
	if wait := p.n.paused - p.n.c.w.Now(); wait > 0 {
		p.n.c.w.After(int64(wait), func() { p.whenAwake(gen, fn) })
		return
	}
	fn()
}

// step lets the replica see an event, carries out what it asks, and checks.
func (p *indexProc) step(ev index.Event, what string) {
	if p.r == nil {
		return
	}
	effects := p.r.Step(p.n.clock.Now(), ev)
	p.n.c.trace(p, what, len(effects))
	p.carryOut(effects)
	p.n.c.check(p)
}

func (p *indexProc) carryOut(effects []index.Effect) {
	for _, e := range effects {
		p.do(e)
	}
}

func (p *indexProc) do(effect index.Effect) {
	c := p.n.c
	if c.w.Trace.Words() {
		c.sayEffect(p, effect)
	}
	switch e := effect.(type) {
	case index.PersistEntry:
		p.append(diskRecord{kind: recEntry, entry: e.Entry}, e.Token)
		c.attackWrite(p)
	case index.PersistState:
		p.append(diskRecord{kind: recState, state: e.State}, e.Token)
	case index.PersistTruncate:
		p.append(diskRecord{kind: recTruncate, seq: e.Seq}, e.Token)
	case index.BeginInstall:
		p.rows, p.applied, p.flushed = rows{}, index.Applied{}, 0
		p.append(diskRecord{kind: recBegin}, e.Token)
	case index.InstallPage:
		p.installPage(e)
	case index.EndInstall:
		p.applied = e.Applied
	case index.Send:
		c.checkSend(p, e.Env.Msg.(index.Message))
		c.net.Send(e.Env)
	case index.Apply:
		p.apply(e)
	case index.Reply:
		p.reply(e)
	case index.Serve:
		p.serve = e
		c.checkServe(p, e)
	case index.ReadPage:
		p.readPage(e)
	case index.Report:
		c.reported(p, e.Report)
	case index.Stop:
		p.stopped = true
		c.onStop(p, e.Reason)
	}
}

func (p *indexProc) append(rec diskRecord, token uint64) {
	gen := p.gen
	p.disk.Append(rec, func() {
		p.whenAwake(gen, func() { p.step(index.Durable{Token: token}, "durable") })
	})
}

func (p *indexProc) installPage(e index.InstallPage) {
	for _, row := range e.Page.Rows {
		p.rows[string(row.Key)] = string(row.Value)
	}
	gen := p.gen
	p.disk.Append(diskRecord{kind: recPage, page: e.Page}, func() {
		p.whenAwake(gen, func() { p.step(index.PageInstalled{ID: e.ID}, "page installed") })
	})
}

// readPage reads some time later, so that entries are applied in between.
func (p *indexProc) readPage(e index.ReadPage) {
	c, gen := p.n.c, p.gen
	from := slices.Clone(e.From)
	c.w.After(c.w.Between(0, 3*chain.Millisecond), func() {
		p.whenAwake(gen, func() {
			page := p.rows.page(from, c.opt.PageRows)
			c.w.After(c.w.Between(0, 3*chain.Millisecond), func() {
				p.whenAwake(gen, func() { p.step(index.PageRead{ID: e.ID, Page: page}, "page read") })
			})
		})
	})
}

func (p *indexProc) apply(e index.Apply) {
	p.rows.apply(e.Entry.Body)
	p.applied = e.After
	p.n.c.onApply(p, e)
}

func (p *indexProc) reply(e index.Reply) {
	t, ok := p.calls[e.ID]
	if !ok {
		p.n.c.w.Fail("replica %s answers request %d twice, or one that it was not asked", p.id, e.ID)
		return
	}
	delete(p.calls, e.ID)
	p.n.c.onReply(p, t, e)
}

// propose hands a command to the replica, with the rows as they are now.
func (p *indexProc) propose(t *try) {
	p.nextID++
	p.calls[p.nextID] = t
	if t.barrier {
		p.step(index.Barrier{ID: p.nextID}, "barrier")
		return
	}
	cmd := t.call.cmd
	cmd.repeat = t.repeat
	p.step(index.Propose{ID: p.nextID, Command: cmd, Given: p.rows.gather(cmd)}, "propose")
}

// mayAnswer is the test after a read: the lease holds on this node's clock.
func (p *indexProc) mayAnswer(epoch chain.Epoch) bool {
	return p.r != nil && p.serve.Epoch == epoch && p.n.clock.Now().Mono < p.serve.Until
}

// reboot starts every replica of the node again.
func (n *indexNode) reboot() {
	if n.up {
		return
	}
	if wait := n.away - n.c.w.Now(); wait > 0 {
		n.c.w.After(int64(wait), n.reboot)
		return
	}
	n.up = true
	if n.c.w.Chance(0.5) {
		n.clock.Reboot()
	}
	for _, p := range n.replicas {
		if !p.wiped {
			p.start()
		}
	}
}

func (n *indexNode) crash() {
	if !n.up {
		return
	}
	n.up = false
	n.paused = 0
	n.c.w.Trace.Say("%s node %d crashes", n.c.w.Now(), n.id)
	n.c.w.Trace.Note(1, uint64(n.id), uint64(n.c.w.Now()))
	for _, p := range n.replicas {
		if p.r != nil {
			p.crash()
		}
	}
}

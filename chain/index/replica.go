package index

import (
	"errors"
	"fmt"

	"catena/chain"
	"catena/chain/internal/rule"
)

// phase says how far a replica is with its configuration.
type phase uint8

const (
	// phaseIdle: there is no configuration, or it does not name this replica.
	phaseIdle phase = iota
	// phasePersisting: the configuration is not on disk; nothing is done in it.
	phasePersisting
	// phaseWaiting: leases of older epochs have not run out; nothing is done.
	phaseWaiting
	// phaseActive: the replica acts in the configuration's epoch.
	phaseActive
)

// Replica is one member of an index chain. It is not safe for concurrent use;
// it does no I/O and knows no clock but the one handed to Step.
type Replica struct {
	cfg     Config
	rules   rule.Set
	machine Machine
	// now is the moment of the present step; its Mono never falls.
	now chain.Now
	// begun: the first step was made.
	begun bool
	// out are the effects of the present step.
	out []Effect

	// state is what is persisted, or on its way to the disk. Its Config is the
	// newest one known: from the moment it is taken, nothing older is acted on.
	state State
	phase phase
	// configToken is the token that makes state.Config durable.
	configToken uint64
	// stopped is why this replica has ended; empty while it has not.
	stopped string

	log log
	// applied is the position of the rows.
	// Invariant: only committed entries are applied, and as soon as they are known
	// to be, are on this disk, and no snapshot is half installed.
	applied Applied
	// sourceCommitted is how far a joiner's source has said that it committed.
	sourceCommitted uint64
	// durable is the end of the log on this disk.
	// Invariant: applied.Seq <= durable <= log.last().Seq on a Serving replica.
	durable uint64

	// token is the newest given to a write; writes are those that are not durable
	// yet, in order.
	token  uint64
	writes []write

	// grants are leases given, and what a restart forgot of them; they outlive epochs.
	grants []grant
	// waitUntil ends phaseWaiting.
	waitUntil chain.Instant

	epochState

	install  install
	free     int64      // of the store, as the driver told it last
	readID   uint64     // of the newest ReadPage; an answer to an older one is not waited for
	streams  uint32     // how many numbers this start has given, to streams and accepts
	probes   uint32     // and to probes
	proposed []proposal // in order of seq
	waiters  []waiter
	reports  reports
	// toldEpoch limits Ask and Newer to one a tick.
	toldEpoch bool
}

// epochState is what is learned anew in every epoch.
type epochState struct {
	// agreed: this replica and its successor have the same log, or the
	// successor is behind. Nothing is ordered, and no hello answered, before.
	agreed bool
	up     upLink
	down   *downLink // to the successor
	join   *downLink // to the joiner, at the tail
	// heldHello is a hello that came too early.
	heldHello *Hello
	// probe is the newest number to be confirmed, confirmed the newest that
	// reached the tail. Both only grow within an epoch.
	probe, confirmed uint64
	// probeSent is the newest number ever sent in this epoch, on any stream: an
	// answer evaluated now needs a higher one.
	probeSent uint64
	// barrier is the end of the log when this replica became (or restarted as)
	// tail, or had its first lease of the epoch, whichever is later: it reads
	// nothing before that is committed.
	barrier uint64
	lease   lease
	path    commitPath
	// ackDue: an Ack is sent at the end of this step; ackGap: it reports a gap.
	ackDue, ackGap bool
	suspect        *suspicion
}

type writeKind uint8

const (
	writeEntry writeKind = iota
	writeState
	writeOther
)

// write is something on its way to the disk.
type write struct {
	token uint64
	kind  writeKind
	seq   uint64
}

// New makes a replica from what its store found. The effects must be carried
// out like those of Step. An error means that the store's records are damaged
// (or the Config is wrong); the replica must not serve.
func New(cfg Config) (*Replica, []Effect, error) {
	return NewMutated(cfg, rule.Set{})
}

// NewMutated is New with rules left out; only a simulation below chain/ can make
// such a Set.
func NewMutated(cfg Config, rules rule.Set) (*Replica, []Effect, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, nil, err
	}
	r := &Replica{cfg: cfg, rules: rules, machine: cfg.Machine, free: unknownFree}
	if err := r.recover(cfg.Recovered); err != nil {
		return nil, nil, fmt.Errorf("chain/index: chain %d replica %s: %w", cfg.Chain, cfg.Self, err)
	}
	r.cfg.Recovered = Recovered{}
	if r.hasConfig() {
		r.restart()
	}
	return r, r.out, nil
}

// recover fills the replica from the store's records.
func (r *Replica) recover(rec Recovered) error {
	if rec.State == nil {
		if len(rec.Entries)+len(rec.Retained) > 0 || rec.Applied != (Applied{}) {
			return errors.New("entries or rows without a state record")
		}
		return nil
	}
	r.state = *rec.State
	r.applied = rec.Applied
	if r.state.Installing || r.applied.Seq < r.state.SnapshotAt.Seq {
		// The rows are a snapshot's: they have the position where it began,
		// whatever the store recorded before.
		r.applied = r.state.SnapshotAt
		rec.Retained = nil
	}
	if r.state.Installing && !r.hasBase() {
		rec.Entries = nil // of an attempt before, about to be voided
	}
	var err error
	if r.log, err = recoverLog(markOf(r.applied), rec.Retained, rec.Entries); err != nil {
		return err
	}
	r.durable = r.log.last().Seq
	r.trim()
	if r.state.Installing {
		return nil
	}
	for seq := r.applied.Seq + 1; seq <= r.log.last().Seq; seq++ {
		if err := r.machine.Append(r.log.at(seq).e); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
	}
	return nil
}

// Step lets one thing happen. The effects are valid until the next call.
func (r *Replica) Step(now chain.Now, ev Event) []Effect {
	clear(r.out)
	r.out = r.out[:0]
	if now.Mono < r.now.Mono {
		now.Mono = r.now.Mono
	}
	if !r.begun {
		r.begun = true
		r.started(now)
	}
	r.now = now
	if r.stopped != "" {
		r.stepStopped(ev)
		return r.out
	}
	switch ev := ev.(type) {
	case Configure:
		r.configure(&ev.Config)
	case Deliver:
		r.deliver(&ev.Env)
	case Propose:
		r.propose(&ev)
	case Barrier:
		r.askConfirm(ev.ID, nil, 0)
	case Durable:
		r.onDurable(ev.Token)
	case PageRead:
		r.onPageRead(&ev)
	case PageInstalled:
		r.onPageInstalled(ev.ID)
	case Drain:
		r.drain()
	case Free:
		r.free = ev.Bytes
	case Tick:
		r.tick()
	}
	r.flush()
	return r.out
}

// flush does what the event made possible: commit, then forward, then
// acknowledge, then publish the lease. The order is the protocol's: a tail
// applies before it acks.
func (r *Replica) flush() {
	if r.stopped != "" || r.phase != phaseActive {
		return
	}
	r.tailCommit()
	if r.isJoiner() && r.up.resumed {
		r.commitTo(r.sourceCommitted)
	}
	r.pump(r.down)
	r.pump(r.join)
	r.advanceJoin()
	r.grantWhenCaughtUp()
	if r.ackDue {
		r.sendAck()
	}
	r.publish()
}

// tick lets time pass: what was lost is sent again, leases are renewed, waits end.
func (r *Replica) tick() {
	r.toldEpoch = false
	r.reports.tick(r.now.Mono, r.cfg.RepeatEvery)
	r.forgetGrants()
	if r.phase == phaseWaiting && r.now.Mono >= r.waitUntil {
		r.waitedOut()
	}
	if r.phase != phaseActive {
		return
	}
	r.tickUp()
	r.tickLink(r.down)
	r.tickLink(r.join)
	r.tickLease()
	r.tickInstall()
	r.tickSuspicion()
	r.report()
}

// onDurable moves what waited for the disk.
func (r *Replica) onDurable(token uint64) {
	n := 0
	for n < len(r.writes) && r.writes[n].token <= token {
		w := r.writes[n]
		n++
		if w.kind == writeEntry {
			r.durable = max(r.durable, w.seq)
		}
	}
	r.writes = append(r.writes[:0], r.writes[n:]...)
	if r.phase == phasePersisting && token >= r.configToken {
		r.configured()
	}
	r.path.onDurable(r, token)
	if token >= r.install.ended {
		r.install.ended = 0
	}
	if r.phase == phaseActive && r.isJoiner() && n > 0 {
		r.ackDue = true
	}
}

// persistState writes the state record and returns its token.
func (r *Replica) persistState() uint64 {
	r.token++
	r.writes = append(r.writes, write{token: r.token, kind: writeState})
	s := r.state
	s.Config = s.Config.Clone()
	r.emit(PersistState{Token: r.token, State: s})
	return r.token
}

// persistEntry writes an entry that is in the log now.
func (r *Replica) persistEntry(e *Entry) {
	r.token++
	r.writes = append(r.writes, write{token: r.token, kind: writeEntry, seq: e.Seq})
	r.emit(PersistEntry{Token: r.token, Entry: e})
	if !r.rules.Holds(rule.AckAfterSync) {
		r.durable = max(r.durable, e.Seq)
	}
}

func (r *Replica) emit(e Effect) { r.out = append(r.out, e) }

func (r *Replica) send(to chain.ReplicaID, msg Message) {
	r.emit(Send{Env: chain.Envelope{Chain: r.cfg.Chain, From: r.cfg.Self, To: to, Msg: msg}})
}

func (r *Replica) hasConfig() bool { return !r.state.Config.Epoch.IsZero() }

func (r *Replica) isHead() bool { return r.state.Config.Head() == r.cfg.Self }

func (r *Replica) isTail() bool { return r.state.Config.Tail() == r.cfg.Self }

func (r *Replica) isServing() bool { return r.state.Config.Position(r.cfg.Self) >= 0 }

func (r *Replica) isJoiner() bool { return r.state.Config.IsSyncing(r.cfg.Self) }

// writable reports whether the chain may commit. Below MinAck nothing that is
// pending is rolled forward either: a removed tail may know better.
func (r *Replica) writable() bool {
	return r.state.Config.Writable() || !r.rules.Holds(rule.CommitAtMinAck)
}

// stop ends the replica for good; the report is repeated on ticks.
func (r *Replica) stop(reason string) {
	if r.stopped != "" {
		return
	}
	r.stopped = reason
	r.publishNothing()
	r.failProposals(chain.RefusedFailed, reason)
	r.emit(Stop{Reason: reason})
}

// stepStopped answers what still comes to a replica that has stopped.
func (r *Replica) stepStopped(ev Event) {
	switch ev := ev.(type) {
	case Propose:
		r.refuse(ev.ID, chain.RefusedFailed, r.stopped)
	case Barrier:
		r.refuse(ev.ID, chain.RefusedFailed, r.stopped)
	case Tick:
		r.reports.tick(r.now.Mono, r.cfg.RepeatEvery)
		if r.reports.standing.Kind != 0 && r.reports.due {
			r.emit(Report{Report: r.reports.standing})
		}
	}
}

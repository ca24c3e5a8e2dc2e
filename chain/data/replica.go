package data

import (
	"fmt"
	"math"
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// Replica is one replica of a data chain. It is for one goroutine.
type Replica struct {
	conf  Config
	self  chain.ReplicaID
	chain chain.ChainID
	rules rule.Set

	now     chain.Instant
	out     []Effect
	started bool
	stopped bool

	// state is what was last given to PersistState; cfg the configuration that
	// is durable and in force. Invariant: nothing is done under state.Config
	// before active, and nothing under an older one after it was installed.
	state  State
	cfg    chain.Config
	active bool

	token   uint64
	durable uint64
	waits   []wait

	up, down *link
	// toldUp, toldFree and toldAt are what the last Ack told the replica above.
	toldUp   uint64
	toldFree int64
	toldAt   chain.Instant
	told     map[chain.ReplicaID]chain.Instant
	free     int64

	// ops are the operations of this epoch, by this replica's number; byUp by
	// the predecessor's, byChunk those that make a chunk.
	// Invariant: a chunk id is in at most one of byChunk and copies.
	lastOp  uint64
	ops     map[uint64]*op
	byUp    map[uint64]*op
	byChunk map[chain.ChunkID]*op
	parked  []parkedFrame
	// dead remembers at a head why a chunk failed until its caller has heard.
	dead map[chain.ChunkID]deadChunk
	// unanswered counts what the driver still owes for chunks that were dropped.
	unanswered map[chain.ChunkID]unanswered
	// cloning counts the clones of a chunk whose Cloned is not in; a removal
	// waits for them, so that every replica sees both in the same order.
	cloning   map[chain.ChunkID]int
	waitingRm []*op
	// removing are the removals that are not durable yet: lists and reads for
	// others do not show these chunks, whatever the store still says.
	removing map[chain.ChunkID]int
	// sealing are the seals and clones that are not durable yet, by token, also
	// of operations that failed meanwhile.
	sealing map[uint64]sealingChunk

	source source
	feed   *feed
	feeds  uint64
	// path says that the joiner on the commit path is durably noted;
	// state.CommitPath is set before that.
	pathDurable bool
	reported    bool
	reportedAt  chain.Instant
	unreachAt   chain.Instant

	join   join
	review review
	copies map[chain.ChunkID]*copying
	order  []*copying
	// reqs numbers the requests of this start to neighbours and to the store.
	reqs uint64
}

type waitKind uint8

const (
	waitState waitKind = iota + 1
	waitOp
	waitRemove
	waitCopy
	waitPath
	waitDone
	waitOwed
	waitAside
	waitOther
)

// wait is what happens when a token is durable.
type wait struct {
	token uint64
	kind  waitKind
	epoch chain.Epoch
	op    uint64
	ids   []chain.ChunkID
}

// New makes a replica. Its first step, of any event, persists that it started.
func New(conf Config) (*Replica, error) { return NewMutated(conf, rule.Set{}) }

// NewMutated is New with rules left out; only a simulation below chain/ can make
// such a Set.
func NewMutated(conf Config, rules rule.Set) (*Replica, error) {
	if err := conf.Validate(); err != nil {
		return nil, err
	}
	conf.setDefaults()
	r := &Replica{
		conf: conf, self: conf.Self, chain: conf.Chain, rules: rules, free: math.MaxInt64,
		ops: map[uint64]*op{}, byUp: map[uint64]*op{}, byChunk: map[chain.ChunkID]*op{},
		dead: map[chain.ChunkID]deadChunk{}, unanswered: map[chain.ChunkID]unanswered{},
		cloning: map[chain.ChunkID]int{}, removing: map[chain.ChunkID]int{}, sealing: map[uint64]sealingChunk{},
		told: map[chain.ReplicaID]chain.Instant{}, copies: map[chain.ChunkID]*copying{},
		source: source{lists: map[uint64]listing{}, reads: map[uint64]reading{}},
	}
	if s := conf.Recovered.State; s != nil {
		r.state = *s
		r.state.Config = s.Config.Clone()
		if !rules.Holds(rule.PathPersisted) {
			r.state.CommitPath = chain.ReplicaID{}
		}
	}
	return r, nil
}

// Step tells the replica what happened and returns what is to be done, in order.
func (r *Replica) Step(now chain.Now, ev Event) []Effect {
	if r.stopped {
		return nil
	}
	r.out = nil
	r.now = max(r.now, now.Mono, 1) // 0 stands for "never"
	if !r.started {
		r.started = true
		r.state.Boot = chain.NextBoot(r.state.Boot, now.WallMs)
		r.persistState(waitState)
	}
	r.step(ev)
	r.flushAcks()
	out := r.out
	r.out = nil
	return out
}

func (r *Replica) step(ev Event) {
	switch ev := ev.(type) {
	case Configure:
		r.configure(ev.Config)
	case Deliver:
		r.deliver(ev.Env)
	case Open:
		r.onOpen(ev)
	case Frame:
		r.onFrame(ev)
	case Seal:
		r.onSeal(ev)
	case Abort:
		r.onAbort(ev.Chunk)
	case Clone:
		r.onClone(ev)
	case Remove:
		r.onRemove(ev)
	case Probe:
		r.onProbe(ev)
	case Repair:
		r.onRepair(ev.Chunks)
	case Durable:
		r.onDurable(ev.Token)
	case Reserved:
		r.onReserved(ev)
	case Computed:
		r.onComputed(ev.Chunk, ev.Sums)
	case Cloned:
		r.onCloned(ev)
	case Listed:
		r.onListed(ev)
	case ChunkRead:
		r.onChunkRead(ev)
	case Free:
		r.free = ev.Bytes
	case Tick:
		r.tick()
	}
}

func (r *Replica) emit(e Effect) { r.out = append(r.out, e) }

func (r *Replica) nextToken() uint64 {
	r.token++
	return r.token
}

// await registers what follows when the token just made is durable.
func (r *Replica) await(w wait) {
	w.token, w.epoch = r.token, r.newest().Epoch
	r.waits = append(r.waits, w)
}

func (r *Replica) persistState(kind waitKind) {
	s := r.state
	s.Config = s.Config.Clone()
	r.emit(PersistState{Token: r.nextToken(), State: s})
	r.await(wait{kind: kind})
}

func (r *Replica) onDurable(token uint64) {
	r.durable = max(r.durable, min(token, r.token))
	n := 0
	for n < len(r.waits) && r.waits[n].token <= r.durable {
		n++
	}
	due := slices.Clone(r.waits[:n])
	r.waits = slices.Delete(r.waits, 0, n)
	for _, w := range due {
		r.settle(w)
	}
}

func (r *Replica) settle(w wait) {
	current := w.epoch == r.newest().Epoch
	switch w.kind {
	case waitState:
		if current && !r.active && !r.state.Config.Epoch.IsZero() {
			r.activate()
		}
	case waitOp:
		r.opSynced(w)
	case waitRemove:
		r.removalSynced(w.ids)
		r.removeSynced(w)
	case waitOwed:
		r.removalSynced(w.ids)
		r.owedGoneSynced(w)
	case waitAside:
		r.asideSynced(w.ids)
	case waitCopy:
		r.copySynced(w)
	case waitPath:
		if current {
			r.pathDurable = true
			r.reportInSync()
		}
	case waitDone:
		if current {
			r.scanDone()
		}
	}
}

// newest is the newest configuration known, also while it is being installed.
func (r *Replica) newest() *chain.Config { return &r.state.Config }

func (r *Replica) isHead() bool { return r.active && r.cfg.Head() == r.self }
func (r *Replica) isTail() bool { return r.active && r.cfg.Tail() == r.self }

func (r *Replica) isJoiner() bool { return r.active && r.cfg.IsSyncing(r.self) }

// required reports whether an acknowledgement needs the next replica: always
// in the middle of the chain; at the tail when the joiner is on the commit path.
func (r *Replica) required() bool {
	if !r.active || r.down == nil {
		return false
	}
	return !r.isTail() || r.state.CommitPath == r.down.peer
}

func (r *Replica) refusal(kind chain.RefusalKind, format string, args ...any) *chain.Refusal {
	return &chain.Refusal{Kind: kind, Chain: r.chain, Newest: r.newest().Clone(), Detail: fmt.Sprintf(format, args...)}
}

func (r *Replica) reply(id uint64, ref *chain.Refusal) {
	if ref == nil {
		r.emit(Reply{ID: id})
		return
	}
	r.emit(Reply{ID: id, Err: ref})
}

func (r *Replica) tick() {
	r.expire()
	if r.active {
		for _, l := range [...]*link{r.up, r.down} {
			if l != nil {
				r.resend(l)
			}
		}
		r.tellFree()
		r.resumeFeed()
		r.report()
	}
	r.tickCopies()
	r.wakeFrames()
}

// report repeats to the master what is true.
func (r *Replica) report() {
	if r.now >= r.reportedAt.Add(r.conf.ReportEvery) {
		r.reportInSync()
	}
	if r.now < r.unreachAt.Add(r.conf.ReportEvery) {
		return
	}
	for _, l := range [...]*link{r.up, r.down} {
		if r.stuck(l) {
			r.unreachAt = r.now
			r.emit(Report{Report: chain.Report{
				Kind: chain.ReportUnreachable, Chain: r.chain, Epoch: r.cfg.Epoch, From: r.self, Replica: l.peer,
				Detail: "no answer",
			}})
		}
	}
}

// Status is what a replica says of itself, for status pages and metrics.
type Status struct {
	Config chain.Config
	// Active says that Config is durable and acted in; Serving that this
	// replica is a Serving member of it.
	Active, Serving bool
	Operations      int
	// SyncedTo and SyncDone tell a joiner's progress; Copying the chunks under way.
	SyncedTo chain.ChunkID
	SyncDone bool
	Copying  int
	// Reviewed: in this start the chunks of this Serving replica were compared
	// with a neighbour's, and what was missing was copied.
	Reviewed bool
	// CommitPath is the joiner for which this tail waits.
	CommitPath chain.ReplicaID
}

// Status describes the replica now.
func (r *Replica) Status() Status {
	return Status{
		Config: r.newest().Clone(), Active: r.active, Serving: r.active && r.cfg.Position(r.self) >= 0,
		Operations: len(r.ops), SyncedTo: r.state.SyncedTo, SyncDone: r.state.SyncDone,
		Copying: len(r.copies), Reviewed: r.review.done, CommitPath: r.state.CommitPath,
	}
}

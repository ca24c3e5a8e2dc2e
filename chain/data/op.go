package data

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

type opKind uint8

const (
	opChunk opKind = iota + 1
	opClone
	opRemove
	opProbe
)

// op is one operation at one replica, in one epoch.
type op struct {
	// n is this replica's number, up the predecessor's; 0 at the head.
	n, up uint64
	kind  opKind
	epoch chain.Epoch
	hdr   Header
	old   chain.ChunkID
	from  uint32
	ids   []chain.ChunkID

	// open and req are the caller's requests at the head; 0 when answered.
	open, req request

	// reserved: the store has space. held are frames that came before that.
	reserved   bool
	held       []piece
	heldBytes  int
	got        uint32
	computed   Sums
	sums       Sums
	openedSent bool

	// committed: something durable was begun here or sent on. A failure after
	// it has an unknown outcome.
	committed bool
	synced    bool
	// fed: the next replica was told, and everything since. downOpened and
	// downDone are its answers (downDone also by a debt settled).
	fed, downOpened, downDone bool
	// gone: a probe that will confirm "no such chunk" to the caller.
	gone bool
	// inflight are bytes that the next replica has not acknowledged.
	inflight int
	active   chain.Instant
}

type request struct {
	id  uint64
	set bool
}

type piece struct {
	offset uint32
	bytes  []byte
}

type parkedFrame struct {
	op *op
	id uint64
}

type deadChunk struct {
	refusal *chain.Refusal
	at      chain.Instant
}

type unanswered struct {
	n  int
	at chain.Instant
}

type sealingChunk struct {
	chunk Chunk
	op    uint64
	// unasked: a clone to which the store has not said yes or no (Cloned). old
	// is its source if this is the head. durable: Durable came before Cloned.
	unasked, durable bool
	old              chain.ChunkID
}

// tell says which neighbours hear of a failure.
type tell uint8

const (
	tellUp     tell = 1
	tellDown   tell = 2
	tellBoth   tell = 3
	tellNobody tell = 0
)

func (r *Replica) newOp(kind opKind, up uint64, hdr Header) *op {
	r.lastOp++
	o := &op{n: r.lastOp, up: up, kind: kind, epoch: r.cfg.Epoch, hdr: hdr, active: r.now}
	r.ops[o.n] = o
	if up != 0 {
		r.byUp[up] = o
	}
	if kind == opChunk || kind == opClone {
		r.byChunk[hdr.ID] = o
	}
	return o
}

func (r *Replica) opsInOrder() []*op {
	all := make([]*op, 0, len(r.ops))
	for _, o := range r.ops {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *op) int {
		if a.n < b.n {
			return -1
		}
		return 1
	})
	return all
}

// refuseNew gives the reason for which a head takes no new operation.
func (r *Replica) refuseNew(epoch *chain.Epoch) *chain.Refusal {
	switch {
	case epoch != nil && *epoch != r.newest().Epoch:
		return r.refusal(chain.RefusedEpoch, "the request names epoch %s", *epoch)
	case !r.active:
		return r.refusal(chain.RefusedNotReady, "the configuration is being installed")
	case !r.isHead():
		return r.refusal(chain.RefusedNotHead, "the head is %s", r.cfg.Head())
	case !r.cfg.Writable() && r.rules.Holds(rule.CommitAtMinAck):
		return r.refusal(chain.RefusedBelowMinAck, "%d of %d serve", len(r.cfg.Serving), r.cfg.MinAck)
	case r.down != nil && r.down.boot == 0 && r.required():
		return r.refusal(chain.RefusedNotReady, "no answer from %s yet", r.down.peer)
	case r.required() && r.stuck(r.down):
		return r.refusal(chain.RefusedNotReady, "no answer from %s", r.down.peer)
	}
	return nil
}

// tooMany bounds the operations of one kind in flight.
func (r *Replica) tooMany(chunks bool, limit int) bool {
	n := len(r.byChunk)
	if !chunks {
		n = len(r.ops)
		limit += r.conf.MaxOpen
	}
	return n >= limit
}

// fail gives an operation up: the caller or the predecessor hears it, the next
// replica frees what it holds. A chunk that is sealed already stays: it was
// not acknowledged, nobody refers to it, and the search for orphans finds it.
func (r *Replica) fail(o *op, kind chain.RefusalKind, detail string, who tell) {
	if _, ok := r.ops[o.n]; !ok {
		return
	}
	r.drop(o, who&tellDown != 0)
	if o.up != 0 {
		if who&tellUp != 0 {
			r.send(r.up, nil, MsgFailed{Op: o.up, Kind: kind, Detail: detail})
		}
		return
	}
	ref := r.refusal(kind, "%s", detail)
	if o.open.set {
		r.reply(o.open.id, ref)
	}
	r.parked = slices.DeleteFunc(r.parked, func(p parkedFrame) bool {
		if p.op == o {
			r.reply(p.id, ref)
		}
		return p.op == o
	})
	if o.req.set {
		if o.committed {
			r.reply(o.req.id, r.refusal(chain.RefusedUnknown, "%s", detail))
		} else {
			r.reply(o.req.id, ref)
		}
	} else if o.kind == opChunk {
		r.bury(o.hdr.ID, ref)
	}
}

// bury remembers why a chunk failed, for a caller that has not asked yet.
func (r *Replica) bury(id chain.ChunkID, ref *chain.Refusal) {
	if len(r.dead) < 2*r.conf.MaxOpen {
		r.dead[id] = deadChunk{refusal: ref, at: r.now}
	}
}

// drop forgets an operation and frees what it holds here and, if asked, below.
func (r *Replica) drop(o *op, tellNext bool) {
	delete(r.ops, o.n)
	if o.up != 0 {
		delete(r.byUp, o.up)
	}
	if r.byChunk[o.hdr.ID] == o {
		delete(r.byChunk, o.hdr.ID)
	}
	if o.kind == opChunk && !o.committed {
		r.emit(Release{Chunk: o.hdr.ID})
		if !o.reserved || (o.got == o.hdr.Size && o.computed == nil) {
			r.noteUnanswered(o.hdr.ID)
		}
	}
	r.waitingRm = slices.DeleteFunc(r.waitingRm, func(w *op) bool { return w == o })
	r.down.purge(o)
	if tellNext && o.fed {
		r.send(r.down, nil, MsgAbort{Op: o.n})
		r.oweInstead(o.n)
	}
	o.held = nil
}

// noteUnanswered keeps an id from being opened again until the driver's answer
// for its earlier use has come.
func (r *Replica) noteUnanswered(id chain.ChunkID) {
	r.unanswered[id] = unanswered{n: r.unanswered[id].n + 1, at: r.now}
}

// lateAnswer takes an answer for a chunk that was dropped.
func (r *Replica) lateAnswer(id chain.ChunkID) bool {
	u, ok := r.unanswered[id]
	if !ok {
		return false
	}
	if u.n--; u.n == 0 {
		delete(r.unanswered, id)
	} else {
		r.unanswered[id] = u
	}
	return true
}

// finish answers an operation that is done here and below.
func (r *Replica) finish(o *op) {
	delete(r.ops, o.n)
	if o.up != 0 {
		delete(r.byUp, o.up)
	}
	if r.byChunk[o.hdr.ID] == o {
		delete(r.byChunk, o.hdr.ID)
	}
	switch {
	case o.up != 0:
		r.send(r.up, nil, MsgDone{Op: o.up})
	case o.gone:
		r.reply(o.req.id, r.refusal(chain.RefusedGone, "no chunk %s", o.old))
	case o.req.set:
		r.reply(o.req.id, nil)
	}
	r.reportInSync()
}

// checkDone finishes an operation that is durable here and, where it must be, below.
func (r *Replica) checkDone(o *op) {
	if _, ok := r.ops[o.n]; !ok || !o.synced {
		return
	}
	if o.epoch != r.cfg.Epoch && !r.rules.Holds(rule.EpochAtSeal) {
		r.finish(o)
		return
	}
	if r.required() && !o.downDone {
		return
	}
	r.finish(o)
}

// opSynced notes that an operation's own record is durable.
func (r *Replica) opSynced(w wait) {
	s, isChunk := r.sealing[w.token]
	if isChunk && s.unasked {
		s.durable = true
		r.sealing[w.token] = s
		return
	}
	delete(r.sealing, w.token)
	o := r.ops[w.op]
	if o == nil || o.synced {
		if isChunk {
			r.owe(s.chunk, w.op)
		}
		return
	}
	o.synced = true
	o.active = r.now
	if isChunk && !o.downDone {
		r.owe(s.chunk, o.n)
	}
	r.checkDone(o)
}

// expire gives up what waits for too long and forgets what nobody asks for.
func (r *Replica) expire() {
	for _, o := range r.opsInOrder() {
		if r.now < o.active.Add(r.patience(o)) {
			continue
		}
		switch {
		case o.up == 0 && !o.waiting() && !r.hasParked(o):
			r.fail(o, chain.RefusedGone, "abandoned: nothing was sent for too long", tellBoth)
		default:
			r.fail(o, chain.RefusedUnknown, "the chain did not answer in time", tellBoth)
		}
	}
	for id, d := range r.dead {
		if r.now >= d.at.Add(r.conf.AbandonAfter) {
			delete(r.dead, id)
		}
	}
	for id, u := range r.unanswered {
		if r.now >= u.at.Add(r.conf.AbandonAfter) {
			delete(r.unanswered, id)
		}
	}
}

// waiting reports whether a caller waits for this operation at the head.
func (o *op) waiting() bool { return o.open.set || o.req.set }

func (r *Replica) hasParked(o *op) bool {
	return slices.ContainsFunc(r.parked, func(p parkedFrame) bool { return p.op == o })
}

// patience is how long an operation may stand still. Replicas below the head
// wait twice as long: it is the head that decides, they only clean up.
func (r *Replica) patience(o *op) int64 {
	d := r.conf.FinishWithin
	if o.kind == opChunk && o.sums == nil && (o.up != 0 || !o.waiting() && !r.hasParked(o)) {
		d = r.conf.AbandonAfter
	}
	if o.up != 0 {
		d *= 2
	}
	return d
}

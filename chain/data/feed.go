package data

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// The tail's side of joining. A feed is an unbroken record of what a joiner
// has to know: every operation after MsgFeed is either sent to it, or owed.
//
// Invariant, from MsgFeed on: a chunk that is sealed here and that the joiner
// has not confirmed is in owed, or is an unanswered operation in ops whose
// seal is not durable here yet; the same holds for removals. So a joiner that
// has scanned the list and to which nothing is owed has every chunk of this
// replica and none that was removed from it.
type feed struct {
	id     FeedID
	joiner chain.ReplicaID
	// started: MsgFeed was sent on the present link.
	started bool
	// paused: the joiner did not keep up; MsgFeed follows when its queue is empty.
	paused bool
	// scanned: the joiner has all that was listed in this feed.
	scanned bool
	owed    map[chain.ChunkID]debt
	// ops are the operations sent to the joiner that it has not answered.
	ops map[uint64][]chain.ChunkID
}

// debt is a chunk to copy or a removal, from operation n of this replica.
type debt struct {
	chunk Chunk
	n     uint64
	gone  bool
}

// maxQueue bounds the packets that wait for a joiner off the commit path.
const maxQueue = 4096

// cut notes that the link to the joiner broke: what was on its way is owed.
func (f *feed) cut() {
	f.started, f.paused = false, false
	clear(f.ops)
}

// makes are the chunks that an operation makes or removes.
func (o *op) makes() []chain.ChunkID {
	switch o.kind {
	case opRemove:
		return o.ids
	case opChunk, opClone:
		return []chain.ChunkID{o.hdr.ID}
	}
	return nil
}

// handleJoin starts a feed, or goes on with the one that the joiner names.
func (r *Replica) handleJoin(m MsgJoin) {
	if !r.isTail() || r.down == nil || !r.cfg.IsSyncing(r.down.peer) {
		return
	}
	if !r.review.done {
		r.review.wanted = &m
		return
	}
	if r.feed != nil && r.feed.joiner == r.down.peer && r.feed.id == m.Feed {
		r.feed.cut()
		r.startFeed(true)
		return
	}
	r.newFeed()
	r.startFeed(false)
}

// newFeed begins with what is under way: its chunks may escape the first list.
func (r *Replica) newFeed() {
	r.feeds++
	r.reported = false
	r.feed = &feed{
		id:     FeedID{Source: r.self, Boot: r.state.Boot, N: r.feeds},
		joiner: r.down.peer,
		owed:   map[chain.ChunkID]debt{}, ops: map[uint64][]chain.ChunkID{},
	}
	for _, o := range r.opsInOrder() {
		if o.fed {
			// The joiner drops it: in the new feed it is owed, or not at all.
			r.down.purge(o)
		}
		o.fed, o.downOpened = false, false
		switch {
		case o.kind == opRemove && o.committed:
			r.oweRemoval(o)
		case (o.kind == opChunk || o.kind == opClone) && o.synced:
			r.feed.owed[o.hdr.ID] = debt{chunk: Chunk{Header: o.hdr, Sums: o.sums}, n: o.n}
		}
	}
}

func (r *Replica) startFeed(resume bool) {
	f := r.feed
	f.started, f.paused = true, false
	r.send(r.down, nil, MsgFeed{Feed: f.id, Resume: resume})
	ids := make([]chain.ChunkID, 0, len(f.owed))
	for id := range f.owed {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, chain.ChunkID.Compare)
	for page := range slices.Chunk(ids, 256) {
		var m MsgOwe
		for _, id := range page {
			if d := f.owed[id]; d.gone {
				m.Gone = append(m.Gone, id)
			} else {
				m.Copy = append(m.Copy, d.chunk)
			}
		}
		r.send(r.down, nil, m)
	}
}

// owe notes a chunk that became durable here and that the joiner has not
// confirmed. If it is not on its way to the joiner, the joiner is told to copy it.
func (r *Replica) owe(c Chunk, n uint64) {
	r.pauseFeed()
	f := r.feed
	if f == nil {
		return
	}
	f.owed[c.Header.ID] = debt{chunk: c, n: n}
	if _, coming := f.ops[n]; !coming && f.started {
		r.send(r.down, nil, MsgOwe{Copy: []Chunk{c}})
	}
	r.boundDebts()
}

// oweRemoval notes a removal until the joiner has confirmed it.
func (r *Replica) oweRemoval(o *op) {
	f := r.feed
	if f == nil {
		return
	}
	for _, id := range o.ids {
		f.owed[id] = debt{n: o.n, gone: true}
	}
	if !o.fed && f.started {
		r.send(r.down, nil, MsgOwe{Gone: o.ids})
	}
	r.boundDebts()
}

// boundDebts begins anew with a joiner that does not keep up: a list is
// shorter than an endless memory.
func (r *Replica) boundDebts() {
	if len(r.feed.owed) <= r.conf.MaxOwed {
		return
	}
	started := r.feed.started
	r.newFeed()
	if started {
		r.startFeed(false)
	}
}

// pauseFeed stops telling a joiner that is not on the commit path and does not
// answer; what it misses is owed. resumeFeed goes on when it has caught up.
func (r *Replica) pauseFeed() {
	if r.feed == nil || !r.feed.started || r.required() || len(r.down.queue) < maxQueue {
		return
	}
	for _, o := range r.opsInOrder() {
		r.down.purge(o)
		o.fed, o.downOpened = false, false
		r.checkOpened(o)
	}
	r.feed.cut()
	r.feed.paused = true
}

func (r *Replica) resumeFeed() {
	if r.feed != nil && r.feed.paused && r.down != nil && len(r.down.queue) == 0 {
		r.startFeed(true)
	}
}

// unfeed takes an operation back from the joiner: its chunk will be owed.
func (r *Replica) unfeed(o *op) {
	r.down.purge(o)
	r.send(r.down, nil, MsgAbort{Op: o.n})
	o.fed, o.downOpened = false, false
	r.oweInstead(o.n)
	r.checkOpened(o)
}

// oweInstead: the joiner will not answer operation n. What it made is owed
// already if it is durable here; the joiner has to be told.
func (r *Replica) oweInstead(n uint64) {
	if r.feed == nil {
		return
	}
	ids := r.feed.ops[n]
	delete(r.feed.ops, n)
	var owe MsgOwe
	for _, id := range ids {
		if d, ok := r.feed.owed[id]; ok && d.n == n {
			if d.gone {
				owe.Gone = append(owe.Gone, id)
			} else {
				owe.Copy = append(owe.Copy, d.chunk)
			}
		}
	}
	if r.feed.started && len(owe.Gone)+len(owe.Copy) > 0 {
		r.send(r.down, nil, owe)
	}
}

// feedDone: the joiner has done operation n.
func (r *Replica) feedDone(n uint64) {
	if r.feed == nil {
		return
	}
	for _, id := range r.feed.ops[n] {
		if r.feed.owed[id].n == n {
			delete(r.feed.owed, id)
		}
	}
	delete(r.feed.ops, n)
	r.reportInSync()
}

// feedFailed: the joiner gave operation n up. Its chunk is owed to it, unless
// the operation itself can still fail without harm.
func (r *Replica) feedFailed(m MsgFailed, o *op) {
	if r.feed == nil {
		return
	}
	if o != nil {
		o.fed = false
		r.down.purge(o)
		if r.required() && o.kind == opChunk && !o.committed {
			delete(r.feed.ops, m.Op)
			r.fail(o, m.Kind, "the joiner: "+m.Detail, tellUp)
			return
		}
		r.checkOpened(o)
	}
	r.oweInstead(m.Op)
}

// handleOweDone: the joiner has settled debts, durably.
func (r *Replica) handleOweDone(m MsgOweDone) {
	if r.feed == nil || !r.feed.started {
		return
	}
	for _, id := range m.Copied {
		if d, ok := r.feed.owed[id]; ok && !d.gone {
			delete(r.feed.owed, id)
		}
	}
	for _, id := range m.Gone {
		if r.feed.owed[id].gone {
			delete(r.feed.owed, id)
		}
	}
	for _, o := range r.opsInOrder() {
		if !o.fed && !o.downDone && r.owedNothing(o) {
			o.downDone = true
			r.checkDone(o)
		}
	}
	r.reportInSync()
}

// owedNothing reports whether an operation that was not sent to the joiner has
// reached it as a debt.
func (r *Replica) owedNothing(o *op) bool {
	if o.kind == opProbe || !o.committed || o.kind != opRemove && !o.synced {
		return false
	}
	for _, id := range o.makes() {
		// A later removal of the same chunk settles this one too, not earlier.
		if d := r.feed.owed[id]; d.n == o.n || o.kind == opRemove && d.gone {
			return false
		}
	}
	return true
}

// handleScanned: the joiner has all that was listed. From now on this tail
// acknowledges nothing that the joiner has not; that it does is made durable
// before anybody hears that the joiner is in sync.
func (r *Replica) handleScanned(m MsgScanned) {
	if !r.isTail() || r.feed == nil || r.feed.id != m.Feed {
		return
	}
	r.feed.scanned = true
	if r.state.CommitPath != r.feed.joiner && r.rules.Holds(rule.PromoteOnPath) {
		r.state.CommitPath = r.feed.joiner
		r.pathDurable = false
		r.persistState(waitPath)
	}
	r.reportInSync()
}

// reportInSync tells the master, again and again, that the joiner may be
// promoted in this epoch: it is durably on the commit path and has everything
// that was acknowledged before that.
func (r *Replica) reportInSync() {
	f := r.feed
	if f == nil || !f.scanned || !r.isTail() {
		return
	}
	if (!r.pathDurable || r.state.CommitPath != f.joiner) && r.rules.Holds(rule.PromoteOnPath) {
		return
	}
	if r.reported && r.now < r.reportedAt.Add(r.conf.ReportEvery) {
		return
	}
	if !r.reported && r.unguarded() {
		return
	}
	r.reported = true
	r.reportedAt = r.now
	r.emit(Report{Report: chain.Report{
		Kind: chain.ReportInSync, Chain: r.chain, Epoch: r.cfg.Epoch, From: r.self, Replica: f.joiner,
	}})
}

// unguarded reports whether something is owed that no waiting operation holds back.
func (r *Replica) unguarded() bool {
	for _, d := range r.feed.owed {
		if r.ops[d.n] == nil {
			return true
		}
	}
	return false
}

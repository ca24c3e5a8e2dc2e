package data

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// The joiner's side of joining: page by page it compares its own chunks with
// its source's (scan.go), so a chunk that it has and that the source neither
// lists nor is making is really not there.
type join struct {
	// feeding: live changes reach this replica from here on. The scan begins
	// only then; otherwise a chunk sealed between list and feed would be missed.
	feeding bool
	scan
}

// askFeed asks the source to start sending live changes.
func (r *Replica) askFeed() {
	r.dropCopies()
	r.join = join{}
	r.send(r.up, nil, MsgJoin{Feed: r.state.Feed})
	if !r.rules.Holds(rule.FeedBeforeScan) && !r.state.SyncDone {
		r.startPage()
	}
}

func (r *Replica) handleFeed(m MsgFeed) {
	if !r.isJoiner() {
		return
	}
	if !r.rules.Holds(rule.FeedBeforeScan) && !r.state.SyncDone {
		r.state.Feed = m.Feed
		r.join.feeding = true
		return
	}
	// Whatever came before the feed is owed in it, or void.
	for _, o := range r.opsInOrder() {
		r.fail(o, chain.RefusedUnknown, "a feed begins", tellNobody)
	}
	r.dropCopies()
	r.join = join{feeding: true}
	if !m.Resume {
		r.review.began, r.review.fresh = true, false
		r.state.Feed, r.state.SyncedTo, r.state.SyncDone = m.Feed, chain.ChunkID{}, false
		r.persistState(waitOther)
	}
	if r.state.SyncDone {
		r.join.phase = scanEnd
		r.scanDone()
		return
	}
	r.startPage()
}

func (r *Replica) startPage() { r.startScan(&r.join.scan, r.state.SyncedTo) }

// handlePage compares the two lists as far as both reach.
func (r *Replica) handlePage(m MsgPage) {
	theirs, ours, ok := r.join.meet(m)
	if !ok {
		return
	}
	pending := map[chain.ChunkID]bool{}
	for _, id := range m.Pending {
		pending[id] = true
	}
	r.compare(theirs, ours, pending)
	r.startCopies()
	r.checkPage()
}

// compare adopts, by id and sums, what is here already, copies what is not,
// and puts aside what the source does not have.
func (r *Replica) compare(theirs, ours []Chunk, pending map[chain.ChunkID]bool) {
	have := map[chain.ChunkID]*Chunk{}
	for i := range ours {
		have[ours[i].Header.ID] = &ours[i]
	}
	var aside []chain.ChunkID
	for i := range theirs {
		c := &theirs[i]
		id := c.Header.ID
		mine := have[id]
		delete(have, id)
		if mine != nil && same(mine, c) || pending[id] || r.byChunk[id] != nil || !r.rules.Holds(rule.CopyAll) {
			continue
		}
		// Another chunk of this id that is here is put aside by the copy.
		r.addCopy(*c).page = true
		r.join.left++
	}
	for i := range ours {
		id := ours[i].Header.ID
		if have[id] != nil && !pending[id] {
			aside = append(aside, id)
		}
	}
	if len(aside) > 0 && r.rules.Holds(rule.Quarantine) {
		r.putAside(aside)
	}
}

func same(a, b *Chunk) bool { return a.Header == b.Header && slices.Equal(a.Sums, b.Sums) }

// putAside quarantines chunks. It is durable before SyncedTo or SyncDone of
// the page is: tokens are.
func (r *Replica) putAside(ids []chain.ChunkID) {
	r.emit(Quarantine{Token: r.nextToken(), Chunks: ids})
	r.await(wait{kind: waitAside, ids: ids})
}

// checkPage goes on to the next page when everything of this one is here.
func (r *Replica) checkPage() {
	j := &r.join
	if j.phase != scanCopy || j.left > 0 || !r.isJoiner() {
		return
	}
	if j.last {
		j.phase = scanEnd
		r.state.SyncDone = true
		r.persistState(waitDone)
		return
	}
	r.state.SyncedTo = j.limit
	r.persistState(waitOther)
	r.startPage()
}

// scanDone tells the source that everything it listed is here, durably.
func (r *Replica) scanDone() {
	if r.isJoiner() && r.join.feeding && r.join.phase == scanEnd && r.state.SyncDone {
		r.review.fresh = r.review.began
		r.send(r.up, nil, MsgScanned{Feed: r.state.Feed})
	}
}

// verified reports whether a joiner's copy of a chunk, if it has one, was
// compared with the source's in this feed.
func (r *Replica) verified(id chain.ChunkID) bool {
	return r.state.SyncDone || id.Compare(r.state.SyncedTo) <= 0
}

// handleOwe takes the source's debts: chunks that did not come as live frames,
// and removals that did not reach this replica.
func (r *Replica) handleOwe(m MsgOwe) {
	if !r.isJoiner() {
		return
	}
	if len(m.Gone) > 0 {
		for _, id := range m.Gone {
			r.stopMaking(id)
		}
		r.persistRemove(wait{kind: waitOwed, ids: m.Gone})
	}
	for _, c := range m.Copy {
		if !r.rules.Holds(rule.CopyAll) {
			r.send(r.up, nil, MsgOweDone{Copied: []chain.ChunkID{c.Header.ID}})
			continue
		}
		r.addCopy(c).owed = true
	}
	r.startCopies()
}

// owedGoneSynced: removals that were owed are durable.
func (r *Replica) owedGoneSynced(w wait) {
	if w.epoch == r.newest().Epoch && r.isJoiner() && r.join.feeding {
		r.send(r.up, nil, MsgOweDone{Gone: w.ids})
	}
}

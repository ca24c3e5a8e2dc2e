package data

import "catena/chain"

// A disk may come back as an older image of itself: the replica says that it is
// the same as ever, and lacks chunks that were acknowledged. Nothing that it has
// tells it so. So a Serving replica that starts *reviews* what it holds: page by
// page it reads its own list, then that of its predecessor (a head: of its
// successor), and copies what it lacks. What the neighbour removed meanwhile is
// not copied: a removal goes down the chain, so a predecessor has removed first
// and says that it is gone, and a head knows its own removals.
//
// Until that is done it is nobody's source, and as head it does not say that a
// chunk is gone. What it has and the neighbour lacks it keeps.
type review struct {
	// done: in this epoch everything was compared, or nobody is there to compare
	// with. Every epoch asks again: a disk that forgot its last epochs begins in
	// an older one, among members who missed them too. joined: that is not needed
	// in this start, because a scan from its beginning filled this replica, or it
	// began with nothing and knew no older epoch. began: a joiner's scan began in
	// this start; fresh: it came to its end.
	done, joined, began, fresh bool
	phase                      scanPhase
	after                      chain.ChunkID // how far it has come
	req                        uint64
	askedAt                    chain.Instant
	local                      []Chunk
	more                       bool
	limit                      chain.ChunkID
	last                       bool
	left                       int
	// wanted is a joiner's question that waits for the end.
	wanted *MsgJoin
}

// startReview begins in a new epoch.
func (r *Replica) startReview() {
	v := &r.review
	v.phase, v.wanted, v.after, v.done = scanIdle, nil, chain.ChunkID{}, false
	if r.cfg.Position(r.self) < 0 {
		v.joined = false
		return
	}
	v.joined = v.joined || v.fresh
	v.fresh = false
	if v.done = v.joined || r.copySource() == nil || r.mutant.NoReview; !v.done {
		r.reviewPage()
	}
}

func (r *Replica) endReview() {
	v := &r.review
	v.phase, v.done, v.local = scanEnd, true, nil
	v.joined = v.joined || r.conf.Recovered.State == nil
	if m := v.wanted; m != nil {
		v.wanted = nil
		r.handleJoin(*m)
	}
}

func (r *Replica) reviewPage() {
	v := &r.review
	v.phase, v.left = scanLocal, 0
	r.reqs++
	v.req = r.reqs
	r.emit(List{ID: v.req, After: v.after, Max: r.conf.PageSize})
}

func (r *Replica) reviewListed(ev Listed) {
	v := &r.review
	v.local, v.more, v.phase = ev.Chunks, ev.More, scanRemote
	r.askReview()
}

func (r *Replica) askReview() {
	r.review.askedAt = r.now
	r.datagram(r.copySource(), MsgList{Req: r.review.req, After: r.review.after, Max: r.conf.PageSize})
}

// takeReview compares the neighbour's list with this replica's as far as both reach.
func (r *Replica) takeReview(m MsgPage) {
	v := &r.review
	if v.phase != scanRemote || m.Req != v.req || m.More && len(m.Chunks) == 0 {
		return
	}
	v.phase = scanCopy
	v.limit, v.last = commonEnd(m.Chunks, m.More, v.local, v.more)
	have := map[chain.ChunkID]bool{}
	for i := range v.local {
		have[v.local[i].Header.ID] = true
	}
	for _, id := range m.Pending {
		have[id] = true // not acknowledged yet, and this replica takes part
	}
	for i := range m.Chunks {
		c := &m.Chunks[i]
		id := c.Header.ID
		if !v.last && id.Compare(v.limit) > 0 {
			break
		}
		if !have[id] && r.byChunk[id] == nil && !r.beingRemoved(id) {
			r.addReviewed(*c)
		}
	}
	v.local = nil
	r.startCopies()
	r.checkReview()
}

func (r *Replica) addReviewed(c Chunk) {
	if now := r.addCopy(c); !now.review {
		now.review = true
		r.review.left++
	}
}

// commonEnd is how far two lists, of which more may follow, can be compared.
func commonEnd(a []Chunk, moreA bool, b []Chunk, moreB bool) (limit chain.ChunkID, last bool) {
	last = true
	cut := func(l []Chunk) {
		if id := l[len(l)-1].Header.ID; last || id.Compare(limit) < 0 {
			limit, last = id, false
		}
	}
	if moreA && len(a) > 0 {
		cut(a)
	}
	if moreB && len(b) > 0 {
		cut(b)
	}
	return limit, last
}

// checkReview goes on when everything of the page is here.
func (r *Replica) checkReview() {
	v := &r.review
	if v.phase != scanCopy || v.left > 0 {
		return
	}
	if v.last {
		r.endReview()
		return
	}
	v.after = v.limit
	r.reviewPage()
}

// tickReview asks again for a page that did not come.
func (r *Replica) tickReview() {
	if v := &r.review; v.phase == scanRemote && r.now >= v.askedAt.Add(r.conf.ResendAfter) {
		r.askReview()
	}
}

// sourceStarted: what it was asked before is lost.
func (r *Replica) sourceStarted(l *link) {
	if l == r.copySource() && r.review.phase == scanRemote {
		r.askReview()
	}
}

package data

import (
	"catena/chain"
	"catena/chain/internal/rule"
)

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
	scan
	// wanted is a joiner's question that waits for the end.
	wanted *MsgJoin
}

// startReview begins in a new epoch, which dropEpoch has made ready for it.
func (r *Replica) startReview() {
	v := &r.review
	if r.cfg.Position(r.self) < 0 {
		v.joined = false
		return
	}
	v.joined = v.joined || v.fresh
	v.fresh = false
	if v.done = v.joined || r.copySource() == nil || !r.rules.Holds(rule.ReviewAtStart); !v.done {
		r.startScan(&v.scan, chain.ChunkID{})
	}
}

func (r *Replica) endReview() {
	v := &r.review
	v.phase, v.done = scanEnd, true
	v.joined = v.joined || r.conf.Recovered.State == nil
	if m := v.wanted; m != nil {
		v.wanted = nil
		r.handleJoin(*m)
	}
}

// takeReview copies what the neighbour lists and this replica lacks.
func (r *Replica) takeReview(m MsgPage) {
	theirs, ours, ok := r.review.meet(m)
	if !ok {
		return
	}
	have := map[chain.ChunkID]bool{}
	for i := range ours {
		have[ours[i].Header.ID] = true
	}
	for _, id := range m.Pending {
		have[id] = true // not acknowledged yet, and this replica takes part
	}
	for i := range theirs {
		if id := theirs[i].Header.ID; !have[id] && r.byChunk[id] == nil && !r.beingRemoved(id) {
			r.addReviewed(theirs[i])
		}
	}
	r.startCopies()
	r.checkReview()
}

func (r *Replica) addReviewed(c Chunk) {
	if now := r.addCopy(c); !now.review {
		now.review = true
		r.review.left++
	}
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
	r.startScan(&v.scan, v.limit)
}

// sourceStarted: what it was asked before is lost.
func (r *Replica) sourceStarted(l *link) {
	if l == r.copySource() && r.review.phase == scanRemote {
		r.askPage(&r.review.scan, l)
	}
}

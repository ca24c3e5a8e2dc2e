package data

import (
	"catena/chain"
	"catena/chain/internal/rule"
)

// configure installs a newer configuration: from this moment nothing is done
// under the old one, and nothing under the new one before it is durable.
func (r *Replica) configure(c chain.Config) {
	if c.Chain != r.chain || c.Kind != chain.KindData || c.Validate() != nil || !r.newest().Epoch.Less(c.Epoch) {
		return
	}
	c = c.Clone()
	r.dropEpoch(c)
	r.active = false
	r.state.Config = c
	r.state.CommitPath = chain.ReplicaID{}
	if !c.IsSyncing(r.self) {
		r.state.Feed, r.state.SyncedTo, r.state.SyncDone = FeedID{}, chain.ChunkID{}, false
	}
	r.persistState(waitState)
}

// dropEpoch fails everything that belongs to the epoch that ends.
func (r *Replica) dropEpoch(next chain.Config) {
	// The refusals name the new configuration, so that callers go on at once.
	r.state.Config = next
	if r.rules.Holds(rule.EpochAtSeal) {
		for _, o := range r.opsInOrder() {
			r.fail(o, chain.RefusedEpoch, "a new epoch fails what is open", tellNobody)
		}
		r.up = nil
	}
	r.dropCopies()
	r.down = nil
	r.parked = nil
	clear(r.told)
	r.source.forget()
	r.join = join{}
	r.review.phase, r.review.wanted, r.review.done = scanIdle, nil, false
	r.pathDurable, r.reported = false, false
	if r.feed != nil {
		r.feed.cut()
		if next.Tail() != r.self || !next.IsSyncing(r.feed.joiner) {
			r.feed = nil
		}
	}
}

// activate begins to act in the configuration that is now durable.
func (r *Replica) activate() {
	r.cfg = r.state.Config
	r.active = true
	r.toldUp = 0
	// A recovered commit path was durable before this start.
	r.pathDurable = !r.state.CommitPath.IsZero()
	if p := r.cfg.Pred(r.self); !p.IsZero() {
		r.up = r.newLink(p)
	}
	d := r.cfg.Succ(r.self)
	if r.isTail() && len(r.cfg.Syncing) > 0 {
		d = r.cfg.Syncing[0]
	}
	if !d.IsZero() {
		r.down = r.newLink(d)
	}
	for _, l := range [...]*link{r.up, r.down} {
		if l != nil {
			r.sendHello(l)
		}
	}
	if r.isJoiner() {
		r.askFeed()
	}
	r.startReview()
}

// peerRestarted fails what depended on the neighbour's earlier start: it has
// lost its open chunks, and frames that it missed are not sent again.
func (r *Replica) peerRestarted(l *link) {
	r.source.forgetPeer(l)
	if l == r.up {
		r.toldUp = 0
		for _, o := range r.opsInOrder() {
			if o.up != 0 {
				r.fail(o, chain.RefusedUnknown, "the predecessor started again", tellDown)
			}
		}
		if r.isJoiner() {
			r.askFeed()
		}
		return
	}
	if r.isTail() {
		// A joiner: what it missed is owed to it when it asks for its feed.
		if r.feed != nil {
			r.feed.cut()
		}
		for _, o := range r.opsInOrder() {
			o.fed, o.downOpened, o.inflight = false, false, 0
			r.checkOpened(o)
		}
		return
	}
	for _, o := range r.opsInOrder() {
		r.fail(o, chain.RefusedUnknown, "the successor started again", tellUp)
	}
}

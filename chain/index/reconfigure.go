package index

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// A configuration is taken in three steps: it is persisted (nothing is done in
// any epoch meanwhile), leases that this replica gave in older epochs are
// waited out if that is its duty, and only then the replica acts.

// configure takes a newer configuration. Older and repeated ones change
// nothing; so do invalid ones, which the master's log never makes.
func (r *Replica) configure(c *chain.Config) {
	if c.Chain != r.cfg.Chain || c.Kind != chain.KindIndex || !r.state.Config.Epoch.Less(c.Epoch) || c.Validate() != nil {
		return
	}
	r.publishNothing()
	wasHead := r.isHead()
	r.state.Config = c.Clone()
	r.state.CommitPath = chain.ReplicaID{}
	if r.state.Boot == 0 {
		r.state.Boot = r.nextBoot(r.now.WallMs)
	}
	if r.waitFor() == 0 {
		r.state.WaitedOut = c.Epoch
	}
	r.leaveEpoch(wasHead)
	r.phase = phasePersisting
	r.configToken = r.persistState()
	if !r.rules.Holds(rule.EpochPersisted) {
		r.configured()
	}
}

// leaveEpoch drops what belongs to the epoch before, and ends the requests
// that it can no longer answer.
func (r *Replica) leaveEpoch(wasHead bool) {
	old := r.epochState
	r.epochState = epochState{}
	if !r.rules.Holds(rule.EpochCheck) {
		r.up = old.up
	}
	if !r.rules.Holds(rule.LeaseOfEpoch) {
		r.lease.until = old.lease.until
	}
	r.readID++ // an answer to an older ReadPage is not waited for
	if !r.state.Config.Writable() {
		r.failWaiters(chain.RefusedBelowMinAck)
	}
	r.failWaiters(chain.RefusedNotReady)
	if wasHead && !r.isHead() {
		r.failProposals(chain.RefusedUnknown, "another head")
	}
	r.reports = reports{}
}

// restart takes up the configuration found on disk, with a new boot number.
func (r *Replica) restart() {
	r.state.Boot = r.nextBoot(r.cfg.StartedMs)
	if !r.rules.Holds(rule.PathPersisted) {
		r.state.CommitPath = chain.ReplicaID{}
	}
	r.phase = phasePersisting
	r.configToken = r.persistState()
}

func (r *Replica) nextBoot(wallMs int64) uint64 {
	if !r.rules.Holds(rule.BootByClock) {
		wallMs = 0
	}
	return chain.NextBoot(r.state.Boot, wallMs)
}

// started runs at the first step, which brings the first reading of the clock.
// What was granted before the crash is forgotten; it ends within L of now.
func (r *Replica) started(now chain.Now) {
	if r.hasConfig() && r.rules.Holds(rule.RestartWaits) {
		r.grants = append(r.grants, grant{
			restart: true, owed: r.state.WaitedOut != r.state.Config.Epoch,
			cfg: r.state.Config, until: now.Mono.Add(r.cfg.Lease),
		})
	}
}

// configured runs when the configuration is on disk.
func (r *Replica) configured() {
	r.configToken = 0
	if !r.state.Config.Member(r.cfg.Self) {
		r.phase = phaseIdle
		return
	}
	r.waitUntil = r.waitFor()
	if r.waitUntil > r.now.Mono {
		r.phase = phaseWaiting
		return
	}
	r.waitedOut()
}

// waitedOut records that this epoch need not wait again, and begins to act.
// The record need not be on disk first: without it a restart waits again.
func (r *Replica) waitedOut() {
	if r.state.WaitedOut != r.state.Config.Epoch {
		r.state.WaitedOut = r.state.Config.Epoch
		r.persistState()
	}
	r.activate()
}

// activate begins to act in the configuration's epoch.
func (r *Replica) activate() {
	r.phase = phaseActive
	if r.isServing() && !r.whole() && r.rules.Holds(rule.OlderLeaves) {
		r.leave("it serves, and its rows are those of a snapshot that was never completed here")
		return
	}
	c := &r.state.Config
	self := r.cfg.Self
	held, lease := r.heldHello, r.lease.waitsForLease
	r.heldHello, r.lease.waitsForLease = nil, nil
	r.probe = r.state.Boot << 32
	if !r.isHead() {
		r.probe = 0
	}
	if r.isTail() {
		r.barrier = r.log.last().Seq
		r.path.restored(r)
	}
	if succ := c.Succ(self); !succ.IsZero() {
		r.down = r.newLink(succ, false)
		r.openStream(r.down)
	} else {
		r.agreed = true
	}
	if r.isTail() && len(c.Syncing) > 0 {
		r.join = r.newLink(c.Syncing[0], true)
		r.openStream(r.join)
	}
	if held != nil {
		r.onHello(c.Pred(self), held)
	}
	r.askLease()
	if lease != nil {
		r.onLeaseRequest(c.Succ(self), lease)
	}
}

// grant is a lease that this replica has given, or that it may have given
// before a restart.
type grant struct {
	// cfg is the configuration in which it was given.
	cfg   chain.Config
	until chain.Instant
	// restart: this stands for everything given before a restart, in cfg's
	// epoch or older ones whose tail still serves in cfg.
	restart bool
	// owed: at the restart a wait was not over, and nobody knows any more for
	// whom it was: this binds in every configuration.
	owed bool
}

// binds reports whether the grant must run out before self acts in c: its tail
// might still answer reads, and nobody further down the old order is on the
// new chain to wait in self's place.
func (g *grant) binds(c *chain.Config, self chain.ReplicaID, rules *rule.Set) bool {
	if g.restart {
		owed := g.owed && (g.cfg.Epoch != c.Epoch || rules.Holds(rule.RestartWaitsInEpoch))
		return owed || slices.ContainsFunc(g.cfg.Serving, func(m chain.ReplicaID) bool { return c.Position(m) < 0 })
	}
	if g.cfg.Epoch == c.Epoch || c.Position(g.cfg.Tail()) >= 0 {
		return false
	}
	if !rules.Holds(rule.SurvivorWaits) {
		return c.Tail() == self
	}
	later := g.cfg.Serving[g.cfg.Position(self)+1:]
	return !slices.ContainsFunc(later, func(m chain.ReplicaID) bool { return c.Position(m) >= 0 })
}

// waitFor returns when the last binding grant runs out; 0 if none binds.
func (r *Replica) waitFor() chain.Instant {
	c := &r.state.Config
	if !r.rules.Holds(rule.WaitOut) {
		return 0
	}
	var until chain.Instant
	for i := range r.grants {
		g := &r.grants[i]
		if g.until > r.now.Mono && g.binds(c, r.cfg.Self, &r.rules) {
			until = max(until, g.until)
		}
	}
	return until
}

// forgetGrants drops what has run out.
func (r *Replica) forgetGrants() {
	r.grants = slices.DeleteFunc(r.grants, func(g grant) bool { return g.until <= r.now.Mono })
}

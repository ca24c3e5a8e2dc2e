package state

import (
	"fmt"
	"slices"
	"strings"

	"catena/chain"
)

// Outlook is what the planner would do now, and what it waits for.
type Outlook struct {
	// Commands are what Next gives.
	Commands []Command
	// Waits say, for each chain that is not as it should be and gets no command
	// now, what has to happen first.
	Waits map[chain.ChainID]string
}

// Look runs the planner and explains what it leaves alone. It changes nothing.
func Look(st *State, obs Observed) Outlook {
	p := plan(st, obs)
	out := Outlook{Commands: p.cmds, Waits: map[chain.ChainID]string{}}
	for _, c := range st.Chains {
		if why := p.waits(c); why != "" && !p.changed[c.Config.Chain] {
			out.Waits[c.Config.Chain] = why
		}
	}
	return out
}

// waits gives what one chain waits for; empty if it is as it should be.
func (p *planner) waits(c *Chain) string {
	cfg := &c.Config
	var down []string
	for _, r := range cfg.Serving {
		if p.obs.down(p.st, r.Store) || p.isDiverged(c, r) {
			down = append(down, r.String())
		}
	}
	switch {
	case len(down) == len(cfg.Serving):
		return p.waitsDead(c)
	case len(down) > 0:
		return fmt.Sprintf("%s cannot serve, and without it the chain could not commit: it waits until that store is back, or until another store can take its place (%s)", strings.Join(down, ", "), p.noCandidate(c))
	case len(cfg.Syncing) > 0 && len(cfg.Settled) < len(cfg.Serving):
		return fmt.Sprintf("%s is filled, and serves when %s has held a lease", cfg.Syncing[0], cfg.Tail())
	case len(cfg.Syncing) > 0:
		return fmt.Sprintf("%s is filled from %s", cfg.Syncing[0], cfg.Tail())
	case len(cfg.Settled) < len(cfg.Serving):
		return fmt.Sprintf("%s has to hold a lease before it counts", cfg.Tail())
	case len(cfg.Serving) < int(cfg.Factor):
		return p.noCandidate(c)
	}
	return ""
}

// waitsDead speaks of a chain of which nobody serves.
func (p *planner) waitsDead(c *Chain) string {
	names := make([]string, len(c.Config.Recoverable))
	for i, r := range c.Config.Recoverable {
		names[i] = fmt.Sprintf("%s (%s)", r, p.unfit(c, r))
	}
	return fmt.Sprintf("no member serves; one of those that hold every acknowledged write has to come back: %s", strings.Join(names, ", "))
}

// unfit says why a replica cannot restart its chain; empty if it can.
func (p *planner) unfit(c *Chain, r chain.ReplicaID) string {
	f, was := c.former(r.Store)
	switch {
	case p.isDiverged(c, r):
		return "its rows are not to be believed: " + p.whyDiverged(c, r)
	case was && f.Replica == r && f.Void || c.isSuspect(r):
		return "its store had an I/O error after it was placed there"
	case !p.obs.up(p.st, r.Store):
		return p.whyDown(r.Store)
	}
	return ""
}

// noCandidate says why no store joins a chain that lacks a member.
func (p *planner) noCandidate(c *Chain) string {
	if !p.sourceReady(c) {
		return "its last member, from which a joiner would copy, cannot serve"
	}
	if s := p.candidate(c, nil); s != nil {
		return fmt.Sprintf("other chains are filled first: %d at a time to a store and %d from one", p.obs.Limits.JoinsPerTarget, p.obs.Limits.JoinsPerSource)
	}
	if n := p.awaited(c, nil); n > 0 {
		return fmt.Sprintf("a store that was a member is away without an I/O error, and is waited for %d s before its copy is made elsewhere", p.obs.Limits.ReplaceAfter/chain.Second)
	}
	var full, held []string
	for _, s := range p.st.Stores {
		member := slices.ContainsFunc(c.Config.Serving, func(r chain.ReplicaID) bool { return r.Store == s.ID })
		switch h := p.obs.Stores[s.ID]; {
		case member || !p.obs.up(p.st, s.ID):
		case h.Full:
			full = append(full, s.ID.String()[:8])
		default:
			held = append(held, s.ID.String()[:8])
		}
	}
	switch {
	case len(held) > 0:
		return "store " + strings.Join(held, ", ") + " was lost a short while ago, and has to stay up before it is filled"
	case len(full) > 0:
		return "store " + strings.Join(full, ", ") + " is full and takes no copy"
	}
	return "no other store is live: put an empty directory in the place of a lost one, or add one"
}

// CanForce says whether an operator may start a chain from this replica, which
// may lack acknowledged writes: nil, or the reason why not. While somebody that
// holds every acknowledged write can serve, nobody needs to.
func CanForce(st *State, obs Observed, id chain.ChainID, r chain.ReplicaID) error {
	c := st.Chain(id)
	if c == nil {
		return fmt.Errorf("chain %d is not known", id)
	}
	p := newPlanner(st, obs)
	for _, m := range c.Config.Recoverable {
		if p.unfit(c, m) == "" {
			return fmt.Errorf("%s of chain %d holds every acknowledged write and can serve: nothing has to be given up; if the chain takes no writes it needs another store beside it, or a lower factor", m, id)
		}
	}
	known := c.known()
	if !slices.Contains(known, r) {
		return fmt.Errorf("chain %d knows no replica %s; it knows %s", id, r, replicaList(known))
	}
	if !obs.up(st, r.Store) {
		return fmt.Errorf("%s cannot serve: %s", r, p.whyDown(r.Store))
	}
	if p.isDiverged(c, r) {
		return fmt.Errorf("%s cannot serve: its rows are not to be believed: %s", r, p.whyDiverged(c, r))
	}
	return nil
}

// known are all replicas from which a chain could be forced to start.
func (c *Chain) known() []chain.ReplicaID {
	out := slices.Concat(c.Config.Serving, c.Config.Syncing)
	for _, r := range c.Config.Recoverable {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	for _, f := range c.Former {
		if !slices.Contains(out, f.Replica) {
			out = append(out, f.Replica)
		}
	}
	return out
}

func replicaList(rs []chain.ReplicaID) string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = r.String()
	}
	return strings.Join(names, ", ")
}

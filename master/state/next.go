package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"catena/chain"
)

// Next is the planner: the commands that bring the state nearer to what is
// wanted, in the order in which they are to be applied, at most one for each
// chain. The same arguments give the same commands, op ids included.
func Next(st *State, obs Observed) []Command { return plan(st, obs).cmds }

// plan is the planner after one run.
func plan(st *State, obs Observed) *planner {
	p := newPlanner(st, obs)
	if st.Cluster.IsZero() {
		return p
	}
	p.storeStates()
	p.offers()
	for _, c := range st.Chains {
		if ch := p.repair(c); ch != nil {
			p.change(c, *ch)
		}
	}
	p.joins()
	if len(p.cmds) == 0 && obs.Limits.Rebalance {
		p.rebalance()
	}
	return p
}

// planner is one run of Next.
type planner struct {
	st   *State
	obs  Observed
	load *load
	// targets and sources count joiners in flight, planned ones included.
	targets, sources map[chain.StoreID]int
	// reports by what they speak of.
	inSync, settled, behind reports
	// diverged is what a replica says of itself, accused what another says of it.
	diverged, accused reports
	// changed are the chains that have their command.
	changed map[chain.ChainID]bool
	// failing are the stores whose failure is among the commands.
	failing map[chain.StoreID]bool
	cmds    []Command
}

func newPlanner(st *State, obs Observed) *planner {
	p := &planner{
		st: st, obs: obs, load: newLoad(st.Chains), changed: map[chain.ChainID]bool{}, failing: map[chain.StoreID]bool{},
		targets: map[chain.StoreID]int{}, sources: map[chain.StoreID]int{},
		inSync: reports{}, settled: reports{}, behind: reports{}, diverged: reports{}, accused: reports{},
	}
	for _, r := range obs.Reports {
		p.file(r)
	}
	for _, c := range st.Chains {
		for _, r := range c.Config.Syncing {
			p.targets[r.Store]++
			p.sources[c.Config.Tail().Store]++
		}
	}
	return p
}

// reports are the newest of a kind, by what they speak of.
type reports map[reportKey]chain.Report

type reportKey struct {
	chain   chain.ChainID
	replica chain.ReplicaID
}

func (m reports) put(r chain.Report) {
	k := reportKey{r.Chain, r.Replica}
	old, ok := m[k]
	// Of equals the order of the reports must not decide.
	if !ok || old.Epoch.Less(r.Epoch) || old.Epoch == r.Epoch && slices.Compare(r.From.Store[:], old.From.Store[:]) < 0 {
		m[k] = r
	}
}

// file sorts a report.
func (p *planner) file(r chain.Report) {
	switch r.Kind {
	case chain.ReportInSync:
		p.inSync.put(r)
	case chain.ReportSettled:
		p.settled.put(r)
	case chain.ReportBehind:
		p.behind.put(r)
	case chain.ReportDiverged:
		if r.From == r.Replica {
			p.diverged.put(r)
			return
		}
		p.accused.put(r)
	}
}

// emit gives a command its op id: a digest of what it says and of the state it
// was made for, so that a driver that asks again while the first answer is
// outstanding sends the same command, and one that a refusal made void is new.
func (p *planner) emit(cmd Command) {
	cmd.Op = chain.OpID{1}
	body, err := Encode([]Command{cmd})
	if err != nil {
		return // made here of checked parts; a command that cannot be encoded is not sent
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(body, p.st.Version))
	copy(cmd.Op[:], sum[:])
	p.cmds = append(p.cmds, cmd)
}

func (p *planner) change(c *Chain, ch ChangeChain) {
	ch.Chain, ch.Expect = c.Config.Chain, c.Config.Epoch
	p.changed[ch.Chain] = true
	p.emit(Command{Change: &ch})
}

// storeStates brings the log's idea of the stores up to what is seen.
func (p *planner) storeStates() {
	for _, s := range p.st.Stores {
		h, known := p.obs.Stores[s.ID]
		if !known || s.State == chain.StoreReplaced {
			continue
		}
		set := SetStoreState{ID: s.ID, Expect: s.State, Reason: h.Reason}
		switch {
		case h.Broken && !s.Broken, s.State == chain.StoreLive && !h.Alive:
			set.State, set.Broken = chain.StoreFailed, h.Broken
			p.failing[s.ID] = true
		case s.State == chain.StoreFailed && h.Alive && !h.Broken:
			set.State, set.Incarnation, set.Reason = chain.StoreLive, h.Incarnation, ""
		default:
			continue
		}
		p.emit(Command{SetStore: &set})
	}
}

// offers takes new stores in.
func (p *planner) offers() {
	for _, o := range p.obs.Offers {
		if p.st.Store(o.Store.ID) != nil {
			continue
		}
		old := p.st.Store(o.Replaces)
		switch {
		case old == nil || old.State == chain.StoreReplaced:
			p.emit(Command{AddStore: &AddStore{Store: o.Store}})
		case old.State == chain.StoreFailed:
			p.emit(Command{Replace: &ReplaceStore{Old: old.ID, Store: o.Store}})
		case p.failing[old.ID]:
			p.emit(Command{Replace: &ReplaceStore{Old: old.ID, Store: o.Store}})
		default:
			// Whoever gave its place away says with it that the store is lost.
			p.emit(Command{SetStore: &SetStoreState{ID: old.ID, Expect: old.State, State: chain.StoreFailed, Broken: true, Reason: "replaced by store " + o.Store.ID.String()}})
			p.emit(Command{Replace: &ReplaceStore{Old: old.ID, Store: o.Store}})
		}
	}
}

// repair gives the most urgent change of one chain, except a new joiner.
func (p *planner) repair(c *Chain) *ChangeChain {
	for _, rule := range []func(*Chain) *ChangeChain{p.revive, p.removeBad, p.dropBad, p.promote, p.settle, p.resize, p.shrink} {
		if ch := rule(c); ch != nil {
			return ch
		}
	}
	return nil
}

// revive restarts a chain of which nobody serves any more.
func (p *planner) revive(c *Chain) *ChangeChain {
	cfg := &c.Config
	serves := func(r chain.ReplicaID) bool {
		_, left := p.diverged[reportKey{cfg.Chain, r}] // by its own word: it has stopped
		return !left && !p.obs.down(p.st, r.Store)
	}
	if slices.ContainsFunc(cfg.Serving, serves) {
		return nil
	}
	for _, r := range cfg.Recoverable {
		f, ok := c.former(r.Store)
		void := ok && f.Replica == r && f.Void || c.isSuspect(r)
		if !void && !p.isDiverged(c, r) && p.obs.up(p.st, r.Store) {
			return &ChangeChain{Kind: ChangeRestart, Replicas: []chain.ReplicaID{r}, Reason: "no member is left; this one holds every acknowledged write"}
		}
	}
	return nil
}

// isDiverged believes a replica of itself in any epoch, since an incarnation
// that diverged stays so, and another member only in the present one.
func (p *planner) isDiverged(c *Chain, r chain.ReplicaID) bool {
	k := reportKey{c.Config.Chain, r}
	if _, ok := p.diverged[k]; ok {
		return true
	}
	rep, ok := p.accused[k]
	return ok && rep.Epoch == c.Config.Epoch && c.Config.Position(rep.From) >= 0
}

func (p *planner) whyDiverged(c *Chain, r chain.ReplicaID) string {
	k := reportKey{c.Config.Chain, r}
	if rep, ok := p.diverged[k]; ok {
		return rep.Detail
	}
	return p.accused[k].Detail
}

// removeBad drops the members that cannot serve. If the rest could not commit
// it does so only when somebody can join: a member that comes back to the
// chain it was never removed from needs no resync.
func (p *planner) removeBad(c *Chain) *ChangeChain {
	cfg := &c.Config
	var bad, suspect []chain.ReplicaID
	why, void := "", false
	for _, r := range cfg.Serving {
		switch {
		case p.isDiverged(c, r):
			bad, void, why = append(bad, r), true, "its log diverged: "+p.whyDiverged(c, r)
		case p.obs.down(p.st, r.Store):
			bad, why = append(bad, r), p.whyDown(r.Store)
		case c.isSuspect(r):
			suspect = append(suspect, r)
		}
	}
	// A suspect goes when the rest can commit, or when it can come back at once
	// as a new incarnation.
	if len(bad) == 0 && len(suspect) > 0 && p.canSpare(c, suspect[:1]) && (len(cfg.Serving)-1 >= int(cfg.MinAck) || p.obs.steady(p.st, suspect[0].Store)) {
		return &ChangeChain{Kind: ChangeRemove, Replicas: suspect[:1], Void: true, Reason: "its store had an I/O error"}
	}
	if len(bad) == 0 || !p.canSpare(c, bad) {
		return nil
	}
	if len(cfg.Serving)-len(bad) < int(cfg.MinAck) && len(cfg.Syncing) == 0 && p.candidate(c, bad) == nil {
		return nil
	}
	return &ChangeChain{Kind: ChangeRemove, Replicas: bad, Void: void, Reason: why}
}

// canSpare reports whether a settled member that is up stays without these.
func (p *planner) canSpare(c *Chain, gone []chain.ReplicaID) bool {
	return slices.ContainsFunc(c.Config.Settled, func(r chain.ReplicaID) bool {
		return !slices.Contains(gone, r) && !p.obs.down(p.st, r.Store)
	})
}

func (p *planner) whyDown(id chain.StoreID) string {
	s := p.st.Store(id)
	h := p.obs.Stores[id]
	switch {
	case s == nil:
		return "its store is not known"
	case s.State == chain.StoreReplaced:
		return "its store was replaced"
	case h.Reason != "":
		return "its store failed: " + h.Reason
	case s.Reason != "":
		return "its store failed: " + s.Reason
	}
	return "its store is silent"
}

func (p *planner) dropBad(c *Chain) *ChangeChain {
	for _, r := range c.Config.Syncing {
		rep, ok := p.behind[reportKey{c.Config.Chain, r}]
		switch {
		case ok && rep.Epoch == c.Config.Epoch && rep.From == c.Config.Tail():
			return &ChangeChain{Kind: ChangeDrop, Replicas: []chain.ReplicaID{r}, Void: true, Reason: "the log no longer reaches back to its rows: it is filled as a new incarnation"}
		case p.isDiverged(c, r) || c.isSuspect(r):
			return &ChangeChain{Kind: ChangeDrop, Replicas: []chain.ReplicaID{r}, Void: true, Reason: "its rows are not to be believed"}
		case p.obs.down(p.st, r.Store):
			return &ChangeChain{Kind: ChangeDrop, Replicas: []chain.ReplicaID{r}, Reason: p.whyDown(r.Store)}
		}
	}
	return nil
}

// promote acts on the tail's word, given in this very epoch.
func (p *planner) promote(c *Chain) *ChangeChain {
	cfg := &c.Config
	for _, r := range cfg.Syncing {
		rep, ok := p.inSync[reportKey{cfg.Chain, r}]
		if ok && rep.Epoch == cfg.Epoch && rep.From == cfg.Tail() && len(cfg.Settled) == len(cfg.Serving) {
			return &ChangeChain{Kind: ChangePromote, Replicas: []chain.ReplicaID{r}, Reported: rep.Epoch, Reason: "in sync"}
		}
	}
	return nil
}

func (p *planner) settle(c *Chain) *ChangeChain {
	cfg := &c.Config
	for _, r := range cfg.Serving {
		rep, ok := p.settled[reportKey{cfg.Chain, r}]
		if ok && !cfg.IsSettled(r) && !rep.Epoch.Less(c.promotedAt(r)) && !cfg.Epoch.Less(rep.Epoch) {
			return &ChangeChain{Kind: ChangeSettle, Replicas: []chain.ReplicaID{r}, Reported: rep.Epoch, Reason: "held a lease"}
		}
	}
	return nil
}

// resize brings a chain to the factor of the cluster. min_ack falls at once and
// rises when the members are there.
func (p *planner) resize(c *Chain) *ChangeChain {
	cfg := &c.Config
	want := minAck(p.st.Factor)
	ack := want
	if want > cfg.MinAck && len(cfg.Serving) < int(want) {
		ack = cfg.MinAck
	}
	if cfg.Factor == p.st.Factor && cfg.MinAck == ack {
		return nil
	}
	return &ChangeChain{Kind: ChangeResize, Factor: p.st.Factor, MinAck: ack, Reason: fmt.Sprintf("the factor of the cluster is %d", p.st.Factor)}
}

// shrink removes, by choice, a member above the factor: one without which the
// rest is spread best over the failure domains, then the one whose store holds
// the most, then the one nearest to the tail, but not the newest.
func (p *planner) shrink(c *Chain) *ChangeChain {
	cfg := &c.Config
	if len(cfg.Serving) <= int(cfg.Factor) || len(cfg.Settled) < len(cfg.Serving) || len(cfg.Serving)-1 < int(cfg.MinAck) || len(cfg.Syncing) > 0 {
		return nil
	}
	var out chain.ReplicaID
	var cost []int
	for i, r := range cfg.Serving {
		newest := 0
		if r == cfg.Tail() {
			newest = 1
		}
		cs := []int{p.spread(c, r.Store), -p.load.replicas[r.Store], newest, -i}
		if cost == nil || slices.Compare(cs, cost) < 0 {
			out, cost = r, cs
		}
	}
	p.load.replicas[out.Store]--
	return &ChangeChain{Kind: ChangeRemove, Replicas: []chain.ReplicaID{out}, Choice: true, Reason: fmt.Sprintf("more than %d members", cfg.Factor)}
}

// spread tells how well the members of a chain are spread over the failure
// domains without one store and with some others: 0 all in different zones, 4
// two of them on one disk.
func (p *planner) spread(c *Chain, without chain.StoreID, with ...*Store) int {
	members := slices.Clone(with)
	for _, r := range c.Config.Serving {
		if s := p.st.Store(r.Store); s != nil && r.Store != without {
			members = append(members, s)
		}
	}
	worst := 0
	for i, s := range members {
		worst = max(worst, conflict(s, members[:i]))
	}
	return worst
}

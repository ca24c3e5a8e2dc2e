package state

import (
	"errors"
	"fmt"
	"slices"

	"catena/chain"
)

// change makes a chain's next configuration, or refuses.
func (st *State) change(c *ChangeChain) error {
	i := st.chainIndex(c.Chain)
	if i < 0 {
		return fmt.Errorf("chain %d is not known", c.Chain)
	}
	old := st.Chains[i]
	if c.Expect != old.Config.Epoch {
		return fmt.Errorf("chain %d is at epoch %s, not %s", c.Chain, old.Config.Epoch, c.Expect)
	}
	next, err := st.derive(old, c)
	if err != nil {
		return fmt.Errorf("chain %d: %s: %w", c.Chain, c.Kind, err)
	}
	if err := checkStep(old, next, c.Kind); err != nil {
		return err
	}
	if c.Kind == ChangeForce {
		st.Forced = append(st.Forced, Forced{Chain: c.Chain, Epoch: next.Config.Epoch, Replica: c.Replicas[0], Reason: c.Reason})
	}
	st.Chains[i] = next
	return nil
}

// derive applies one change to a copy of the chain.
func (st *State) derive(old *Chain, c *ChangeChain) (*Chain, error) {
	if len(c.Replicas) == 0 && c.Kind != ChangeResize {
		return nil, errors.New("names no replica")
	}
	if len(c.Replicas) > 1 && c.Kind != ChangeRemove {
		return nil, errors.New("names more than one replica")
	}
	n := old.clone()
	n.Config.Prev, n.Config.Epoch = old.Config.Epoch, old.Config.Epoch.Next()
	var err error
	switch c.Kind {
	case ChangeRemove:
		err = n.remove(c)
	case ChangeJoin:
		err = n.join(st, c.Replicas[0])
	case ChangeDrop:
		err = n.drop(c)
	case ChangePromote:
		err = n.promote(c)
	case ChangeSettle:
		err = n.settle(c)
	case ChangeRestart:
		err = n.restart(c)
	case ChangeResize:
		err = n.resize(c)
	case ChangeForce:
		err = n.force(c)
	default:
		err = errors.New("is not known")
	}
	if err != nil {
		return nil, err
	}
	n.finish(st)
	return n, nil
}

// remove drops Serving members. Several at once when they failed together: a
// step by step removal would shrink the recoverable set to members that are
// known to be dead.
func (n *Chain) remove(c *ChangeChain) error {
	cfg := &n.Config
	if c.Choice && len(c.Replicas) != 1 {
		return errors.New("by choice one member at a time")
	}
	for _, r := range c.Replicas {
		p := cfg.Position(r)
		if p < 0 {
			return fmt.Errorf("%s does not serve", r)
		}
		if c.Choice && cfg.IsSettled(r) && len(cfg.Settled) < len(cfg.Serving) {
			return fmt.Errorf("%s is settled and another member is not yet", r)
		}
		if c.Choice && len(cfg.Serving)-1 < int(cfg.MinAck) {
			return fmt.Errorf("without %s the chain could not commit", r)
		}
		cfg.Serving = slices.Delete(cfg.Serving, p, p+1)
		n.retire(r, c.Void)
	}
	if len(cfg.Serving) == 0 {
		return errors.New("nobody would serve")
	}
	if len(cfg.Settled) == 0 {
		return errors.New("no settled member would serve")
	}
	return nil
}

// retire moves a member that has left to the former ones.
func (n *Chain) retire(r chain.ReplicaID, void bool) {
	same := func(x chain.ReplicaID) bool { return x == r }
	n.Config.Settled = slices.DeleteFunc(n.Config.Settled, same)
	n.Promoted = slices.DeleteFunc(n.Promoted, func(p Promotion) bool { return p.Replica == r })
	void = void || n.isSuspect(r)
	n.Suspect = slices.DeleteFunc(n.Suspect, same)
	n.Former = slices.DeleteFunc(n.Former, func(f Former) bool { return f.Replica.Store == r.Store })
	n.Former = append(n.Former, Former{Replica: r, Void: void})
}

// join adds a joiner: a new incarnation, or a former member whose rows are
// intact and may be cut, which a member of the recoverable set's may not.
func (n *Chain) join(st *State, r chain.ReplicaID) error {
	cfg := &n.Config
	if len(cfg.Syncing) > 0 {
		return fmt.Errorf("%s is joining already", cfg.Syncing[0])
	}
	if s := st.Store(r.Store); s == nil || s.State != chain.StoreLive {
		return fmt.Errorf("store %s is not live", r.Store)
	}
	if slices.ContainsFunc(cfg.Serving, func(m chain.ReplicaID) bool { return m.Store == r.Store }) {
		return fmt.Errorf("store %s serves already", r.Store)
	}
	if want := n.joiner(r.Store); r.Incarnation != want.Incarnation {
		return fmt.Errorf("%s would have to be incarnation %d", r, want.Incarnation)
	}
	if r.Incarnation == n.Next {
		n.Next++
	}
	n.Former = slices.DeleteFunc(n.Former, func(f Former) bool { return f.Replica.Store == r.Store })
	cfg.Syncing = []chain.ReplicaID{r}
	return nil
}

// joiner says as which replica a store would join.
func (c *Chain) joiner(id chain.StoreID) chain.ReplicaID {
	f, ok := c.former(id)
	if ok && !f.Void && !slices.Contains(c.Config.Recoverable, f.Replica) {
		return f.Replica
	}
	return chain.ReplicaID{Store: id, Incarnation: c.Next}
}

func (n *Chain) drop(c *ChangeChain) error {
	if !n.Config.IsSyncing(c.Replicas[0]) {
		return fmt.Errorf("%s is not joining", c.Replicas[0])
	}
	n.Config.Syncing = nil
	n.retire(c.Replicas[0], c.Void)
	return nil
}

// promote makes the joiner the tail. It was on the commit path from before the
// report, and stays there only within the epoch of the report.
func (n *Chain) promote(c *ChangeChain) error {
	cfg, r := &n.Config, c.Replicas[0]
	if !cfg.IsSyncing(r) {
		return fmt.Errorf("%s is not joining", r)
	}
	if c.Reported != c.Expect {
		return fmt.Errorf("%s was in sync in epoch %s only", r, c.Reported)
	}
	if len(cfg.Settled) < len(cfg.Serving) {
		return errors.New("the tail has not settled yet")
	}
	if n.isSuspect(r) {
		return fmt.Errorf("%s is on a store that failed since", r)
	}
	cfg.Syncing = nil
	cfg.Serving = append(cfg.Serving, r)
	n.Promoted = append(n.Promoted, Promotion{Replica: r, Epoch: cfg.Epoch})
	if cfg.Kind == chain.KindData {
		// Nothing there reads by lease, and a joiner on the commit path holds
		// every acknowledged chunk.
		cfg.Settled = append(cfg.Settled, r)
	}
	return nil
}

func (n *Chain) settle(c *ChangeChain) error {
	cfg, r := &n.Config, c.Replicas[0]
	if cfg.Position(r) < 0 {
		return fmt.Errorf("%s does not serve", r)
	}
	if cfg.IsSettled(r) {
		return fmt.Errorf("%s is settled already", r)
	}
	if at := n.promotedAt(r); c.Reported.Less(at) || c.Expect.Less(c.Reported) {
		return fmt.Errorf("%s held a lease in epoch %s, promoted in %s", r, c.Reported, at)
	}
	cfg.Settled = append(cfg.Settled, r)
	return nil
}

// restart starts the chain from one member of the recoverable set, alone: two
// could have diverged, and nobody but a joiner truncates.
func (n *Chain) restart(c *ChangeChain) error {
	r := c.Replicas[0]
	if !slices.Contains(n.Config.Recoverable, r) {
		return fmt.Errorf("%s is not in the recoverable set", r)
	}
	if f, ok := n.former(r.Store); ok && f.Replica == r && f.Void {
		return fmt.Errorf("the rows of %s are not to be believed", r)
	}
	n.startFrom(r)
	return nil
}

// force starts the chain from any replica it knows, and gives the rest up.
func (n *Chain) force(c *ChangeChain) error {
	r := c.Replicas[0]
	f, ok := n.former(r.Store)
	if !n.Config.Member(r) && !slices.Contains(n.Config.Recoverable, r) && !(ok && f.Replica == r) {
		return fmt.Errorf("the chain knows no replica %s", r)
	}
	if c.Reason == "" {
		return errors.New("needs a reason, which is kept")
	}
	n.startFrom(r)
	n.Config.Recoverable = []chain.ReplicaID{r}
	return nil
}

func (n *Chain) startFrom(r chain.ReplicaID) {
	for _, m := range slices.Concat(n.Config.Serving, n.Config.Syncing) {
		if m != r {
			n.retire(m, false)
		}
	}
	n.Former = slices.DeleteFunc(n.Former, func(f Former) bool { return f.Replica.Store == r.Store })
	n.Config.Serving = []chain.ReplicaID{r}
	n.Config.Settled = []chain.ReplicaID{r}
	n.Config.Syncing = nil
}

// resize sets factor and min_ack. min_ack rises only when enough members serve:
// a chain that commits goes on committing.
func (n *Chain) resize(c *ChangeChain) error {
	cfg := &n.Config
	if c.Factor == cfg.Factor && c.MinAck == cfg.MinAck {
		return errors.New("changes nothing")
	}
	if c.Factor < 1 || c.Factor > MaxFactor || c.MinAck < 1 || c.MinAck > c.Factor {
		return fmt.Errorf("factor %d with min_ack %d", c.Factor, c.MinAck)
	}
	if c.MinAck > cfg.MinAck && len(cfg.Serving) < int(c.MinAck) {
		return fmt.Errorf("%d members, min_ack %d", len(cfg.Serving), c.MinAck)
	}
	cfg.Factor, cfg.MinAck = c.Factor, c.MinAck
	return nil
}

// finish derives what follows from the members: order of the settled ones, the
// recoverable set, and what need not be remembered any more.
func (n *Chain) finish(st *State) {
	cfg := &n.Config
	var settled []chain.ReplicaID
	for _, r := range cfg.Serving {
		if cfg.IsSettled(r) {
			settled = append(settled, r)
		}
	}
	cfg.Settled = settled
	n.Former = slices.DeleteFunc(n.Former, func(f Former) bool {
		s := st.Store(f.Replica.Store)
		return s == nil || s.State == chain.StoreReplaced
	})
	if cfg.Writable() {
		cfg.Recoverable = slices.Clone(settled)
	} else {
		n.dropVoid()
	}
	n.Suspect = slices.DeleteFunc(n.Suspect, func(r chain.ReplicaID) bool {
		return !cfg.Member(r) && !slices.Contains(cfg.Recoverable, r)
	})
}

// dropVoid takes out of the recoverable set who may not be believed. Whoever
// serves, settled, is always in it: it holds every acknowledged write.
func (n *Chain) dropVoid() {
	cfg := &n.Config
	cfg.Recoverable = slices.DeleteFunc(cfg.Recoverable, func(r chain.ReplicaID) bool {
		f, ok := n.former(r.Store)
		return ok && f.Replica == r && f.Void
	})
	for _, r := range cfg.Settled {
		if !slices.Contains(cfg.Recoverable, r) {
			cfg.Recoverable = append(cfg.Recoverable, r)
		}
	}
}

// checkStep is the list of rules that every new configuration is held to,
// whatever made it. It repeats what derive ensures, in other words.
func checkStep(old, next *Chain, kind ChangeKind) error {
	a, b := &old.Config, &next.Config
	errs := []error{b.Validate()}
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("chain %d epoch %s: "+format, append([]any{b.Chain, b.Epoch}, args...)...))
	}
	if b.Chain != a.Chain || b.Kind != a.Kind || b.Prev != a.Epoch || b.Epoch != a.Epoch.Next() {
		bad("does not follow %s", a.Epoch)
	}
	restart := kind == ChangeRestart || kind == ChangeForce
	for _, r := range b.Serving {
		from := a.Position(r) >= 0 || kind == ChangePromote && a.IsSyncing(r) ||
			kind == ChangeRestart && slices.Contains(a.Recoverable, r) || kind == ChangeForce
		if !from {
			bad("%s serves without having joined", r)
		}
	}
	if len(b.Serving) > len(a.Serving)+1 || len(b.Syncing) > 1 {
		bad("more than one member came at once")
	}
	if !restart && !inOrder(a.Serving, b.Serving) {
		bad("the order of the members changed")
	}
	if restart && len(b.Serving) != 1 {
		bad("a dead chain starts from one member")
	}
	if !slices.ContainsFunc(b.Settled, func(r chain.ReplicaID) bool {
		return a.IsSettled(r) || kind == ChangeForce || kind == ChangeRestart && slices.Contains(a.Recoverable, r)
	}) {
		bad("no member was settled before")
	}
	if b.Writable() && !slices.Equal(b.Recoverable, b.Settled) {
		bad("the recoverable set is not the settled members")
	}
	if !b.Writable() && kind != ChangeForce && !subset(b.Recoverable, slices.Concat(a.Recoverable, b.Settled)) {
		bad("below min_ack the recoverable set took in a stranger")
	}
	if next.Next < old.Next {
		bad("incarnations went back")
	}
	return errors.Join(errs...)
}

// inOrder reports whether the members of b that are in a stand as they did.
func inOrder(a, b []chain.ReplicaID) bool {
	last := -1
	for _, r := range b {
		if i := slices.Index(a, r); i >= 0 {
			if i < last {
				return false
			}
			last = i
		}
	}
	return true
}

func subset(a, b []chain.ReplicaID) bool {
	return !slices.ContainsFunc(a, func(r chain.ReplicaID) bool { return !slices.Contains(b, r) })
}

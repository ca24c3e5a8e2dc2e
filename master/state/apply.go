package state

import (
	"errors"
	"fmt"
	"slices"

	"catena/chain"
)

// Result is how a command ended. It is the same on every voter.
type Result struct {
	// Version is the state's after the command.
	Version uint64
	// Refused is why nothing was changed; empty for a command that was carried out.
	Refused string
	// Repeat says that the op id was known: the answer is the first one's.
	Repeat bool
}

// Err gives the refusal as an error.
func (r Result) Err() error {
	if r.Refused == "" {
		return nil
	}
	return &RefusedError{Reason: r.Refused}
}

// RefusedError is the end of a command that changed nothing.
type RefusedError struct{ Reason string }

// Error implements error.
func (e *RefusedError) Error() string { return "master: refused: " + e.Reason }

// Apply carries out a command at a log index, wholly or not at all.
func (st *State) Apply(index uint64, cmd Command) Result {
	for i := range st.Ops {
		if op := &st.Ops[i]; op.ID == cmd.Op {
			return Result{Version: op.Version, Refused: op.Refused, Repeat: true}
		}
	}
	op := Op{ID: cmd.Op}
	if err := st.carryOut(cmd); err != nil {
		op.Refused = err.Error()
	} else {
		st.Version = index
	}
	op.Version = st.Version
	if len(st.Ops) >= OpWindow {
		st.Ops = slices.Delete(st.Ops, 0, len(st.Ops)-OpWindow+1)
	}
	st.Ops = append(st.Ops, op)
	return Result{Version: op.Version, Refused: op.Refused}
}

func (st *State) carryOut(cmd Command) error {
	if cmd.Init == nil && st.Cluster.IsZero() {
		return errors.New("there is no cluster yet")
	}
	switch {
	case cmd.Init != nil:
		return st.init(cmd.Init)
	case cmd.AddStore != nil:
		return st.addStore(cmd.AddStore.Store, chain.StoreID{})
	case cmd.SetStore != nil:
		return st.setStore(cmd.SetStore)
	case cmd.Replace != nil:
		return st.replace(cmd.Replace)
	case cmd.Change != nil:
		return st.change(cmd.Change)
	case cmd.Factor != nil:
		return st.setFactor(cmd.Factor)
	case cmd.Feature != nil:
		return st.setFeature(cmd.Feature)
	}
	return errors.New("an empty command")
}

func (st *State) addStore(n NewStore, replaces chain.StoreID) error {
	if n.ID.IsZero() {
		return errors.New("a store without id")
	}
	if st.Store(n.ID) != nil {
		return fmt.Errorf("store %s is known already", n.ID)
	}
	s := &Store{Incarnation: max(n.Incarnation, 1)}
	s.Store = chain.Store{ID: n.ID, State: chain.StoreLive, Domain: n.Domain, Replaces: replaces}
	st.Stores = append(st.Stores, s)
	return nil
}

func (st *State) setStore(c *SetStoreState) error {
	i := st.storeIndex(c.ID)
	if i < 0 {
		return fmt.Errorf("store %s is not known", c.ID)
	}
	old := st.Stores[i]
	if old.State != c.Expect {
		return fmt.Errorf("store %s is in state %d, not %d", c.ID, old.State, c.Expect)
	}
	next := *old
	next.State = c.State
	switch {
	case old.State == chain.StoreReplaced:
		return fmt.Errorf("store %s was replaced and is never used again", c.ID)
	case c.State == chain.StoreFailed:
		if old.State == chain.StoreFailed && (old.Broken || !c.Broken) {
			return fmt.Errorf("store %s has failed already", c.ID)
		}
		next.Broken, next.Reason = c.Broken, c.Reason
		if c.Broken {
			st.suspect(c.ID)
		}
	case c.State == chain.StoreLive && old.State == chain.StoreFailed:
		// After an I/O error the store is another one, whatever it says itself.
		next.Incarnation = max(old.Incarnation, c.Incarnation)
		if old.Broken {
			next.Incarnation = max(old.Incarnation+1, c.Incarnation)
		}
		next.Broken, next.Reason = false, ""
	default:
		return fmt.Errorf("store %s from state %d to %d", c.ID, old.State, c.State)
	}
	st.Stores[i] = &next
	return nil
}

// suspect marks everything that a store holds.
func (st *State) suspect(id chain.StoreID) {
	for i, c := range st.Chains {
		var marks []chain.ReplicaID
		for _, r := range slices.Concat(c.Config.Serving, c.Config.Syncing, c.Config.Recoverable) {
			if r.Store == id && !c.isSuspect(r) && !slices.Contains(marks, r) {
				marks = append(marks, r)
			}
		}
		f, was := c.former(id)
		if len(marks) == 0 && !(was && !f.Void) {
			continue
		}
		next := c.clone()
		next.Suspect = append(next.Suspect, marks...)
		for j := range next.Former {
			if next.Former[j].Replica.Store == id {
				next.Former[j].Void = true
			}
		}
		st.Chains[i] = next
	}
}

func (st *State) replace(c *ReplaceStore) error {
	i := st.storeIndex(c.Old)
	if i < 0 {
		return fmt.Errorf("store %s is not known", c.Old)
	}
	if st.Stores[i].State != chain.StoreFailed {
		return fmt.Errorf("store %s has not failed: only a failed store is replaced", c.Old)
	}
	if err := st.addStore(c.Store, c.Old); err != nil {
		return err
	}
	next := *st.Stores[i]
	next.State = chain.StoreReplaced
	st.Stores[i] = &next
	return nil
}

// MaxFactor bounds the length of a chain.
const MaxFactor = 9

func (st *State) setFactor(c *SetFactor) error {
	if c.Expect != st.Factor {
		return fmt.Errorf("the factor is %d, not %d", st.Factor, c.Expect)
	}
	if c.Factor < 1 || c.Factor > MaxFactor {
		return fmt.Errorf("a factor of %d: 1 to %d", c.Factor, MaxFactor)
	}
	st.Factor = c.Factor
	return nil
}

func (st *State) setFeature(c *SetFeature) error {
	if c.Level <= st.Feature {
		return fmt.Errorf("the feature level is %d already", st.Feature)
	}
	st.Feature = c.Level
	return nil
}

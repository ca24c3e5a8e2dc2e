package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"catena/chain"
)

// OpWindow is how many of the newest op ids are remembered. A command repeated
// after more than this many others is judged anew, by its expected epoch.
const OpWindow = 4096

// State is what the master's log says. Records behind pointers are never
// changed in place, so a Clone shares them.
type State struct {
	// Cluster is zero until Init.
	Cluster chain.ClusterID `json:"cluster"`
	// Feature is the activated feature level: no head emits above it.
	Feature uint32 `json:"feature"`
	// Version is the log index of the newest command that changed something.
	Version uint64 `json:"version"`
	// Factor is the number of replicas wanted of every chain.
	Factor uint8 `json:"factor"`
	// Stores are in the order in which they came; none is ever forgotten.
	Stores []*Store `json:"stores"`
	// Chains are sorted by id.
	Chains []*Chain `json:"chains"`
	// Tablets are sorted by Start and cover every key once.
	Tablets []chain.Tablet `json:"tablets"`
	// Ops are the remembered commands, oldest first, at most OpWindow.
	Ops []Op `json:"ops"`
	// Forced is the permanent record of restarts that may have lost writes.
	Forced []Forced `json:"forced,omitempty"`
}

// Store is a store with what only the master needs to know of it.
type Store struct {
	chain.Store
	// Incarnation grows when the store comes back after an I/O error.
	Incarnation uint64 `json:"incarnation"`
	// Broken: the failure was an I/O error of the disk, not an absence.
	Broken bool `json:"broken,omitempty"`
	// Reason is for people: why it failed.
	Reason string `json:"reason,omitempty"`
}

// Chain is a configuration with what only the master needs to know of it.
type Chain struct {
	Config chain.Config `json:"config"`
	// Next is the incarnation that the next new replica of this chain gets.
	// It only grows, so no incarnation is ever used again.
	Next uint64 `json:"next"`
	// Promoted tells the epoch of the newest promotion of the Serving members
	// that once joined. Settled is believed only of a lease since then.
	Promoted []Promotion `json:"promoted,omitempty"`
	// Former members, the newest per store. Never members at the same time.
	Former []Former `json:"former,omitempty"`
	// Suspect are members, or members of the recoverable set, whose store had
	// an I/O error after they were placed there.
	Suspect []chain.ReplicaID `json:"suspect,omitempty"`
}

// Promotion says when a member began to serve.
type Promotion struct {
	Replica chain.ReplicaID `json:"replica"`
	Epoch   chain.Epoch     `json:"epoch"`
}

// Former is a replica that was removed.
type Former struct {
	Replica chain.ReplicaID `json:"replica"`
	// Void: its rows are not to be believed (it diverged, or its store failed):
	// its store joins with a new incarnation.
	Void bool `json:"void,omitempty"`
}

// Op is a command that was applied, and how it ended.
type Op struct {
	ID      chain.OpID `json:"id"`
	Version uint64     `json:"version"`
	// Refused is empty for a command that was carried out.
	Refused string `json:"refused,omitempty"`
}

// Forced is the permanent record of an operator's forced restart.
type Forced struct {
	Chain   chain.ChainID   `json:"chain"`
	Epoch   chain.Epoch     `json:"epoch"`
	Replica chain.ReplicaID `json:"replica"`
	Reason  string          `json:"reason"`
}

// Clone copies the state; the records behind pointers are shared.
func (st *State) Clone() *State {
	c := *st
	c.Stores = slices.Clone(st.Stores)
	c.Chains = slices.Clone(st.Chains)
	c.Tablets = slices.Clone(st.Tablets)
	c.Ops = slices.Clone(st.Ops)
	c.Forced = slices.Clone(st.Forced)
	return &c
}

// Store finds a store; nil if it is not known.
func (st *State) Store(id chain.StoreID) *Store {
	if i := st.storeIndex(id); i >= 0 {
		return st.Stores[i]
	}
	return nil
}

func (st *State) storeIndex(id chain.StoreID) int {
	return slices.IndexFunc(st.Stores, func(s *Store) bool { return s.ID == id })
}

// Chain finds a chain; nil if it is not known.
func (st *State) Chain(id chain.ChainID) *Chain {
	if i := st.chainIndex(id); i >= 0 {
		return st.Chains[i]
	}
	return nil
}

func (st *State) chainIndex(id chain.ChainID) int {
	i, ok := slices.BinarySearchFunc(st.Chains, id, func(c *Chain, id chain.ChainID) int {
		return compare(c.Config.Chain, id)
	})
	if !ok {
		return -1
	}
	return i
}

func compare[T ~uint64 | ~int64 | ~int](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Map is what is published of the state. It shares nothing with it.
func (st *State) Map() *chain.Map {
	m := &chain.Map{Cluster: st.Cluster, Version: st.Version, Chains: make(map[chain.ChainID]chain.Config, len(st.Chains))}
	for _, s := range st.Stores {
		m.Stores = append(m.Stores, s.Store)
	}
	for _, c := range st.Chains {
		m.Chains[c.Config.Chain] = c.Config.Clone()
	}
	for _, t := range st.Tablets {
		t.Start, t.End = bytes.Clone(t.Start), bytes.Clone(t.End)
		m.Tablets = append(m.Tablets, t)
	}
	return m
}

// clone copies a chain for a change.
func (c *Chain) clone() *Chain {
	d := *c
	d.Config = c.Config.Clone()
	d.Promoted = slices.Clone(c.Promoted)
	d.Former = slices.Clone(c.Former)
	d.Suspect = slices.Clone(c.Suspect)
	return &d
}

// former finds what the chain remembers of a store.
func (c *Chain) former(id chain.StoreID) (Former, bool) {
	for _, f := range c.Former {
		if f.Replica.Store == id {
			return f, true
		}
	}
	return Former{}, false
}

// isSuspect reports whether the replica's store had an I/O error.
func (c *Chain) isSuspect(r chain.ReplicaID) bool { return slices.Contains(c.Suspect, r) }

// promotedAt is the epoch of r's newest promotion; zero for a member that never joined.
func (c *Chain) promotedAt(r chain.ReplicaID) chain.Epoch {
	for _, p := range c.Promoted {
		if p.Replica == r {
			return p.Epoch
		}
	}
	return chain.Epoch{}
}

// Check reports every invariant that the state breaks.
func (st *State) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	seen := map[chain.StoreID]bool{}
	for _, s := range st.Stores {
		if s.ID.IsZero() || seen[s.ID] {
			bad("store %s without identity, or twice", s.ID)
		}
		if s.State < chain.StoreLive || s.State > chain.StoreReplaced {
			bad("store %s in state %d", s.ID, s.State)
		}
		seen[s.ID] = true
	}
	if len(st.Ops) > OpWindow {
		bad("%d remembered commands, more than %d", len(st.Ops), OpWindow)
	}
	last := chain.ChainID(0)
	for _, c := range st.Chains {
		if c.Config.Chain <= last {
			bad("chain %d after %d", c.Config.Chain, last)
		}
		last = c.Config.Chain
		if err := c.check(seen); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, st.checkTablets())
	return errors.Join(errs...)
}

// checkTablets reports gaps, overlaps and tablets without an index chain.
func (st *State) checkTablets() error {
	var errs []error
	bad := func(t *chain.Tablet, what string) { errs = append(errs, fmt.Errorf("tablet %d: %s", t.ID, what)) }
	var end []byte
	for i := range st.Tablets {
		t := &st.Tablets[i]
		if !bytes.Equal(t.Start, end) || i > 0 && len(end) == 0 {
			bad(t, "does not start where the one before ends")
		}
		end = t.End
		if c := st.Chain(t.Chain); c == nil || c.Config.Kind != chain.KindIndex {
			bad(t, "has no index chain")
		}
		if t.ID == 0 || t.Generation == 0 {
			bad(t, "has no id or generation")
		}
	}
	if len(st.Tablets) > 0 && len(end) != 0 {
		errs = append(errs, errors.New("the last tablet does not reach the end of all keys"))
	}
	return errors.Join(errs...)
}

// check reports what is wrong with one chain.
func (c *Chain) check(known map[chain.StoreID]bool) error {
	cfg := &c.Config
	errs := []error{cfg.Validate()}
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("chain %d epoch %s: "+format, append([]any{cfg.Chain, cfg.Epoch}, args...)...))
	}
	if len(cfg.Syncing) > 1 {
		bad("%d joiners", len(cfg.Syncing))
	}
	for _, r := range slices.Concat(cfg.Serving, cfg.Syncing) {
		if !known[r.Store] {
			bad("replica %s on an unknown store", r)
		}
		if r.Incarnation >= c.Next {
			bad("replica %s above the next incarnation %d", r, c.Next)
		}
	}
	if len(cfg.Recoverable) == 0 {
		bad("empty recoverable set")
	}
	if cfg.Writable() && !slices.Equal(cfg.Recoverable, cfg.Settled) {
		bad("recoverable set %v is not the settled members %v", cfg.Recoverable, cfg.Settled)
	}
	for i, r := range cfg.Serving {
		// An unsettled member is the tail, so it is never head: promotion waits
		// until the member before has settled.
		if !cfg.IsSettled(r) && (cfg.Kind != chain.KindIndex || i != len(cfg.Serving)-1) {
			bad("unsettled %s at position %d", r, i)
		}
	}
	for _, f := range c.Former {
		if cfg.Member(f.Replica) {
			bad("former %s is a member", f.Replica)
		}
	}
	return errors.Join(errs...)
}

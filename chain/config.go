package chain

import (
	"errors"
	"fmt"
	"slices"
)

// Epoch orders the configurations of one chain. The recovery number is raised
// only when masters come back from a backup; N grows by one per configuration.
type Epoch struct {
	Recovery uint32 `json:"recovery"`
	N        uint64 `json:"n"`
}

// Compare orders epochs by recovery number, then N.
func (e Epoch) Compare(o Epoch) int {
	switch {
	case e.Recovery < o.Recovery:
		return -1
	case e.Recovery > o.Recovery:
		return 1
	case e.N < o.N:
		return -1
	case e.N > o.N:
		return 1
	}
	return 0
}

// Less reports e < o.
func (e Epoch) Less(o Epoch) bool { return e.Compare(o) < 0 }

// IsZero reports whether this is no epoch at all.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Next is the epoch of the configuration that follows.
func (e Epoch) Next() Epoch { return Epoch{Recovery: e.Recovery, N: e.N + 1} }

// String gives recovery.N.
func (e Epoch) String() string { return fmt.Sprintf("%d.%d", e.Recovery, e.N) }

// Kind says what a chain replicates.
type Kind uint8

// The kinds of chain. KindCoded is reserved for coding groups.
const (
	KindIndex Kind = 1
	KindData  Kind = 2
	KindCoded Kind = 3
)

// String gives the name used in logs and metrics.
func (k Kind) String() string {
	switch k {
	case KindIndex:
		return "index"
	case KindData:
		return "data"
	case KindCoded:
		return "coded"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Config is one configuration of a chain. Only the master's committed log
// makes one; each names its predecessor, so the epochs of a chain form a line.
type Config struct {
	Chain ChainID `json:"chain"`
	Kind  Kind    `json:"kind"`
	Epoch Epoch   `json:"epoch"`
	// Prev is the epoch of the configuration that this one replaced; zero for the first.
	Prev Epoch `json:"prev"`
	// Serving is in order: the first is the head, the last the tail.
	Serving []ReplicaID `json:"serving"`
	// Syncing replicas receive every live entry, are never head or tail,
	// never count and are never a source. At most one at a time.
	Syncing []ReplicaID `json:"syncing,omitempty"`
	// Settled are the Serving members that were in the first configuration or
	// have held a read lease since their latest promotion.
	// Invariant: at least one member of every configuration is settled.
	Settled []ReplicaID `json:"settled"`
	// Recoverable are the settled members of the newest configuration that had
	// at least MinAck members. Any of them holds every acknowledged write.
	Recoverable []ReplicaID `json:"recoverable"`
	// Factor is the number of replicas wanted; MinAck the number below which
	// the chain commits nothing (2; 1 when Factor is 1).
	Factor uint8 `json:"factor"`
	MinAck uint8 `json:"min_ack"`
}

// Head is the first Serving replica; zero if there is none.
func (c *Config) Head() ReplicaID {
	if len(c.Serving) == 0 {
		return ReplicaID{}
	}
	return c.Serving[0]
}

// Tail is the last Serving replica; zero if there is none.
func (c *Config) Tail() ReplicaID {
	if len(c.Serving) == 0 {
		return ReplicaID{}
	}
	return c.Serving[len(c.Serving)-1]
}

// Position is r's place in Serving, or -1.
func (c *Config) Position(r ReplicaID) int { return slices.Index(c.Serving, r) }

// IsSyncing reports whether r is a joiner.
func (c *Config) IsSyncing(r ReplicaID) bool { return slices.Contains(c.Syncing, r) }

// Member reports whether r serves or joins.
func (c *Config) Member(r ReplicaID) bool { return c.Position(r) >= 0 || c.IsSyncing(r) }

// IsSettled reports whether r is settled.
func (c *Config) IsSettled(r ReplicaID) bool { return slices.Contains(c.Settled, r) }

// Pred is the Serving replica before r; zero for the head and for strangers.
// The predecessor of a joiner is the tail.
func (c *Config) Pred(r ReplicaID) ReplicaID {
	if c.IsSyncing(r) {
		return c.Tail()
	}
	if i := c.Position(r); i > 0 {
		return c.Serving[i-1]
	}
	return ReplicaID{}
}

// Succ is the Serving replica after r; zero for the tail and for strangers.
func (c *Config) Succ(r ReplicaID) ReplicaID {
	if i := c.Position(r); i >= 0 && i+1 < len(c.Serving) {
		return c.Serving[i+1]
	}
	return ReplicaID{}
}

// Writable reports whether the chain has enough Serving members to commit.
func (c *Config) Writable() bool { return len(c.Serving) >= int(c.MinAck) && len(c.Serving) > 0 }

// Clone copies the configuration with its slices.
func (c *Config) Clone() Config {
	d := *c
	d.Serving = slices.Clone(c.Serving)
	d.Syncing = slices.Clone(c.Syncing)
	d.Settled = slices.Clone(c.Settled)
	d.Recoverable = slices.Clone(c.Recoverable)
	return d
}

// Validate reports every rule that the configuration breaks.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("chain %d epoch %s: "+format, append([]any{c.Chain, c.Epoch}, args...)...))
	}
	if c.Chain == 0 {
		bad("no chain id")
	}
	if c.Kind != KindIndex && c.Kind != KindData {
		bad("unknown kind %d", c.Kind)
	}
	if !c.Prev.Less(c.Epoch) {
		bad("does not follow its predecessor %s", c.Prev)
	}
	if len(c.Serving) == 0 {
		bad("no serving replica")
	}
	if c.MinAck == 0 || c.MinAck > c.Factor {
		bad("min_ack %d with factor %d", c.MinAck, c.Factor)
	}
	seen := map[StoreID]bool{}
	for _, r := range slices.Concat(c.Serving, c.Syncing) {
		if r.Store.IsZero() || r.Incarnation == 0 {
			bad("replica %s without identity", r)
		}
		if seen[r.Store] {
			bad("store %s twice", r.Store)
		}
		seen[r.Store] = true
	}
	settled := 0
	for _, r := range c.Settled {
		if c.Position(r) < 0 {
			bad("settled %s does not serve", r)
		}
		settled++
	}
	if settled == 0 {
		bad("no settled member")
	}
	return errors.Join(errs...)
}

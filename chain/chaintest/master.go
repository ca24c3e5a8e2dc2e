package chaintest

import (
	"slices"

	"catena/chain"
	"catena/chain/internal/rule"
)

// Master is the master's log for one chain: every change is atomic and makes
// the next epoch. It follows the rules of the real planner, and no others: it
// may suspect anybody at any time.
type Master struct {
	Config chain.Config
	// History is every configuration, oldest first.
	History []chain.Config
	rules   rule.Set
}

// NewMaster starts a chain.
func NewMaster(first chain.Config, rules rule.Set) *Master {
	m := &Master{rules: rules}
	m.commit(first)
	return m
}

// NewChain is a first configuration: everyone in it is settled.
func NewChain(kind chain.Kind, factor, minAck int, serving ...chain.ReplicaID) chain.Config {
	return chain.Config{
		Chain: 1, Kind: kind, Epoch: chain.Epoch{N: 1}, Serving: serving, Settled: slices.Clone(serving),
		Recoverable: slices.Clone(serving), Factor: uint8(factor), MinAck: uint8(minAck),
	}
}

func (m *Master) commit(c chain.Config) {
	m.Config = c
	m.History = append(m.History, c)
}

// next begins a change of the present configuration.
func (m *Master) next() chain.Config {
	c := m.Config.Clone()
	c.Prev, c.Epoch = c.Epoch, c.Epoch.Next()
	return c
}

// finish derives what follows from the members, and commits, unless a rule forbids it.
func (m *Master) finish(c chain.Config) bool {
	serves := func(r chain.ReplicaID) bool { return slices.Contains(c.Serving, r) }
	c.Settled = slices.DeleteFunc(c.Settled, func(r chain.ReplicaID) bool { return !serves(r) })
	if !m.rules.Holds(rule.SettledMember) && len(c.Settled) == 0 {
		c.Settled = slices.Clone(c.Serving)
	}
	if c.Writable() {
		c.Recoverable = slices.Clone(c.Settled)
	}
	if c.Validate() != nil {
		return false
	}
	m.commit(c)
	return true
}

// Remove takes a member (or the joiner) out, and with it unsettled members that
// would become head: a head holds no lease, so it could never settle. It
// refuses to take the last settled one: then the chain waits for it.
func (m *Master) Remove(r chain.ReplicaID) bool {
	if !m.Config.Member(r) {
		return false
	}
	c := m.next()
	drop := func(o chain.ReplicaID) bool { return o == r }
	c.Serving = slices.DeleteFunc(c.Serving, drop)
	c.Syncing = slices.DeleteFunc(c.Syncing, drop)
	for len(c.Serving) > 1 && !c.IsSettled(c.Serving[0]) && m.rules.Holds(rule.SettledMember) {
		c.Serving = c.Serving[1:]
	}
	return len(c.Serving) > 0 && m.finish(c)
}

// Join adds a joiner; one at a time.
func (m *Master) Join(r chain.ReplicaID) bool {
	for _, o := range append(slices.Clone(m.Config.Serving), m.Config.Syncing...) {
		if o.Store == r.Store {
			return false
		}
	}
	if len(m.Config.Syncing) > 0 || len(m.Config.Serving) >= int(m.Config.Factor)+1 {
		return false
	}
	c := m.next()
	c.Syncing = []chain.ReplicaID{r}
	return m.finish(c)
}

// Promote makes the joiner serve, as the new tail, if the report is of the
// present epoch. A promoted member of an index chain is not settled.
func (m *Master) Promote(epoch chain.Epoch, r chain.ReplicaID) bool {
	if !m.Config.IsSyncing(r) || epoch != m.Config.Epoch && m.rules.Holds(rule.ReportOfEpoch) {
		return false
	}
	c := m.next()
	c.Syncing = nil
	c.Serving = append(c.Serving, r)
	if c.Kind == chain.KindData {
		c.Settled = append(c.Settled, r)
	}
	return m.finish(c)
}

// Settle notes that a member has held a lease in the present epoch.
func (m *Master) Settle(epoch chain.Epoch, r chain.ReplicaID) bool {
	if m.Config.Position(r) < 0 || m.Config.IsSettled(r) || epoch != m.Config.Epoch {
		return false
	}
	c := m.next()
	c.Settled = append(c.Settled, r)
	return m.finish(c)
}

// Restart starts the chain again from one member of the recoverable set, alone.
func (m *Master) Restart(r chain.ReplicaID) bool {
	if !slices.Contains(m.Config.Recoverable, r) {
		return false
	}
	c := m.next()
	c.Serving, c.Syncing, c.Settled = []chain.ReplicaID{r}, nil, []chain.ReplicaID{r}
	return m.finish(c)
}

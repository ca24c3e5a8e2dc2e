package state

import "catena/chain"

// Observed is what the driver has learned and no log keeps. It may be wrong or
// old: then a change comes late, is refused, or costs a resync.
type Observed struct {
	Now chain.Instant
	// Stores that have been heard of since this leader began. Of a store that
	// is missing here nothing is known.
	Stores map[chain.StoreID]Health
	// Reports are those that still may hold, in any order.
	Reports []chain.Report
	// Offers are stores that want to be taken in, in the order of their coming.
	Offers []Offer
	Limits Limits
}

// Health is what is known of a store.
type Health struct {
	// Alive: it answers. Broken: its disk failed by an I/O error.
	Alive, Broken bool
	// Since is when Alive changed last; Flaps how often it was lost of late.
	Since chain.Instant
	Flaps int
	// Full: it has reached its soft limit and takes no joiner.
	Full bool
	// Incarnation is the store's own.
	Incarnation uint64
	Reason      string
}

// Offer is a store that wants to be taken in.
type Offer struct {
	Store NewStore
	// Replaces is the store in whose place it comes; zero for none.
	Replaces chain.StoreID
}

// Limits bound what the planner does at once. Durations are nanoseconds.
type Limits struct {
	// JoinsPerTarget and JoinsPerSource bound the joiners that one store is
	// filled with, and that one store fills, at a time.
	JoinsPerTarget, JoinsPerSource int
	// ReplaceAfter is how long a store that is absent, but not broken, is
	// waited for before its replicas are made elsewhere.
	ReplaceAfter int64
	// Hold is how long a store that was lost once must have been back before it
	// is given joiners; each further loss doubles it, up to 64 times.
	Hold int64
	// Rebalance lets replicas move to stores that hold fewer.
	Rebalance bool
}

// DefaultLimits are those of a server.
func DefaultLimits() Limits {
	return Limits{JoinsPerTarget: 8, JoinsPerSource: 8, ReplaceAfter: 600 * chain.Second, Hold: 5 * chain.Second, Rebalance: true}
}

// down reports that a store cannot serve now, by the log or by what is seen.
func (o *Observed) down(st *State, id chain.StoreID) bool {
	s := st.Store(id)
	if s == nil || s.State != chain.StoreLive {
		return true
	}
	h, known := o.Stores[id]
	return known && (!h.Alive || h.Broken)
}

// up reports that a store is known to answer.
func (o *Observed) up(st *State, id chain.StoreID) bool {
	h, known := o.Stores[id]
	return known && h.Alive && !h.Broken && !o.down(st, id)
}

// steady reports that a store may be given joiners.
func (o *Observed) steady(st *State, id chain.StoreID) bool {
	h := o.Stores[id]
	if !o.up(st, id) || h.Full {
		return false
	}
	if h.Flaps == 0 {
		return true
	}
	hold := o.Limits.Hold << min(h.Flaps-1, 6)
	return int64(o.Now-h.Since) >= hold
}

// Confirm is what the replicas and stores themselves say.
type Confirm struct {
	// Installed is the newest epoch that a replica is known to have persisted.
	Installed func(chain.ChainID, chain.ReplicaID) chain.Epoch
	// Down reports that a store cannot serve now.
	Down func(chain.StoreID) bool
}

// Unwritable gives the chains of which fewer than min_ack members can serve,
// whether or not the masters, who may lack a majority, could take the others out.
func (st *State) Unwritable(by Confirm) (out []*Chain) {
	for _, c := range st.Chains {
		if !c.Writable(by) {
			out = append(out, c)
		}
	}
	return out
}

// Writable reports whether enough members can serve for the chain to take writes.
func (c *Chain) Writable(by Confirm) bool {
	up := 0
	for _, r := range c.Config.Serving {
		if !by.Down(r.Store) {
			up++
		}
	}
	return up >= int(c.Config.MinAck)
}

// BelowFactor gives the chains of which the replicas themselves do not say that
// all is well: as many members as wanted serve, settled, on live stores, nobody
// joins, and each member has installed the newest epoch.
func (st *State) BelowFactor(by Confirm) (below []*Chain) {
	for _, c := range st.Chains {
		cfg := &c.Config
		ok := len(cfg.Serving) >= int(max(cfg.Factor, st.Factor)) && len(cfg.Settled) == len(cfg.Serving) && len(cfg.Syncing) == 0
		for _, r := range cfg.Serving {
			s := st.Store(r.Store)
			ok = ok && s != nil && s.State == chain.StoreLive && !by.Down(r.Store) && by.Installed(cfg.Chain, r) == cfg.Epoch && !c.isSuspect(r)
		}
		if !ok {
			below = append(below, c)
		}
	}
	return below
}

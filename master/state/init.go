package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"catena/chain"
)

// Bounds of Init, against a command that would eat the memory of every voter.
const (
	maxTablets    = 1 << 16
	maxDataChains = 1 << 16
	maxStores     = 1 << 14
)

func (st *State) init(c *Init) error {
	switch {
	case !st.Cluster.IsZero():
		return fmt.Errorf("cluster %s is there already", st.Cluster)
	case c.Cluster.IsZero():
		return errors.New("no cluster id")
	case len(c.Stores) == 0 || len(c.Stores) > maxStores:
		return fmt.Errorf("%d stores", len(c.Stores))
	case c.Tablets < 1 || c.Tablets > maxTablets:
		return fmt.Errorf("%d tablets", c.Tablets)
	case c.DataChains < 1 || c.DataChains > maxDataChains:
		return fmt.Errorf("%d data chains", c.DataChains)
	}
	factor := c.Factor
	if factor == 0 {
		factor = uint8(min(3, len(c.Stores)))
	}
	if factor > MaxFactor || int(factor) > len(c.Stores) {
		return fmt.Errorf("a factor of %d with %d stores, at most %d", factor, len(c.Stores), MaxFactor)
	}
	next := &State{Cluster: c.Cluster, Feature: c.Feature, Factor: factor, Ops: st.Ops}
	for _, s := range c.Stores {
		if err := next.addStore(s, chain.StoreID{}); err != nil {
			return err
		}
	}
	next.layOut(c)
	if err := next.Check(); err != nil {
		return err
	}
	*st = *next
	return nil
}

// layOut makes the chains: tablets first, the system tablet as chain 1, then
// the data chains. Roles are counted for each kind by itself, so that both the
// heads of tablets and those of data chains are spread evenly.
func (st *State) layOut(c *Init) {
	id := chain.ChainID(1)
	l := newLoad(nil)
	for i := 0; i <= c.Tablets; i++ {
		st.Chains = append(st.Chains, st.first(id, chain.KindIndex, l))
		st.Tablets = append(st.Tablets, chain.Tablet{
			ID: chain.TabletID(i + 1), Chain: id, Generation: 1,
			Start: tabletStart(i, c.Tablets), End: tabletStart(i+1, c.Tablets),
		})
		id++
	}
	l.forgetRoles()
	for range c.DataChains {
		st.Chains = append(st.Chains, st.first(id, chain.KindData, l))
		id++
	}
}

// first is the first configuration of a chain. All its members are settled.
func (st *State) first(id chain.ChainID, kind chain.Kind, l *load) *Chain {
	members := l.place(st.Stores, int(st.Factor))
	c := chain.Config{Chain: id, Kind: kind, Epoch: chain.Epoch{N: 1}, Factor: st.Factor, MinAck: minAck(st.Factor)}
	for _, s := range members {
		c.Serving = append(c.Serving, chain.ReplicaID{Store: s.ID, Incarnation: 1})
	}
	d := c.Clone()
	c.Settled, c.Recoverable = d.Serving, append([]chain.ReplicaID(nil), d.Serving...)
	return &Chain{Config: c, Next: 2}
}

// minAck is the number of members below which a chain commits nothing.
func minAck(factor uint8) uint8 { return min(2, factor) }

// tabletStart is where tablet i of a new cluster starts: 0 is the system
// tablet, which holds bucketID 0 alone; the n others share the remaining
// bucketIDs evenly. It is nil for i = 0 and, as an end, for i = n+1.
func tabletStart(i, n int) []byte {
	if i == 0 || i == n+1 {
		return nil
	}
	b := make([]byte, 16)
	if i == 1 {
		b[15] = 1
		return b
	}
	// (i-1) * 2^64 / n, of the upper half of the bucketID.
	q, _ := bits.Div64(uint64(i-1), 0, uint64(n))
	binary.BigEndian.PutUint64(b, q)
	return b
}

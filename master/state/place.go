package state

import (
	"slices"

	"catena/chain"
)

// scatter is the number of other stores with which a store shares chains that
// placement does not exceed while it has another choice: more partners make
// recovery faster, and the loss of some factor of stores at once likelier to
// hit a chain.
const scatter = 12

// load counts what stores carry, to choose among them.
type load struct {
	replicas map[chain.StoreID]int
	heads    map[chain.StoreID]int
	tails    map[chain.StoreID]int
	// pairs counts the chains that two stores share.
	pairs map[[2]chain.StoreID]int
	width map[chain.StoreID]int
}

func newLoad(chains []*Chain) *load {
	l := &load{replicas: map[chain.StoreID]int{}, pairs: map[[2]chain.StoreID]int{}, width: map[chain.StoreID]int{}}
	l.forgetRoles()
	for _, c := range chains {
		var ids []chain.StoreID
		for _, r := range slices.Concat(c.Config.Serving, c.Config.Syncing) {
			ids = append(ids, r.Store)
		}
		l.count(ids)
	}
	return l
}

func (l *load) forgetRoles() {
	l.heads, l.tails = map[chain.StoreID]int{}, map[chain.StoreID]int{}
}

// count adds a chain on these stores.
func (l *load) count(ids []chain.StoreID) {
	for i, a := range ids {
		l.replicas[a]++
		for _, b := range ids[:i] {
			l.pair(a, b)
		}
	}
}

// add adds a store to a chain on others.
func (l *load) add(id chain.StoreID, others []chain.StoreID) {
	l.replicas[id]++
	for _, o := range others {
		l.pair(id, o)
	}
}

func pairKey(a, b chain.StoreID) [2]chain.StoreID {
	if slices.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return [2]chain.StoreID{a, b}
}

func (l *load) pair(a, b chain.StoreID) {
	k := pairKey(a, b)
	if l.pairs[k] == 0 {
		l.width[a]++
		l.width[b]++
	}
	l.pairs[k]++
}

// shared tells how closely a store is tied to the others already, and how many
// of them would be new partners beyond the scatter width.
func (l *load) shared(id chain.StoreID, others []*Store) (chains, beyond int) {
	for _, o := range others {
		n := l.pairs[pairKey(id, o.ID)]
		chains += n
		if n == 0 && (l.width[id] >= scatter || l.width[o.ID] >= scatter) {
			beyond++
		}
	}
	return chains, beyond
}

// place chooses the members of a new chain, in order: as head the store with
// the fewest heads, beside it those that fit best, and of these as tail the one
// with the fewest tails.
func (l *load) place(stores []*Store, n int) []*Store {
	members := []*Store{l.best(stores, nil, l.heads)}
	for len(members) < n {
		members = append(members, l.best(stores, members, nil))
	}
	tail := n - 1
	for i := n - 2; i > 0; i-- {
		if l.tails[members[i].ID] < l.tails[members[tail].ID] {
			tail = i
		}
	}
	members[tail], members[n-1] = members[n-1], members[tail]
	l.heads[members[0].ID]++
	l.tails[members[n-1].ID]++
	ids := make([]chain.StoreID, n)
	for i, m := range members {
		ids[i] = m.ID
	}
	l.count(ids)
	return members
}

// best is the store to put beside the others: in another failure domain as
// wide as possible, then with the fewest of the role, then with the fewest
// replicas, then with the fewest shared chains, then the oldest.
func (l *load) best(stores, others []*Store, role map[chain.StoreID]int) *Store {
	var best *Store
	var cost []int
	for _, s := range stores {
		if slices.ContainsFunc(others, func(o *Store) bool { return o.ID == s.ID }) {
			continue
		}
		shared, beyond := l.shared(s.ID, others)
		c := []int{conflict(s, others), beyond, role[s.ID], l.replicas[s.ID], shared}
		if best == nil || slices.Compare(c, cost) < 0 {
			best, cost = s, c
		}
	}
	return best
}

// conflict is the widest level of failure domain in which a store differs from
// all others: 0 zone, 1 rack, 2 host, 3 disk, 4 not even that. A domain is
// named by its whole path: two racks "1" in different zones are two racks.
func conflict(s *Store, others []*Store) int {
	worst := 0
	for _, o := range others {
		level := 0
		for level < len(s.Domain) && slices.Equal(s.Domain[:level+1], o.Domain[:level+1]) {
			level++
		}
		worst = max(worst, level)
	}
	return worst
}

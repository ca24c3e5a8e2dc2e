package store

import (
	"cmp"
	"slices"
	"sync"

	"catena/chain"
)

// DamagedChunk is a sealed chunk whose bytes did not match their checksums when
// they were last read. It is kept and listed; its good blocks are still given
// out, the others answer ErrDamaged. Its id may be reserved: sealing a good
// copy puts the damaged one aside, in one record.
type DamagedChunk struct {
	Key Key
	ID  chain.ChunkID
	Why string
}

// damaged are the chunks of which a read since Open found damage.
type damaged struct {
	mu  sync.Mutex
	why map[damagedKey]string
}

type damagedKey struct {
	key Key
	id  chain.ChunkID
}

func (d *damaged) note(k Key, id chain.ChunkID, why string) (known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.why == nil {
		d.why = map[damagedKey]string{}
	}
	_, known = d.why[damagedKey{k, id}]
	d.why[damagedKey{k, id}] = why
	return known
}

// forget is for chunks that are gone, or whose place a good one has taken.
func (d *damaged) forget(k Key, ids ...chain.ChunkID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		delete(d.why, damagedKey{k, id})
	}
}

func (d *damaged) forgetReplica(k Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for dk := range d.why {
		if dk.key == k {
			delete(d.why, dk)
		}
	}
}

func (d *damaged) get(k Key, id chain.ChunkID) (why string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	why, ok = d.why[damagedKey{k, id}]
	return why, ok
}

func (d *damaged) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.why)
}

// Damaged lists the chunks that reads since Open found damaged and of which no
// good copy was sealed since, by replica and id.
func (s *Store) Damaged() []DamagedChunk {
	s.damaged.mu.Lock()
	out := make([]DamagedChunk, 0, len(s.damaged.why))
	for k, why := range s.damaged.why {
		out = append(out, DamagedChunk{Key: k.key, ID: k.id, Why: why})
	}
	s.damaged.mu.Unlock()
	slices.SortFunc(out, func(a, b DamagedChunk) int {
		return cmp.Or(cmp.Compare(a.Key.Chain, b.Key.Chain), cmp.Compare(a.Key.Incarnation, b.Key.Incarnation), a.ID.Compare(b.ID))
	})
	return out
}

// badBlock is the first block of an extent's piece b, which begins at from,
// that does not match its sum; -1 if all do.
func (c *chunkRecord) badBlock(b []byte, from uint32) int {
	for i := 0; i < len(b); i += sumBlock {
		n := (int(from) + i) / sumBlock
		if sum(0, b[i:min(i+sumBlock, len(b))]) != c.sums[n] {
			return n
		}
	}
	return -1
}

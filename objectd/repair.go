package objectd

import (
	"errors"

	"catena/chain"
	"catena/chain/data"
	"catena/objectd/store"
)

// repair asks the replicas of a disk for good copies of the chunks that reads
// found damaged. It is done every second: a replica that cannot copy now (it is
// not in an active epoch, no neighbour answers) is asked again. The bad copy
// stays until the good one is sealed, and is put aside in the same record.
func (n *Node) repair(d *disk) {
	byKey := map[store.Key][]chain.ChunkID{}
	for _, c := range d.st.Damaged() {
		byKey[c.Key] = append(byKey[c.Key], c.ID)
	}
	for k, ids := range byKey {
		r := n.lookup(address{k.Chain, chain.ReplicaID{Store: d.id, Incarnation: k.Incarnation}})
		if r != nil && !r.base().ended.Load() {
			r.base().box.post(data.Repair{Chunks: ids})
		}
	}
}

// unreadable is told how a read of a chunk ended. Damaged bytes are copied again
// from a neighbour; damage of the row that says where they are is the replica's.
func (r *dataReplica) unreadable(id chain.ChunkID, err error) {
	var e *store.Error
	switch {
	case !errors.Is(err, store.ErrDamaged):
	case errors.As(err, &e) && e.Chunk == id:
		r.box.post(data.Repair{Chunks: []chain.ChunkID{id}})
	default:
		r.damaged(err)
	}
}

// Stats describes the disks that work, for people.
func (n *Node) Stats() map[chain.StoreID]store.Stats {
	out := map[chain.StoreID]store.Stats{}
	for _, d := range n.disks {
		if d.failed() != nil || !d.enter() {
			continue
		}
		out[d.id] = d.st.Stats()
		d.leave()
	}
	return out
}

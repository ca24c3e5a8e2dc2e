package objectd

import (
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/objectd/store"
)

// disk is one store of the node.
type disk struct {
	id chain.StoreID
	st *store.Store
	// found is what the disk holds, until the first map says which tablets the
	// replicas serve.
	found []store.Recovered
	// blank: nothing was found.
	blank bool
	// news: a replica persisted an epoch, and the master does not know yet.
	news atomic.Bool
	// err is why the disk does not work; set once.
	err atomic.Pointer[error]
}

func (d *disk) failed() error {
	if p := d.err.Load(); p != nil {
		return *p
	}
	return nil
}

// ended reports that the disk works no more, also while nobody was told yet:
// the store knows before its OnFail comes through.
func (d *disk) ended() bool { return d.failed() != nil || d.st.Failed() != nil }

// firstIncarnation is that of the members of a chain's first configuration.
const firstIncarnation = 1

// mayBegin reports whether a replica that is not on the disk may start from
// nothing: a joiner, and a member of the chain's first configuration that never
// acted, because then nothing was ever committed without it. That it never
// acted is known while the first configuration holds, and on a disk that never
// held anything (the first map that came to it was not the first). Any other
// Serving replica was lost, and an empty one in its place would be believed.
func (d *disk) mayBegin(c *chain.Config, id chain.ReplicaID) bool {
	return c.IsSyncing(id) || c.Prev.IsZero() || d.blank && id.Incarnation == firstIncarnation
}

// openDisks opens all disks at once: each replays its own log.
func (n *Node) openDisks() {
	var wg sync.WaitGroup
	for _, dc := range n.cfg.Disks {
		d := &disk{id: dc.ID}
		n.disks[dc.ID] = d
		wg.Go(func() {
			st, err := store.Open(n.cfg.storeConfig(dc, n.cache, func(err error) { n.diskFailed(d, err) }))
			if err != nil {
				n.diskFailed(d, err)
				return
			}
			d.st = st
		})
	}
	wg.Wait()
}

// diskFailed takes a disk's replicas out of service: they answer nothing and
// hear nothing any more, as if the disk's host were gone.
func (n *Node) diskFailed(d *disk, err error) {
	if !d.err.CompareAndSwap(nil, &err) {
		return
	}
	n.cfg.Logger.Error("store failed", "store", d.id.String(), "err", err)
	for _, r := range n.all() {
		if a := r.base(); a.disk == d {
			n.retire(a)
		}
	}
	n.cfg.Master.StoreFailed(d.id, err)
}

// info is what the master is told of a disk.
func (n *Node) info(d *disk, all []replica) DiskInfo {
	out := DiskInfo{Full: d.st.Free() <= 0}
	if n.cmap.Load() == nil {
		return out
	}
	out.Replicas = []ReplicaInfo{}
	for _, r := range all {
		a := r.base()
		if e := a.persisted.Load(); a.disk == d && e != nil && !a.ended.Load() {
			out.Replicas = append(out.Replicas, ReplicaInfo{a.key.Chain, a.key.Incarnation, *e})
		}
	}
	return out
}

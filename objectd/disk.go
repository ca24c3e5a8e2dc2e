package objectd

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/objectd/store"
	"catena/objectd/vfs"
)

// disk is one store of the node.
type disk struct {
	id chain.StoreID
	st *store.Store
	// found is what the disk holds, until the first map says which tablets the
	// replicas serve.
	found []store.Recovered
	// blank: nothing was found. lost: something must have been there.
	blank, lost bool
	// news: a replica persisted an epoch, and the master does not know yet.
	news atomic.Bool
	// err is why the disk does not work; set once. gone is closed after that.
	err  atomic.Pointer[error]
	gone chan struct{}

	// running waits for the disk's ticker, its actors, and what runs beside them.
	running sync.WaitGroup
	// life is held for reading by whoever uses the store outside of an actor, and
	// for writing to close it: a store is closed only when nobody reads it.
	life   sync.RWMutex
	closed bool // under life
	// begun and finished count the calls that change the disk: see watch.
	begun, finished atomic.Int64
	// hungry counts the whole rounds since the log last had room. Only the disk's
	// ticker uses it.
	hungry int
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
// Serving replica was lost, and an empty one in its place would be believed. A
// disk that is known to have lost its files begins nothing but joiners.
func (d *disk) mayBegin(c *chain.Config, id chain.ReplicaID) bool {
	if c.IsSyncing(id) {
		return true
	}
	return !d.lost && (c.Prev.IsZero() || d.blank && id.Incarnation == firstIncarnation)
}

// openDisks opens all disks at once: each replays its own log.
func (n *Node) openDisks() {
	var wg sync.WaitGroup
	for _, dc := range n.cfg.Disks {
		d := &disk{id: dc.ID, lost: dc.Lost, gone: make(chan struct{})}
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
	close(d.gone)
	n.cfg.Logger.Error("store failed", "store", d.id.String(), "err", err)
	for _, r := range n.of(d) {
		n.retire(r.base())
	}
	if vfs.IsNoSpace(err) {
		// What it holds is as good as before: it is opened again as it is.
		n.cfg.Master.StoreStarved(d.id, fmt.Sprintf("it ended for want of room, and is back at the next start with room: %v", err))
		return
	}
	n.cfg.Master.StoreFailed(d.id, err)
}

// enter is called before the store is used outside of an actor; leave after it.
// false: the node has stopped.
func (d *disk) enter() bool {
	d.life.RLock()
	if d.closed {
		d.life.RUnlock()
		return false
	}
	return true
}

func (d *disk) leave() { d.life.RUnlock() }

// close closes the store when nobody uses it any more. A disk that fails, before
// or meanwhile, is not waited for: it may never answer, and nothing on it counts.
// Nor is space waited for, by the store or by an actor whose entry it should write.
func (d *disk) close() error {
	if d.st == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() {
		d.st.BeginClose()
		d.running.Wait()
		d.life.Lock()
		d.closed = true
		d.life.Unlock()
		d.begin()
		defer d.end()
		done <- d.st.Close()
	}()
	select {
	case err := <-done:
		if d.failed() != nil {
			return nil
		}
		return err
	case <-d.gone:
		return nil
	}
}

// ticker lets time pass for the disk's replicas, tells them the free space, and
// tells the master that the disk works. Each disk has its own: one that hangs
// holds up no other.
func (n *Node) ticker(d *disk) {
	t := time.NewTicker(n.cfg.TickEvery)
	defer t.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	full := true // a whole round, as every second
	for {
		if d.ended() {
			return
		}
		n.round(d, full)
		full = false
		select {
		case <-n.stop:
			return
		case <-second.C:
			full = true
		case <-t.C:
		}
	}
}

// round is one tick of a disk's replicas; a full one tells everything that is true.
func (n *Node) round(d *disk, full bool) {
	all := n.of(d)
	var free int64
	if full {
		free = d.st.Free()
	}
	for _, r := range all {
		a := r.base()
		switch {
		case !a.ended.Load():
			r.tick()
			if full {
				r.free(free)
			}
		case full:
			if why := a.why.Load(); why != nil {
				n.cfg.Master.Report(lostReport(a.addr, a.newest().Epoch, *why))
			}
		}
	}
	if full {
		d.hunger()
		n.repair(d)
	}
	if d.failed() != nil || !d.news.Swap(false) && !full {
		return
	}
	if n.starved(d) {
		n.cfg.Master.StoreStarved(d.id, fmt.Sprintf("no room for its log for %d s", d.hungry))
		return
	}
	n.cfg.Master.StoreAlive(d.id, n.info(d, all))
}

// hunger looks once a second whether the log has room. Rounds and not the
// clock's seconds count: while the process is held up, no disk is to blame.
func (d *disk) hunger() {
	if d.st.Starving() {
		d.hungry++
	} else {
		d.hungry = 0
	}
}

// starved reports that a disk has lacked room for so long that its chains are
// better off without it. Whoever said so in haste would cost a resync whenever
// a removal is about to free the space.
func (n *Node) starved(d *disk) bool {
	return time.Duration(d.hungry)*time.Second >= n.cfg.StallAfter
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
		if e := a.persisted.Load(); e != nil && !a.ended.Load() {
			out.Replicas = append(out.Replicas, ReplicaInfo{a.key.Chain, a.key.Incarnation, *e})
		}
	}
	return out
}

package objectd

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/objectd/store"
)

// Node runs the replicas on its disks. All methods are safe for concurrent use.
type Node struct {
	cfg   Config
	cache *store.Cache
	disks map[chain.StoreID]*disk
	cmap  atomic.Pointer[chain.Map]
	// mapMu makes maps take effect one after the other.
	mapMu sync.Mutex

	// mu guards replicas. Invariant: every replica in it is attached to the switch.
	mu       sync.RWMutex
	replicas map[address]replica

	stop    chan struct{}
	stopped sync.WaitGroup
}

// disk is one store of the node.
type disk struct {
	id chain.StoreID
	st *store.Store
	// found is what the disk holds, until the first map says which tablets the
	// replicas serve.
	found []store.Recovered
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

// replica is an actor of either kind.
type replica interface {
	base() *actor
	run()
	tick()
	configure(chain.Config)
	free(bytes int64)
}

// Start opens the disks and runs what was found on them. A disk that does not
// open is reported as failed and the node goes on without it; it is an error
// only if none opens.
func Start(cfg Config) (*Node, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, cache: store.NewCache(cfg.CacheBytes), disks: map[chain.StoreID]*disk{},
		replicas: map[address]replica{}, stop: make(chan struct{}),
	}
	n.openDisks()
	opened := 0
	var last error
	for _, d := range n.disks {
		if err := d.failed(); err != nil {
			last = err
			continue
		}
		opened++
		d.found = d.st.Replicas()
	}
	if opened == 0 {
		return nil, fmt.Errorf("objectd: no disk opens: %w", last)
	}
	n.stopped.Go(n.ticker)
	return n, nil
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

// revive makes actors of the replicas that the disks were found to hold.
func (n *Node) revive() {
	for _, d := range n.disks {
		for _, rec := range d.found {
			r, err := n.newReplica(d, rec)
			if err != nil {
				n.cfg.Logger.Error("a replica cannot be revived", "store", d.id.String(), "replica", rec.Key.String(), "err", err)
				continue // its chain finds it absent, and it is filled again
			}
			n.launch(r)
		}
		d.found = nil
	}
}

func (n *Node) newReplica(d *disk, rec store.Recovered) (replica, error) {
	if rec.Kind == chain.KindIndex {
		return newIndexReplica(n, d, rec)
	}
	return newDataReplica(n, d, rec)
}

// launch attaches a replica to the switch and starts its goroutine.
func (n *Node) launch(r replica) {
	a := r.base()
	n.mu.Lock()
	n.replicas[a.addr] = r
	n.mu.Unlock()
	n.cfg.Switch.attach(a.addr, a.box)
	n.stopped.Go(r.run)
}

// SetMap takes a newer map: with the first one the replicas found on the disks
// come to life; replicas that it names here are made if they may be, and every
// replica whose chain changed learns its configuration.
func (n *Node) SetMap(m *chain.Map) {
	n.mapMu.Lock()
	defer n.mapMu.Unlock()
	old := n.cmap.Load()
	if old != nil && old.Version >= m.Version {
		return
	}
	n.cmap.Store(m)
	if old == nil {
		n.revive()
	}
	for _, c := range m.Chains {
		for _, id := range slices.Concat(c.Serving, c.Syncing) {
			if d := n.disks[id.Store]; d != nil && d.failed() == nil {
				n.ensure(d, &c, id)
			}
		}
	}
	for _, r := range n.all() {
		if c, ok := m.Chains[r.base().addr.chain]; ok {
			r.configure(c)
		}
	}
}

// Map is the newest map that the node knows; nil before the first.
func (n *Node) Map() *chain.Map { return n.cmap.Load() }

// ensure makes a replica that the configuration names and the disk does not
// hold. Only a joiner and a member of a chain's first configuration start from
// nothing: a Serving replica that is not there has been lost, and an empty one
// in its place would be believed.
func (n *Node) ensure(d *disk, c *chain.Config, id chain.ReplicaID) {
	addr := address{c.Chain, id}
	if n.lookup(addr) != nil {
		return
	}
	if !c.IsSyncing(id) && !c.Prev.IsZero() {
		n.cfg.Logger.Error("a serving replica is not on its disk", "chain", c.Chain, "replica", id.String())
		n.cfg.Master.Report(chain.Report{Kind: chain.ReportDiverged, Chain: c.Chain, Epoch: c.Epoch, From: id, Replica: id, Detail: "not on its disk"})
		return
	}
	key := store.Key{Chain: c.Chain, Incarnation: id.Incarnation}
	d.st.Append(func(error) {}, store.CreateReplica(key, c.Kind))
	r, err := n.newReplica(d, store.Recovered{Key: key, Kind: c.Kind})
	if err != nil {
		n.cfg.Logger.Error("cannot make a replica", "chain", c.Chain, "replica", id.String(), "err", err)
		return
	}
	n.launch(r)
}

func (n *Node) lookup(a address) replica {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.replicas[a]
}

func (n *Node) all() []replica {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make([]replica, 0, len(n.replicas))
	for _, r := range n.replicas {
		out = append(out, r)
	}
	return out
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
			n.cfg.Switch.detach(a.addr)
			a.box.close()
		}
	}
	n.cfg.Master.StoreFailed(d.id, err)
}

// ticker lets time pass for all replicas, tells them the free space, and tells
// the master that the disks work.
func (n *Node) ticker() {
	t := time.NewTicker(n.cfg.TickEvery)
	defer t.Stop()
	for i := 0; ; i++ {
		second := i%10 == 0
		all := n.all()
		for _, r := range all {
			if a := r.base(); a.disk.failed() == nil {
				r.tick()
				if second {
					r.free(a.disk.st.Free())
				}
			}
		}
		for _, d := range n.disks {
			if d.failed() == nil && (d.news.Swap(false) || second) {
				n.cfg.Master.StoreAlive(d.id, n.info(d, all))
			}
		}
		select {
		case <-n.stop:
			return
		case <-t.C:
		}
	}
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

// Stop ends the replicas and closes the disks. What was acknowledged is on disk.
func (n *Node) Stop() error {
	close(n.stop)
	for _, r := range n.all() {
		a := r.base()
		n.cfg.Switch.detach(a.addr)
		a.box.close()
	}
	n.stopped.Wait()
	var first error
	for _, d := range n.disks {
		if d.failed() != nil {
			continue // a failed store is only dropped
		}
		if err := d.st.Close(); err != nil && first == nil {
			first = err
		}
	}
	n.cache.Close()
	return first
}

// actor is what both kinds of replica have.
type actor struct {
	node *Node
	disk *disk
	addr address
	key  store.Key
	box  *mailbox
	// persisted is the newest epoch on disk; pending is what is on its way there,
	// by token (the actor's goroutine only).
	persisted atomic.Pointer[chain.Epoch]
	pending   map[uint64]chain.Epoch
	// ended: the replica does not act any more.
	ended atomic.Bool
	// conf is the newest configuration that was given to the machine; for
	// refusals, which carry it.
	conf atomic.Pointer[chain.Config]
}

func newActor(n *Node, d *disk, key store.Key) actor {
	id := chain.ReplicaID{Store: d.id, Incarnation: key.Incarnation}
	return actor{node: n, disk: d, key: key, addr: address{key.Chain, id}, box: newMailbox(), pending: map[uint64]chain.Epoch{}}
}

// onDisk notes that everything up to a token is durable, so that the master
// can be told which epoch this replica has persisted.
func (a *actor) onDisk(token uint64) {
	for t, e := range a.pending {
		if t > token {
			continue
		}
		delete(a.pending, t)
		if old := a.persisted.Load(); old == nil || old.Less(e) {
			a.persisted.Store(&e)
			a.disk.news.Store(true)
		}
	}
}

// newest is a copy of the newest configuration known here.
func (a *actor) newest() chain.Config {
	if c := a.conf.Load(); c != nil {
		return *c
	}
	return chain.Config{Chain: a.addr.chain}
}

func (a *actor) refusal(kind chain.RefusalKind, detail string) *chain.Refusal {
	return &chain.Refusal{Kind: kind, Chain: a.addr.chain, Newest: a.newest(), Detail: detail}
}

// learn notes a configuration; false if it is not newer.
func (a *actor) learn(c chain.Config) bool {
	if old := a.conf.Load(); old != nil && !old.Epoch.Less(c.Epoch) {
		return false
	}
	a.conf.Store(&c)
	return true
}

// loop hands items to handle until the mailbox is closed and empty.
func (a *actor) loop(handle func(any)) {
	var buf []any
	for items := a.box.take(nil); items != nil; items = a.box.take(buf) {
		for _, it := range items {
			handle(it)
		}
		clear(items)
		buf = items
	}
}

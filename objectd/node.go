package objectd

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

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

	// mu guards replicas and lost. Invariant: a replica in it that has not ended,
	// and whose disk works, is attached to the switch.
	mu       sync.RWMutex
	replicas map[address]replica
	// lost are replicas that a disk holds and that could not be revived. They
	// are never made anew: an empty one in their place would be believed.
	lost map[address]error

	closed   bool // under mapMu: Stop has begun
	stopOnce sync.Once
	stopErr  error
	// stop is closed when Stop begins, stopped when it ends.
	stop, stopped chan struct{}
}

// Start opens the disks and runs what was found on them. A disk that does not
// open is reported as failed and the node goes on without it; it is an error
// only if none opens: Config.Master may be told of disks before Start returns.
func Start(cfg Config) (*Node, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, cache: store.NewCache(cfg.CacheBytes), disks: map[chain.StoreID]*disk{},
		replicas: map[address]replica{}, lost: map[address]error{},
		stop: make(chan struct{}), stopped: make(chan struct{}),
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
		d.blank = len(d.found) == 0
		d.running.Go(func() { n.ticker(d) })
	}
	if opened == 0 {
		return nil, fmt.Errorf("objectd: no disk opens: %w", last)
	}
	go n.watch()
	return n, nil
}

// revive makes actors of the replicas that the disks were found to hold. One
// that cannot be revived leaves its chain by its own report, and is filled
// again as a new incarnation.
func (n *Node) revive() {
	for _, d := range n.disks {
		for _, rec := range d.found {
			r, err := n.newReplica(d, rec)
			if err != nil {
				n.cfg.Logger.Error("a replica cannot be revived", "store", d.id.String(), "replica", rec.Key.String(), "err", err)
				n.lose(address{rec.Key.Chain, chain.ReplicaID{Store: d.id, Incarnation: rec.Key.Incarnation}}, err)
				continue
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

// launch attaches a replica to the switch and starts its goroutine. The caller
// holds mapMu.
func (n *Node) launch(r replica) {
	a := r.base()
	if !a.ended.Load() {
		n.cfg.Switch.attach(a.addr, a.box)
	}
	n.mu.Lock()
	n.replicas[a.addr] = r
	n.mu.Unlock()
	a.disk.running.Go(r.run)
	if a.disk.failed() != nil {
		// The disk failed while the replica was made, and whoever took the
		// others out of service did not see this one.
		n.retire(a)
	}
}

// retire takes a replica out of service: it hears nothing any more, and what
// waits at it is answered.
func (n *Node) retire(a *actor) {
	n.cfg.Switch.detach(a.addr)
	a.box.close()
}

// SetMap takes a newer map: with the first one the replicas found on the disks
// come to life; replicas that it names here are made if they may be, and every
// replica whose chain changed learns its configuration.
func (n *Node) SetMap(m *chain.Map) {
	n.mapMu.Lock()
	defer n.mapMu.Unlock()
	old := n.cmap.Load()
	if n.closed || old != nil && old.Version >= m.Version {
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
		c, ok := m.Chains[r.base().addr.chain]
		switch {
		case !ok:
		case superseded(&c, r.base().addr.replica):
			r.base().box.post(supersede{})
		default:
			r.configure(c)
		}
	}
}

// superseded reports that a newer incarnation of a replica serves, on the same
// store: it has everything that was acknowledged, so nobody needs the old one.
func superseded(c *chain.Config, id chain.ReplicaID) bool {
	return !slices.Contains(c.Recoverable, id) && slices.ContainsFunc(c.Serving, func(r chain.ReplicaID) bool {
		return r.Store == id.Store && r.Incarnation > id.Incarnation
	})
}

// Map is the newest map that the node knows; nil before the first.
func (n *Node) Map() *chain.Map { return n.cmap.Load() }

// ensure makes a replica that the configuration names and the disk does not
// hold, if it may start from nothing; otherwise it is lost.
func (n *Node) ensure(d *disk, c *chain.Config, id chain.ReplicaID) {
	addr := address{c.Chain, id}
	if n.lookup(addr) != nil {
		return
	}
	if !d.mayBegin(c, id) {
		n.lose(addr, errNotThere)
	}
	if why := n.isLost(addr); why != nil {
		n.cfg.Logger.Error("a replica is lost", "chain", c.Chain, "replica", id.String(), "err", why)
		n.cfg.Master.Report(lostReport(addr, c.Epoch, why))
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

// errNotThere is why a replica is lost that its disk does not hold.
var errNotThere = errors.New("it is not on its disk")

func (n *Node) lose(a address, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost[a] == nil {
		n.lost[a] = why
	}
}

func (n *Node) isLost(a address) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.lost[a]
}

// lostReport is what a replica that cannot go on, on a disk that works, says of
// itself: it leaves its chain, and is filled again as a new incarnation.
func lostReport(a address, e chain.Epoch, why error) chain.Report {
	return chain.Report{Kind: chain.ReportDiverged, Chain: a.chain, Epoch: e, From: a.replica, Replica: a.replica, Detail: why.Error()}
}

func (n *Node) lookup(a address) replica {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.replicas[a]
}

func (n *Node) forget(a address) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.replicas, a)
}

func (n *Node) all() []replica { return n.of(nil) }

// of gives the replicas of a disk; of all disks when it is nil.
func (n *Node) of(d *disk) []replica {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make([]replica, 0, len(n.replicas))
	for _, r := range n.replicas {
		if d == nil || r.base().disk == d {
			out = append(out, r)
		}
	}
	return out
}

// Stop ends the replicas and closes the disks. What was acknowledged is on disk.
// Requests in flight are answered; later ones, and later maps, are refused. It
// may be called more than once.
func (n *Node) Stop() error {
	n.stopOnce.Do(func() { n.stopErr = n.doStop() })
	return n.stopErr
}

func (n *Node) doStop() error {
	n.mapMu.Lock() // a map that is taking effect is waited for
	n.closed = true
	n.mapMu.Unlock()
	for _, r := range n.all() {
		n.retire(r.base())
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(n.disks))
	close(n.stop)
	for _, d := range n.disks {
		wg.Go(func() { errs <- d.close() })
	}
	wg.Wait()
	close(n.stopped)
	n.cache.Close()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

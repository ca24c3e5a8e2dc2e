package objectd

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catena/chain"
	"catena/objectd/vfs"

	"github.com/stretchr/testify/require"
)

// fakeMaster keeps what it is told.
type fakeMaster struct {
	mu      sync.Mutex
	reports []chain.Report
	alive   map[chain.StoreID]DiskInfo
	told    map[chain.StoreID]int
	failed  map[chain.StoreID]error
	// starved is the newest word, when that is not StoreAlive.
	starved map[chain.StoreID]string
}

func (m *fakeMaster) Report(r chain.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, r)
}

func (m *fakeMaster) StoreAlive(id chain.StoreID, info DiskInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alive[id] = info
	m.told[id]++
	delete(m.starved, id)
}

func (m *fakeMaster) StoreStarved(id chain.StoreID, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.starved[id] = reason
}

// hungry is why a disk is said to be starved; empty if it is not.
func (m *fakeMaster) hungry(id chain.StoreID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starved[id]
}

func (m *fakeMaster) StoreFailed(id chain.StoreID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed[id] = err
}

// lost are the reports with which replicas gave themselves up.
func (m *fakeMaster) lost(r chain.ReplicaID, c chain.ChainID) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, rep := range m.reports {
		if rep.Kind == chain.ReportDiverged && rep.Chain == c && rep.Replica == r && rep.From == r {
			n++
		}
	}
	return n
}

func (m *fakeMaster) info(id chain.StoreID) DiskInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive[id]
}

// tells is how often a disk was said to be alive.
func (m *fakeMaster) tells(id chain.StoreID) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told[id]
}

func (m *fakeMaster) why(id chain.StoreID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed[id]
}

// fakeClock is time.Now, or what now says.
type fakeClock struct{ now func() chain.Now }

func (c *fakeClock) Now() chain.Now {
	if c.now != nil {
		return c.now()
	}
	t := time.Now()
	return chain.Now{Mono: chain.Instant(t.UnixNano()), WallMs: t.UnixMilli()}
}

// host is a node with its disks, which outlive it.
type host struct {
	t     *testing.T
	disks []*vfs.Fault
	mems  []*vfs.Mem // what the disks are made of
	// hang, if set, holds up the syncs of that disk's log.
	hang   []atomic.Pointer[chan struct{}]
	clock  fakeClock
	log    *slog.Logger // nil: nobody reads it
	master *fakeMaster
	node   *Node
}

func disk1(i int) chain.StoreID { return chain.StoreID{byte(i + 1)} }

func on(i int) chain.ReplicaID { return chain.ReplicaID{Store: disk1(i), Incarnation: 1} }

func newHost(t *testing.T, disks int) *host {
	h := &host{t: t, hang: make([]atomic.Pointer[chan struct{}], disks)}
	for i := range disks {
		m := vfs.NewMem()
		require.NoError(t, m.MkdirAll("/d"))
		require.NoError(t, m.SyncDir("/"))
		before := func(op vfs.Op) error {
			if c := h.hang[i].Load(); c != nil && op.Kind == vfs.OpSyncData && strings.Contains(op.Name, "/seg/") {
				<-*c
			}
			return nil
		}
		h.mems = append(h.mems, m)
		h.disks = append(h.disks, vfs.NewFault(&vfs.Hook{FS: m, Before: before}))
	}
	return h
}

func (h *host) config() Config {
	c := Config{Master: h.master, Clock: &h.clock, SegmentSize: 256 << 10, CacheBytes: 1 << 20, Logger: h.log}
	for i, d := range h.disks {
		c.Disks = append(c.Disks, DiskConfig{ID: disk1(i), FS: d, Dir: "/d/store"})
	}
	return c
}

func (h *host) start() *Node {
	h.t.Helper()
	h.master = &fakeMaster{alive: map[chain.StoreID]DiskInfo{}, told: map[chain.StoreID]int{}, failed: map[chain.StoreID]error{}, starved: map[chain.StoreID]string{}}
	var err error
	h.node, err = Start(h.config())
	require.NoError(h.t, err)
	n := h.node
	h.t.Cleanup(func() { _ = n.Stop() }) // of a test that fails: a bubble waits for its goroutines
	return h.node
}

func (h *host) stop() {
	h.t.Helper()
	require.NoError(h.t, h.node.Stop())
}

// The chains of the tests: tablet 1 is chain 1, chain 2 holds chunks.
const (
	indexChain chain.ChainID = 1
	dataChain  chain.ChainID = 2
)

// chainsOn is a map with both chains on these replicas, at epoch n.
func chainsOn(version uint64, n uint64, members ...chain.ReplicaID) *chain.Map {
	m := &chain.Map{Version: version, Chains: map[chain.ChainID]chain.Config{}, Tablets: []chain.Tablet{{ID: 1, Chain: indexChain, Generation: 1}}}
	for id, kind := range map[chain.ChainID]chain.Kind{indexChain: chain.KindIndex, dataChain: chain.KindData} {
		c := chain.Config{
			Chain: id, Kind: kind, Epoch: chain.Epoch{N: n}, Prev: chain.Epoch{N: n - 1},
			Serving: members, Factor: uint8(len(members)), MinAck: min(2, uint8(len(members))),
		}
		c.Settled, c.Recoverable = slices.Clone(members), slices.Clone(members)
		m.Chains[id] = c
	}
	return m
}

// onThree is a node of three disks, with both chains on all of them.
func onThree(t *testing.T) (*host, *Node) {
	t.Helper()
	h := newHost(t, 3)
	n := h.start()
	n.SetMap(chainsOn(1, 1, on(0), on(1), on(2)))
	return h, n
}

// within waits until something is so, and fails when the time is over.
func within(t *testing.T, limit time.Duration, so func() bool) {
	t.Helper()
	for began := time.Now(); !so(); time.Sleep(100 * time.Millisecond) {
		require.Less(t, time.Since(began), limit)
	}
}

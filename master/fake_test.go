package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/master/raftlog"
	"catena/master/state"
	"catena/objectd/vfs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// disk is one directory in memory. After fail, every change of it fails.
type disk struct {
	id     chain.StoreID
	mem    *vfs.Mem
	failed atomic.Bool
	hang   chan struct{}
	ops    atomic.Int64
}

var errDisk = errors.New("input/output error")

func (d *disk) fs(t *testing.T) raftlog.FS {
	t.Helper()
	hook := &vfs.Hook{FS: d.mem, Before: func(op vfs.Op) error {
		d.ops.Add(1)
		if op.Kind&vfs.OpMutating != 0 && d.hang != nil {
			<-d.hang
		}
		if d.failed.Load() {
			return errDisk
		}
		return nil
	}}
	dir, err := raftlog.InDir[vfs.File](hook, "raft")
	require.NoError(t, err)
	return dir
}

// world is a process with a master and a stand-in for its stores: replicas
// install what the map says at once, and report what real ones would.
type world struct {
	t        *testing.T
	disks    []*disk
	recorded []chain.StoreID
	cluster  chain.ClusterID
	srv      *Server
	reg      *prometheus.Registry
	limits   state.Limits
	timing   Timing

	mu     sync.Mutex
	maps   []*chain.Map
	voters [][]chain.StoreID
	// lost are the stores that failed; their replicas are silent.
	lost map[chain.StoreID]bool
	// unrecordable is what OnVoters ends with.
	unrecordable error
	// stuck joiners never get in sync.
	stuck bool
}

func storeID(n int) chain.StoreID { return chain.StoreID{0: byte(n), 15: byte(n)} }

func newWorld(t *testing.T, n int) *world {
	w := &world{t: t, cluster: chain.ClusterID{9}, limits: state.DefaultLimits(), lost: map[chain.StoreID]bool{}}
	for i := range n {
		w.addDisk(i + 1)
		if i < MaxVoters {
			w.recorded = append(w.recorded, storeID(i+1))
		}
	}
	return w
}

func (w *world) addDisk(n int) *disk {
	d := &disk{id: storeID(n), mem: vfs.NewMem()}
	w.disks = append(w.disks, d)
	return d
}

func (w *world) disk(id chain.StoreID) *disk {
	for _, d := range w.disks {
		if d.id == id {
			return d
		}
	}
	w.t.Fatalf("no disk %s", id)
	return nil
}

func newStore(id chain.StoreID) state.NewStore {
	return state.NewStore{ID: id, Domain: [4]string{"", "", "host", fmt.Sprint(id[0])}, Incarnation: 1}
}

func (w *world) config() Config {
	w.reg = prometheus.NewRegistry()
	cfg := Config{
		Cluster: w.cluster, Recorded: w.voted(), Limits: &w.limits, Timing: w.timing, Registerer: w.reg,
		OnVoters: func(ids []chain.StoreID) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.unrecordable != nil {
				return w.unrecordable
			}
			w.voters, w.recorded = append(w.voters, ids), ids
			return nil
		},
	}
	for _, d := range w.disks {
		cfg.Dirs = append(cfg.Dirs, Dir{Store: d.id, FS: d.fs(w.t)})
		cfg.Stores = append(cfg.Stores, newStore(d.id))
	}
	return cfg
}

// start starts the process; stores that are there say so.
func (w *world) start() {
	w.t.Helper()
	srv, err := Start(w.config())
	require.NoError(w.t, err)
	w.srv = srv
	w.t.Cleanup(func() { _ = srv.Close() }) // again, after a failure
	srv.Subscribe(w.onMap)
	for _, d := range w.disks {
		if !w.lost[d.id] {
			srv.StoreAlive(d.id, StoreInfo{Incarnation: 1})
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	require.NoError(w.t, srv.WaitReady(ctx))
	synctest.Wait()
}

func (w *world) stop() {
	require.NoError(w.t, w.srv.Close())
}

// voted gives the recorded voters.
func (w *world) voted() []chain.StoreID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.recorded
}

// onMap is the stores: they install and report.
func (w *world) onMap(m *chain.Map) {
	w.mu.Lock()
	w.maps = append(w.maps, m)
	lost, stuck := map[chain.StoreID]bool{}, w.stuck
	for id := range w.lost {
		lost[id] = true
	}
	w.mu.Unlock()
	on := map[chain.StoreID][]ReplicaInfo{}
	for _, c := range m.Chains {
		w.report(&c, lost, stuck)
		for _, r := range slices.Concat(c.Serving, c.Syncing) {
			on[r.Store] = append(on[r.Store], ReplicaInfo{Chain: c.Chain, Incarnation: r.Incarnation, Epoch: c.Epoch})
		}
	}
	for _, s := range m.Stores {
		if s.State == chain.StoreLive && !lost[s.ID] {
			w.srv.StoreAlive(s.ID, StoreInfo{Incarnation: 1, Replicas: append([]ReplicaInfo{}, on[s.ID]...)})
		}
	}
}

func (w *world) report(c *chain.Config, lost map[chain.StoreID]bool, stuck bool) {
	for _, r := range c.Serving {
		if lost[r.Store] {
			return // entries do not flow past it
		}
	}
	for _, r := range c.Serving {
		if c.Kind == chain.KindIndex && !c.IsSettled(r) {
			w.srv.Report(chain.Report{Kind: chain.ReportSettled, Chain: c.Chain, Epoch: c.Epoch, From: r, Replica: r})
		}
	}
	for _, r := range c.Syncing {
		if !lost[r.Store] && !stuck {
			w.srv.Report(chain.Report{Kind: chain.ReportInSync, Chain: c.Chain, Epoch: c.Epoch, From: c.Tail(), Replica: r})
		}
	}
}

// fail ends a disk while the process runs, as its store finds out.
func (w *world) fail(id chain.StoreID) {
	w.disk(id).failed.Store(true)
	w.mu.Lock()
	w.lost[id] = true
	w.mu.Unlock()
	w.srv.StoreFailed(id, errDisk)
}

// metric reads one gauge or counter without labels.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	all, err := w.reg.Gather()
	require.NoError(w.t, err)
	for _, f := range all {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			if g := m.GetGauge(); g != nil {
				return g.GetValue()
			}
			return m.GetCounter().GetValue()
		}
	}
	w.t.Fatalf("no metric %s", name)
	return 0
}

// waitFor waits for a condition in the bubble's time and tells how long it took.
func (w *world) waitFor(what string, limit time.Duration, ok func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			w.t.Fatalf("%s: not within %s; plan: %s status: %+v", what, limit, w.srv.Plan(), w.srv.Status().Voters)
		}
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(start)
}

func (w *world) full() bool { return w.metric("catena_master_chains_below_factor") == 0 }

func (w *world) members(id chain.ChainID) []chain.StoreID {
	var out []chain.StoreID
	c, _ := w.srv.Map().Config(id)
	for _, r := range c.Serving {
		out = append(out, r.Store)
	}
	return out
}

// check holds every published map to the rules that a reader relies on.
func (w *world) check() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, m := range w.maps {
		if i == 0 {
			continue
		}
		require.GreaterOrEqual(w.t, m.Version, w.maps[i-1].Version) // equal only across a restart
		for id, c := range m.Chains {
			require.NoError(w.t, c.Validate())
			require.False(w.t, c.Epoch.Less(w.maps[i-1].Chains[id].Epoch), "an epoch went back")
		}
	}
}

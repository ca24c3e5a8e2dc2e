package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"catena/chain"
	"catena/cmd/internal/clock"
	"catena/cmd/internal/identity"
	"catena/cmd/internal/lifecycle"
	"catena/master"
	"catena/master/raftlog"
	"catena/master/state"
	"catena/objectd"
	"catena/objectd/client"
	"catena/objectd/store"
	"catena/objectd/vfs"
)

// Folders of a DIR. The identity, the keys and the certificates lie beside them.
const (
	raftFolder  = "raft"
	storeFolder = "store"
)

// serverRole adds masters, stores and gateway to the group. The DIRs are locked
// and formed, the keys known. Nothing is started yet: each part starts, and may
// fail, in its turn.
func serverRole(env roleEnv) {
	r := &role{roleEnv: env, clock: clock.System{}, fs: vfs.NewOS()}
	env.Group.Add(lifecycle.Part{Name: "masters", Start: r.startMasters, Stop: func(context.Context) error { return r.masters.Close() }})
	env.Group.Add(lifecycle.Part{Name: "stores", Start: r.startStores, Stop: r.stopStores})
	r.addWorkers()
	r.addGateway()
}

// role is the three roles of one process, wired.
type role struct {
	roleEnv
	clock   clock.System
	fs      *vfs.OS
	masters *master.Server
	node    *objectd.Node
	client  *client.Client
}

// startMasters opens the voters on the DIRs and tells the masters which
// recorded stores are not here.
func (r *role) startMasters(context.Context) error {
	rec := r.Identity.Record()
	cfg := master.Config{
		Cluster: rec.Cluster, Recorded: rec.Voters(), Tablets: r.Config.Tablets, DataChains: r.Config.DataChains,
		Now: func() chain.Instant { return r.clock.Now().Mono }, OnVoters: r.recordVoters, Logger: r.Log, Registerer: r.Metrics,
	}
	for _, u := range r.Identity.Plan().Use {
		held := vfs.Held{FS: r.fs, Intact: func() error { return r.Identity.Intact(u.Store) }}
		fs, err := raftlog.InDir(held, filepath.Join(u.Path, raftFolder))
		if err != nil {
			return fmt.Errorf("directory %s: %w", u.Path, err)
		}
		cfg.Dirs = append(cfg.Dirs, master.Dir{Store: u.Store, FS: fs})
		if s, ok := rec.Find(u.Store); ok {
			cfg.Stores = append(cfg.Stores, r.newStore(s))
		}
	}
	var err error
	if r.masters, err = master.Start(cfg); err != nil {
		return err
	}
	for _, l := range r.Identity.Plan().Lost {
		r.masters.StoreMissing(l.Store.ID, l.Reason)
	}
	return nil
}

// recordVoters keeps the list of voters on every DIR: it says who must be
// there at the next start.
func (r *role) recordVoters(ids []chain.StoreID) error { return r.Identity.SetVoters(ids) }

// newStore describes a DIR to the masters: one process is one host, each DIR a disk.
func (r *role) newStore(s *identity.Store) state.NewStore {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return state.NewStore{ID: s.ID, Incarnation: s.Incarnation, Domain: [4]string{"", "", host, s.Path}}
}

// startStores opens the stores, takes in those that came in the place of
// others, and lets the masters' map flow to the replicas.
func (r *role) startStores(context.Context) error {
	cfg := objectd.Config{Master: masterLink{r}, Clock: r.clock, CacheBytes: int64(r.Config.IndexCache), Logger: r.Log, Registerer: r.Metrics}
	rec := r.Identity.Record()
	lost := r.lostStores()
	for _, u := range r.Identity.Plan().Use {
		cfg.Disks = append(cfg.Disks, objectd.DiskConfig{ID: u.Store, FS: r.fs, Dir: filepath.Join(u.Path, storeFolder), Lost: lost[u.Store]})
		if s, ok := rec.Find(u.Store); ok {
			r.masters.Offer(r.newStore(s), replacedBy(rec, u.Store))
		}
	}
	cfg.SegmentSize = rec.SegmentSize
	var err error
	if r.node, err = objectd.Start(cfg); err != nil {
		return err
	}
	r.masters.Subscribe(r.node.SetMap)
	if r.client, err = client.New(client.Config{Node: r.node}); err != nil {
		return err
	}
	r.Operator.begin(r)
	// Last: the admin listener asks already, and this publishes the fields above to it.
	r.SetReady(r.ready)
	return nil
}

// lostStores are those whose DIR has its identity but not its store, while
// another DIR has one: their files were there and are gone. If none has one,
// this is a first start that was cut short before anything was stored.
func (r *role) lostStores() map[chain.StoreID]bool {
	lost, some := map[chain.StoreID]bool{}, false
	for _, u := range r.Identity.Plan().Use {
		_, ok, err := store.Identity(r.fs, filepath.Join(u.Path, storeFolder))
		some = some || ok || err != nil
		if !ok && err == nil && !u.Create {
			lost[u.Store] = true
		}
	}
	if !some {
		return nil
	}
	for id := range lost {
		r.Log.Error("a store's files are gone from its directory: it is filled again from the others", "store", id.String())
	}
	return lost
}

// stopStores ends the client's background work before the stores under it.
func (r *role) stopStores(context.Context) error {
	if r.client != nil {
		r.client.Close()
	}
	return r.node.Stop()
}

// replacedBy gives the store whose place another one took; zero for none.
func replacedBy(rec identity.Record, id chain.StoreID) chain.StoreID {
	for _, s := range rec.Stores {
		if s.ReplacedBy == id {
			return s.ID
		}
	}
	return chain.StoreID{}
}

// ready says whether a map is known and some tail answers.
func (r *role) ready(ctx context.Context) error {
	m := r.node.Map()
	if m == nil {
		return errNoMap
	}
	var last error
	for _, t := range m.Tablets {
		c := m.Chains[t.Chain]
		if last = r.asks(&t, &c); last == nil {
			return nil
		}
	}
	return fmt.Errorf("no tail answers: %w", last)
}

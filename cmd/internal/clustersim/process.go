package clustersim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/master"
	"catena/master/raftlog"
	"catena/objectd"
	"catena/objectd/client"
	"catena/s3api/cluster"
)

// Process is one life of the server's process.
type Process struct {
	Masters *master.Server
	Node    *objectd.Node
	Client  *client.Client
	// Backend is the gateway's view of it.
	Backend *cluster.Cluster

	c     *Cluster
	alive atomic.Bool
	// ctx ends with the process.
	ctx    context.Context
	cancel context.CancelFunc
	// used are the disks that it was started with.
	used        []*Disk
	unsubscribe func()
}

// Alive reports whether the process still runs: what it answered before this
// turned false counts.
func (p *Process) Alive() bool { return p.alive.Load() }

// Context ends when the process is killed or loses its power.
func (p *Process) Context() context.Context { return p.ctx }

// clock is the machine's, from the package time alone.
type clock struct{ began time.Time }

func (c clock) Now() chain.Now {
	now := time.Now()
	// Never 0: that stands for "never" in places.
	return chain.Now{Mono: chain.Instant(now.Sub(c.began)) + 1, WallMs: now.UnixMilli()}
}

func (c *Cluster) start() (*Process, error) {
	p := &Process{c: c, used: c.Disks()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.alive.Store(true)
	clk := clock{began: time.Now()}
	if err := p.startMasters(clk); err != nil {
		p.cancel()
		return nil, err
	}
	if err := p.startStores(clk); err != nil {
		p.cancel()
		return nil, errors.Join(err, p.Masters.Close())
	}
	p.unsubscribe = p.Masters.Subscribe(p.Node.SetMap)
	return p, nil
}

func (p *Process) startMasters(clk clock) (err error) {
	c := p.c
	cfg := master.Config{
		Cluster: c.id, Tablets: c.cfg.Tablets, DataChains: c.cfg.DataChains, Factor: c.cfg.Factor,
		Limits: c.cfg.Limits, Timing: c.cfg.Timing, Logger: c.cfg.Logger,
		Now:      func() chain.Instant { return clk.Now().Mono },
		OnVoters: func(ids []chain.StoreID) error { p.remember(func() { c.voters = ids }); return nil },
	}
	gone := map[chain.StoreID]string{}
	p.remember(func() {
		cfg.Recorded = slices.Clone(c.voters)
		for id, why := range c.gone {
			gone[id] = why
		}
	})
	for _, d := range p.used {
		fs, err := raftlog.InDir(d.fault, d.Name+"/raft")
		if err != nil {
			return fmt.Errorf("disk %s: %w", d.Name, err)
		}
		cfg.Dirs = append(cfg.Dirs, master.Dir{Store: d.ID, FS: fs})
		cfg.Stores = append(cfg.Stores, d.newStore())
	}
	if p.Masters, err = master.Start(cfg); err != nil {
		return err
	}
	for id, why := range gone {
		p.Masters.StoreMissing(id, why)
	}
	return nil
}

func (p *Process) startStores(clk clock) (err error) {
	cfg := p.c.cfg
	oc := objectd.Config{Master: link{p}, Clock: clk, SegmentSize: cfg.SegmentSize, CacheBytes: 4 << 20, Logger: cfg.Logger}
	for _, d := range p.used {
		oc.Disks = append(oc.Disks, objectd.DiskConfig{ID: d.ID, FS: d.fault, Dir: d.Name + "/store"})
		p.Masters.Offer(d.newStore(), d.Replaces)
	}
	if p.Node, err = objectd.Start(oc); err != nil {
		return err
	}
	if p.Client, err = client.New(client.Config{Node: p.Node}); err != nil {
		return err
	}
	p.Backend, err = cluster.New(cluster.Config{
		Index: p.Client, Chunks: chunks{p.Client}, Logger: cfg.Logger, ChunkSize: cfg.ChunkSize, Inline: cfg.Inline,
		CommandTimeout: cfg.CommandTimeout, WriteTimeout: cfg.WriteTimeout,
	})
	return err
}

// stop ends everything in order, and waits.
func (p *Process) stop() error {
	p.unsubscribe()
	p.Client.Close()
	err := p.Node.Stop()
	err = errors.Join(err, p.Masters.Close())
	p.cancel()
	return err
}

// remember runs a change of what the machine's identity files keep, unless the
// process is dead.
func (p *Process) remember(change func()) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if p.alive.Load() {
		change()
	}
}

// chunks gives the client's writers the gateway's name for them.
type chunks struct{ *client.Client }

// Create implements cluster.Chunks.
func (c chunks) Create(ctx context.Context, h data.Header, avoid []chain.ChainID) (cluster.ChunkWriter, error) {
	w, err := c.Client.Create(ctx, h, avoid)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// link is what the stores tell the masters.
type link struct{ p *Process }

// Report implements objectd.Master.
func (l link) Report(r chain.Report) { l.p.Masters.Report(r) }

// StoreAlive implements objectd.Master.
func (l link) StoreAlive(id chain.StoreID, info objectd.DiskInfo) {
	out := master.StoreInfo{Full: info.Full}
	for _, d := range l.p.used {
		if d.ID == id {
			l.p.remember(func() { out.Incarnation = d.incarnation })
		}
	}
	if info.Replicas != nil {
		out.Replicas = make([]master.ReplicaInfo, 0, len(info.Replicas))
	}
	for _, r := range info.Replicas {
		out.Replicas = append(out.Replicas, master.ReplicaInfo(r))
	}
	l.p.Masters.StoreAlive(id, out)
}

// StoreStarved implements objectd.Master.
func (l link) StoreStarved(id chain.StoreID, reason string) { l.p.Masters.StoreMissing(id, reason) }

// StoreFailed implements objectd.Master. A store that failed comes back, if it
// does, as a new incarnation.
func (l link) StoreFailed(id chain.StoreID, err error) {
	for _, d := range l.p.used {
		if d.ID == id {
			l.p.remember(func() { d.incarnation++ })
		}
	}
	l.p.Masters.StoreFailed(id, err)
}

// WaitServing waits until a leader is known and the tail of every tablet answers.
func (p *Process) WaitServing(ctx context.Context) error {
	if err := p.Masters.WaitReady(ctx); err != nil {
		return err
	}
	return p.poll(ctx, "every tail answers", pace, func() error {
		m := p.Node.Map()
		if m == nil {
			return errors.New("no map")
		}
		for i := range m.Tablets {
			t := &m.Tablets[i]
			q := tablet.Query{Tablet: t.ID, Generation: t.Generation, Ask: tablet.AskTime{}}
			if len(t.Start) >= len(q.Bucket) {
				copy(q.Bucket[:], t.Start)
			}
			cfg := m.Chains[t.Chain]
			if _, err := p.Node.Query(t.Chain, cfg.Tail(), &q); err != nil {
				return err
			}
		}
		return nil
	})
}

// WaitWriting waits until every tablet and every data chain takes writes.
func (p *Process) WaitWriting(ctx context.Context) error {
	if err := p.WaitServing(ctx); err != nil {
		return err
	}
	for _, t := range p.Node.Map().Tablets {
		// A command without a learned time is refused, by a head that every
		// replica of the chain has just confirmed.
		cmd := tablet.Command{Action: &tablet.Empty{}}
		_, _ = rand.Read(cmd.Op[:]) // never fails
		if len(t.Start) >= len(cmd.Bucket) {
			copy(cmd.Bucket[:], t.Start)
		}
		if _, err := p.Client.Do(ctx, cmd.Owner(), cmd); err != nil {
			return fmt.Errorf("tablet %d: %w", t.ID, err)
		}
	}
	return p.poll(ctx, "every data chain takes writes", pace, func() error {
		for id, cfg := range p.Node.Map().Chains {
			if cfg.Kind != chain.KindData {
				continue
			}
			if err := p.Node.ProbeChain(ctx, id, cfg.Head(), cfg.Epoch); err != nil {
				return err
			}
		}
		return nil
	})
}

// WaitFull waits until every chain has all its replicas, by their own word, and
// the masters have all their voters: then any disk may be lost.
func (p *Process) WaitFull(ctx context.Context) error {
	return p.poll(ctx, "every chain is full", 10*pace, func() error {
		s := p.Masters.Status()
		if s.Chains == 0 || s.BelowFactor > 0 {
			return fmt.Errorf("%d of %d chains are below their factor; next: %s", s.BelowFactor, s.Chains, s.Plan)
		}
		roles := map[chain.StoreID]string{}
		for _, v := range s.Voters {
			roles[v.Store] = v.Role
		}
		voting := 0
		p.remember(func() {
			for _, d := range p.used {
				if role := roles[d.ID]; slices.Contains(p.c.voters, d.ID) && (role == "leader" || role == "follower") {
					voting++
				}
			}
		})
		if want := min(len(p.used), master.MaxVoters); voting < want {
			return fmt.Errorf("%d of %d voters: %+v", voting, want, s.Voters)
		}
		return nil
	})
}

// pace is that of questions that cost little.
const pace = 10 * time.Millisecond

// poll asks again and again.
func (p *Process) poll(ctx context.Context, what string, every time.Duration, ask func() error) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("clustersim: waiting until %s: %w: %w", what, ctx.Err(), err)
		}
	}
}

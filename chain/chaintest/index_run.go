package chaintest

import (
	"fmt"
	"runtime/debug"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/internal/rule"
)

// IndexOptions shape one run. The zero value draws everything from the seed.
type IndexOptions struct {
	// Words keeps the last so many lines of the trace.
	Words int
	// Ops is how many operations clients begin while faults last; 0 for 80.
	Ops int
	// FaultTime is how long faults last, in simulated nanoseconds; 0 leaves it to the seed.
	FaultTime int64
	// Rollback lets disks come back as older images of themselves.
	Rollback bool

	rules rule.Set
}

// Result is what a run gave. Err is nil if every invariant held.
type Result struct {
	Seed    uint64
	Err     error
	Hash    uint64
	Steps   uint64
	Commits int
	Epochs  int
	Trace   string
}

// String says how to see it again.
func (r Result) String() string {
	return fmt.Sprintf("seed %d: %v (%d steps, %d entries, %d epochs, trace %016x)", r.Seed, r.Err, r.Steps, r.Commits, r.Epochs, r.Hash)
}

// indexShape is what a seed draws.
type indexShape struct {
	Nodes, Factor, MinAck int
	Keys, Clients, Tries  int
	PageRows              int
	Index                 index.Config
	Disk                  DiskOptions
	Net                   NetOptions
	Timeout, Think        int64
	PlanEvery             int64
	Detect                float64 // of a dead node, at each look
	FalseSuspicion        float64 // of a live one
	Move                  float64 // a joiner beyond the factor
	FaultEvery            int64
	FaultTime             int64
	Drift                 float64
}

// indexCluster is one simulated index chain and all that is around it.
type indexCluster struct {
	w          *World
	net        *Net
	opt        indexShape
	rules      rule.Set
	nodes      []*indexNode
	procs      map[chain.ReplicaID]*indexProc
	master     *Master
	masterDown bool
	planner    *planner
	clients    []*client
	calls      []*call
	callsLeft  int
	lastOp     uint64
	quiet      bool
	focus      focus
	rollbacks  bool
	check_     checker
	refusals   map[chain.RefusalKind]int
}

// RunIndex simulates one index chain from a seed.
func RunIndex(seed uint64, o IndexOptions) Result {
	c := newIndexCluster(seed, o)
	return Result{
		Seed: seed, Err: c.run(o), Hash: c.w.Trace.Hash(), Steps: c.w.Trace.Count(),
		Commits: len(c.check_.committed), Epochs: len(c.master.History), Trace: c.w.Trace.String(),
	}
}

// run lets faults happen, ends them, and judges. A panic is a violation too.
func (c *indexCluster) run(o IndexOptions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("at %s: panic: %v\n%s", c.w.Now(), p, debug.Stack())
		}
	}()
	c.begin(o)
	faults := o.FaultTime
	if faults == 0 {
		faults = c.opt.FaultTime
	}
	c.w.Run(Real(faults))
	if err := c.settle(); err != nil {
		return err
	}
	return c.linearizable()
}

func newIndexCluster(seed uint64, o IndexOptions) *indexCluster {
	w := NewWorld(seed, NewTrace(o.Words))
	c := &indexCluster{w: w, rules: o.rules, procs: map[chain.ReplicaID]*indexProc{}, refusals: map[chain.RefusalKind]int{}, focus: focusOf(seed), rollbacks: o.Rollback}
	c.opt = drawIndexShape(w)
	c.net = NewNet(w, c.opt.Net, c.deliver)
	c.check_ = checker{floor: make([]uint64, c.opt.Keys), tails: map[chain.Epoch]chain.ReplicaID{}, applied: map[uint64]Real{}}
	c.planner = &planner{c: c, suspected: map[int]Real{}, left: map[chain.ReplicaID]bool{}, incarnation: map[int]uint64{}}
	for i := 1; i <= c.opt.Nodes; i++ {
		c.nodes = append(c.nodes, &indexNode{id: i, c: c, clock: NewClock(w, c.opt.Drift), up: true})
	}
	return c
}

// drawIndexShape makes the worlds differ: some networks are bad, some disks
// slow, some windows tiny, some chains short.
func drawIndexShape(w *World) indexShape {
	ms := chain.Millisecond
	pick := func(vs ...int64) int64 { return vs[w.Rand.IntN(len(vs))] }
	s := indexShape{
		Nodes: 4, Factor: 3, MinAck: 2, Keys: int(pick(1, 2, 3)), Clients: int(pick(2, 3, 4)), Tries: int(pick(2, 4, 6)),
		PageRows: int(pick(2, 5, 12)), Timeout: pick(300, 600, 1200) * ms, Think: pick(5, 50, 200) * ms,
		PlanEvery: pick(60, 150, 400) * ms, Detect: 0.5, FalseSuspicion: float64(pick(0, 2, 6)) / 100,
		Move: 0.05, FaultEvery: pick(100, 250, 600) * ms, FaultTime: 8 * chain.Second, Drift: 0.03,
	}
	switch w.Rand.IntN(8) {
	case 0:
		s.Nodes, s.Factor = 3, 2
	case 1:
		s.Nodes, s.Factor, s.MinAck = 3, 1, 1
		s.Move = 0.3
	case 2:
		s.Nodes, s.Factor = 5, 4
	}
	lease := pick(400, 600, 1000) * ms
	window, bytes := pick(2, 8, 64), pick(700, 3000, 4<<20)
	s.Index = index.Config{
		Window: int(window), WindowBytes: bytes, BatchBytes: int(pick(300, 1<<20)),
		RetainEntries: int(pick(1, 4, 30)), RetainBytes: pick(500, 1<<20),
		JoinEntries: int(window + pick(0, 5, 300)), JoinBytes: bytes + pick(0, 1<<20),
		Lease: lease, TickEvery: lease / pick(8, 16), RepeatEvery: 300 * ms, UnreachableAfter: 500 * ms,
	}
	s.Disk = DiskOptions{MinSync: ms / 5, MaxSync: pick(1, 5, 20) * ms, Slow: float64(pick(0, 5)) / 100, SlowBy: 500 * ms}
	s.Net = NetOptions{MinDelay: ms / 10, MaxDelay: pick(1, 5, 30) * ms}
	if w.Chance(0.7) {
		s.Net.Loss, s.Net.Dup = float64(pick(0, 2, 10))/100, float64(pick(0, 2, 10))/100
		s.Net.Late, s.Net.LateBy = float64(pick(0, 2, 8))/100, pick(100, 1000, 3000)*ms
	} else {
		s.Net.InOrder = true
	}
	if w.Chance(0.15) {
		s.wild()
	}
	return s
}

// wild makes a world without any sense of time: messages and syncs take from
// nothing to several leases, so that anything may arrive in any order, epochs later.
func (s *indexShape) wild() {
	lease := s.Index.Lease
	s.Net = NetOptions{MaxDelay: lease / 4, Loss: 0.1, Dup: 0.3, Late: 0.4, LateBy: 4 * lease}
	s.Disk = DiskOptions{MaxSync: lease / 16, Slow: 0.1, SlowBy: lease}
	s.Timeout, s.Think = 4*lease, lease/2
	s.PlanEvery, s.FaultEvery = lease, 2*lease
	s.FaultTime = 40 * lease
}

// begin starts the chain, the planner, the clients and the faults.
func (c *indexCluster) begin(o IndexOptions) {
	var first []chain.ReplicaID
	for i := 1; i <= c.opt.Factor; i++ {
		first = append(first, replicaID(i, 1))
		c.planner.incarnation[i] = 1
	}
	c.master = NewMaster(NewChain(chain.KindIndex, c.opt.Factor, c.opt.MinAck, first...), c.rules)
	for _, r := range first {
		c.nodes[NodeOf(r)-1].create(r)
	}
	c.configured()
	c.callsLeft = o.Ops
	if o.Ops == 0 {
		c.callsLeft = 80
	}
	for i := range c.opt.Clients {
		cl := &client{c: c, id: i}
		c.clients = append(c.clients, cl)
		c.w.After(c.w.Between(0, 20*chain.Millisecond), cl.next)
	}
	c.planner.plan()
	c.w.After(c.opt.FaultEvery, c.faults)
}

// deliver hands a message to whoever runs under the address now.
func (c *indexCluster) deliver(env chain.Envelope) {
	p := c.procs[env.To]
	if p == nil || p.r == nil {
		return
	}
	p.whenAwake(p.gen, func() {
		if c.w.Trace.Words() {
			c.w.Trace.Say("%s %s <- %s %s", c.w.Now(), env.To, env.From, describe(env.Msg))
		}
		p.step(index.Deliver{Env: env}, "deliver")
	})
}

// configured runs after every change of the master's log.
func (c *indexCluster) configured() {
	cfg := &c.master.Config
	c.w.Trace.Say("%s master: epoch %s serving %v syncing %v settled %v recoverable %v", c.w.Now(), cfg.Epoch, cfg.Serving, cfg.Syncing, cfg.Settled, cfg.Recoverable)
	c.w.Trace.Note(3, cfg.Epoch.N, uint64(len(cfg.Serving)), uint64(c.w.Now()))
	for _, r := range cfg.Syncing {
		n := c.nodes[NodeOf(r)-1]
		c.planner.incarnation[n.id] = max(c.planner.incarnation[n.id], r.Incarnation)
		if c.procs[r] == nil {
			n.create(r)
		}
	}
	c.checkRecoverable()
	c.push()
}

// push sends the newest configuration to every node.
func (c *indexCluster) push() {
	cfg := c.master.Config
	for _, n := range c.nodes {
		c.net.Carry(MasterNode, n.id, func() {
			for _, p := range n.replicas {
				if p.r != nil {
					p.whenAwake(p.gen, func() { p.step(index.Configure{Config: cfg}, "configure") })
				}
			}
		})
	}
}

// onStop: nothing in this world damages a log, so no replica may stop, but one
// whose disk was rolled back.
func (c *indexCluster) onStop(p *indexProc, reason string) {
	if !p.rolled.ever {
		c.w.Fail("replica %s stops: %s", p.id, reason)
	}
}

// trace notes a step.
func (c *indexCluster) trace(p *indexProc, what string, effects int) {
	st := p.r.Status()
	c.w.Trace.Note(uint64(c.w.Now()), uint64(p.n.id), p.id.Incarnation, uint64(len(what)), uint64(effects),
		st.Last.Seq, st.Last.Digest, st.Durable, st.Applied.Seq, st.Config.Epoch.N)
	if c.w.Trace.Words() && what != "tick" && what != "deliver" && effects > 0 {
		c.w.Trace.Say("%s %s %s: last %d durable %d applied %d", c.w.Now(), p.id, what, st.Last.Seq, st.Durable, st.Applied.Seq)
	}
}

// settle ends all faults and waits until the chain is whole, within a bound.
func (c *indexCluster) settle() error {
	c.quiet = true
	c.net.Quiet = true
	c.net.Heal()
	c.masterDown = false
	clear(c.planner.suspected)
	for _, n := range c.nodes {
		n.reboot()
	}
	c.callsLeft = max(0, c.callsLeft) + 2*len(c.clients)
	for _, cl := range c.clients {
		if cl.current == nil {
			c.w.After(0, cl.next)
		}
	}
	end := c.w.Now() + Real(60*chain.Second)
	var why error
	for c.w.Now() < end {
		c.w.Run(c.w.Now() + Real(300*chain.Millisecond))
		if err := c.w.Fault(); err != nil {
			return err
		}
		if why = c.converged(); why == nil {
			return nil
		}
	}
	return fmt.Errorf("at %s: not converged: %w", c.w.Now(), why)
}

func (c *indexCluster) converged() error {
	for _, cl := range c.clients {
		if cl.current != nil {
			return fmt.Errorf("client %d waits for op %d", cl.id, cl.current.cmd.op)
		}
	}
	return c.checkQuiet()
}

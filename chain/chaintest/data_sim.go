package chaintest

import (
	"bytes"
	"fmt"
	"slices"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/internal/rule"
)

// DataOptions say what a run of a data chain looks like. RunData fills what is
// zero; the seed chooses which faults happen.
type DataOptions struct {
	// Nodes are the stores; the chain starts on the first of them, as many as
	// Factor says. 4, 3 and 2.
	Nodes, Factor, MinAck int
	// Clients write at the same time. 4.
	Clients int
	// Faults is how long faults happen, in nanoseconds of simulated time. 2 s.
	Faults int64
	// Settle is the time in which the chain must be whole again after them. 20 s.
	Settle int64
	Net    NetOptions
	Disk   DiskOptions
	// Replica is the configuration of every replica; Self and Chain are filled.
	Replica data.Config
	// Words keeps the last lines of the trace.
	Words int
	// Rollback lets disks come back as older images of themselves.
	Rollback bool
	// rules are those that hold; the zero Set is all of them.
	rules rule.Set
}

// DataResult is what came of a run.
type DataResult struct {
	Seed uint64
	// Err is the first broken invariant; nil if all held.
	Err error
	// Hash is the trace's; the same seed and options give the same.
	Hash uint64
	// Words are the trace's last lines, if asked for.
	Words string
	// What happened, so that a test can see that the run was worth while.
	Steps, Sealed, Cloned, Removed, Epochs, Promotions, Crashes, Wipes, Rollbacks int
}

func (o *DataOptions) setDefaults() {
	num := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	num(&o.Nodes, 4)
	num(&o.Factor, 3)
	num(&o.MinAck, min(2, o.Factor))
	num(&o.Clients, 4)
	if o.Faults == 0 {
		o.Faults = 2 * chain.Second
	}
	if o.Settle == 0 {
		o.Settle = 20 * chain.Second
	}
	if o.Net == (NetOptions{}) {
		o.Net = NetOptions{MinDelay: chain.Millisecond / 5, MaxDelay: 2 * chain.Millisecond, Loss: 0.02, Dup: 0.02, Late: 0.02, LateBy: 60 * chain.Millisecond}
	}
	if o.Disk == (DiskOptions{}) {
		o.Disk = DiskOptions{MinSync: chain.Millisecond / 5, MaxSync: 3 * chain.Millisecond, Slow: 0.02, SlowBy: 50 * chain.Millisecond}
	}
	if o.Replica.TickEvery == 0 {
		o.Replica = data.Config{
			MaxOpen: 16, ChunkInflight: 512, ReplicaInflight: 4096, MaxOwed: 24, PageSize: 4, Copies: 2, MaxReads: 3,
			AbandonAfter: 500 * chain.Millisecond, FinishWithin: 300 * chain.Millisecond, ResendAfter: 20 * chain.Millisecond,
			ReportEvery: 50 * chain.Millisecond, UnreachableAfter: 150 * chain.Millisecond, TickEvery: 10 * chain.Millisecond,
		}
	}
}

// dataSim is one run.
type dataSim struct {
	opt    DataOptions
	w      *World
	net    *Net
	master *Master
	nodes  []*dataNode
	// chunks is what the clients know of every id that was ever asked for.
	chunks map[chain.ChunkID]*dataChunk
	ids    []chain.ChunkID
	calls  map[uint64]*dataCall
	lastID uint64
	quiet  bool
	faults dataFaults
	res    DataResult
}

// dataChunk is the model of one id.
type dataChunk struct {
	id chain.ChunkID
	// tries are the bytes of every attempt to write it.
	tries [][]byte
	// acked is the content that was acknowledged; nil if none was.
	acked []byte
	// removing: a removal was asked for; removed: it was acknowledged.
	removing, removed bool
	// undead: a disk that was rolled back has it again after its removal.
	undead bool
}

// dataCall is a request that waits for its reply.
type dataCall struct {
	id      uint64
	what    string
	chunk   *dataChunk
	content []byte
	remove  []chain.ChunkID
	answer  func(err error)
	done    bool
}

// RunData runs one seed and returns what came of it.
func RunData(seed uint64, opt DataOptions) DataResult {
	opt.setDefaults()
	w := NewWorld(seed, NewTrace(opt.Words))
	s := &dataSim{opt: opt, w: w, chunks: map[chain.ChunkID]*dataChunk{}, calls: map[uint64]*dataCall{}}
	s.res.Seed = seed
	s.net = NewNet(w, opt.Net, func(env chain.Envelope) {
		if n := s.nodes[NodeOf(env.To)-1]; n.up {
			n.step(data.Deliver{Env: env})
		}
	})
	for i := range opt.Nodes {
		s.nodes = append(s.nodes, newDataNode(s, i+1))
	}
	var first []chain.ReplicaID
	for _, n := range s.nodes[:opt.Factor] {
		first = append(first, n.id)
	}
	s.master = NewMaster(NewChain(chain.KindData, opt.Factor, opt.MinAck, first...), rule.Set{})
	s.configured()
	s.masterLoop()
	s.startNemesis()
	for i := range opt.Clients {
		c := &dataClient{sim: s, n: i, cfg: s.master.Config}
		s.w.After(s.w.Between(0, 20*chain.Millisecond), c.next)
	}
	w.Run(Real(opt.Faults))
	s.settle()
	s.res.Err, s.res.Hash, s.res.Words = w.Fault(), w.Trace.Hash(), w.Trace.String()
	s.res.Epochs, s.res.Steps = len(s.master.History), int(w.Trace.Count())
	return s.res
}

// pattern is the content of the i-th attempt to write a chunk.
func pattern(id chain.ChunkID, try, size int) []byte {
	b := make([]byte, size)
	x := uint32(id.Blob[1])<<8 | uint32(id.Blob[0]) | uint32(try)<<20 | 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// present checks that a member of the recoverable set has an acknowledged chunk.
func (s *dataSim) present(c *dataChunk, r chain.ReplicaID) {
	n := s.nodes[NodeOf(r)-1]
	if c.acked == nil || c.removing || n.id != r || n.rolled && s.mending(n) {
		return // n.id differs: its store was lost, and that was said
	}
	have, ok := n.store.sealed[c.id]
	switch {
	case !ok:
		s.w.Fail("node %d is in the recoverable set of epoch %s and has no %s", n.n, s.master.Config.Epoch, c.id)
	case !bytes.Equal(have.bytes, c.acked):
		s.w.Fail("node %d has other bytes of %s than were acknowledged", n.n, c.id)
	}
}

// absent checks that a Serving member does not have a removed chunk.
func (s *dataSim) absent(c *dataChunk, r chain.ReplicaID) {
	n := s.nodes[NodeOf(r)-1]
	if !c.removed || n.id != r || c.undead {
		return
	}
	if _, ok := n.store.sealed[c.id]; ok {
		s.w.Fail("node %d serves in epoch %s and has %s, whose removal was acknowledged", n.n, s.master.Config.Epoch, c.id)
	}
}

func (s *dataSim) checkChunk(c *dataChunk) {
	for _, r := range s.master.Config.Recoverable {
		s.present(c, r)
	}
	for _, r := range s.master.Config.Serving {
		s.absent(c, r)
	}
}

// checkAll is asked after every change of the configuration.
func (s *dataSim) checkAll() {
	for _, id := range s.ids {
		s.checkChunk(s.chunks[id])
	}
}

// sealed: a chunk became readable on a node.
func (s *dataSim) sealed(n *dataNode, have dataSealed) {
	c := s.chunks[have.info.Header.ID]
	if c == nil {
		s.w.Fail("node %d has %s, which nobody wrote", n.n, have.info.Header.ID)
		return
	}
	if !slices.ContainsFunc(c.tries, func(b []byte) bool { return bytes.Equal(b, have.bytes) }) {
		s.w.Fail("node %d made bytes of %s readable that nobody wrote so", n.n, c.id)
	}
	if n.rolled && c.removing {
		c.undead = true // copied, in an epoch that it forgot to have left, from one who missed the removal
	}
	s.checkChunk(c)
}

// dropped: a chunk is no longer readable on a node.
func (s *dataSim) dropped(_ *dataNode, id chain.ChunkID) {
	if c := s.chunks[id]; c != nil {
		s.checkChunk(c)
	}
}

// replied takes a reply at the moment in which a replica gives it: from then
// on it may be known, and everything that it promises must be true.
func (s *dataSim) replied(n *dataNode, e data.Reply) {
	call := s.calls[e.ID]
	if call == nil || call.done {
		s.w.Fail("node %d answers %d, which nobody asked or which was answered", n.n, e.ID)
		return
	}
	call.done = true
	delete(s.calls, e.ID)
	if s.w.Trace.Words() {
		s.w.Trace.Say("%s node %d answers %s %d: %v", s.w.Now(), n.n, call.what, e.ID, e.Err)
	}
	s.w.Trace.Note(e.ID, boolCode(e.Err == nil))
	if e.Err == nil {
		s.acknowledged(call)
	}
	if call.answer != nil {
		s.clientCarry(n.n, 0, func() { call.answer(e.Err) })
	}
}

func (s *dataSim) acknowledged(call *dataCall) {
	if c := call.chunk; c != nil && call.content != nil {
		if c.acked != nil {
			s.w.Fail("%s is acknowledged twice", c.id)
		}
		c.acked = call.content
		if call.what == "clone" {
			s.res.Cloned++
		} else {
			s.res.Sealed++
		}
		s.checkChunk(c)
	}
	for _, id := range call.remove {
		s.chunks[id].removed = true
		s.res.Removed++
		s.checkChunk(s.chunks[id])
	}
}

// call sends a request to a node. The transport delivers it at most once; what
// is lost is never answered.
func (s *dataSim) call(n *dataNode, c *dataCall, ev func(id uint64) data.Event) {
	s.lastID++
	c.id = s.lastID
	s.calls[c.id] = c
	gen := n.gen
	s.clientCarry(0, n.n, func() {
		if gen == n.gen && n.up {
			n.step(ev(c.id))
		}
	})
}

// clientCarry brings requests and replies: a transport that does not repeat
// and seldom loses, but cannot cross a cut.
func (s *dataSim) clientCarry(from, to int, fn func()) {
	if !s.net.Reaches(from, to) || !s.quiet && s.w.Chance(0.003) {
		return
	}
	s.w.After(s.w.Between(chain.Millisecond/10, 2*chain.Millisecond), fn)
}

func boolCode(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// report gives a replica's report to the master, over the network.
func (s *dataSim) report(n *dataNode, r chain.Report) {
	late := int64(0)
	if r.Kind == chain.ReportInSync && !s.quiet && s.w.Chance(0.3) {
		late = s.w.Between(0, 200*chain.Millisecond)
		if s.faults.crash && s.w.Chance(0.5) {
			// The tail may crash and be back before the master hears it.
			s.w.After(s.w.Between(0, late), func() { s.crash(n) })
		}
	}
	s.w.After(late, func() { s.carryReport(n, r) })
}

func (s *dataSim) carryReport(n *dataNode, r chain.Report) {
	s.net.Carry(n.n, 0, func() {
		switch r.Kind {
		case chain.ReportInSync:
			if s.opt.Rollback && s.nodes[NodeOf(r.From)-1].id != r.From {
				return // true, but a member that is mending would be left without a source
			}
			if s.master.Promote(r.Epoch, r.Replica) {
				s.w.Trace.Say("%s master promotes node %d", s.w.Now(), NodeOf(r.Replica))
				s.res.Promotions++
				s.configured()
			}
		case chain.ReportUnreachable:
			if r.Epoch == s.master.Config.Epoch && (s.faults.suspect && s.w.Chance(0.05) || s.w.Chance(0.01)) {
				s.remove(r.Replica)
			}
		}
	})
}

// configured publishes the newest configuration and checks what it promises.
func (s *dataSim) configured() {
	c := s.master.Config
	s.w.Trace.Note(c.Epoch.N, uint64(len(c.Serving)))
	if s.w.Trace.Words() {
		s.w.Trace.Say("%s epoch %s serving %v syncing %v recoverable %v", s.w.Now(), c.Epoch, nodesOf(c.Serving), nodesOf(c.Syncing), nodesOf(c.Recoverable))
	}
	s.checkAll()
	s.publish()
}

func (s *dataSim) publish() {
	c := s.master.Config
	for _, n := range s.nodes {
		s.net.Carry(0, n.n, func() { n.step(data.Configure{Config: c}) })
	}
}

func nodesOf(rs []chain.ReplicaID) (ns []string) {
	for _, r := range rs {
		ns = append(ns, fmt.Sprintf("%d/%d", NodeOf(r), r.Incarnation))
	}
	return ns
}

// sayEvent writes an event in words.
func (s *dataSim) sayEvent(n *dataNode, ev data.Event) {
	switch ev := ev.(type) {
	case data.Tick:
	case data.Deliver:
		s.w.Trace.Say("%s node %d < %d %s", s.w.Now(), n.n, NodeOf(ev.Env.From), dataMessageWords(ev.Env.Msg))
	case data.Frame:
		s.w.Trace.Say("%s node %d frame %d of %s at %d, %d bytes", s.w.Now(), n.n, ev.ID, ev.Chunk, ev.Offset, len(ev.Bytes))
	case data.ChunkRead:
		s.w.Trace.Say("%s node %d read %s: %d bytes, %v", s.w.Now(), n.n, ev.Chunk.Header.ID, len(ev.Bytes), ev.Err)
	case data.Configure:
		s.w.Trace.Say("%s node %d is told epoch %s", s.w.Now(), n.n, ev.Config.Epoch)
	default:
		s.w.Trace.Say("%s node %d %T %+v", s.w.Now(), n.n, ev, ev)
	}
}

func dataMessageWords(msg any) string {
	switch m := msg.(type) {
	case data.Packet:
		return fmt.Sprintf("e%s %d>%d seq %d ack %d %s", m.Epoch, m.From, m.To, m.Seq, m.Ack, dataBodyWords(m.Body))
	case data.Datagram:
		return fmt.Sprintf("e%s %d>%d %s", m.Epoch, m.From, m.To, dataBodyWords(m.Body))
	case data.Hello:
		return fmt.Sprintf("e%s %d>%d hello", m.Epoch, m.From, m.To)
	case data.Ack:
		return fmt.Sprintf("e%s %d>%d ack %d", m.Epoch, m.From, m.To, m.Ack)
	}
	return fmt.Sprintf("%T", msg)
}

func dataBodyWords(b data.Body) string {
	switch b := b.(type) {
	case data.MsgFrame:
		return fmt.Sprintf("MsgFrame op %d at %d, %d bytes", b.Op, b.Offset, len(b.Bytes))
	case data.MsgPiece:
		return fmt.Sprintf("MsgPiece req %d %s at %d, %d bytes, kind %d", b.Req, b.Info.Header.ID, b.Offset, len(b.Bytes), b.Kind)
	}
	return fmt.Sprintf("%T %+v", b, b)
}

package data

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

// rig runs a chain of replicas over memory stores. Messages and durability
// move only when a test says so: pump delivers everything until it is quiet.
type rig struct {
	t        *testing.T
	now      chain.Now
	nodes    []*node
	replies  map[uint64]error
	order    []uint64
	reports  []chain.Report
	mail     []chain.Envelope
	lastID   uint64
	lose     func(chain.Envelope) bool
	syncHeld map[int]bool
	// onEffect sees every effect; onEvent may keep an event of a store back.
	onEffect func(n *node, e Effect)
	onEvent  func(n *node, ev Event) bool
}

// node is one replica with its store: sealed chunks, open space, and what was
// persisted but is not on disk yet.
type node struct {
	id       chain.ReplicaID
	r        *Replica
	state    *State
	sealed   map[chain.ChunkID]memChunk
	aside    map[chain.ChunkID]memChunk
	open     map[chain.ChunkID]*memOpen
	coming   map[chain.ChunkID]bool
	unsynced []func(n *node)
	token    uint64
	full     bool
	corrupt  bool
	down     bool
	events   []Event
}

type memChunk struct {
	info  Chunk
	bytes []byte
}

func (c memChunk) damaged() bool { return !slices.Equal(crc(c.bytes), c.info.Sums) }

type memOpen struct {
	hdr   Header
	bytes []byte
}

func crc(b []byte) Sums {
	var s Sums
	for block := range slices.Chunk(b, BlockSize) {
		s = append(s, crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli)))
	}
	return s
}

func rid(n int) chain.ReplicaID {
	return chain.ReplicaID{Store: chain.StoreID{byte(n)}, Incarnation: 1}
}

func cid(n int) chain.ChunkID {
	return chain.ChunkID{Blob: chain.BlobID{1, byte(n >> 8), byte(n)}, Ordinal: 0}
}

func header(n, size int) Header {
	return Header{ID: cid(n), Bucket: chain.BucketID{9}, Key: fmt.Sprintf("k%d", n), Stamp: 5, Size: uint32(size)}
}

func config(n uint64, serving []int, syncing ...int) chain.Config {
	c := chain.Config{Chain: 7, Kind: chain.KindData, Epoch: chain.Epoch{N: n}, Factor: 3, MinAck: 2}
	if n > 1 {
		c.Prev = chain.Epoch{N: n - 1}
	}
	for _, i := range serving {
		c.Serving = append(c.Serving, rid(i))
	}
	for _, i := range syncing {
		c.Syncing = append(c.Syncing, rid(i))
	}
	c.Settled = slices.Clone(c.Serving)
	c.Recoverable = slices.Clone(c.Serving)
	return c
}

func newRig(t *testing.T, n int) *rig {
	g := &rig{t: t, replies: map[uint64]error{}, syncHeld: map[int]bool{}}
	for i := range n {
		g.nodes = append(g.nodes, g.newNode(i+1))
	}
	return g
}

func (g *rig) newNode(i int) *node {
	n := &node{id: rid(i), sealed: map[chain.ChunkID]memChunk{}, aside: map[chain.ChunkID]memChunk{}}
	g.start(n)
	return n
}

// start begins a replica anew from what its store has on disk.
func (g *rig) start(n *node) {
	r, err := New(Config{Self: n.id, Chain: 7, Recovered: Recovered{State: n.state}})
	require.NoError(g.t, err)
	n.r, n.open, n.unsynced, n.token, n.events = r, map[chain.ChunkID]*memOpen{}, nil, 0, nil
	n.coming = map[chain.ChunkID]bool{}
	n.down = false
	g.step(n, Tick{})
}

// restart loses everything that was not on disk.
func (g *rig) restart(i int) {
	g.start(g.nodes[i])
	g.pump()
}

func (g *rig) step(n *node, ev Event) {
	if n.down {
		return
	}
	for _, e := range n.r.Step(g.now, ev) {
		g.do(n, e)
	}
}

func (g *rig) do(n *node, e Effect) {
	if g.onEffect != nil {
		g.onEffect(n, e)
	}
	switch e := e.(type) {
	case Send:
		g.mail = append(g.mail, e.Env)
	case Reply:
		_, twice := g.replies[e.ID]
		require.False(g.t, twice, "two replies to %d", e.ID)
		g.replies[e.ID] = e.Err
		g.order = append(g.order, e.ID)
	case Report:
		g.reports = append(g.reports, e.Report)
	case Stop:
		g.t.Fatalf("stopped: %s", e.Reason)
	default:
		g.store(n, e)
	}
}

// later runs fn when the node's disk is synced.
func (g *rig) later(n *node, token uint64, fn func(n *node)) {
	require.Equal(g.t, n.token+1, token, "tokens grow by one")
	n.token = token
	n.unsynced = append(n.unsynced, fn)
}

// store does what concerns records and sealed chunks.
func (g *rig) store(n *node, e Effect) {
	switch e := e.(type) {
	case PersistState:
		g.later(n, e.Token, func(n *node) { n.state = &e.State })
	case PersistRemove:
		g.later(n, e.Token, func(n *node) {
			for _, id := range e.Chunks {
				delete(n.sealed, id)
			}
		})
	case Quarantine:
		g.later(n, e.Token, func(n *node) {
			for _, id := range e.Chunks {
				if c, ok := n.sealed[id]; ok {
					n.aside[id] = c
					delete(n.sealed, id)
				}
			}
		})
	case List:
		n.events = append(n.events, n.list(e))
	case ReadChunk:
		ev := ChunkRead{ID: e.ID}
		if c, ok := n.sealed[e.Chunk]; ok {
			ev.Chunk, ev.Bytes = c.info, c.bytes
			if c.damaged() {
				ev.Bytes, ev.Err = nil, errors.New("damaged")
			}
		} else {
			ev.Err = &chain.Refusal{Kind: chain.RefusedGone}
		}
		n.events = append(n.events, ev)
	default:
		g.write(n, e)
	}
}

// write does what makes chunks.
func (g *rig) write(n *node, e Effect) {
	switch e := e.(type) {
	case Reserve:
		ev := Reserved{Chunk: e.Header.ID}
		if c, ok := n.sealed[e.Header.ID]; ok && !c.damaged() {
			ev.Held, ev.Err = &c.info, &chain.Refusal{Kind: chain.RefusedInvalid}
		} else if n.full {
			ev.Err = &chain.Refusal{Kind: chain.RefusedFull}
		} else {
			require.Nil(g.t, n.open[e.Header.ID], "reserved twice")
			if n.coming[e.Header.ID] {
				ev.Err = &chain.Refusal{Kind: chain.RefusedInvalid}
				n.events = append(n.events, ev)
				return
			}
			n.open[e.Header.ID] = &memOpen{hdr: e.Header}
		}
		n.events = append(n.events, ev)
	case WriteFrame:
		o := n.open[e.Chunk]
		require.NotNil(g.t, o, "a frame without space")
		require.Equal(g.t, int(e.Offset), len(o.bytes))
		o.bytes = append(o.bytes, e.Bytes...)
		if n.corrupt {
			o.bytes[0] ^= 1
		}
		if len(o.bytes) == int(o.hdr.Size) {
			n.events = append(n.events, Computed{Chunk: e.Chunk, Sums: crc(o.bytes)})
		}
	case PersistSeal:
		o := n.open[e.Header.ID]
		require.NotNil(g.t, o)
		require.Equal(g.t, e.Header, o.hdr)
		require.Len(g.t, o.bytes, int(e.Header.Size))
		delete(n.open, e.Header.ID)
		n.coming[e.Header.ID] = true
		g.later(n, e.Token, func(n *node) {
			delete(n.coming, e.Header.ID)
			old, twice := n.sealed[e.Header.ID]
			require.False(g.t, twice && !old.damaged(), "sealed twice")
			n.sealed[e.Header.ID] = memChunk{Chunk{e.Header, e.Sums}, o.bytes}
		})
	case Release:
		delete(n.open, e.Chunk)
	case MakeClone:
		old, ok := n.sealed[e.Old]
		if !ok {
			n.events = append(n.events, Cloned{Token: e.Token, Err: &chain.Refusal{Kind: chain.RefusedGone}})
			g.later(n, e.Token, func(*node) {})
			return
		}
		b := old.bytes[e.Offset : e.Offset+e.Header.Size]
		n.events = append(n.events, Cloned{Token: e.Token})
		g.later(n, e.Token, func(n *node) { n.sealed[e.Header.ID] = memChunk{Chunk{e.Header, crc(b)}, b} })
	}
}

func (n *node) list(e List) Listed {
	var all []Chunk
	for _, c := range n.sealed {
		if c.info.Header.ID.Compare(e.After) > 0 {
			all = append(all, c.info)
		}
	}
	slices.SortFunc(all, func(a, b Chunk) int { return a.Header.ID.Compare(b.Header.ID) })
	more := len(all) > e.Max
	return Listed{ID: e.ID, Chunks: all[:min(len(all), e.Max)], More: more}
}

// pump runs stores and network until nothing is left to do.
func (g *rig) pump() {
	for range 100000 {
		if !g.pumpOnce() {
			return
		}
	}
	g.t.Fatal("never quiet")
}

func (g *rig) pumpOnce() bool {
	for i, n := range g.nodes {
		if len(n.events) > 0 {
			ev := n.events[0]
			n.events = n.events[1:]
			if g.onEvent == nil || !g.onEvent(n, ev) {
				g.step(n, ev)
			}
			return true
		}
		if len(n.unsynced) > 0 && !g.syncHeld[i] && !n.down {
			g.sync(n)
			return true
		}
	}
	if len(g.mail) == 0 {
		return false
	}
	env := g.mail[0]
	g.mail = g.mail[1:]
	if g.lose != nil && g.lose(env) {
		return true
	}
	for _, n := range g.nodes {
		if n.id == env.To {
			g.step(n, Deliver{Env: env})
		}
	}
	return true
}

func (g *rig) sync(n *node) {
	for _, fn := range n.unsynced {
		fn(n)
	}
	n.unsynced = nil
	g.step(n, Durable{Token: n.token})
}

// pass lets time go by, with ticks, pumping in between.
func (g *rig) pass(d int64) {
	for end := g.now.Mono.Add(d); g.now.Mono < end; {
		g.now.Mono = g.now.Mono.Add(50 * chain.Millisecond)
		for _, n := range g.nodes {
			g.step(n, Tick{})
		}
		g.pump()
	}
}

func (g *rig) configure(c chain.Config, to ...int) {
	if len(to) == 0 {
		for i := range g.nodes {
			to = append(to, i)
		}
	}
	for _, i := range to {
		g.step(g.nodes[i], Configure{Config: c})
	}
	g.pump()
}

func (g *rig) id() uint64 { g.lastID++; return g.lastID }

func payload(n, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i*7 + n + i>>8)
	}
	return b
}

// open, frames and seal send a caller's requests to a node and return the ids.
func (g *rig) open(at int, e uint64, h Header) uint64 {
	id := g.id()
	g.step(g.nodes[at], Open{ID: id, Epoch: chain.Epoch{N: e}, Header: h})
	return id
}

func (g *rig) frames(at int, c chain.ChunkID, b []byte) (ids []uint64) {
	off := 0
	for f := range slices.Chunk(b, chain.MaxFrame) {
		id := g.id()
		g.step(g.nodes[at], Frame{ID: id, Chunk: c, Offset: uint32(off), Bytes: f})
		off += len(f)
		ids = append(ids, id)
	}
	return ids
}

func (g *rig) seal(at int, c chain.ChunkID, s Sums) uint64 {
	id := g.id()
	g.step(g.nodes[at], Seal{ID: id, Chunk: c, Sums: s})
	return id
}

// put writes a whole chunk at the head and pumps; it returns the seal's answer.
func (g *rig) put(at int, e uint64, n, size int) error {
	b := payload(n, size)
	o := g.open(at, e, header(n, size))
	g.pump()
	if err, ok := g.replies[o]; ok && err != nil {
		return err
	}
	off := 0
	for f := range slices.Chunk(b, chain.MaxFrame) {
		g.step(g.nodes[at], Frame{ID: g.id(), Chunk: cid(n), Offset: uint32(off), Bytes: f})
		off += len(f)
		g.pump()
	}
	s := g.seal(at, cid(n), crc(b))
	g.pump()
	err, ok := g.replies[s]
	require.True(g.t, ok, "no answer to the seal")
	return err
}

func (g *rig) remove(at int, ids ...int) error {
	var cs []chain.ChunkID
	for _, i := range ids {
		cs = append(cs, cid(i))
	}
	id := g.id()
	g.step(g.nodes[at], Remove{ID: id, Chunks: cs})
	g.pump()
	err, ok := g.replies[id]
	require.True(g.t, ok, "no answer to the removal")
	return err
}

func (g *rig) clone(at int, e uint64, h Header, old, off int) error {
	id := g.id()
	g.step(g.nodes[at], Clone{ID: id, Epoch: chain.Epoch{N: e}, Header: h, Old: cid(old), Offset: uint32(off)})
	g.pump()
	err, ok := g.replies[id]
	require.True(g.t, ok, "no answer to the clone")
	return err
}

func (g *rig) requireRefused(err error, kind chain.RefusalKind) {
	g.t.Helper()
	var ref *chain.Refusal
	require.ErrorAs(g.t, err, &ref)
	require.Equal(g.t, kind, ref.Kind, ref.Error())
}

// has tells which nodes hold a chunk with the right bytes.
func (g *rig) has(n, size int) (at []int) {
	at = []int{}
	for i, nd := range g.nodes {
		if c, ok := nd.sealed[cid(n)]; ok {
			require.Equal(g.t, payload(n, size), c.bytes)
			at = append(at, i)
		}
	}
	return at
}

// reported tells whether a joiner was reported in sync in an epoch.
func (g *rig) reported(e uint64, joiner int) bool {
	return slices.ContainsFunc(g.reports, func(r chain.Report) bool {
		return r.Kind == chain.ReportInSync && r.Epoch.N == e && r.Replica == g.nodes[joiner].id
	})
}

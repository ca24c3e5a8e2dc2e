package client

import (
	"context"
	"sync"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

func store(n byte) chain.StoreID { return chain.StoreID{n} }

func replica(n byte) chain.ReplicaID { return chain.ReplicaID{Store: store(n), Incarnation: 1} }

// config is a chain of the replicas 1 to n.
func config(id chain.ChainID, kind chain.Kind, n int) chain.Config {
	c := chain.Config{Chain: id, Kind: kind, Epoch: chain.Epoch{N: 1}, Factor: 3, MinAck: 2}
	for i := range n {
		c.Serving = append(c.Serving, replica(byte(i+1)))
	}
	c.Settled = c.Serving
	return c
}

// cmap has one tablet, on chain 1, and three data chains, 10 to 12.
func cmap() *chain.Map {
	m := &chain.Map{Version: 1, Chains: map[chain.ChainID]chain.Config{1: config(1, chain.KindIndex, 3)}}
	for id := chain.ChainID(10); id < 13; id++ {
		m.Chains[id] = config(id, chain.KindData, 3)
	}
	m.Tablets = []chain.Tablet{{ID: 7, Chain: 1, Generation: 4}}
	return m
}

// fakeNode answers as its functions say; a nil one must not be called.
type fakeNode struct {
	m       *chain.Map
	propose func(context.Context, chain.ReplicaID, *tablet.Command) (tablet.Answer, error)
	query   func(chain.ReplicaID, *tablet.Query) (tablet.Result, error)
	open    func(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch, data.Header) error
	write   func(off uint32, b []byte) error
	seal    func(data.Sums) error
	clone   func() error
	remove  func(context.Context) error
	probe   func() error
	read    func(chain.ReplicaID) ([]byte, error)

	mu      sync.Mutex
	aborted []chain.ChunkID
}

func (f *fakeNode) Map() *chain.Map {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m
}

func (f *fakeNode) setMap(m *chain.Map) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m = m
}

func (f *fakeNode) Propose(ctx context.Context, _ chain.ChainID, r chain.ReplicaID, cmd *tablet.Command) (tablet.Answer, error) {
	return f.propose(ctx, r, cmd)
}

func (f *fakeNode) Query(_ chain.ChainID, r chain.ReplicaID, q *tablet.Query) (tablet.Result, error) {
	return f.query(r, q)
}

func (f *fakeNode) OpenChunk(ctx context.Context, c chain.ChainID, r chain.ReplicaID, e chain.Epoch, h data.Header) error {
	return f.open(ctx, c, r, e, h)
}

func (f *fakeNode) WriteChunk(_ context.Context, _ chain.ChainID, _ chain.ReplicaID, _ chain.ChunkID, off uint32, b []byte) error {
	return f.write(off, b)
}

func (f *fakeNode) SealChunk(_ context.Context, _ chain.ChainID, _ chain.ReplicaID, _ chain.ChunkID, sums data.Sums) error {
	return f.seal(sums)
}

func (f *fakeNode) AbortChunk(_ chain.ChainID, _ chain.ReplicaID, id chain.ChunkID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = append(f.aborted, id)
}

func (f *fakeNode) CloneChunk(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch, data.Header, chain.ChunkID, uint32) error {
	return f.clone()
}

func (f *fakeNode) RemoveChunks(ctx context.Context, _ chain.ChainID, _ chain.ReplicaID, _ []chain.ChunkID) error {
	return f.remove(ctx)
}

func (f *fakeNode) ProbeChain(context.Context, chain.ChainID, chain.ReplicaID, chain.Epoch) error {
	return f.probe()
}

func (f *fakeNode) ReadChunk(_ chain.ChainID, r chain.ReplicaID, _ chain.ChunkID, _, _ uint32) ([]byte, error) {
	return f.read(r)
}

func refusal(k chain.RefusalKind) error { return &chain.Refusal{Kind: k} }

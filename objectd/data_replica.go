package objectd

import (
	"context"
	"errors"

	"catena/chain"
	"catena/chain/data"
	"catena/objectd/store"
)

// dataReplica is the actor of one replica of a data chain.
type dataReplica struct {
	actor
	core *data.Replica

	// The rest belongs to the actor's goroutine.
	waiting map[uint64]chan<- error
	nextID  uint64
	// local holds answers of synchronous effects, stepped before the next item.
	local []data.Event
}

// chunkRequest is a request on its way to the machine; make gives its event.
type chunkRequest struct {
	make  func(id uint64) data.Event
	reply chan<- error
}

func newDataReplica(n *Node, d *disk, rec store.Recovered) (*dataReplica, error) {
	r := &dataReplica{actor: newActor(n, d, rec.Key), waiting: map[uint64]chan<- error{}}
	r.self = r
	var recovered data.Recovered
	if rec.State != nil {
		st, err := data.UnmarshalState(rec.State)
		if err != nil {
			return nil, err
		}
		recovered.State = &st
		r.learn(st.Config)
		r.persisted.Store(&st.Config.Epoch)
	}
	core, err := data.New(data.Config{
		Self: r.addr.replica, Chain: r.addr.chain, Recovered: recovered, TickEvery: int64(n.cfg.TickEvery),
	})
	if err != nil {
		return nil, err
	}
	r.core = core
	return r, nil
}

func (r *dataReplica) base() *actor { return &r.actor }
func (r *dataReplica) free(b int64) { r.box.post(data.Free{Bytes: b}) }

func (r *dataReplica) tick() {
	if !r.ticking.Swap(true) {
		r.box.post(data.Tick{})
	}
}

func (r *dataReplica) configure(c chain.Config) {
	if r.learn(c) {
		r.box.post(data.Configure{Config: c})
	}
}

func (r *dataReplica) kind() chain.Kind { return chain.KindData }

func (r *dataReplica) serve(item any) {
	switch it := item.(type) {
	case chunkRequest:
		r.nextID++
		r.waiting[r.nextID] = it.reply
		r.step(it.make(r.nextID))
	case data.Tick:
		r.ticking.Store(false)
		r.step(it)
	case data.Durable:
		r.onDisk(it.Token)
		r.step(it)
	case data.Event:
		r.step(it)
	}
}

func (r *dataReplica) refuse(item any) {
	if q, ok := item.(chunkRequest); ok {
		q.reply <- r.refusal(chain.RefusedFailed, "the replica ended")
	}
}

// step steps the machine, and again for what its effects answered at once.
func (r *dataReplica) step(ev data.Event) {
	r.carryOut(r.core.Step(r.node.cfg.Clock.Now(), ev))
	for len(r.local) > 0 && !r.ended.Load() {
		next := r.local[0]
		r.local = r.local[1:]
		r.carryOut(r.core.Step(r.node.cfg.Clock.Now(), next))
	}
}

func (r *dataReplica) answerAll(why error) {
	r.local = nil
	for id, ch := range r.waiting {
		ch <- why
		delete(r.waiting, id)
	}
}

// chunk gives a request to a replica of a data chain and waits.
func (n *Node) chunk(ctx context.Context, c chain.ChainID, id chain.ReplicaID, make_ func(id uint64) data.Event) error {
	r, ok := n.lookup(address{c, id}).(*dataReplica)
	if !ok {
		return n.absent(c)
	}
	reply := make(chan error, 1)
	if !r.box.post(chunkRequest{make: make_, reply: reply}) {
		return r.refusal(chain.RefusedFailed, "the store failed")
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// OpenChunk asks a head for space for a chunk.
func (n *Node) OpenChunk(ctx context.Context, c chain.ChainID, id chain.ReplicaID, epoch chain.Epoch, h data.Header) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event { return data.Open{ID: id, Epoch: epoch, Header: h} })
}

// WriteChunk sends bytes of an open chunk, in order. They must not change afterwards.
func (n *Node) WriteChunk(ctx context.Context, c chain.ChainID, id chain.ReplicaID, chunk chain.ChunkID, off uint32, b []byte) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event { return data.Frame{ID: id, Chunk: chunk, Offset: off, Bytes: b} })
}

// SealChunk ends a chunk; nil means durable on every replica.
func (n *Node) SealChunk(ctx context.Context, c chain.ChainID, id chain.ReplicaID, chunk chain.ChunkID, sums data.Sums) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event { return data.Seal{ID: id, Chunk: chunk, Sums: sums} })
}

// AbortChunk frees an open chunk. It does not wait.
func (n *Node) AbortChunk(c chain.ChainID, id chain.ReplicaID, chunk chain.ChunkID) {
	if r, ok := n.lookup(address{c, id}).(*dataReplica); ok {
		r.box.post(data.Abort{Chunk: chunk})
	}
}

// CloneChunk points a new id at part of an old chunk's bytes.
func (n *Node) CloneChunk(ctx context.Context, c chain.ChainID, id chain.ReplicaID, epoch chain.Epoch, h data.Header, old chain.ChunkID, off uint32) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event {
		return data.Clone{ID: id, Epoch: epoch, Header: h, Old: old, Offset: off}
	})
}

// RemoveChunks drops chunks, also those that are not there.
func (n *Node) RemoveChunks(ctx context.Context, c chain.ChainID, id chain.ReplicaID, chunks []chain.ChunkID) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event { return data.Remove{ID: id, Chunks: chunks} })
}

// ProbeChain asks a head to confirm that it is the head of this epoch, with
// every replica of the chain: it makes "chunk gone" believable.
func (n *Node) ProbeChain(ctx context.Context, c chain.ChainID, id chain.ReplicaID, epoch chain.Epoch) error {
	return n.chunk(ctx, c, id, func(id uint64) data.Event { return data.Probe{ID: id, Epoch: epoch} })
}

// ReadChunk reads verified bytes of a sealed chunk at any replica. RefusedGone
// is believed only from a Serving replica in the newest epoch: see ProbeChain.
func (n *Node) ReadChunk(c chain.ChainID, id chain.ReplicaID, chunk chain.ChunkID, off, size uint32) ([]byte, error) {
	r, ok := n.lookup(address{c, id}).(*dataReplica)
	if !ok {
		return nil, n.absent(c)
	}
	if !r.disk.enter() {
		return nil, r.refusal(chain.RefusedFailed, "the node has stopped")
	}
	defer r.disk.leave()
	if r.disk.failed() != nil {
		return nil, r.refusal(chain.RefusedFailed, "the store failed")
	}
	b, err := r.disk.st.ReadChunk(r.key, chunk, off, size)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, store.ErrGone):
		return nil, r.refusal(chain.RefusedGone, chunk.String())
	}
	r.unreadable(chunk, err)
	return nil, r.refusal(chain.RefusedFailed, err.Error())
}

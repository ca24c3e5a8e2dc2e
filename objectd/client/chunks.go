package client

import (
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

// sumBlock is the number of bytes that one sum of a chunk covers.
const sumBlock = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes one chunk. It is used by one goroutine.
type Writer struct {
	c      *Client
	chain  chain.ChainID
	head   chain.ReplicaID
	header data.Header
	// off is how many bytes were handed over; sums and part follow it.
	off    uint32
	sums   data.Sums
	part   uint32
	sealed bool
}

// Create opens a chunk on a data chain of its choice, not one of avoid unless
// there is no other. Errors are *chain.Refusal; RefusedFull when every chain
// that takes writes has said so.
func (c *Client) Create(ctx context.Context, h data.Header, avoid []chain.ChainID) (*Writer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var wait backoff
	tried := slices.Clone(avoid)
	full := map[chain.ChainID]error{}
	for {
		cfg, err := c.pick(tried, full)
		if err == nil {
			var w *Writer
			if w, err = c.open(ctx, cfg, h); err == nil {
				return w, nil
			}
			// An open that was not answered leaves nothing but an id that is
			// never used again.
			var r *chain.Refusal
			if !errors.As(err, &r) || r.Kind == chain.RefusedUnknown || r.Kind == chain.RefusedInvalid {
				return nil, ended(cfg.Chain, err)
			}
			tried = append(tried, cfg.Chain)
			if r.Kind == chain.RefusedFull {
				full[cfg.Chain] = err
				continue // another one may have room, and is asked at once
			}
		} else if final(err) {
			return nil, err
		}
		if !wait.wait(ctx) {
			return nil, ended(cfg.Chain, err)
		}
	}
}

// open is one try; what a head does with one that was not answered in time is
// given up, so that it does not hold the space.
func (c *Client) open(ctx context.Context, cfg chain.Config, h data.Header) (*Writer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.tryFor)
	defer cancel()
	err := c.node.OpenChunk(ctx, cfg.Chain, cfg.Head(), cfg.Epoch, h)
	if err == nil {
		return &Writer{c: c, chain: cfg.Chain, head: cfg.Head(), header: h}, nil
	}
	if ctx.Err() != nil {
		c.node.AbortChunk(cfg.Chain, cfg.Head(), h.ID)
	}
	return nil, err
}

// pick draws a writable data chain that is not full, of those not tried if there
// is one.
func (c *Client) pick(tried []chain.ChainID, full map[chain.ChainID]error) (chain.Config, error) {
	m := c.node.Map()
	if m == nil {
		return chain.Config{}, &chain.Refusal{Kind: chain.RefusedNotReady, Detail: "no map yet"}
	}
	var fresh, any_ []chain.Config
	var noSpace error
	for _, cfg := range m.Chains {
		if cfg.Kind != chain.KindData || !cfg.Writable() {
			continue
		}
		if err := full[cfg.Chain]; err != nil {
			noSpace = err
			continue
		}
		any_ = append(any_, cfg)
		if !slices.Contains(tried, cfg.Chain) {
			fresh = append(fresh, cfg)
		}
	}
	if len(fresh) == 0 {
		fresh = any_
	}
	if len(fresh) == 0 && noSpace != nil {
		return chain.Config{}, noSpace
	}
	if len(fresh) == 0 {
		return chain.Config{}, &chain.Refusal{Kind: chain.RefusedBelowMinAck, Detail: "no data chain takes writes"}
	}
	return fresh[rand.IntN(len(fresh))], nil
}

// Chain is the chain that was chosen.
func (w *Writer) Chain() chain.ChainID { return w.chain }

// Write hands over the next bytes, at most chain.MaxFrame; p is shared from
// then on and never changed. It returns when the frame was taken.
func (w *Writer) Write(ctx context.Context, p []byte) error {
	ctx, cancel := w.c.bounded(ctx)
	defer cancel()
	w.sum(p)
	var wait backoff
	for {
		err := w.c.node.WriteChunk(ctx, w.chain, w.head, w.header.ID, w.off, p)
		// Busy says that the frame was not taken, and that the chunk is still open.
		var r *chain.Refusal
		if errors.As(err, &r) && r.Kind == chain.RefusedBusy && wait.wait(ctx) {
			continue
		}
		w.off += uint32(len(p))
		return err
	}
}

// sum continues the CRC32C of each 64 KiB block.
func (w *Writer) sum(p []byte) {
	for len(p) > 0 {
		if w.part == 0 {
			w.sums = append(w.sums, 0)
		}
		n := min(uint32(len(p)), sumBlock-w.part)
		i := len(w.sums) - 1
		w.sums[i] = crc32.Update(w.sums[i], castagnoli, p[:n])
		w.part = (w.part + n) % sumBlock
		p = p[n:]
	}
}

// Seal waits until the chunk is durable on every replica. After an error its
// state is unknown and its id is never used again.
func (w *Writer) Seal(ctx context.Context) (tablet.Extent, error) {
	ctx, cancel := w.c.bounded(ctx)
	defer cancel()
	if err := w.c.node.SealChunk(ctx, w.chain, w.head, w.header.ID, w.sums); err != nil {
		return tablet.Extent{}, err
	}
	w.sealed = true
	return tablet.Extent{Chain: w.chain, Chunk: w.header.ID, Length: w.header.Size}, nil
}

// Abort frees the chunk if it was not sealed.
func (w *Writer) Abort() {
	if !w.sealed {
		w.c.node.AbortChunk(w.chain, w.head, w.header.ID)
	}
}

// Read returns the n bytes at off of the extent, verified, from one replica or
// another. RefusedGone only if a Serving replica in the newest epoch said so.
func (c *Client) Read(ctx context.Context, e tablet.Extent, off, n uint32) ([]byte, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var wait backoff
	for {
		b, err := c.readOnce(ctx, e, off, n)
		if err == nil || final(err) {
			return b, err
		}
		if !wait.wait(ctx) {
			return nil, ended(e.Chain, err)
		}
	}
}

// readOnce asks one Serving replica after the other.
func (c *Client) readOnce(ctx context.Context, e tablet.Extent, off, n uint32) ([]byte, error) {
	m := c.node.Map()
	if m == nil {
		return nil, &chain.Refusal{Kind: chain.RefusedNotReady, Detail: "no map yet"}
	}
	cfg, ok := m.Config(e.Chain)
	if !ok {
		return nil, &chain.Refusal{Kind: chain.RefusedNotReady, Chain: e.Chain, Detail: "no such chain in the map"}
	}
	if len(cfg.Serving) == 0 {
		return nil, &chain.Refusal{Kind: chain.RefusedNotReady, Chain: e.Chain, Newest: cfg, Detail: "nobody serves"}
	}
	var last error
	gone := 0
	first := rand.IntN(len(cfg.Serving))
	for i := range cfg.Serving {
		r := cfg.Serving[(first+i)%len(cfg.Serving)]
		b, err := c.node.ReadChunk(e.Chain, r, e.Chunk, e.Offset+off, n)
		if err == nil {
			return b, nil
		}
		last = err
		var ref *chain.Refusal
		if errors.As(err, &ref) && ref.Kind == chain.RefusedGone {
			gone++
		}
	}
	if gone < len(cfg.Serving) {
		return nil, notGone(cfg, last)
	}
	// All say so; it counts if they still serve in the newest epoch.
	ctx, cancel := context.WithTimeout(ctx, c.tryFor)
	defer cancel()
	if err := c.node.ProbeChain(ctx, e.Chain, cfg.Head(), cfg.Epoch); err != nil {
		return nil, notGone(cfg, err)
	}
	return nil, last
}

// notGone turns a RefusedGone that is not believed into "ask again".
func notGone(cfg chain.Config, err error) error {
	var ref *chain.Refusal
	if errors.As(err, &ref) && ref.Kind == chain.RefusedGone {
		return &chain.Refusal{Kind: chain.RefusedEpoch, Chain: cfg.Chain, Newest: cfg, Detail: "not every serving replica says that it is gone"}
	}
	return err
}

// Clone points the new id h.ID at e's bytes, on e's chain, and answers when
// that is durable on every replica.
func (c *Client) Clone(ctx context.Context, e tablet.Extent, h data.Header) (tablet.Extent, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var wait backoff
	for {
		var cfg chain.Config
		err := error(&chain.Refusal{Kind: chain.RefusedNotReady, Chain: e.Chain, Detail: "no such chain in the map"})
		if m := c.node.Map(); m != nil {
			if got, ok := m.Config(e.Chain); ok {
				cfg = got
				err = c.node.CloneChunk(ctx, e.Chain, cfg.Head(), cfg.Epoch, h, e.Chunk, e.Offset)
			}
		}
		if err == nil {
			return tablet.Extent{Chain: e.Chain, Chunk: h.ID, Length: h.Size}, nil
		}
		// A clone that was not answered may exist: its id is not sent again.
		var t tablet.Tries
		if !t.Failed(err) {
			return tablet.Extent{}, unknown(e.Chain, err)
		}
		if final(err) {
			return tablet.Extent{}, err
		}
		if !wait.wait(ctx) {
			return tablet.Extent{}, ended(e.Chain, err)
		}
	}
}

// Remove drops chunks of one chain, also those that are not there, and answers
// when that is durable on every replica.
func (c *Client) Remove(ctx context.Context, on chain.ChainID, ids []chain.ChunkID) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	var wait backoff
	for {
		err := error(&chain.Refusal{Kind: chain.RefusedNotReady, Chain: on, Detail: "no such chain in the map"})
		if m := c.node.Map(); m != nil {
			if cfg, ok := m.Config(on); ok {
				err = c.node.RemoveChunks(ctx, on, cfg.Head(), ids)
			}
		}
		if err == nil || final(err) {
			return err
		}
		if !wait.wait(ctx) {
			return ended(on, err)
		}
	}
}

// Discard removes chunks that no command ever named. Best effort, in the
// background, also when ctx ends: what is left is found by the scan for orphans.
func (c *Client) Discard(_ context.Context, es []tablet.Extent) {
	by := map[chain.ChainID][]chain.ChunkID{}
	for _, e := range es {
		by[e.Chain] = append(by[e.Chain], e.Chunk)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	for on, ids := range by {
		c.discards.Go(func() { _ = c.Remove(c.background, on, ids) })
	}
}

package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

// Node reaches replicas: objectd.Node for those of this process.
type Node interface {
	// Map is the newest map known; nil before the first.
	Map() *chain.Map
	Propose(ctx context.Context, c chain.ChainID, r chain.ReplicaID, cmd *tablet.Command) (tablet.Answer, error)
	Query(c chain.ChainID, r chain.ReplicaID, q *tablet.Query) (tablet.Result, error)

	OpenChunk(ctx context.Context, c chain.ChainID, r chain.ReplicaID, e chain.Epoch, h data.Header) error
	WriteChunk(ctx context.Context, c chain.ChainID, r chain.ReplicaID, id chain.ChunkID, off uint32, b []byte) error
	SealChunk(ctx context.Context, c chain.ChainID, r chain.ReplicaID, id chain.ChunkID, sums data.Sums) error
	AbortChunk(c chain.ChainID, r chain.ReplicaID, id chain.ChunkID)
	CloneChunk(ctx context.Context, c chain.ChainID, r chain.ReplicaID, e chain.Epoch, h data.Header, old chain.ChunkID, off uint32) error
	RemoveChunks(ctx context.Context, c chain.ChainID, r chain.ReplicaID, ids []chain.ChunkID) error
	ProbeChain(ctx context.Context, c chain.ChainID, r chain.ReplicaID, e chain.Epoch) error
	ReadChunk(c chain.ChainID, r chain.ReplicaID, id chain.ChunkID, off, n uint32) ([]byte, error)
}

// Config is what a client needs.
type Config struct {
	Node Node
	// TryFor bounds one try; after it the try counts as lost. 3 s when 0.
	TryFor time.Duration
	// RetryFor bounds all tries of a call whose context has no deadline. 15 s when 0.
	RetryFor time.Duration
}

// Validate reports what is missing.
func (c *Config) Validate() error {
	if c.Node == nil {
		return errors.New("client config: no Node")
	}
	return nil
}

// Client reaches tablets and data chains. It is safe for concurrent use.
type Client struct {
	node     Node
	tryFor   time.Duration
	retryFor time.Duration
	// background ends with Close; discards are what runs in it.
	background context.Context
	end        context.CancelFunc
	mu         sync.Mutex // guards closed against a Discard that just begins
	closed     bool
	discards   sync.WaitGroup
}

// New makes a client.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Client{node: cfg.Node, tryFor: cfg.TryFor, retryFor: cfg.RetryFor}
	if c.tryFor == 0 {
		c.tryFor = 3 * time.Second
	}
	if c.retryFor == 0 {
		c.retryFor = 15 * time.Second
	}
	c.background, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close gives up what runs in the background, and waits for its end. Calls of
// others are not touched: they end with their contexts.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.discards.Wait()
}

// bounded gives the context a deadline if it has none.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.retryFor)
}

// backoff waits longer and longer, with jitter, from 1 ms to 100 ms.
type backoff struct{ d time.Duration }

// wait returns false when the context ended first.
func (b *backoff) wait(ctx context.Context) bool {
	b.d = min(max(2*b.d, time.Millisecond), 100*time.Millisecond)
	t := time.NewTimer(b.d/2 + rand.N(b.d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tabletOf finds the tablet that owns a key and its chain's configuration.
func (c *Client) tabletOf(owner []byte) (*chain.Tablet, chain.Config, error) {
	m := c.node.Map()
	if m == nil {
		return nil, chain.Config{}, &chain.Refusal{Kind: chain.RefusedNotReady, Detail: "no map yet"}
	}
	t := m.Find(owner)
	if t == nil {
		return nil, chain.Config{}, &chain.Refusal{Kind: chain.RefusedNotReady, Detail: "no tablet owns the key"}
	}
	cfg, ok := m.Config(t.Chain)
	if !ok {
		return nil, chain.Config{}, &chain.Refusal{Kind: chain.RefusedNotReady, Chain: t.Chain, Detail: "the tablet's chain is not in the map"}
	}
	return t, cfg, nil
}

// final reports a refusal after which another try makes no sense.
func final(err error) bool {
	var r *chain.Refusal
	return errors.As(err, &r) && (r.Kind == chain.RefusedFull || r.Kind == chain.RefusedInvalid || r.Kind == chain.RefusedGone)
}

// unknown is the error of a call that ended while a try may still take effect.
func unknown(c chain.ChainID, cause any) error {
	return &chain.Refusal{Kind: chain.RefusedUnknown, Chain: c, Detail: fmt.Sprint(cause)}
}

// ended is the error of a call that ended with nothing done.
func ended(c chain.ChainID, last error) error {
	var r *chain.Refusal
	if errors.As(last, &r) && r.Kind != chain.RefusedUnknown {
		return r
	}
	return &chain.Refusal{Kind: chain.RefusedNotReady, Chain: c, Detail: fmt.Sprint(last)}
}

package cluster

import (
	"context"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

// Index reaches tablets. It is safe for concurrent use.
type Index interface {
	// Do carries a command to the head of the tablet that owns the key and waits
	// for its answer. It sets cmd.Tablet and cmd.Generation from its map, and
	// tries again, with backoff, until ctx ends, when a replica refuses with
	// nothing done (not head, other epoch, busy, not ready) or the tablet's
	// range has changed (tablet.RefusedTablet).
	//
	// First and repeat: cmd.Repeat as given holds for its first try; once a try
	// was sent and not refused (lost, timed out, RefusedUnknown), every later
	// try is marked Repeat. tablet.Tries does this.
	//
	// The answer may be any tablet.Status but RefusedTablet. A refusal
	// (Status.Refused) is returned as an Answer only if no try of cmd may still
	// take effect; when a repeat is refused for its learned time or stamp, the
	// error is a *chain.Refusal of kind RefusedUnknown. Other errors: a
	// *chain.Refusal; RefusedUnknown when ctx ended after a try was sent, any
	// other kind promises that nothing was done and nothing will be.
	Do(ctx context.Context, owner []byte, cmd tablet.Command) (tablet.Answer, error)
	// Query asks the tail of the tablet that owns the key, and tries again until
	// ctx ends. It sets q.Tablet and q.Generation. The status is never
	// RefusedTablet.
	Query(ctx context.Context, owner []byte, q tablet.Query) (tablet.Result, error)
}

// Chunks reaches data chains. It is safe for concurrent use.
type Chunks interface {
	// Create opens a chunk on a data chain of its choice, not one of avoid
	// unless there is no other. h.Size is exact. Errors are *chain.Refusal.
	Create(ctx context.Context, h data.Header, avoid []chain.ChainID) (ChunkWriter, error)
	// Read returns the n bytes at off of the extent (off counts from the
	// extent's start), verified. The bytes are shared: do not change them. It
	// tries another replica when one fails. A *chain.Refusal of kind RefusedGone
	// only if a Serving replica in the newest epoch said so.
	Read(ctx context.Context, e tablet.Extent, off, n uint32) ([]byte, error)
	// Clone points the new id h.ID at e's bytes, on e's chain; h.Size is
	// e.Length. It answers when that is durable on every replica. RefusedGone as
	// for Read. An id whose clone was not answered is never used again.
	Clone(ctx context.Context, e tablet.Extent, h data.Header) (tablet.Extent, error)
	// Discard removes chunks that no command ever named. Best effort: what is
	// left is found by the scan for orphans. It does not wait for durability.
	Discard(ctx context.Context, es []tablet.Extent)
}

// ChunkWriter writes one chunk. It is used by one goroutine.
type ChunkWriter interface {
	// Chain is the chain that was chosen.
	Chain() chain.ChainID
	// Write hands over the next bytes, at most chain.MaxFrame; p is shared from
	// then on and never changed. It returns when the frame was taken.
	Write(ctx context.Context, p []byte) error
	// Seal waits until the chunk is durable on every replica. After an error the
	// chunk's state is unknown and its id is never used again.
	Seal(ctx context.Context) (tablet.Extent, error)
	// Abort frees the chunk if it was not sealed. It may be called after Seal.
	Abort()
}

package cluster

import (
	"context"
	"errors"
	"io"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// frameSize is the size of the next frame. Frames are allocated, and never used
// again: a retry here, every replica of the chain and the mailboxes between them
// share the bytes, and nobody knows who is the last.
func frameSize(left int) int { return min(left, chain.MaxFrame) }

// known streams a chunk whose size is known through to its chain.
func (w *writer) known(body io.Reader, size int) (n int, err error) {
	k, err := w.begin(size)
	if err != nil {
		return 0, err
	}
	for n < size {
		frame := make([]byte, frameSize(size-n))
		m, err := io.ReadFull(body, frame)
		n += m
		if err == nil {
			err = w.frame(k, frame)
		} else if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = w.r.fail(objects.KindInternal, "", errBodySize)
		}
		if err != nil {
			w.drop(k)
			return n, err
		}
	}
	w.seal(k)
	return n, nil
}

// unknown gathers a chunk of a body whose size is not known, because a chunk's
// size is said when it is opened.
func (w *writer) unknown(body io.Reader) (n int, err error) {
	var frames [][]byte
	for n < w.r.c.cfg.ChunkSize && err == nil {
		frame := make([]byte, frameSize(w.r.c.cfg.ChunkSize-n))
		var m int
		if m, err = io.ReadFull(body, frame); m > 0 {
			frames = append(frames, frame[:m])
			n += m
		}
	}
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if err != nil && err != io.EOF || n == 0 {
		return n, err
	}
	k, berr := w.begin(n)
	if berr != nil {
		return n, berr
	}
	for _, frame := range frames {
		if ferr := w.frame(k, frame); ferr != nil {
			w.drop(k)
			return n, ferr
		}
	}
	w.seal(k)
	return n, err
}

// begin opens a chunk, and waits for a slot before: so many are in flight.
func (w *writer) begin(size int) (*chunk, error) {
	select {
	case w.slots <- struct{}{}:
	case <-w.ctx.Done():
		return nil, w.r.chainError(w.ctx.Err(), false)
	}
	k := &chunk{size: size, held: w.r.c.hold.take(int64(size))}
	w.chunks = append(w.chunks, k)
	ctx, cancel := context.WithTimeout(w.ctx, w.r.c.cfg.WriteTimeout)
	defer cancel()
	if err := w.open(ctx, k); err != nil {
		w.drop(k)
		return nil, w.r.writeError(err)
	}
	return k, nil
}

// open tries chains until one takes the chunk.
func (w *writer) open(ctx context.Context, k *chunk) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		h := data.Header{
			ID:     chain.ChunkID{Blob: w.id, Ordinal: w.ordinal.Add(1) - 1},
			Bucket: w.home.bucket, Key: w.home.key, Stamp: w.home.stamp, Size: uint32(k.size),
		}
		cw, err := w.r.c.chunks.Create(ctx, h, k.avoid)
		if err == nil {
			k.w, k.id = cw, h.ID
			return nil
		}
		k.err = err
		if isFull(err) || !sleep(ctx, wait) {
			return err
		}
	}
}

// isFull reports that there is no space. It comes back, but seldom within a
// request: the client is told at once instead of after all tries.
func isFull(err error) bool {
	var r *chain.Refusal
	return errors.As(err, &r) && r.Kind == chain.RefusedFull
}

// The waits between tries of a chunk.
const (
	firstWait = 5 * time.Millisecond
	lastWait  = 500 * time.Millisecond
)

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// frame hands the next bytes over. A held chunk goes on gathering after a failure.
func (w *writer) frame(k *chunk, p []byte) error {
	if k.held {
		k.frames = append(k.frames, p)
	}
	if k.w == nil {
		return nil
	}
	if err := k.w.Write(w.ctx, p); err != nil {
		k.failed(err)
		if !k.held {
			return w.r.writeError(errors.Join(errNotHeld, err))
		}
	}
	return nil
}

func (k *chunk) failed(err error) {
	k.w.Abort()
	k.avoid, k.err, k.w = append(k.avoid, k.w.Chain()), err, nil
}

// seal ends a chunk in the background.
func (w *writer) seal(k *chunk) {
	w.wg.Add(1)
	go func() {
		defer w.wg.Done()
		ctx, cancel := context.WithTimeout(w.ctx, w.r.c.cfg.WriteTimeout)
		defer cancel()
		for !w.sealed(ctx, k) {
			if !k.held || ctx.Err() != nil || !w.again(ctx, k) {
				break
			}
		}
		w.drop(k)
	}()
}

func (w *writer) sealed(ctx context.Context, k *chunk) bool {
	if k.w == nil {
		return false
	}
	extent, err := k.w.Seal(ctx)
	if err != nil {
		k.junk = append(k.junk, tablet.Extent{Chain: k.w.Chain(), Chunk: k.id, Length: uint32(k.size)})
		k.failed(err)
		return false
	}
	k.extent, k.done, k.w = extent, true, nil
	return true
}

// again writes a failed chunk under a new id. It is false when time is up.
func (w *writer) again(ctx context.Context, k *chunk) bool {
	w.r.c.cfg.Logger.WarnContext(ctx, "chunk failed and is written again", "op", w.r.op, "blob", w.id, "size", k.size, "error", k.err)
	if w.open(ctx, k) != nil {
		return false
	}
	for _, p := range k.frames {
		if err := k.w.Write(ctx, p); err != nil {
			k.failed(err)
			return sleep(ctx, firstWait)
		}
	}
	return true
}

// drop ends the work on a chunk, whatever came of it.
func (w *writer) drop(k *chunk) {
	if k.w != nil {
		k.w.Abort()
		k.w = nil
	}
	if k.held {
		w.r.c.hold.give(int64(k.size))
		k.held, k.frames = false, nil
	}
	<-w.slots
}

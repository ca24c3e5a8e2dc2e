package cluster

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// home is the row that owns a blob's chunks, and the time they are stamped with.
type home struct {
	bucket chain.BucketID
	key    string
	stamp  int64
}

// blob is a body that is stored but named by no row yet.
type blob struct {
	id      chain.BlobID
	size    int64
	stamp   int64 // 0 if there are no chunks
	bytes   []byte
	extents []tablet.Extent
}

// layout gives the row's layout, and the manifest if it needs one. parts is
// what an object that keeps its parts must name.
func (b *blob) layout(parts []tablet.PartSize) (tablet.Layout, *tablet.Manifest) {
	manifest := &tablet.Manifest{Extents: b.extents}
	if len(parts) > tablet.MaxRowParts {
		manifest.Parts = parts
	}
	switch {
	case b.size == 0:
		return tablet.Layout{}, nil
	case len(b.extents) == 0:
		return tablet.Layout{Kind: tablet.LayoutInline, Blob: b.id}, nil
	case len(b.extents) <= tablet.MaxRowExtents && manifest.Parts == nil:
		return tablet.Layout{Kind: tablet.LayoutExtents, Extents: b.extents}, nil
	}
	return tablet.Layout{Kind: tablet.LayoutManifest, Blob: b.id}, manifest
}

// budget is the room for held bytes, over all requests.
type budget struct {
	mu   sync.Mutex
	free int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.free < n {
		return false
	}
	b.free -= n
	return true
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
}

var (
	errBodySize = errors.New("the body has another size than it said")
	errNotHeld  = errors.New("a chunk failed and its bytes were not held")
)

// store reads a body to its end, inline or to chunks. size is -1 if it is not
// known. On an error nothing remains that a row could name. stamp is asked for
// only when there are chunks.
func (r *request) store(ctx context.Context, bucket chain.BucketID, body io.Reader, size int64) (*blob, error) {
	id, err := r.c.newID()
	if err != nil {
		return nil, r.fail(objects.KindInternal, "", err)
	}
	limit := int64(r.c.cfg.Inline)
	if size >= 0 {
		limit = min(limit, size)
	}
	// One byte more than may be: a body that ends in time is all here.
	first := make([]byte, limit+1)
	n, err := io.ReadFull(body, first)
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		if size >= 0 && int64(n) != size {
			return nil, r.fail(objects.KindInternal, "", errBodySize)
		}
		return &blob{id: id, size: int64(n), bytes: first[:n]}, nil
	case err != nil:
		return nil, err
	case size >= 0 && size <= int64(r.c.cfg.Inline):
		return nil, r.fail(objects.KindInternal, "", errBodySize)
	}
	stamp, err := r.stamp(ctx, bucket)
	if err != nil {
		return nil, err
	}
	w := r.newWriter(ctx, id, home{bucket, r.key, stamp})
	return w.copy(&prefixed{first, body}, size)
}

// prefixed gives back what was read to look whether the body is short.
type prefixed struct {
	head []byte
	rest io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.rest.Read(b)
}

// writer writes one blob: chunk after chunk is fed by the caller while earlier
// ones are being sealed, or written again.
type writer struct {
	r       *request
	ctx     context.Context
	id      chain.BlobID
	home    home
	ordinal atomic.Uint32 // ids are never used again: each try takes a new one
	slots   chan struct{}
	chunks  []*chunk
	wg      sync.WaitGroup
}

func (r *request) newWriter(ctx context.Context, id chain.BlobID, h home) *writer {
	return &writer{r: r, ctx: ctx, id: id, home: h, slots: make(chan struct{}, r.c.cfg.Inflight)}
}

// chunk is one chunk being written.
type chunk struct {
	size   int
	held   bool // frames has all bytes, and the budget is charged
	frames [][]byte
	w      ChunkWriter // nil after a failure
	avoid  []chain.ChainID
	err    error // the last failure
	id     chain.ChunkID
	extent tablet.Extent
	done   bool
	// junk are chunks of failed tries that may have been sealed all the same. No
	// command will name them.
	junk []tablet.Extent
}

// copy feeds a body to chunks.
func (w *writer) copy(body io.Reader, size int64) (*blob, error) {
	var total int64
	var err error
	for err == nil && (size < 0 || total < size) {
		var n int
		if size >= 0 {
			n, err = w.known(body, int(min(size-total, int64(w.r.c.cfg.ChunkSize))))
		} else {
			n, err = w.unknown(body)
		}
		total += int64(n)
	}
	if err == io.EOF {
		err = nil
	}
	if err == nil && size >= 0 {
		err = w.atEnd(body)
	}
	return w.finish(total, err)
}

// atEnd reads the EOF behind a body of known size.
func (w *writer) atEnd(body io.Reader) error {
	var b [1]byte
	switch n, err := io.ReadFull(body, b[:]); {
	case n > 0:
		return w.r.fail(objects.KindInternal, "", errBodySize)
	case err != io.EOF:
		return err
	}
	return nil
}

// finish waits for every chunk. If one failed, or the caller did, the others
// are discarded: no command has named them.
func (w *writer) finish(total int64, err error) (*blob, error) {
	w.wg.Wait()
	b := &blob{id: w.id, size: total, stamp: w.home.stamp}
	junk := &blob{}
	for _, k := range w.chunks {
		junk.extents = append(junk.extents, k.junk...)
		if err == nil && !k.done {
			err = w.r.writeError(k.err)
		}
		if k.done {
			b.extents = append(b.extents, k.extent)
		}
	}
	if err != nil {
		junk.extents = append(junk.extents, b.extents...)
	}
	w.r.discard(w.ctx, junk)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// discard removes the chunks of a blob that no command ever named.
func (r *request) discard(ctx context.Context, b *blob) {
	if len(b.extents) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.c.cfg.CommandTimeout)
		defer cancel()
		r.c.chunks.Discard(ctx, b.extents)
	}
}

// writeError says that nothing visible was done: a chunk's unknown outcome is
// not the request's.
func (r *request) writeError(err error) error {
	e := r.chainError(err, false)
	if objects.KindOf(e) == objects.KindUnknown {
		return r.fail(objects.KindUnavailable, "", err)
	}
	return e
}

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
		if !sleep(ctx, wait) {
			return err
		}
	}
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

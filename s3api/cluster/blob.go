package cluster

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"catena/chain"
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
// known. On an error nothing remains that a row could name.
func (r *request) store(ctx context.Context, bucket chain.BucketID, body io.Reader, size int64) (*blob, error) {
	id, err := r.c.newID()
	if err != nil {
		return nil, r.fail(objects.KindInternal, "", err)
	}
	switch inline := int64(r.c.cfg.Inline); {
	case size < 0:
		// One byte more than may be: a body that ends in time is all here.
		first := make([]byte, inline+1)
		n, err := io.ReadFull(body, first)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return &blob{id: id, size: int64(n), bytes: first[:n]}, nil
		}
		if err != nil {
			return nil, err
		}
		body = &prefixed{first, body}
	case size <= inline:
		b := make([]byte, size)
		_, err := io.ReadFull(body, b)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, r.fail(objects.KindInternal, "", errBodySize)
		}
		if err == nil {
			err = r.atEnd(body)
		}
		if err != nil {
			return nil, err
		}
		return &blob{id: id, size: size, bytes: b}, nil
	}
	stamp, err := r.stamp(ctx, bucket) // for chunks alone
	if err != nil {
		return nil, err
	}
	return r.newWriter(ctx, id, home{bucket, r.key, stamp}).copy(body, size)
}

// atEnd reads the EOF behind a body of known size.
func (r *request) atEnd(body io.Reader) error {
	var b [1]byte
	switch n, err := io.ReadFull(body, b[:]); {
	case n > 0:
		return r.fail(objects.KindInternal, "", errBodySize)
	case err != io.EOF:
		return err
	}
	return nil
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
		err = w.r.atEnd(body)
	}
	return w.finish(total, err)
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

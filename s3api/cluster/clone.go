package cluster

import (
	"context"
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// fragment is a piece of the source that a copy takes over: an extent to clone,
// or bytes that were inline.
type fragment struct {
	extent tablet.Extent
	bytes  []byte
}

func (f *fragment) size() int64 {
	if f.bytes != nil {
		return int64(len(f.bytes))
	}
	return int64(f.extent.Length)
}

// fragments gives the pieces of a range, in order.
func (s *source) fragments(ctx context.Context, off, n int64) ([]fragment, error) {
	var all []fragment
	row := s.row
	switch row.Object.Layout.Kind {
	case tablet.LayoutInline:
		all = append(all, fragment{bytes: row.Bytes})
	case tablet.LayoutExtents, tablet.LayoutManifest:
		all = extentFragments(nil, row.Extents)
	case tablet.LayoutUpload:
		walk := &partPlaces{r: s.r, ref: s.ref, row: row}
		for i := range row.Parts {
			part, err := walk.part(ctx, i)
			if err != nil {
				return nil, err
			}
			if part.Part.Layout.Kind == tablet.LayoutInline {
				all = append(all, fragment{bytes: part.Bytes})
			}
			all = extentFragments(all, part.Extents)
		}
	}
	return cut(all, off, n), nil
}

func extentFragments(to []fragment, es []tablet.Extent) []fragment {
	for _, e := range es {
		to = append(to, fragment{extent: e})
	}
	return to
}

// cut takes the bytes [off, off+n) of fragments.
func cut(all []fragment, off, n int64) (out []fragment) {
	for _, f := range all {
		size := f.size()
		if off >= size {
			off -= size
			continue
		}
		take := min(size-off, n)
		if take <= 0 {
			break
		}
		if f.bytes != nil {
			f.bytes = f.bytes[off : off+take]
		} else {
			f.extent.Offset += uint32(off)
			f.extent.Length = uint32(take)
		}
		out = append(out, f)
		off, n = 0, n-take
	}
	return out
}

// take makes a new blob of a range of the source: by clones, or inline when it
// is small and inline already. Bytes are written anew only where they were
// inline amid chunks, or the pieces have become too many.
func (r *request) take(ctx context.Context, bucket chain.BucketID, s *source, off, n int64) (*blob, error) {
	frags, err := s.fragments(ctx, off, n)
	if err != nil {
		return nil, err
	}
	if inline, ok := allInline(frags); ok && len(inline) <= r.c.cfg.Inline {
		id, err := r.c.newID()
		if err != nil {
			return nil, r.fail(objects.KindInternal, "", err)
		}
		return &blob{id: id, size: n, bytes: inline}, nil
	}
	if len(frags) > tablet.MaxExtents {
		body, err := s.bytes(ctx, off, n)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return r.store(ctx, bucket, body, n)
	}
	return r.clone(ctx, bucket, frags, n)
}

func allInline(frags []fragment) (b []byte, ok bool) {
	for _, f := range frags {
		if f.bytes == nil {
			return nil, false
		}
		b = append(b, f.bytes...)
	}
	return b, true
}

// clone makes the chunks of a new blob, some at once. Each try of a clone has an
// id of its own: one that was not answered is never used again.
func (r *request) clone(ctx context.Context, bucket chain.BucketID, frags []fragment, size int64) (*blob, error) {
	stamp, err := r.stamp(ctx, bucket)
	if err != nil {
		return nil, err
	}
	id, err := r.c.newID()
	if err != nil {
		return nil, r.fail(objects.KindInternal, "", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j := &cloning{r: r, blob: id, home: home{bucket, r.key, stamp}, out: make([]tablet.Extent, len(frags))}
	var wg sync.WaitGroup
	for range min(r.c.cfg.CopyParallel, len(frags)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := j.next.Add(1) - 1; int(i) < len(frags) && j.ok(); i = j.next.Add(1) - 1 {
				if err := j.one(ctx, int(i), &frags[i]); err != nil {
					j.fail(err)
					cancel()
				}
			}
		}()
	}
	wg.Wait()
	b := &blob{id: id, size: size, stamp: stamp}
	for _, e := range j.out {
		if e.Length > 0 {
			b.extents = append(b.extents, e)
		}
	}
	if j.err != nil {
		r.discard(ctx, b)
		return nil, j.err
	}
	return b, nil
}

// cloning is the state of one copy's clones.
type cloning struct {
	r       *request
	blob    chain.BlobID
	home    home
	next    atomic.Int64
	ordinal atomic.Uint32
	out     []tablet.Extent
	mu      sync.Mutex
	err     error // the first
}

func (j *cloning) ok() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err == nil
}

func (j *cloning) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
}

func (j *cloning) header(size uint32) data.Header {
	return data.Header{
		ID:     chain.ChunkID{Blob: j.blob, Ordinal: j.ordinal.Add(1) - 1},
		Bucket: j.home.bucket, Key: j.home.key, Stamp: j.home.stamp, Size: size,
	}
}

func (j *cloning) one(ctx context.Context, i int, f *fragment) error {
	ctx, cancel := context.WithTimeout(ctx, j.r.c.cfg.WriteTimeout)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		e, err := j.try(ctx, f)
		if err == nil {
			j.out[i] = e
			return nil
		}
		if refusedGone(err) {
			return err
		}
		if !sleep(ctx, wait) {
			return j.r.writeError(err)
		}
	}
}

func (j *cloning) try(ctx context.Context, f *fragment) (tablet.Extent, error) {
	h := j.header(uint32(f.size()))
	if f.bytes == nil {
		return j.r.c.chunks.Clone(ctx, f.extent, h)
	}
	w, err := j.r.c.chunks.Create(ctx, h, nil)
	if err != nil {
		return tablet.Extent{}, err
	}
	if err = w.Write(ctx, f.bytes); err == nil {
		var e tablet.Extent
		if e, err = w.Seal(ctx); err == nil {
			return e, nil
		}
	}
	w.Abort()
	return tablet.Extent{}, err
}

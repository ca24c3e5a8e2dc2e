package cluster

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/objects"
)

// maxCopies bounds how often a copy starts again from its source row because a
// chunk of the source was gone.
const maxCopies = 4

// source is the object that is copied, with every place of its bytes.
type source struct {
	r   *request
	ref bucketRef
	row *tablet.ObjectResult
}

// source reads the source row and tests the conditions on it.
func (c *Cluster) source(ctx context.Context, bucket, key string, cond objects.SourceCondition) (*source, error) {
	r := c.request("copy source", bucket, key)
	row, ref, err := r.object(ctx, true)
	if err != nil {
		return nil, err
	}
	s := &source{r: r, ref: ref, row: row}
	if !cond.Holds(row.Object.ETag, millis(row.Object.Modified)) {
		return nil, r.fail(objects.KindPrecondition, sourceNamed(cond), nil)
	}
	return s, nil
}

func sourceNamed(c objects.SourceCondition) string {
	switch {
	case c.IfMatch != "":
		return "x-amz-copy-source-If-Match"
	case c.IfNoneMatch != "":
		return "x-amz-copy-source-If-None-Match"
	case !c.IfUnmodified.IsZero():
		return "x-amz-copy-source-If-Unmodified-Since"
	}
	return "x-amz-copy-source-If-Modified-Since"
}

// bytes reads a range of the source.
func (s *source) bytes(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	return (&object{r: s.r, ref: s.ref, row: s.row}).Range(ctx, off, n)
}

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

// digest reads a range of the source to hash it. Nothing is written.
func (s *source) digest(ctx context.Context, off, n int64, a checksum.Algorithm) (sum [16]byte, v tablet.Checksum, err error) {
	h := md5.New()
	writers := []io.Writer{h}
	var extra *checksum.Hasher
	if a != checksum.None {
		extra = checksum.NewHasher(a)
		writers = append(writers, extra)
	}
	if n > 0 {
		var body io.ReadCloser
		if body, err = s.bytes(ctx, off, n); err != nil {
			return sum, v, err
		}
		defer body.Close()
		var got int64
		if got, err = io.Copy(io.MultiWriter(writers...), io.LimitReader(body, n)); err == nil && got != n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return sum, v, s.r.readError(err)
		}
	}
	copy(sum[:], h.Sum(nil))
	if extra != nil {
		c := extra.Value()
		v = tablet.Checksum{Algorithm: uint8(c.Algorithm), Type: uint8(checksum.FullObject), Sum: c.Sum}
	}
	return sum, v, nil
}

// again reports whether a copy must start again from its source row.
func again(err error) bool {
	return refusedGone(err) || errors.Is(err, errRowGone) || errors.Is(err, errReplaced)
}

// Copy implements objects.Backend.
func (c *Cluster) Copy(ctx context.Context, q objects.Copy) (objects.Info, error) {
	r := c.request("copy", q.Bucket, q.Key)
	var err error
	for range maxCopies {
		var src *source
		if src, err = c.source(ctx, q.SourceBucket, q.SourceKey, q.Source); err != nil {
			return objects.Info{}, err
		}
		if q.MaxSize > 0 && src.row.Object.Size > q.MaxSize {
			return objects.Info{}, src.r.fail(objects.KindTooLarge, "", nil)
		}
		var info objects.Info
		if info, err = r.copyFrom(ctx, src, q); err == nil || !again(err) {
			return info, err
		}
	}
	return objects.Info{}, r.fail(objects.KindUnavailable, "", err)
}

func (r *request) copyFrom(ctx context.Context, src *source, q objects.Copy) (objects.Info, error) {
	ref, err := r.lookup(ctx)
	if err != nil {
		return objects.Info{}, err
	}
	act, parts, err := r.copied(ctx, src, q)
	if err != nil {
		return objects.Info{}, err
	}
	b, err := r.take(ctx, ref.id, src, 0, src.row.Object.Size)
	if err != nil {
		return objects.Info{}, err
	}
	act.Bytes = b.bytes
	act.Object.Layout, act.Manifest = b.layout(parts)
	if act.Manifest == nil || act.Manifest.Parts == nil {
		act.Object.PartSizes = parts
	}
	return r.put(ctx, ref, b.stamp, act, q.If)
}

// copied makes the row of a copy, but for its layout: the same bytes have the
// same ETag, parts and checksum.
func (r *request) copied(ctx context.Context, src *source, q objects.Copy) (*tablet.PutObject, []tablet.PartSize, error) {
	o := src.row.Object
	parts := append([]tablet.PartSize(nil), src.row.Parts...)
	act := &tablet.PutObject{If: conditionToRow(q.If), Object: tablet.Object{
		VersionID: tablet.NullVersion, Size: o.Size, ETag: o.ETag, Checksums: o.Checksums, Meta: o.Meta, Parts: o.Parts,
	}}
	if q.ReplaceMeta {
		act.Object.Meta = metaToRow(q.Meta)
	}
	act.Object.Meta.Owner = q.Owner
	want := algorithm(q.Checksum)
	if want != checksum.None && (len(o.Checksums) == 0 || o.Checksums[0].Algorithm != uint8(want)) {
		_, sum, err := src.digest(ctx, 0, o.Size, want)
		if err != nil {
			return nil, nil, err
		}
		act.Object.Checksums = []tablet.Checksum{sum}
		for i := range parts {
			parts[i].Sum = nil
		}
	}
	return act, parts, nil
}

// CopyPart implements objects.Backend.
func (c *Cluster) CopyPart(ctx context.Context, q objects.CopyPart) (objects.Part, error) {
	r := c.request("copy part", q.Bucket, q.Key)
	if _, err := r.lookup(ctx); err != nil {
		return objects.Part{}, err
	}
	id, err := r.uploadID(q.UploadID)
	if err != nil {
		return objects.Part{}, err
	}
	for range maxCopies {
		res, ref, uerr := r.upload(ctx, id, 0, 0)
		if uerr != nil {
			return objects.Part{}, uerr
		}
		var src *source
		if src, err = c.source(ctx, q.SourceBucket, q.SourceKey, q.Source); err != nil {
			return objects.Part{}, err
		}
		var part objects.Part
		if part, err = r.copyPart(ctx, ref, id, res.Upload, src, q); err == nil || !again(err) {
			return part, err
		}
	}
	return objects.Part{}, r.fail(objects.KindUnavailable, "", err)
}

func (r *request) copyPart(ctx context.Context, ref bucketRef, id chain.ID128, up *tablet.Upload, src *source, q objects.CopyPart) (objects.Part, error) {
	size := src.row.Object.Size
	n := q.Length
	if n < 0 {
		n = size
	}
	switch {
	case q.Offset < 0 || q.Offset > size-n:
		return objects.Part{}, src.r.fail(objects.KindInvalidRange, "", nil)
	case q.MaxSize > 0 && n > q.MaxSize:
		return objects.Part{}, src.r.fail(objects.KindTooLarge, "", nil)
	}
	want := checksum.Algorithm(up.Algorithm)
	if want == checksum.None {
		want = checksum.CRC64NVME
	}
	d, ok := src.known(q.Offset, n, want)
	if !ok {
		sum, v, err := src.digest(ctx, q.Offset, n, want)
		if err != nil {
			return objects.Part{}, err
		}
		d = objects.Digests{Size: n, MD5: sum, Checksum: checksumOfRow(&v)}
	}
	b, err := r.take(ctx, ref.id, src, q.Offset, n)
	if err != nil {
		return objects.Part{}, err
	}
	return r.putPart(ctx, ref, id, q.Number, b, d)
}

// known gives the digests of a range without reading it: only those of a whole
// object that was put at once and has the checksum wanted.
func (s *source) known(off, n int64, want checksum.Algorithm) (d objects.Digests, ok bool) {
	o := &s.row.Object
	if off != 0 || n != o.Size || o.Parts != 0 || len(o.Checksums) == 0 {
		return d, false
	}
	c := &o.Checksums[0]
	sum, err := hex.DecodeString(o.ETag)
	if err != nil || len(sum) != 16 || c.Algorithm != uint8(want) || c.Type == uint8(checksum.Composite) {
		return d, false
	}
	copy(d.MD5[:], sum)
	d.Size, d.Checksum = n, checksumOfRow(c)
	return d, true
}

package cluster

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"

	"catena/chain"
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

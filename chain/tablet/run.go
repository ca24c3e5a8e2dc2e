package tablet

import (
	"fmt"

	"catena/chain"
)

// Run answers a query from committed rows. The driver tests the read lease
// afterwards. An error is damage or an I/O error, never the caller's mistake.
func Run(q *Query, v View, r Reader) (Result, error) {
	res := Result{Status: StatusOK, Speaker: Speaker{
		Tablet: v.Tablet.ID, Generation: v.Tablet.Generation, Start: v.Tablet.Start, End: v.Tablet.End, Time: v.Applied.Time,
	}}
	if q.Tablet != v.Tablet.ID || q.Generation != v.Tablet.Generation || !v.Tablet.Contains(q.Owner()) {
		res.Status = RefusedTablet
		return res, nil
	}
	x := &reading{q: q, v: &v, r: r, res: &res}
	if x.needsBucket() && !x.bucket() {
		return res, x.err
	}
	x.ask()
	return res, x.err
}

// reading is one query being answered.
type reading struct {
	q   *Query
	v   *View
	r   Reader
	res *Result
	err error
}

// needsBucket: questions of gateways about keys name a bucket generation.
func (x *reading) needsBucket() bool {
	switch x.q.Ask.(type) {
	case AskObject, AskParts, AskUpload, AskList, AskUploads:
		return true
	}
	return false
}

func (x *reading) bucket() bool {
	row := read(x, bucketKey(x.q.Bucket), decBucketRow)
	if x.err != nil {
		return false
	}
	if row == nil || row.Closed || row.Generation != x.q.BucketGen {
		x.res.Status, x.res.Bucket = RefusedBucket, row
		return false
	}
	return true
}

func (x *reading) ask() {
	switch a := x.q.Ask.(type) {
	case AskTime:
	case AskBucket:
		x.res.Bucket = read(x, bucketKey(x.q.Bucket), decBucketRow)
	case AskObject:
		x.object(a)
	case AskParts:
		x.res.Parts = x.someParts(a.Upload, a.Numbers)
	case AskUpload:
		x.upload(a)
	case AskList:
		x.list(a)
	case AskUploads:
		x.uploads(a)
	case AskRecord:
		x.res.Record = found(x, read(x, recordKey(x.q.Key), decRecord))
	case AskRecords:
		x.records(a)
	case AskReleases:
		x.releases(a)
	case AskRelease:
		x.release(a)
	case AskReferenced:
		x.referenced(a)
	default:
		x.refuse(fmt.Sprintf("unknown question %T", a))
	}
}

func (x *reading) refuse(detail string) { x.res.Status, x.res.Detail = RefusedInvalid, detail }

func (x *reading) fail(errs ...error) {
	for _, err := range errs {
		if x.err == nil {
			x.err = err
		}
	}
}

// found turns an absent row into NotFound.
func found[T any](x *reading, t *T) *T {
	if t == nil && x.err == nil {
		x.res.Status = NotFound
	}
	return t
}

// read gets and decodes a row; nil if there is none.
func read[T any](x *reading, key []byte, dec func([]byte) (*T, error)) *T {
	if x.err != nil {
		return nil
	}
	v, ok, err := x.r.Get(key)
	if err != nil || !ok {
		x.fail(err)
		return nil
	}
	t, err := dec(v)
	if err != nil {
		x.fail(err)
		return nil
	}
	return t
}

func (x *reading) payload(l *Layout) []byte {
	if x.err != nil {
		return nil
	}
	b, ok, err := x.r.Payload(bodyKey(x.q.Bucket, x.q.Key, l.Blob))
	if err == nil && !ok {
		err = formatErr("body row", "%s of %q is missing", l.Blob, x.q.Key)
	}
	x.fail(err)
	return b
}

func (x *reading) manifest(id chain.ID128) *Manifest {
	m := read(x, manifestKey(x.q.Bucket, x.q.Key, id), decManifest)
	if m == nil && x.err == nil {
		x.fail(formatErr("manifest row", "%s of %q is missing", id, x.q.Key))
	}
	return m
}

func (x *reading) object(a AskObject) {
	o := read(x, currentKey(x.q.Bucket, x.q.Key), decObject)
	if o == nil || o.DeleteMarker {
		x.res.Status = NotFound
		return
	}
	out := &ObjectResult{Object: *o, Parts: o.PartSizes}
	l := &o.Layout
	var m *Manifest
	if l.Kind == LayoutManifest && (a.Bytes || o.Parts > MaxRowParts) {
		m = x.manifest(l.Blob)
	}
	if l.Kind == LayoutUpload && o.Parts > MaxRowParts {
		m = x.manifest(l.Upload)
	}
	if m != nil && o.Parts > MaxRowParts {
		out.Parts = m.Parts
	}
	if a.Bytes && x.err == nil {
		x.bytes(out, m)
	}
	x.res.Object = out
}

// bytes adds what a reader needs to reach the bytes at once.
func (x *reading) bytes(out *ObjectResult, m *Manifest) {
	l := &out.Object.Layout
	switch l.Kind {
	case LayoutInline:
		out.Bytes = x.payload(l)
	case LayoutExtents:
		out.Extents = l.Extents
	case LayoutManifest:
		if m != nil {
			out.Extents = m.Extents
		}
	case LayoutUpload:
		if len(out.Parts) <= MaxRowParts {
			numbers := make([]uint32, len(out.Parts))
			for i := range out.Parts {
				numbers[i] = out.Parts[i].Number
			}
			out.Resolved = x.someParts(l.Upload, numbers)
		}
	}
}

// someParts reads parts with their bytes or extents. Absent ones are left out.
func (x *reading) someParts(upload chain.ID128, numbers []uint32) (out []PartResult) {
	for i, n := range numbers {
		if i == MaxAskParts {
			break
		}
		p := read(x, partKey(x.q.Bucket, x.q.Key, upload, n), decPart)
		if p == nil {
			continue
		}
		p.Number = n
		out = append(out, x.resolve(p))
	}
	return out
}

func (x *reading) resolve(p *Part) PartResult {
	r := PartResult{Part: *p}
	switch p.Layout.Kind {
	case LayoutInline:
		r.Bytes = x.payload(&p.Layout)
	case LayoutExtents:
		r.Extents = p.Layout.Extents
	case LayoutManifest:
		if m := x.manifest(p.Layout.Blob); m != nil {
			r.Extents = m.Extents
		}
	}
	return r
}

func (x *reading) upload(a AskUpload) {
	x.res.Upload = read(x, uploadKey(x.q.Bucket, x.q.Key, a.Upload), decUpload)
	if x.res.Upload == nil {
		x.res.Status = NoSuchUpload
		return
	}
	max := min(a.Max, MaxParts)
	from := partKey(x.q.Bucket, x.q.Key, a.Upload, a.After+1)
	x.scanParts(a.Upload, from, func(p *Part) bool {
		if len(x.res.Parts) >= max {
			x.res.More = true
			return false
		}
		x.res.Parts = append(x.res.Parts, PartResult{Part: *p})
		return true
	})
}

// scanParts calls fn for the parts of an upload from a key on.
func (x *reading) scanParts(upload chain.ID128, from []byte, fn func(*Part) bool) {
	if x.err != nil {
		return
	}
	var bad error
	err := x.r.Scan(from, prefixEnd(partPrefix(x.q.Bucket, x.q.Key, upload)), func(key, value []byte) bool {
		var p *Part
		var k rowKey
		if k, bad = parseRowKey(key); bad != nil {
			return false
		}
		if p, bad = decPart(value); bad != nil {
			return false
		}
		p.Number = k.number
		return fn(p)
	})
	x.fail(err, bad)
}

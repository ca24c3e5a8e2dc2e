package tablet

import (
	"encoding/hex"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of the strings and lists of a row.
const (
	maxName  = 1024
	maxText  = 64 << 10
	maxPairs = 1024
	maxSum   = 64
	maxSums  = 8
	maxBlob  = 64 << 10 // reserved bytes fields
)

func (e *enc) pairs(n protowire.Number, ps []Pair) {
	for _, p := range ps {
		e.msg(n, func(e *enc) { e.str(1, p.Name); e.str(2, p.Value) })
	}
}

func decPair(p *Pair, f field) error {
	switch f.num {
	case 1:
		return f.str(&p.Name, maxName)
	case 2:
		return f.str(&p.Value, maxText)
	}
	return nil
}

func (e *enc) meta(m *Meta) {
	e.str(1, m.Owner)
	e.str(2, m.StorageClass)
	e.pairs(3, m.Headers)
	e.pairs(4, m.User)
	e.pairs(5, m.Tags)
	e.bytes(6, m.Lock)
	e.bytes(7, m.Encryption)
}

func decMeta(m *Meta, f field) error {
	switch f.num {
	case 1:
		return f.str(&m.Owner, maxName)
	case 2:
		return f.str(&m.StorageClass, maxName)
	case 3:
		return add(&m.Headers, maxPairs, f, decPair)
	case 4:
		return add(&m.User, maxPairs, f, decPair)
	case 5:
		return add(&m.Tags, maxPairs, f, decPair)
	case 6:
		return f.bytes(&m.Lock, maxBlob)
	case 7:
		return f.bytes(&m.Encryption, maxBlob)
	}
	return nil
}

func (e *enc) checksum(n protowire.Number, c *Checksum) {
	if c.Algorithm == 0 {
		return
	}
	e.msg(n, func(e *enc) {
		e.uint(1, uint64(c.Algorithm))
		e.uint(2, uint64(c.Type))
		e.bytes(3, c.Sum)
		e.uint(4, uint64(c.Parts))
	})
}

func decChecksum(c *Checksum, f field) error {
	switch f.num {
	case 1:
		return f.uint8(&c.Algorithm)
	case 2:
		return f.uint8(&c.Type)
	case 3:
		return f.bytes(&c.Sum, maxSum)
	case 4:
		return f.uint32(&c.Parts)
	}
	return nil
}

// extents leaves out a blob that is the same as that of the extent before.
func (e *enc) extents(n protowire.Number, es []Extent) {
	for i := range es {
		x := &es[i]
		e.msg(n, func(e *enc) {
			e.uint(1, uint64(x.Chain))
			if i == 0 || es[i-1].Chunk.Blob != x.Chunk.Blob {
				e.bytes(2, x.Chunk.Blob[:])
			}
			e.uint(3, uint64(x.Chunk.Ordinal))
			e.uint(4, uint64(x.Offset))
			e.uint(5, uint64(x.Length))
		})
	}
}

func decExtent(list *[]Extent, max int, f field) error {
	return add(list, max, f, func(x *Extent, f field) error {
		if n := len(*list); n > 0 && x.Chunk.Blob.IsZero() {
			x.Chunk.Blob = (*list)[n-1].Chunk.Blob
		}
		switch f.num {
		case 1:
			return f.uint((*uint64)(&x.Chain))
		case 2:
			return f.id(&x.Chunk.Blob)
		case 3:
			return f.uint32(&x.Chunk.Ordinal)
		case 4:
			return f.uint32(&x.Offset)
		case 5:
			return f.uint32(&x.Length)
		}
		return nil
	})
}

func (e *enc) layout(n protowire.Number, l *Layout) {
	if l.Kind == LayoutEmpty {
		return
	}
	e.msg(n, func(e *enc) {
		e.uint(1, uint64(l.Kind))
		e.id(2, l.Blob)
		e.id(3, l.Upload)
		e.extents(4, l.Extents)
	})
}

func decLayout(l *Layout, f field) error {
	err := f.nested(f.what, func(f field) error {
		switch f.num {
		case 1:
			return f.uint8((*uint8)(&l.Kind))
		case 2:
			return f.id(&l.Blob)
		case 3:
			return f.id(&l.Upload)
		case 4:
			return decExtent(&l.Extents, MaxRowExtents, f)
		}
		return nil
	})
	if err == nil && l.Kind > LayoutUpload {
		return f.bad("unknown layout")
	}
	return err
}

func (e *enc) partSizes(n protowire.Number, ps []PartSize) {
	for _, p := range ps {
		e.msg(n, func(e *enc) { e.uint(1, uint64(p.Number)); e.sint(2, p.Size); e.bytes(3, p.Sum) })
	}
}

func decPartSize(p *PartSize, f field) error {
	switch f.num {
	case 1:
		return f.uint32(&p.Number)
	case 2:
		return f.size(&p.Size)
	case 3:
		return f.bytes(&p.Sum, maxSum)
	}
	return nil
}

// etag stores hex MD5 and "hex MD5-N" as bytes, anything else as text.
func (e *enc) etag(n protowire.Number, etag string) {
	sum, parts, dash := strings.Cut(etag, "-")
	raw, err := hex.DecodeString(sum)
	count, cerr := strconv.ParseUint(parts, 10, 32)
	if dash && (cerr != nil || strconv.FormatUint(count, 10) != parts || count == 0) || err != nil || len(raw) != 16 || strings.ToLower(sum) != sum {
		e.msg(n, func(e *enc) { e.str(3, etag) })
		return
	}
	e.msg(n, func(e *enc) { e.bytes(1, raw); e.uint(2, count) })
}

func decETag(dst *string, f field) error {
	var raw []byte
	var count uint64
	var text string
	err := f.nested(f.what, func(f field) error {
		switch f.num {
		case 1:
			return f.raw(&raw, 16)
		case 2:
			return f.uint(&count)
		case 3:
			return f.str(&text, maxName)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case text != "":
		*dst = text
	case count > 0:
		*dst = hex.EncodeToString(raw) + "-" + strconv.FormatUint(count, 10)
	default:
		*dst = hex.EncodeToString(raw)
	}
	return nil
}

func (o *Object) fields(e *enc) {
	e.uint(1, o.Rev)
	if o.VersionID != NullVersion {
		e.str(2, o.VersionID)
	}
	e.bool(3, o.DeleteMarker)
	e.sint(4, o.Size)
	e.etag(5, o.ETag)
	e.sint(6, o.Modified)
	for i := range o.Checksums {
		e.checksum(7, &o.Checksums[i])
	}
	e.msg(8, func(e *enc) { e.meta(&o.Meta) })
	e.layout(9, &o.Layout)
	e.uint(10, o.LayoutGen)
	e.uint(11, uint64(o.Parts))
	e.partSizes(12, o.PartSizes)
	e.bytes(13, o.Origin)
}

func (o *Object) field(f field) error {
	switch f.num {
	case 1:
		return f.uint(&o.Rev)
	case 2:
		return f.str(&o.VersionID, maxName)
	case 3:
		return f.bool(&o.DeleteMarker)
	case 4:
		return f.size(&o.Size)
	case 5:
		return decETag(&o.ETag, f)
	case 6:
		return f.sint(&o.Modified)
	case 7:
		return add(&o.Checksums, maxSums, f, decChecksum)
	case 8:
		return f.nested(f.what, func(f field) error { return decMeta(&o.Meta, f) })
	case 9:
		return decLayout(&o.Layout, f)
	case 10:
		return f.uint(&o.LayoutGen)
	case 11:
		return f.uint32(&o.Parts)
	case 12:
		return add(&o.PartSizes, MaxRowParts, f, decPartSize)
	case 13:
		return f.bytes(&o.Origin, maxBlob)
	}
	return nil
}

func encObject(o *Object) []byte {
	e := newValue()
	o.fields(e)
	return e.b
}

func decObject(b []byte) (*Object, error) {
	o := &Object{VersionID: NullVersion}
	return o, value("object row", b, MaxValue, o.field)
}

func (u *Upload) fields(e *enc) {
	e.sint(1, u.Initiated)
	e.msg(2, func(e *enc) { e.meta(&u.Meta) })
	e.uint(3, uint64(u.Algorithm))
	e.uint(4, uint64(u.ChecksumType))
}

func (u *Upload) field(f field) error {
	switch f.num {
	case 1:
		return f.sint(&u.Initiated)
	case 2:
		return f.nested(f.what, func(f field) error { return decMeta(&u.Meta, f) })
	case 3:
		return f.uint8(&u.Algorithm)
	case 4:
		return f.uint8(&u.ChecksumType)
	}
	return nil
}

func encUpload(u *Upload) []byte {
	e := newValue()
	u.fields(e)
	return e.b
}

func decUpload(b []byte) (*Upload, error) {
	u := &Upload{}
	return u, value("upload row", b, MaxValue, u.field)
}

func (p *Part) fields(e *enc) {
	e.id(1, p.Blob)
	e.sint(2, p.Size)
	e.bytes(3, p.MD5[:])
	e.checksum(4, &p.Checksum)
	e.sint(5, p.Modified)
	e.layout(6, &p.Layout)
	e.uint(7, uint64(p.Number))
}

func (p *Part) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&p.Blob)
	case 2:
		return f.size(&p.Size)
	case 3:
		if len(f.s) != 16 {
			return f.bad("not an MD5")
		}
		copy(p.MD5[:], f.s)
		return nil
	case 4:
		return f.nested(f.what, func(f field) error { return decChecksum(&p.Checksum, f) })
	case 5:
		return f.sint(&p.Modified)
	case 6:
		return decLayout(&p.Layout, f)
	case 7:
		return f.uint32(&p.Number)
	}
	return nil
}

func encPart(p *Part) []byte {
	e := newValue()
	p.fields(e)
	return e.b
}

func decPart(b []byte) (*Part, error) {
	p := &Part{}
	return p, value("part row", b, MaxValue, p.field)
}

func (m *Manifest) fields(e *enc) {
	e.partSizes(1, m.Parts)
	e.extents(2, m.Extents)
}

func (m *Manifest) field(f field) error {
	switch f.num {
	case 1:
		return add(&m.Parts, MaxParts, f, decPartSize)
	case 2:
		return decExtent(&m.Extents, MaxExtents, f)
	}
	return nil
}

func encManifest(m *Manifest) []byte {
	e := newValue()
	m.fields(e)
	return e.b
}

func decManifest(b []byte) (*Manifest, error) {
	m := &Manifest{}
	return m, value("manifest row", b, MaxValue, m.field)
}

func encRelease(r *Release) []byte {
	e := newValue()
	e.sint(1, r.Time)
	e.layout(2, &r.Layout)
	e.bool(3, r.KeepListed)
	return e.b
}

func decRelease(b []byte) (*Release, error) {
	r := &Release{}
	return r, value("release row", b, MaxValue, func(f field) error {
		switch f.num {
		case 1:
			return f.sint(&r.Time)
		case 2:
			return decLayout(&r.Layout, f)
		case 3:
			return f.bool(&r.KeepListed)
		}
		return nil
	})
}

func (r *BucketRow) fields(e *enc) {
	e.uint(1, r.Generation)
	e.bool(2, r.Closed)
	e.uint(3, uint64(r.Versioning))
	e.bytes(4, r.Settings)
}

func (r *BucketRow) field(f field) error {
	switch f.num {
	case 1:
		return f.uint(&r.Generation)
	case 2:
		return f.bool(&r.Closed)
	case 3:
		return f.uint8(&r.Versioning)
	case 4:
		return f.bytes(&r.Settings, maxBlob)
	}
	return nil
}

func encBucketRow(r *BucketRow) []byte {
	e := newValue()
	r.fields(e)
	return e.b
}

func decBucketRow(b []byte) (*BucketRow, error) {
	r := &BucketRow{}
	return r, value("bucket row", b, MaxValue, r.field)
}

func (r *Record) fields(e *enc) {
	e.id(1, r.ID)
	e.uint(2, uint64(r.State))
	e.uint(3, r.Generation)
	e.str(4, r.Owner)
	e.sint(5, r.Created)
	e.str(6, r.Region)
	e.uint(7, uint64(r.Versioning))
	e.bytes(8, r.Settings)
}

func (r *Record) field(f field) error {
	switch f.num {
	case 1:
		return f.id(&r.ID)
	case 2:
		return f.uint8((*uint8)(&r.State))
	case 3:
		return f.uint(&r.Generation)
	case 4:
		return f.str(&r.Owner, maxName)
	case 5:
		return f.sint(&r.Created)
	case 6:
		return f.str(&r.Region, maxName)
	case 7:
		return f.uint8(&r.Versioning)
	case 8:
		return f.bytes(&r.Settings, maxBlob)
	}
	return nil
}

func encRecord(r *Record) []byte {
	e := newValue()
	r.fields(e)
	return e.b
}

func decRecord(b []byte) (*Record, error) {
	r := &Record{}
	return r, value("record row", b, MaxValue, r.field)
}

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

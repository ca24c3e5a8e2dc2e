package tablet

import (
	"fmt"
	"strings"
)

// check reports what is malformed in a command, empty for nothing. What it
// passes can be encoded to rows that every decoder takes: a command must never
// make an entry that stops the replicas.
func (c *Command) check() string {
	if c.Op.IsZero() {
		return "no opID"
	}
	if c.Learned < 0 || c.Stamp < 0 {
		return "negative time"
	}
	switch a := c.Action.(type) {
	case *PutObject:
		return first(c.userKey(), a.Object.check(), c.bytes(&a.Object.Layout, a.Object.Size, a.Manifest, a.Bytes), a.parts())
	case *DeleteObject, *Abort:
		return c.userKey()
	case *DeleteMany:
		return first(c.userKey(), a.check(c.Key))
	case *CreateUpload:
		return first(c.userKey(), zeroID(a.ID), a.Upload.Meta.check())
	case *PutPart:
		return first(c.userKey(), zeroID(a.Upload), a.Part.check(), c.bytes(&a.Part.Layout, a.Part.Size, a.Manifest, a.Bytes))
	case *Complete:
		return first(c.userKey(), zeroID(a.Upload), a.Object.check(), a.check())
	case *ReleaseDone:
		return a.check(c)
	case *Empty:
		return tooLong(c.Key, MaxKey)
	case *SetRecord:
		return a.check(c)
	case *SetBucket:
		return a.check(c)
	}
	return fmt.Sprintf("unknown action %T", c.Action)
}

func first(details ...string) string {
	for _, d := range details {
		if d != "" {
			return d
		}
	}
	return ""
}

func zeroID(id [16]byte) string {
	if id == [16]byte{} {
		return "no id"
	}
	return ""
}

func tooLong(s string, max int) string {
	if len(s) > max {
		return fmt.Sprintf("%d bytes of text, at most %d", len(s), max)
	}
	return ""
}

func (c *Command) userKey() string {
	if c.Bucket.IsZero() {
		return "an object in the system's bucket"
	}
	if c.Key == "" || len(c.Key) > MaxKey {
		return fmt.Sprintf("key of %d bytes", len(c.Key))
	}
	return ""
}

func checkPairs(ps []Pair) string {
	if len(ps) > maxPairs {
		return "too many names"
	}
	total := 0
	for _, p := range ps {
		if len(p.Name) > maxName || len(p.Value) > maxText {
			return "a name or value is too long"
		}
		total += len(p.Name) + len(p.Value)
	}
	if total > 4*maxText {
		return "names and values are too long"
	}
	return ""
}

func (m *Meta) check() string {
	if len(m.Lock) > maxBlob || len(m.Encryption) > maxBlob {
		return "lock or encryption is too long"
	}
	return first(tooLong(m.Owner, maxName), tooLong(m.StorageClass, maxName), checkPairs(m.Headers), checkPairs(m.User), checkPairs(m.Tags))
}

func (o *Object) check() string {
	if o.Size < 0 || len(o.Origin) > maxBlob || len(o.Checksums) > maxSums || len(o.PartSizes) > MaxRowParts {
		return "object out of bounds"
	}
	for i := range o.Checksums {
		if len(o.Checksums[i].Sum) > maxSum {
			return "checksum is too long"
		}
	}
	return first(tooLong(o.ETag, maxName), o.Meta.check(), checkSizes(o.PartSizes))
}

func (p *Part) check() string {
	if p.Number < 1 || p.Number > MaxParts || p.Size < 0 || p.Blob.IsZero() || len(p.Checksum.Sum) > maxSum {
		return "part out of bounds"
	}
	return ""
}

func checkSizes(ps []PartSize) string {
	last := uint32(0)
	for _, p := range ps {
		if p.Number <= last || p.Number > MaxParts || p.Size < 0 || len(p.Sum) > maxSum {
			return "part sizes out of bounds"
		}
		last = p.Number
	}
	return ""
}

// bytes checks that a new layout has exactly the bytes that it should.
func (c *Command) bytes(l *Layout, size int64, m *Manifest, inline []byte) string {
	if l.Kind != LayoutInline && len(inline) > 0 || l.Kind != LayoutManifest && m != nil || l.Kind != LayoutExtents && len(l.Extents) > 0 {
		return "bytes that the layout does not name"
	}
	switch l.Kind {
	case LayoutEmpty:
		if size != 0 {
			return "an empty layout with a size"
		}
		return ""
	case LayoutInline:
		if l.Blob.IsZero() || size != int64(len(inline)) || size > MaxInline {
			return "inline bytes of another size"
		}
		return ""
	case LayoutExtents:
		if len(l.Extents) > MaxRowExtents {
			return "too many extents for a row"
		}
		return c.extents(l.Extents, size)
	case LayoutManifest:
		if l.Blob.IsZero() || m == nil || len(m.Extents) > MaxExtents || len(m.Parts) > MaxParts {
			return "manifest out of bounds"
		}
		return first(checkSizes(m.Parts), c.extents(m.Extents, size))
	}
	return fmt.Sprintf("layout %d in a command", l.Kind)
}

func (c *Command) extents(es []Extent, size int64) string {
	if c.Stamp == 0 {
		return "chunks without a stamp"
	}
	var sum int64
	for i := range es {
		if es[i].Chain == 0 || es[i].Length == 0 || es[i].Chunk.Blob.IsZero() {
			return "malformed extent"
		}
		sum += int64(es[i].Length)
	}
	if sum != size || len(es) == 0 {
		return "extents of another size"
	}
	return ""
}

// parts checks that a copied multipart object names its parts once.
func (a *PutObject) parts() string {
	n := len(a.Object.PartSizes)
	if a.Manifest != nil {
		n += len(a.Manifest.Parts)
	}
	if n != int(a.Object.Parts) {
		return "parts and their number differ"
	}
	return ""
}

func (a *DeleteMany) check(key string) string {
	if len(a.Keys) == 0 || len(a.Keys) > MaxDeleteKeys || a.Keys[0].Key != key {
		return "keys out of bounds"
	}
	for i := range a.Keys {
		if k := a.Keys[i].Key; k == "" || len(k) > MaxKey {
			return "key out of bounds"
		}
	}
	return ""
}

func (a *Complete) check() string {
	if len(a.Parts) == 0 || len(a.Parts) > MaxParts || a.Object.Parts != 0 || len(a.Object.PartSizes) > 0 {
		return "parts out of bounds"
	}
	last := uint32(0)
	for _, p := range a.Parts {
		if p.Number <= last || p.Number > MaxParts {
			return "parts not in ascending order"
		}
		last = p.Number
	}
	return ""
}

func (a *ReleaseDone) check(c *Command) string {
	k, err := parseRowKey(a.Release)
	if err != nil || k.kind != kindRelease || k.bucket != c.Bucket || k.key != c.Key || len(a.Parts) > MaxDoneParts {
		return "not a release row of this key"
	}
	return ""
}

func (a *SetRecord) check(c *Command) string {
	if !c.Bucket.IsZero() || !strings.HasPrefix(c.Key, BucketRecordPrefix) || len(c.Key) > maxName {
		return "not a system key"
	}
	r := a.New
	if r == nil {
		return ""
	}
	if r.ID.IsZero() || r.State != RecordActive && r.State != RecordDeleting || r.Generation <= a.Old.Generation || len(r.Settings) > maxBlob {
		return "record out of bounds"
	}
	return first(tooLong(r.Owner, maxName), tooLong(r.Region, maxName))
}

func (a *SetBucket) check(c *Command) string {
	if c.Bucket.IsZero() || a.Row.Generation == 0 || len(a.Row.Settings) > maxBlob {
		return "bucket row out of bounds"
	}
	return tooLong(c.Key, MaxKey)
}

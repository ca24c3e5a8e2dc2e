package tablet

import (
	"bytes"

	"catena/chain"
)

// releases answers AskReleases: release rows of the whole tablet, in key order,
// that are old enough.
func (x *reading) releases(a AskReleases) {
	out := &ReleasesResult{}
	x.res.Releases = out
	limit := min(a.Max, MaxPage)
	lo, hi := span(kindRelease, &x.v.Tablet, nil, nil)
	if a.After != nil {
		if next := append(bytes.Clone(a.After), 0); bytes.Compare(next, lo) > 0 {
			lo = next
		}
	}
	if bytes.Compare(lo, hi) >= 0 {
		return
	}
	left := x.budget(0)
	var bad error
	err := x.r.Scan(lo, hi, func(key, value []byte) bool {
		if out.More = len(out.Items) >= limit; out.More {
			return false
		}
		var k rowKey
		var rel *Release
		if k, bad = parseRowKey(key); bad != nil {
			return false
		}
		if rel, bad = decRelease(value); bad != nil {
			return false
		}
		out.Next = bytes.Clone(key)
		if rel.Time > a.Before {
			if out.Earliest == 0 || rel.Time < out.Earliest {
				out.Earliest = rel.Time
			}
		} else {
			out.Items = append(out.Items, ReleaseItem{Row: out.Next, Bucket: k.bucket, Key: k.key, Release: *rel})
		}
		out.More = left.spent()
		return !out.More
	})
	x.fail(err, bad)
	if !out.More {
		out.Next = nil
	}
}

// release answers AskRelease: what one release row stands for, in pieces of at
// most MaxDoneParts parts or MaxExtents extents.
func (x *reading) release(a AskRelease) {
	k, err := parseRowKey(a.Release)
	if err != nil || k.kind != kindRelease || k.bucket != x.q.Bucket || k.key != x.q.Key {
		x.refuse("not a release row of this key")
		return
	}
	rel := found(x, read(x, a.Release, decRelease))
	if rel == nil {
		return
	}
	work := &ReleaseWork{Last: true}
	x.res.Work = work
	switch rel.Layout.Kind {
	case LayoutExtents:
		work.Extents = rel.Layout.Extents
	case LayoutManifest:
		if m := x.manifest(rel.Layout.Blob); m != nil {
			work.Extents = m.Extents
		}
	case LayoutUpload:
		x.releaseUpload(work, rel)
	}
}

func (x *reading) releaseUpload(work *ReleaseWork, rel *Release) {
	upload := rel.Layout.Upload
	keep := &Manifest{}
	if rel.KeepListed {
		// Absent when the object itself was dropped and released meanwhile:
		// then nothing is kept.
		if m := read(x, manifestKey(x.q.Bucket, x.q.Key, upload), decManifest); m != nil {
			keep = m
		}
	}
	x.scanParts(upload, partPrefix(x.q.Bucket, x.q.Key, upload), func(p *Part) bool {
		if keep.listed(p.Number) {
			return true
		}
		if len(work.Parts) >= MaxDoneParts || len(work.Extents) >= MaxExtents {
			work.Last = false
			return false
		}
		work.Parts = append(work.Parts, p.Number)
		switch p.Layout.Kind {
		case LayoutExtents:
			work.Extents = append(work.Extents, p.Layout.Extents...)
		case LayoutManifest:
			if m := x.manifest(p.Layout.Blob); m != nil {
				work.Extents = append(work.Extents, m.Extents...)
			}
		}
		return x.err == nil
	})
}

// referenced answers AskReferenced. Whoever could still commit a row that names
// a chunk with stamp s would send a command with a stamp <= s; it is refused
// once an entry has time > s + StampAge. So nobody can refer to what no
// committed row refers to now.
func (x *reading) referenced(a AskReferenced) {
	if x.v.Applied.Time <= a.Stamp+StampAge {
		x.res.Status = RefusedTime
		return
	}
	left := make(map[chain.ChunkID]bool, len(a.Chunks))
	for _, c := range a.Chunks {
		left[c] = true
	}
	x.strike(left)
	if x.err != nil {
		return
	}
	for _, c := range a.Chunks {
		if left[c] {
			x.res.Unreferenced = append(x.res.Unreferenced, c)
		}
	}
}

// strike takes out every chunk that a row of the key names: current, versions,
// parts, manifests and releases all count.
func (x *reading) strike(left map[chain.ChunkID]bool) {
	b, key := x.q.Bucket, x.q.Key
	out := func(es []Extent) {
		for i := range es {
			delete(left, es[i].Chunk)
		}
	}
	if o := read(x, currentKey(b, key), decObject); o != nil {
		out(o.Layout.Extents)
	}
	for _, kind := range []rowKind{kindVersion, kindPart, kindManifest, kindRelease} {
		if x.err != nil || len(left) == 0 {
			return
		}
		prefix := ownerPrefix(kind, b, key, 0)
		var bad error
		err := x.r.Scan(prefix, prefixEnd(prefix), func(_, value []byte) bool {
			var es []Extent
			es, bad = extentsOf(kind, value)
			out(es)
			return bad == nil
		})
		x.fail(err, bad)
	}
}

// extentsOf gives the extents that a row names.
func extentsOf(kind rowKind, value []byte) ([]Extent, error) {
	switch kind {
	case kindVersion:
		o, err := decObject(value)
		return o.Layout.Extents, err
	case kindPart:
		p, err := decPart(value)
		return p.Layout.Extents, err
	case kindManifest:
		m, err := decManifest(value)
		return m.Extents, err
	default:
		r, err := decRelease(value)
		return r.Layout.Extents, err
	}
}

package tablet

import (
	"cmp"
	"slices"

	"catena/chain"
)

func (x *eval) putObject(a *PutObject) Answer {
	old := x.current(x.c.Key)
	if s := a.If.holds(old); s != StatusOK {
		return Answer{Status: s}
	}
	o := a.Object
	x.bytesOf(&o.Layout, a.Manifest, a.Bytes)
	return x.write(&o, old)
}

// bytesOf writes the body or manifest row of a new blob.
func (x *eval) bytesOf(l *Layout, m *Manifest, bytes []byte) {
	switch l.Kind {
	case LayoutInline:
		x.body(bodyKey(x.c.Bucket, x.c.Key, l.Blob), bytes)
	case LayoutManifest:
		x.put(manifestKey(x.c.Bucket, x.c.Key, l.Blob), encManifest(m))
	}
}

func (x *eval) deleteObject(key string, cond *Condition) (existed bool, s Status) {
	old := x.current(key)
	if s = cond.holds(old); s != StatusOK || old == nil {
		return false, s
	}
	x.delete(currentKey(x.c.Bucket, key))
	x.forget(key, old)
	return true, StatusOK
}

func (x *eval) deleteMany(a *DeleteMany) Answer {
	ans := Answer{Status: StatusOK, Keys: make([]KeyAnswer, len(a.Keys))}
	for i := range a.Keys {
		k := &a.Keys[i]
		if !x.contains(k.Key) {
			ans.Keys[i].Status = RefusedTablet
			continue
		}
		ans.Keys[i].Existed, ans.Keys[i].Status = x.deleteObject(k.Key, &k.If)
	}
	return ans
}

func (x *eval) createUpload(a *CreateUpload) Answer {
	key := uploadKey(x.c.Bucket, x.c.Key, a.ID)
	if x.get(key) != nil {
		return Answer{Status: PreconditionFailed, Detail: "the upload id is taken"}
	}
	u := a.Upload
	if u.Initiated == 0 {
		u.Initiated = x.wall
	}
	x.put(key, encUpload(&u))
	return Answer{Status: StatusOK, Modified: u.Initiated}
}

func (x *eval) putPart(a *PutPart) Answer {
	if x.get(uploadKey(x.c.Bucket, x.c.Key, a.Upload)) == nil {
		return Answer{Status: NoSuchUpload}
	}
	key := partKey(x.c.Bucket, x.c.Key, a.Upload, a.Part.Number)
	if old := load(x, key, decPart); old != nil {
		x.drop(x.c.Key, &old.Layout)
	}
	p := a.Part
	if p.Modified == 0 {
		p.Modified = x.wall
	}
	x.bytesOf(&p.Layout, a.Manifest, a.Bytes)
	x.put(key, encPart(&p))
	return Answer{Status: StatusOK, Modified: p.Modified, Rev: x.rev}
}

// parts gives the part rows of an upload, pending ones laid over those given.
func (x *eval) parts(upload chain.ID128) map[uint32]*Part {
	parts := make(map[uint32]*Part, len(x.g.parts))
	keep := func(n uint32, v []byte) {
		p, err := decPart(v)
		if err != nil {
			x.broken = err.Error()
			return
		}
		parts[n] = p
	}
	for n, v := range x.g.parts {
		keep(n, v)
	}
	prefix := string(partPrefix(x.c.Bucket, x.c.Key, upload))
	for key, im := range x.m.overlay {
		if len(key) != len(prefix)+4 || key[:len(prefix)] != prefix {
			continue
		}
		k, err := parseRowKey([]byte(key))
		if err != nil {
			continue
		}
		x.restsOn = max(x.restsOn, im.seq)
		if im.deleted {
			delete(parts, k.number)
		} else {
			keep(k.number, im.value)
		}
	}
	return parts
}

// complete writes one object row, one manifest row and, if parts were not
// listed, one release row, and deletes the upload row. It copies nothing.
func (x *eval) complete(a *Complete) Answer {
	old := x.current(x.c.Key)
	up := load(x, uploadKey(x.c.Bucket, x.c.Key, a.Upload), decUpload)
	if up == nil {
		return x.completedBefore(a, old)
	}
	if s := a.If.holds(old); s != StatusOK {
		return Answer{Status: s}
	}
	have := x.parts(a.Upload)
	o := a.Object
	manifest, size, changed := listParts(up, a.Parts, have)
	switch {
	case changed != 0:
		return Answer{Status: PartChanged, Part: changed}
	case size != o.Size:
		return Answer{Status: SizeDiffers}
	}
	o.Parts = uint32(len(a.Parts))
	o.PartSizes = nil
	if len(manifest.Parts) <= MaxRowParts {
		o.PartSizes = manifest.Parts
	}
	o.Layout = Layout{Kind: LayoutUpload, Upload: a.Upload}
	x.put(manifestKey(x.c.Bucket, x.c.Key, a.Upload), encManifest(manifest))
	x.delete(uploadKey(x.c.Bucket, x.c.Key, a.Upload))
	if len(have) > len(a.Parts) {
		x.release(x.c.Key, &Release{Layout: o.Layout, KeepListed: true})
	}
	return x.write(&o, old)
}

// completedBefore answers a completion whose upload is gone: success, if the
// object that it makes is the current one. So a client that repeats is told the
// truth after the window, too.
func (x *eval) completedBefore(a *Complete, old *Object) Answer {
	if old != nil && old.Layout.Kind == LayoutUpload && old.Layout.Upload == a.Upload && sameParts(a, old) {
		return Answer{Status: StatusOK, Rev: old.Rev, Modified: old.Modified, VersionID: old.VersionID, Existed: true}
	}
	return Answer{Status: NoSuchUpload}
}

// sameParts compares the parts that a completion names with those of an object,
// as far as its row tells: many parts' numbers are in the manifest alone.
func sameParts(a *Complete, o *Object) bool {
	if a.Object.ETag != o.ETag || len(a.Parts) != int(o.Parts) {
		return false
	}
	for i, p := range o.PartSizes {
		if a.Parts[i].Number != p.Number {
			return false
		}
	}
	return true
}

// listParts compares the parts named with the part rows. The manifest keeps the
// parts' checksums if the upload named their algorithm.
func listParts(up *Upload, named []NamedPart, have map[uint32]*Part) (m *Manifest, size int64, changed uint32) {
	m = &Manifest{Parts: make([]PartSize, len(named))}
	for i, n := range named {
		p := have[n.Number]
		if p == nil || p.Blob != n.Blob {
			return nil, 0, n.Number
		}
		m.Parts[i] = PartSize{Number: n.Number, Size: p.Size}
		if up.Algorithm != 0 && p.Checksum.Algorithm == up.Algorithm {
			m.Parts[i].Sum = p.Checksum.Sum
		}
		size += p.Size
	}
	return m, size, 0
}

func (x *eval) abort(a *Abort) Answer {
	key := uploadKey(x.c.Bucket, x.c.Key, a.Upload)
	if x.get(key) == nil {
		return Answer{Status: NoSuchUpload}
	}
	x.delete(key)
	if len(x.parts(a.Upload)) > 0 {
		x.release(x.c.Key, &Release{Layout: Layout{Kind: LayoutUpload, Upload: a.Upload}})
	}
	return Answer{Status: StatusOK, Existed: true}
}

// releaseDone deletes the rows of parts whose chunks a worker has removed, and
// at the end the release row. Nothing but what the release row stands for goes.
func (x *eval) releaseDone(a *ReleaseDone) Answer {
	rel := load(x, a.Release, decRelease)
	if rel == nil {
		return Answer{Status: StatusOK}
	}
	l := &rel.Layout
	left := 0
	if l.Kind == LayoutUpload {
		left = x.releaseParts(rel, a.Parts)
	}
	if !a.Last || left > 0 {
		return Answer{Status: StatusOK}
	}
	switch {
	case l.Kind == LayoutManifest:
		x.delete(manifestKey(x.c.Bucket, x.c.Key, l.Blob))
	case l.Kind == LayoutUpload && !rel.KeepListed:
		x.delete(manifestKey(x.c.Bucket, x.c.Key, l.Upload))
	}
	x.delete(a.Release)
	return Answer{Status: StatusOK, Existed: true}
}

// releaseParts deletes the part rows named and what they name, and counts the
// parts that the release row still stands for.
func (x *eval) releaseParts(rel *Release, numbers []uint32) (left int) {
	upload := rel.Layout.Upload
	parts := x.parts(upload)
	if rel.KeepListed {
		x.withoutListed(parts, upload)
	}
	for _, n := range numbers {
		p := parts[n]
		if p == nil {
			continue
		}
		delete(parts, n)
		x.delete(partKey(x.c.Bucket, x.c.Key, upload, n))
		switch p.Layout.Kind {
		case LayoutInline:
			x.delete(bodyKey(x.c.Bucket, x.c.Key, p.Layout.Blob))
		case LayoutManifest:
			x.delete(manifestKey(x.c.Bucket, x.c.Key, p.Layout.Blob))
		}
	}
	return len(parts)
}

// withoutListed takes out the parts that the upload's manifest lists. Without a
// manifest the object is gone and everything goes.
func (x *eval) withoutListed(parts map[uint32]*Part, upload chain.ID128) {
	m := load(x, manifestKey(x.c.Bucket, x.c.Key, upload), decManifest)
	if m == nil {
		return
	}
	for _, p := range m.Parts {
		delete(parts, p.Number)
	}
}

// listed reports whether a manifest lists a part; its parts are in order.
func (m *Manifest) listed(n uint32) bool {
	_, ok := slices.BinarySearchFunc(m.Parts, n, func(p PartSize, n uint32) int { return cmp.Compare(p.Number, n) })
	return ok
}

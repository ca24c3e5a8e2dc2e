package tablet

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

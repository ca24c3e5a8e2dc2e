package s3xml

// AppendXML appends the document ListAllMyBucketsResult.
func (x *ListBuckets) AppendXML(dst []byte) []byte {
	const root = "ListAllMyBucketsResult"
	d := begin(dst, root)
	d.owner("Owner", x.Owner)
	d.open("Buckets")
	for i := range x.Buckets {
		b := &x.Buckets[i]
		d.open("Bucket")
		d.text("Name", b.Name)
		d.time("CreationDate", b.Created)
		d.opt("BucketRegion", b.Region)
		d.close("Bucket")
	}
	d.close("Buckets")
	d.opt("Prefix", x.Prefix)
	d.opt("ContinuationToken", x.ContinuationToken)
	return d.end(root)
}

func (d *doc) objectFields(o *Object, url bool) {
	d.key("Key", o.Key, url)
	d.time("LastModified", o.LastModified)
	d.etag(o.ETag)
	d.opt("ChecksumAlgorithm", o.Checksum.String())
	d.opt("ChecksumType", o.ChecksumType.String())
	d.num("Size", o.Size)
	if o.Owner != nil {
		d.owner("Owner", *o.Owner)
	}
	d.storageClass(o.StorageClass)
}

func (d *doc) objects(all []Object, url bool) {
	for i := range all {
		d.open("Contents")
		d.objectFields(&all[i], url)
		d.close("Contents")
	}
}

// prefixV1 writes the Prefix of version 1. Of it clients disagree: the SDK for Java
// decodes it, botocore does not. So only what could not be read otherwise is
// encoded: both then show the prefix as it was asked for, but for '%' and '+' in botocore.
func (d *doc) prefixV1(prefix string, url bool) {
	if !url {
		d.text("Prefix", prefix)
		return
	}
	d.open("Prefix")
	for _, r := range prefix {
		switch {
		case r == '%' || r == '+' || r < 0x20 && r != '\t' && r != '\n' && r != '\r':
			d.b = append(d.b, '%', "0123456789ABCDEF"[r>>4], "0123456789ABCDEF"[r&15])
		case r == 0xfffe || r == 0xffff:
			d.b = appendURL(d.b, string(r))
		default:
			d.b = appendText(d.b, string(r))
		}
	}
	d.close("Prefix")
}

// AppendXML appends the document ListBucketResult.
func (x *ListObjects) AppendXML(dst []byte) []byte {
	const root = "ListBucketResult"
	d, url := begin(dst, root), x.EncodingURL
	d.text("Name", x.Name)
	d.prefixV1(x.Prefix, url)
	d.key("Marker", x.Marker, url)
	d.optKey("NextMarker", x.NextMarker, url)
	d.num("MaxKeys", int64(x.MaxKeys))
	d.optKey("Delimiter", x.Delimiter, url)
	d.encoding(url)
	d.flag("IsTruncated", x.IsTruncated)
	d.objects(x.Objects, url)
	d.prefixes(x.CommonPrefixes, url)
	return d.end(root)
}

// AppendXML appends the document ListBucketResult. KeyCount is the number of objects and
// common prefixes.
func (x *ListObjectsV2) AppendXML(dst []byte) []byte {
	const root = "ListBucketResult"
	d, url := begin(dst, root), x.EncodingURL
	d.text("Name", x.Name)
	d.key("Prefix", x.Prefix, url)
	d.optKey("StartAfter", x.StartAfter, url)
	d.opt("ContinuationToken", x.ContinuationToken)
	d.opt("NextContinuationToken", x.NextContinuationToken)
	d.num("KeyCount", int64(len(x.Objects)+len(x.CommonPrefixes)))
	d.num("MaxKeys", int64(x.MaxKeys))
	d.optKey("Delimiter", x.Delimiter, url)
	d.encoding(url)
	d.flag("IsTruncated", x.IsTruncated)
	d.objects(x.Objects, url)
	d.prefixes(x.CommonPrefixes, url)
	return d.end(root)
}

// AppendXML appends the document ListVersionsResult.
func (x *ListVersions) AppendXML(dst []byte) []byte {
	const root = "ListVersionsResult"
	d, url := begin(dst, root), x.EncodingURL
	d.text("Name", x.Name)
	d.key("Prefix", x.Prefix, url)
	d.key("KeyMarker", x.KeyMarker, url)
	d.text("VersionIdMarker", x.VersionIDMarker)
	d.optKey("NextKeyMarker", x.NextKeyMarker, url)
	d.opt("NextVersionIdMarker", x.NextVersionIDMarker)
	d.num("MaxKeys", int64(x.MaxKeys))
	d.optKey("Delimiter", x.Delimiter, url)
	d.encoding(url)
	d.flag("IsTruncated", x.IsTruncated)
	for i := range x.Versions {
		d.version(&x.Versions[i], url)
	}
	d.prefixes(x.CommonPrefixes, url)
	return d.end(root)
}

func (d *doc) version(v *ObjectVersion, url bool) {
	name := "Version"
	if v.DeleteMarker {
		name = "DeleteMarker"
	}
	d.open(name)
	if v.DeleteMarker {
		d.key("Key", v.Key, url)
		d.time("LastModified", v.LastModified)
		if v.Owner != nil {
			d.owner("Owner", *v.Owner)
		}
	} else {
		d.objectFields(&v.Object, url)
	}
	d.text("VersionId", v.VersionID)
	d.flag("IsLatest", v.IsLatest)
	d.close(name)
}

// AppendXML appends the document ListPartsResult.
func (x *ListParts) AppendXML(dst []byte) []byte {
	const root = "ListPartsResult"
	d, url := begin(dst, root), x.EncodingURL
	d.text("Bucket", x.Bucket)
	d.encoding(url)
	d.key("Key", x.Key, url)
	d.text("UploadId", x.UploadID)
	d.owner("Initiator", x.Initiator)
	d.owner("Owner", x.Owner)
	d.storageClass(x.StorageClass)
	d.num("PartNumberMarker", int64(x.PartNumberMarker))
	if x.IsTruncated {
		d.num("NextPartNumberMarker", int64(x.NextPartNumberMarker))
	}
	d.num("MaxParts", int64(x.MaxParts))
	d.flag("IsTruncated", x.IsTruncated)
	d.opt("ChecksumAlgorithm", x.ChecksumAlgorithm.String())
	d.opt("ChecksumType", x.ChecksumType.String())
	for i := range x.Parts {
		p := &x.Parts[i]
		d.open("Part")
		d.num("PartNumber", int64(p.PartNumber))
		d.time("LastModified", p.LastModified)
		d.etag(p.ETag)
		d.num("Size", p.Size)
		d.checksum(p.Checksum, p.Checksum.Base64())
		d.close("Part")
	}
	return d.end(root)
}

// AppendXML appends the document ListMultipartUploadsResult.
func (x *ListMultipartUploads) AppendXML(dst []byte) []byte {
	const root = "ListMultipartUploadsResult"
	d, url := begin(dst, root), x.EncodingURL
	d.text("Bucket", x.Bucket)
	d.key("KeyMarker", x.KeyMarker, url)
	d.text("UploadIdMarker", x.UploadIDMarker)
	d.optKey("NextKeyMarker", x.NextKeyMarker, url)
	d.opt("NextUploadIdMarker", x.NextUploadIDMarker)
	d.key("Prefix", x.Prefix, url)
	d.optKey("Delimiter", x.Delimiter, url)
	d.encoding(url)
	d.num("MaxUploads", int64(x.MaxUploads))
	d.flag("IsTruncated", x.IsTruncated)
	for i := range x.Uploads {
		u := &x.Uploads[i]
		d.open("Upload")
		d.key("Key", u.Key, url)
		d.text("UploadId", u.UploadID)
		d.owner("Initiator", u.Initiator)
		d.owner("Owner", u.Owner)
		d.storageClass(u.StorageClass)
		d.time("Initiated", u.Initiated)
		d.opt("ChecksumAlgorithm", u.ChecksumAlgorithm.String())
		d.opt("ChecksumType", u.ChecksumType.String())
		d.close("Upload")
	}
	d.prefixes(x.CommonPrefixes, url)
	return d.end(root)
}

package s3xml

// AppendXML appends the document CopyObjectResult.
func (x *CopyObject) AppendXML(dst []byte) []byte { return x.append(dst, "CopyObjectResult") }

// AppendXML appends the document CopyPartResult.
func (x *CopyPart) AppendXML(dst []byte) []byte {
	return (*CopyObject)(x).append(dst, "CopyPartResult")
}

func (x *CopyObject) append(dst []byte, root string) []byte {
	d := begin(dst, root)
	d.time("LastModified", x.LastModified)
	d.etag(x.ETag)
	if root == "CopyObjectResult" {
		d.opt("ChecksumType", x.Checksum.Type.String())
	}
	d.checksum(x.Checksum, x.Checksum.Text())
	return d.end(root)
}

// AppendXML appends the document InitiateMultipartUploadResult.
func (x *InitiateMultipartUpload) AppendXML(dst []byte) []byte {
	const root = "InitiateMultipartUploadResult"
	d := begin(dst, root)
	d.text("Bucket", x.Bucket)
	d.text("Key", x.Key)
	d.text("UploadId", x.UploadID)
	return d.end(root)
}

// AppendXML appends the document CompleteMultipartUploadResult.
func (x *CompleteMultipartUpload) AppendXML(dst []byte) []byte {
	const root = "CompleteMultipartUploadResult"
	d := begin(dst, root)
	d.text("Location", x.Location)
	d.text("Bucket", x.Bucket)
	d.text("Key", x.Key)
	d.etag(x.ETag)
	d.checksum(x.Checksum, x.Checksum.Text())
	d.opt("ChecksumType", x.Checksum.Type.String())
	return d.end(root)
}

// AppendXML appends the document DeleteResult.
func (x *DeleteResult) AppendXML(dst []byte) []byte {
	const root = "DeleteResult"
	d := begin(dst, root)
	for i := range x.Deleted {
		e := &x.Deleted[i]
		d.open("Deleted")
		d.text("Key", e.Key)
		d.opt("VersionId", e.VersionID)
		if e.DeleteMarker {
			d.flag("DeleteMarker", true)
		}
		d.opt("DeleteMarkerVersionId", e.DeleteMarkerVersionID)
		d.close("Deleted")
	}
	for i := range x.Errors {
		e := &x.Errors[i]
		d.open("Error")
		d.text("Key", e.Key)
		d.opt("VersionId", e.VersionID)
		d.text("Code", e.Code)
		d.text("Message", e.Message)
		d.close("Error")
	}
	return d.end(root)
}

// AppendXML appends the document LocationConstraint.
func (x *LocationConstraint) AppendXML(dst []byte) []byte {
	d := begin(dst, "LocationConstraint")
	d.b = appendText(d.b, x.Region)
	return d.end("LocationConstraint")
}

// AppendXML appends the document GetObjectAttributesResponse.
func (x *ObjectAttributes) AppendXML(dst []byte) []byte {
	const root = "GetObjectAttributesResponse"
	d := begin(dst, root)
	d.opt("ETag", x.ETag)
	if !x.Checksum.IsZero() {
		d.open("Checksum")
		d.checksum(x.Checksum, x.Checksum.Base64())
		d.opt("ChecksumType", x.Checksum.Type.String())
		d.close("Checksum")
	}
	if x.Parts != nil {
		d.objectParts(x.Parts)
	}
	d.opt("StorageClass", x.StorageClass)
	if x.Size != nil {
		d.num("ObjectSize", *x.Size)
	}
	return d.end(root)
}

func (d *doc) objectParts(p *ObjectParts) {
	d.open("ObjectParts")
	d.num("PartsCount", int64(p.TotalParts))
	if p.MaxParts > 0 {
		d.num("PartNumberMarker", int64(p.PartNumberMarker))
		d.num("NextPartNumberMarker", int64(p.NextPartNumberMarker))
		d.num("MaxParts", int64(p.MaxParts))
		d.flag("IsTruncated", p.IsTruncated)
	}
	for i := range p.Parts {
		part := &p.Parts[i]
		d.open("Part")
		d.num("PartNumber", int64(part.PartNumber))
		d.num("Size", part.Size)
		d.checksum(part.Checksum, part.Checksum.Base64())
		d.close("Part")
	}
	d.close("ObjectParts")
}

// AppendXML appends the document VersioningConfiguration.
func (x *VersioningConfiguration) AppendXML(dst []byte) []byte {
	d := begin(dst, "VersioningConfiguration")
	d.opt("Status", x.Status)
	return d.end("VersioningConfiguration")
}

// AppendXML appends the document AccessControlPolicy. The type of a grantee is an attribute
// of the XML Schema namespace, the one place where a prefix can't be avoided.
func (x *AccessControlPolicy) AppendXML(dst []byte) []byte {
	const root = "AccessControlPolicy"
	d := begin(dst, root)
	d.owner("Owner", x.Owner)
	d.open("AccessControlList")
	d.open("Grant")
	d.b = append(d.b, `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">`...)
	d.text("ID", x.Owner.ID)
	d.text("DisplayName", x.Owner.DisplayName)
	d.close("Grantee")
	d.text("Permission", "FULL_CONTROL")
	d.close("Grant")
	d.close("AccessControlList")
	return d.end(root)
}

// AppendEmpty appends a document of one empty element, for configurations that are
// not set: NotificationConfiguration, BucketLoggingStatus, AccelerateConfiguration, ...
func AppendEmpty(dst []byte, root string) []byte {
	d := begin(dst, root)
	return d.end(root)
}

// AppendRequestPayment appends the answer of GetBucketRequestPayment (the owner pays).
func AppendRequestPayment(dst []byte) []byte {
	d := begin(dst, "RequestPaymentConfiguration")
	d.text("Payer", "BucketOwner")
	return d.end("RequestPaymentConfiguration")
}

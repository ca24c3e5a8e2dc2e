package s3api

import (
	"context"

	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

func (a *API) createUpload(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	meta, err := metaOf(req)
	if err != nil {
		return nil, err
	}
	algorithm, typ, err := uploadChecksum(req)
	if err != nil {
		return nil, err
	}
	up, err := a.backend.CreateUpload(ctx, objects.CreateUpload{
		Bucket: req.Bucket, Key: req.Key, Meta: meta,
		Algorithm: objects.Algorithm(algorithm.String()), ChecksumType: objects.ChecksumType(typ.String())})
	if err != nil {
		return nil, a.fail(req, err)
	}
	doc := &s3xml.InitiateMultipartUpload{Bucket: req.Bucket, Key: req.Key, UploadID: up.ID}
	r := edge.XML(200, doc.AppendXML(nil))
	if algorithm != checksum.None {
		r.Set("x-amz-checksum-algorithm", algorithm.String())
		r.Set("x-amz-checksum-type", typ.String())
	}
	return r, nil
}

func (a *API) abortUpload(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := a.backend.Abort(ctx, req.Bucket, req.Key, req.UploadID); err != nil {
		return nil, a.fail(req, err)
	}
	return edge.NoContent(204), nil
}

func (a *API) uploadPart(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := checkSDKAlgorithm(req); err != nil {
		return nil, err
	}
	up, err := a.backend.Upload(ctx, req.Bucket, req.Key, req.UploadID)
	if err != nil {
		return nil, a.fail(req, err)
	}
	want, err := partAlgorithm(up, req.Body.Announced())
	if err != nil {
		return nil, err
	}
	body := newUpload(req.Body, want)
	part, err := a.backend.PutPart(ctx, objects.PutPart{
		Bucket: req.Bucket, Key: req.Key, UploadID: req.UploadID, Number: req.PartNumber}, body)
	if err != nil {
		return nil, a.fail(req, err)
	}
	r := (&edge.Response{}).Set("ETag", quoted(part.ETag))
	sum := shownPart(part.Checksum)
	if body.sent.FromClient {
		sum = body.sent.Checksum
	}
	setChecksum(r, sum, "")
	return r, nil
}

// partAlgorithm says which checksum of a part is stored, given what the client is going
// to send. The parts of a COMPOSITE must bring their own.
func partAlgorithm(up objects.Upload, sent checksum.Algorithm) (checksum.Algorithm, error) {
	want := algorithmOf(up.Algorithm)
	switch {
	case want == checksum.None: // none named: the part's own is verified, the default stored
		return defaultAlgorithm, nil
	case sent == want, sent == checksum.None && up.ChecksumType == objects.FullObject:
		return want, nil
	}
	return want, typeMismatch(want, sent)
}

func (a *API) uploadPartCopy(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	off, n, err := copyRange(req)
	if err != nil {
		return nil, err
	}
	cond, err := sourceCondition(req)
	if err != nil {
		return nil, err
	}
	src, err := a.source(ctx, req)
	if err != nil {
		return nil, err
	}
	part, err := a.backend.CopyPart(ctx, objects.CopyPart{
		PutPart:      objects.PutPart{Bucket: req.Bucket, Key: req.Key, UploadID: req.UploadID, Number: req.PartNumber},
		SourceBucket: src.Bucket, SourceKey: src.Key, Source: cond, Offset: off, Length: n, MaxSize: maxCopySource})
	if err != nil {
		return nil, a.fail(req, err)
	}
	doc := &s3xml.CopyPart{ETag: part.ETag, LastModified: part.Modified, Checksum: shownPart(part.Checksum)}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

func (a *API) listParts(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	after, err := intParam(req.Query.Get("part-number-marker"), "part-number-marker")
	if err != nil {
		return nil, err
	}
	page := objects.PartPage{}
	if req.MaxKeys == 0 {
		page.Upload, err = a.backend.Upload(ctx, req.Bucket, req.Key, req.UploadID)
	} else {
		page, err = a.backend.ListParts(ctx, objects.ListParts{
			Bucket: req.Bucket, Key: req.Key, UploadID: req.UploadID, After: after, Max: req.MaxKeys})
	}
	if err != nil {
		return nil, a.fail(req, err)
	}
	up := page.Upload
	owner := a.ownerElement(req, up.Meta.Owner)
	doc := &s3xml.ListParts{
		Bucket: req.Bucket, Key: req.Key, UploadID: req.UploadID, Initiator: owner, Owner: owner,
		StorageClass: up.Meta.StorageClass, PartNumberMarker: after, NextPartNumberMarker: page.Next,
		MaxParts: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: page.Next != 0,
		ChecksumAlgorithm: algorithmOf(up.Algorithm), ChecksumType: typeOf(up.ChecksumType),
	}
	for _, p := range page.Parts {
		doc.Parts = append(doc.Parts, s3xml.Part{PartNumber: p.Number, LastModified: p.Modified, ETag: p.ETag,
			Size: p.Size, Checksum: shownPart(p.Checksum)})
	}
	if n := len(doc.Parts); n > 0 && page.Next == 0 {
		doc.NextPartNumberMarker = doc.Parts[n-1].PartNumber
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

func typeOf(t objects.ChecksumType) checksum.Type {
	v, _ := checksum.ParseType(string(t))
	return v
}

// intParam reads a number that may be left out.
func intParam(v, name string) (int, error) {
	if v == "" {
		return 0, nil
	}
	n, ok := digits(v)
	if !ok || n > 1<<31-1 {
		return 0, s3err.InvalidArg(name, v, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return int(n), nil
}

func (a *API) listUploads(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	r := objects.ListUploads{Bucket: req.Bucket, Prefix: req.Query.Get("prefix"), Delimiter: req.Query.Get("delimiter"),
		AfterKey: req.Query.Get("key-marker"), Max: req.MaxKeys}
	if r.AfterKey != "" { // alone it says nothing (S3: "ignored")
		r.AfterUpload = req.Query.Get("upload-id-marker")
	}
	var page objects.UploadPage
	var err error
	if req.MaxKeys == 0 {
		_, err = a.backend.Bucket(ctx, req.Bucket)
	} else {
		page, err = a.backend.ListUploads(ctx, r)
	}
	if err != nil {
		return nil, a.fail(req, err)
	}
	doc := &s3xml.ListMultipartUploads{
		Bucket: req.Bucket, Prefix: r.Prefix, Delimiter: r.Delimiter, KeyMarker: r.AfterKey,
		UploadIDMarker: req.Query.Get("upload-id-marker"), NextKeyMarker: page.NextKey, NextUploadIDMarker: page.NextUpload,
		MaxUploads: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: page.Truncated, CommonPrefixes: page.Prefixes,
	}
	for _, u := range page.Uploads {
		owner := a.ownerElement(req, u.Meta.Owner)
		doc.Uploads = append(doc.Uploads, s3xml.Upload{Key: u.Key, UploadID: u.ID, Initiator: owner, Owner: owner,
			StorageClass: u.Meta.StorageClass, Initiated: u.Initiated,
			ChecksumAlgorithm: algorithmOf(u.Algorithm), ChecksumType: typeOf(u.ChecksumType)})
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

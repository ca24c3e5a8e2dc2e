package s3api

import (
	"context"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

// scan collects one page of a listing. A Backend may end its pages early; a client should
// not see that unless the scan is really long.
func (a *API) scan(ctx context.Context, req *edge.Request, after string) (objects.Page, error) {
	r := objects.List{Bucket: req.Bucket, Prefix: req.Query.Get("prefix"), Delimiter: req.Query.Get("delimiter"), After: after}
	if req.MaxKeys == 0 { // never truncated, or a client would ask for ever
		_, err := a.backend.Bucket(ctx, req.Bucket)
		return objects.Page{}, a.fail(req, err)
	}
	var all objects.Page
	deadline := a.cfg.Clock().Add(a.cfg.MaxListTime)
	for round := 0; round < a.cfg.MaxListRounds; round++ {
		r.Max = req.MaxKeys - len(all.Objects) - len(all.Prefixes)
		page, err := a.backend.List(ctx, r)
		if err != nil {
			return all, a.fail(req, err)
		}
		all.Objects = append(all.Objects, page.Objects...)
		all.Prefixes = append(all.Prefixes, page.Prefixes...)
		all.Next = page.Next
		if page.Next == "" || len(all.Objects)+len(all.Prefixes) >= req.MaxKeys || a.cfg.Clock().After(deadline) {
			break
		}
		r.After = page.Next
	}
	return all, nil
}

func (a *API) contents(req *edge.Request, page objects.Page, owners bool) []s3xml.Object {
	out := make([]s3xml.Object, len(page.Objects))
	for i := range page.Objects {
		out[i] = a.entry(req, &page.Objects[i], owners)
	}
	return out
}

func (a *API) entry(req *edge.Request, info *objects.Info, owner bool) s3xml.Object {
	sum := shown(info.Checksum, info.Parts)
	o := s3xml.Object{Key: info.Key, LastModified: info.Modified, ETag: info.ETag, Size: info.Size,
		StorageClass: info.Meta.StorageClass, Checksum: sum.Algorithm, ChecksumType: sum.Type}
	if owner {
		e := a.ownerElement(req, info.Meta.Owner)
		o.Owner = &e
	}
	return o
}

func (a *API) listObjects(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	marker := req.Query.Get("marker")
	page, err := a.scan(ctx, req, marker)
	if err != nil {
		return nil, err
	}
	doc := &s3xml.ListObjects{
		Name: req.Bucket, Prefix: req.Query.Get("prefix"), Marker: marker, Delimiter: req.Query.Get("delimiter"),
		MaxKeys: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: page.Next != "",
		Objects: a.contents(req, page, true), CommonPrefixes: page.Prefixes,
	}
	// Without a delimiter clients go on from the last key. Only a page that ended
	// early, behind its last key, must say where.
	last := ""
	if n := len(page.Objects); n > 0 {
		last = page.Objects[n-1].Key
	}
	if doc.Delimiter != "" || page.Next != last {
		doc.NextMarker = page.Next
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

func (a *API) listObjectsV2(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	startAfter := req.Query.Get("start-after")
	after, err := a.openToken(req, tokenObjects, "continuation-token", req.Bucket)
	if err != nil {
		return nil, err
	}
	if after == "" {
		after = startAfter
	}
	owners, err := boolParam(req, "fetch-owner")
	if err != nil {
		return nil, err
	}
	page, err := a.scan(ctx, req, after)
	if err != nil {
		return nil, err
	}
	doc := &s3xml.ListObjectsV2{
		Name: req.Bucket, Prefix: req.Query.Get("prefix"), StartAfter: startAfter, Delimiter: req.Query.Get("delimiter"),
		ContinuationToken: req.Query.Get("continuation-token"), MaxKeys: req.MaxKeys, EncodingURL: req.EncodingURL,
		IsTruncated: page.Next != "", Objects: a.contents(req, page, owners), CommonPrefixes: page.Prefixes,
	}
	if page.Next != "" {
		doc.NextContinuationToken = a.sealToken(tokenObjects, req.Bucket, page.Next)
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

func boolParam(req *edge.Request, name string) (bool, error) {
	v, ok := req.Query.Lookup(name)
	switch {
	case !ok || v == "" || lower(v) == "false":
		return false, nil
	case lower(v) == "true":
		return true, nil
	}
	return false, s3err.InvalidArg(name, v, "The value must be true or false.")
}

// listVersions answers for a bucket without versioning: every object has the one
// version "null".
func (a *API) listVersions(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	marker, version := req.Query.Get("key-marker"), req.Query.Get("version-id-marker")
	if version != "" {
		if marker == "" {
			return nil, s3err.InvalidArg("version-id-marker", version, "A version-id marker cannot be specified without a key marker.")
		}
		if _, err := parseVersion(version); err != nil {
			return nil, err
		}
	}
	page, err := a.scan(ctx, req, marker)
	if err != nil {
		return nil, err
	}
	doc := &s3xml.ListVersions{
		Name: req.Bucket, Prefix: req.Query.Get("prefix"), Delimiter: req.Query.Get("delimiter"), KeyMarker: marker,
		VersionIDMarker: version, MaxKeys: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: page.Next != "",
		NextKeyMarker: page.Next, CommonPrefixes: page.Prefixes,
	}
	if n := len(page.Objects); page.Next != "" && n > 0 && page.Objects[n-1].Key == page.Next {
		doc.NextVersionIDMarker = "null"
	}
	for i := range page.Objects {
		doc.Versions = append(doc.Versions, s3xml.ObjectVersion{
			Object: a.entry(req, &page.Objects[i], true), VersionID: "null", IsLatest: true})
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

package s3api

import (
	"context"
	"strings"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

// attributes are what GetObjectAttributes may be asked for.
type attributes struct{ etag, checksum, parts, class, size bool }

func attributesOf(req *edge.Request) (attributes, error) {
	const name = "x-amz-object-attributes"
	var at attributes
	list := req.Header.Joined(name)
	if strings.TrimSpace(list) == "" {
		return at, s3err.InvalidArg(name, list, "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	for _, one := range strings.Split(list, ",") {
		switch strings.TrimSpace(one) {
		case "ETag":
			at.etag = true
		case "Checksum":
			at.checksum = true
		case "ObjectParts":
			at.parts = true
		case "StorageClass":
			at.class = true
		case "ObjectSize":
			at.size = true
		default:
			return at, s3err.InvalidArg(name, list, "Invalid attribute name specified.")
		}
	}
	return at, nil
}

func (a *API) getAttributes(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	at, err := attributesOf(req)
	if err != nil {
		return nil, err
	}
	after, err := intParam(req.Header.Get("x-amz-part-number-marker"), "x-amz-part-number-marker")
	if err != nil {
		return nil, err
	}
	limit, err := intParam(req.Header.Get("x-amz-max-parts"), "x-amz-max-parts")
	if err != nil {
		return nil, err
	}
	if !req.Header.Has("x-amz-max-parts") || limit > 1000 {
		limit = 1000
	}
	if err := a.noVersion(ctx, req); err != nil {
		return nil, err
	}
	info, err := a.backend.Head(ctx, req.Bucket, req.Key)
	if err != nil {
		return nil, a.fail(req, err)
	}
	r := edge.XML(200, document(at, &info, after, limit).AppendXML(nil))
	if req.Version.Kind == route.NullVersion {
		r.Set("x-amz-version-id", "null")
	}
	return r.SetTime("Last-Modified", info.Modified), nil
}

func document(at attributes, info *objects.Info, after, limit int) *s3xml.ObjectAttributes {
	doc := &s3xml.ObjectAttributes{}
	if at.etag {
		doc.ETag = info.ETag
	}
	if at.checksum {
		doc.Checksum = shown(info.Checksum, info.Parts)
	}
	if at.class {
		if doc.StorageClass = info.Meta.StorageClass; doc.StorageClass == "" {
			doc.StorageClass = "STANDARD"
		}
	}
	if at.size {
		doc.Size = &info.Size
	}
	if at.parts && len(info.PartInfos) > 0 {
		doc.Parts = objectParts(info, after, limit)
	}
	return doc
}

// objectParts is a page of the parts with a number above after.
func objectParts(info *objects.Info, after, limit int) *s3xml.ObjectParts {
	p := &s3xml.ObjectParts{TotalParts: len(info.PartInfos), PartNumberMarker: after, MaxParts: limit}
	// The default checksum of an upload that named none was not asked for: its
	// parts are listed without one, as at Amazon.
	for _, part := range info.PartInfos {
		if part.Number <= after {
			continue
		}
		if len(p.Parts) == limit {
			p.IsTruncated = true
			break
		}
		p.Parts = append(p.Parts, s3xml.ObjectPart{PartNumber: part.Number, Size: part.Size, Checksum: shownPart(part.Checksum)})
		p.NextPartNumberMarker = part.Number
	}
	return p
}

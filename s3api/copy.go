package s3api

import (
	"context"

	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

func (a *API) copyObject(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	c, err := copyOf(req)
	if err != nil {
		return nil, err
	}
	src, err := a.source(ctx, req)
	if err != nil {
		return nil, err
	}
	c.SourceBucket, c.SourceKey = src.Bucket, src.Key
	if !c.ReplaceMeta && src.Bucket == req.Bucket && src.Key == req.Key {
		return nil, s3err.Newf(s3err.InvalidRequest, "This copy request is illegal because it is trying to copy an object to itself "+
			"without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	info, err := a.backend.Copy(ctx, c)
	if err != nil {
		return nil, a.fail(req, err)
	}
	doc := &s3xml.CopyObject{ETag: info.ETag, LastModified: info.Modified, Checksum: shown(info.Checksum, info.Parts)}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

// copyOf reads everything of a copy but its source.
func copyOf(req *edge.Request) (c objects.Copy, err error) {
	c = objects.Copy{Bucket: req.Bucket, Key: req.Key, Owner: req.Principal.ID, MaxSize: maxCopySource}
	switch v, ok := req.Header.Lookup("x-amz-metadata-directive"); {
	case !ok || v == "COPY":
	case v == "REPLACE":
		c.ReplaceMeta = true
	default:
		return c, s3err.InvalidArg("x-amz-metadata-directive", v, "Unknown metadata directive.")
	}
	if c.ReplaceMeta {
		if c.Meta, err = metaOf(req); err != nil {
			return c, err
		}
	} else if req.Header.Get("x-amz-website-redirect-location") != "" {
		// With COPY the stored headers come from the source as they are.
		return c, headerNotBuilt("x-amz-website-redirect-location")
	}
	if c.If, err = writeCondition(req); err != nil {
		return c, err
	}
	if c.Source, err = sourceCondition(req); err != nil {
		return c, err
	}
	algorithm, err := namedAlgorithm(req)
	if err == nil && algorithm != checksum.None {
		c.Checksum = objects.Algorithm(algorithm.String())
	}
	return c, err
}

// source reads x-amz-copy-source and what else is asked of it.
func (a *API) source(ctx context.Context, req *edge.Request) (route.Source, error) {
	src, err := route.ParseCopySource(req.Header.Get("x-amz-copy-source"))
	if err != nil {
		return src, err
	}
	if src.Version.Kind == route.ByID {
		if _, err := a.backend.Bucket(ctx, src.Bucket); err != nil {
			return src, a.fail(req, err)
		}
		return src, s3err.New(s3err.NoSuchVersion).With("Key", src.Key).With("VersionId", src.Version.ID)
	}
	if want, ok := req.Header.Lookup("x-amz-source-expected-bucket-owner"); ok {
		return src, a.ownerIs(ctx, req, src.Bucket, want)
	}
	return src, nil
}

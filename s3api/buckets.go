package s3api

import (
	"bytes"
	"context"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

func (a *API) ownerElement(req *edge.Request, id string) s3xml.Owner {
	id, name := a.ownerName(req, id)
	return s3xml.Owner{ID: id, DisplayName: name}
}

func (a *API) listBuckets(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	prefix := req.Query.Get("prefix")
	after, err := a.openToken(req, tokenBuckets, "continuation-token", "")
	if err != nil {
		return nil, err
	}
	doc := &s3xml.ListBuckets{Owner: a.ownerElement(req, req.Principal.ID), Prefix: prefix}
	region, byRegion := req.Query.Lookup("bucket-region")
	for rounds := 0; len(doc.Buckets) < req.MaxKeys && rounds < a.cfg.MaxListRounds; rounds++ {
		page, err := a.backend.ListBuckets(ctx, objects.ListBuckets{
			Owner: req.Principal.ID, Prefix: prefix, After: after, Max: req.MaxKeys - len(doc.Buckets)})
		if err != nil {
			return nil, a.fail(req, err)
		}
		for _, b := range page.Buckets {
			if r := a.regionOf(b); !byRegion || r == region {
				doc.Buckets = append(doc.Buckets, s3xml.Bucket{Name: b.Name, Created: b.Created, Region: r})
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if after != "" && req.MaxKeys > 0 {
		doc.ContinuationToken = a.sealToken(tokenBuckets, "", after)
	}
	return edge.XML(200, doc.AppendXML(nil)), nil
}

func (a *API) regionOf(b objects.Bucket) string {
	if b.Region == "" {
		return a.cfg.Region
	}
	return b.Region
}

func (a *API) createBucket(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	region, err := a.constraint(req)
	if err != nil {
		return nil, err
	}
	made, err := a.backend.CreateBucket(ctx, objects.Bucket{
		Name: req.Bucket, Owner: req.Principal.ID, Created: a.cfg.Clock(), Region: region})
	if err != nil && objects.KindOf(err) == objects.KindBucketExists {
		err = a.existing(req, made, region, err)
	}
	if err != nil {
		return nil, a.fail(req, err)
	}
	r := &edge.Response{}
	return r.Set("Location", "/"+req.Bucket), nil
}

// existing answers a create of a name that is taken. Amazon lets an owner create the
// same bucket again in us-east-1, and nowhere else; clients know both answers.
func (a *API) existing(req *edge.Request, b objects.Bucket, region string, err error) error {
	switch {
	case b.Owner != req.Principal.ID:
		return err
	case a.cfg.Region == defaultRegion && region == "" && b.Region == "":
		return nil
	}
	return s3err.New(s3err.BucketAlreadyOwnedByYou).With("BucketName", req.Bucket)
}

// constraint reads the body of CreateBucket. Any region may be named, because clients
// name the one they sign for; the store's own, and us-east-1, are the same as none.
func (a *API) constraint(req *edge.Request) (string, error) {
	body, err := req.Body.ReadAll(64 << 10)
	if err != nil || len(body) == 0 {
		return "", err
	}
	cfg, err := s3xml.DecodeCreateBucketConfiguration(bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if cfg.HasDirectory || cfg.HasTags {
		return "", notBuilt("Directory buckets and tags of buckets are not implemented.")
	}
	region := cfg.LocationConstraint
	switch {
	case region == "" || region == a.cfg.Region || region == defaultRegion:
		return "", nil
	case !validRegion(region):
		return "", s3err.New(s3err.InvalidLocationConstraint).With("LocationConstraint", region)
	}
	return region, nil
}

// validRegion takes the names of regions, of Amazon (eu-central-1, and EU of old) and of
// other stores (garage, auto): letters, digits and hyphens.
func validRegion(s string) bool {
	if s == "EU" {
		return true
	}
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func (a *API) headBucket(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	b, err := a.backend.Bucket(ctx, req.Bucket)
	if err != nil {
		return nil, a.fail(req, err)
	}
	r := &edge.Response{}
	r.Set("Content-Type", "application/xml")
	return r.Set("x-amz-bucket-region", a.regionOf(b)), nil
}

func (a *API) deleteBucket(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := a.backend.DeleteBucket(ctx, req.Bucket); err != nil {
		return nil, a.fail(req, err)
	}
	return edge.NoContent(204), nil
}

func (a *API) getBucketLocation(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	b, err := a.backend.Bucket(ctx, req.Bucket)
	if err != nil {
		return nil, a.fail(req, err)
	}
	region := a.regionOf(b)
	if region == defaultRegion {
		region = ""
	}
	return edge.XML(200, (&s3xml.LocationConstraint{Region: region}).AppendXML(nil)), nil
}

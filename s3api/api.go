package s3api

import (
	"context"
	"sync"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
)

// API answers the operations of S3. Its Handle is an edge.Handler.
type API struct {
	cfg     Config
	backend objects.Backend
	ops     map[route.Operation]edge.Handler
	frames  sync.Pool // of *[]byte, each of cfg.FrameSize
	metrics *metrics
}

// New makes an API.
func New(cfg Config) (*API, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &API{cfg: cfg, backend: cfg.Backend}
	a.frames.New = func() any { b := make([]byte, cfg.FrameSize); return &b }
	a.ops = a.operations()
	for op, h := range a.notSet() {
		a.ops[op] = h
	}
	var err error
	a.metrics, err = newMetrics(cfg.Registerer)
	return a, err
}

func (a *API) operations() map[route.Operation]edge.Handler {
	return map[route.Operation]edge.Handler{
		route.ListBuckets:             a.listBuckets,
		route.CreateBucket:            a.createBucket,
		route.HeadBucket:              a.headBucket,
		route.DeleteBucket:            a.deleteBucket,
		route.GetBucketLocation:       a.getBucketLocation,
		route.PutObject:               a.putObject,
		route.GetObject:               a.getObject,
		route.HeadObject:              a.headObject,
		route.DeleteObject:            a.deleteObject,
		route.DeleteObjects:           a.deleteObjects,
		route.CopyObject:              a.copyObject,
		route.ListObjects:             a.listObjects,
		route.ListObjectsV2:           a.listObjectsV2,
		route.ListObjectVersions:      a.listVersions,
		route.CreateMultipartUpload:   a.createUpload,
		route.UploadPart:              a.uploadPart,
		route.UploadPartCopy:          a.uploadPartCopy,
		route.CompleteMultipartUpload: a.completeUpload,
		route.AbortMultipartUpload:    a.abortUpload,
		route.ListParts:               a.listParts,
		route.ListMultipartUploads:    a.listUploads,
		route.GetObjectAttributes:     a.getAttributes,
	}
}

// Handle answers one request. It is an edge.Handler.
func (a *API) Handle(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	h, ok := a.ops[req.Op]
	if !ok {
		return nil, notBuilt("The operation " + req.Op.String() + " is not implemented.")
	}
	if req.Principal.Anonymous {
		// Whatever the server in front was configured to allow: without policies nothing is
		// anybody's, and the answer does not depend on what exists.
		return nil, s3err.New(s3err.AccessDenied)
	}
	for _, check := range []func(*edge.Request) error{checkVersion, checkHeaders, checkNoBody} {
		if err := check(req); err != nil {
			return nil, err
		}
	}
	if err := a.checkOwner(ctx, req); err != nil {
		return nil, err
	}
	return h(ctx, req)
}

func notBuilt(message string) error { return s3err.Newf(s3err.NotImplemented, message) }

// checkVersion refuses a versionId where an operation has none.
func checkVersion(req *edge.Request) error {
	if req.Version.Kind == route.NoVersion || req.Key == "" {
		return nil
	}
	switch req.Op {
	case route.GetObject, route.HeadObject, route.DeleteObject, route.GetObjectAttributes,
		route.GetObjectAcl, route.GetObjectTagging, route.GetObjectRetention, route.GetObjectLegalHold:
		return nil
	}
	return s3err.InvalidArg("versionId", req.Version.String(), "This operation does not accept a version-id.")
}

// noVersion answers a request for a version by its id: there are none yet but "null".
func (a *API) noVersion(ctx context.Context, req *edge.Request) error {
	if req.Version.Kind != route.ByID {
		return nil
	}
	if _, err := a.backend.Bucket(ctx, req.Bucket); err != nil {
		return a.fail(req, err)
	}
	return s3err.New(s3err.NoSuchVersion).With("Key", req.Key).With("VersionId", req.Version.ID)
}

// checkNoBody refuses a body where the operation has none: what it asks for would
// be ignored.
func checkNoBody(req *edge.Request) error {
	switch req.Op {
	case route.PutObject, route.UploadPart, route.CreateBucket, route.DeleteObjects, route.CompleteMultipartUpload:
		return nil
	}
	if req.Body != nil && req.Body.Length() > 0 {
		return s3err.New(s3err.UnexpectedContent)
	}
	return nil
}

// checkOwner compares x-amz-expected-bucket-owner with the owner's canonical id.
func (a *API) checkOwner(ctx context.Context, req *edge.Request) error {
	want, ok := req.Header.Lookup("x-amz-expected-bucket-owner")
	if !ok || req.Bucket == "" || req.Op == route.CreateBucket {
		return nil
	}
	return a.ownerIs(ctx, req, req.Bucket, want)
}

func (a *API) ownerIs(ctx context.Context, req *edge.Request, bucket, want string) error {
	b, err := a.backend.Bucket(ctx, bucket)
	if err != nil {
		return a.fail(req, err)
	}
	if b.Owner != want {
		return s3err.New(s3err.AccessDenied)
	}
	return nil
}

// ownerName gives the account of an id as documents show it.
func (a *API) ownerName(req *edge.Request, id string) (string, string) {
	if id == "" || id == req.Principal.ID {
		return req.Principal.ID, req.Principal.DisplayName
	}
	return id, a.cfg.OwnerName(id)
}

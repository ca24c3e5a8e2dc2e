package s3api

import (
	"context"

	"catena/s3api/edge"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

// notSet has the operations that read a configuration which nobody can set here. Their
// true answer is "not set", once the bucket (and the object) is there.
func (a *API) notSet() map[route.Operation]edge.Handler {
	empty := func(root string) edge.Handler {
		return a.ofBucket(func(*edge.Request) (*edge.Response, error) {
			return edge.XML(200, s3xml.AppendEmpty(nil, root)), nil
		})
	}
	absent := func(code s3err.Code) edge.Handler {
		return a.ofBucket(func(req *edge.Request) (*edge.Response, error) {
			return nil, s3err.New(code).With("BucketName", req.Bucket)
		})
	}
	lockless := a.ofObject(func(*edge.Request, string) (*edge.Response, error) {
		return nil, s3err.Newf(s3err.InvalidRequest, "Bucket is missing Object Lock Configuration")
	})
	return map[route.Operation]edge.Handler{
		route.GetBucketVersioning: a.ofBucket(func(*edge.Request) (*edge.Response, error) {
			return edge.XML(200, (&s3xml.VersioningConfiguration{}).AppendXML(nil)), nil
		}),
		route.GetBucketAcl: a.bucketACL,
		route.GetObjectAcl: a.ofObject(func(req *edge.Request, owner string) (*edge.Response, error) {
			return a.fullControl(req, owner), nil
		}),
		route.GetObjectTagging: a.ofObject(func(*edge.Request, string) (*edge.Response, error) {
			return edge.XML(200, []byte(xmlHeader+`<Tagging xmlns="`+s3xml.Namespace+`"><TagSet></TagSet></Tagging>`)), nil
		}),
		route.GetBucketPolicyStatus: a.ofBucket(func(*edge.Request) (*edge.Response, error) {
			return edge.XML(200, []byte(xmlHeader+`<PolicyStatus xmlns="`+s3xml.Namespace+`"><IsPublic>false</IsPublic></PolicyStatus>`)), nil
		}),
		route.GetBucketRequestPayment: a.ofBucket(func(*edge.Request) (*edge.Response, error) {
			return edge.XML(200, s3xml.AppendRequestPayment(nil)), nil
		}),
		route.GetBucketLogging:                   empty("BucketLoggingStatus"),
		route.GetBucketNotificationConfiguration: empty("NotificationConfiguration"),
		route.GetBucketAccelerateConfiguration:   empty("AccelerateConfiguration"),
		route.GetBucketTagging:                   absent(s3err.NoSuchTagSet),
		route.GetBucketLifecycleConfiguration:    absent(s3err.NoSuchLifecycleConfiguration),
		route.GetBucketCors:                      absent(s3err.NoSuchCORSConfiguration),
		route.GetBucketPolicy:                    absent(s3err.NoSuchBucketPolicy),
		route.GetBucketEncryption:                absent(s3err.ServerSideEncryptionConfigurationNotFoundError),
		route.GetBucketReplication:               absent(s3err.ReplicationConfigurationNotFoundError),
		route.GetBucketWebsite:                   absent(s3err.NoSuchWebsiteConfiguration),
		route.GetBucketOwnershipControls:         absent(s3err.OwnershipControlsNotFoundError),
		route.GetPublicAccessBlock:               absent(s3err.NoSuchPublicAccessBlockConfiguration),
		route.GetObjectLockConfiguration:         absent(s3err.ObjectLockConfigurationNotFoundError),
		route.GetObjectLegalHold:                 lockless,
		route.GetObjectRetention:                 lockless,
	}
}

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// ofBucket answers once the bucket is known to exist.
func (a *API) ofBucket(answer func(*edge.Request) (*edge.Response, error)) edge.Handler {
	return func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		if _, err := a.backend.Bucket(ctx, req.Bucket); err != nil {
			return nil, a.fail(req, err)
		}
		return answer(req)
	}
}

// ofObject answers once the object is known to exist; the second argument is its owner.
func (a *API) ofObject(answer func(*edge.Request, string) (*edge.Response, error)) edge.Handler {
	return func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		if err := a.noVersion(ctx, req); err != nil {
			return nil, err
		}
		info, err := a.backend.Head(ctx, req.Bucket, req.Key)
		if err != nil {
			return nil, a.fail(req, err)
		}
		return answer(req, info.Meta.Owner)
	}
}

func (a *API) bucketACL(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	b, err := a.backend.Bucket(ctx, req.Bucket)
	if err != nil {
		return nil, a.fail(req, err)
	}
	return a.fullControl(req, b.Owner), nil
}

func (a *API) fullControl(req *edge.Request, owner string) *edge.Response {
	return edge.XML(200, (&s3xml.AccessControlPolicy{Owner: a.ownerElement(req, owner)}).AppendXML(nil))
}

package s3api

import (
	"context"
	"errors"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
)

// fail turns the error of a Backend into the answer of S3. An error of the request's
// body comes through the Backend unchanged.
func (a *API) fail(req *edge.Request, err error) error {
	if err == nil {
		return nil
	}
	var s3 *s3err.Error
	if errors.As(err, &s3) {
		return s3
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return s3err.New(s3err.ServiceUnavailable).WithCause(err)
	}
	var e *objects.Error
	if !errors.As(err, &e) {
		return s3err.New(s3err.InternalError).WithCause(err)
	}
	return errorOf(req, e).WithCause(err)
}

// errorOf is the table of kinds and codes.
func errorOf(req *edge.Request, e *objects.Error) *s3err.Error {
	bucket, key := e.Bucket, e.Key
	if bucket == "" {
		bucket = req.Bucket
	}
	if key == "" {
		key = req.Key
	}
	switch e.Kind {
	case objects.KindNoSuchBucket:
		return s3err.New(s3err.NoSuchBucket).With("BucketName", bucket)
	case objects.KindBucketExists:
		return s3err.New(s3err.BucketAlreadyExists).With("BucketName", bucket)
	case objects.KindBucketNotEmpty:
		return s3err.New(s3err.BucketNotEmpty).With("BucketName", bucket)
	case objects.KindNoSuchKey:
		return s3err.New(s3err.NoSuchKey).With("Key", key)
	case objects.KindNoSuchUpload:
		return s3err.New(s3err.NoSuchUpload).With("UploadId", req.UploadID)
	case objects.KindPrecondition, objects.KindNotModified:
		return s3err.New(s3err.PreconditionFailed).With("Condition", condition(req, e))
	case objects.KindConflict:
		return conflict(req)
	case objects.KindInvalidRange:
		return s3err.New(s3err.InvalidRange)
	case objects.KindTooLarge:
		return tooLarge(req)
	case objects.KindUnavailable:
		return s3err.New(s3err.ServiceUnavailable)
	case objects.KindSlowDown:
		return s3err.New(s3err.SlowDown)
	case objects.KindFull:
		return s3err.New(s3err.InsufficientStorage)
	}
	return uploadError(e)
}

// uploadError is the rest of the table: what only a completion meets.
func uploadError(e *objects.Error) *s3err.Error {
	var code s3err.Code
	switch e.Kind {
	case objects.KindInvalidPart:
		code = s3err.InvalidPart
	case objects.KindInvalidPartOrder:
		code = s3err.InvalidPartOrder
	case objects.KindEntityTooSmall:
		code = s3err.EntityTooSmall
	case objects.KindBadChecksum:
		code = s3err.BadDigest
	case objects.KindBadSize:
		return s3err.Newf(s3err.InvalidRequest, "The provided 'x-amz-mp-object-size' header value does not match what was computed.")
	default: // KindUnknown, KindInternal: the client learns no more than that
		return s3err.New(s3err.InternalError)
	}
	err := s3err.New(code)
	if e.Detail != "" {
		err = err.With("Detail", e.Detail)
	}
	return err
}

// condition names the header of the condition that failed, as Amazon does.
func condition(req *edge.Request, e *objects.Error) string {
	if e.Detail != "" {
		return e.Detail
	}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if req.Header.Has(lower(name)) {
			return name
		}
	}
	return "x-amz-copy-source-If-*"
}

func conflict(req *edge.Request) *s3err.Error {
	if req.Key == "" {
		return s3err.New(s3err.OperationAborted)
	}
	return s3err.New(s3err.ConditionalRequestConflict)
}

func tooLarge(req *edge.Request) *s3err.Error {
	if req.Op == route.CopyObject || req.Op == route.UploadPartCopy {
		return s3err.Newf(s3err.InvalidRequest,
			"The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	return s3err.New(s3err.EntityTooLarge)
}

package cluster

import (
	"context"
	"errors"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

var errBucketChanges = errors.New("the bucket's state keeps changing")

// fail makes the operation's error.
func (r *request) fail(kind objects.Kind, detail string, cause error) error {
	return &objects.Error{Kind: kind, Op: r.op, Bucket: r.bucket, Key: r.key, Detail: detail, Cause: cause}
}

// chainError gives an error of Index or Chunks its kind. command says that the
// outcome is unknown when nothing else is promised.
func (r *request) chainError(err error, command bool) error {
	var refusal *chain.Refusal
	kind := objects.KindUnavailable
	switch {
	case errors.As(err, &refusal):
		kind = kindOfRefusal(refusal.Kind)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if command {
			kind = objects.KindUnknown
		}
	case command:
		kind = objects.KindUnknown
	}
	return r.fail(kind, "", err)
}

func kindOfRefusal(k chain.RefusalKind) objects.Kind {
	switch k {
	case chain.RefusedUnknown:
		return objects.KindUnknown
	case chain.RefusedFull:
		return objects.KindFull
	case chain.RefusedBusy:
		return objects.KindSlowDown
	case chain.RefusedInvalid:
		return objects.KindInternal
	}
	return objects.KindUnavailable
}

func refusedGone(err error) bool {
	var refusal *chain.Refusal
	return errors.As(err, &refusal) && refusal.Kind == chain.RefusedGone
}

// negative turns a final answer that is not OK into the operation's error; cond
// names what failed.
func (r *request) negative(a tablet.Answer, cond objects.Condition) error {
	return r.status(a.Status, cond)
}

func (r *request) status(s tablet.Status, cond objects.Condition) error {
	switch s {
	case tablet.StatusOK:
		return nil
	case tablet.NotFound:
		return r.fail(objects.KindNoSuchKey, "", nil)
	case tablet.PreconditionFailed:
		return r.fail(objects.KindPrecondition, named(cond), nil)
	case tablet.NoSuchUpload:
		return r.fail(objects.KindNoSuchUpload, "", nil)
	case tablet.SizeDiffers:
		return r.fail(objects.KindConflict, "", errors.New("the parts changed while they were completed"))
	}
	return r.fail(objects.KindInternal, "", errors.New("unexpected answer: "+s.String()))
}

// named gives the header of a condition, for the client.
func named(c objects.Condition) string {
	switch {
	case c.IfMatch != "":
		return "If-Match"
	case c.IfNoneMatch != "":
		return "If-None-Match"
	case c.IfSize != nil:
		return "x-amz-if-match-size"
	case c.IfModified != nil:
		return "x-amz-if-match-last-modified-time"
	}
	return ""
}

package s3api

import (
	"bytes"
	"context"

	"catena/s3api/checksum"
	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

func (a *API) deleteObject(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := a.noVersion(ctx, req); err != nil {
		return nil, err
	}
	cond, err := deleteCondition(req)
	if err != nil {
		return nil, err
	}
	if _, err := a.backend.Delete(ctx, objects.Delete{Bucket: req.Bucket, Key: req.Key, If: cond}); err != nil {
		return nil, a.fail(req, err)
	}
	r := edge.NoContent(204)
	if req.Version.Kind == route.NullVersion {
		r.Set("x-amz-version-id", "null")
	}
	return r, nil
}

// maxDeleteBody is room for 1,000 keys of 1,024 bytes, each byte written as a
// character reference.
const maxDeleteBody = 4 << 20

func (a *API) deleteObjects(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if !req.Header.Has("content-md5") && req.Body.Announced() == checksum.None {
		return nil, s3err.Newf(s3err.InvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	body, err := req.Body.ReadAll(maxDeleteBody)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, s3err.New(s3err.MissingRequestBodyError)
	}
	doc, err := s3xml.DecodeDelete(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	result, err := a.deleteAll(ctx, req, doc)
	if err != nil {
		return nil, a.fail(req, err)
	}
	return edge.XML(200, result.AppendXML(nil)), nil
}

// deleteAll removes what can be removed, and answers in the order asked. Trouble that
// passes fails the whole request: a client repeats it, and repeating deletes is safe.
func (a *API) deleteAll(ctx context.Context, req *edge.Request, doc *s3xml.Delete) (*s3xml.DeleteResult, error) {
	refused := make([]error, len(doc.Objects))
	var keys []objects.Delete
	var at []int
	for i, o := range doc.Objects {
		if refused[i] = refuseKey(o); refused[i] == nil {
			keys = append(keys, objects.Delete{Bucket: req.Bucket, Key: o.Key, If: keyCondition(o)})
			at = append(at, i)
		}
	}
	if len(keys) == 0 { // the Backend would have said whether the bucket exists
		if _, err := a.backend.Bucket(ctx, req.Bucket); err != nil {
			return nil, err
		}
	} else {
		errs, err := a.backend.DeleteMany(ctx, req.Bucket, keys)
		if err != nil {
			return nil, err
		}
		for j, i := range at {
			refused[i] = a.fail(req, errs[j])
		}
	}
	return resultOf(doc, refused), nil
}

func keyCondition(o s3xml.DeleteObject) objects.Condition {
	return objects.Condition{IfMatch: etagOf(o.ETag), IfSize: o.Size, IfModified: o.LastModified}
}

// refuseKey finds what is wrong with one key alone.
func refuseKey(o s3xml.DeleteObject) error {
	v, err := parseVersion(o.VersionID)
	switch {
	case err != nil:
		return err
	case v == route.ByID:
		return s3err.New(s3err.NoSuchVersion)
	case len(o.Key) > route.MaxKeyLength:
		return s3err.New(s3err.KeyTooLongError)
	}
	return nil
}

// parseVersion reads a VersionId of a document by the rules of the versionId parameter.
func parseVersion(s string) (route.VersionKind, error) {
	switch {
	case s == "":
		return route.NoVersion, nil
	case s == "null":
		return route.NullVersion, nil
	case len(s) == 32 && isLowerHex(s):
		return route.ByID, nil
	}
	return 0, s3err.InvalidArg("versionId", s, "Invalid version id specified")
}

func isLowerHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func resultOf(doc *s3xml.Delete, refused []error) *s3xml.DeleteResult {
	result := &s3xml.DeleteResult{}
	for i, o := range doc.Objects {
		if err := refused[i]; err != nil {
			e := s3err.From(err)
			result.Errors = append(result.Errors, s3xml.DeleteError{
				Key: o.Key, VersionID: o.VersionID, Code: string(e.Code), Message: e.Message})
		} else if !doc.Quiet {
			result.Deleted = append(result.Deleted, s3xml.Deleted{Key: o.Key, VersionID: o.VersionID})
		}
	}
	return result
}

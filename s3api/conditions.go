package s3api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/s3err"
)

// etagOf takes the quotes off one ETag; clients send it with and without. A weak one
// keeps its W/, so that it equals nothing of ours.
func etagOf(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func quoted(etag string) string { return `"` + etag + `"` }

// matches says whether a list of ETags names etag, or everything. weak takes W/ off, as
// If-None-Match compares (RFC 9110 8.8.3.2).
func matches(list, etag string, weak bool) bool {
	for _, one := range strings.Split(list, ",") {
		one = strings.TrimSpace(one)
		if weak {
			one = strings.TrimPrefix(one, "W/")
		}
		if one == "*" || etagOf(one) == etag {
			return true
		}
	}
	return false
}

// httpDate reads a date; one that is none is ignored (RFC 9110 13.1.3).
func httpDate(req *edge.Request, name string) (time.Time, bool) {
	v, ok := req.Header.Lookup(name)
	if !ok {
		return time.Time{}, false
	}
	t, err := http.ParseTime(v)
	return t, err == nil
}

// checkRead evaluates the conditions of GET and HEAD in the order of RFC 9110 13.2.2.
// notModified says that the answer is 304.
func checkRead(req *edge.Request, info *objects.Info) (notModified bool, err error) {
	modified := info.Modified.Truncate(time.Second)
	if req.Header.Has("if-match") {
		if !matches(req.Header.Joined("if-match"), info.ETag, false) {
			return false, failedCondition("If-Match")
		}
	} else if t, ok := httpDate(req, "if-unmodified-since"); ok && modified.After(t) {
		return false, failedCondition("If-Unmodified-Since")
	}
	if req.Header.Has("if-none-match") {
		return matches(req.Header.Joined("if-none-match"), info.ETag, true), nil
	}
	t, ok := httpDate(req, "if-modified-since")
	return ok && !modified.After(t), nil
}

func failedCondition(name string) error {
	return s3err.New(s3err.PreconditionFailed).With("Condition", name)
}

// writeCondition reads the conditions of a write. Dates are not among them, and a
// list of ETags is not: Amazon answers both 501.
func writeCondition(req *edge.Request) (objects.Condition, error) {
	var c objects.Condition
	for _, name := range []string{"if-modified-since", "if-unmodified-since"} {
		if req.Header.Has(name) {
			return c, headerNotBuilt(name)
		}
	}
	var err error
	if c.IfMatch, err = oneETag(req, "if-match"); err != nil {
		return c, err
	}
	c.IfNoneMatch, err = oneETag(req, "if-none-match")
	return c, err
}

func oneETag(req *edge.Request, name string) (string, error) {
	v, ok := req.Header.Lookup(name)
	if !ok {
		return "", nil
	}
	if req.Header.Count(name) > 1 || strings.Contains(v, ",") {
		return "", headerNotBuilt(name)
	}
	etag := etagOf(v)
	if etag == "" {
		return "", s3err.InvalidArg(name, v, "The condition names no ETag.")
	}
	return etag, nil
}

// deleteCondition reads the conditions of DeleteObject.
func deleteCondition(req *edge.Request) (objects.Condition, error) {
	var c objects.Condition
	for _, name := range []string{"if-none-match", "if-modified-since", "if-unmodified-since"} {
		if req.Header.Has(name) {
			return c, headerNotBuilt(name)
		}
	}
	var err error
	if c.IfMatch, err = oneETag(req, "if-match"); err != nil {
		return c, err
	}
	if v, ok := req.Header.Lookup("x-amz-if-match-size"); ok {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return c, s3err.InvalidArg("x-amz-if-match-size", v, "The size must be a number.")
		}
		c.IfSize = &n
	}
	if v, ok := req.Header.Lookup("x-amz-if-match-last-modified-time"); ok {
		t, err := http.ParseTime(v)
		if err != nil {
			return c, s3err.InvalidArg("x-amz-if-match-last-modified-time", v, "The time must be an HTTP date.")
		}
		c.IfModified = &t
	}
	return c, nil
}

// sourceCondition reads x-amz-copy-source-if-*.
func sourceCondition(req *edge.Request) (objects.SourceCondition, error) {
	var c objects.SourceCondition
	var err error
	if c.IfMatch, err = oneETag(req, "x-amz-copy-source-if-match"); err != nil {
		return c, err
	}
	if c.IfNoneMatch, err = oneETag(req, "x-amz-copy-source-if-none-match"); err != nil {
		return c, err
	}
	c.IfModifiedSince, _ = httpDate(req, "x-amz-copy-source-if-modified-since")
	c.IfUnmodified, _ = httpDate(req, "x-amz-copy-source-if-unmodified-since")
	return c, nil
}

package admin

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// Service is the name in the scope of a signature: what was signed for S3 does
// not command the cluster, and the other way round.
const Service = "catena"

// signatures verifies that a request was signed, body included, with the
// cluster's keys. A browser that is led here has no keys, and nothing that it
// sends by itself counts.
type signatures struct{ v *sigv4.Verifier }

func newSignatures(store sigv4.CredentialStore, now func() time.Time) (signatures, error) {
	v, err := sigv4.New(sigv4.Config{Store: store, Now: now, Service: Service, RefuseSigV2: true})
	return signatures{v}, err
}

// errBody says that a body is not the one that was signed.
var errBody = errors.New("the signature does not cover the body: x-amz-content-sha256 must be its SHA-256")

// check gives the access key that signed the request, or says why it counts for
// nothing. Only a signature in the Authorization header counts: a URL that
// carries one is copied, logged and followed.
func (s signatures) check(r *http.Request, body []byte) (access string, err error) {
	if !strings.HasPrefix(r.RequestURI, "/") || r.URL.RawQuery != "" || r.URL.ForceQuery {
		return "", errors.New("the request may have no query")
	}
	fields := make(head.Fields, 0, len(r.Header))
	for name, values := range r.Header {
		for _, v := range values {
			fields = append(fields, head.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	res, err := s.v.Verify(&sigv4.Request{
		Route:   &route.Request{Method: r.Method, RawPath: r.RequestURI, Path: r.URL.Path},
		Headers: fields, Host: r.Host, ContentLength: r.ContentLength,
	})
	var e *s3err.Error
	switch {
	case errors.As(err, &e):
		return "", errors.New(string(e.Code) + ": " + e.Message)
	case err != nil:
		return "", err
	case res.Kind != sigv4.AuthHeader:
		return "", errors.New("the request is not signed: it needs an Authorization header of Signature Version 4, service " + Service + ", made with the cluster's keys")
	case res.Payload.Kind != sigv4.PayloadHash || res.Payload.SHA256 != sha256.Sum256(body):
		return "", errBody
	}
	return res.Principal.AccessKey, nil
}

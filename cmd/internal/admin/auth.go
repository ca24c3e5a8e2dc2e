package admin

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
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

// nonceHeader tells requests apart that a client makes within one second. Every
// x-amz-* header has to be signed, so nobody else can choose another one.
const nonceHeader = "x-amz-nonce"

// window is longer than a signature is good for, whichever clock is ahead.
const window = 31 * time.Minute

// maxOnce bounds what is remembered; it is reached only by who has the keys.
const maxOnce = 4096

// once remembers the signed changes of the last half hour, so that one that was
// overheard is not done a second time. A restart forgets them: then the factor or
// epoch that a change names has to guard by itself.
type once struct {
	mu   sync.Mutex
	seen map[[32]byte]time.Time
}

// errAgain says that a change came a second time.
var errAgain = errors.New("this very request was made already: sign it anew")

// first reports whether a verified change is seen for the first time. What tells
// it apart is all signed: who, when, what.
func (o *once) first(r *http.Request, access string, body []byte, now time.Time) error {
	sum := sha256.Sum256(body)
	id := sha256.Sum256([]byte(strings.Join([]string{
		access, r.Header.Get("X-Amz-Date"), r.Header.Get("Date"), r.Header.Get(nonceHeader), r.Method, r.RequestURI, string(sum[:]),
	}, "\n")))
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, at := range o.seen {
		if now.Sub(at) > window {
			delete(o.seen, k)
		}
	}
	if _, ok := o.seen[id]; ok {
		return errAgain
	}
	if len(o.seen) >= maxOnce {
		return errors.New("too many changes were asked for in the last half hour")
	}
	o.seen[id] = now
	return nil
}

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
		return "", errors.New("the request is not signed: it needs an Authorization header of Signature Version 4, service " +
			Service + ", made with the cluster's keys")
	case res.Payload.Kind != sigv4.PayloadHash || res.Payload.SHA256 != sha256.Sum256(body):
		return "", errBody
	}
	return res.Principal.AccessKey, nil
}

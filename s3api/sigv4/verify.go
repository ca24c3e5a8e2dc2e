package sigv4

import (
	"crypto/hmac"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"catena/s3api/s3err"
)

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct {
	cfg   Config
	cache *keyCache
}

// New makes a Verifier.
func New(cfg Config) (*Verifier, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Verifier{cfg: cfg, cache: newKeyCache(cfg.CacheSize)}, nil
}

// Verify authenticates a request. Errors are *s3err.Error.
func (v *Verifier) Verify(r *Request) (*Result, error) {
	for _, name := range [...]string{"authorization", "x-amz-date", "date", "x-amz-content-sha256", "x-amz-security-token"} {
		if r.Headers.Count(name) > 1 {
			return nil, s3err.Newf(s3err.InvalidArgument, "The header "+name+" was given more than once.").With("ArgumentName", name)
		}
	}
	q := r.Route.Query
	inHeader := r.Headers.Has("authorization")
	inQuery := q.Has("X-Amz-Signature") || q.Has("X-Amz-Algorithm")
	inV2 := hasV2(q)
	switch {
	case inV2 && v.cfg.RefuseSigV2:
		return nil, refusedV2()
	case inHeader && (inQuery || inV2), inQuery && inV2:
		return nil, severalMechanisms()
	case inHeader:
		return v.verifyHeader(r)
	case inQuery:
		return v.verifyPresigned(r)
	case inV2:
		return v.verifyPresignedV2(r)
	}
	return anonymous(r)
}

// anonymous is the principal of a request without any sign of a credential. Half a credential
// is a refusal, never anonymous.
func anonymous(r *Request) (*Result, error) {
	q := r.Route.Query
	for i := range q {
		switch q[i].Name {
		case "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Expires":
			return nil, s3err.New(s3err.AccessDenied)
		}
		if strings.HasPrefix(q[i].Name, "response-") {
			return nil, s3err.Newf(s3err.InvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.")
		}
	}
	if r.Headers.Has("x-amz-security-token") {
		return nil, s3err.New(s3err.AccessDenied)
	}
	res := &Result{Principal: Principal{Anonymous: true}, Kind: AuthAnonymous}
	if text, ok := r.Headers.Lookup("x-amz-content-sha256"); ok {
		var err error
		if res.Payload, err = ParsePayload(text); err != nil {
			return nil, err
		}
		if res.Payload.Kind.SignedChunks() {
			return nil, s3err.Newf(s3err.InvalidRequest, "Anonymous requests cannot have a signed streaming payload.")
		}
	}
	return res, nil
}

// checkService refuses a signature made for another service: one that is made for S3 must
// not command the cluster, and the other way round.
func (v *Verifier) checkService(p *signedParts) error {
	if p.service == v.cfg.Service {
		return nil
	}
	return malformed(p.presigned, "incorrect service. This endpoint belongs to \""+v.cfg.Service+"\".")
}

func (v *Verifier) verifyHeader(r *Request) (*Result, error) {
	p, err := parseAuthorization(r.Headers.Get("authorization"))
	if err == nil {
		err = v.checkService(p)
	}
	if err != nil {
		return nil, err
	}
	t, ok := requestTime(r)
	if !ok {
		return nil, s3err.Newf(s3err.AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
	}
	p.timestamp = t.Format(dateLayout)
	if p.date != p.timestamp[:8] {
		return nil, malformed(false, "Invalid credential date. This date is not the same as X-Amz-Date.")
	}
	now := v.cfg.Now()
	if d := now.Sub(t); d > v.cfg.MaxSkew || d < -v.cfg.MaxSkew {
		return nil, s3err.New(s3err.RequestTimeTooSkewed).With("RequestTime", p.timestamp).
			With("ServerTime", now.UTC().Format(time.RFC3339)).
			With("MaxAllowedSkewMilliseconds", strconv.FormatInt(v.cfg.MaxSkew.Milliseconds(), 10))
	}
	var has bool
	if p.payloadHash, has = r.Headers.Lookup("x-amz-content-sha256"); !has {
		return nil, s3err.Newf(s3err.InvalidRequest, "Missing required header for this request: x-amz-content-sha256")
	}
	payload, err := ParsePayload(p.payloadHash)
	if err != nil {
		return nil, err
	}
	return v.finish(r, p, payload, AuthHeader, r.Headers.Has("x-amz-security-token"))
}

func (v *Verifier) verifyPresigned(r *Request) (*Result, error) {
	p, expires, err := parsePresigned(r)
	if err == nil {
		err = v.checkService(p)
	}
	if err != nil {
		return nil, err
	}
	q := r.Route.Query
	p.timestamp = q.Get("X-Amz-Date")
	t, err := time.Parse(dateLayout, p.timestamp)
	if err != nil {
		return nil, malformed(true, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	if p.date != p.timestamp[:8] {
		return nil, malformed(true, "Invalid credential date. This date is not the same as X-Amz-Date.")
	}
	now := v.cfg.Now()
	switch {
	case t.Sub(now) > v.cfg.MaxSkew:
		return nil, s3err.Newf(s3err.AccessDenied, "Request is not valid yet").With("ServerTime", now.UTC().Format(time.RFC3339))
	case now.Sub(t) > expires:
		return nil, s3err.Newf(s3err.AccessDenied, "Request has expired").
			With("X-Amz-Expires", q.Get("X-Amz-Expires")).
			With("Expires", t.Add(expires).Format(time.RFC3339)).
			With("ServerTime", now.UTC().Format(time.RFC3339))
	}
	p.payloadHash = "UNSIGNED-PAYLOAD"
	if text, ok := r.Headers.Lookup("x-amz-content-sha256"); ok {
		p.payloadHash = text
	} else if text, ok := q.Lookup("X-Amz-Content-Sha256"); ok {
		p.payloadHash = text
	}
	payload, err := ParsePayload(p.payloadHash)
	if err != nil {
		return nil, err
	}
	if payload.Kind.SignedChunks() {
		return nil, s3err.Newf(s3err.InvalidRequest, "A presigned request cannot have a signed streaming payload.")
	}
	token := r.Headers.Has("x-amz-security-token") || q.Has("X-Amz-Security-Token")
	res, err := v.finish(r, p, payload, AuthPresigned, token)
	if err != nil {
		return nil, err
	}
	res.FromQuery, err = headersInQuery(q, r.Headers, func(name string) bool {
		return strings.HasPrefix(name, "x-amz-") && countsAsHeader(name)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// finish looks the key up and compares the signature. An unknown key takes the same way
// with a secret of ours, so its time tells nothing.
func (v *Verifier) finish(r *Request, p *signedParts, payload Payload, kind AuthKind, token bool) (*Result, error) {
	cred, known := v.cfg.Store.Lookup(p.accessKey)
	if !known {
		cred = Credential{SecretKey: "no such access key, but the same work"}
	}
	key, match := v.match(r, p, cred.SecretKey)
	switch {
	case !known:
		return nil, s3err.New(s3err.InvalidAccessKeyId).With("AWSAccessKeyId", p.accessKey)
	case token: // every key of ours is permanent, and a permanent key has no token
		return nil, s3err.New(s3err.InvalidToken)
	}
	if missing := unsignedHeaders(r, p.headers); len(missing) > 0 {
		return nil, s3err.Newf(s3err.AccessDenied, "There were headers present in the request which were not signed").
			With("HeadersNotSigned", strings.Join(missing, ", "))
	}
	if !match {
		return nil, doesNotMatch(r, p)
	}
	res := &Result{Principal: cred.Principal, Kind: kind, Payload: payload}
	res.Principal.AccessKey, res.Principal.Anonymous = p.accessKey, false
	if payload.Kind.SignedChunks() {
		res.Chunks = &ChunkVerifier{key: key, timestamp: p.timestamp, scope: p.scope(), previous: strings.ToLower(p.signature)}
	}
	return res, nil
}

// match computes the signature in both forms of path and query. A key goes to
// the cache only after it matched.
func (v *Verifier) match(r *Request, p *signedParts, secret string) (signingKey, bool) {
	ck := cacheKey{p.accessKey, secret, p.date, p.region}
	key, cached := v.cache.get(ck)
	if !cached {
		key = deriveKey(secret, p.date, p.region, p.service)
	}
	var given [32]byte
	n, err := hex.Decode(given[:], []byte(p.signature[:min(len(p.signature), 64)]))
	wellFormed := err == nil && n == len(given) && len(p.signature) == 64
	for _, f := range [...]form{encodedForm, rawForm} {
		canonical, ok := p.canonicalRequest(r, f)
		sum := hmacSHA256(key[:], p.stringToSign(canonical))
		if hmac.Equal(sum[:], given[:]) && ok && wellFormed {
			if !cached {
				v.cache.put(ck, key)
			}
			return key, true
		}
	}
	return key, false
}

// unsignedHeaders lists headers that must be signed and are not: host, and every
// x-amz-* header that is present.
func unsignedHeaders(r *Request, signed []string) (missing []string) {
	if !slices.Contains(signed, "host") {
		missing = append(missing, "host")
	}
	for i := range r.Headers {
		name := r.Headers[i].Name
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(signed, name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// doesNotMatch says what we signed, as Amazon does: all of it is the client's own.
func doesNotMatch(r *Request, p *signedParts) error {
	canonical, _ := p.canonicalRequest(r, encodedForm)
	return s3err.New(s3err.SignatureDoesNotMatch).
		With("AWSAccessKeyId", p.accessKey).
		With("StringToSign", p.stringToSign(canonical)).
		With("SignatureProvided", p.signature[:min(len(p.signature), 128)]).
		With("CanonicalRequest", string(canonical))
}

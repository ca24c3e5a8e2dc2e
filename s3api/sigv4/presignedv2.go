package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
)

// This file verifies URLs presigned with Signature Version 2: the query has
// AWSAccessKeyId, Expires and Signature. The document is "Signing and Authenticating
// REST Requests", section "Query string request authentication alternative", in the S3
// user guide. doc.go says why the gateway takes them.

// v2Query is what such a query says about its signature.
type v2Query struct {
	accessKey string
	signature string
	expires   string // as sent, which is what was signed
	// fields are all signed headers, from header lines and from the query: content-md5,
	// content-type, and every x-amz-* there is, so none can be added or taken away.
	fields head.Fields
	// fromQuery are those of fields that came in the query only and count as headers.
	fromQuery head.Fields
}

func hasV2(q route.Query) bool { return q.Has("AWSAccessKeyId") || q.Has("Signature") }

func refusedV2() error {
	return s3err.Newf(s3err.InvalidRequest,
		"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

func severalMechanisms() error {
	return s3err.Newf(s3err.InvalidArgument,
		"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
}

// verifyPresignedV2 takes an unknown key the same way as a known one, as finish does.
func (v *Verifier) verifyPresignedV2(r *Request) (*Result, error) {
	p, err := parseV2(r)
	if err != nil {
		return nil, err
	}
	if err := v.checkV2Expiry(p); err != nil {
		return nil, err
	}
	payload := Payload{Kind: PayloadUnsigned}
	if text, ok := p.fields.Lookup("x-amz-content-sha256"); ok {
		if payload, err = ParsePayload(text); err != nil {
			return nil, err
		}
	}
	if payload.Kind.SignedChunks() {
		return nil, s3err.Newf(s3err.InvalidRequest, "A presigned request cannot have a signed streaming payload.")
	}
	cred, known := v.cfg.Store.Lookup(p.accessKey)
	if !known {
		cred = Credential{SecretKey: "no such access key, but the same work"}
	}
	match := p.match(r, cred.SecretKey)
	switch {
	case !known:
		return nil, s3err.New(s3err.InvalidAccessKeyId).With("AWSAccessKeyId", p.accessKey)
	case p.fields.Has("x-amz-security-token"): // every key of ours is permanent
		return nil, s3err.New(s3err.InvalidToken)
	case !match:
		return nil, s3err.New(s3err.SignatureDoesNotMatch).
			With("AWSAccessKeyId", p.accessKey).
			With("StringToSign", string(p.stringToSign(r, v2Form{}))).
			With("SignatureProvided", p.signature)
	}
	res := &Result{Principal: cred.Principal, Kind: AuthPresignedV2, Payload: payload, FromQuery: p.fromQuery}
	res.Principal.AccessKey, res.Principal.Anonymous = p.accessKey, false
	return res, nil
}

func parseV2(r *Request) (*v2Query, error) {
	q := r.Route.Query
	for _, name := range [...]string{"AWSAccessKeyId", "Signature", "Expires"} {
		switch n := q.Count(name); {
		case n > 1:
			return nil, s3err.Newf(s3err.InvalidArgument, "The parameter "+name+" was given more than once.").With("ArgumentName", name)
		case n == 0 || q.Get(name) == "":
			return nil, s3err.Newf(s3err.AccessDenied, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
		}
	}
	p := &v2Query{accessKey: q.Get("AWSAccessKeyId"), signature: q.Get("Signature"), expires: q.Get("Expires")}
	if len(p.accessKey) > 128 || hasControl(p.accessKey) {
		return nil, s3err.New(s3err.InvalidAccessKeyId)
	}
	p.signature = p.signature[:min(len(p.signature), 128)]
	p.takeHeaders(r.Headers)
	if err := p.takeQuery(q); err != nil {
		return nil, err
	}
	return p, unambiguous(q)
}

// takeHeaders collects the header lines that are signed. Several of one name are one with
// commas between, each without the space around it.
func (p *v2Query) takeHeaders(lines head.Fields) {
	for i := range lines {
		name := lines[i].Name
		if !signedByV2(name) || p.fields.Has(name) {
			continue
		}
		p.fields = append(p.fields, head.Field{Name: name, Value: lines.Joined(name)})
	}
}

func signedByV2(name string) bool {
	return strings.HasPrefix(name, "x-amz-") || name == "content-md5" || name == "content-type"
}

// takeQuery collects the headers that are in the query: there botocore puts all that it signs.
func (p *v2Query) takeQuery(q route.Query) error {
	for i := range q {
		if isV4Parameter(strings.ToLower(q[i].Name)) {
			return severalMechanisms()
		}
	}
	found, err := headersInQuery(q, p.fields, signedByV2)
	if err != nil {
		return err
	}
	p.fields = append(p.fields, found...)
	for _, f := range found {
		if countsAsHeader(f.Name) {
			p.fromQuery = append(p.fromQuery, f)
		}
	}
	return nil
}

func isV4Parameter(lower string) bool {
	switch lower {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-signedheaders", "x-amz-expires":
		return true
	}
	return false
}

// signedParameter says which query parameters are part of the signed resource: those that
// the document and botocore list, and everything else that means something to this gateway
// but the bounds of a listing, which Version 2 never signs.
func signedParameter(name string) bool {
	switch name {
	case "defaultObjectAcl", "storageClass", "select-type": // botocore's, without a meaning here
		return true
	case "prefix", "delimiter", "marker", "max-keys", "encoding-type", "list-type", "start-after",
		"continuation-token", "fetch-owner", "key-marker", "version-id-marker", "upload-id-marker",
		"max-uploads", "max-parts", "part-number-marker", "max-buckets", "bucket-region":
		return false
	}
	return route.Meaningful(name)
}

// unambiguous refuses a query whose signed text could stand for another one. Version 2 signs
// decoded values, so "a&acl" as a value looks like a value "a" and a parameter
// "acl".
func unambiguous(q route.Query) error {
	for i := range q {
		if !signedParameter(q[i].Name) {
			continue
		}
		if q.Count(q[i].Name) > 1 {
			return s3err.Newf(s3err.InvalidArgument, "The parameter "+q[i].Name+" was given more than once.").With("ArgumentName", q[i].Name)
		}
		_, rest, _ := strings.Cut(q[i].Value, "&")
		for piece := range strings.SplitSeq(rest, "&") {
			if name, _, _ := strings.Cut(piece, "="); signedParameter(name) {
				return s3err.Newf(s3err.InvalidArgument, "The value of "+q[i].Name+" cannot be signed unambiguously.").With("ArgumentName", q[i].Name)
			}
		}
	}
	return nil
}

func (v *Verifier) checkV2Expiry(p *v2Query) error {
	secs, err := strconv.ParseInt(p.expires, 10, 64)
	if err != nil || strings.Trim(p.expires, "0123456789") != "" {
		return s3err.Newf(s3err.AccessDenied, "Invalid date (should be seconds since epoch)")
	}
	if now := v.cfg.Now(); now.Unix() > secs {
		return s3err.Newf(s3err.AccessDenied, "Request has expired").
			With("Expires", time.Unix(secs, 0).UTC().Format(time.RFC3339)).
			With("ServerTime", now.UTC().Format(time.RFC3339))
	}
	return nil
}

// v2Form is how clients differ in what they sign for one and the same resource.
type v2Form struct {
	slash    bool // "/bucket" is signed as "/bucket/" (botocore)
	bareName bool // "acl=" is signed as "acl" (minio-go)
}

// match compares with every form, in a time that depends on nothing secret.
func (p *v2Query) match(r *Request, secret string) bool {
	given, err := base64.StdEncoding.DecodeString(p.signature)
	found := false
	for _, f := range [...]v2Form{{}, {slash: true}, {bareName: true}, {slash: true, bareName: true}} {
		m := hmac.New(sha1.New, []byte(secret))
		m.Write(p.stringToSign(r, f))
		if hmac.Equal(m.Sum(nil), given) {
			found = true
		}
	}
	return found && err == nil
}

// stringToSign is method, Content-MD5, Content-Type, Expires, the x-amz-* headers and the
// resource, a line each.
func (p *v2Query) stringToSign(r *Request, f v2Form) []byte {
	dst := make([]byte, 0, 512)
	for _, line := range [...]string{r.Route.Method, p.fields.Get("content-md5"), p.fields.Get("content-type"), p.expires} {
		dst = append(append(dst, line...), '\n')
	}
	amz := slices.Clone(p.fields)
	slices.SortFunc(amz, func(a, b head.Field) int { return strings.Compare(a.Name, b.Name) })
	for _, h := range amz {
		if strings.HasPrefix(h.Name, "x-amz-") {
			dst = append(append(append(append(dst, h.Name...), ':'), h.Value...), '\n')
		}
	}
	return appendV2Resource(dst, r.Route, f)
}

// appendV2Resource appends "/bucket" of virtual-host style, the path as sent, and the signed
// parameters, sorted, their values decoded.
func appendV2Resource(dst []byte, r *route.Request, f v2Form) []byte {
	if r.Style == route.VirtualHostStyle {
		dst = append(append(dst, '/'), r.Bucket...)
	}
	dst = append(dst, r.RawPath...)
	if f.slash && r.Bucket != "" && r.Key == "" && !strings.HasSuffix(r.RawPath, "/") {
		dst = append(dst, '/')
	}
	var signed route.Query
	for _, q := range r.Query {
		if signedParameter(q.Name) {
			signed = append(signed, q)
		}
	}
	slices.SortStableFunc(signed, func(a, b route.Param) int { return strings.Compare(a.Name, b.Name) })
	for i, q := range signed {
		sep := byte('&')
		if i == 0 {
			sep = '?'
		}
		dst = append(append(dst, sep), q.Name...)
		if q.HasValue && (q.Value != "" || !f.bareName) {
			dst = append(append(dst, '='), q.Value...)
		}
	}
	return dst
}

package sigv4

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"catena/s3api/s3err"
)

// malformed makes the error for a bad part of one of the two ways to sign.
func malformed(presigned bool, message string) *s3err.Error {
	if presigned {
		return s3err.Newf(s3err.AuthorizationQueryParametersError, message)
	}
	return s3err.Newf(s3err.AuthorizationHeaderMalformed, "The authorization header is malformed; "+message)
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
func parseAuthorization(value string) (*signedParts, error) {
	scheme, rest, _ := strings.Cut(value, " ")
	switch scheme {
	case algorithm:
	case "AWS":
		return nil, refusedV2()
	default:
		// The value is not repeated: it may be a secret of another system.
		return nil, s3err.Newf(s3err.InvalidArgument, "Unsupported Authorization Type").With("ArgumentName", "Authorization")
	}
	var credential, signed, signature string
	seen := 0
	for part := range strings.SplitSeq(rest, ",") {
		name, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
		if !ok {
			return nil, malformed(false, "a component has no value.")
		}
		var bit int
		switch name {
		case "Credential":
			credential, bit = v, 1
		case "SignedHeaders":
			signed, bit = v, 2
		case "Signature":
			signature, bit = v, 4
		default:
			return nil, malformed(false, "it has an unknown component.")
		}
		if seen&bit != 0 {
			return nil, malformed(false, "a component is repeated.")
		}
		seen |= bit
	}
	for i, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if seen&(1<<i) == 0 {
			return nil, malformed(false, "it is missing "+name+".")
		}
	}
	p := &signedParts{signature: signature}
	if err := p.parseCredential(credential); err != nil {
		return nil, err
	}
	return p, p.parseSignedHeaders(signed)
}

// parseCredential reads ACCESSKEY/DATE/REGION/SERVICE/aws4_request. An access key may have
// slashes in it, so the scope is taken from the right.
func (p *signedParts) parseCredential(s string) error {
	parts := strings.Split(s, "/")
	n := len(parts)
	if n < 5 {
		return malformed(p.presigned, "the Credential is malformed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	p.accessKey = strings.Join(parts[:n-4], "/")
	p.date, p.region, p.service = parts[n-4], parts[n-3], parts[n-2]
	switch {
	case p.accessKey == "" || len(p.accessKey) > 128:
		return malformed(p.presigned, "the access key is malformed.")
	case !validDate(p.date):
		return malformed(p.presigned, "incorrect date format. This date in the credential must be in the format \"yyyyMMdd\".")
	case p.region == "" || len(p.region) > 64:
		return malformed(p.presigned, "the region is missing or too long.").With("Region", "us-east-1")
	case parts[n-1] != terminal:
		return malformed(p.presigned, "incorrect terminal. This endpoint uses \"aws4_request\".")
	}
	return nil
}

func validDate(s string) bool {
	_, err := time.Parse("20060102", s)
	return err == nil && len(s) == 8
}

// parseSignedHeaders wants lower-case names, sorted, each once, as every signer makes
// them; anything else could not match.
func (p *signedParts) parseSignedHeaders(s string) error {
	if s == "" {
		return malformed(p.presigned, "SignedHeaders is empty.")
	}
	p.headers = strings.Split(s, ";")
	for i, name := range p.headers {
		if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, " \t\r\n:") ||
			(i > 0 && p.headers[i-1] >= name) {
			return s3err.Newf(s3err.SignatureDoesNotMatch,
				"SignedHeaders must be lower-case names, sorted, each once.")
		}
	}
	return nil
}

// presignParameters are all required, each exactly once.
func presignParameters() []string {
	return []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"}
}

// parsePresigned reads the query of a presigned request.
func parsePresigned(r *Request) (p *signedParts, expires time.Duration, err error) {
	q := r.Route.Query
	for _, name := range presignParameters() {
		switch n := q.Count(name); {
		case n > 1:
			return nil, 0, malformed(true, name+" was given more than once.")
		case n == 0 || (q.Get(name) == "" && name != "X-Amz-Signature"):
			return nil, 0, malformed(true, "Query-string authentication version 4 requires the X-Amz-Algorithm, "+
				"X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	if q.Count("X-Amz-Security-Token") > 1 || q.Count("X-Amz-Content-Sha256") > 1 {
		return nil, 0, malformed(true, "A parameter was given more than once.")
	}
	if q.Get("X-Amz-Algorithm") != algorithm {
		return nil, 0, malformed(true, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
	}
	p = &signedParts{presigned: true, signature: q.Get("X-Amz-Signature")}
	if err := p.parseCredential(q.Get("X-Amz-Credential")); err != nil {
		return nil, 0, err
	}
	secs, convErr := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 64)
	switch {
	case convErr != nil:
		return nil, 0, malformed(true, "X-Amz-Expires should be a number")
	case secs < 0:
		return nil, 0, malformed(true, "X-Amz-Expires must be non-negative")
	case secs > 604800:
		return nil, 0, malformed(true, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	return p, time.Duration(secs) * time.Second, p.parseSignedHeaders(q.Get("X-Amz-SignedHeaders"))
}

// ParsePayload reads the value of x-amz-content-sha256.
func ParsePayload(value string) (Payload, error) {
	switch value {
	case "UNSIGNED-PAYLOAD":
		return Payload{Kind: PayloadUnsigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return Payload{Kind: PayloadStreaming}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return Payload{Kind: PayloadStreamingTrailer}, nil
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return Payload{Kind: PayloadUnsignedTrailer}, nil
	}
	p := Payload{Kind: PayloadHash}
	if len(value) != 64 {
		return Payload{}, badPayload()
	}
	if _, err := hex.Decode(p.SHA256[:], []byte(value)); err != nil {
		return Payload{}, badPayload()
	}
	return p, nil
}

func badPayload() error {
	return s3err.Newf(s3err.InvalidArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.").With("ArgumentName", "x-amz-content-sha256")
}

// requestTime finds x-amz-date, else Date.
func requestTime(r *Request) (time.Time, bool) {
	if v, ok := r.Headers.Lookup("x-amz-date"); ok {
		t, err := time.Parse(dateLayout, v)
		return t, err == nil
	}
	v, ok := r.Headers.Lookup("date")
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC1123, dateLayout, time.RFC1123Z, time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

package badinput

import (
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
)

// signatures is rows 51 to 71.
func (s *suite) signatures(t *testing.T) {
	s.authorizationHeader(t)
	s.datesAndKeys(t)
	s.signedHeaders(t)
	s.payloadHash(t)
	s.replays(t)
}

// get is a good GET of the probe, spoilt after or before signing.
func (s *suite) get(spoil func(*req)) []byte {
	return s.request("GET", s.path("probe"), nil).but(spoil).bytes()
}

func tampered(f func(head.Fields) head.Fields) func(*req) {
	return func(r *req) { r.tamper = f }
}

func (s *suite) authorizationHeader(t *testing.T) {
	auth := func(old, with string) []byte { return s.get(tampered(change("authorization", old, with))) }
	set := func(value string) []byte {
		return s.get(tampered(func(f head.Fields) head.Fields { return add("authorization", value)(drop("authorization")(f)) }))
	}
	malformed := is(400, "AuthorizationHeaderMalformed")
	s.row(t, 51, "invalid_header", set("invalid_header"), is(400, "InvalidArgument"))
	s.row(t, 51, "empty", set(""), is(400, "InvalidArgument"))
	s.row(t, 51, "bearer", set("Bearer abc"), is(400, "InvalidArgument"))
	s.row(t, 52, "AWS2-HMAC-SHA1", auth("AWS4-HMAC-SHA256", "AWS2-HMAC-SHA1"), is(400, "InvalidArgument"))
	s.row(t, 52, "signature of version 2", set("AWS ak:sig"), is(400, "InvalidRequest"))
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		s.row(t, 53, "no "+name, auth(name+"=", "Other="), malformed)
	}
	s.row(t, 53, "no components", set("AWS4-HMAC-SHA256"), malformed)
	s.row(t, 53, "component without value", auth(", Signature=", ", Signature, X="), malformed)
	s.row(t, 53, "two credentials", auth("SignedHeaders=", "Credential="), malformed)
	s.row(t, 53, "short credential", auth("/aws4_request", ""), malformed)
	s.row(t, 54, "any region", s.get(func(r *req) { r.signer.Region = "mars-north-1" }), is(200))
	s.row(t, 54, "service", s.get(func(r *req) { r.signer.Service = "ec2" }), malformed)
	s.row(t, 54, "terminal", s.get(func(r *req) { r.signer.Terminal = "aws5" }), malformed)
	s.row(t, 54, "date", s.get(func(r *req) { r.signer.ScopeDate = "3223423234" }), malformed)
	s.row(t, 55, "another date", s.get(func(r *req) { r.signer.ScopeDate = "20200101" }), malformed)
	for name, sig := range map[string]func(string) string{
		"63 digits": func(a string) string { return a[:len(a)-1] },
		"65 digits": func(a string) string { return a + "0" },
		"no hex":    func(a string) string { return a[:len(a)-1] + "g" },
		"empty":     func(a string) string { return a[:len(a)-64] },
		"zeros":     func(a string) string { return a[:len(a)-64] + strings.Repeat("0", 64) },
	} {
		s.row(t, 60, "signature of "+name, s.get(tampered(func(f head.Fields) head.Fields {
			return add("authorization", sig(f.Get("authorization")))(drop("authorization")(f))
		})), is(403, "SignatureDoesNotMatch"))
	}
}

func (s *suite) datesAndKeys(t *testing.T) {
	s.row(t, 56, "no date", s.get(tampered(drop("x-amz-date"))), is(403, "AccessDenied"))
	s.row(t, 56, "bad date", s.get(func(r *req) { r.with("x-amz-date", "yesterday") }), is(403, "AccessDenied"))
	for name, d := range map[string]time.Duration{"behind": -15*time.Minute - 2*time.Second, "ahead": 15*time.Minute + 30*time.Second} {
		s.row(t, 57, "clock "+name, s.get(func(r *req) { r.signer.Time = s.Now().Add(d) }), is(403, "RequestTimeTooSkewed"))
	}
	s.row(t, 57, "clock 14 minutes off", s.get(func(r *req) { r.signer.Time = s.Now().Add(-14 * time.Minute) }), is(200))
	s.row(t, 58, "unknown key", s.get(func(r *req) { r.signer.AccessKey = "AKIANOSUCHKEY" }), is(403, "InvalidAccessKeyId"))
	s.row(t, 59, "wrong secret", s.get(func(r *req) { r.signer.SecretKey = "wrong" }), is(403, "SignatureDoesNotMatch"))
	s.row(t, 63, "two authorizations", s.get(tampered(add("authorization", "AWS4-HMAC-SHA256 x"))), is(400, "InvalidArgument"))
	s.row(t, 63, "header and query", s.get(func(r *req) { r.target += "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=a" }), is(400, "InvalidArgument"))
	s.row(t, 64, "two dates", s.get(tampered(add("x-amz-date", s.Now().UTC().Format("20060102T150405Z")))), is(400, "InvalidArgument"))
	s.row(t, 64, "two hashes", s.get(tampered(add("x-amz-content-sha256", unsigned))), is(400, "InvalidArgument"))
	s.row(t, 69, "token of a permanent key", s.get(func(r *req) { r.with("x-amz-security-token", "token") }), is(400, "InvalidToken"))
}

func (s *suite) signedHeaders(t *testing.T) {
	s.row(t, 61, "x-amz-acl not signed", s.get(tampered(add("x-amz-acl", "private"))), is(403, "AccessDenied"))
	s.row(t, 61, "x-amz-meta not signed", s.get(tampered(add("x-amz-meta-a", "b"))), is(403, "AccessDenied"))
	refused := want{status: []int{403}, code: []string{"AccessDenied", "SignatureDoesNotMatch"}}
	for name, signed := range map[string][]string{
		"no host":       {"x-amz-content-sha256", "x-amz-date"},
		"absent header": {"host", "x-absent", "x-amz-content-sha256", "x-amz-date"},
		"unsorted":      {"x-amz-date", "x-amz-content-sha256", "host"},
	} {
		s.row(t, 62, name, s.get(func(r *req) { r.signer.SignedHeaders = signed }), refused)
	}
	s.row(t, 68, "tabs and spaces", s.put("spaces", "x").with("x-amz-meta-a", "\t a \t b   c ").bytes(), is(200))
}

func (s *suite) payloadHash(t *testing.T) {
	s.row(t, 65, "no hash", s.get(tampered(drop("x-amz-content-sha256"))), is(400, "InvalidRequest"))
	s.row(t, 66, "hash garbage", s.get(func(r *req) { r.payload = "garbage" }), is(400, "InvalidArgument"))
	raw := s.put("never", "abc").bytes()
	copy(raw[len(raw)-3:], "abd")
	s.row(t, 67, "other body", raw, is(400, "XAmzContentSHA256Mismatch"))
	s.invisible(t, 67, "never")
}

// invisible checks that a refused PUT left nothing.
func (s *suite) invisible(t *testing.T, row int, key string) {
	t.Helper()
	s.row(t, row, key+" is not visible", s.request("GET", s.path(key), nil).bytes(), is(404, "NoSuchKey"))
}

func (s *suite) replays(t *testing.T) {
	good := s.request("PUT", s.path("replay"), []byte("x")).bytes()
	for name, raw := range map[string][]byte{
		"path":   replace(good, "/replay ", "/replay2 "),
		"method": replace(good, "PUT ", "DELETE "),
		"query":  replace(good, "/replay ", "/replay?tagging "),
		"host":   replace(good, "Host: "+s.Addr, "Host: other.example"),
	} {
		s.row(t, 71, "another "+name, raw, is(403, "SignatureDoesNotMatch"))
	}
	s.row(t, 71, "itself", good, is(200))
}

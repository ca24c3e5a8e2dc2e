package badinput

import (
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

// presign makes a presigned target.
func (s *suite) presign(method, target string, expires time.Duration, fields ...head.Field) string {
	return s.signer().Presign(sigv4.Unsigned{Method: method, Target: target, Host: s.Addr, Fields: fields}, expires)
}

// bare is a request without a header of a signature.
func (s *suite) bare(method, target string, body []byte, fields ...head.Field) *req {
	r := s.request(method, target, body)
	r.anonymous, r.fields = true, fields
	return r
}

// presigned is rows 72 to 84.
func (s *suite) presigned(t *testing.T) {
	s.badPresigned(t)
	s.spoiltPresigned(t)
	s.anonymous(t)
}

func (s *suite) badPresigned(t *testing.T) {
	target := s.presign("GET", s.path("probe"), time.Hour)
	get := func(target string) []byte { return s.bare("GET", target, nil).bytes() }
	repl := func(old, with string) []byte {
		if !strings.Contains(target, old) {
			t.Fatalf("%q is not in the presigned query", old)
		}
		return get(strings.Replace(target, old, with, 1))
	}
	bad := is(400, "AuthorizationQueryParametersError")
	s.row(t, 72, "good", get(target), is(200))
	for _, v := range []string{"604801", "-1", "abc", ""} {
		s.row(t, 72, "expires "+v, repl("X-Amz-Expires=3600", "X-Amz-Expires="+v), bad)
	}
	for _, name := range []string{"Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"} {
		s.row(t, 73, "no "+name, repl("X-Amz-"+name+"=", "X-Other="), bad)
	}
	s.row(t, 73, "ECDSA", repl("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), bad)
	s.row(t, 73, "date garbage", repl("X-Amz-Date=2", "X-Amz-Date=x"), bad)
	s.row(t, 76, "two signatures", get(target+"&X-Amz-Signature=a"), bad)
	s.row(t, 76, "two credentials", get(target+"&X-Amz-Credential=a"), bad)

	at := func(d time.Duration) []byte {
		signer := s.signer()
		signer.Time = s.Now().Add(d)
		return get(signer.Presign(sigv4.Unsigned{Method: "GET", Target: s.path("probe"), Host: s.Addr}, time.Minute))
	}
	s.row(t, 74, "expired", at(-2*time.Minute), is(403, "AccessDenied"))
	s.row(t, 75, "not yet valid", at(16*time.Minute), is(403, "AccessDenied"))
}

func (s *suite) spoiltPresigned(t *testing.T) {
	target := s.presign("GET", s.path("probe"), time.Hour)
	mismatch := is(403, "SignatureDoesNotMatch")
	s.row(t, 77, "used for PUT", s.bare("PUT", target, []byte("x")).bytes(), mismatch)
	s.row(t, 77, "used for DELETE", s.bare("DELETE", target, nil).bytes(), mismatch)
	for _, more := range []string{"response-content-disposition=x", "versionId=null", "acl"} {
		s.row(t, 78, "and "+more, s.bare("GET", target+"&"+more, nil).bytes(), mismatch)
	}
	put := s.presign("PUT", s.path("presigned"), time.Hour)
	s.row(t, 79, "good PUT", s.bare("PUT", put, []byte("x")).bytes(), is(200))
	for _, name := range []string{"x-amz-acl", "x-amz-tagging", "x-amz-meta-a", "x-amz-storage-class"} {
		s.row(t, 79, "unsigned "+name, s.bare("PUT", put, []byte("x"), head.Field{Name: name, Value: "a"}).bytes(), is(403, "AccessDenied"))
	}
	split := s.presign("GET", s.path("probe")+"?response-content-disposition=a%0D%0ASet-Cookie%3Ax", time.Hour)
	s.row(t, 80, "header injection", s.bare("GET", split, nil).bytes(), is(400, "InvalidArgument"))
	t.Run("80 no injected header", func(t *testing.T) {
		if a := s.must(t, s.bare("GET", split, nil), 400); a.header.Get("Set-Cookie") != "" || strings.Contains(a.body, "\r\nSet-Cookie") {
			t.Fatalf("%v %q", a.header, a.body)
		}
	})
}

func (s *suite) anonymous(t *testing.T) {
	s.row(t, 81, "anonymous override", s.bare("GET", s.path("probe")+"?response-content-type=a", nil).bytes(), is(400, "InvalidRequest"))
	t.Run("82 anonymous sees nothing", func(t *testing.T) {
		var first string
		for _, f := range []head.Fields{nil, {{Name: "if-modified-since", Value: "Thu, 01 Jan 2099 00:00:00 GMT"}},
			{{Name: "if-none-match", Value: "*"}}, {{Name: "if-match", Value: `"x"`}}, {{Name: "range", Value: "bytes=99999-"}}} {
			for _, key := range []string{"probe", "nokey"} { // of one length
				a := s.must(t, s.bare("GET", s.path(key), nil, f...), 403)
				if a.code != "AccessDenied" {
					t.Fatal(a.body)
				}
				id := a.header.Get("x-amz-request-id")
				a.header.Del("Date")
				a.header.Del("x-amz-request-id")
				a.header.Del("x-amz-id-2")
				whole := strings.NewReplacer(id, "ID", s.path(key), "PATH").Replace(a.body) + headerText(a)
				if first == "" {
					first = whole
				}
				if whole != first {
					t.Fatalf("the answers differ:\n%s\n%s", first, whole)
				}
			}
		}
	})
	for _, m := range []string{"PUT", "DELETE", "HEAD"} {
		s.row(t, 82, "anonymous "+m, s.bare(m, s.path("probe"), nil).bytes(), is(403))
	}
	streaming := head.Field{Name: "x-amz-content-sha256", Value: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
	s.row(t, 83, "anonymous streaming", s.bare("PUT", s.path("never"), []byte("0\r\n\r\n"), streaming, head.Field{Name: "x-amz-decoded-content-length", Value: "0"}).bytes(), is(400, "InvalidRequest"))
	credential := "?X-Amz-Credential=" + encodeQuery(s.AccessKey+"/"+s.Now().UTC().Format("20060102")+"/us-east-1/s3/aws4_request")
	trailer := head.Field{Name: "x-amz-content-sha256", Value: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
	s.row(t, 84, "credential in the query", s.bare("PUT", s.path("never")+credential, []byte("1\r\na\r\n0\r\n\r\n"), trailer,
		head.Field{Name: "x-amz-decoded-content-length", Value: "1"}).bytes(), is(403))
	s.invisible(t, 84, "never")
}

func headerText(a answer) string {
	var b strings.Builder
	a.header.Write(&b)
	return b.String()
}

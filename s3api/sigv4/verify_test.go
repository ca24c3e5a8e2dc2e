package sigv4

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"
)

var good = Signer{AccessKey: exampleKey, SecretKey: exampleSecret, Time: exampleTime}

func code(err error) string {
	var e *s3err.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	if err != nil {
		return "?" + err.Error()
	}
	return ""
}

// signed makes a signed GET /bkt/k and lets change its fields before it is verified.
func verifyChanged(t *testing.T, s Signer, now time.Time, change func(f head.Fields) head.Fields) error {
	t.Helper()
	f, _ := s.Header(Unsigned{Method: "GET", Target: "/bkt/k", Host: "h"}, emptySHA256)
	if change != nil {
		f = change(f)
	}
	_, err := verifierAt(t, now).Verify(request(t, "GET", "h", "/bkt/k", f))
	return err
}

func set(name, value string) func(head.Fields) head.Fields {
	return func(f head.Fields) head.Fields {
		for i := range f {
			if f[i].Name == name {
				f[i].Value = value
			}
		}
		return f
	}
}

func replaceAuth(old, with string) func(head.Fields) head.Fields {
	return func(f head.Fields) head.Fields {
		return set("authorization", strings.Replace(f.Get("authorization"), old, with, 1))(f)
	}
}

func drop(name string) func(head.Fields) head.Fields {
	return func(f head.Fields) (out head.Fields) {
		for i := range f {
			if f[i].Name != name {
				out = append(out, f[i])
			}
		}
		return out
	}
}

func add(name, value string) func(head.Fields) head.Fields {
	return func(f head.Fields) head.Fields { return append(f, head.Field{Name: name, Value: value}) }
}

func TestHeaderAuth(t *testing.T) {
	now := exampleTime
	with := func(fn func(*Signer)) Signer { s := good; fn(&s); return s }
	for _, c := range []struct {
		name   string
		signer Signer
		now    time.Time
		change func(head.Fields) head.Fields
		want   string
	}{
		{"good", good, now, nil, ""},
		{"any region", with(func(s *Signer) { s.Region = "mars-north-7" }), now, nil, ""},
		{"skew at the bound", good, now.Add(15 * time.Minute), nil, ""},
		{"skew", good, now.Add(15*time.Minute + time.Second), nil, "RequestTimeTooSkewed"},
		{"skew ahead", good, now.Add(-15*time.Minute - time.Second), nil, "RequestTimeTooSkewed"},
		{"scheme", good, now, set("authorization", "invalid_header"), "InvalidArgument"},
		{"empty", good, now, set("authorization", ""), "InvalidArgument"},
		{"v2", good, now, set("authorization", "AWS ak:sig"), "InvalidRequest"},
		{"AWS2", good, now, replaceAuth("AWS4-HMAC-SHA256", "AWS2-HMAC-SHA1"), "InvalidArgument"},
		{"no credential", good, now, replaceAuth("Credential=", "Cred="), "AuthorizationHeaderMalformed"},
		{"no signature", good, now, replaceAuth(", Signature=", ", SignedHeaders="), "AuthorizationHeaderMalformed"},
		{"nothing", good, now, set("authorization", "AWS4-HMAC-SHA256"), "AuthorizationHeaderMalformed"},
		{"short credential", good, now, replaceAuth("/s3/", "/"), "AuthorizationHeaderMalformed"},
		{"service", with(func(s *Signer) { s.Service = "ec2" }), now, nil, "AuthorizationHeaderMalformed"},
		{"terminal", with(func(s *Signer) { s.Terminal = "aws5" }), now, nil, "AuthorizationHeaderMalformed"},
		{"date form", with(func(s *Signer) { s.ScopeDate = "3223423234" }), now, nil, "AuthorizationHeaderMalformed"},
		{"other date", with(func(s *Signer) { s.ScopeDate = "20130523" }), now, nil, "AuthorizationHeaderMalformed"},
		{"no date", good, now, drop("x-amz-date"), "AccessDenied"},
		{"bad date", good, now, set("x-amz-date", "yesterday"), "AccessDenied"},
		{"unknown key", with(func(s *Signer) { s.AccessKey = "nobody" }), now, nil, "InvalidAccessKeyId"},
		{"wrong secret", with(func(s *Signer) { s.SecretKey = "x" }), now, nil, "SignatureDoesNotMatch"},
		{"signature too long", good, now, replaceAuth("Signature=", "Signature=0"), "SignatureDoesNotMatch"},
		{"signature empty", good, now, func(f head.Fields) head.Fields {
			a := f.Get("authorization")
			return set("authorization", a[:len(a)-64])(f)
		}, "SignatureDoesNotMatch"},
		{"signature short", good, now, func(f head.Fields) head.Fields {
			a := f.Get("authorization")
			return set("authorization", a[:len(a)-1])(f)
		}, "SignatureDoesNotMatch"},
		{"signature not hex", good, now, replaceAuth("Signature=", "Signature=zz"), "SignatureDoesNotMatch"},
		{"unsigned x-amz", good, now, add("x-amz-acl", "private"), "AccessDenied"},
		{"unsigned other header", good, now, add("user-agent", "x"), ""},
		{"host not signed", with(func(s *Signer) { s.SignedHeaders = []string{"x-amz-content-sha256", "x-amz-date"} }), now, nil, "AccessDenied"},
		{"absent header", with(func(s *Signer) {
			s.SignedHeaders = []string{"host", "x-absent", "x-amz-content-sha256", "x-amz-date"}
		}), now, nil, "SignatureDoesNotMatch"},
		{"unsorted", with(func(s *Signer) { s.SignedHeaders = []string{"x-amz-date", "host", "x-amz-content-sha256"} }), now, nil, "SignatureDoesNotMatch"},
		{"two authorizations", good, now, add("authorization", "x"), "InvalidArgument"},
		{"two dates", good, now, add("x-amz-date", "20130524T000000Z"), "InvalidArgument"},
		{"two hashes", good, now, add("x-amz-content-sha256", emptySHA256), "InvalidArgument"},
		{"no hash", good, now, drop("x-amz-content-sha256"), "InvalidRequest"},
		{"hash garbage", good, now, set("x-amz-content-sha256", "garbage"), "InvalidArgument"},
		{"token", good, now, add("x-amz-security-token", "t"), "InvalidToken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, code(verifyChanged(t, c.signer, c.now, c.change)))
		})
	}
}

func TestErrorsHaveNoSecret(t *testing.T) {
	s := good
	s.SecretKey = "wrong"
	err := verifyChanged(t, s, exampleTime, nil)
	e := s3err.From(err)
	right, _ := good.Header(Unsigned{Method: "GET", Target: "/bkt/k", Host: "h"}, emptySHA256)
	signature := right.Get("authorization")[len(right.Get("authorization"))-64:]
	for _, f := range e.Extra {
		require.NotContains(t, f.Value, exampleSecret)
		require.NotContains(t, f.Value, signature)
	}
	require.NotEmpty(t, e.Extra)
}

func TestReplayElsewhere(t *testing.T) {
	f, _ := good.Header(Unsigned{Method: "PUT", Target: "/bkt/k?x=1", Host: "h"}, emptySHA256)
	v := verifierAt(t, exampleTime)
	_, err := v.Verify(request(t, "PUT", "h", "/bkt/k?x=1", f))
	require.NoError(t, err)
	for _, c := range [][3]string{{"PUT", "h", "/bkt/k2?x=1"}, {"DELETE", "h", "/bkt/k?x=1"}, {"PUT", "h2", "/bkt/k?x=1"},
		{"PUT", "h", "/bkt/k?x=2"}, {"PUT", "h", "/bkt/k"}, {"PUT", "h", "/bkt/k?x=1&y"}, {"PUT", "h", "/bkt/k?x=1&x=1"}, {"PUT", "h", "/bkt//k?x=1"}} {
		_, err := v.Verify(request(t, c[0], c[1], c[2], f))
		require.Equal(t, "SignatureDoesNotMatch", code(err), "%v", c)
	}
}

func TestPresigned(t *testing.T) {
	v := verifierAt(t, exampleTime)
	target := good.Presign(Unsigned{Method: "GET", Target: "/bkt/k?response-content-type=a%2Fb", Host: "h"}, time.Hour)
	res, err := v.Verify(request(t, "GET", "h", target, nil))
	require.NoError(t, err)
	require.Equal(t, AuthPresigned, res.Kind)
	require.Equal(t, PayloadUnsigned, res.Payload.Kind)
	repl := func(old, with string) string { return strings.Replace(target, old, with, 1) }
	for _, c := range []struct {
		name, method, target string
		now                  time.Duration
		fields               head.Fields
		want                 string
	}{
		{"expired", "GET", target, time.Hour + time.Second, nil, "AccessDenied"},
		{"just not expired", "GET", target, time.Hour, nil, ""},
		{"not yet", "GET", target, -16 * time.Minute, nil, "AccessDenied"},
		{"expires 604801", "GET", repl("Expires=3600", "Expires=604801"), 0, nil, "AuthorizationQueryParametersError"},
		{"expires -1", "GET", repl("Expires=3600", "Expires=-1"), 0, nil, "AuthorizationQueryParametersError"},
		{"expires abc", "GET", repl("Expires=3600", "Expires=abc"), 0, nil, "AuthorizationQueryParametersError"},
		{"no algorithm", "GET", repl("X-Amz-Algorithm=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"no credential", "GET", repl("X-Amz-Credential=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"no date", "GET", repl("X-Amz-Date=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"no expires", "GET", repl("X-Amz-Expires=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"no signed headers", "GET", repl("X-Amz-SignedHeaders=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"no signature", "GET", repl("X-Amz-Signature=", "Y="), 0, nil, "AuthorizationQueryParametersError"},
		{"ecdsa", "GET", repl("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), 0, nil, "AuthorizationQueryParametersError"},
		{"service", "GET", repl("%2Fs3%2F", "%2Fec2%2F"), 0, nil, "AuthorizationQueryParametersError"},
		{"two signatures", "GET", target + "&X-Amz-Signature=a", 0, nil, "AuthorizationQueryParametersError"},
		{"two credentials", "GET", target + "&X-Amz-Credential=a", 0, nil, "AuthorizationQueryParametersError"},
		{"other method", "PUT", target, 0, nil, "SignatureDoesNotMatch"},
		{"appended override", "GET", target + "&response-content-disposition=x", 0, nil, "SignatureDoesNotMatch"},
		{"appended version", "GET", target + "&versionId=null", 0, nil, "SignatureDoesNotMatch"},
		{"unsigned x-amz", "GET", target, 0, head.Fields{{Name: "x-amz-acl", Value: "public-read"}}, "AccessDenied"},
		{"both", "GET", target, 0, head.Fields{{Name: "authorization", Value: "AWS4-HMAC-SHA256 x"}}, "InvalidArgument"},
		{"token", "GET", target + "&X-Amz-Security-Token=t", 0, nil, "InvalidToken"},
		{"signature short", "GET", target[:len(target)-1], 0, nil, "SignatureDoesNotMatch"},
		{"signature empty", "GET", target[:len(target)-64], 0, nil, "SignatureDoesNotMatch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verifierAt(t, exampleTime.Add(c.now)).Verify(request(t, c.method, "h", c.target, c.fields))
			require.Equal(t, c.want, code(err))
		})
	}
}

func TestAnonymous(t *testing.T) {
	v := verifierAt(t, exampleTime)
	res, err := v.Verify(request(t, "GET", "h", "/bkt/k", nil))
	require.NoError(t, err)
	require.Equal(t, Principal{Anonymous: true}, res.Principal)
	for _, c := range []struct {
		target string
		fields head.Fields
		want   string
	}{
		{"/bkt/k?response-content-type=x", nil, "InvalidRequest"},
		{"/bkt/k?X-Amz-Credential=" + exampleKey + "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request", head.Fields{{Name: "x-amz-content-sha256", Value: "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}}, "AccessDenied"},
		{"/bkt/k", head.Fields{{Name: "x-amz-content-sha256", Value: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}}, "InvalidRequest"},
		{"/bkt/k", head.Fields{{Name: "x-amz-content-sha256", Value: "zz"}}, "InvalidArgument"},
		{"/bkt/k", head.Fields{{Name: "x-amz-security-token", Value: "zz"}}, "AccessDenied"},
		{"/bkt/k?AWSAccessKeyId=a", nil, "AccessDenied"},
		{"/bkt/k?Signature=b&Expires=1", nil, "AccessDenied"},
	} {
		_, err := v.Verify(request(t, "GET", "h", c.target, c.fields))
		require.Equal(t, c.want, code(err), c.target)
	}
}

func TestKeyCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c := newKeyCache(8)
	hot := cacheKey{accessKey: "hot"}
	c.put(hot, signingKey{1})
	for i := range 1000 {
		c.put(cacheKey{accessKey: "k", date: time.Unix(int64(i), 0).String()}, signingKey{})
		_, ok := c.get(hot)
		require.True(t, ok)
		require.LessOrEqual(t, len(c.young)+len(c.old), 8)
	}
	_, ok := c.get(cacheKey{accessKey: "hot", secret: "other"})
	require.False(t, ok)
}

func TestFailuresAreNotCached(t *testing.T) {
	v := verifierAt(t, exampleTime)
	s := good
	s.SecretKey = "wrong"
	f, _ := s.Header(Unsigned{Method: "GET", Target: "/bkt/k", Host: "h"}, emptySHA256)
	_, err := v.Verify(request(t, "GET", "h", "/bkt/k", f))
	require.Error(t, err)
	require.Empty(t, v.cache.young)
}

// fromHTTP makes what the edge would make of a request that a client library signed.
func fromHTTP(t *testing.T, r *http.Request) *Request {
	t.Helper()
	var f head.Fields
	for name, vals := range r.Header {
		for _, v := range vals {
			f = append(f, head.Field{Name: strings.ToLower(name), Value: strings.TrimSpace(v)})
		}
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	return request(t, r.Method, host, r.URL.RequestURI(), f)
}

// TestMinioSigner takes requests that minio-go signs, with keys and queries that are hard
// to encode.
func TestMinioSigner(t *testing.T) {
	now := time.Now()
	v := verifierAt(t, now)
	for _, key := range []string{"plain", "a b+c", "ä/ö%20", "(x)!*'~", "a//b/./c", "q?x&y=z#f", "\x01\t", "日本語"} {
		u := &url.URL{Scheme: "http", Host: "localhost:9000", Path: "/bkt/" + key,
			RawPath: "/bkt/" + string(appendEncoded(nil, key, true)), RawQuery: "prefix=a%20b%2B&x=&versionId=null&x-id=1"}
		r := &http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{
			"X-Amz-Content-Sha256": {emptySHA256}, "X-Amz-Meta-A": {"  two   spaces\there "}, "Content-Type": {"text/plain"}}}
		signed := signer.SignV4(*r, exampleKey, exampleSecret, "", "eu-west-3")
		_, err := v.Verify(fromHTTP(t, signed))
		require.NoError(t, err, key)

		r = &http.Request{Method: "PUT", URL: u, Host: u.Host, Header: http.Header{}}
		presigned := signer.PreSignV4(*r, exampleKey, exampleSecret, "", "us-east-1", 600)
		res, err := v.Verify(&Request{Route: mustRouteForm(t, presigned.URL.RequestURI()), Host: u.Host})
		require.NoError(t, err, key)
		require.Equal(t, AuthPresigned, res.Kind)
	}
}

func mustRouteForm(t *testing.T, target string) *route.Request {
	t.Helper()
	// PUT takes no versionId: only the signature is of interest here.
	target = strings.Replace(target, "versionId=null", "version=null", 1)
	r, err := route.Parse(route.Input{Method: "PUT", Target: target, Host: "localhost:9000"})
	require.NoError(t, err)
	for i := range r.Query {
		if r.Query[i].Name == "version" {
			r.Query[i].Name, r.Query[i].RawName = "versionId", "versionId"
		}
	}
	return r
}

// TestRawForm: a client that signs just the bytes it sends is accepted too.
func TestRawForm(t *testing.T) {
	v := verifierAt(t, exampleTime)
	for _, target := range []string{"/bkt/a(1)", "/bkt/%7ex", "/bkt/a%2fb", "/bkt?prefix=a/b", "/bkt?prefix=a+b"} {
		f, _ := good.Header(Unsigned{Method: "GET", Target: target, Host: "h"}, emptySHA256)
		_, err := v.Verify(request(t, "GET", "h", target, f))
		require.NoError(t, err, target)
	}
}

func FuzzVerify(f *testing.F) {
	hf, _ := good.Header(Unsigned{Method: "GET", Target: "/bkt/k", Host: "h"}, emptySHA256)
	f.Add(hf.Get("authorization"), "20130524T000000Z", "/bkt/k")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host,Signature=00", "", good.Presign(Unsigned{Method: "GET", Target: "/bkt/k", Host: "h"}, time.Hour))
	f.Add("", "", "/bkt/k?AWSAccessKeyId="+exampleKey+"&Expires=9999999999&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&x-amz-acl=private&acl")
	right := hf.Get("authorization")
	f.Fuzz(func(t *testing.T, auth, date, target string) {
		rt, err := route.Parse(route.Input{Method: "GET", Target: target, Host: "h"})
		if err != nil {
			return
		}
		fields := head.Fields{{Name: "x-amz-date", Value: date}, {Name: "x-amz-content-sha256", Value: emptySHA256}}
		if auth != "" {
			fields = append(fields, head.Field{Name: "authorization", Value: auth})
		}
		v, err := New(Config{Store: store{exampleKey: exampleSecret}, Now: func() time.Time { return exampleTime }})
		if err != nil {
			t.Fatal(err)
		}
		res, err := v.Verify(&Request{Route: rt, Headers: fields, Host: "h"})
		if err != nil {
			var e *s3err.Error
			if !errors.As(err, &e) || e.Status >= 500 {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if res.Principal.Anonymous != (auth == "" && !rt.Query.Has("X-Amz-Signature") && !hasV2(rt.Query)) {
			t.Fatalf("wrong principal %+v", res.Principal)
		}
		if res.Kind == AuthHeader && rt.Path != "/bkt/k" && strings.EqualFold(auth[len(auth)-64:], right[len(right)-64:]) {
			t.Fatalf("signature of another path accepted: %q", rt.Path)
		}
	})
}

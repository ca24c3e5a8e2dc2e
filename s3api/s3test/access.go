package s3test

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"
)

// requestID is the one thing in which two equal answers differ.
var requestID = regexp.MustCompile(`<RequestId>[^<]*</RequestId>`)

func testAnonymous(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "there", "secret")
	gone := s.name()
	body := []byte(`<Delete><Object><Key>there</Key></Object></Delete>`)
	for name, c := range map[string]call{
		"get": {method: "GET", key: "KEY"}, "head": {method: "HEAD", key: "KEY"}, "put": {method: "PUT", key: "KEY", body: []byte("x")},
		"delete": {method: "DELETE", key: "KEY"}, "list": {method: "GET", query: "list-type=2"}, "head bucket": {method: "HEAD"},
		"delete bucket": {method: "DELETE"}, "uploads": {method: "GET", query: "uploads"}, "acl": {method: "GET", key: "KEY", query: "acl"},
		"policy": {method: "GET", query: "policy"}, "start": {method: "POST", key: "KEY", query: "uploads"},
		"delete many":       {method: "POST", query: "delete", body: body, header: h("Content-MD5", md5Base64(body))},
		"get conditionally": {method: "GET", key: "KEY", header: h("If-Modified-Since", time.Now().UTC().Format(http.TimeFormat))},
	} {
		t.Run(name, func(t *testing.T) {
			c.anonymous = true
			var first answer
			for i, where := range [][2]string{{b, "there"}, {b, "gone"}, {gone, "there"}} {
				c.bucket = where[0]
				if c.key != "" {
					c.key = where[1]
				}
				a := s.send(t, c)
				require.Equal(t, 403, a.status)
				a.body = normal(a.body, c)
				if i == 0 {
					first = a
					continue
				}
				require.Equal(t, string(first.body), string(a.body), "the answer does not tell what exists")
				require.Equal(t, len(first.header), len(a.header))
			}
		})
	}
	s.fails(t, call{method: "GET", anonymous: true}, 403, "AccessDenied")
	s.fails(t, call{method: "PUT", bucket: gone, anonymous: true}, 403, "AccessDenied")
	require.Equal(t, "secret", s.get(t, b, "there").text())
}

// normal takes out what names the request itself.
func normal(body []byte, c call) []byte {
	body = requestID.ReplaceAll(body, nil)
	body = regexp.MustCompile(`<HostId>[^<]*</HostId>`).ReplaceAll(body, nil)
	resource := "/" + c.bucket
	if c.key != "" {
		resource += "/" + c.key
	}
	return bytes.ReplaceAll(body, []byte(resource), []byte("RESOURCE"))
}

// presign makes a URL by which anyone may do one request.
func (s *suite) presign(t testing.TB, c call, seconds int64) *http.Request {
	t.Helper()
	c.anonymous = true
	req := s.request(t, c)
	signed := signer.PreSignV4(*req, s.AccessKey, s.SecretKey, "", s.Region, seconds)
	body, err := http.NewRequest(c.method, signed.URL.String(), bytes.NewReader(c.body))
	require.NoError(t, err)
	body.Header = req.Header.Clone()
	return body
}

func testPresigned(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "k", "v", "Content-Type", "text/plain")
	a := s.do(t, s.presign(t, call{method: "GET", bucket: b, key: "k"}, 600))
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "v", a.text())
	a = s.do(t, s.presign(t, call{method: "GET", bucket: b, key: "k", query: "response-content-type=text%2Fhtml"}, 600))
	require.Equal(t, "text/html", a.header.Get("Content-Type"))
	a = s.do(t, s.presign(t, call{method: "PUT", bucket: b, key: "new", body: []byte("by url")}, 600))
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "by url", s.get(t, b, "new").text())
	require.Equal(t, 204, s.do(t, s.presign(t, call{method: "DELETE", bucket: b, key: "new"}, 600)).status)

	req := s.presign(t, call{method: "GET", bucket: b, key: "k"}, 600)
	req.Method = "DELETE"
	a = s.do(t, req)
	require.Equal(t, "SignatureDoesNotMatch", a.code, "a URL is for one method")
	req = s.presign(t, call{method: "GET", bucket: b, key: "k"}, 600)
	req.URL.RawQuery += "&response-content-type=text%2Fhtml"
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, req).code, "an override must be signed")
	req = s.presign(t, call{method: "PUT", bucket: b, key: "k", body: []byte("x")}, 600)
	req.Header.Set("x-amz-acl", "public-read")
	require.Equal(t, 403, s.do(t, req).status, "a header beside the signature")
	for _, seconds := range []int64{0, -1, 604801} {
		a = s.do(t, s.presign(t, call{method: "GET", bucket: b, key: "k"}, seconds))
		require.Contains(t, []int{400, 403}, a.status, seconds)
	}
	require.Equal(t, "v", s.get(t, b, "k").text())
}

// presignV2 makes a URL of Signature Version 2.
func (s *suite) presignV2(t testing.TB, c call, seconds int64) *http.Request {
	t.Helper()
	c.anonymous = true
	req := s.request(t, c)
	signed := signer.PreSignV2(*req, s.AccessKey, s.SecretKey, seconds, false)
	out, err := http.NewRequest(c.method, signed.URL.String(), bytes.NewReader(c.body))
	require.NoError(t, err)
	out.Header = req.Header.Clone()
	return out
}

// testPresignedV2: the URLs that boto3 and version 1 of the aws CLI make by default.
func testPresignedV2(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "a b+c/%", "v", "Content-Type", "text/plain")
	get := call{method: "GET", bucket: b, key: "a b+c/%"}
	a := s.do(t, s.presignV2(t, get, 600))
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "v", a.text())
	get.query = "response-content-type=text%2Fhtml"
	require.Equal(t, "text/html", s.do(t, s.presignV2(t, get, 600)).header.Get("Content-Type"))
	get.query = ""
	a = s.do(t, s.presignV2(t, call{method: "PUT", bucket: b, key: "new", body: []byte("by url"), header: h("Content-Type", "text/css", "x-amz-meta-a", "b")}, 600))
	require.Equal(t, 200, a.status, "%s", a.body)
	a = s.get(t, b, "new")
	require.Equal(t, []string{"by url", "text/css", "b"}, []string{a.text(), a.header.Get("Content-Type"), a.header.Get("x-amz-meta-a")})
	require.Equal(t, 204, s.do(t, s.presignV2(t, call{method: "DELETE", bucket: b, key: "new"}, 600)).status)
	require.Equal(t, 200, s.do(t, s.presignV2(t, call{method: "GET", bucket: b, query: "prefix=a"}, 600)).status)

	req := s.presignV2(t, get, 600)
	req.Method = "DELETE"
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, req).code, "a URL is for one method")
	req = s.presignV2(t, get, 600)
	req.URL.RawQuery += "&response-content-type=text%2Fhtml"
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, req).code, "an override must be signed")
	req = s.presignV2(t, get, 600)
	req.URL.RawQuery += "&attributes"
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, req).code, "a sub-resource must be signed")
	req = s.presignV2(t, call{method: "PUT", bucket: b, key: "k", body: []byte("x")}, 600)
	req.Header.Set("x-amz-meta-a", "b")
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, req).code, "a header beside the signature")
	req = s.presignV2(t, get, 600)
	req.URL.RawQuery += "&Expires=9999999999"
	require.Equal(t, 400, s.do(t, req).status, "two dates")
	require.Equal(t, "AccessDenied", s.do(t, s.presignV2(t, get, -1)).code, "expired")
	wrong := suite{Target: s.Target, base: s.base}
	wrong.SecretKey += "x"
	require.Equal(t, "SignatureDoesNotMatch", s.do(t, wrong.presignV2(t, get, 600)).code)
	wrong.AccessKey += "x"
	require.Equal(t, "InvalidAccessKeyId", s.do(t, wrong.presignV2(t, get, 600)).code)
	require.Equal(t, "v", s.get(t, b, "a b+c/%").text())
}

// testPresignedHeaders: headers that an SDK moved into the query of a URL count as headers.
func testPresignedHeaders(t *testing.T, s *suite) {
	b := s.bucket(t)
	put := func(query string) answer {
		return s.do(t, s.presign(t, call{method: "PUT", bucket: b, key: "k", query: query, body: []byte("v")}, 600))
	}
	a := put("x-amz-meta-a=b%20c&X-Amz-Storage-Class=STANDARD&x-amz-acl=private")
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "b c", s.get(t, b, "k").header.Get("x-amz-meta-a"))
	require.Equal(t, "NotImplemented", put("x-amz-acl=public-read").code, "it asks for what is not built")
	require.Equal(t, "NotImplemented", put("x-amz-copy-source="+escape(b+"/k")).code)
	require.Equal(t, "InvalidArgument", put("x-amz-meta-a=b&X-Amz-Meta-A=b").code)
	require.Equal(t, "InvalidArgument", put("x-amz-meta-a=b%0Ax-amz-meta-c%3Ad").code)
	// The checksum of an empty body, which the SDK for JavaScript signs into every URL, is not one
	// of the body that is sent.
	a = put("x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32")
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "v", s.get(t, b, "k").text())
}

package sigv4

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"
)

// v2Expires is the Expires of all vectors here, 2007-03-29 03:40:20 UTC.
var v2Expires = time.Unix(1175139620, 0)

func v2Request(t *testing.T, method, target, host string, fields ...head.Field) *Request {
	t.Helper()
	r, err := route.Parse(route.Input{Method: method, Target: target, Host: host,
		Domains: []string{"s3.amazonaws.com", "s3.example.com"}})
	require.NoError(t, err)
	return &Request{Route: r, Headers: fields, Host: host, ContentLength: -1}
}

// TestV2DocumentedExamples are the examples of "Signing and Authenticating REST Requests":
// the presigned one whole, and of those in headers the text that is signed, which is the same
// with Expires in the place of Date.
func TestV2DocumentedExamples(t *testing.T) {
	v := verifierAt(t, v2Expires)
	res, err := v.Verify(v2Request(t, "GET", "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620", "johnsmith.s3.amazonaws.com"))
	require.NoError(t, err)
	require.Equal(t, Principal{AccessKey: exampleKey, ID: "id-" + exampleKey}, res.Principal)
	require.Equal(t, AuthPresignedV2, res.Kind)
	require.Equal(t, Payload{Kind: PayloadUnsigned}, res.Payload)

	for _, c := range []struct {
		name, method, target, host, date, want string
		fields                                 head.Fields
	}{
		{"get", "GET", "/photos/puppy.jpg", "johnsmith.s3.amazonaws.com", "Tue, 27 Mar 2007 19:36:42 +0000", "bWq2s1WEIj+Ydj0vQ697zp+IXMU=", nil},
		{"put", "PUT", "/photos/puppy.jpg", "johnsmith.s3.amazonaws.com", "Tue, 27 Mar 2007 21:15:45 +0000", "MyyxeRY7whkBe+bq8fHCL/2kKUg=", head.Fields{{Name: "content-type", Value: "image/jpeg"}}},
		{"list", "GET", "/?prefix=photos&max-keys=50&marker=puppy", "johnsmith.s3.amazonaws.com", "Tue, 27 Mar 2007 19:42:41 +0000", "htDYFYduRNen8P9ZfE/s9SuKy0U=", nil},
		{"acl", "GET", "/?acl", "johnsmith.s3.amazonaws.com", "Tue, 27 Mar 2007 19:44:46 +0000", "c2WLPFtWHVgbEmeEG93a4cG37dM=", nil},
		{"upload", "PUT", "/static.johnsmith.net/db-backup.dat.gz", "s3.amazonaws.com", "Tue, 27 Mar 2007 21:06:08 +0000", "ilyl83RwaSoYIEdixDQcA4OnAnc=", head.Fields{
			{Name: "x-amz-acl", Value: "public-read"}, {Name: "content-type", Value: "application/x-download"}, {Name: "content-md5", Value: "4gJE4saaMU4BqNR0kLY+lw=="},
			{Name: "x-amz-meta-reviewedby", Value: "joe@johnsmith.net"}, {Name: "x-amz-meta-reviewedby", Value: "jane@johnsmith.net"},
			{Name: "x-amz-meta-filechecksum", Value: "0x02661779"}, {Name: "x-amz-meta-checksumalgorithm", Value: "crc32"}}},
		{"unicode", "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "s3.amazonaws.com", "Wed, 28 Mar 2007 01:49:49 +0000", "DNEZGsoieTZ92F3bUfSPQcbGmlM=", nil},
	} {
		p := &v2Query{expires: c.date, signature: c.want}
		r := v2Request(t, c.method, c.target, c.host, c.fields...)
		p.takeHeaders(r.Headers)
		require.True(t, p.match(r, exampleSecret), "%s:\n%s", c.name, p.stringToSign(r, v2Form{}))
	}
}

// TestV2Botocore are URLs that boto3 1.44.5 made (generate_presigned_url, region us-east-1, no
// signature_version) with the keys of the documentation, addressing_style path and virtual.
func TestV2Botocore(t *testing.T) {
	const auth = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature="
	const end = "&Expires=1175139620"
	for _, c := range []struct{ op, method, host, target string }{
		{"get_object", "GET", "s3.example.com:9000", "/first/dir/small.bin?" + auth + "l18HDhL0WQtzr6ZT9QLXNtW8lAU%3D" + end},
		{"get_object virtual", "GET", "first.s3.example.com:9000", "/dir/small.bin?" + auth + "l18HDhL0WQtzr6ZT9QLXNtW8lAU%3D" + end},
		{"get_object overrides", "GET", "s3.example.com:9000", "/first/a%20b%2Bc~%C3%BC/%2541?response-content-disposition=attachment%3B%20filename%3D%22A%20%26%20B.pdf%22&response-content-type=text%2Fplain%3B%20charset%3Dutf-8&versionId=null&" + auth + "BztQQR2Qi00t866Iaq8fhhYp09s%3D" + end},
		{"head_object", "HEAD", "s3.example.com:9000", "/first/k?" + auth + "IO2kaMQTWwJyX4xNtyuTFEXXVyo%3D" + end},
		{"put_object", "PUT", "s3.example.com:9000", "/first/k?" + auth + "f2GdTIsc97kYelf%2Bm6u%2BBJbuQHo%3D" + end},
		{"put_object headers", "PUT", "s3.example.com:9000", "/first/k?" + auth + "WWRIA7qcaujKjh%2B%2FZZXyOgnh0pU%3D&content-type=text%2Fplain&x-amz-acl=private&x-amz-meta-reviewed-by=joe%2C%20jane&content-md5=4gJE4saaMU4BqNR0kLY%2Blw%3D%3D&x-amz-storage-class=STANDARD" + end},
		{"delete_object", "DELETE", "s3.example.com:9000", "/first/k?" + auth + "dBkIOU2F1K%2FwanId5WDJzKlCP58%3D" + end},
		{"upload_part", "PUT", "s3.example.com:9000", "/first/k?uploadId=abc&partNumber=3&" + auth + "aF3oPNx2StLVjbgW3wOCNrFWdK4%3D" + end},
		{"create_multipart_upload", "POST", "s3.example.com:9000", "/first/k?uploads&" + auth + "aNxYvpydY30qCodOlkmgDdkGbcA%3D" + end},
		{"list_objects_v2", "GET", "s3.example.com:9000", "/first?list-type=2&prefix=a%2F&max-keys=5&encoding-type=url&" + auth + "Sd%2BvEn9XydioOW2eUtAJPD%2Fl0v0%3D" + end},
		{"list_objects_v2 virtual", "GET", "first.s3.example.com:9000", "/?list-type=2&prefix=a%2F&max-keys=5&encoding-type=url&" + auth + "Sd%2BvEn9XydioOW2eUtAJPD%2Fl0v0%3D" + end},
		{"get_object_acl", "GET", "s3.example.com:9000", "/first/k?acl&" + auth + "MO3Sk0gGs6Uymm7TXvQz4n7UHrY%3D" + end},
		{"get_object_tagging", "GET", "s3.example.com:9000", "/first/k?tagging&" + auth + "VKuTTjnDfFSWYnNaEterXtHNK%2FA%3D" + end},
		{"get_bucket_location", "GET", "s3.example.com:9000", "/first?location&" + auth + "y6lvDlb%2FOn0mnLxrGSvlPXSTMZs%3D" + end},
		{"list_buckets", "GET", "s3.example.com:9000", "/?" + auth + "ODAnpl4%2Be%2BuHJnQn%2BRoADB2HldY%3D" + end},
		{"head_bucket", "HEAD", "s3.example.com:9000", "/first?" + auth + "QIEKLtL0RyADGqhT4vD3L560WNI%3D" + end},
		{"create_bucket", "PUT", "s3.example.com:9000", "/first?" + auth + "6se1LGEx4WJj0knD6VHb5doE9s0%3D" + end},
	} {
		t.Run(c.op, func(t *testing.T) {
			res, err := verifierAt(t, v2Expires.Add(-time.Hour)).Verify(v2Request(t, c.method, c.target, c.host))
			require.NoError(t, err)
			if c.op == "put_object headers" {
				require.Equal(t, head.Fields{{Name: "content-type", Value: "text/plain"}, {Name: "x-amz-acl", Value: "private"},
					{Name: "x-amz-meta-reviewed-by", Value: "joe, jane"}, {Name: "content-md5", Value: "4gJE4saaMU4BqNR0kLY+lw=="},
					{Name: "x-amz-storage-class", Value: "STANDARD"}}, res.FromQuery)
			}
		})
	}
}

// v2URL signs as the document says, written out apart from the verifier.
func v2URL(t *testing.T, method, target, toSign string, query ...string) string {
	t.Helper()
	sep := "?"
	if strings.Contains(target, "?") {
		sep = "&"
	}
	m := hmac.New(sha1.New, []byte(exampleSecret))
	m.Write([]byte(method + "\n" + toSign))
	sig := base64.StdEncoding.EncodeToString(m.Sum(nil))
	return target + sep + strings.Join(append(query, "AWSAccessKeyId="+exampleKey, "Expires=1175139620", "Signature="+url.QueryEscape(sig)), "&")
}

// TestV2Tampering takes good URLs and changes one thing of each.
func TestV2Tampering(t *testing.T) {
	get := v2URL(t, "GET", "/bkt/k", "\n\n1175139620\n/bkt/k")
	override := v2URL(t, "GET", "/bkt/k?response-content-type=a%2Fb", "\n\n1175139620\n/bkt/k?response-content-type=a/b")
	put := v2URL(t, "PUT", "/bkt/k", "\ntext/plain\n1175139620\nx-amz-acl:private\nx-amz-meta-a:b\n/bkt/k", "content-type=text%2Fplain", "x-amz-acl=private", "x-amz-meta-a=b")
	md5 := v2URL(t, "PUT", "/bkt/k", "XUFAKrxLKna5cZ2REBfFkg==\n\n1175139620\n/bkt/k")
	md5Line := head.Field{Name: "content-md5", Value: "XUFAKrxLKna5cZ2REBfFkg=="}
	line := func(name, value string) head.Field { return head.Field{Name: name, Value: value} }
	change := func(s, old, with string) string {
		t.Helper()
		require.Contains(t, s, old)
		return strings.Replace(s, old, with, 1)
	}
	const mismatch, argument, denied = "SignatureDoesNotMatch", "InvalidArgument", "AccessDenied"
	for _, c := range []struct {
		name, method, target string
		fields               head.Fields
		want                 string
	}{
		{"good get", "GET", get, nil, ""},
		{"good override", "GET", override, nil, ""},
		{"good put", "PUT", put, nil, ""},
		{"good put, headers sent as well", "PUT", put, head.Fields{line("content-type", "text/plain"), line("x-amz-acl", "private")}, ""},
		{"good put with MD5", "PUT", md5, head.Fields{md5Line}, ""},
		{"unknown parameter", "GET", get + "&x-id=GetObject", nil, ""},
		{"another method", "PUT", get, nil, mismatch},
		{"HEAD for GET", "HEAD", get, nil, mismatch},
		{"DELETE for GET", "DELETE", get, nil, mismatch},
		{"another key", "GET", change(get, "/bkt/k", "/bkt/K"), nil, mismatch},
		{"another spelling of the key", "GET", change(get, "/bkt/k", "/bkt/%6B"), nil, mismatch},
		{"another bucket", "GET", change(get, "/bkt/", "/bkt2/"), nil, mismatch},
		{"later", "GET", change(get, "Expires=1175139620", "Expires=1175139621"), nil, mismatch},
		{"same time written otherwise", "GET", change(get, "Expires=1175139620", "Expires=01175139620"), nil, mismatch},
		{"sub-resource added", "GET", get + "&acl", nil, mismatch},
		{"newer sub-resource added", "GET", get + "&attributes", nil, mismatch},
		{"version added", "GET", get + "&versionId=null", nil, mismatch},
		{"part added", "GET", get + "&partNumber=1", nil, mismatch},
		{"override added", "GET", get + "&response-content-disposition=x", nil, mismatch},
		{"override changed", "GET", change(override, "a%2Fb", "a%2Fc"), nil, mismatch},
		{"override taken away", "GET", change(override, "response-content-type=a%2Fb&", ""), nil, mismatch},
		{"override in another case", "GET", change(override, "response-content-type", "Response-Content-Type"), nil, mismatch},
		{"value that looks like a parameter", "GET", change(override, "a%2Fb", "a%2Fb%26versionId=null"), nil, argument},
		{"header added", "GET", get, head.Fields{line("x-amz-meta-a", "b")}, mismatch},
		{"header added in the query", "GET", get + "&x-amz-meta-a=b", nil, mismatch},
		{"header in the query, other case", "GET", get + "&X-Amz-Acl=private", nil, mismatch},
		{"header taken away", "PUT", change(put, "x-amz-acl=private&", ""), nil, mismatch},
		{"header changed", "PUT", change(put, "x-amz-acl=private", "x-amz-acl=public-read"), nil, mismatch},
		{"header line differs", "PUT", put, head.Fields{line("x-amz-acl", "public-read")}, argument},
		{"second header line", "PUT", put, head.Fields{line("x-amz-acl", "private"), line("x-amz-acl", "private")}, argument},
		{"two headers as one", "PUT", change(put, "x-amz-acl=private&x-amz-meta-a=b", "x-amz-acl=private%0Ax-amz-meta-a%3Ab"), nil, argument},
		{"colon moved into the name", "PUT", change(put, "x-amz-meta-a=b", "x-amz-meta-a:=b"), nil, argument},
		{"type and expiry moved", "PUT", change(put, "content-type=text%2Fplain", "content-type=text%2Fplain%0A1"), nil, argument},
		{"content type added", "GET", get, head.Fields{line("content-type", "text/plain")}, mismatch},
		{"content type changed", "PUT", change(put, "text%2Fplain", "text%2Fhtml"), nil, mismatch},
		{"MD5 left out", "PUT", md5, nil, mismatch},
		{"MD5 changed", "PUT", md5, head.Fields{line("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")}, mismatch},
		{"payload hash added", "PUT", md5, head.Fields{md5Line, line("x-amz-content-sha256", emptySHA256)}, mismatch},
		{"token", "GET", get + "&x-amz-security-token=t", nil, "InvalidToken"},
		{"repeated key", "GET", get + "&AWSAccessKeyId=" + exampleKey, nil, argument},
		{"repeated expiry", "GET", get + "&Expires=9999999999", nil, argument},
		{"repeated signature", "GET", get + "&Signature=x", nil, argument},
		{"repeated header", "PUT", put + "&X-Amz-Acl=private", nil, argument},
		{"no key", "GET", change(get, "AWSAccessKeyId="+exampleKey+"&", ""), nil, denied},
		{"no expiry", "GET", change(get, "Expires=1175139620&", ""), nil, denied},
		{"empty signature", "GET", "/bkt/k?AWSAccessKeyId=" + exampleKey + "&Expires=1175139620&Signature=", nil, denied},
		{"short signature", "GET", "/bkt/k?AWSAccessKeyId=" + exampleKey + "&Expires=1175139620&Signature=AAAA", nil, mismatch},
		{"no base64", "GET", "/bkt/k?AWSAccessKeyId=" + exampleKey + "&Expires=1175139620&Signature=%21%21", nil, mismatch},
		{"expiry is no number", "GET", change(get, "Expires=1175139620", "Expires=tomorrow"), nil, denied},
		{"expiry is negative", "GET", change(get, "Expires=1175139620", "Expires=-1"), nil, denied},
		{"expiry with a sign", "GET", change(get, "Expires=1175139620", "Expires=%2B1175139620"), nil, denied},
		{"expiry too large", "GET", change(get, "Expires=1175139620", "Expires=99999999999999999999"), nil, denied},
		{"unknown key", "GET", change(get, exampleKey, "AKIANOBODY"), nil, "InvalidAccessKeyId"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verifierAt(t, v2Expires).Verify(v2Request(t, c.method, c.target, "h", c.fields...))
			require.Equal(t, c.want, code(err))
		})
	}
}

// One request has one signature.
func TestV2BesideVersion4(t *testing.T) {
	get := v2URL(t, "GET", "/bkt/k", "\n\n1175139620\n/bkt/k")
	for name, c := range map[string]struct {
		target string
		fields head.Fields
	}{
		"an Authorization header": {get, head.Fields{{Name: "authorization", Value: "AWS4-HMAC-SHA256 Credential=a"}}},
		"a signature":             {get + "&X-Amz-Signature=a", nil},
		"an algorithm":            {get + "&X-Amz-Algorithm=AWS4-HMAC-SHA256", nil},
		"a credential":            {get + "&X-Amz-Credential=a", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verifierAt(t, v2Expires).Verify(v2Request(t, "GET", c.target, "h", c.fields...))
			require.Equal(t, "InvalidArgument", code(err))
		})
	}
}

func TestV2Expiry(t *testing.T) {
	target := v2URL(t, "GET", "/bkt/k", "\n\n1175139620\n/bkt/k")
	for d, want := range map[time.Duration]string{-10 * 365 * 24 * time.Hour: "", 0: "", time.Second: "AccessDenied"} {
		_, err := verifierAt(t, v2Expires.Add(d)).Verify(v2Request(t, "GET", target, "h"))
		require.Equal(t, want, code(err), d)
	}
}

func TestV2PayloadHash(t *testing.T) {
	sign := func(payload string) string {
		return v2URL(t, "PUT", "/bkt/k", "\n\n1175139620\nx-amz-content-sha256:"+payload+"\n/bkt/k")
	}
	for payload, want := range map[string]string{emptySHA256: "", "UNSIGNED-PAYLOAD": "", "zz": "InvalidArgument", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": "InvalidRequest"} {
		res, err := verifierAt(t, v2Expires).Verify(v2Request(t, "PUT", sign(payload), "h", head.Field{Name: "x-amz-content-sha256", Value: payload}))
		require.Equal(t, want, code(err), payload)
		if payload == emptySHA256 {
			require.Equal(t, PayloadHash, res.Payload.Kind)
		}
	}
}

// TestV2CanBeRefused: the switch refuses good and bad URLs alike.
func TestV2CanBeRefused(t *testing.T) {
	v, err := New(Config{Store: store{exampleKey: exampleSecret}, Now: func() time.Time { return v2Expires }, RefuseSigV2: true})
	require.NoError(t, err)
	for _, target := range []string{v2URL(t, "GET", "/bkt/k", "\n\n1175139620\n/bkt/k"), "/bkt/k?AWSAccessKeyId=a&Signature=b&Expires=1", "/bkt/k?Signature=b"} {
		_, err := v.Verify(v2Request(t, "GET", target, "h"))
		require.Equal(t, "InvalidRequest", code(err))
	}
}

// TestV2MinioSigner takes URLs that minio-go signs with Version 2, in both styles.
func TestV2MinioSigner(t *testing.T) {
	v := verifierAt(t, time.Now())
	for _, key := range []string{"plain", "a b+c", "ä/ö%20", "(x)!*'~", "q?x&y=z#f", "日本語"} {
		for _, query := range []string{"", "response-content-type=text%2Fplain&versionId=null", "tagging="} {
			escaped := string(appendEncoded(nil, key, true))
			u := &url.URL{Scheme: "http", Host: "s3.example.com", Path: "/bkt/" + key, RawPath: "/bkt/" + escaped, RawQuery: query}
			r := signer.PreSignV2(http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{}}, exampleKey, exampleSecret, 600, false)
			_, err := v.Verify(v2Request(t, "GET", r.URL.RequestURI(), "s3.example.com"))
			require.NoError(t, err, "%s?%s", key, query)

			u = &url.URL{Scheme: "http", Host: "bkt.s3.example.com", Path: "/" + key, RawPath: "/" + escaped, RawQuery: query}
			r = signer.PreSignV2(http.Request{Method: "GET", URL: u, Host: u.Host, Header: http.Header{}}, exampleKey, exampleSecret, 600, true)
			_, err = v.Verify(v2Request(t, "GET", r.URL.RequestURI(), "bkt.s3.example.com"))
			require.NoError(t, err, "%s?%s", key, query)
		}
	}
}

// TestV4HeadersInQuery: SDKs move headers into the query of a presigned URL.
func TestV4HeadersInQuery(t *testing.T) {
	verify := func(target string, fields ...head.Field) (*Result, error) {
		target = good.Presign(Unsigned{Method: "PUT", Target: target, Host: "h"}, time.Hour)
		return verifierAt(t, exampleTime).Verify(request(t, "PUT", "h", target, fields))
	}
	res, err := verify("/bkt/k?X-Amz-Acl=private&x-amz-meta-a=b&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject")
	require.NoError(t, err)
	require.Equal(t, head.Fields{{Name: "x-amz-acl", Value: "private"}, {Name: "x-amz-meta-a", Value: "b"}}, res.FromQuery)
	for target, want := range map[string]string{
		"/bkt/k?x-amz-acl=private&X-Amz-Acl=private": "InvalidArgument",
		"/bkt/k?x-amz-meta-a=b%0D%0Ac":               "InvalidArgument",
		"/bkt/k?x-amz-meta-a%0A=b":                   "InvalidArgument",
	} {
		_, err := verify(target)
		require.Equal(t, want, code(err), target)
	}
	_, err = verify("/bkt/k?x-amz-acl=private", head.Field{Name: "x-amz-acl", Value: "public-read"})
	require.Equal(t, "AccessDenied", code(err), "a header line that is not signed")
}

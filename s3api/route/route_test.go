package route

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

func parse(method, target string) (*Request, error) {
	return Parse(Input{Method: method, Target: target, Host: "s3.local:9000", Domains: []string{"s3.local"}})
}

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

func TestOperationOfEveryShape(t *testing.T) {
	for _, c := range []struct {
		method, target string
		want           Operation
	}{
		{"GET", "/", ListBuckets},
		{"GET", "/?x-id=ListBuckets", ListBuckets},
		{"GET", "/bkt", ListObjects},
		{"GET", "/bkt/", ListObjects},
		{"GET", "/bkt?list-type=2", ListObjectsV2},
		{"GET", "/bkt/?versions", ListObjectVersions},
		{"GET", "/bkt?location", GetBucketLocation},
		{"GET", "/bkt?uploads=", ListMultipartUploads},
		{"GET", "/bkt?inventory", ListBucketInventoryConfigurations},
		{"GET", "/bkt?inventory&id=1", GetBucketInventoryConfiguration},
		{"HEAD", "/bkt", HeadBucket},
		{"PUT", "/bkt", CreateBucket},
		{"PUT", "/bkt?policy", PutBucketPolicy},
		{"DELETE", "/bkt", DeleteBucket},
		{"POST", "/bkt?delete", DeleteObjects},
		{"GET", "/bkt/k", GetObject},
		{"GET", "/bkt/k?partNumber=3", GetObject},
		{"GET", "/bkt/k?acl", GetObjectAcl},
		{"GET", "/bkt/k?attributes", GetObjectAttributes},
		{"GET", "/bkt/k?uploadId=u", ListParts},
		{"HEAD", "/bkt/k", HeadObject},
		{"PUT", "/bkt/k", PutObject},
		{"PUT", "/bkt/k?partNumber=1&uploadId=u", UploadPart},
		{"PUT", "/bkt/k?renameObject", RenameObject},
		{"POST", "/bkt/k?uploads", CreateMultipartUpload},
		{"POST", "/bkt/k?uploadId=u", CompleteMultipartUpload},
		{"DELETE", "/bkt/k?uploadId=u", AbortMultipartUpload},
		{"DELETE", "/bkt/k", DeleteObject},
		{"OPTIONS", "/bkt/k", OptionsPreflight},
	} {
		r, err := parse(c.method, c.target)
		require.NoError(t, err, c.target)
		require.Equal(t, c.want, r.Op, "%s %s", c.method, c.target)
	}
	r, err := Parse(Input{Method: "PUT", Target: "/bkt/k", CopySource: true})
	require.NoError(t, err)
	require.Equal(t, CopyObject, r.Op)
	r, err = Parse(Input{Method: "PUT", Target: "/bkt/k?uploadId=u&partNumber=2", CopySource: true})
	require.NoError(t, err)
	require.Equal(t, UploadPartCopy, r.Op)
	require.Equal(t, 2, r.PartNumber)
	r, err = Parse(Input{Method: "POST", Target: "/bkt", Form: true})
	require.NoError(t, err)
	require.Equal(t, PostObject, r.Op)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ method, target, want string }{
		{"FOO", "/bkt", "MethodNotAllowed"},
		{"TRACE", "/", "MethodNotAllowed"},
		{"POST", "/", "MethodNotAllowed"},
		{"HEAD", "/", "MethodNotAllowed"},
		{"POST", "/bkt", "MethodNotAllowed"},
		{"PUT", "/bkt/k?uploadId=u", "MethodNotAllowed"},
		{"DELETE", "/bkt?delete", "MethodNotAllowed"},
		{"GET", "*", "InvalidURI"},
		{"GET", "/bkt/%zz", "InvalidURI"},
		{"GET", "/bkt/%", "InvalidURI"},
		{"GET", "/bkt/%4", "InvalidURI"},
		{"GET", "/bkt/a%00b", "InvalidURI"},
		{"GET", "/bkt/%ff%fe", "InvalidURI"},
		{"GET", "/bkt/%c0%af", "InvalidURI"},    // overlong
		{"GET", "/bkt/%ed%a0%80", "InvalidURI"}, // surrogate
		{"GET", "/bkt/../other/k", "InvalidURI"},
		{"GET", "/bkt/%2e%2e/other/k", "InvalidURI"},
		{"GET", "/bkt/a/..%2f..%2f..%2fother", "InvalidURI"},
		{"GET", "/bkt/a//../../k", "InvalidURI"},
		{"GET", "/bkt/..", "InvalidURI"},
		{"GET", "//bkt/k", "InvalidURI"},
		{"GET", "/bkt/k#frag", "InvalidURI"},
		{"GET", "/bkt?prefix=%zz", "InvalidURI"},
		{"GET", "/bkt%2fk", "InvalidBucketName"},
		{"GET", "/bkt/" + strings.Repeat("a", 1025), "KeyTooLongError"},
		{"GET", "/bkt/" + strings.Repeat("%C3%A4", 513), "KeyTooLongError"},
		{"GET", "/bkt/k?versionId=", "InvalidArgument"},
		{"GET", "/bkt/k?versionId=garbage", "InvalidArgument"},
		{"GET", "/bkt/k?versionId=null&versionId=null", "InvalidArgument"},
		{"PUT", "/bkt/k?versionId=null", "InvalidArgument"},
		{"GET", "/bkt/k?uploadId=a&uploadId=b", "InvalidArgument"},
		{"GET", "/bkt/k?uploadId=", "InvalidArgument"},
		{"GET", "/bkt?acl&policy", "InvalidArgument"},
		{"POST", "/bkt?uploads&delete", "InvalidArgument"},
		{"GET", "/bkt?max-keys=-1", "InvalidArgument"},
		{"GET", "/bkt?max-keys=abc", "InvalidArgument"},
		{"GET", "/bkt?max-keys=2147483648", "InvalidArgument"},
		{"GET", "/bkt?encoding-type=foo", "InvalidArgument"},
		{"GET", "/bkt?list-type=3", "InvalidArgument"},
		{"PUT", "/bkt/k?partNumber=0&uploadId=u", "InvalidArgument"},
		{"PUT", "/bkt/k?partNumber=10001&uploadId=u", "InvalidArgument"},
		{"PUT", "/bkt/k?partNumber=abc&uploadId=u", "InvalidArgument"},
		{"PUT", "/bkt/k?partNumber=1", "InvalidArgument"},
		{"GET", "/bkt/k?uploads", "InvalidRequest"},
		{"GET", "/bkt/k?versions", "InvalidRequest"},
		{"GET", "/?acl", "InvalidRequest"},
	} {
		_, err := parse(c.method, c.target)
		require.Equal(t, c.want, code(err), "%s %s", c.method, c.target)
	}
}

func TestKeysAreLiteral(t *testing.T) {
	for target, want := range map[string]string{
		"/bkt/a/../k":                       "a/../k",
		"/bkt/%252e%252e":                   "%2e%2e",
		"/bkt/a//b":                         "a//b",
		"/bkt//b":                           "/b",
		"/bkt/a/":                           "a/",
		"/bkt/a%5c..%5cx":                   `a\..\x`,
		"/bkt/.":                            ".",
		"/bkt/...":                          "...",
		"/bkt/a..b":                         "a..b",
		"/bkt/a+b%2Bc%20":                   "a+b+c ",
		"/bkt/%01%0d":                       "\x01\r",
		"/bkt/a%2Fb":                        "a/b",
		"/bkt/a;b?x":                        "a;b",
		"/bkt/" + strings.Repeat("a", 1024): strings.Repeat("a", 1024),
	} {
		r, err := parse("GET", target)
		require.NoError(t, err, target)
		require.Equal(t, "bkt", r.Bucket)
		require.Equal(t, want, r.Key, target)
	}
}

func TestVirtualHost(t *testing.T) {
	for _, c := range []struct {
		host, target, bucket, key string
		style                     Style
	}{
		{"vbk.s3.local:9000", "/other/k", "vbk", "other/k", VirtualHostStyle},
		{"VBK.S3.local", "/", "vbk", "", VirtualHostStyle},
		{"a.b.s3.local", "//k", "a.b", "/k", VirtualHostStyle},
		{"s3.local", "/other/k", "other", "k", PathStyle},
		{"xs3.local", "/other/k", "other", "k", PathStyle},
		{"127.0.0.1:9000", "/other/k", "other", "k", PathStyle},
		{"[::1]:9000", "/other/k", "other", "k", PathStyle},
	} {
		r, err := Parse(Input{Method: "GET", Target: c.target, Host: c.host, Domains: []string{"s3.local", "other.net"}})
		require.NoError(t, err, c.host)
		require.Equal(t, c.bucket, r.Bucket, c.host)
		require.Equal(t, c.key, r.Key, c.host)
		require.Equal(t, c.style, r.Style, c.host)
	}
	_, err := Parse(Input{Method: "GET", Target: "/k", Host: "A_b.s3.local", Domains: []string{"s3.local"}})
	require.Equal(t, "InvalidBucketName", code(err))
	_, err = Parse(Input{Method: "GET", Target: "/../k", Host: "vbk.s3.local", Domains: []string{"s3.local"}})
	require.Equal(t, "InvalidURI", code(err))
}

func TestParsedParameters(t *testing.T) {
	r, err := parse("GET", "/bkt?max-keys=99999&encoding-type=url&prefix=a+b%2Bc&delimiter")
	require.NoError(t, err)
	require.Equal(t, 1000, r.MaxKeys)
	require.True(t, r.EncodingURL)
	require.Equal(t, "a b+c", r.Query.Get("prefix"))
	require.True(t, r.Query.Has("delimiter"))

	r, err = parse("GET", "/bkt?max-keys=0")
	require.NoError(t, err)
	require.Equal(t, 0, r.MaxKeys)

	id := strings.Repeat("0a", 16)
	r, err = parse("DELETE", "/bkt/k?versionId="+id)
	require.NoError(t, err)
	require.Equal(t, Version{Kind: ByID, ID: id}, r.Version)
	require.Equal(t, id, r.Version.String())
	r, err = parse("HEAD", "/bkt/k?versionId=null")
	require.NoError(t, err)
	require.Equal(t, NullVersion, r.Version.Kind)
}

func TestBucketNames(t *testing.T) {
	for _, bad := range []string{"AB", "a_b", "ab", strings.Repeat("a", 64), "1.2.3.4", "a..b", "-a1", "a1-",
		"xn--abc", "abc-s3alias", "abc--ol-s3", "foo-.bar", "foo.-bar", ".abc", "abc.", "a b", "aéb", "", "abc\n"} {
		require.Equal(t, "InvalidBucketName", code(ValidBucketName(bad)), bad)
	}
	for _, ok := range []string{"abc", "a-b", "1a2", "123", "a.b.c", "1.2.3", "1.2.3.a", strings.Repeat("a", 63)} {
		require.NoError(t, ValidBucketName(ok), ok)
	}
}

func TestCopySource(t *testing.T) {
	id := strings.Repeat("f", 32)
	for value, want := range map[string]Source{
		"bkt/k":                    {Bucket: "bkt", Key: "k"},
		"/bkt/a/b%20c+d":           {Bucket: "bkt", Key: "a/b c+d"},
		"bkt/k%3FversionId%3Dx":    {Bucket: "bkt", Key: "k?versionId=x"},
		"bkt/k?versionId=null":     {Bucket: "bkt", Key: "k", Version: Version{Kind: NullVersion}},
		"bkt/k%3F?versionId=" + id: {Bucket: "bkt", Key: "k?", Version: Version{Kind: ByID, ID: id}},
		"bkt/a?b":                  {Bucket: "bkt", Key: "a?b"},
	} {
		got, err := ParseCopySource(value)
		require.NoError(t, err, value)
		require.Equal(t, want, got, value)
	}
	for _, bad := range []string{"", "b", "/", "bkt", "bkt/", "/bkt/", "../bkt/k", "bkt/../../x", "bkt/%zz", "bkt/%00",
		"bkt/%ff", "BKT/k", "bkt/k?versionId=", "bkt/k?versionId=zz", "bkt/" + strings.Repeat("a", 1025)} {
		_, err := ParseCopySource(bad)
		require.Equal(t, "InvalidArgument", code(err), bad)
	}
}

func TestEveryOperationHasANameAndASupport(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range Operations() {
		require.NotEmpty(t, op.String())
		require.False(t, seen[op.String()], op.String())
		seen[op.String()] = true
	}
	require.Equal(t, Built, GetObjectAttributes.Support())
	require.Equal(t, Built, ListBuckets.Support())
	require.Equal(t, NotSet, GetBucketVersioning.Support())
	require.Equal(t, NotSet, ListObjectVersions.Support())
	require.Equal(t, NotBuilt, PutBucketPolicy.Support())
	require.Equal(t, NotBuilt, OptionsPreflight.Support())
}

// FuzzParse checks the promises of a parsed request on any target: decoding once, a
// valid bucket, a key that stays in it, and the same answer the second time.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"/", "/bkt/a/../k?acl&versionId=null", "/bkt/%2e%2e/x", "/bkt/a%2fb?max-keys=1&encoding-type=url", "/b%zz", "/bkt?uploads&delete"} {
		f.Add("GET", s, "bkt.s3.local")
	}
	f.Fuzz(func(t *testing.T, method, target, host string) {
		in := Input{Method: method, Target: target, Host: host, Domains: []string{"s3.local"}}
		r, err := Parse(in)
		if err != nil {
			var e *s3err.Error
			if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if r.Op == None || (r.Key != "" && r.Bucket == "") {
			t.Fatalf("no operation or key without bucket: %+v", r)
		}
		if r.Bucket != "" && !bucketNameOK(r.Bucket) {
			t.Fatalf("bad bucket %q", r.Bucket)
		}
		if len(r.Key) > MaxKeyLength || !utf8.ValidString(r.Key) || strings.Contains(r.Key, "\x00") || escapesBucket(r.Key) {
			t.Fatalf("bad key %q", r.Key)
		}
		want := "/" + r.Key
		if r.Style == PathStyle && r.Bucket != "" {
			want = "/" + r.Bucket + want
		}
		if r.Path != want && r.Path+"/" != want {
			t.Fatalf("path %q is not bucket and key %q", r.Path, want)
		}
	})
}

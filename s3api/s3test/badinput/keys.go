package badinput

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func encodeQuery(s string) string { return strings.ReplaceAll(encode(s), "/", "%2F") }

func decode(t *testing.T, s string) string {
	t.Helper()
	out, err := url.PathUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// keys is rows 26 to 50.
func (s *suite) keys(t *testing.T) {
	s.names(t)
	s.literalKeys(t)
	s.hostileKeys(t)
	s.virtualHost(t)
	s.parameters(t)
	s.listParameters(t)
}

func (s *suite) names(t *testing.T) {
	for _, name := range []string{"AB", "ABCD", "a_b", "a_bcd", "ab", strings.Repeat("a", 64), "1.2.3.4", "a..b", "-abc", "xn--a", "xn--abc", "abc-s3alias", "a%20b"} {
		s.row(t, 26, "bucket "+name, s.request("PUT", "/"+name, nil).bytes(), is(400, "InvalidBucketName"))
	}
	long := strings.Repeat("k", 1024)
	s.row(t, 27, "key of 1024 bytes", s.put(long, "x").bytes(), is(200))
	s.row(t, 27, "key of 1025 bytes", s.put(long+"k", "x").bytes(), is(400, "KeyTooLongError"))
	s.row(t, 27, "key of 1026 bytes and 513 characters", s.put(strings.Repeat("%C3%A4", 513), "x").bytes(), is(400, "KeyTooLongError"))
	s.row(t, 27, "key of 1024 bytes and 512 characters", s.put(strings.Repeat("%C3%A4", 512), "x").bytes(), is(200))
}

func (s *suite) literalKeys(t *testing.T) {
	s.must(t, s.request("PUT", "/"+s.other+"/k", []byte("of the other bucket")), 200)
	for row, keys := range map[int][]string{
		28: {"../" + s.other + "/k"},
		29: {"%2e%2e/" + s.other + "/k", "a/..%2f..%2f..%2f" + s.other + "/k", "a/%2E%2E/%2e%2e/k", ".."},
		35: {"a%00b"},
		36: {"%ff%fe", "%c0%af", "%ed%a0%80", "%f8%88%80%80%80"},
		37: {"%zz", "%", "a%4", "%%41"},
	} {
		for _, key := range keys {
			s.row(t, row, key, s.request("GET", s.path(key), nil).bytes(), is(400, "InvalidURI"))
		}
	}
	for _, c := range []struct {
		row      int
		raw, key string
	}{
		{30, "a/../k", "a/../k"},
		{31, "%252e%252e/k", "%2e%2e/k"},
		{32, "a//b", "a//b"}, {32, "/a", "/a"}, {32, "a/", "a/"}, {32, "a", "a"},
		{33, "a%5c..%5cx", `a\..\x`},
		{34, ".", "."}, {34, ".minio.sys/x", ".minio.sys/x"}, {34, ".catena/x", ".catena/x"}, {34, "...", "..."},
	} {
		t.Run(fmt.Sprintf("%d %s is literal", c.row, c.raw), func(t *testing.T) {
			s.must(t, s.request("GET", s.path(c.raw), nil), 404)
			s.must(t, s.put(c.raw, "bytes of "+c.raw), 200)
			if a := s.must(t, s.request("GET", s.path(c.raw), nil), 200); a.body != "bytes of "+c.raw {
				t.Fatalf("the object is %q", a.body)
			}
			if !slices.Contains(s.list(t, s.bucket, c.key), c.key) {
				t.Fatalf("%q is not listed", c.key)
			}
		})
	}
	t.Run("32 the keys are distinct", func(t *testing.T) {
		for _, key := range []string{"a//b", "/a", "a/", "a"} {
			if a := s.must(t, s.request("GET", s.path(key), nil), 200); a.body != "bytes of "+key {
				t.Fatalf("%q is %q", key, a.body)
			}
		}
	})
}

// hostileKeys is row 38.
func (s *suite) hostileKeys(t *testing.T) {
	all := []string{"h/\x01", "h/\r\n\t", `h/<&>"'`, "h/😀", "h/a b+c%20", "h/]]>", "h/\u007f\u0085", "h/&#0;"}
	for _, key := range all {
		s.row(t, 38, fmt.Sprintf("put %q", key), s.put(encode(key), "x").bytes(), is(200))
	}
	t.Run("38 the listed keys", func(t *testing.T) {
		for _, v := range []string{"", "list-type=2&"} {
			a := s.must(t, s.request("GET", "/"+s.bucket+"?"+v+"prefix=h%2F", nil), 200)
			var l struct{ Contents []struct{ Key string } }
			if err := xml.Unmarshal([]byte(a.body), &l); err != nil || len(l.Contents) != len(all) {
				t.Fatalf("%d keys, %v", len(l.Contents), err)
			}
		}
		listed := s.list(t, s.bucket, "h/")
		for _, key := range all {
			if !slices.Contains(listed, key) {
				t.Fatalf("%q is not in %q", key, listed)
			}
		}
		for _, key := range listed {
			s.must(t, s.request("DELETE", s.path(encode(key)), nil), 204)
		}
		if left := s.list(t, s.bucket, "h/"); len(left) > 0 {
			t.Fatalf("not deleted: %q", left)
		}
	})
}

// virtualHost is row 39.
func (s *suite) virtualHost(t *testing.T) {
	if s.Domain == "" {
		return
	}
	t.Run("39 virtual host", func(t *testing.T) {
		onHost := func(method, target string, body []byte) *req {
			return s.request(method, target, body).but(func(r *req) { r.host = s.bucket + "." + s.Domain })
		}
		s.must(t, onHost("PUT", "/"+s.other+"/k", []byte("of the first bucket")), 200)
		if a := s.must(t, s.request("GET", "/"+s.other+"/k", nil), 200); a.body != "of the other bucket" {
			t.Fatalf("the other bucket's object is %q", a.body)
		}
		if a := s.must(t, s.request("GET", s.path(s.other+"/k"), nil), 200); a.body != "of the first bucket" {
			t.Fatalf("the object is %q", a.body)
		}
	})
}

func (s *suite) parameters(t *testing.T) {
	invalid := is(400, "InvalidArgument")
	get := func(query string) []byte { return s.request("GET", s.path("probe")+"?"+query, nil).bytes() }
	onBucket := func(query string) []byte { return s.request("GET", "/"+s.bucket+"?"+query, nil).bytes() }
	putQuery := func(query string) []byte { return s.request("PUT", s.path("part")+"?"+query, []byte("x")).bytes() }
	s.row(t, 40, "empty version", get("versionId="), invalid)
	s.row(t, 41, "version garbage", get("versionId=garbage"), invalid)
	s.row(t, 41, "unknown version", get("versionId=0123456789abcdef0123456789abcdef"), is(404, "NoSuchVersion"))
	s.row(t, 41, "null version", get("versionId=null"), is(200))
	s.row(t, 42, "two versions", get("versionId=null&versionId=0123456789abcdef0123456789abcdef"), invalid)
	s.row(t, 42, "two uploads", get("uploadId=a&uploadId=b"), invalid)
	s.row(t, 43, "acl and policy", onBucket("acl=&policy="), invalid)
	s.row(t, 43, "uploads and delete", s.request("POST", "/"+s.bucket+"?uploads=&delete=", nil).bytes(), invalid)
	for _, n := range []string{"0", "10001", "abc", "-1", "", "1e1"} {
		s.row(t, 47, "part number "+n, putQuery("partNumber="+n+"&uploadId=u"), invalid)
	}
	s.row(t, 48, "part without upload", putQuery("partNumber=1"), invalid)
	s.row(t, 49, "upload without part", putQuery("uploadId=u"), is(405, "MethodNotAllowed"))
	s.row(t, 50, "uploads of a key", get("uploads="), is(400, "InvalidRequest"))
	s.row(t, 50, "versions of a key", get("versions="), is(400, "InvalidRequest"))
}

func (s *suite) listParameters(t *testing.T) {
	invalid := is(400, "InvalidArgument")
	list := func(bucket, query string) []byte { return s.request("GET", "/"+bucket+"?"+query, nil).bytes() }
	for _, n := range []string{"-1", "abc", "2147483648", "1.5"} {
		s.row(t, 44, "max-keys "+n, list(s.bucket, "max-keys="+n), invalid)
		s.row(t, 44, "max-keys "+n+" of version 2", list(s.bucket, "list-type=2&max-keys="+n), invalid)
	}
	t.Run("44 max-keys is clamped", func(t *testing.T) {
		a := s.must(t, s.request("GET", "/"+s.bucket+"?max-keys=99999", nil), 200)
		if !strings.Contains(a.body, "<MaxKeys>1000</MaxKeys>") {
			t.Fatal(a.body)
		}
	})
	for _, token := range []string{"", "garbage", "AAAA", strings.Repeat("A", 3000)} {
		s.row(t, 45, "token "+token[:min(len(token), 8)], list(s.bucket, "continuation-token="+token+"&list-type=2"), invalid)
	}
	t.Run("45 token of another bucket", func(t *testing.T) {
		a := s.must(t, s.request("GET", "/"+s.bucket+"?list-type=2&max-keys=1", nil), 200)
		var l struct{ NextContinuationToken string }
		if err := xml.Unmarshal([]byte(a.body), &l); err != nil || l.NextContinuationToken == "" {
			t.Fatalf("no token: %v: %s", err, a.body)
		}
		query := "?continuation-token=" + encodeQuery(l.NextContinuationToken) + "&list-type=2"
		s.must(t, s.request("GET", "/"+s.bucket+query, nil), 200)
		if a := s.must(t, s.request("GET", "/"+s.other+query, nil), 400); a.code != "InvalidArgument" {
			t.Fatal(a.body)
		}
	})
	s.row(t, 46, "encoding-type", list(s.bucket, "encoding-type=foo"), invalid)
	s.row(t, 46, "list-type", list(s.bucket, "list-type=3"), invalid)
}

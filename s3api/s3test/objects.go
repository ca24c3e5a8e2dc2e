package s3test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testObjects(t *testing.T, s *suite) {
	b := s.bucket(t)
	t.Run("a life", func(t *testing.T) {
		s.fails(t, call{method: "GET", bucket: b, key: "k"}, 404, "NoSuchKey")
		s.fails(t, call{method: "HEAD", bucket: b, key: "k"}, 404, "")
		a := s.put(t, b, "k", "bar")
		require.Equal(t, `"37b51d194a7513e45b56f6524f2d51f2"`, a.header.Get("ETag"), "the ETag is the quoted MD5")
		require.Empty(t, a.body)
		a = s.get(t, b, "k")
		require.Equal(t, "bar", a.text())
		require.Equal(t, `"37b51d194a7513e45b56f6524f2d51f2"`, a.header.Get("ETag"))
		require.Equal(t, "bytes", a.header.Get("Accept-Ranges"))
		require.Equal(t, "binary/octet-stream", a.header.Get("Content-Type"))
		require.Empty(t, a.header.Get("x-amz-version-id"))
		modified, err := http.ParseTime(a.header.Get("Last-Modified"))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), modified, time.Minute)
		head := s.head(t, b, "k")
		for _, name := range []string{"ETag", "Last-Modified", "Content-Length", "Content-Type"} {
			require.Equal(t, a.header.Get(name), head.header.Get(name), name)
		}
		s.put(t, b, "k", "soup")
		require.Equal(t, "soup", s.get(t, b, "k").text())
		require.Equal(t, 204, s.ok(t, call{method: "DELETE", bucket: b, key: "k"}).status)
		s.fails(t, call{method: "GET", bucket: b, key: "k"}, 404, "NoSuchKey")
	})
	t.Run("sizes", func(t *testing.T) {
		sizes := []int{0, 1, 511, 4096, 65535, 65536, 65537, 262144, 1<<20 + 1, 8<<20 - 1, 8 << 20, 8<<20 + 1}
		for i, n := range sizes {
			data := pattern(n, byte(i))
			a := s.ok(t, call{method: "PUT", bucket: b, key: "size", body: data})
			require.Equal(t, md5Hex(data), a.etag())
			got := s.get(t, b, "size")
			require.True(t, bytes.Equal(data, got.body), "%d bytes come back as they went", n)
			require.Equal(t, itoa(n), s.head(t, b, "size").header.Get("Content-Length"))
		}
	})
	t.Run("chunked transfer coding", func(t *testing.T) {
		data := pattern(100_000, 7)
		c := call{method: "PUT", bucket: b, key: "chunked", reader: bytes.NewReader(data), size: -1,
			header: h("x-amz-decoded-content-length", itoa(len(data)))}
		delete(c.header, "x-amz-decoded-content-length") // no aws-chunked here: the plain coding of HTTP
		a := s.send(t, c)
		if a.status == 411 { // allowed: the length was not announced
			require.Equal(t, "MissingContentLength", a.code)
			return
		}
		require.Equal(t, 200, a.status, "%s", a.body)
		require.True(t, bytes.Equal(data, s.get(t, b, "chunked").body))
	})
	testObjectOddities(t, s, b)
}

// testObjectOddities has what is refused, and what is ignored.
func testObjectOddities(t *testing.T, s *suite, b string) {
	t.Run("Content-MD5", func(t *testing.T) {
		s.put(t, b, "md5", "bar", "Content-MD5", md5Base64([]byte("bar")))
		s.fails(t, call{method: "PUT", bucket: b, key: "md5", body: []byte("other"), header: h("Content-MD5", md5Base64([]byte("bar")))}, 400, "BadDigest")
		s.fails(t, call{method: "PUT", bucket: b, key: "md5", body: []byte("other"), header: h("Content-MD5", "nonsense")}, 400, "InvalidDigest")
		require.Equal(t, "bar", s.get(t, b, "md5").text(), "what was refused left nothing behind")
	})
	t.Run("Expect", func(t *testing.T) {
		s.put(t, b, "expect", "bar", "Expect", "")
		s.put(t, b, "expect", "bar", "Expect", "100-continue")
		s.put(t, b, "expect", "", "Expect", "100-continue")
		require.Empty(t, s.get(t, b, "expect").body)
		s.fails(t, call{method: "PUT", bucket: s.name(), key: "k", body: []byte("v"), header: h("Expect", "100-continue")}, 404, "NoSuchBucket")
		s.put(t, b, "expect", "after an error")
	})
	t.Run("a body where none belongs", func(t *testing.T) {
		s.put(t, b, "nobody", "stays")
		for _, c := range []call{{method: "DELETE", key: "nobody"}, {method: "POST", key: "nobody", query: "uploads"}, {method: "DELETE"},
			{method: "PUT", key: "copy", header: h("x-amz-copy-source", b+"/nobody")}} {
			c.bucket, c.body = b, []byte("unexpected")
			s.fails(t, c, 400, "UnexpectedContent")
		}
		require.Equal(t, "stays", s.get(t, b, "nobody").text())
	})
	t.Run("headers of others", func(t *testing.T) {
		s.put(t, b, "trust", "v", "x-amz-principal", "root", "x-minio-replication", "true", "x-catena-internal", "yes", "X-Forwarded-For", "10.0.0.1")
		a := s.head(t, b, "trust")
		for _, name := range []string{"x-amz-principal", "x-minio-replication", "x-catena-internal"} {
			require.Empty(t, a.header.Get(name), "%s means nothing and is not kept", name)
		}
	})
	t.Run("errors name the key", func(t *testing.T) {
		a := s.fails(t, call{method: "GET", bucket: b, key: "nicht da"}, 404, "NoSuchKey")
		require.Contains(t, a.text(), "<Key>nicht da</Key>")
		require.Equal(t, "application/xml", a.header.Get("Content-Type"))
	})
}

func testKeys(t *testing.T, s *suite) {
	b := s.bucket(t)
	keys := []string{"foo", "foo/bar", "foo/", "foo//bar", "/front", "a b+c%d&e=f?g#h", "ünï/cödé", "日本/語", "\U0001F600",
		"quote\"'<>&", "back\\slash", "dot/./x", "tilde~*()!", "tab\there", strings.Repeat("k", 1024), "%41", "a%2Fb", ".", "..."}
	for _, k := range keys {
		s.put(t, b, k, "is "+k)
	}
	for _, k := range keys {
		require.Equal(t, "is "+k, s.get(t, b, k).text(), "every key has its own object: %q", k)
	}
	doc := parse[listDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "list-type=2&encoding-type=url"}))
	require.Equal(t, "url", doc.EncodingType)
	var listed []string
	for _, k := range doc.keys() {
		plain, err := url.PathUnescape(strings.ReplaceAll(k, "+", "%20"))
		require.NoError(t, err)
		listed = append(listed, plain)
	}
	require.ElementsMatch(t, keys, listed)
	require.IsIncreasing(t, listed, "keys are ordered by their bytes")
	s.fails(t, call{method: "PUT", bucket: b, key: strings.Repeat("k", 1025)}, 400, "KeyTooLongError")
	s.fails(t, call{method: "PUT", bucket: b, key: strings.Repeat("ü", 513)}, 400, "KeyTooLongError")
	for _, k := range keys {
		s.ok(t, call{method: "DELETE", bucket: b, key: k})
	}
	require.Empty(t, parse[listDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "list-type=2"})).Contents)
}

func testMetadata(t *testing.T, s *suite) {
	b := s.bucket(t)
	t.Run("standard headers come back", func(t *testing.T) {
		headers := h("Content-Type", "text/plain; charset=utf-8", "Content-Language", "de", "Content-Disposition", `attachment; filename="x.txt"`,
			"Cache-Control", "public, max-age=14400", "Expires", "Thu, 01 Dec 1994 16:00:00 GMT", "x-amz-website-redirect-location", "/elsewhere",
			"x-amz-meta-one", "Eins", "X-Amz-Meta-Two", "zwei, drei", "x-amz-meta-empty", "")
		s.ok(t, call{method: "PUT", bucket: b, key: "k", body: []byte("v"), header: headers})
		for _, a := range []answer{s.get(t, b, "k"), s.head(t, b, "k")} {
			for name, v := range headers {
				require.Equal(t, v, a.header.Get(name), name)
			}
			require.Contains(t, a.header, "X-Amz-Meta-Empty", "an empty value is a value")
		}
		s.put(t, b, "k", "v")
		require.Empty(t, s.head(t, b, "k").header.Get("x-amz-meta-one"), "an overwrite leaves no metadata of the old object")
	})
	t.Run("beyond ASCII", func(t *testing.T) {
		s.put(t, b, "u", "v", "x-amz-meta-name", "Gr\u00fc\u00dfe")
		require.Equal(t, "Gr\u00fc\u00dfe", s.head(t, b, "u").header.Get("x-amz-meta-name"))
	})
	t.Run("two kilobytes", func(t *testing.T) {
		s.put(t, b, "m", "v", "x-amz-meta-a", strings.Repeat("x", 2047))
		s.fails(t, call{method: "PUT", bucket: b, key: "m", header: h("x-amz-meta-a", strings.Repeat("x", 2048))}, 400, "MetadataTooLarge")
		s.fails(t, call{method: "PUT", bucket: b, key: "m", header: h("x-amz-meta-a", strings.Repeat("x", 1024), "x-amz-meta-b", strings.Repeat("x", 1024))}, 400, "MetadataTooLarge")
	})
	t.Run("aws-chunked is no coding of the object", func(t *testing.T) {
		for sent, want := range map[string]string{"gzip": "gzip", "deflate, gzip": "deflate, gzip", "gzip, aws-chunked": "gzip",
			"aws-chunked, gzip": "gzip", "aws-chunked": "", "aws-chunked, aws-chunked": ""} {
			s.put(t, b, "ce", "", "Content-Encoding", sent)
			require.Equal(t, want, s.head(t, b, "ce").header.Get("Content-Encoding"), sent)
		}
	})
	t.Run("headers that ask for what is so", func(t *testing.T) {
		s.put(t, b, "d", "v", "x-amz-acl", "private", "x-amz-storage-class", "STANDARD", "x-amz-tagging", "")
		require.Empty(t, s.head(t, b, "d").header.Get("x-amz-storage-class"), "STANDARD is not said")
	})
	t.Run("overrides", func(t *testing.T) {
		s.put(t, b, "o", "v", "Content-Type", "text/plain", "Cache-Control", "no-store")
		a := s.ok(t, call{method: "GET", bucket: b, key: "o", query: "response-content-type=text%2Fhtml&response-content-disposition=inline%3B%20filename%3Dx" +
			"&response-cache-control=no-cache&response-content-language=fr&response-expires=never&response-content-encoding=br"})
		for name, v := range h("Content-Type", "text/html", "Content-Disposition", "inline; filename=x", "Cache-Control", "no-cache",
			"Content-Language", "fr", "Expires", "never", "Content-Encoding", "br") {
			require.Equal(t, v, a.header.Get(name), name)
		}
		a = s.fails(t, call{method: "GET", bucket: b, key: "o", query: "response-content-disposition=a%0D%0ASet-Cookie%3A%20x"}, 400, "InvalidArgument")
		require.Empty(t, a.header.Get("Set-Cookie"))
	})
}

func testRanges(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "k", "testcontent")
	for _, tc := range []struct {
		header, body, contentRange string
		status                     int
	}{
		{"bytes=4-7", "cont", "bytes 4-7/11", 206},
		{"bytes=0-0", "t", "bytes 0-0/11", 206},
		{"bytes=4-", "content", "bytes 4-10/11", 206},
		{"bytes=-7", "content", "bytes 4-10/11", 206},
		{"bytes=-99", "testcontent", "bytes 0-10/11", 206},
		{"bytes=0-99", "testcontent", "bytes 0-10/11", 206},
		{"bytes=0-99999999999999999999", "testcontent", "bytes 0-10/11", 206},
		{"bytes=7-4", "testcontent", "", 200},
		{"bytes=0-1,3-4", "testcontent", "", 200},
		{"bytes=a-b", "testcontent", "", 200},
		{"lines=1-2", "testcontent", "", 200},
		{"bytes=", "testcontent", "", 200},
	} {
		a := s.get(t, b, "k", "Range", tc.header)
		require.Equal(t, tc.status, a.status, tc.header)
		require.Equal(t, tc.body, a.text(), tc.header)
		require.Equal(t, tc.contentRange, a.header.Get("Content-Range"), tc.header)
		head := s.head(t, b, "k", "Range", tc.header)
		require.Equal(t, tc.status, head.status, tc.header)
		require.Equal(t, itoa(len(tc.body)), head.header.Get("Content-Length"), tc.header)
	}
	s.put(t, b, "empty", "")
	for key, bad := range map[string][]string{"k": {"bytes=11-", "bytes=40-50", "bytes=-0"}, "empty": {"bytes=0-0", "bytes=0-", "bytes=40-50", "bytes=-1"}} {
		for _, r := range bad {
			s.fails(t, call{method: "GET", bucket: b, key: key, header: h("Range", r)}, 416, "InvalidRange")
			s.fails(t, call{method: "HEAD", bucket: b, key: key, header: h("Range", r)}, 416, "")
		}
	}
	s.fails(t, call{method: "GET", bucket: b, key: "k", query: "partNumber=1", header: h("Range", "bytes=0-1")}, 400, "InvalidRequest")
	a := s.get(t, b, "k", "Range", "bytes=0-1", "x-amz-checksum-mode", "ENABLED")
	require.Empty(t, a.header.Get("x-amz-checksum-crc64nvme"), "an arbitrary range has no checksum")
	a = s.get(t, b, "k", "Range", "bytes=0-1", "If-Range", `"other"`)
	require.Equal(t, "testcontent", a.text(), "If-Range of another version gives all of it")
	a = s.get(t, b, "k", "Range", "bytes=0-1", "If-Range", `"`+a.etag()+`"`)
	require.Equal(t, "te", a.text())
	a = s.ok(t, call{method: "GET", bucket: b, key: "k", query: "partNumber=1"})
	require.Equal(t, "testcontent", a.text())
	require.Empty(t, a.header.Get("x-amz-mp-parts-count"), "no parts of a single PUT")
	s.fails(t, call{method: "GET", bucket: b, key: "k", query: "partNumber=2"}, 416, "InvalidPartNumber")
	data := pattern(9<<20, 3)
	s.ok(t, call{method: "PUT", bucket: b, key: "big", body: data})
	for _, r := range [][2]int{{3145728, 5242880}, {8<<20 - 1, 8 << 20}, {8 << 20, 9<<20 - 1}, {65535, 65536}, {0, 9<<20 - 1}, {1, 300_000}} {
		a := s.get(t, b, "big", "Range", "bytes="+itoa(r[0])+"-"+itoa(r[1]))
		require.True(t, bytes.Equal(data[r[0]:r[1]+1], a.body), "%v", r)
	}
}

func testConditions(t *testing.T, s *suite) {
	b := s.bucket(t)
	etag := s.put(t, b, "k", "bar", "Cache-Control", "max-age=60").header.Get("ETag")
	modified, err := http.ParseTime(s.head(t, b, "k").header.Get("Last-Modified"))
	require.NoError(t, err)
	date := func(d time.Duration) string { return modified.Add(d).Format(http.TimeFormat) }
	const other = `"abcdef0123456789abcdef0123456789"`
	for name, tc := range map[string]struct {
		header []string
		status int
	}{
		"match":                                    {h2("If-Match", etag), 200},
		"match without quotes":                     {h2("If-Match", strings.Trim(etag, `"`)), 200},
		"match any":                                {h2("If-Match", "*"), 200},
		"match in a list":                          {h2("If-Match", other+", "+etag), 200},
		"match other":                              {h2("If-Match", other), 412},
		"match weak":                               {h2("If-Match", "W/"+etag), 412},
		"none match other":                         {h2("If-None-Match", other), 200},
		"none match":                               {h2("If-None-Match", etag), 304},
		"none match weak":                          {h2("If-None-Match", "W/"+etag), 304},
		"none match any":                           {h2("If-None-Match", "*"), 304},
		"none match in a list":                     {h2("If-None-Match", other+","+etag), 304},
		"modified since before":                    {h2("If-Modified-Since", date(-time.Hour)), 200},
		"modified since then":                      {h2("If-Modified-Since", date(0)), 304},
		"modified since later":                     {h2("If-Modified-Since", date(time.Second)), 304},
		"modified since no date":                   {h2("If-Modified-Since", "yesterday"), 200},
		"unmodified since before":                  {h2("If-Unmodified-Since", date(-time.Hour)), 412},
		"unmodified since then":                    {h2("If-Unmodified-Since", date(0)), 200},
		"unmodified since later":                   {h2("If-Unmodified-Since", date(time.Hour)), 200},
		"match wins over unmodified":               {h2("If-Match", etag, "If-Unmodified-Since", date(-time.Hour)), 200},
		"none match wins over modified":            {h2("If-None-Match", other, "If-Modified-Since", date(time.Hour)), 200},
		"none match and modified":                  {h2("If-None-Match", etag, "If-Modified-Since", date(-time.Hour)), 304},
		"412 comes before 304":                     {h2("If-Match", other, "If-None-Match", etag), 412},
		"a failed condition wins over a bad range": {h2("If-None-Match", etag, "Range", "bytes=99-"), 304},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				a := s.send(t, call{method: method, bucket: b, key: "k", header: h(tc.header...)})
				require.Equal(t, tc.status, a.status, method)
				switch {
				case a.status == 304:
					require.Empty(t, a.body)
					require.Equal(t, etag, a.header.Get("ETag"))
					require.Equal(t, "max-age=60", a.header.Get("Cache-Control"))
				case a.status == 412 && method == "GET":
					require.Equal(t, "PreconditionFailed", a.code)
				case a.status == 200 && method == "GET":
					require.Equal(t, "bar", a.text())
				}
			}
		})
	}
	s.fails(t, call{method: "GET", bucket: b, key: "none", header: h("If-Match", "*")}, 404, "NoSuchKey")
	s.fails(t, call{method: "GET", bucket: b, key: "none", header: h("If-None-Match", "*")}, 404, "NoSuchKey")
}

func h2(pairs ...string) []string { return pairs }

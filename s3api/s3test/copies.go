package s3test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func copyCall(bucket, key, source string, header ...string) call {
	c := call{method: "PUT", bucket: bucket, key: key, header: h(header...)}
	c.header["x-amz-copy-source"] = source
	return c
}

func testCopy(t *testing.T, s *suite) {
	a, b := s.bucket(t), s.bucket(t)
	etag := s.put(t, a, "src", "bar", "Content-Type", "audio/ogg", "Cache-Control", "no-store", "x-amz-meta-k1", "v1").header.Get("ETag")
	t.Run("to another bucket, with its metadata", func(t *testing.T) {
		for _, source := range []string{a + "/src", "/" + a + "/src", a + "/s%72c"} {
			doc := parse[copyDoc](t, s.ok(t, copyCall(b, "dst", source)))
			require.Equal(t, etag, doc.ETag)
			_, err := time.Parse(time.RFC3339, doc.LastModified)
			require.NoError(t, err)
			got := s.get(t, b, "dst")
			require.Equal(t, "bar", got.text())
			require.Equal(t, "audio/ogg", got.header.Get("Content-Type"))
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "v1", got.header.Get("x-amz-meta-k1"))
		}
	})
	t.Run("headers of the request do not count with COPY", func(t *testing.T) {
		s.ok(t, copyCall(b, "dst", a+"/src", "x-amz-meta-k2", "v2", "Content-Type", "text/plain"))
		got := s.head(t, b, "dst")
		require.Equal(t, "v1", got.header.Get("x-amz-meta-k1"))
		require.Empty(t, got.header.Get("x-amz-meta-k2"))
		require.Equal(t, "audio/ogg", got.header.Get("Content-Type"))
	})
	t.Run("REPLACE", func(t *testing.T) {
		s.ok(t, copyCall(b, "dst", a+"/src", "x-amz-metadata-directive", "REPLACE", "x-amz-meta-k2", "v2", "Content-Type", "audio/mpeg"))
		got := s.get(t, b, "dst")
		require.Equal(t, "bar", got.text())
		require.Equal(t, "v2", got.header.Get("x-amz-meta-k2"))
		require.Empty(t, got.header.Get("x-amz-meta-k1"))
		require.Equal(t, "audio/mpeg", got.header.Get("Content-Type"))
		require.Empty(t, got.header.Get("Cache-Control"))
		s.fails(t, copyCall(b, "dst", a+"/src", "x-amz-metadata-directive", "MERGE"), 400, "InvalidArgument")
	})
	t.Run("onto itself", func(t *testing.T) {
		s.fails(t, copyCall(a, "src", a+"/src"), 400, "InvalidRequest")
		s.ok(t, copyCall(a, "src", a+"/src", "x-amz-metadata-directive", "REPLACE", "x-amz-meta-k1", "new"))
		got := s.get(t, a, "src")
		require.Equal(t, "bar", got.text())
		require.Equal(t, "new", got.header.Get("x-amz-meta-k1"))
		require.Equal(t, etag, got.header.Get("ETag"))
	})
	t.Run("the copy does not hang on its source", func(t *testing.T) {
		for _, n := range []int{0, 3, 100_000, 17 << 20} {
			data := pattern(n, 9)
			s.ok(t, call{method: "PUT", bucket: a, key: "tmp", body: data})
			s.ok(t, copyCall(b, "kept", a+"/tmp"))
			s.ok(t, copyCall(b, "kept2", b+"/kept"))
			s.put(t, a, "tmp", "overwritten")
			s.ok(t, call{method: "DELETE", bucket: b, key: "kept"})
			require.True(t, bytes.Equal(data, s.get(t, b, "kept2").body), "%d bytes", n)
		}
	})
	t.Run("odd keys", func(t *testing.T) {
		for _, k := range []string{" ", "_", "?versionId", "a+b", "ü/%25", "x%2Fy"} {
			s.put(t, a, k, "is "+k)
			s.ok(t, copyCall(b, "odd", a+"/"+escape(k)))
			require.Equal(t, "is "+k, s.get(t, b, "odd").text(), k)
		}
	})
	t.Run("absent and malformed sources", func(t *testing.T) {
		s.fails(t, copyCall(b, "x", a+"/none"), 404, "NoSuchKey")
		s.fails(t, copyCall(b, "x", s.name()+"/none"), 404, "NoSuchBucket")
		s.fails(t, copyCall(s.name(), "x", a+"/src"), 404, "NoSuchBucket")
		s.fails(t, copyCall(b, "x", a+"/src?versionId=00000000000000000000000000000001"), 404, "NoSuchVersion")
		s.ok(t, copyCall(b, "x", a+"/src?versionId=null"))
		for _, bad := range []string{"b", "/", "..%2Fb/k", a, a + "/"} {
			s.fails(t, copyCall(b, "y", bad), 400, "InvalidArgument")
		}
		s.fails(t, call{method: "GET", bucket: b, key: "y"}, 404, "NoSuchKey")
	})
	testCopyConditions(t, s, a, b, etag)
}

func testCopyConditions(t *testing.T, s *suite, a, b, etag string) {
	modified, err := http.ParseTime(s.head(t, a, "src").header.Get("Last-Modified"))
	require.NoError(t, err)
	early, late := modified.Add(-time.Hour).Format(http.TimeFormat), modified.Add(time.Hour).Format(http.TimeFormat)
	const p = "x-amz-copy-source-if-"
	for name, tc := range map[string]struct {
		header []string
		ok     bool
	}{
		"match":                            {h2(p+"match", etag), true},
		"match other":                      {h2(p+"match", "ABCORZ"), false},
		"none match":                       {h2(p+"none-match", etag), false},
		"none match other":                 {h2(p+"none-match", "ABCORZ"), true},
		"modified since":                   {h2(p+"modified-since", early), true},
		"not modified since":               {h2(p+"modified-since", late), false},
		"unmodified since":                 {h2(p+"unmodified-since", late), true},
		"not unmodified since":             {h2(p+"unmodified-since", early), false},
		"match wins over unmodified since": {h2(p+"match", etag, p+"unmodified-since", early), true},
		"none match wins over modified":    {h2(p+"none-match", etag, p+"modified-since", early), false},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.initiate(t, b, "cond-part")
			part := copyCall(b, "cond-part", a+"/src", tc.header...)
			part.query = "partNumber=1&uploadId=" + escape(id)
			for _, c := range []call{copyCall(b, "cond", a+"/src", tc.header...), part} {
				if tc.ok {
					s.ok(t, c)
				} else {
					s.fails(t, c, 412, "PreconditionFailed")
				}
			}
			s.ok(t, call{method: "DELETE", bucket: b, key: "cond-part", query: "uploadId=" + escape(id)})
		})
	}
}

func testPartCopy(t *testing.T, s *suite) {
	a, b := s.bucket(t), s.bucket(t)
	data := pattern(11<<20, 5)
	s.ok(t, call{method: "PUT", bucket: a, key: "src", body: data})
	part := func(id string, n int, source string, header ...string) call {
		c := copyCall(b, "dst", source, header...)
		c.query = "partNumber=" + itoa(n) + "&uploadId=" + escape(id)
		return c
	}
	t.Run("ranges make an object", func(t *testing.T) {
		id := s.initiate(t, b, "dst")
		cut := []int{0, 5 << 20, 10<<20 + 77, 11 << 20}
		var etags []string
		for i := range 3 {
			doc := parse[copyDoc](t, s.ok(t, part(id, i+1, a+"/src", "x-amz-copy-source-range", "bytes="+itoa(cut[i])+"-"+itoa(cut[i+1]-1))))
			require.Equal(t, `"`+md5Hex(data[cut[i]:cut[i+1]])+`"`, doc.ETag, "the MD5 of the range")
			etags = append(etags, doc.ETag)
		}
		s.ok(t, call{method: "DELETE", bucket: a, key: "gone"})
		s.complete(t, b, "dst", id, etags...)
		require.True(t, bytes.Equal(data, s.get(t, b, "dst").body))
	})
	t.Run("the whole source is a part", func(t *testing.T) {
		s.put(t, a, "small", "ten bytes.")
		id := s.initiate(t, b, "dst")
		doc := parse[copyDoc](t, s.ok(t, part(id, 1, a+"/small")))
		s.complete(t, b, "dst", id, doc.ETag)
		require.Equal(t, "ten bytes.", s.get(t, b, "dst").text())
	})
	t.Run("what is refused", func(t *testing.T) {
		s.put(t, a, "five", "12345")
		id := s.initiate(t, b, "dst")
		for _, bad := range []string{"0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=3-1", "bytes=-2", "bytes=0-"} {
			s.fails(t, part(id, 1, a+"/five", "x-amz-copy-source-range", bad), 400, "InvalidArgument")
		}
		s.fails(t, part(id, 1, a+"/five", "x-amz-copy-source-range", "bytes=0-21"), 416, "InvalidRange")
		s.fails(t, part(id, 1, a+"/five", "x-amz-copy-source-range", "bytes=5-5"), 416, "InvalidRange")
		s.fails(t, part(id, 1, a+"/none"), 404, "NoSuchKey")
		s.fails(t, part("none", 1, a+"/five"), 404, "NoSuchUpload")
		require.Empty(t, parse[partsDoc](t, s.ok(t, call{method: "GET", bucket: b, key: "dst", query: "uploadId=" + escape(id)})).Part)
		s.ok(t, call{method: "DELETE", bucket: b, key: "dst", query: "uploadId=" + escape(id)})
	})
	t.Run("with the checksum of the upload", func(t *testing.T) {
		for _, alg := range algorithms() {
			id := s.initiate(t, b, "dst", "x-amz-checksum-algorithm", alg)
			doc := parse[copyDoc](t, s.ok(t, part(id, 1, a+"/src", "x-amz-copy-source-range", "bytes=100-5242979")))
			require.Equal(t, sumOf(alg, data[100:5242980]), doc.of(alg), alg)
			s.ok(t, call{method: "DELETE", bucket: b, key: "dst", query: "uploadId=" + escape(id)})
		}
	})
}

package s3test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const partSize = 5 << 20

func (s *suite) initiate(t testing.TB, b, key string, header ...string) string {
	t.Helper()
	doc := parse[initiateDoc](t, s.ok(t, call{method: "POST", bucket: b, key: key, query: "uploads", header: h(header...)}))
	require.Equal(t, b, doc.Bucket)
	require.Equal(t, key, doc.Key)
	require.NotEmpty(t, doc.UploadId)
	return doc.UploadId
}

func partCall(b, key, id string, n int, data []byte, header ...string) call {
	return call{method: "PUT", bucket: b, key: key, query: "partNumber=" + itoa(n) + "&uploadId=" + escape(id), body: data, header: h(header...)}
}

func (s *suite) part(t testing.TB, b, key, id string, n int, data []byte, header ...string) answer {
	t.Helper()
	return s.ok(t, partCall(b, key, id, n, data, header...))
}

// completeBody lists parts 1, 2, ... by their ETags.
func completeBody(etags ...string) []byte {
	var w strings.Builder
	w.WriteString(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for i, e := range etags {
		fmt.Fprintf(&w, `<Part><PartNumber>%d</PartNumber><ETag>"%s"</ETag></Part>`, i+1, strings.Trim(e, `"`))
	}
	w.WriteString(`</CompleteMultipartUpload>`)
	return []byte(w.String())
}

func completeCall(b, key, id string, body []byte, header ...string) call {
	return call{method: "POST", bucket: b, key: key, query: "uploadId=" + escape(id), body: body, header: h(header...)}
}

func (s *suite) complete(t testing.TB, b, key, id string, etags ...string) completeDoc {
	t.Helper()
	return parse[completeDoc](t, s.ok(t, completeCall(b, key, id, completeBody(etags...))))
}

func (s *suite) abort(t testing.TB, b, key, id string) {
	t.Helper()
	require.Equal(t, 204, s.ok(t, call{method: "DELETE", bucket: b, key: key, query: "uploadId=" + escape(id)}).status)
}

// multipartETag is md5(md5s)-N.
func multipartETag(parts ...[]byte) string {
	h := md5.New()
	for _, p := range parts {
		d := md5.Sum(p)
		h.Write(d[:])
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + itoa(len(parts))
}

// otherCompletions repeat a completion, and say something else.
func (s *suite) otherCompletions(t *testing.T, b, key, id string, etags []string) {
	n := len(etags)
	for name, list := range map[string][]string{
		"fewer":     etags[:n-1],
		"more":      append(slices.Clone(etags), etags[0]),
		"swapped":   append([]string{etags[1], etags[0]}, etags[2:]...),
		"of others": append(slices.Clone(etags[:n-1]), md5Hex(nil)),
		"no ETag":   append(slices.Clone(etags[:n-1]), "x"),
	} {
		a := s.fails(t, completeCall(b, key, id, completeBody(list...)), 400, "InvalidPart")
		require.NotContains(t, a.text(), "<CompleteMultipartUploadResult", name)
	}
	other := strings.ReplaceAll(string(completeBody(etags...)), "<PartNumber>"+itoa(n)+"<", "<PartNumber>"+itoa(n+1)+"<")
	s.fails(t, completeCall(b, key, id, []byte(other)), 400, "InvalidPart")
	s.fails(t, completeCall(b, key, id, completeBody(etags...), "x-amz-mp-object-size", "1"), 400, "InvalidRequest")
	s.fails(t, completeCall(b, key, id, completeBody(etags...), sumHeader("CRC64NVME"), sumOf("CRC64NVME", nil)), 400, "BadDigest")
}

func testMultipart(t *testing.T, s *suite) {
	b := s.bucket(t)
	p := [][]byte{pattern(partSize, 1), pattern(partSize+4567, 2), pattern(1234, 3)}
	whole := bytes.Join(p, nil)
	t.Run("a life", func(t *testing.T) {
		s.put(t, b, "k", "old")
		id := s.initiate(t, b, "k", "Content-Type", "text/bla", "x-amz-meta-foo", "bar")
		var etags []string
		for i, data := range p {
			a := s.part(t, b, "k", id, i+1, data)
			require.Equal(t, `"`+md5Hex(data)+`"`, a.header.Get("ETag"))
			etags = append(etags, a.etag())
		}
		require.Equal(t, "old", s.get(t, b, "k").text(), "nothing shows before the completion")
		doc := s.complete(t, b, "k", id, etags...)
		require.Equal(t, `"`+multipartETag(p...)+`"`, doc.ETag)
		require.Equal(t, "k", doc.Key)
		require.True(t, strings.HasSuffix(doc.Location, "/"+b+"/k"), doc.Location)
		got := s.get(t, b, "k")
		require.True(t, bytes.Equal(whole, got.body))
		require.Equal(t, doc.ETag, got.header.Get("ETag"))
		require.Equal(t, "text/bla", got.header.Get("Content-Type"))
		require.Equal(t, "bar", got.header.Get("x-amz-meta-foo"))
		list := s.listing(t, b, "list-type=2")
		require.Equal(t, int64(len(whole)), list.Contents[0].Size)
		require.Equal(t, doc.ETag, list.Contents[0].ETag)

		again := s.complete(t, b, "k", id, etags...)
		require.Equal(t, doc, again, "a repeated completion gets the same answer")
		s.otherCompletions(t, b, "k", id, etags)
		s.fails(t, partCall(b, "k", id, 1, p[0]), 404, "NoSuchUpload")
		s.fails(t, call{method: "DELETE", bucket: b, key: "k", query: "uploadId=" + escape(id)}, 404, "NoSuchUpload")
		for i, data := range p {
			a := s.ok(t, call{method: "GET", bucket: b, key: "k", query: "partNumber=" + itoa(i+1)})
			require.Equal(t, 206, a.status)
			require.True(t, bytes.Equal(data, a.body))
			require.Equal(t, "3", a.header.Get("x-amz-mp-parts-count"))
			require.Equal(t, doc.ETag, a.header.Get("ETag"), "the ETag of the whole")
			a = s.ok(t, call{method: "HEAD", bucket: b, key: "k", query: "partNumber=" + itoa(i+1)})
			require.Equal(t, itoa(len(data)), a.header.Get("Content-Length"))
		}
		s.fails(t, call{method: "GET", bucket: b, key: "k", query: "partNumber=4"}, 416, "InvalidPartNumber")
		for _, r := range [][2]int{{partSize - 2, partSize + 1}, {2*partSize + 4560, len(whole) - 1}, {0, len(whole) - 1}} {
			a := s.get(t, b, "k", "Range", "bytes="+itoa(r[0])+"-"+itoa(r[1]))
			require.True(t, bytes.Equal(whole[r[0]:r[1]+1], a.body), "%v", r)
		}
		s.put(t, b, "k", "new")
		s.fails(t, completeCall(b, "k", id, completeBody(etags...)), 404, "NoSuchUpload")
		require.Equal(t, "new", s.get(t, b, "k").text(), "a late repeat does not bring an old object back")
	})
	testMultipartVariants(t, s, b, p)
}

func testMultipartVariants(t *testing.T, s *suite, b string, p [][]byte) {
	t.Run("parts in any order, again, and left out", func(t *testing.T) {
		id := s.initiate(t, b, "order")
		s.part(t, b, "order", id, 7, []byte("the end"))
		s.part(t, b, "order", id, 2, pattern(partSize, 8))
		e2 := s.part(t, b, "order", id, 2, p[0]).etag()
		s.part(t, b, "order", id, 5, p[1])
		e7 := s.part(t, b, "order", id, 7, []byte("The End")).etag()
		body := []byte(`<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>` + e2 + `</ETag></Part><Part><ETag>"` + e7 + `"</ETag><PartNumber>7</PartNumber></Part></CompleteMultipartUpload>`)
		s.ok(t, completeCall(b, "order", id, body))
		require.True(t, bytes.Equal(append(bytes.Clone(p[0]), "The End"...), s.get(t, b, "order").body), "the last of each number counts")
	})
	t.Run("one small part", func(t *testing.T) {
		id := s.initiate(t, b, "small")
		e := s.part(t, b, "small", id, 1, []byte("x")).etag()
		doc := s.complete(t, b, "small", id, e)
		require.Equal(t, `"`+multipartETag([]byte("x"))+`"`, doc.ETag)
		require.Equal(t, "x", s.get(t, b, "small").text())
	})
	t.Run("the size is checked", func(t *testing.T) {
		id := s.initiate(t, b, "size")
		e := s.part(t, b, "size", id, 1, []byte("123")).etag()
		s.fails(t, completeCall(b, "size", id, completeBody(e), "x-amz-mp-object-size", "4"), 400, "InvalidRequest")
		s.ok(t, completeCall(b, "size", id, completeBody(e), "x-amz-mp-object-size", "3"))
	})
	t.Run("abort", func(t *testing.T) {
		id := s.initiate(t, b, "gone")
		e := s.part(t, b, "gone", id, 1, p[2]).etag()
		s.abort(t, b, "gone", id)
		s.fails(t, call{method: "GET", bucket: b, key: "gone"}, 404, "NoSuchKey")
		s.fails(t, completeCall(b, "gone", id, completeBody(e)), 404, "NoSuchUpload")
		s.fails(t, partCall(b, "gone", id, 1, p[2]), 404, "NoSuchUpload")
		s.fails(t, call{method: "GET", bucket: b, key: "gone", query: "uploadId=" + escape(id)}, 404, "NoSuchUpload")
	})
	t.Run("a copy of it", func(t *testing.T) {
		id := s.initiate(t, b, "src")
		s.complete(t, b, "src", id, s.part(t, b, "src", id, 1, p[0]).etag(), s.part(t, b, "src", id, 2, p[2]).etag())
		doc := parse[copyDoc](t, s.ok(t, copyCall(b, "dst", b+"/src")))
		require.NotEmpty(t, strings.Trim(doc.ETag, `"`))
		s.ok(t, call{method: "DELETE", bucket: b, key: "src"})
		got := s.get(t, b, "dst")
		require.True(t, bytes.Equal(append(bytes.Clone(p[0]), p[2]...), got.body))
		require.Equal(t, doc.ETag, got.header.Get("ETag"))
	})
}

func testMultipartErrors(t *testing.T, s *suite) {
	b, other := s.bucket(t), s.bucket(t)
	id := s.initiate(t, b, "k")
	e1 := s.part(t, b, "k", id, 1, pattern(10_000, 1)).etag()
	e2 := s.part(t, b, "k", id, 2, pattern(10_000, 2)).etag()
	list := func(parts ...string) []byte {
		return []byte("<CompleteMultipartUpload>" + strings.Join(parts, "") + "</CompleteMultipartUpload>")
	}
	part := func(n, etag string) string {
		return "<Part><PartNumber>" + n + "</PartNumber><ETag>" + etag + "</ETag></Part>"
	}
	for name, tc := range map[string]struct {
		body []byte
		code string
	}{
		"nothing":             {nil, "MalformedXML"},
		"no part":             {list(), "MalformedXML"},
		"no XML":              {[]byte("parts, please"), "MalformedXML"},
		"another ETag":        {list(part("1", strings.Repeat("f", 32))), "InvalidPart"},
		"a part not there":    {list(part("9999", e1)), "InvalidPart"},
		"descending":          {list(part("2", e2), part("1", e1)), "InvalidPartOrder"},
		"the same twice":      {list(part("1", e1), part("1", e1)), "InvalidPartOrder"},
		"number 0":            {list(part("0", e1)), "InvalidArgument"},
		"number 10001":        {list(part("10001", e1)), "InvalidArgument"},
		"too small":           {list(part("1", e1), part("2", e2)), "EntityTooSmall"},
		"more than 10,000":    {list(strings.Repeat(part("1", e1), 10001)), "MalformedXML"},
		"number is no number": {list(part("one", e1)), "MalformedXML"},
	} {
		t.Run(name, func(t *testing.T) { s.fails(t, completeCall(b, "k", id, tc.body), 400, tc.code) })
	}
	for _, wrong := range []struct{ bucket, key, id string }{{b, "k", "none"}, {b, "k", "../../x"}, {b, "other", id}, {other, "k", id}, {b, "k", id + "0"}} {
		q := "uploadId=" + escape(wrong.id)
		s.fails(t, call{method: "PUT", bucket: wrong.bucket, key: wrong.key, query: "partNumber=1&" + q, body: []byte("x")}, 404, "NoSuchUpload")
		s.fails(t, call{method: "GET", bucket: wrong.bucket, key: wrong.key, query: q}, 404, "NoSuchUpload")
		s.fails(t, call{method: "DELETE", bucket: wrong.bucket, key: wrong.key, query: q}, 404, "NoSuchUpload")
		s.fails(t, call{method: "POST", bucket: wrong.bucket, key: wrong.key, query: q, body: completeBody(e1)}, 404, "NoSuchUpload")
	}
	for _, n := range []string{"0", "10001", "abc", "-1"} {
		s.fails(t, call{method: "PUT", bucket: b, key: "k", query: "partNumber=" + n + "&uploadId=" + escape(id), body: []byte("x")}, 400, "InvalidArgument")
	}
	s.fails(t, partCall(b, "k", id, 1, []byte("x"), "Content-MD5", md5Base64([]byte("y"))), 400, "BadDigest")
	s.fails(t, call{method: "GET", bucket: b, key: "k"}, 404, "NoSuchKey")
	doc := parse[partsDoc](t, s.ok(t, call{method: "GET", bucket: b, key: "k", query: "uploadId=" + escape(id)}))
	require.Len(t, doc.Part, 2, "after all that the upload is as it was")
	require.Equal(t, `"`+e1+`"`, doc.Part[0].ETag)
}

func testMultipartListing(t *testing.T, s *suite) {
	b := s.bucket(t)
	uploads := func(query string) uploadsDoc {
		return parse[uploadsDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "uploads" + query}))
	}
	require.Empty(t, uploads("").Uploads)
	ids := map[string]string{}
	for _, k := range []string{"a", "dir/1", "dir/2", "z"} {
		ids[k] = s.initiate(t, b, k)
	}
	second := s.initiate(t, b, "a")
	doc := uploads("")
	require.Len(t, doc.Uploads, 5)
	require.ElementsMatch(t, []string{ids["a"], second}, []string{doc.Uploads[0].UploadID, doc.Uploads[1].UploadID})
	require.False(t, doc.IsTruncated)
	require.Len(t, uploads("&prefix=dir%2F").Uploads, 2)
	doc = uploads("&delimiter=%2F")
	require.Len(t, doc.Uploads, 3)
	require.Equal(t, []string{"dir/"}, doc.CommonPrefixes.all())
	require.Len(t, uploads("&key-marker=a").Uploads, 3, "after the key, all its uploads")
	require.Empty(t, uploads("&max-uploads=0").Uploads)
	var seen []string
	next := ""
	for range 5 {
		doc = uploads("&max-uploads=1" + next)
		require.Len(t, doc.Uploads, 1)
		seen = append(seen, doc.Uploads[0].Key+" "+doc.Uploads[0].UploadID)
		next = "&key-marker=" + escape(doc.NextKeyMarker) + "&upload-id-marker=" + escape(doc.NextUploadIdMarker)
	}
	require.False(t, doc.IsTruncated)
	require.ElementsMatch(t, []string{"a " + ids["a"], "a " + second, "dir/1 " + ids["dir/1"], "dir/2 " + ids["dir/2"], "z " + ids["z"]}, seen)

	for n := 1; n <= 5; n++ {
		s.part(t, b, "z", ids["z"], n*2, pattern(n, byte(n)))
	}
	parts := func(query string) partsDoc {
		return parse[partsDoc](t, s.ok(t, call{method: "GET", bucket: b, key: "z", query: "uploadId=" + escape(ids["z"]) + query}))
	}
	all := parts("")
	require.Len(t, all.Part, 5)
	require.Equal(t, int64(3), all.Part[2].Size)
	require.Equal(t, `"`+md5Hex(pattern(3, 3))+`"`, all.Part[2].ETag)
	require.False(t, all.IsTruncated)
	some := parts("&max-parts=2&part-number-marker=3")
	require.True(t, some.IsTruncated)
	require.Equal(t, []int{4, 6}, []int{some.Part[0].PartNumber, some.Part[1].PartNumber})
	require.Equal(t, 6, some.NextPartNumberMarker)
	require.Len(t, parts("&part-number-marker=6").Part, 2)
	s.fails(t, call{method: "GET", bucket: b, key: "z", query: "uploadId=" + escape(ids["z"]) + "&part-number-marker=x"}, 400, "InvalidArgument")
}

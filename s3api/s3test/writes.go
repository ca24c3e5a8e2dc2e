package s3test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// write is one way to write an object under a condition.
type write struct {
	name string
	do   func(t *testing.T, key, body string, header map[string]string) answer
}

// writes are all ways; each must treat a condition alike.
func (s *suite) writes(t testing.TB, b string) []write {
	src := s.bucket(t)
	return []write{
		{"put", func(t *testing.T, key, body string, header map[string]string) answer {
			return s.send(t, call{method: "PUT", bucket: b, key: key, body: []byte(body), header: header})
		}},
		{"copy", func(t *testing.T, key, body string, header map[string]string) answer {
			s.put(t, src, "source", body)
			header["x-amz-copy-source"] = src + "/source"
			a := s.send(t, call{method: "PUT", bucket: b, key: key, header: header})
			return a
		}},
		{"complete", func(t *testing.T, key, body string, header map[string]string) answer {
			id := s.initiate(t, b, key)
			etag := s.part(t, b, key, id, 1, []byte(body)).etag()
			a := s.send(t, call{method: "POST", bucket: b, key: key, query: "uploadId=" + escape(id), body: completeBody(etag), header: header})
			if a.status != 200 {
				s.ok(t, call{method: "DELETE", bucket: b, key: key, query: "uploadId=" + escape(id)})
			}
			return a
		}},
	}
}

func testConditionalWrites(t *testing.T, s *suite) {
	b := s.bucket(t)
	for _, w := range s.writes(t, b) {
		t.Run(w.name, func(t *testing.T) {
			key, round := "k-"+w.name, 0
			try := func(status int, code string, header ...string) {
				t.Helper()
				round++
				before := s.send(t, call{method: "GET", bucket: b, key: key})
				a := w.do(t, key, fmt.Sprint("round ", round), h(header...))
				require.Equal(t, status, a.status, "%v: %s", header, a.body)
				require.Equal(t, code, a.code)
				after := s.send(t, call{method: "GET", bucket: b, key: key})
				if status == 200 {
					require.Equal(t, fmt.Sprint("round ", round), after.text())
				} else {
					require.Equal(t, before.status, after.status)
					if before.status == 200 {
						require.Equal(t, before.text(), after.text(), "what was refused changed nothing")
					}
				}
			}
			etag := func() string { return s.head(t, b, key).header.Get("ETag") }
			try(404, "NoSuchKey", "If-Match", "*")
			try(404, "NoSuchKey", "If-Match", `"abcdef"`)
			try(200, "", "If-None-Match", "*")
			try(412, "PreconditionFailed", "If-None-Match", "*")
			try(412, "PreconditionFailed", "If-None-Match", etag())
			try(200, "", "If-None-Match", "abcdef")
			try(412, "PreconditionFailed", "If-Match", `"abcdef"`)
			try(200, "", "If-Match", etag())
			try(200, "", "If-Match", strings.Trim(etag(), `"`))
			try(200, "", "If-Match", "*")
			try(501, "NotImplemented", "If-Unmodified-Since", time.Now().UTC().Format(time.RFC1123))
			old := etag()
			s.ok(t, call{method: "DELETE", bucket: b, key: key})
			try(404, "NoSuchKey", "If-Match", old)
			try(200, "", "If-None-Match", old)
		})
	}
}

func testDelete(t *testing.T, s *suite) {
	b := s.bucket(t)
	require.Equal(t, 204, s.ok(t, call{method: "DELETE", bucket: b, key: "never"}).status, "deleting nothing succeeds")
	s.puts(t, b, "foo", "foo/bar")
	s.ok(t, call{method: "DELETE", bucket: b, key: "foo"})
	require.Equal(t, "content of foo/bar", s.get(t, b, "foo/bar").text(), "only the key named goes")
	del := func(status int, code string, header ...string) {
		t.Helper()
		a := s.send(t, call{method: "DELETE", bucket: b, key: "foo/bar", header: h(header...)})
		require.Equal(t, status, a.status, "%v: %s", header, a.body)
		require.Equal(t, code, a.code)
	}
	head := s.head(t, b, "foo/bar")
	del(412, "PreconditionFailed", "If-Match", `"abcdef"`)
	del(412, "PreconditionFailed", "x-amz-if-match-size", "1")
	del(412, "PreconditionFailed", "x-amz-if-match-last-modified-time", "Thu, 01 Dec 1994 16:00:00 GMT")
	del(400, "InvalidArgument", "x-amz-if-match-size", "many")
	del(204, "", "If-Match", head.header.Get("ETag"), "x-amz-if-match-size", head.header.Get("Content-Length"),
		"x-amz-if-match-last-modified-time", head.header.Get("Last-Modified"))
	s.fails(t, call{method: "GET", bucket: b, key: "foo/bar"}, 404, "NoSuchKey")
	del(404, "NoSuchKey", "If-Match", head.header.Get("ETag"))
	del(404, "NoSuchKey", "If-Match", "*")
}

type deleteKey struct {
	Key       string
	VersionId string `xml:",omitempty"`
	ETag      string `xml:",omitempty"`
}

func deleteBody(t testing.TB, quiet bool, keys ...deleteKey) []byte {
	doc := struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []deleteKey
	}{Quiet: quiet, Object: keys}
	b, err := xml.Marshal(doc)
	require.NoError(t, err)
	return b
}

func keyList(keys ...string) (out []deleteKey) {
	for _, k := range keys {
		out = append(out, deleteKey{Key: k})
	}
	return out
}

func (s *suite) deleteCall(b string, body []byte) call {
	return call{method: "POST", bucket: b, query: "delete", body: body, header: h("Content-MD5", md5Base64(body))}
}

func testMultiDelete(t *testing.T, s *suite) {
	b := s.bucket(t)
	t.Run("some, and again", func(t *testing.T) {
		s.puts(t, b, "a", "b", "c", "a/b", "q&<>")
		for range 2 {
			doc := parse[deleteDoc](t, s.ok(t, s.deleteCall(b, deleteBody(t, false, keyList("c", "a", "q&<>")...))))
			require.Len(t, doc.Deleted, 3)
			require.Equal(t, "c", doc.Deleted[0].Key, "in the order asked")
			require.Equal(t, "q&<>", doc.Deleted[2].Key)
			require.Empty(t, doc.Error)
		}
		list := parse[listDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "list-type=2"}))
		require.Equal(t, []string{"a/b", "b"}, list.keys())
	})
	t.Run("quiet", func(t *testing.T) {
		doc := parse[deleteDoc](t, s.ok(t, s.deleteCall(b, deleteBody(t, true, keyList("a/b", "b")...))))
		require.Empty(t, doc.Deleted)
		require.Empty(t, doc.Error)
	})
	t.Run("errors of single keys", func(t *testing.T) {
		etag := s.put(t, b, "x", "1").etag()
		s.puts(t, b, "y", "z")
		doc := parse[deleteDoc](t, s.ok(t, s.deleteCall(b, deleteBody(t, true,
			deleteKey{Key: "x", ETag: etag}, deleteKey{Key: "y", ETag: "abcdef"}, deleteKey{Key: strings.Repeat("k", 1025)},
			deleteKey{Key: "z", VersionId: strings.Repeat("0", 31) + "1"}, deleteKey{Key: "gone", ETag: etag}))))
		codes := map[string]string{}
		for _, e := range doc.Error {
			codes[e.Key] = e.Code
		}
		require.Equal(t, map[string]string{"y": "PreconditionFailed", strings.Repeat("k", 1025): "KeyTooLongError", "z": "NoSuchVersion", "gone": "NoSuchKey"}, codes)
		list := parse[listDoc](t, s.ok(t, call{method: "GET", bucket: b, query: "list-type=2"}))
		require.Equal(t, []string{"y", "z"}, list.keys())
		doc = parse[deleteDoc](t, s.ok(t, s.deleteCall(b, deleteBody(t, false, deleteKey{Key: "y", VersionId: "null"}))))
		require.Equal(t, "null", doc.Deleted[0].VersionId)
	})
	t.Run("a thousand and no more", func(t *testing.T) {
		var keys []deleteKey
		for i := range 1000 {
			keys = append(keys, deleteKey{Key: fmt.Sprintf("key-%04d", i)})
		}
		s.puts(t, b, "key-0000", "key-0999")
		doc := parse[deleteDoc](t, s.ok(t, s.deleteCall(b, deleteBody(t, false, keys...))))
		require.Len(t, doc.Deleted, 1000)
		s.fails(t, s.deleteCall(b, deleteBody(t, false, append(keys, deleteKey{Key: "last"})...)), 400, "MalformedXML")
	})
	t.Run("bodies that are refused", func(t *testing.T) {
		s.put(t, b, "stays", "v")
		good := deleteBody(t, false, deleteKey{Key: "stays"})
		s.fails(t, call{method: "POST", bucket: b, query: "delete", body: good}, 400, "InvalidRequest")
		s.fails(t, call{method: "POST", bucket: b, query: "delete", body: good, header: h("Content-MD5", md5Base64([]byte("x")))}, 400, "BadDigest")
		for _, bad := range []string{"<Delete></Delete>", "<Delete><Object></Object></Delete>", "no xml", string(good) + "<Delete/>", "<!DOCTYPE x>" + string(good),
			"<Other><Object><Key>stays</Key></Object></Other>", "<Delete><Object><Key>stays</Key><Key>two</Key></Object></Delete>"} {
			a := s.send(t, s.deleteCall(b, []byte(bad)))
			require.Equal(t, 400, a.status, "%s: %s", bad, a.body)
			require.Equal(t, "MalformedXML", a.code, bad)
		}
		deep := []byte(strings.Repeat("<Delete>", 11_000) + strings.Repeat("</Delete>", 11_000))
		s.fails(t, s.deleteCall(b, deep), 400, "MalformedXML")
		s.fails(t, s.deleteCall(b, nil), 400, "MissingRequestBodyError")
		large := []byte("<Delete><Object><Key>stays</Key></Object>" + strings.Repeat(" ", 4<<20) + "</Delete>")
		s.fails(t, s.deleteCall(b, large), 400, "MaxMessageLengthExceeded")
		require.Equal(t, "v", s.get(t, b, "stays").text())
	})
	t.Run("a checksum instead of MD5", func(t *testing.T) {
		body := deleteBody(t, false, deleteKey{Key: "stays"})
		s.fails(t, call{method: "POST", bucket: b, query: "delete", body: body, header: h("x-amz-checksum-sha256", sumOf("SHA256", []byte("x")))}, 400, "BadDigest")
		s.ok(t, call{method: "POST", bucket: b, query: "delete", body: body, header: h("x-amz-checksum-sha256", sumOf("SHA256", body))})
		s.fails(t, call{method: "GET", bucket: b, key: "stays"}, 404, "NoSuchKey")
	})
}

package s3test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sumBody lists parts with their ETags and checksums.
func sumBody(alg string, etags, checksums []string) []byte {
	var w strings.Builder
	w.WriteString("<CompleteMultipartUpload>")
	for i, e := range etags {
		fmt.Fprintf(&w, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag><Checksum%s>%s</Checksum%s></Part>", i+1, e, alg, checksums[i], alg)
	}
	w.WriteString("</CompleteMultipartUpload>")
	return []byte(w.String())
}

func testMultipartChecksums(t *testing.T, s *suite) {
	b := s.bucket(t)
	p := [][]byte{pattern(partSize, 11), pattern(partSize+1, 12), pattern(333, 13)}
	whole := bytes.Join(p, nil)
	for _, tc := range []struct{ alg, ask, typ string }{
		{"CRC32", "", "COMPOSITE"}, {"CRC32", "FULL_OBJECT", "FULL_OBJECT"}, {"CRC32C", "COMPOSITE", "COMPOSITE"}, {"CRC32C", "FULL_OBJECT", "FULL_OBJECT"},
		{"CRC64NVME", "", "FULL_OBJECT"}, {"CRC64NVME", "FULL_OBJECT", "FULL_OBJECT"}, {"SHA1", "", "COMPOSITE"}, {"SHA256", "COMPOSITE", "COMPOSITE"},
	} {
		t.Run(tc.alg+" "+tc.ask, func(t *testing.T) {
			key, name := tc.alg+tc.ask, sumHeader(tc.alg)
			header := h("x-amz-checksum-algorithm", tc.alg)
			if tc.ask != "" {
				header["x-amz-checksum-type"] = tc.ask
			}
			a := s.ok(t, call{method: "POST", bucket: b, key: key, query: "uploads", header: header})
			require.Equal(t, tc.alg, a.header.Get("x-amz-checksum-algorithm"))
			require.Equal(t, tc.typ, a.header.Get("x-amz-checksum-type"))
			id := parse[initiateDoc](t, a).UploadId
			var etags, parts []string
			for i, data := range p {
				sum := sumOf(tc.alg, data)
				a := s.part(t, b, key, id, i+1, data, name, sum)
				require.Equal(t, sum, a.header.Get(name))
				etags, parts = append(etags, a.etag()), append(parts, sum)
			}
			s.badParts(t, b, key, id, tc.alg, tc.typ, p[0])
			listed := parse[partsDoc](t, s.ok(t, call{method: "GET", bucket: b, key: key, query: "uploadId=" + escape(id)}))
			require.Equal(t, tc.alg, listed.ChecksumAlgorithm)
			require.Equal(t, tc.typ, listed.ChecksumType)
			require.Equal(t, parts[1], listed.Part[1].of(tc.alg))

			want, bad := sumOf(tc.alg, whole), sumOf(tc.alg, p[0])
			if tc.typ == "COMPOSITE" {
				want, bad = compositeOf(tc.alg, p...), compositeOf(tc.alg, p[0], p[0], p[0])
			}
			s.fails(t, completeCall(b, key, id, sumBody(tc.alg, etags, []string{parts[0], parts[0], parts[2]})), 400, "InvalidPart")
			s.fails(t, completeCall(b, key, id, sumBody(tc.alg, etags, parts), name, bad), 400, "BadDigest")
			if tc.typ == "COMPOSITE" {
				s.fails(t, completeCall(b, key, id, completeBody(etags...)), 400, "InvalidRequest")
				s.fails(t, completeCall(b, key, id, sumBody(tc.alg, etags, parts), "x-amz-checksum-type", "FULL_OBJECT"), 400, "InvalidRequest")
			}
			done := completeCall(b, key, id, sumBody(tc.alg, etags, parts), name, want, "x-amz-checksum-type", tc.typ)
			doc := parse[completeDoc](t, s.ok(t, done))
			require.Equal(t, want, doc.of(tc.alg))
			require.Equal(t, tc.typ, doc.ChecksumType)
			require.Equal(t, doc, parse[completeDoc](t, s.ok(t, done)), "the repeat of a completion")
			s.fails(t, completeCall(b, key, id, sumBody(tc.alg, etags, []string{parts[0], parts[0], parts[2]})), 400, "InvalidPart")
			s.fails(t, completeCall(b, key, id, sumBody(tc.alg, etags, parts), name, bad), 400, "BadDigest")
			s.hasChecksum(t, b, key, name, want, tc.typ)
			for i := range p {
				a := s.ok(t, call{method: "GET", bucket: b, key: key, query: "partNumber=" + itoa(i+1), header: h("x-amz-checksum-mode", "ENABLED")})
				require.Equal(t, parts[i], a.header.Get(name), "a part has its own checksum")
				require.Equal(t, tc.typ, a.header.Get("x-amz-checksum-type"))
			}
		})
	}
	t.Run("pairs that are refused", func(t *testing.T) {
		for _, bad := range [][]string{
			{"x-amz-checksum-type", "FULL_OBJECT"},
			{"x-amz-checksum-algorithm", "SHA256", "x-amz-checksum-type", "FULL_OBJECT"},
			{"x-amz-checksum-algorithm", "SHA1", "x-amz-checksum-type", "FULL_OBJECT"},
			{"x-amz-checksum-algorithm", "CRC64NVME", "x-amz-checksum-type", "COMPOSITE"},
			{"x-amz-checksum-algorithm", "CRC16"},
			{"x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "HALF"},
		} {
			s.fails(t, call{method: "POST", bucket: b, key: "k", query: "uploads", header: h(bad...)}, 400, "InvalidRequest")
		}
	})
	t.Run("none named", func(t *testing.T) {
		id := s.initiate(t, b, "none")
		e1 := s.part(t, b, "none", id, 1, p[0], "x-amz-checksum-crc32", sumOf("CRC32", p[0])).etag()
		s.fails(t, partCall(b, "none", id, 2, p[2], "x-amz-checksum-crc32", sumOf("CRC32", p[0])), 400, "BadDigest")
		e2 := s.part(t, b, "none", id, 2, p[2]).etag()
		s.complete(t, b, "none", id, e1, e2)
		s.hasChecksum(t, b, "none", "x-amz-checksum-crc64nvme", sumOf("CRC64NVME", append(bytes.Clone(p[0]), p[2]...)), "FULL_OBJECT")
	})
}

// badParts sends parts that an upload with a checksum algorithm refuses.
func (s *suite) badParts(t testing.TB, b, key, id, alg, typ string, data []byte) {
	t.Helper()
	name := sumHeader(alg)
	s.fails(t, partCall(b, key, id, 1, data, name, sumOf(alg, data[1:])), 400, "BadDigest")
	other := "SHA1"
	if alg == other {
		other = "CRC32"
	}
	s.fails(t, partCall(b, key, id, 1, data, sumHeader(other), sumOf(other, data)), 400, "InvalidRequest")
	if typ == "COMPOSITE" {
		s.fails(t, partCall(b, key, id, 1, data), 400, "InvalidRequest")
	} else {
		s.part(t, b, key, id, 1, data)
	}
}

func testAttributes(t *testing.T, s *suite) {
	b := s.bucket(t)
	attributes := func(key, list string, header ...string) attributesDoc {
		header = append(header, "x-amz-object-attributes", list)
		a := s.ok(t, call{method: "GET", bucket: b, key: key, query: "attributes", header: h(header...)})
		require.NotEmpty(t, a.header.Get("Last-Modified"))
		return parse[attributesDoc](t, a)
	}
	const all = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"
	s.put(t, b, "single", "foo", "x-amz-checksum-sha256", sumOf("SHA256", []byte("foo")))
	doc := attributes("single", all)
	require.Equal(t, md5Hex([]byte("foo")), doc.ETag, "without quotes here")
	require.Equal(t, int64(3), *doc.ObjectSize)
	require.Equal(t, "STANDARD", doc.StorageClass)
	require.Equal(t, sumOf("SHA256", []byte("foo")), doc.Checksum.of("SHA256"))
	require.Equal(t, "FULL_OBJECT", doc.Checksum.ChecksumType)
	require.Nil(t, doc.ObjectParts, "a single PUT has no parts")
	doc = attributes("single", "ObjectSize")
	require.Nil(t, doc.Checksum)
	require.Empty(t, doc.ETag+doc.StorageClass)

	p := [][]byte{pattern(partSize, 1), pattern(partSize, 2), pattern(77, 3)}
	id := s.initiate(t, b, "multi", "x-amz-checksum-algorithm", "SHA256")
	var etags, parts []string
	for i, data := range p {
		parts = append(parts, sumOf("SHA256", data))
		etags = append(etags, s.part(t, b, "multi", id, i+1, data, "x-amz-checksum-sha256", parts[i]).etag())
	}
	s.ok(t, completeCall(b, "multi", id, sumBody("SHA256", etags, parts)))
	doc = attributes("multi", all)
	require.Equal(t, multipartETag(p...), doc.ETag)
	require.Equal(t, "COMPOSITE", doc.Checksum.ChecksumType)
	sum, _, _ := strings.Cut(compositeOf("SHA256", p...), "-")
	require.Equal(t, sum, doc.Checksum.of("SHA256"), "the value without -N")
	_, err := base64.StdEncoding.DecodeString(doc.Checksum.of("SHA256"))
	require.NoError(t, err)
	require.Equal(t, 3, doc.ObjectParts.TotalPartsCount)
	require.False(t, doc.ObjectParts.IsTruncated)
	for i, part := range doc.ObjectParts.Part {
		require.Equal(t, i+1, part.PartNumber)
		require.Equal(t, int64(len(p[i])), part.Size)
		require.Equal(t, parts[i], part.of("SHA256"))
	}
	doc = attributes("multi", all, "x-amz-max-parts", "1", "x-amz-part-number-marker", "1")
	require.Len(t, doc.ObjectParts.Part, 1)
	require.Equal(t, 2, doc.ObjectParts.Part[0].PartNumber)
	require.True(t, doc.ObjectParts.IsTruncated)
	require.Equal(t, 2, doc.ObjectParts.NextPartNumberMarker)
	require.Equal(t, 1, doc.ObjectParts.PartNumberMarker)
	require.Equal(t, 1, doc.ObjectParts.MaxParts)

	s.fails(t, call{method: "GET", bucket: b, key: "single", query: "attributes"}, 400, "InvalidArgument")
	s.fails(t, call{method: "GET", bucket: b, key: "single", query: "attributes", header: h("x-amz-object-attributes", "Colour")}, 400, "InvalidArgument")
	s.fails(t, call{method: "GET", bucket: b, key: "none", query: "attributes", header: h("x-amz-object-attributes", "ETag")}, 404, "NoSuchKey")
}

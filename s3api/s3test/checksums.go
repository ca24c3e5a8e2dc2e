package s3test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/minio/crc64nvme"
	"github.com/stretchr/testify/require"
)

func algorithms() []string { return []string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} }

// rawSum computes a checksum with nothing of ours.
func rawSum(alg string, data []byte) []byte {
	var h hash.Hash
	switch alg {
	case "CRC32":
		h = crc32.NewIEEE()
	case "CRC32C":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "CRC64NVME":
		return binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(data))
	case "SHA1":
		h = sha1.New()
	default:
		h = sha256.New()
	}
	h.Write(data)
	return h.Sum(nil)
}

func sumOf(alg string, data []byte) string {
	return base64.StdEncoding.EncodeToString(rawSum(alg, data))
}

// compositeOf is the checksum of the checksums of parts, with their number.
func compositeOf(alg string, parts ...[]byte) string {
	var all []byte
	for _, p := range parts {
		all = append(all, rawSum(alg, p)...)
	}
	return sumOf(alg, all) + "-" + itoa(len(parts))
}

func sumHeader(alg string) string { return "x-amz-checksum-" + strings.ToLower(alg) }

// of gives the element of an algorithm.
func (s sums) of(alg string) string {
	return map[string]string{"CRC32": s.ChecksumCRC32, "CRC32C": s.ChecksumCRC32C, "CRC64NVME": s.ChecksumCRC64NVME,
		"SHA1": s.ChecksumSHA1, "SHA256": s.ChecksumSHA256}[alg]
}

func testChecksums(t *testing.T, s *suite) {
	b := s.bucket(t)
	data := pattern(100_000, 1)
	for _, alg := range algorithms() {
		t.Run(alg, func(t *testing.T) {
			sum, name := sumOf(alg, data), sumHeader(alg)
			a := s.ok(t, call{method: "PUT", bucket: b, key: alg, body: data, header: h(name, sum, "x-amz-sdk-checksum-algorithm", alg)})
			require.Equal(t, sum, a.header.Get(name))
			require.Equal(t, "FULL_OBJECT", a.header.Get("x-amz-checksum-type"))
			s.hasChecksum(t, b, alg, name, sum, "FULL_OBJECT")
			s.fails(t, call{method: "PUT", bucket: b, key: alg, body: data[1:], header: h(name, sum)}, 400, "BadDigest")
			s.fails(t, call{method: "PUT", bucket: b, key: alg, body: data, header: h(name, "bad")}, 400, "InvalidRequest")
			require.True(t, bytes.Equal(data, s.get(t, b, alg).body), "what was refused changed nothing")
			a = s.ok(t, call{method: "PUT", bucket: b, key: alg + "-trailer", body: trailed(data, name, sum),
				header: h("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer", name,
					"x-amz-decoded-content-length", itoa(len(data)), "Content-Encoding", "aws-chunked")})
			require.Equal(t, sum, a.header.Get(name))
			s.hasChecksum(t, b, alg+"-trailer", name, sum, "FULL_OBJECT")
			require.True(t, bytes.Equal(data, s.get(t, b, alg+"-trailer").body), "the framing is not stored")
			require.Empty(t, s.head(t, b, alg+"-trailer").header.Get("Content-Encoding"))
			s.fails(t, call{method: "PUT", bucket: b, key: alg + "-trailer", body: trailed(data, name, sumOf(alg, data[1:])),
				header: h("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer", name,
					"x-amz-decoded-content-length", itoa(len(data)))}, 400, "BadDigest")
			require.True(t, bytes.Equal(data, s.get(t, b, alg+"-trailer").body))
		})
	}
	t.Run("none named", func(t *testing.T) {
		s.ok(t, call{method: "PUT", bucket: b, key: "default", body: data})
		s.hasChecksum(t, b, "default", "x-amz-checksum-crc64nvme", sumOf("CRC64NVME", data), "FULL_OBJECT")
	})
	t.Run("announced and not sent", func(t *testing.T) {
		s.fails(t, call{method: "PUT", bucket: b, key: "k", body: data, header: h("x-amz-sdk-checksum-algorithm", "CRC32")}, 400, "InvalidRequest")
		s.fails(t, call{method: "PUT", bucket: b, key: "k", body: data, header: h("x-amz-sdk-checksum-algorithm", "CRC32", "x-amz-checksum-sha1", sumOf("SHA1", data))}, 400, "InvalidRequest")
		s.fails(t, call{method: "PUT", bucket: b, key: "k", body: data, header: h("x-amz-checksum-crc32", sumOf("CRC32", data), "x-amz-checksum-sha1", sumOf("SHA1", data))}, 400, "InvalidRequest")
	})
	t.Run("copies", func(t *testing.T) {
		doc := parse[copyDoc](t, s.ok(t, copyCall(b, "copy", b+"/SHA256")))
		require.Equal(t, sumOf("SHA256", data), doc.of("SHA256"))
		s.hasChecksum(t, b, "copy", "x-amz-checksum-sha256", sumOf("SHA256", data), "FULL_OBJECT")
		doc = parse[copyDoc](t, s.ok(t, copyCall(b, "copy", b+"/SHA256", "x-amz-checksum-algorithm", "CRC32C")))
		require.Equal(t, sumOf("CRC32C", data), doc.of("CRC32C"))
		s.hasChecksum(t, b, "copy", "x-amz-checksum-crc32c", sumOf("CRC32C", data), "FULL_OBJECT")
		s.fails(t, copyCall(b, "copy", b+"/SHA256", "x-amz-checksum-algorithm", "MD4"), 400, "InvalidRequest")
	})
}

// trailed frames data as aws-chunked with a checksum behind it.
func trailed(data []byte, name, sum string) []byte {
	var w bytes.Buffer
	for len(data) > 0 {
		n := min(len(data), 64<<10)
		fmt.Fprintf(&w, "%x\r\n%s\r\n", n, data[:n])
		data = data[n:]
	}
	fmt.Fprintf(&w, "0\r\n%s:%s\r\n\r\n", name, sum)
	return w.Bytes()
}

// hasChecksum asserts the checksum of an object: shown when asked for, and only then.
func (s *suite) hasChecksum(t testing.TB, b, key, header, sum, typ string) {
	t.Helper()
	require.Empty(t, s.head(t, b, key).header.Get(header))
	for _, method := range []string{"GET", "HEAD"} {
		a := s.ok(t, call{method: method, bucket: b, key: key, header: h("x-amz-checksum-mode", "ENABLED")})
		require.Equal(t, sum, a.header.Get(header), method)
		require.Equal(t, typ, a.header.Get("x-amz-checksum-type"), method)
		for _, other := range algorithms() {
			if name := sumHeader(other); name != header {
				require.Empty(t, a.header.Get(name))
			}
		}
	}
}

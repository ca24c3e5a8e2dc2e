package body

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/sigv4"

	"github.com/stretchr/testify/require"
)

func (store) Lookup(k string) (sigv4.Credential, bool) {
	return sigv4.Credential{SecretKey: secretKey}, k == accessKey
}

// put is a PUT whose head was signed; its body is made by the test.

// newPut signs a head with the payload kind and further fields.

// run reads a body and gives payload, digests and the first error of all.

// frame makes an aws-chunked body; sign is nil for unsigned chunks.

var (
	big   = bytes.Repeat([]byte("0123456789abcdef"), 1024) // 16 KiB
	small = []byte("the last chunk")
	both  = append(append([]byte{}, big...), small...)
)

const (
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

func TestPlainBody(t *testing.T) {
	sum := sha256.Sum256(both)
	m := md5.Sum(both)
	p := newPut(t, hex.EncodeToString(sum[:]), len(both), field("content-md5", base64.StdEncoding.EncodeToString(m[:])),
		field("x-amz-checksum-sha1", sumOf(checksum.SHA1, both)))
	for _, wire := range []io.Reader{bytes.NewReader(both), iotest.OneByteReader(bytes.NewReader(both)), iotest.DataErrReader(bytes.NewReader(both))} {
		got, d, err := p.run(wire)
		require.NoError(t, err)
		require.Equal(t, both, got)
		require.Equal(t, m, d.MD5)
		require.Equal(t, sum, d.SHA256)
		require.True(t, d.HasSHA256 && d.FromClient)
		require.Equal(t, sumOf(checksum.SHA1, both), d.Checksum.Text())
		require.EqualValues(t, len(both), d.Length)
	}
	for _, c := range []struct {
		body string
		want string
	}{
		{string(both[:len(both)-1]), "IncompleteBody"},
		{string(both) + "x", "IncompleteBody"},
		{string(both[:len(both)-1]) + "X", "XAmzContentSHA256Mismatch"},
	} {
		_, _, err := p.run(strings.NewReader(c.body))
		require.Equal(t, c.want, code(err))
	}
}

func TestDigestsOfTheHeader(t *testing.T) {
	for _, c := range []struct {
		name, value, want string
	}{
		{"content-md5", "not base64!", "InvalidDigest"},
		{"content-md5", "YWJj", "InvalidDigest"},
		{"content-md5", base64.StdEncoding.EncodeToString(make([]byte, 16)), "BadDigest"},
		{"x-amz-checksum-crc32", "!", "InvalidRequest"},
		{"x-amz-checksum-crc32", "AAAA", "InvalidRequest"},
		{"x-amz-checksum-crc32", "AAAAAA==", "BadDigest"},
		{"x-amz-checksum-crc32", sumOf(checksum.CRC32, small) + "-1", "InvalidRequest"},
		{"x-amz-checksum-foo", "AAAAAA==", "InvalidRequest"},
		{"x-amz-checksum-xxhash64", "AAAAAA==", "NotImplemented"},
		{"x-amz-sdk-checksum-algorithm", "CRC32", "InvalidRequest"},
		{"x-amz-sdk-checksum-algorithm", "FOO", "InvalidRequest"},
		{"x-amz-trailer", "x-amz-checksum-crc32", "InvalidRequest"},
	} {
		p := newPut(t, "UNSIGNED-PAYLOAD", len(small), field(c.name, c.value))
		_, _, err := p.run(bytes.NewReader(small))
		require.Equal(t, c.want, code(err), "%s %s", c.name, c.value)
	}
	for _, a := range checksum.All() {
		p := newPut(t, "UNSIGNED-PAYLOAD", len(small), field(a.Header(), sumOf(a, small)), field("x-amz-sdk-checksum-algorithm", a.String()))
		_, d, err := p.run(bytes.NewReader(small))
		require.NoError(t, err)
		require.Equal(t, a, d.Checksum.Algorithm)
	}
	p := newPut(t, "UNSIGNED-PAYLOAD", len(small), field("x-amz-checksum-crc32", sumOf(checksum.CRC32, small)), field("x-amz-checksum-sha1", sumOf(checksum.SHA1, small)))
	_, _, err := p.run(bytes.NewReader(small))
	require.Equal(t, "InvalidRequest", code(err))
}

func TestWantedChecksumAndSkippedMD5(t *testing.T) {
	r := Bytes(small)
	r.WantChecksum(checksum.CRC64NVME)
	r.WithoutMD5()
	d, err := r.Finish()
	require.NoError(t, err)
	require.Equal(t, sumOf(checksum.CRC64NVME, small), d.Checksum.Text())
	require.False(t, d.FromClient)
	require.Zero(t, d.MD5)
	again, err := r.Finish()
	require.NoError(t, err)
	require.Equal(t, d, again)
}

func TestReadAll(t *testing.T) {
	b, err := Bytes(small).ReadAll(int64(len(small)))
	require.NoError(t, err)
	require.Equal(t, small, b)
	_, err = Bytes(small).ReadAll(int64(len(small)) - 1)
	require.Equal(t, "MaxMessageLengthExceeded", code(err))
	r := New(bytes.NewReader(small), Spec{Length: UnknownLength, MaxLength: 5})
	_, err = r.ReadAll(100)
	require.Equal(t, "EntityTooLarge", code(err))
	r = New(bytes.NewReader(small), Spec{Length: UnknownLength, MaxLength: 500})
	_, err = r.ReadAll(5)
	require.Equal(t, "MaxMessageLengthExceeded", code(err))
	_, err = r.Finish()
	require.Equal(t, "MaxMessageLengthExceeded", code(err))
}

// streams are the good streaming bodies, of each kind.

func streams(t testing.TB) map[string]stream { return streamsOf(t, big, small) }

type stream struct {
	put  put
	wire []byte
}

func streamsOf(t testing.TB, chunks ...[]byte) map[string]stream {
	both := bytes.Join(chunks, nil)
	trailer := "x-amz-checksum-crc32c:" + sumOf(checksum.CRC32C, both)
	announce := field("x-amz-trailer", "x-amz-checksum-crc32c")
	out := map[string]stream{}
	add := func(name string, p put, wire []byte) {
		p.head.ContentLength = int64(len(wire))
		out[name] = stream{p, wire}
	}
	p := newPut(t, signedChunks, 0, decoded(len(both)))
	add("signed", p, frame(p.signer, chunks, "", false))
	p = newPut(t, signedTrailer, 0, decoded(len(both)), announce)
	add("signed trailer", p, frame(p.signer, chunks, trailer, true))
	p = newPut(t, unsignedTrailer, 0, decoded(len(both)), announce)
	add("unsigned trailer", p, frame(nil, chunks, trailer, false))
	p = newPut(t, unsignedTrailer, 0, decoded(len(both)))
	add("unsigned without trailer", p, frame(nil, chunks, "", false))
	p = newPut(t, "UNSIGNED-PAYLOAD", 0, decoded(len(both)), announce, field("content-encoding", "gzip, aws-chunked"))
	add("unannounced", p, frame(nil, chunks, trailer, false))
	p = newPut(t, unsignedTrailer, 0, decoded(len(both)), announce)
	add("one chunk", p, frame(nil, [][]byte{both}, trailer, false))
	wire := frame(nil, chunks, trailer, false)
	sum := sha256.Sum256(wire)
	p = newPut(t, hex.EncodeToString(sum[:]), 0, decoded(len(both)), announce)
	add("hash of the wire", p, wire)
	return out
}

func TestStreamingBodies(t *testing.T) {
	m := md5.Sum(both)
	for name, s := range streams(t) {
		t.Run(name, func(t *testing.T) {
			for _, wire := range []io.Reader{bytes.NewReader(s.wire), iotest.OneByteReader(bytes.NewReader(s.wire)), iotest.DataErrReader(bytes.NewReader(s.wire))} {
				got, d, err := s.put.run(wire)
				require.NoError(t, err)
				require.Equal(t, both, got)
				require.Equal(t, m, d.MD5)
				if s.put.head.Fields.Has("x-amz-trailer") {
					require.True(t, d.FromClient)
					require.Equal(t, sumOf(checksum.CRC32C, both), d.Checksum.Text())
				}
			}
		})
	}
}

// TestEveryTruncation: no prefix of a streaming body is a body.

func TestEveryTruncation(t *testing.T) {
	for name, s := range streams(t) {
		for n := range s.wire {
			if n > 200 && n < len(s.wire)-400 && n%97 != 0 {
				continue
			}
			_, _, err := s.put.run(bytes.NewReader(s.wire[:n]))
			require.Equal(t, "IncompleteBody", code(err), "%s cut at %d of %d", name, n, len(s.wire))
		}
		_, _, err := s.put.run(bytes.NewReader(append(s.wire[:len(s.wire):len(s.wire)], 'x')))
		require.Equal(t, "IncompleteBody", code(err), name)
	}
}

// TestEveryByteCounts: a changed byte anywhere in a signed body is refused.

func TestEveryByteCounts(t *testing.T) {
	for _, name := range []string{"signed", "signed trailer"} {
		s := streams(t)[name]
		for n := range s.wire {
			if n > 200 && n < len(s.wire)-400 && n%97 != 0 {
				continue
			}
			wire := bytes.Clone(s.wire)
			wire[n] ^= 1
			_, _, err := s.put.run(bytes.NewReader(wire))
			require.Error(t, err, "%s changed at %d: %q", name, n, wire[n])
		}
	}
}

func TestBadStreams(t *testing.T) {
	trailer := "x-amz-checksum-crc32c:" + sumOf(checksum.CRC32C, both)
	announce := field("x-amz-trailer", "x-amz-checksum-crc32c")
	unsigned := func(f ...head.Field) put { return newPut(t, unsignedTrailer, 0, append(f, decoded(len(both)))...) }
	other := newPut(t, signedChunks, 0, decoded(len(both)), field("x-amz-meta-a", "other"))
	signedPut := newPut(t, signedTrailer, 0, decoded(len(both)), announce)
	goodTrailer := string(frame(signedPut.signer, [][]byte{big, small}, trailer, true))
	hexBig := fmt.Sprintf("%x\r\n%s\r\n", len(big), big)
	hexSmall := fmt.Sprintf("%x\r\n%s\r\n", len(small), small)
	for _, c := range []struct {
		name string
		put  put
		wire string
		want string
	}{
		{"other seed", newPut(t, signedChunks, 0, decoded(len(both))), string(frame(other.signer, [][]byte{big, small}, "", false)), "SignatureDoesNotMatch"},
		{"chunk unsigned", newPut(t, signedChunks, 0, decoded(len(both))), string(frame(nil, [][]byte{big, small}, "", false)), "SignatureDoesNotMatch"},
		{"trailer signature", signedPut, strings.Replace(goodTrailer, "trailer-signature:", "trailer-signature:0", 1), "SignatureDoesNotMatch"},
		{"no trailer signature", signedPut, goodTrailer[:strings.Index(goodTrailer, "x-amz-trailer-signature")] + "\r\n", "SignatureDoesNotMatch"},
		{"no final chunk", unsigned(), hexBig + hexSmall, "IncompleteBody"},
		{"no CRLF", unsigned(), hexBig[:len(hexBig)-2] + hexSmall + "0\r\n\r\n", "IncompleteBody"},
		{"bare LF", unsigned(), "A\nXYZ", "IncompleteBody"},
		{"size not hex", unsigned(), "0x5\r\nabcde\r\n0\r\n\r\n", "IncompleteBody"},
		{"size negative", unsigned(), "-1\r\n", "IncompleteBody"},
		{"size huge", unsigned(), "ffffffffffffffff\r\n", "IncompleteBody"},
		{"size 2^31", unsigned(), "80000000\r\n", "IncompleteBody"},
		{"long line", unsigned(), strings.Repeat("0", 5000) + "\r\n", "IncompleteBody"},
		{"long extension", unsigned(), "5;" + strings.Repeat("0", 5000) + "\r\n", "IncompleteBody"},
		{"small chunk", unsigned(), hexSmall + hexBig + "0\r\n\r\n", "InvalidChunkSizeError"},
		{"length -1", newPut(t, unsignedTrailer, 0, decoded(len(both)-1)), hexBig + hexSmall + "0\r\n\r\n", "IncompleteBody"},
		{"length +1", newPut(t, unsignedTrailer, 0, decoded(len(both)+1)), hexBig + hexSmall + "0\r\n\r\n", "IncompleteBody"},
		{"length 200", newPut(t, unsignedTrailer, 0, decoded(200)), hexBig + hexSmall + "0\r\n\r\n", "IncompleteBody"},
		{"length missing", newPut(t, unsignedTrailer, 0), hexBig + hexSmall + "0\r\n\r\n", "MissingContentLength"},
		{"length invalid", newPut(t, unsignedTrailer, 0, field("x-amz-decoded-content-length", "a")), "", "MissingContentLength"},
		{"trailer undeclared", unsigned(), hexBig + hexSmall + "0\r\n" + trailer + "\r\n\r\n", "MalformedTrailerError"},
		{"trailer absent", unsigned(announce), hexBig + hexSmall + "0\r\n\r\n", "MalformedTrailerError"},
		{"trailer other", unsigned(announce), hexBig + hexSmall + "0\r\nx-amz-checksum-sha1:AA==\r\n\r\n", "MalformedTrailerError"},
		{"trailer twice", unsigned(announce), hexBig + hexSmall + "0\r\n" + trailer + "\r\n" + trailer + "\r\n\r\n", "MalformedTrailerError"},
		{"trailer no colon", unsigned(announce), hexBig + hexSmall + "0\r\nabc\r\n\r\n", "MalformedTrailerError"},
		{"trailer wrong", unsigned(announce), hexBig + hexSmall + "0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", "BadDigest"},
		{"trailer not base64", unsigned(announce), hexBig + hexSmall + "0\r\nx-amz-checksum-crc32c:????\r\n\r\n", "InvalidRequest"},
		{"trailer unsupported", unsigned(field("x-amz-trailer", "x-amz-meta-a")), "", "InvalidRequest"},
		{"trailer and header", unsigned(announce, field("x-amz-checksum-crc32", "AAAAAA==")), "", "InvalidRequest"},
		{"trailer of signed chunks", newPut(t, signedChunks, 0, decoded(len(both)), announce), "", "InvalidRequest"},
	} {
		_, _, err := c.put.run(strings.NewReader(c.wire))
		require.Equal(t, c.want, code(err), c.name)
	}
}

func TestOnlyContentEncodingSaysChunked(t *testing.T) {
	enc := field("content-encoding", "aws-chunked")
	_, d, err := newPut(t, "UNSIGNED-PAYLOAD", 0, enc).run(strings.NewReader(""))
	require.NoError(t, err)
	require.Zero(t, d.Length)
	_, _, err = newPut(t, "UNSIGNED-PAYLOAD", 5, enc).run(strings.NewReader("abcde"))
	require.Equal(t, "MissingContentLength", code(err))
	sum := sha256.Sum256([]byte("abcde"))
	got, _, err := newPut(t, hex.EncodeToString(sum[:]), 5, enc).run(strings.NewReader("abcde"))
	require.NoError(t, err)
	require.Equal(t, "abcde", string(got))

	for in, want := range map[string]string{"aws-chunked": "", "gzip, aws-chunked": "gzip", "AWS-Chunked,gzip , aws-chunked,br": "gzip, br", "gzip,br": "gzip,br"} {
		require.Equal(t, want, StripAWSChunked(in))
	}
}

func TestTooLarge(t *testing.T) {
	p := newPut(t, "UNSIGNED-PAYLOAD", 1<<30+1)
	_, _, err := p.run(strings.NewReader(""))
	require.Equal(t, "EntityTooLarge", code(err))
	p = newPut(t, unsignedTrailer, 10, decoded(1<<30+1))
	_, _, err = p.run(strings.NewReader(""))
	require.Equal(t, "EntityTooLarge", code(err))
}

// TestMinioStreams reads what minio-go's three streaming writers send.

// FuzzChunks feeds any bytes as a streaming body, whole and cut at a boundary of the

// fuzzer's choice: same result, no panic, and never more payload than announced.

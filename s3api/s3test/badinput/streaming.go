package badinput

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

const (
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// stream is a PUT with an aws-chunked body.
func (s *suite) stream(key, payload string, decoded int, body func(*sigv4.ChunkSigner) []byte, fields ...head.Field) *req {
	r := s.request("PUT", s.path(key), nil)
	r.payload, r.chunks = payload, body
	r.fields = append(fields, head.Field{Name: "content-encoding", Value: "aws-chunked"})
	if decoded >= 0 {
		r.fields = append(r.fields, head.Field{Name: "x-amz-decoded-content-length", Value: strconv.Itoa(decoded)})
	}
	return r
}

func fixed(body string) func(*sigv4.ChunkSigner) []byte {
	return func(*sigv4.ChunkSigner) []byte { return []byte(body) }
}

// signedFrames writes chunks with their signatures; spoil changes the n-th signature.
func signedFrames(chunks []string, trailer string, spoil int) func(*sigv4.ChunkSigner) []byte {
	return func(c *sigv4.ChunkSigner) []byte {
		var b bytes.Buffer
		for i, chunk := range append(chunks, "") {
			sig := c.Chunk([]byte(chunk))
			if i == spoil {
				sig = strings.Repeat("0", 64)
			}
			fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s", len(chunk), sig, chunk)
			if chunk != "" {
				b.WriteString("\r\n")
			}
		}
		if trailer != "" {
			sig := c.Trailer(trailer + "\n")
			if spoil > len(chunks) {
				sig = strings.Repeat("0", 64)
			}
			fmt.Fprintf(&b, "%s\r\nx-amz-trailer-signature:%s\r\n", trailer, sig)
		}
		b.WriteString("\r\n")
		return b.Bytes()
	}
}

func frames(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
	}
	return b.String()
}

// streaming is rows 85 to 95.
func (s *suite) streaming(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1024)
	chunks := []string{big, big, "the end"}
	all := strings.Join(chunks, "")
	sum := checksum.NewHasher(checksum.CRC32)
	sum.Write([]byte(all))
	trailer := "x-amz-checksum-crc32:" + sum.Value().Text()
	announce := head.Field{Name: "x-amz-trailer", Value: "x-amz-checksum-crc32"}
	s.goodStreams(t, chunks, trailer, announce)
	for k := range 4 {
		s.row(t, 85, fmt.Sprintf("signature of chunk %d", k), s.stream("never", signedChunks, len(all), signedFrames(chunks, "", k)).bytes(), is(403, "SignatureDoesNotMatch"))
	}
	incomplete := is(400, "IncompleteBody")
	plain := func(body string, decoded int) []byte {
		return s.stream("never", unsignedTrailer, decoded, fixed(body)).bytes()
	}
	s.row(t, 86, "no last chunk", plain(frames(chunks...), len(all)), incomplete)
	s.row(t, 86, "no CRLF behind a chunk", plain(fmt.Sprintf("%x\r\n%s0\r\n\r\n", len(big), big), len(big)), incomplete)
	s.row(t, 86, "bare LF", plain("A\nXYZ", 10), incomplete)
	s.row(t, 86, "no end of the trailer", plain(frames(big)+"0\r\n", len(big)), incomplete)
	for _, d := range []int{len(all) - 1, len(all) + 1, 200} {
		s.row(t, 87, fmt.Sprintf("decoded length %d", d), plain(frames(chunks...)+"0\r\n\r\n", d), incomplete)
	}
	missing := is(411, "MissingContentLength")
	s.row(t, 88, "no decoded length", plain(frames(chunks...)+"0\r\n\r\n", -1), missing)
	for _, v := range []string{"abc", "", "-1", "+5"} {
		s.row(t, 88, "decoded length "+v, s.stream("never", unsignedTrailer, -1, fixed(""), head.Field{Name: "x-amz-decoded-content-length", Value: v}).bytes(), missing)
	}
	s.row(t, 89, "small chunk before another", plain(frames("small", big)+"0\r\n\r\n", 5+len(big)), is(400, "InvalidChunkSizeError"))
	s.row(t, 90, "chunk of 2 GiB", plain("80000000\r\nabc", 100), is(400))
	s.row(t, 90, "chunk of 16 EiB", plain("ffffffffffffffff\r\nabc", 100), is(400))
	s.row(t, 90, "line of 5 KiB", plain(strings.Repeat("0", 5<<10)+"\r\n", 100), is(400))
	s.trailers(t, chunks, trailer, announce)
	s.wrongPlaces(t)
	s.invisible(t, 85, "never")
}

func (s *suite) goodStreams(t *testing.T, chunks []string, trailer string, announce head.Field) {
	all := strings.Join(chunks, "")
	for name, r := range map[string]*req{
		"signed":           s.stream("stream", signedChunks, len(all), signedFrames(chunks, "", -1)),
		"signed trailer":   s.stream("stream", signedTrailer, len(all), signedFrames(chunks, trailer, -1), announce),
		"unsigned trailer": s.stream("stream", unsignedTrailer, len(all), fixed(frames(chunks...)+"0\r\n"+trailer+"\r\n\r\n"), announce),
		"not announced":    s.stream("stream", unsigned, len(all), fixed(frames(chunks...)+"0\r\n\r\n")),
	} {
		s.row(t, 85, "good "+name, r.bytes(), is(200))
		t.Run("85 good "+name+" is the object", func(t *testing.T) {
			a := s.must(t, s.request("GET", s.path("stream"), nil), 200)
			if a.body != all || strings.Contains(a.header.Get("Content-Encoding"), "aws-chunked") {
				t.Fatalf("%d bytes, want %d; %v", len(a.body), len(all), a.header)
			}
			s.must(t, s.request("DELETE", s.path("stream"), nil), 204)
		})
	}
}

func (s *suite) trailers(t *testing.T, chunks []string, trailer string, announce head.Field) {
	all := strings.Join(chunks, "")
	withTrailer := func(lines string, fields ...head.Field) []byte {
		return s.stream("never", unsignedTrailer, len(all), fixed(frames(chunks...)+"0\r\n"+lines+"\r\n"), fields...).bytes()
	}
	malformed := is(400, "MalformedTrailerError")
	s.row(t, 91, "no colon", withTrailer("abc\r\n", announce), malformed)
	s.row(t, 91, "not announced", withTrailer(trailer+"\r\n"), malformed)
	s.row(t, 91, "another name", withTrailer("x-amz-checksum-sha1:AAAA\r\n", announce), malformed)
	s.row(t, 91, "absent", withTrailer("", announce), malformed)
	s.row(t, 92, "wrong checksum", withTrailer("x-amz-checksum-crc32:AAAAAA==\r\n", announce), is(400, "BadDigest"))
	s.row(t, 92, "not base64", withTrailer("x-amz-checksum-crc32:?\r\n", announce), is(400, "InvalidRequest"))
	invalid := is(400, "InvalidRequest")
	s.row(t, 93, "unsupported trailer", withTrailer("x-amz-meta-a:b\r\n", head.Field{Name: "x-amz-trailer", Value: "x-amz-meta-a"}), invalid)
	s.row(t, 93, "two checksums", s.put("never", "abc").with("x-amz-checksum-crc32", "NSRBwg==").with("x-amz-checksum-sha1", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=").bytes(), invalid)
	s.row(t, 93, "checksum in header and trailer", withTrailer(trailer+"\r\n", announce, head.Field{Name: "x-amz-checksum-sha1", Value: "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}), invalid)
	s.row(t, 94, "signature of the trailer", s.stream("never", signedTrailer, len(all), signedFrames(chunks, trailer, len(chunks)+1), announce).bytes(), is(403, "SignatureDoesNotMatch"))
}

// wrongPlaces is row 95: a streaming payload where there is no object.
func (s *suite) wrongPlaces(t *testing.T) {
	for _, payload := range []string{signedChunks, signedTrailer, unsignedTrailer} {
		for _, target := range []string{"GET " + s.path("probe"), "DELETE " + s.path("absent"), "PUT /" + s.bucket + "?policy="} {
			method, path, _ := strings.Cut(target, " ")
			r := s.request(method, path, nil).but(func(r *req) { r.payload = payload })
			s.row(t, 95, payload+" "+method, r.bytes(), is(400, "InvalidRequest"))
		}
	}
}

package body

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"strings"

	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// Bounds of aws-chunked framing.
const (
	maxChunkLine    = 4 << 10 // also the size of the read buffer
	minChunk        = 8 << 10 // Amazon's bound for all chunks but the last
	maxTrailerLines = 8
)

// chunkReader takes aws-chunked framing off:
//
//	HEX[;chunk-signature=SIG]CRLF data CRLF ... 0[;chunk-signature=SIG]CRLF trailer CRLF
//
// Data is handed out before its chunk's signature was seen to be right; only
// the end of the trailer, without error, says that all of it was.
type chunkReader struct {
	r         *bufio.Reader
	left      int64 // bytes of the current chunk that are not read yet
	size      int64 // of the current chunk
	remaining int64 // payload bytes that may still come
	chunks    *sigv4.ChunkVerifier
	hash      hash.Hash // of the current chunk; nil if chunks are not signed
	signature string    // of the current chunk
	trailers  trailers
	started   bool
}

// trailers says which trailer lines may come, and has what came.
type trailers struct {
	allowed bool // a kind of payload that may have any
	signed  bool // x-amz-trailer-signature must come
	name    string
	value   string
	found   bool
}

func newChunkReader(wire io.Reader, s *Spec) *chunkReader {
	c := &chunkReader{r: bufio.NewReaderSize(wire, maxChunkLine), remaining: s.Length, chunks: s.Chunks}
	if s.Payload.Kind.SignedChunks() {
		c.hash = sha256.New()
	}
	c.trailers = trailers{
		allowed: s.Payload.Kind != sigv4.PayloadStreaming,
		signed:  s.Payload.Kind == sigv4.PayloadStreamingTrailer,
		name:    s.TrailerChecksum.Header(),
	}
	return c
}

func incomplete(why string) error {
	return s3err.New(s3err.IncompleteBody).WithCause(errors.New("body: " + why))
}

// Read gives payload bytes, and io.EOF after the trailer was read and verified.
func (c *chunkReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.left == 0 {
		if err := c.nextChunk(); err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	c.remaining -= int64(n)
	if c.hash != nil {
		c.hash.Write(p[:n])
	}
	if err == io.EOF {
		err = incomplete("end of input inside a chunk")
	}
	if err == nil && c.left == 0 {
		err = c.endChunk()
	}
	return n, err
}

// nextChunk reads a chunk's line. Behind the last chunk it reads the trailer and
// returns io.EOF.
func (c *chunkReader) nextChunk() error {
	line, crlf, err := c.line()
	if err != nil {
		return err
	}
	if !crlf {
		return incomplete("a chunk line does not end with CRLF")
	}
	sizeText, ext, hasExt := strings.Cut(line, ";")
	size, ok := parseHex(sizeText)
	if !ok || size > c.remaining {
		return incomplete("the size of a chunk is not a number, or more than was announced")
	}
	if c.hash != nil {
		sig, ok := strings.CutPrefix(ext, "chunk-signature=")
		if !hasExt || !ok {
			return s3err.Newf(s3err.SignatureDoesNotMatch, "A chunk of the streaming payload has no signature.")
		}
		c.signature = sig
	}
	if size > 0 && c.started && c.size < minChunk {
		return s3err.New(s3err.InvalidChunkSizeError)
	}
	c.started, c.size, c.left = true, size, size
	if size > 0 {
		return nil
	}
	if err := c.verifyChunk(); err != nil {
		return err
	}
	if err := c.readTrailer(); err != nil {
		return err
	}
	return io.EOF
}

func (c *chunkReader) endChunk() error {
	line, crlf, err := c.line()
	if err != nil {
		return err
	}
	if line != "" || !crlf {
		return incomplete("a chunk does not end with CRLF")
	}
	return c.verifyChunk()
}

func (c *chunkReader) verifyChunk() error {
	if c.hash == nil {
		return nil
	}
	var sum [32]byte
	c.hash.Sum(sum[:0])
	c.hash.Reset()
	if !c.chunks.Chunk(sum, c.signature) {
		return s3err.Newf(s3err.SignatureDoesNotMatch, "The signature of a chunk does not match the signature we calculated.")
	}
	return nil
}

// readTrailer reads the lines behind the last chunk up to the empty line. minio-go ends
// a trailer line with LF CRLF, everybody else with CRLF.
func (c *chunkReader) readTrailer() error {
	canonical := sha256.New()
	signature, hasSignature := "", false
	for n := 0; ; n++ {
		line, crlf, err := c.line()
		if err != nil {
			return err
		}
		if line == "" {
			if !crlf {
				return malformedTrailer("a line ends with LF")
			}
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if !ok || n >= maxTrailerLines || hasSignature {
			return malformedTrailer("a line has no colon, or there are too many")
		}
		if !crlf {
			if rest, ok, err := c.line(); err != nil || rest != "" || !ok {
				return malformedTrailer("a line ends with LF")
			}
		}
		if name == "x-amz-trailer-signature" && c.trailers.signed {
			signature, hasSignature = value, true
			continue
		}
		if err := c.trailers.add(name, value); err != nil {
			return err
		}
		io.WriteString(canonical, name+":"+value+"\n")
	}
	return c.endTrailer(canonical, signature)
}

func (t *trailers) add(name, value string) error {
	if !t.allowed || t.name == "" || name != t.name || t.found {
		return malformedTrailer("a line was not announced in x-amz-trailer, or is repeated")
	}
	t.value, t.found = value, true
	return nil
}

func (c *chunkReader) endTrailer(canonical hash.Hash, signature string) error {
	if c.trailers.name != "" && !c.trailers.found {
		return malformedTrailer("what x-amz-trailer announced did not come")
	}
	if c.trailers.signed {
		var sum [32]byte
		canonical.Sum(sum[:0])
		if !c.chunks.Trailer(sum, signature) {
			return s3err.Newf(s3err.SignatureDoesNotMatch, "The signature of the trailer does not match the signature we calculated.")
		}
	}
	if _, err := c.r.ReadByte(); err == nil {
		return incomplete("bytes behind the last chunk")
	} else if err != io.EOF {
		return wireError(err)
	}
	return nil
}

func malformedTrailer(why string) error {
	return s3err.New(s3err.MalformedTrailerError).WithCause(errors.New("body: " + why))
}

// line reads up to LF and says whether a CR was before it.
func (c *chunkReader) line() (text string, crlf bool, err error) {
	b, err := c.r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return "", false, incomplete("a line is too long")
	case err != nil:
		return "", false, wireError(err)
	}
	b = b[:len(b)-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return string(b[:n-1]), true, nil
	}
	return string(b), false, nil
}

// wireError makes an end of input an IncompleteBody; errors of the connection are
// S3 errors already, anything else is a connection that broke.
func wireError(err error) error {
	var e *s3err.Error
	if errors.As(err, &e) {
		return err
	}
	return s3err.New(s3err.IncompleteBody).WithCause(err)
}

// parseHex reads 1 to 16 hex digits that fit an int64.
func parseHex(s string) (n int64, ok bool) {
	if s == "" || len(s) > 16 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		if n >= 1<<59 {
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

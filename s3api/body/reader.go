package body

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"hash"
	"io"

	"catena/s3api/checksum"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// Reader is the verifying reader of one body.
type Reader struct {
	spec   Spec
	src    io.Reader // payload bytes
	chunks *chunkReader
	read   int64
	err    error // sticks; io.EOF when the payload ended well

	md5     hash.Hash
	sha256  hash.Hash // of the payload, or of the wire if that was hashed
	sum     *checksum.Hasher
	want    checksum.Algorithm
	skipMD5 bool
	begun   bool

	done    bool
	digests Digests
}

// New makes a Reader. wire gives the bytes behind the head with transfer framing
// already taken off, and io.EOF where the body ends; its errors are *s3err.Error.
func New(wire io.Reader, spec Spec) *Reader {
	r := &Reader{spec: spec, src: wire}
	if spec.Payload.Kind == sigv4.PayloadHash {
		r.sha256 = sha256.New()
	}
	if spec.AWSChunked {
		if r.sha256 != nil {
			// A client that signs the hash of a framed body hashes what it sends.
			wire = io.TeeReader(wire, r.sha256)
		}
		r.chunks = newChunkReader(wire, &r.spec)
		r.src = r.chunks
	}
	return r
}

// Empty is the reader of a request without body.
func Empty() *Reader { return New(bytes.NewReader(nil), Spec{}) }

// Bytes is the reader of a plain body in memory, for tests of handlers.
func Bytes(b []byte) *Reader {
	return New(bytes.NewReader(b), Spec{Length: int64(len(b)), MaxLength: int64(len(b))})
}

// Length is the payload's length as announced, or UnknownLength.
func (r *Reader) Length() int64 { return r.spec.Length }

// Announced tells which algorithm the client's own checksum has (header or trailer), or
// checksum.None. It is known before the first Read.
func (r *Reader) Announced() checksum.Algorithm {
	if !r.spec.Checksum.IsZero() {
		return r.spec.Checksum.Algorithm
	}
	return r.spec.TrailerChecksum
}

// HasDigest reports whether the client sends a Content-MD5 or a checksum of the body, as
// some operations demand.
func (r *Reader) HasDigest() bool {
	return r.spec.MD5 != nil || r.Announced() != checksum.None
}

// WantChecksum asks for a checksum of this algorithm in Digests if the client sends
// none of its own. Call it before the first Read.
func (r *Reader) WantChecksum(a checksum.Algorithm) { r.want = a }

// WithoutMD5 skips the MD5, for bodies whose ETag nobody wants. A Content-MD5 is
// checked all the same. Call it before the first Read.
func (r *Reader) WithoutMD5() { r.skipMD5 = true }

func (r *Reader) begin() {
	r.begun = true
	if !r.skipMD5 || r.spec.MD5 != nil {
		r.md5 = md5.New()
	}
	algo := r.Announced()
	if algo == checksum.None {
		algo = r.want
	}
	if algo.Valid() {
		r.sum = checksum.NewHasher(algo)
	}
}

// Read gives payload bytes, not verified yet. io.EOF only says that the payload ends.
func (r *Reader) Read(p []byte) (int, error) {
	if !r.begun {
		r.begin()
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.src.Read(p)
	r.read += int64(n)
	r.hash(p[:n])
	if err == io.EOF {
		err = r.atEnd()
	} else if err != nil {
		err = wireError(err)
	} else if r.spec.Length < 0 && r.read > r.spec.MaxLength {
		err = r.spec.tooLarge()
	} else if r.spec.Length >= 0 && r.read > r.spec.Length {
		err = incomplete("more bytes than announced")
	}
	r.err = err
	return n, err
}

func (r *Reader) hash(p []byte) {
	if r.md5 != nil {
		r.md5.Write(p)
	}
	if r.sum != nil {
		r.sum.Write(p)
	}
	if r.sha256 != nil && r.chunks == nil {
		r.sha256.Write(p)
	}
}

func (r *Reader) atEnd() error {
	if r.spec.Length >= 0 && r.read != r.spec.Length {
		return incomplete("the body is shorter than announced")
	}
	return io.EOF
}

// Finish reads what is left and verifies everything. It may be called more than once and
// answers the same.
func (r *Reader) Finish() (Digests, error) {
	if !r.begun {
		r.begin()
	}
	if r.err == nil {
		size := int64(32 << 10)
		if r.spec.Length >= 0 { // one byte more, to see that the body ends
			size = max(1, min(size, r.spec.Length-r.read+1))
		}
		buf := make([]byte, size)
		for r.err == nil {
			r.Read(buf) // sets r.err
		}
	}
	if r.err != io.EOF {
		return Digests{}, r.err
	}
	if !r.done {
		r.done = true
		if err := r.verify(); err != nil {
			r.err = err
			return Digests{}, err
		}
	}
	return r.digests, nil
}

// verify compares what was promised with what was computed.
func (r *Reader) verify() error {
	d := Digests{Length: r.read}
	if r.sha256 != nil {
		r.sha256.Sum(d.SHA256[:0])
		if !hmac.Equal(d.SHA256[:], r.spec.Payload.SHA256[:]) {
			return s3err.New(s3err.XAmzContentSHA256Mismatch)
		}
		d.HasSHA256 = r.chunks == nil
	}
	if r.md5 != nil {
		r.md5.Sum(d.MD5[:0])
		if r.spec.MD5 != nil && !bytes.Equal(r.spec.MD5, d.MD5[:]) {
			return s3err.Newf(s3err.BadDigest, "The Content-MD5 you specified did not match what we received.")
		}
	}
	if r.sum != nil {
		if err := r.verifyChecksum(&d); err != nil {
			return err
		}
	}
	r.digests = d
	return nil
}

func (r *Reader) verifyChecksum(d *Digests) error {
	d.Checksum = r.sum.Value()
	promised := r.spec.Checksum
	if algo := r.spec.TrailerChecksum; algo != checksum.None {
		var err error
		if promised, err = checksum.Parse(algo, r.chunks.trailers.value); err != nil {
			return s3err.Newf(s3err.InvalidRequest, "Value for "+algo.Header()+" trailing header is invalid.").WithCause(err)
		}
	}
	if promised.IsZero() {
		return nil
	}
	d.FromClient = true
	if !bytes.Equal(promised.Sum, d.Checksum.Sum) {
		return s3err.Newf(s3err.BadDigest, "The "+promised.Algorithm.String()+" you specified did not match the calculated checksum.")
	}
	return nil
}

// ReadAll reads and verifies a small body whole: at most max bytes, otherwise
// MaxMessageLengthExceeded.
func (r *Reader) ReadAll(max int64) ([]byte, error) {
	if r.spec.Length > max {
		return nil, s3err.New(s3err.MaxMessageLengthExceeded)
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(r, max+1))
	switch {
	case err != nil:
		return nil, err
	case n > max:
		r.err = s3err.New(s3err.MaxMessageLengthExceeded)
		return nil, r.err
	}
	_, err = r.Finish()
	return b.Bytes(), err
}

// IsEmpty reports whether the head announces no body bytes.
func (r *Reader) IsEmpty() bool { return r.spec.Length == 0 }

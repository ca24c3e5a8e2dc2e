package body

import (
	"errors"
	"io"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

func specOf(h *head.Head, res *sigv4.Result, lim Limits) (Spec, error) {
	return Spec{}, errors.New("body: being written")
}

// Reader is the verifying reader of one body.
type Reader struct{ spec Spec }

// New makes a Reader. wire gives the bytes behind the head with transfer framing
// already taken off, and io.EOF where the body ends.
func New(wire io.Reader, spec Spec) *Reader { return &Reader{spec: spec} }

// Length is the payload's length as announced, or UnknownLength.
func (r *Reader) Length() int64 { return r.spec.Length }

// WantChecksum asks for a checksum of this algorithm in Digests if the client sends
// none of its own. Call it before the first Read.
func (r *Reader) WantChecksum(a checksum.Algorithm) { r.spec.Algorithm = a }

// Announced tells which algorithm the client's own checksum has (header or trailer), or
// checksum.None. It is known before the first Read.
func (r *Reader) Announced() checksum.Algorithm { return checksum.None }

// WithoutMD5 skips the MD5, for bodies whose ETag nobody wants (XML). A Content-MD5 is
// checked all the same. Call it before the first Read.
func (r *Reader) WithoutMD5() {}

// Read gives payload bytes, not verified yet. io.EOF only says that the payload ends.
func (r *Reader) Read(p []byte) (int, error) { return 0, errors.New("body: being written") }

// Finish reads what is left and verifies everything. It may be called more than once.
func (r *Reader) Finish() (Digests, error) { return Digests{}, errors.New("body: being written") }

// ReadAll reads and verifies a small body whole: at most max bytes, otherwise
// MaxMessageLengthExceeded.
func (r *Reader) ReadAll(max int64) ([]byte, error) { return nil, errors.New("body: being written") }

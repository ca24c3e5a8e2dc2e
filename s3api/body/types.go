package body

import (
	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

// UnknownLength is the length of a body that does not announce one.
const UnknownLength = -1

// Spec is everything the head says about the body, checked.
type Spec struct {
	// Chunked (aws-chunked) framing is inside the wire bytes.
	AWSChunked bool
	// Length is the payload's length, or UnknownLength for a chunked transfer coding
	// without x-amz-decoded-content-length.
	Length int64
	// WireLength is Content-Length, or UnknownLength.
	WireLength int64
	// MaxLength bounds the payload when Length is unknown.
	MaxLength int64

	Payload sigv4.Payload
	Chunks  *sigv4.ChunkVerifier

	// MD5 is the decoded Content-MD5, or nil.
	MD5 []byte
	// Checksum is what an x-amz-checksum-* header promises, or zero.
	Checksum checksum.Value
	// TrailerChecksum is the algorithm that x-amz-trailer announces, or None.
	TrailerChecksum checksum.Algorithm
	// Algorithm is computed in addition, if no checksum above says which; for
	// a handler that wants one stored. See Reader.WantChecksum.
	Algorithm checksum.Algorithm
}

// Digests is what was computed over the payload.
type Digests struct {
	Length int64
	MD5    [16]byte
	// SHA256 is set if HasSHA256 (the request was signed with the payload's hash).
	SHA256    [32]byte
	HasSHA256 bool
	// Checksum is the verified checksum that the client sent, or the one wanted by
	// WantChecksum; zero if there is neither.
	Checksum checksum.Value
	// FromClient says that the client sent Checksum.
	FromClient bool
}

// Limits are the bounds of what a client can announce.
type Limits struct {
	MaxLength int64 // of the payload
}

// SpecOf reads what a head says about its body. Errors are *s3err.Error.
func SpecOf(h *head.Head, res *sigv4.Result, lim Limits) (Spec, error) { return specOf(h, res, lim) }

package body

import (
	"catena/s3api/checksum"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// UnknownLength is the length of a body that does not announce one.
const UnknownLength = -1

// Spec is everything the head says about the body, checked.
type Spec struct {
	// AWSChunked says that chunk framing is inside the wire bytes.
	AWSChunked bool
	// Length is the payload's length, or UnknownLength for a chunked transfer coding
	// without x-amz-decoded-content-length.
	Length int64
	// MaxLength bounds the payload when Length is unknown; TooLarge is the answer then,
	// EntityTooLarge if empty.
	MaxLength int64
	TooLarge  s3err.Code

	Payload sigv4.Payload
	// Chunks is set exactly if Payload.Kind.SignedChunks().
	Chunks *sigv4.ChunkVerifier

	// MD5 is the decoded Content-MD5, or nil.
	MD5 []byte
	// Checksum is what an x-amz-checksum-* header promises, or zero.
	Checksum checksum.Value
	// TrailerChecksum is the algorithm that x-amz-trailer announces, or None; never
	// beside Checksum.
	TrailerChecksum checksum.Algorithm
}

// Digests is what was computed over the payload.
type Digests struct {
	Length int64
	// MD5 is all zero after WithoutMD5.
	MD5 [16]byte
	// SHA256 is set if HasSHA256: the request was signed with the payload's hash.
	SHA256    [32]byte
	HasSHA256 bool
	// Checksum is the verified checksum that the client sent, or the one asked for
	// with WantChecksum; zero if there is neither. Its type is FULL_OBJECT.
	Checksum checksum.Value
	// FromClient says that the client sent Checksum.
	FromClient bool
}

// Limits bound what a client can announce.
type Limits struct {
	MaxLength int64 // of the payload
	// TooLarge is the answer to more. Default EntityTooLarge.
	TooLarge s3err.Code
	// ObjectChecksum says that x-amz-checksum-* is about an object and not about this body
	// (CompleteMultipartUpload), so it is left to the handler.
	ObjectChecksum bool
}

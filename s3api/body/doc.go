// Package body reads a request body and verifies it: framing, length, aws-chunked
// with and without signatures, trailers, SHA-256 of the payload, Content-MD5 and the
// additional checksums.
//
// Words: the wire is what the client sent after the head; the payload are the object's
// bytes, that is the wire without any chunk framing.
//
// Promises:
//   - Read hands out payload bytes before they are verified. Finish reads to the end of
//     the body, and only its nil error means that the body was complete and everything the
//     client said about it is true. Nothing may become visible before.
//   - aws-chunked is taken off on any sign of it: x-amz-content-sha256 STREAMING-*,
//     Content-Encoding aws-chunked, or x-amz-decoded-content-length.
//   - Memory is bounded: a chunk line, a trailer line and all trailers have limits, and
//     a length that is announced is never allocated.
//   - Every error is an *s3err.Error and sticks.
//
// A Reader belongs to one goroutine. The hashes run in it, between the reads: an MD5 beside
// the reading was measured (one upload at a time, of 1 and 16 MiB, on two cores with the
// client on them too) and gave 0.99 to 1.01 of the throughput for 1.02 to 1.06 of the CPU.
package body

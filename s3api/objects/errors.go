package objects

import (
	"errors"
	"fmt"
)

// Kind says what went wrong.
type Kind uint8

// The kinds of error that a Backend returns.
const (
	KindInternal         Kind = iota // a bug or a damaged row
	KindNoSuchBucket                 // the bucket does not exist
	KindBucketExists                 // the name is taken
	KindBucketNotEmpty               // it holds objects or uploads
	KindNoSuchKey                    // no such object
	KindNoSuchUpload                 // no such upload: completed, aborted or never made
	KindPrecondition                 // a condition did not hold
	KindConflict                     // a concurrent change: the client should try again (409)
	KindInvalidPart                  // a named part is absent or has another ETag or checksum
	KindInvalidPartOrder             // parts not in ascending order
	KindEntityTooSmall               // a part but the last is smaller than 5 MiB
	KindInvalidRange                 // the range lies outside the source
	KindTooLarge                     // the result would be larger than 5 TiB
	KindBadChecksum                  // the checksum of a completion differs
	KindUnavailable                  // chains are down: nothing was done; try again
	KindSlowDown                     // over a limit: nothing was done; try again
	KindUnknown                      // the outcome is unknown
	KindFull                         // no space for creates
	KindNotModified                  // a source condition says "not modified"
	KindBadSize                      // the size that a completion names differs from the sum of its parts
)

var kindNames = map[Kind]string{
	KindInternal: "internal", KindNoSuchBucket: "no such bucket", KindBucketExists: "bucket exists", KindBucketNotEmpty: "bucket not empty",
	KindNoSuchKey: "no such key", KindNoSuchUpload: "no such upload", KindPrecondition: "precondition failed", KindConflict: "conflict",
	KindInvalidPart: "invalid part", KindInvalidPartOrder: "invalid part order", KindEntityTooSmall: "part too small", KindInvalidRange: "invalid range",
	KindTooLarge: "too large", KindBadChecksum: "bad checksum", KindUnavailable: "unavailable", KindSlowDown: "slow down",
	KindUnknown: "outcome unknown", KindFull: "full", KindNotModified: "not modified",
	KindBadSize: "bad size",
}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// Error is the error of one operation.
type Error struct {
	Kind        Kind
	Op          string
	Bucket, Key string
	// Detail is for the client: which part, which condition.
	Detail string
	// Cause is for the log only.
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s/%s: %s", e.Op, e.Bucket, e.Key, e.Kind)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf gives the kind of any error: KindInternal if it is none of ours.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

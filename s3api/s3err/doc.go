// Package s3err holds the one error type that the S3 front speaks, and the
// table of Amazon's error codes with their HTTP status and default message.
//
// Words: a code is the text of <Code> ("NoSuchKey"); a field is an additional
// element of the error document, such as <Region> or <ArgumentName>.
//
// Promises: an *Error is immutable after it is built (the With methods copy),
// so the values may be shared. The package does no I/O and knows no clock.
// s3xml.AppendError renders an *Error; nothing else writes error documents.
// Storage packages never return these: handlers translate.
package s3err

// Package badinput is the bad-input catalogue of the S3 API as a suite against any endpoint:
// HTTP framing, keys and queries, signatures, presigned and anonymous requests,
// streaming bodies. Every case is bytes on a raw socket, and says the exact status and code
// of the answer.
//
// Words: a row is a line of the catalogue, and the first part of a test's name is its
// number; the probe is a good signed request whose answer is known.
//
// Promises: after every case the suite checks that the connection is closed without one
// more byte, or that the probe on the same connection gets its own answer; and that a
// new connection gets the probe's answer too, so a crash or a hang is found at its row.
// The suite makes two buckets with random names and removes what it made.
package badinput

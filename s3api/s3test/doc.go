// Package s3test is a contract suite: what an S3 endpoint must do, in our own words, as
// tests over HTTP against any endpoint. It runs against the handlers over a store in
// memory (package model) in go test, and against the real server wherever one is
// started.
//
// Words: a target is an endpoint with keys; an area is a group of behaviours; the
// model is the reference that the random test compares with.
//
// The suite signs with minio-go's signer, not with ours, so that a mistake in the
// signature code cannot hide itself. Every test makes its own buckets, with names that
// no other test has, and removes them.
package s3test

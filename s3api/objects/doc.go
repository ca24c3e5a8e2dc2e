// Package objects holds the words between the S3 handlers and whatever stores
// the objects: what a bucket, an object, an upload and a page are, the
// conditions on a write, and the kinds of error. The handlers (package s3api)
// speak HTTP and XML and call a Backend; s3api/cluster is the Backend over
// chains, s3api/s3test has one in memory, which is also the model that the
// contract suite compares with.
//
// Nothing here knows HTTP, and no S3 error code appears here.
package objects

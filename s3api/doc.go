// Package s3api is the S3 API over a Backend: what every operation of Amazon S3
// means here, a file per operation or small family. It gets requests whose framing,
// route and signature were checked (package edge), calls a Backend (package
// objects) and answers with a Response or an S3 error.
//
// Words: an operation is one of Amazon's, by its name (route.Operation); a
// condition is If-Match and its like; a page is one answer of a listing; a
// token is the opaque place where the next page begins; the model is
// s3test/model, the Backend in memory.
//
// Promises:
//   - Nothing is answered 200 that was not done. An operation that is not built, or
//     a header that asks for something that is not built, is 501 NotImplemented; a header that
//     asks for what is so anyway (acl private, STANDARD) is accepted. COMPATIBILITY.md has
//     the table.
//   - A body is verified to its end before the Backend makes anything visible.
//   - The first bytes of an object are verified before the status is sent; an
//     object that turns out bad later breaks the connection off and never ends
//     as if it were whole.
//   - Storage errors have kinds (objects.Kind); fail.go is the one place where they
//     become S3 errors.
//   - A token is bound to its bucket and kind of listing and checked; another is
//     InvalidArgument.
//
// An *API is safe for concurrent use and keeps no state of requests.
package s3api

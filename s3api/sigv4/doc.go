// Package sigv4 verifies AWS Signature Version 4: in the Authorization header, in
// a presigned query, and chunk by chunk in a streaming body.
//
// Words: the scope is date/region/service/aws4_request; the signing key is derived from
// a secret and a scope; the seed is the signature of the head, with which the chain of
// chunk signatures begins; a principal is who a request acts for, and the anonymous
// principal is a principal, never the absence of one.
//
// Promises:
//   - Verify decides from one parsed request and gives exactly one Result or an error.
//     A request that carries any credential is never treated as anonymous.
//   - Signatures are compared in constant time as 32 decoded bytes; an unknown access key
//     costs the same derivation as a known one.
//   - host and every x-amz-* header present must be signed.
//   - Any region is accepted; service, terminal, date and the clock (15 min) are not.
//   - No error and no log line contains a secret, a signing key or an expected signature.
//
// The clock is injected. Documents: "Signature Version 4 signing process" and
// "Authenticating Requests" in the S3 API reference.
package sigv4

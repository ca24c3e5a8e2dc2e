// Package sigv4 verifies AWS Signature Version 4: in the Authorization header, in
// a presigned query, and chunk by chunk in a streaming body; and presigned queries of
// Version 2.
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
//   - Of Version 2 only a presigned query is accepted, because botocore (boto3, aws CLI
//     version 1) makes one for us-east-1 when it is told nothing else; Config.RefuseSigV2
//     refuses it. It covers the method, the path as sent, Content-MD5, Content-Type, every
//     x-amz-* header and parameter, and every parameter with a meaning but the bounds
//     of a listing. It never covers the host.
//   - A request is authenticated in one way; two in one request are refused.
//   - No error and no log line contains a secret, a signing key or an expected signature.
//
// The clock is injected. Documents: "Signature Version 4 signing process" and
// "Authenticating Requests" in the S3 API reference; for Version 2 "Signing and
// Authenticating REST Requests" in the S3 user guide.
package sigv4

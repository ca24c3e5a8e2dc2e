// Package route turns a request target, a Host and a method into one parsed
// request: operation, bucket, key, version and query. It is the only parser of them
// in the gateway, so what is authenticated, authorised and executed is the same
// resource (a second parser is how gateways are broken into).
//
// Words: the target is the origin form as sent; style is path
// (/BUCKET/KEY) or virtual host (BUCKET.DOMAIN/KEY); a sub-resource is a query
// parameter that selects the operation (acl, uploads, delete, ...).
//
// Promises:
//   - Percent is decoded exactly once. '+' is itself in a path and a space in a query.
//   - A path that is not valid UTF-8 after decoding, has a NUL, or a bad
//     escape, is InvalidURI; a key is otherwise taken literally, with its slashes,
//     dots and control characters. Only a key whose ".." segments lead above the
//     bucket is refused, because a client library or proxy would take it for another
//     bucket.
//   - Everything that is wrong with the target alone is found here:
//     bucket name, key length, conflicting or repeated sub-resources, versionId,
//     partNumber, max-keys, encoding-type, list-type.
//
// A versionId is "null" (the object of a bucket without versioning) or 32 lower-case
// hex digits. Handlers answer the second with NoSuchVersion where no such version is.
//
// The package is pure: no os, net, time, log.
package route

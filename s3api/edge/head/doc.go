// Package head is the strict parser of an HTTP/1.x request head, and the type
// in which the rest of the gateway sees header fields.
//
// Words: the head is everything up to and including the empty line; a field is
// one header line; framing is what says where the body ends.
//
// Promises: one parse, of bytes, before anything else has seen them. What two
// HTTP parsers could read differently is refused: bare LF, obs-fold, space before
// the colon, control bytes, two lengths, a length beside Transfer-Encoding,
// another coding than exactly "chunked", two Hosts, another version than
// HTTP/1.0 and HTTP/1.1 (RFC 9112 sections 2 to 7). A Head owns its
// memory: nothing of it points into the connection's buffer.
// The package is pure: no I/O, no clock, no goroutine.
package head

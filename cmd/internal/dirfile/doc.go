// Package dirfile writes and reads the few small files that every data
// directory holds outside its store: identity and keys.
//
// A file is one header line and a body:
//
//	catena-<kind> v<version> crc32c=<8 hex> len=<decimal>\n
//	<body, exactly len bytes>
//
// The checksum (Castagnoli) covers kind, version and body, so a file that was
// renamed to another kind, cut short or flipped anywhere does not verify.
//
// Promise: after Write returns nil, the new content survives a crash; when it
// returns an error or the machine stops, a reader finds the old content or the
// new one, never a mixture (temporary file, fsync, rename, fsync of the
// directory). An error after the rename leaves which of the two open.
package dirfile

// Package checksum knows the additional checksums of S3 (CRC32, CRC32C,
// CRC64NVME, SHA1, SHA256), their two types, and how those of parts make the
// one of an object.
//
// Words: FULL_OBJECT is the checksum of all bytes of the object; COMPOSITE is
// the checksum of the concatenated binary checksums of the parts, written with
// "-N" behind it. Only CRCs can be FULL_OBJECT of a multipart object, because only
// they can be combined (the appended bytes act on a CRC as a matrix over GF(2)).
//
// Rules, as Amazon answers them: SHA1 and SHA256 of a multipart object are always
// COMPOSITE, CRC64NVME is always FULL_OBJECT, CRC32 and CRC32C are COMPOSITE unless
// FULL_OBJECT is asked for, and no algorithm means CRC64NVME.
// The package is pure.
package checksum

package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
)

// Algorithm is one of the checksum algorithms, or None.
type Algorithm uint8

// The algorithms. The numbers are stored in rows: never renumber.
const (
	None      Algorithm = 0
	CRC32     Algorithm = 1
	CRC32C    Algorithm = 2
	CRC64NVME Algorithm = 3
	SHA1      Algorithm = 4
	SHA256    Algorithm = 5
)

// All lists the algorithms in the order of their numbers.
func All() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

// String gives the name as in x-amz-checksum-algorithm, "" for None.
func (a Algorithm) String() string {
	switch a {
	case CRC32:
		return "CRC32"
	case CRC32C:
		return "CRC32C"
	case CRC64NVME:
		return "CRC64NVME"
	case SHA1:
		return "SHA1"
	case SHA256:
		return "SHA256"
	}
	return ""
}

// Header gives the name of the header and trailer, such as
// "x-amz-checksum-crc32c", "" for None.
func (a Algorithm) Header() string {
	switch a {
	case CRC32:
		return "x-amz-checksum-crc32"
	case CRC32C:
		return "x-amz-checksum-crc32c"
	case CRC64NVME:
		return "x-amz-checksum-crc64nvme"
	case SHA1:
		return "x-amz-checksum-sha1"
	case SHA256:
		return "x-amz-checksum-sha256"
	}
	return ""
}

// Size is the number of bytes of a sum, 0 for None.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return 4
	case CRC64NVME:
		return 8
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	}
	return 0
}

// Valid reports whether a is one of the five algorithms.
func (a Algorithm) Valid() bool { return a >= CRC32 && a <= SHA256 }

// CanCombine reports whether the sums of parts can be combined to the sum of the
// whole without reading it.
func (a Algorithm) CanCombine() bool { return a >= CRC32 && a <= CRC64NVME }

// ParseAlgorithm reads the name of an algorithm, in any case.
func ParseAlgorithm(s string) (Algorithm, bool) {
	for _, a := range All() {
		if strings.EqualFold(a.String(), s) {
			return a, true
		}
	}
	return None, false
}

// FromHeader reads a lower-case header name such as "x-amz-checksum-sha1".
func FromHeader(name string) (Algorithm, bool) {
	for _, a := range All() {
		if a.Header() == name {
			return a, true
		}
	}
	return None, false
}

// New returns a running hash of the algorithm. It panics on None, which is a
// mistake of the caller and not of a client.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case CRC64NVME:
		return crc64nvme.New()
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	panic("checksum: New of " + strconv.Itoa(int(a)))
}

// Type says what a sum of a multipart object covers.
type Type uint8

// The types. The numbers are stored in rows: never renumber.
const (
	Unset      Type = 0
	FullObject Type = 1
	Composite  Type = 2
)

// String gives FULL_OBJECT, COMPOSITE or "".
func (t Type) String() string {
	switch t {
	case FullObject:
		return "FULL_OBJECT"
	case Composite:
		return "COMPOSITE"
	}
	return ""
}

// ParseType reads FULL_OBJECT or COMPOSITE.
func ParseType(s string) (Type, bool) {
	switch s {
	case "FULL_OBJECT":
		return FullObject, true
	case "COMPOSITE":
		return Composite, true
	}
	return Unset, false
}

// Value is one checksum: of an object or of a part. The zero Value is none.
type Value struct {
	Algorithm Algorithm
	Type      Type
	Sum       []byte // binary, Algorithm.Size() bytes
	Parts     int    // of a COMPOSITE, how many parts; otherwise 0
}

// IsZero reports whether there is no checksum.
func (v Value) IsZero() bool { return v.Algorithm == None }

// Text is the form of headers: base64, and "-N" behind a COMPOSITE.
func (v Value) Text() string {
	s := v.Base64()
	if v.Type == Composite && v.Parts > 0 {
		s += "-" + strconv.Itoa(v.Parts)
	}
	return s
}

// Base64 is the sum alone, which is the form of GetObjectAttributes and of parts.
func (v Value) Base64() string { return base64.StdEncoding.EncodeToString(v.Sum) }

// Parse reads the base64 sum of an algorithm, as a header or a part gives it. It
// refuses another length and anything behind it ("-N" too).
func Parse(a Algorithm, text string) (Value, error) {
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	// The length of the text too: the decoder passes over line ends.
	if err != nil || !a.Valid() || len(sum) != a.Size() || len(text) != base64.StdEncoding.EncodedLen(a.Size()) {
		return Value{}, fmt.Errorf("checksum: %q is not a base64 %s", text, a)
	}
	return Value{Algorithm: a, Type: FullObject, Sum: sum}, nil
}

// ParseText is Parse that also takes "-N" and then gives a COMPOSITE: what a client
// sends with CompleteMultipartUpload as the checksum of the object.
func ParseText(a Algorithm, text string) (Value, error) {
	sum, n, found := strings.Cut(text, "-")
	v, err := Parse(a, sum)
	if err != nil || !found {
		return v, err
	}
	parts, err := strconv.Atoi(n)
	if err != nil || parts < 1 || parts > 10000 || strconv.Itoa(parts) != n {
		return Value{}, fmt.Errorf("checksum: %q has no valid number of parts", text)
	}
	v.Type, v.Parts = Composite, parts
	return v, nil
}

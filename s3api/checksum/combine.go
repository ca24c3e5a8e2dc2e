package checksum

import (
	"fmt"
	"hash"
	"hash/crc32"
)

// Part is what a part contributes to the checksum of the object.
type Part struct {
	Sum    []byte
	Length int64
}

// DefaultType is the type that a multipart upload has when none was asked for.
func (a Algorithm) DefaultType() Type {
	switch a {
	case CRC64NVME:
		return FullObject
	case None:
		return Unset
	}
	return Composite
}

// Allows reports whether a multipart upload may have this type.
func (a Algorithm) Allows(t Type) bool {
	switch t {
	case FullObject:
		return a.CanCombine()
	case Composite:
		return a.Valid() && a != CRC64NVME
	}
	return false
}

// OfParts computes the checksum of an object from those of its parts, in order.
// It fails when a sum has the wrong length or the type does not suit.
func OfParts(a Algorithm, t Type, parts []Part) (Value, error) {
	if !a.Allows(t) {
		return Value{}, fmt.Errorf("checksum: %s of parts can't be %s", a, t)
	}
	for i, p := range parts {
		if len(p.Sum) != a.Size() || p.Length < 0 {
			return Value{}, fmt.Errorf("checksum: part %d of %d has no valid %s", i+1, len(parts), a)
		}
	}
	if t == Composite {
		return composite(a, parts), nil
	}
	return fullObject(a, parts), nil
}

func composite(a Algorithm, parts []Part) Value {
	h := a.New()
	for _, p := range parts {
		h.Write(p.Sum)
	}
	return Value{Algorithm: a, Type: Composite, Sum: h.Sum(nil), Parts: len(parts)}
}

func fullObject(a Algorithm, parts []Part) Value {
	var crc uint64
	for i, p := range parts {
		if i == 0 {
			crc = fromBytes(p.Sum)
			continue
		}
		crc = combine(a, crc, fromBytes(p.Sum), p.Length)
	}
	return Value{Algorithm: a, Type: FullObject, Sum: toBytes(crc, a.Size())}
}

// Combine gives the CRC of A followed by B from the CRCs of both and the length of
// B. It panics if the algorithm can't be combined (see CanCombine).
func Combine(a Algorithm, sumA, sumB []byte, lengthB int64) []byte {
	return toBytes(combine(a, fromBytes(sumA), fromBytes(sumB), lengthB), a.Size())
}

func fromBytes(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func toBytes(v uint64, n int) []byte {
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return b
}

// crc64NVMEPoly is the reflected polynomial of CRC-64/NVME.
const crc64NVMEPoly = 0x9a6c9329ac4bc9b5

func (a Algorithm) poly() (poly uint64, bits int) {
	switch a {
	case CRC32:
		return crc32.IEEE, 32
	case CRC32C:
		return crc32.Castagnoli, 32
	case CRC64NVME:
		return crc64NVMEPoly, 64
	}
	panic("checksum: " + a.String() + " can't be combined")
}

// matrix is a linear map of CRC registers over GF(2); row i is the image of bit i.
type matrix [64]uint64

func (m *matrix) apply(v uint64) (out uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			out ^= m[i]
		}
	}
	return out
}

func (m *matrix) square() (out matrix) {
	for i := range m {
		out[i] = m.apply(m[i])
	}
	return out
}

// combine moves crcA over lengthB zero bytes and adds crcB. Initial value and final
// inversion of all three CRCs cancel (zlib's crc32_combine, M. Adler).
func combine(a Algorithm, crcA, crcB uint64, lengthB int64) uint64 {
	poly, bits := a.poly()
	var step matrix // the map of one zero bit
	step[0] = poly
	for i := 1; i < bits; i++ {
		step[i] = 1 << (i - 1)
	}
	for range 3 { // one byte
		step = step.square()
	}
	for n := uint64(lengthB); n != 0; n >>= 1 {
		if n&1 != 0 {
			crcA = step.apply(crcA)
		}
		if n > 1 {
			step = step.square()
		}
	}
	return crcA ^ crcB
}

// Hasher is a running checksum of one algorithm.
type Hasher struct {
	algo Algorithm
	h    hash.Hash
}

// NewHasher starts a checksum. The algorithm must be valid.
func NewHasher(a Algorithm) *Hasher { return &Hasher{algo: a, h: a.New()} }

// Write adds bytes and never fails.
func (h *Hasher) Write(p []byte) (int, error) { return h.h.Write(p) }

// Value gives the FULL_OBJECT sum of what was written so far.
func (h *Hasher) Value() Value {
	return Value{Algorithm: h.algo, Type: FullObject, Sum: h.h.Sum(nil)}
}

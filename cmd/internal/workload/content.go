package workload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Version is one body that a key may have. The zero value is "no object".
type Version struct {
	// Seed determines the bytes; 0 is "no object".
	Seed uint64
	Size int64
}

// Absent reports whether this is "no object".
func (v Version) Absent() bool { return v.Seed == 0 }

// String names the version in failures.
func (v Version) String() string {
	if v.Absent() {
		return "absent"
	}
	return fmt.Sprintf("%x+%d", v.Seed, v.Size)
}

// Bytes are the version's body: incompressible, and different for every seed
// from the first byte on, so that a mix of two versions cannot pass for one.
func (v Version) Bytes() []byte {
	b := make([]byte, v.Size)
	src := rand.NewChaCha8(seed32(v.Seed))
	_, _ = src.Read(b) // never fails
	if len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, v.Seed)
	}
	return b
}

func seed32(s uint64) (out [32]byte) {
	for i := 0; i < len(out); i += 8 {
		binary.LittleEndian.PutUint64(out[i:], s*0x9e3779b97f4a7c15+uint64(i))
	}
	return out
}

// matches reports which of the candidates a body is.
func matches(got []byte, candidates []Version) (Version, error) {
	for _, c := range candidates {
		if !c.Absent() && int64(len(got)) == c.Size && bytes.Equal(got, c.Bytes()) {
			return c, nil
		}
	}
	return Version{}, fmt.Errorf("%d bytes that are none of %v", len(got), candidates)
}

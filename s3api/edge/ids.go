package edge

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
)

// idSource makes request ids: 16 hex digits, unique in this process and not
// guessable from one another by eye. They are names for logs, never secrets.
type idSource struct {
	seed uint64
	n    *atomic.Uint64
}

func newIDSource() idSource {
	var b [8]byte
	rand.Read(b[:]) // never fails; see crypto/rand
	return idSource{binary.LittleEndian.Uint64(b[:]), new(atomic.Uint64)}
}

func (s idSource) next() string {
	// splitmix64 is a bijection, so counting never repeats an id.
	z := s.seed + s.n.Add(1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	const digits = "0123456789ABCDEF"
	var out [16]byte
	for i := range out {
		out[i] = digits[z>>60]
		z <<= 4
	}
	return string(out[:])
}

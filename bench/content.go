package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt says that the bytes read are not those written.
var ErrCorrupt = errors.New("corrupt data")

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): it
// makes a counter into words that look random and do not compress.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

const gamma = 0x9e3779b97f4a7c15

// fill writes the content of an object with this seed from byte off on. Word i
// depends only on seed and i, so any part can be made, and checked, alone.
func fill(b []byte, seed uint64, off int64) {
	for skip := off % 8; skip != 0 && len(b) > 0; skip = 0 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], mix(seed+uint64(off/8)*gamma))
		n := copy(b, w[skip:])
		b, off = b[n:], off+int64(n)
	}
	word := uint64(off / 8)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, mix(seed+word*gamma))
		word++
	}
	if len(b) > 0 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], mix(seed+word*gamma))
		copy(b, w[:])
	}
}

// content is an object's bytes as a reader. It implements io.ReadSeeker and
// io.ReaderAt, so that a client need not buffer it.
type content struct {
	seed      uint64
	size, pos int64
}

func (c *content) Read(b []byte) (int, error) {
	n, err := c.ReadAt(b, c.pos)
	c.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("bench: negative offset")
	}
	if off >= c.size {
		return 0, io.EOF
	}
	var err error
	if int64(len(b)) > c.size-off {
		b, err = b[:c.size-off], io.EOF
	}
	fill(b, c.seed, off)
	return len(b), err
}

// Seek implements io.Seeker.
func (c *content) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += c.pos
	case io.SeekEnd:
		off += c.size
	}
	if off < 0 {
		return 0, errors.New("bench: negative offset")
	}
	c.pos = off
	return off, nil
}

// verify reads r to its end and compares it with the content of seed and size.
// buf is scratch space.
func verify(r io.Reader, seed uint64, size int64, buf []byte) error {
	half := len(buf) / 2
	got, want := buf[:half], buf[half:2*half]
	for off := int64(0); ; {
		n, err := io.ReadFull(r, got[:min(int64(half), size-off+1)])
		if off+int64(n) > size {
			return fmt.Errorf("%w: more than %d bytes", ErrCorrupt, size)
		}
		fill(want[:n], seed, off)
		if string(got[:n]) != string(want[:n]) {
			return fmt.Errorf("%w: within bytes %d to %d", ErrCorrupt, off, off+int64(n))
		}
		off += int64(n)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			if off != size {
				return fmt.Errorf("%w: %d bytes instead of %d", ErrCorrupt, off, size)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

package data

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"catena/chain"
)

// Encodings of what a store keeps: state, headers, and the records of seals,
// clones and removals. Each begins with a version and a byte of flags that an
// older release must not ignore, and goes on with fields in protobuf wire
// encoding, so that fields can be added. A decoder skips fields it does not
// know, and bounds every length before it allocates.

// ErrTooNew: the bytes have a version or a flag that this release does not know.
var ErrTooNew = errors.New("data: written by a newer release")

// ErrMalformed: the bytes are not an encoding of this package.
var ErrMalformed = errors.New("data: malformed encoding")

const (
	version    = 1
	knownFlags = 0
	maxConfig  = 16 // replicas in one list of a configuration
)

// SealRecord says that a chunk is sealed. Where its bytes lie is the store's business.
type SealRecord struct {
	Header Header
	Sums   Sums
}

// CloneRecord says that a new chunk has Header.Size bytes of Old from Offset on.
type CloneRecord struct {
	Header Header
	Old    chain.ChunkID
	Offset uint32
}

// RemoveRecord says that chunks are removed.
type RemoveRecord struct{ Chunks []chain.ChunkID }

func begin() []byte { return []byte{version, 0} }

func putBytes(b []byte, n protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
}

func putUint(b []byte, n protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// field is one decoded field: num is set for varints, bytes for the rest.
type field struct {
	n     protowire.Number
	num   uint64
	bytes []byte
	typ   protowire.Type
}

// fields calls fn for every field of b.
func fields(b []byte, fn func(f field) error) error {
	for len(b) > 0 {
		n, typ, k := protowire.ConsumeTag(b)
		if k < 0 {
			return ErrMalformed
		}
		b = b[k:]
		f := field{n: n, typ: typ}
		switch typ {
		case protowire.VarintType:
			f.num, k = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, k = protowire.ConsumeBytes(b)
		default:
			k = protowire.ConsumeFieldValue(n, typ, b)
		}
		if k < 0 {
			return ErrMalformed
		}
		if err := fn(f); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

// open checks version and flags and returns the fields.
func open(b []byte, what string) ([]byte, error) {
	if len(b) < 2 {
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrMalformed, what, len(b))
	}
	if b[0] != version || b[1]&^knownFlags != 0 {
		return nil, fmt.Errorf("%w: %s of version %d, flags %#x", ErrTooNew, what, b[0], b[1])
	}
	return b[2:], nil
}

func decode(b []byte, what string, fn func(f field) error) error {
	b, err := open(b, what)
	if err == nil {
		err = fields(b, fn)
	}
	if err != nil && !errors.Is(err, ErrTooNew) {
		return fmt.Errorf("data: %s: %w", what, err)
	}
	return err
}

func bad(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// fit checks that a number has the type and the range of its field.
func (f field) fit(limit uint64) (uint64, error) {
	if f.typ != protowire.VarintType || f.num > limit {
		return 0, bad(fmt.Sprintf("field %d", f.n))
	}
	return f.num, nil
}

func idBytes(id chain.ChunkID) []byte {
	return binary.BigEndian.AppendUint32(id.Blob[:len(id.Blob):len(id.Blob)], id.Ordinal)
}

func (f field) chunkID() (id chain.ChunkID, err error) {
	if len(f.bytes) != 20 {
		return id, bad("chunk id")
	}
	copy(id.Blob[:], f.bytes)
	id.Ordinal = binary.BigEndian.Uint32(f.bytes[16:])
	return id, nil
}

func putHeader(b []byte, h *Header) []byte {
	b = putBytes(b, 1, idBytes(h.ID))
	b = putBytes(b, 2, h.Bucket[:])
	b = putBytes(b, 3, []byte(h.Key))
	b = putUint(b, 4, uint64(h.Stamp))
	return putUint(b, 5, uint64(h.Size))
}

func (h *Header) take(f field) (err error) {
	var n uint64
	switch f.n {
	case 1:
		h.ID, err = f.chunkID()
	case 2:
		if len(f.bytes) != len(h.Bucket) {
			return bad("bucket id")
		}
		copy(h.Bucket[:], f.bytes)
	case 3:
		if len(f.bytes) > MaxKey {
			return bad("a key that is too long")
		}
		h.Key = string(f.bytes)
	case 4:
		n, err = f.fit(1<<63 - 1)
		h.Stamp = int64(n)
	case 5:
		n, err = f.fit(chain.MaxChunk)
		h.Size = uint32(n)
	}
	return err
}

func (h *Header) complete() error {
	if why := h.validate(); why != "" {
		return bad(why)
	}
	return nil
}

// MarshalHeader encodes a header.
func MarshalHeader(h *Header) []byte { return putHeader(begin(), h) }

// UnmarshalHeader decodes what MarshalHeader made, and checks it.
func UnmarshalHeader(b []byte) (h Header, err error) {
	if err = decode(b, "header", h.take); err == nil {
		err = h.complete()
	}
	return h, err
}

// MarshalSeal encodes a seal record.
func MarshalSeal(s *SealRecord) []byte {
	sums := make([]byte, 0, 4*len(s.Sums))
	for _, v := range s.Sums {
		sums = binary.LittleEndian.AppendUint32(sums, v)
	}
	return putBytes(putBytes(begin(), 1, putHeader(nil, &s.Header)), 2, sums)
}

// UnmarshalSeal decodes what MarshalSeal made, and checks it.
func UnmarshalSeal(b []byte) (s SealRecord, err error) {
	err = decode(b, "seal", func(f field) error {
		switch f.n {
		case 1:
			return fields(f.bytes, s.Header.take)
		case 2:
			if len(f.bytes)%4 != 0 || len(f.bytes) > 4*blocks(chain.MaxChunk) {
				return bad("sums")
			}
			s.Sums = nil
			for b := f.bytes; len(b) > 0; b = b[4:] {
				s.Sums = append(s.Sums, binary.LittleEndian.Uint32(b))
			}
		}
		return nil
	})
	if err == nil {
		err = s.Header.complete()
	}
	if err == nil && len(s.Sums) != blocks(s.Header.Size) {
		err = bad("a seal with the wrong number of sums")
	}
	return s, err
}

// MarshalClone encodes a clone record.
func MarshalClone(c *CloneRecord) []byte {
	b := putBytes(begin(), 1, putHeader(nil, &c.Header))
	return putUint(putBytes(b, 2, idBytes(c.Old)), 3, uint64(c.Offset))
}

// UnmarshalClone decodes what MarshalClone made, and checks it.
func UnmarshalClone(b []byte) (c CloneRecord, err error) {
	err = decode(b, "clone", func(f field) (err error) {
		var n uint64
		switch f.n {
		case 1:
			return fields(f.bytes, c.Header.take)
		case 2:
			c.Old, err = f.chunkID()
		case 3:
			n, err = f.fit(chain.MaxChunk)
			c.Offset = uint32(n)
		}
		return err
	})
	if err == nil {
		err = c.Header.complete()
	}
	if err == nil && (c.Old == chain.ChunkID{} || uint64(c.Offset)+uint64(c.Header.Size) > chain.MaxChunk) {
		err = bad("a clone of bytes that no chunk has")
	}
	return c, err
}

// MarshalRemove encodes a removal record of at most 4096 chunks.
func MarshalRemove(m *RemoveRecord) []byte {
	b := begin()
	for _, id := range m.Chunks {
		b = putBytes(b, 1, idBytes(id))
	}
	return b
}

// UnmarshalRemove decodes what MarshalRemove made, and checks it.
func UnmarshalRemove(b []byte) (m RemoveRecord, err error) {
	err = decode(b, "removal", func(f field) error {
		if f.n != 1 {
			return nil
		}
		if len(m.Chunks) >= maxIDs {
			return bad("too many chunks")
		}
		id, err := f.chunkID()
		m.Chunks = append(m.Chunks, id)
		return err
	})
	if err == nil && len(m.Chunks) == 0 {
		err = bad("a removal of nothing")
	}
	return m, err
}

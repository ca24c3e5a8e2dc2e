package store

import (
	"encoding/binary"
	"hash/crc32"

	"catena/chain"
	"catena/objectd/vfs"

	"google.golang.org/protobuf/encoding/protowire"
)

// What a version of a format may change: a reader refuses a version or an
// incompatible flag that it does not know, and ignores compatible flags and
// fields that it does not know.
const (
	formatVersion   = 1
	block           = vfs.BlockSize
	headerBytes     = 2 * block // two copies, so that a torn write leaves one
	segmentMagic    = "CATENASG"
	batchMagic      = 0x48435442 // "BTCH"
	batchHeaderSize = 48
	recordHeader    = 16
	// markReserve is kept free at the end of a record segment for its end mark.
	markReserve = 2 * block
	// indexEntries bounds the end mark's index.
	indexEntries = 256
	sumBlock     = 64 << 10
)

// The kinds of segment.
type segKind uint8

const (
	segFree   segKind = 1
	segRecord segKind = 2
	segChunk  segKind = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seed starts a checksum that is bound to one use of a segment and to a
// position or record number in it, so that what an earlier use left behind, or
// what was written to the wrong place, never verifies.
func seed(incarnation, at uint64) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], incarnation)
	binary.LittleEndian.PutUint64(b[8:], at)
	return crc32.Update(0, castagnoli, b[:])
}

func sum(seed uint32, b []byte) uint32 { return crc32.Update(seed, castagnoli, b) }

// align rounds up to whole blocks.
func align(n int64) int64 { return (n + block - 1) &^ (block - 1) }

// segHeader is what the first blocks of a segment say of its present use.
type segHeader struct {
	kind        segKind
	size        int64
	store       chain.StoreID
	slot        uint32
	incarnation uint64
	// floor is a replay position that the rows had durably reached when this was
	// written: rows below it were rolled back.
	floor uint64
}

func (h *segHeader) encode() []byte {
	var f []byte
	f = appendUint(f, 1, formatVersion)
	f = appendUint(f, 4, uint64(h.kind))
	f = appendUint(f, 5, uint64(h.size))
	f = appendBytes(f, 6, h.store[:])
	f = appendUint(f, 7, uint64(h.slot))
	f = appendUint(f, 8, h.incarnation)
	f = appendUint(f, 9, h.floor)
	b := make([]byte, block)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(f)))
	binary.LittleEndian.PutUint32(b[12:], sum(sum(0, h.store[:]), f))
	copy(b[16:], f)
	return b
}

// decodeSegHeader gives nil without error for a block that holds no header.
func decodeSegHeader(b []byte, store chain.StoreID) (*segHeader, error) {
	if len(b) < block || string(b[:8]) != segmentMagic {
		return nil, nil
	}
	n := binary.LittleEndian.Uint32(b[8:])
	if n > block-16 || binary.LittleEndian.Uint32(b[12:]) != sum(sum(0, store[:]), b[16:16+n]) {
		return nil, nil
	}
	h := &segHeader{}
	var version, incompatible uint64
	err := eachField(b[16:16+n], func(f field) error {
		switch f.num {
		case 1:
			version = f.u
		case 3:
			incompatible = f.u
		case 4:
			h.kind = segKind(f.u)
		case 5:
			h.size = int64(f.u)
		case 6:
			return exactly(h.store[:], f.b)
		case 7:
			h.slot = uint32(f.u)
		case 8:
			h.incarnation = f.u
		case 9:
			h.floor = f.u
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if version != formatVersion || incompatible != 0 || h.kind < segFree || h.kind > segChunk {
		return nil, &Error{Kind: ErrTooNew, Op: "read segment header"}
	}
	return h, nil
}

// batchHeader stands before the records that one write call brings.
type batchHeader struct {
	length   uint32 // bytes of records behind this header, without padding
	count    uint32
	first    uint64 // number of the first record
	syncedTo uint64 // every record up to this number was durable before this was written
	mark     bool   // the end mark: no record of this segment is behind it
	// afterMark: the end mark of the segment before was durable before this was
	// written. This writer always waits for it; a reader needs no more than what
	// is said here to tell a lost mark from the end of the log.
	afterMark bool
}

func (h *batchHeader) put(b []byte, incarnation uint64, off int64) {
	clear(b[:batchHeaderSize])
	binary.LittleEndian.PutUint32(b, batchMagic)
	b[4] = formatVersion
	if h.mark {
		b[8] = 1
	}
	if h.afterMark {
		b[9] = 1
	}
	binary.LittleEndian.PutUint32(b[12:], h.length)
	binary.LittleEndian.PutUint32(b[16:], h.count)
	binary.LittleEndian.PutUint64(b[20:], h.first)
	binary.LittleEndian.PutUint64(b[28:], h.syncedTo)
	binary.LittleEndian.PutUint32(b[44:], sum(seed(incarnation, uint64(off)), b[:44]))
}

// getBatchHeader reports ok for a header that belongs to this use of the
// segment and to this place.
func getBatchHeader(b []byte, incarnation uint64, off int64) (h batchHeader, ok bool, err error) {
	if len(b) < batchHeaderSize || binary.LittleEndian.Uint32(b) != batchMagic ||
		binary.LittleEndian.Uint32(b[44:]) != sum(seed(incarnation, uint64(off)), b[:44]) {
		return h, false, nil
	}
	// Byte 4 is the version, 5 compatible and 6 incompatible flags, 8 the kind of batch, 9 says afterMark.
	if b[4] != formatVersion || b[6] != 0 {
		return h, false, &Error{Kind: ErrTooNew, Op: "read log"}
	}
	h.mark, h.afterMark = b[8] == 1, b[9] == 1
	h.length = binary.LittleEndian.Uint32(b[12:])
	h.count = binary.LittleEndian.Uint32(b[16:])
	h.first = binary.LittleEndian.Uint64(b[20:])
	h.syncedTo = binary.LittleEndian.Uint64(b[28:])
	return h, true, nil
}

// Fields in protobuf wire encoding. Zero values are left out.

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func appendFixed64(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), v)
}

// field is one decoded field; b aliases the input.
type field struct {
	num protowire.Number
	u   uint64
	b   []byte
}

var errFields = &Error{Kind: ErrDamaged, Op: "decode fields"}

// exactly takes the bytes of a field that has one length.
func exactly(dst, src []byte) error {
	if len(src) != len(dst) {
		return errFields
	}
	copy(dst, src)
	return nil
}

// eachField calls fn for every field of a message. It allocates nothing, and
// lengths are bounded by the input.
func eachField(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errFields
		}
		b = b[n:]
		f := field{num: num}
		switch typ {
		case protowire.VarintType:
			f.u, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.u, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.u = uint64(v)
		case protowire.BytesType:
			f.b, n = protowire.ConsumeBytes(b)
		default:
			return errFields
		}
		if n < 0 {
			return errFields
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"encoding/binary"
	"slices"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"

	"google.golang.org/protobuf/encoding/protowire"
)

// recordKind says what a record is; the numbers are on disk.
type recordKind uint8

const (
	recCreate     recordKind = 1  // a replica begins
	recDrop       recordKind = 2  // a replica ends, with everything of it
	recState      recordKind = 3  // its core's state
	recEntry      recordKind = 4  // one entry of an index log
	recTruncate   recordKind = 5  // voids what is before it, of a rev and higher
	recPage       recordKind = 6  // rows of a snapshot, or rows written forward
	recEndInstall recordKind = 7  // the position of the rows after a snapshot
	recSeal       recordKind = 8  // a chunk's bytes are all there
	recClone      recordKind = 9  // another id for (a part of) the same bytes
	recRemove     recordKind = 10 // ids that are gone
	recImage      recordKind = 11 // kind, state and position of a replica, written forward
	recAside      recordKind = 12 // a chunk is put aside
	recForget     recordKind = 13 // what was put aside is dropped
)

// place is where a record's payload, or a piece of it, stands. The checksum is
// seeded with the incarnation and the offset.
type place struct {
	slot uint32
	inc  uint64
	off  int64
	n    uint32
	crc  uint32
}

// pageRow is one row of a page record.
type pageRow struct {
	key, value, payload []byte
	hasPayload          bool
	crc                 uint32
	// rev and first are those of the row's first writing; 0 for a snapshot's
	// rows, which any entry after the snapshot's position supersedes.
	rev, first uint64
}

type pageRecord struct{ rows []pageRow }

// extent is where a chunk's bytes stand: contiguous in one use of a chunk segment.
type extent struct {
	slot uint32
	inc  uint64
	off  int64
	n    uint32
}

// chunkRecord describes a sealed chunk wholly, so that a clone does not need
// the record of its origin. The block sums are plain CRC32C, as the protocol
// compares them; what binds them to identity and position is the checksum of
// the record that holds id, extent and sums together.
type chunkRecord struct {
	header data.Header
	extent extent
	// sums are of the extent's blocks; offset is where this chunk begins in it.
	sums   data.Sums
	offset uint32
	clone  bool
}

type imageRecord struct {
	kind    chain.Kind
	state   []byte
	applied index.Applied
}

// size is an upper bound of the encoded record.
func (r *Record) size() int64 {
	n := 256 + len(r.state) + 24*len(r.ids)
	if r.entry != nil {
		n += len(r.entry.Body) + len(r.entry.Payload)
	}
	if r.page != nil {
		for i := range r.page.rows {
			p := &r.page.rows[i]
			n += 64 + len(p.key) + len(p.value) + len(p.payload)
		}
	}
	if r.chunk != nil {
		n += 128 + len(r.chunk.header.Key) + 4*len(r.chunk.sums)
	}
	if r.image != nil {
		n += 128 + len(r.image.state)
	}
	if r.aside != nil {
		n += 256 + data.MaxKey + 4*chain.MaxChunk/sumBlock + len(r.aside.why) // its chunk may not be known yet
	}
	return int64(n)
}

// appendRecord encodes a record for one place: number, segment use, and off,
// the offset at which b[0] will stand. It fills in r.at.
func appendRecord(b []byte, r *Record, no, inc uint64, off int64) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHeader)...)
	b = appendHead(b, r, inc, func(headEnd int) int64 { return off + int64(headEnd) })
	headLen := len(b) - start - recordHeader
	payOff := off + int64(len(b))
	switch {
	case r.entry != nil:
		b = append(b, r.entry.Payload...)
	case r.page != nil:
		for i := range r.page.rows {
			b = append(b, r.page.rows[i].payload...)
		}
	}
	pay := b[start+recordHeader+headLen:]
	r.no, r.at = no, place{inc: inc, off: payOff, n: uint32(len(pay)), crc: sum(seed(inc, uint64(payOff)), pay)}
	h := b[start:]
	binary.LittleEndian.PutUint32(h, uint32(headLen))
	binary.LittleEndian.PutUint32(h[4:], uint32(len(pay)))
	binary.LittleEndian.PutUint32(h[8:], r.at.crc)
	binary.LittleEndian.PutUint32(h[12:], sum(sum(seed(inc, no), h[:12]), h[recordHeader:recordHeader+headLen]))
	return b
}

func appendHead(b []byte, r *Record, inc uint64, payAt func(int) int64) []byte {
	b = appendUint(b, 1, uint64(r.kind))
	b = appendUint(b, 3, uint64(r.key.Chain))
	b = appendUint(b, 4, r.key.Incarnation)
	b = appendUint(b, 5, r.first)
	switch r.kind {
	case recCreate, recDrop:
		b = appendUint(b, 10, uint64(r.chain))
	case recState:
		b = appendUint(b, 10, uint64(r.chain))
		b = appendBytes(b, 11, r.state)
	case recEntry:
		b = appendEntry(b, r.entry)
	case recTruncate:
		b = appendUint(b, 10, r.seq)
		b = appendUint(b, 11, r.rev)
	case recPage:
		b = appendPage(b, r.page, inc, payAt)
	case recEndInstall:
		b = appendApplied(b, r.apply)
	case recSeal, recClone:
		b = putAside(appendChunk(b, r.chunk), r.aside)
	case recRemove, recForget:
		for _, id := range r.ids {
			b = protowire.AppendBytes(protowire.AppendTag(b, 10, protowire.BytesType), chunkKey(id))
		}
		b = appendUint(b, 11, r.seq)
	case recAside:
		b = putAside(b, r.aside)
	case recImage:
		b = appendUint(b, 10, uint64(r.image.kind))
		b = appendBytes(b, 11, r.image.state)
		b = appendBytes(b, 12, appendApplied(nil, r.image.applied))
	}
	return b
}

func appendEntry(b []byte, e *index.Entry) []byte {
	b = appendUint(b, 10, uint64(e.Epoch.Recovery))
	b = appendUint(b, 11, e.Epoch.N)
	b = appendUint(b, 12, e.Seq)
	b = appendUint(b, 13, uint64(e.PrevEpoch.Recovery))
	b = appendUint(b, 14, e.PrevEpoch.N)
	b = appendUint(b, 15, e.PrevSeq)
	b = appendFixed64(b, 16, e.Digest)
	b = appendUint(b, 17, e.Rev)
	b = appendUint(b, 18, uint64(e.Time))
	if !e.OpID.IsZero() {
		b = appendBytes(b, 19, e.OpID[:])
	}
	b = appendBytes(b, 20, e.Body)
	if e.Payload != nil {
		b = appendUint(b, 21, 1)
	}
	return b
}

// appendPage writes the rows; the payloads follow the head, so their places,
// which seed their checksums, are known only when the head's length is: it is
// made fixed by writing the checksums as fixed32.
func appendPage(b []byte, p *pageRecord, inc uint64, payAt func(int) int64) []byte {
	head := len(b)
	for i := range p.rows {
		b = appendRow(b, &p.rows[i])
	}
	off := payAt(len(b))
	b = b[:head]
	for i := range p.rows {
		r := &p.rows[i]
		if r.hasPayload {
			r.crc = sum(seed(inc, uint64(off)), r.payload)
			off += int64(len(r.payload))
		}
		b = appendRow(b, r)
	}
	return b
}

func appendRow(b []byte, r *pageRow) []byte {
	var m []byte
	m = appendBytes(m, 1, r.key)
	m = appendBytes(m, 2, r.value)
	if r.hasPayload {
		m = appendUint(m, 3, uint64(len(r.payload))+1)
		m = protowire.AppendFixed32(protowire.AppendTag(m, 4, protowire.Fixed32Type), r.crc)
	}
	m = appendUint(m, 5, r.rev)
	m = appendUint(m, 6, r.first)
	return protowire.AppendBytes(protowire.AppendTag(b, 10, protowire.BytesType), m)
}

func appendApplied(b []byte, a index.Applied) []byte {
	b = appendUint(b, 10, uint64(a.Epoch.Recovery))
	b = appendUint(b, 11, a.Epoch.N)
	b = appendUint(b, 12, a.Seq)
	b = appendFixed64(b, 16, a.Digest)
	b = appendUint(b, 17, a.Rev)
	return appendUint(b, 18, uint64(a.Time))
}

func appendChunk(b []byte, c *chunkRecord) []byte {
	h := &c.header
	b = appendBytes(b, 10, chunkKey(h.ID))
	if !h.Bucket.IsZero() {
		b = appendBytes(b, 11, h.Bucket[:])
	}
	b = appendBytes(b, 12, []byte(h.Key))
	b = appendUint(b, 13, uint64(h.Stamp))
	b = appendUint(b, 14, uint64(h.Size))
	b = appendUint(b, 15, uint64(c.extent.slot))
	b = appendUint(b, 16, c.extent.inc)
	b = appendUint(b, 17, uint64(c.extent.off))
	b = appendUint(b, 18, uint64(c.extent.n))
	sums := make([]byte, 0, 4*len(c.sums))
	for _, s := range c.sums {
		sums = binary.LittleEndian.AppendUint32(sums, s)
	}
	b = appendBytes(b, 19, sums)
	b = appendUint(b, 20, uint64(c.offset))
	if c.clone {
		b = appendUint(b, 21, 1)
	}
	return b
}

// chunkKey is an id in its order: blob, then ordinal.
func chunkKey(id chain.ChunkID) []byte {
	return binary.BigEndian.AppendUint32(slices.Clone(id.Blob[:]), id.Ordinal)
}

func parseChunkKey(b []byte) (id chain.ChunkID, err error) {
	if len(b) != 20 {
		return id, errFields
	}
	copy(id.Blob[:], b)
	id.Ordinal = binary.BigEndian.Uint32(b[16:])
	return id, nil
}

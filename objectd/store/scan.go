package store

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// batch is one verified batch of a segment. Its records alias the scanner's
// buffer and are valid until the next call.
type batch struct {
	h    batchHeader
	off  int64
	recs []Record
}

// scanner reads the batches of a record segment in order.
type scanner struct {
	g   *segment
	off int64
	buf []byte
	at  int64 // where buf stands in the file
}

func newScanner(g *segment, off int64) *scanner { return &scanner{g: g, off: off} }

const scanBuffer = 1 << 20

// window gives the bytes [off, off+n) of the file; fewer at its end.
func (sc *scanner) window(off, n int64) ([]byte, error) {
	n = min(n, sc.g.size-off)
	if n <= 0 {
		return nil, nil
	}
	if off < sc.at || off+n > sc.at+int64(len(sc.buf)) {
		b, err := readBlocks(sc.g, off, max(n, scanBuffer))
		if err != nil {
			return nil, err
		}
		sc.buf, sc.at = b, off
	}
	return sc.buf[off-sc.at : off-sc.at+n], nil
}

// next gives the next batch; nil where none verifies.
func (sc *scanner) next() (*batch, error) {
	b, err := sc.window(sc.off, batchHeaderSize)
	if err != nil {
		return nil, err
	}
	h, ok, err := getBatchHeader(b, sc.g.inc, sc.off)
	if err != nil || !ok {
		return nil, err
	}
	b, err = sc.window(sc.off, batchHeaderSize+int64(h.length))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < batchHeaderSize+int64(h.length) {
		return nil, nil
	}
	out := &batch{h: h, off: sc.off}
	pos := int64(batchHeaderSize)
	for i := range h.count {
		r, n, ok, err := readRecord(b[pos:], h.first+uint64(i), sc.g.inc, sc.off+pos)
		if err != nil || !ok {
			return nil, err
		}
		out.recs = append(out.recs, r)
		pos += int64(n)
	}
	if h.mark {
		if !markOK(b[batchHeaderSize:], sc.g.inc, sc.off) {
			return nil, nil
		}
	} else if pos != int64(len(b)) || h.count == 0 {
		return nil, nil
	}
	sc.off += align(int64(len(b)))
	return out, nil
}

// appendMark makes the body of an end mark: a checksum and the segment's index,
// pairs of offset and first record number of some of its batches.
func appendMark(b []byte, g *segment) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendUint(b, 1, g.first)
	b = appendUint(b, 2, g.last)
	var m []byte
	for _, e := range g.index {
		m = appendUint(m[:0], 1, uint64(e.off))
		m = appendUint(m, 2, e.first)
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), m)
	}
	binary.LittleEndian.PutUint32(b[start:], sum(seed(g.inc, uint64(g.end)), b[start+4:]))
	return b
}

func markOK(b []byte, inc uint64, off int64) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b) == sum(seed(inc, uint64(off)), b[4:])
}

func parseUvarint(b []byte) (uint64, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, errRow
	}
	return v, nil
}

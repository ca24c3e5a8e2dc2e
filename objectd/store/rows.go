package store

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
)

// Keys of the rows. Everything of a replica is under one prefix, its position
// too, so a replica is dropped, and later copied, as one range.
//
//	01                                replay position
//	02 chain(8) incarnation(8) 00 x   about the replica: kind, state, applied, reflected
//	02 chain(8) incarnation(8) 01 k   row k of an index replica
//	02 chain(8) incarnation(8) 02 id  chunk of a data replica
//	03 chain(8) incarnation(8) id no  a chunk that was put aside
const (
	keyReplica   = 0x02
	subMeta      = 0x00
	subRows      = 0x01
	subChunks    = 0x02
	subEnd       = 0x03
	metaKind     = 'k'
	metaState    = 's'
	metaApplied  = 'a'
	metaReflects = 'r'
	prefixLen    = 18
)

func replicaKey(k Key, sub byte) []byte {
	b := make([]byte, prefixLen, prefixLen+64)
	b[0] = keyReplica
	binary.BigEndian.PutUint64(b[1:], uint64(k.Chain))
	binary.BigEndian.PutUint64(b[9:], k.Incarnation)
	b[17] = sub
	return b
}

func metaKey(k Key, m byte) []byte { return append(replicaKey(k, subMeta), m) }

func chunkRowKey(k Key, id chain.ChunkID) []byte {
	return append(replicaKey(k, subChunks), chunkKey(id)...)
}

func parseReplicaKey(b []byte) (k Key, sub byte, rest []byte, ok bool) {
	if len(b) < prefixLen || b[0] != keyReplica {
		return k, 0, nil, false
	}
	k = Key{Chain: chain.ChainID(binary.BigEndian.Uint64(b[1:])), Incarnation: binary.BigEndian.Uint64(b[9:])}
	return k, b[17], b[prefixLen:], true
}

// rowTag says what a row's value is.
type rowTag byte

const (
	tagValue     rowTag = 0 // the value itself
	tagPlace     rowTag = 1 // a payload, in a record segment
	tagPayload   rowTag = 2 // a short payload itself
	tagTombstone rowTag = 3 // a deleted row; only while rows are rebuilt
)

// rowHead stands before every row. inc is the use of the record segment that
// holds the row's record: while a row points there, that segment is not freed.
// rev and first order two records of one key in a rebuild.
type rowHead struct {
	tag             rowTag
	inc, rev, first uint64
}

func appendRowHead(b []byte, h rowHead) []byte {
	b = append(b, byte(h.tag))
	b = binary.AppendUvarint(b, h.inc)
	b = binary.AppendUvarint(b, h.rev)
	return binary.AppendUvarint(b, h.first)
}

var errRow = &Error{Kind: ErrDamaged, Op: "decode row"}

func parseRowHead(b []byte) (h rowHead, rest []byte, err error) {
	if len(b) == 0 || b[0] > byte(tagTombstone) {
		return h, nil, errRow
	}
	h.tag = rowTag(b[0])
	b = b[1:]
	for _, v := range []*uint64{&h.inc, &h.rev, &h.first} {
		n := 0
		if *v, n = binary.Uvarint(b); n <= 0 {
			return h, nil, errRow
		}
		b = b[n:]
	}
	return h, b, nil
}

func appendPlace(b []byte, p place) []byte {
	b = binary.AppendUvarint(b, uint64(p.slot))
	b = binary.AppendUvarint(b, uint64(p.off))
	b = binary.AppendUvarint(b, uint64(p.n))
	return binary.LittleEndian.AppendUint32(b, p.crc)
}

func parsePlace(b []byte, inc uint64) (p place, err error) {
	var v [3]uint64
	for i := range v {
		n := 0
		if v[i], n = binary.Uvarint(b); n <= 0 {
			return p, errRow
		}
		b = b[n:]
	}
	if len(b) != 4 {
		return p, errRow
	}
	return place{slot: uint32(v[0]), inc: inc, off: int64(v[1]), n: uint32(v[2]), crc: binary.LittleEndian.Uint32(b)}, nil
}

// appendPayload encodes the value of a body row: short bytes themselves, longer
// ones by their place, so that object bytes stay out of Pebble.
func (s *Store) appendPayload(b []byte, h rowHead, payload []byte, at place) []byte {
	if len(payload) <= s.cfg.RowPayloadBytes {
		h.tag = tagPayload
		return append(appendRowHead(b, h), payload...)
	}
	h.tag = tagPlace
	return appendPlace(appendRowHead(b, h), at)
}

// putRows adds what an entry does to the rows of a replica.
func (s *Store) putRows(b *pebble.Batch, k Key, e *index.Entry, no uint64, at place, rows tablet.Rows) error {
	key := replicaKey(k, subRows)
	head := rowHead{inc: at.inc, rev: e.Rev, first: no}
	var val []byte
	for i := range rows.Puts {
		p := &rows.Puts[i]
		key = append(key[:prefixLen], p.Key...)
		if p.Payload {
			val = s.appendPayload(val[:0], head, e.Payload, at)
		} else {
			val = append(appendRowHead(val[:0], head), p.Value...)
		}
		if err := b.Set(key, val, nil); err != nil {
			return err
		}
	}
	for _, d := range rows.Deletes {
		key = append(key[:prefixLen], d...)
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// Apply makes a committed entry visible in the rows of an index replica. The
// entry was appended to this store before; if it is not durable yet, Apply
// waits until it is. Entries are applied in order, each once.
func (s *Store) Apply(k Key, e *index.Entry, after index.Applied, rows tablet.Rows) error {
	r, err := s.replica("apply", k, chain.KindIndex)
	if err != nil {
		return err
	}
	p, err := s.durable(r, e)
	if err != nil {
		return err
	}
	b := s.rows.db.NewBatch()
	defer b.Close()
	if err := s.putRows(b, k, e, p.no, p.at, rows); err != nil {
		return s.fail("apply", err)
	}
	if err := b.Set(metaKey(k, metaApplied), appendApplied(nil, after), nil); err != nil {
		return s.fail("apply", err)
	}
	return s.commitRows(b, func() {
		r.mu.Lock()
		r.applied = after
		r.pop(after.Seq)
		r.mu.Unlock()
	})
}

// Applied is the position of an index replica's rows.
func (s *Store) Applied(k Key) (index.Applied, error) {
	r, err := s.replica("applied", k, chain.KindIndex)
	if err != nil {
		return index.Applied{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.applied, nil
}

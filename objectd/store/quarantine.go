package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/data"

	"google.golang.org/protobuf/encoding/protowire"
)

// What is put aside is out of the protocol's reach and in people's: a chunk
// that a joiner's source does not have, and the damaged copy of a chunk for
// which a good one was fetched. It is not read, listed or cloned any more, its
// id may be reserved again, and its bytes stay until somebody drops them, also
// when its replica is dropped.
//
// The record that puts a chunk aside describes it wholly, so nothing else is
// needed to find its bytes; its number tells one from another of the same id.

// asideRecord is a chunk that is put aside, as it was sealed, and why.
type asideRecord struct {
	chunk *chunkRecord
	why   string
}

// QuarantinedChunk is a chunk that was put aside.
type QuarantinedChunk struct {
	Key    Key
	Header data.Header
	// No tells this copy from others of the same id: the number of the record
	// that put it aside.
	No uint64
	// Why is for people.
	Why string

	chunk *chunkRecord
}

// maxWhy bounds the reason that is kept, in bytes.
const maxWhy = 512

// Quarantine puts sealed chunks of a data replica aside. When done was called
// with nil they are neither read nor listed nor cloned, and their ids may be
// reserved again; their bytes stay until DropQuarantined. Ids that are not there
// are ignored. done is as in Append, in order with it.
func (s *Store) Quarantine(k Key, ids []chain.ChunkID, why string, done func(error)) {
	it := item{done: done, alone: true}
	for _, id := range ids {
		it.recs = append(it.recs, Record{key: k, kind: recAside, chain: chain.KindData, ids: []chain.ChunkID{id},
			aside: &asideRecord{why: why[:min(len(why), maxWhy)]}, make: s.makeAside})
	}
	s.append(it)
}

// makeAside runs in the writer when everything before it is settled.
func (s *Store) makeAside(r *Record) {
	id := r.chunkID()
	c, err := s.chunkAt(chunkRowKey(r.key, id))
	if err != nil {
		_ = s.fail("put aside", err) // the write that follows gives the error
	}
	if c == nil {
		r.aside = nil
		return
	}
	r.aside.chunk = c
}

// chunkID is the chunk that a record is about.
func (r *Record) chunkID() chain.ChunkID {
	if r.chunk != nil {
		return r.chunk.header.ID
	}
	return r.ids[0]
}

// DropQuarantined destroys what was put aside, for an operator, and returns
// when that is durable. What is not there any more is ignored.
func (s *Store) DropQuarantined(q QuarantinedChunk) error {
	ch := make(chan error, 1)
	s.Append(func(err error) { ch <- err }, Record{key: q.Key, kind: recForget, chain: chain.KindData, ids: []chain.ChunkID{q.Header.ID}, seq: q.No})
	return <-ch
}

// Quarantined lists what was put aside, by replica, id and time; also of
// replicas that were dropped.
func (s *Store) Quarantined() (out []QuarantinedChunk, err error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	err = s.eachAside(func(q QuarantinedChunk) { out = append(out, q) })
	if err != nil {
		return nil, s.readError("list quarantine", Key{}, err)
	}
	return out, nil
}

// ReadQuarantined gives the bytes of a chunk that was put aside, as they are
// now; ErrDamaged beside them says that they do not match their checksums.
func (s *Store) ReadQuarantined(q QuarantinedChunk) ([]byte, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	defer s.pins.unpin(s.pins.pin())
	c := q.chunk
	g := s.segs.get(c.extent.slot, c.extent.inc)
	if g == nil {
		return nil, &Error{Kind: ErrGone, Op: "read quarantine", Key: q.Key, Chunk: q.Header.ID, Detail: segName(c.extent.slot)}
	}
	b := make([]byte, c.extent.n)
	if _, err := g.file.ReadAt(b, c.extent.off); err != nil && err != io.EOF {
		return nil, &Error{Kind: ErrDamaged, Op: "read quarantine", Key: q.Key, Chunk: q.Header.ID, Err: err}
	}
	own := b[c.offset : c.offset+c.header.Size]
	if bad := c.badBlock(b, 0); bad >= 0 {
		return own, &Error{Kind: ErrDamaged, Op: "read quarantine", Key: q.Key, Chunk: q.Header.ID, Detail: fmt.Sprintf("block %d of its extent", bad)}
	}
	return own, nil
}

// Keys of the quarantine: 03 chain(8) incarnation(8) id(20) number(8).
const (
	keyAside = 0x03
	asideLen = 1 + 16 + 20 + 8
)

func asideKey(k Key, id chain.ChunkID, no uint64) []byte {
	b := replicaKey(k, 0)[:prefixLen-1]
	b[0] = keyAside
	return binary.BigEndian.AppendUint64(append(b, chunkKey(id)...), no)
}

func parseAsideKey(b []byte) (k Key, id chain.ChunkID, no uint64, err error) {
	if len(b) != asideLen || b[0] != keyAside {
		return k, id, 0, errRow
	}
	k = Key{Chain: chain.ChainID(binary.BigEndian.Uint64(b[1:])), Incarnation: binary.BigEndian.Uint64(b[9:])}
	id, err = parseChunkKey(b[17:37])
	return k, id, binary.BigEndian.Uint64(b[37:]), err
}

// appendAside encodes the chunk, as in its own record, and field 23, why.
func appendAside(b []byte, a *asideRecord) []byte {
	return appendBytes(appendChunk(b, a.chunk), 23, []byte(a.why))
}

// putAside adds field 22: the chunk that a record puts aside, if any.
func putAside(b []byte, a *asideRecord) []byte {
	if a == nil || a.chunk == nil {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, 22, protowire.BytesType), appendAside(nil, a))
}

func decodeAside(b []byte) (*asideRecord, error) {
	a := &asideRecord{}
	err := eachField(b, func(f field) error {
		if f.num == 23 {
			a.why = string(f.b)
		}
		return nil
	})
	if err == nil {
		a.chunk, err = decodeChunk(b)
	}
	return a, err
}

// takeAside decodes field 22 of a record.
func takeAside(head []byte) (a *asideRecord, err error) {
	err = eachField(head, func(f field) (err error) {
		if f.num == 22 {
			a, err = decodeAside(f.b)
		}
		return err
	})
	return a, err
}

// encodeAsideRow is the value of a row of the quarantine: as a chunk's row.
func encodeAsideRow(r *Record) []byte {
	b := binary.AppendUvarint(nil, r.at.inc)
	return appendAside(binary.AppendUvarint(b, r.firstNo()), r.aside)
}

func parseAsideRow(key, v []byte) (q QuarantinedChunk, err error) {
	if q.Key, _, q.No, err = parseAsideKey(key); err != nil {
		return q, err
	}
	for range 2 { // the use of the record segment, the number
		_, n := binary.Uvarint(v)
		if n <= 0 {
			return q, errRow
		}
		v = v[n:]
	}
	a, err := decodeAside(append([]byte{}, v...))
	if err != nil {
		return q, err
	}
	q.Header, q.Why, q.chunk = a.chunk.header, a.why, a.chunk
	return q, nil
}

func (s *Store) eachAside(fn func(QuarantinedChunk)) error {
	it, err := s.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyAside}, UpperBound: []byte{keyAside + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var q QuarantinedChunk
		if q, err = parseAsideRow(it.Key(), it.Value()); err == nil {
			fn(q)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// stageAside takes a chunk out of its replica into the quarantine. A copy that
// was written forward only takes the place of the row that it is a copy of: the
// id may belong to another chunk by then.
func (st *stager) stageAside(r *Record) error {
	if r.aside == nil {
		st.batch(r)
		return nil
	}
	id := r.aside.chunk.header.ID
	row := asideKey(r.key, id, r.firstNo())
	if r.first != 0 {
		if there, err := st.s.hasRow(row); err != nil || !there {
			return err
		}
		return st.begin().Set(row, encodeAsideRow(r), nil)
	}
	b := st.batch(r)
	key := chunkRowKey(r.key, id)
	st.chunks[string(key)] = nil
	return errors.Join(b.Delete(key, nil), b.Set(row, encodeAsideRow(r), nil))
}

// stageForget drops what was put aside. Its replica may be gone.
func (st *stager) stageForget(r *Record) error {
	b := st.begin()
	for _, id := range r.ids {
		row := asideKey(r.key, id, r.seq)
		var q QuarantinedChunk
		there, err := st.s.row(row, func(v []byte) (err error) { q, err = parseAsideRow(row, v); return err })
		if there {
			r.freed = append(r.freed, q.chunk.extent)
		}
		if err = errors.Join(err, b.Delete(row, nil)); err != nil {
			return err
		}
	}
	return nil
}

// hasRow reports whether a key is there.
func (s *Store) hasRow(key []byte) (bool, error) {
	return s.row(key, func([]byte) error { return nil })
}

// stillAside keeps a copy of a row of the quarantine from being written when
// that is gone.
func (s *Store) stillAside(r *Record) {
	there, err := s.hasRow(asideKey(r.key, r.aside.chunk.header.ID, r.first))
	if err != nil || !there {
		r.kind, r.aside, r.first = recForget, nil, 0
	}
}

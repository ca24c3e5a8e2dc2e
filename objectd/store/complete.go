package store

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
)

// complete makes the records of a group, the newest of which is last, visible
// when they are durable: what is derived from them goes to the rows in one batch
// (stage), then the replicas' state in memory follows in log order (settle). The
// replay at Open does the same with the same functions. Entries are only noted as
// pending; Apply brings their rows.
func (s *Store) complete(items []item, last uint64) error {
	st := stager{s: s}
	for i := range items {
		if items[i].err != nil {
			continue
		}
		for j := range items[i].recs {
			if err := st.stage(&items[i].recs[j]); err != nil {
				return s.fail("stage rows", err)
			}
		}
	}
	if err := st.commit(); err != nil {
		return err
	}
	for i := range items {
		if items[i].err != nil {
			continue
		}
		for j := range items[i].recs {
			s.settle(&items[i].recs[j])
		}
	}
	s.completed.Store(last)
	return nil
}

// stager gathers what a group of records derives into one batch.
type stager struct {
	s *Store
	b *pebble.Batch
	// chunks are the metas staged in this batch; nil for removed ones.
	chunks map[string]*chunkRecord
	// newest is the last derived record of each replica.
	newest map[Key]uint64
}

// batch is for a record of a replica: the rows then say that they reflect it,
// unless it is one that was written forward when its replica was gone already.
func (st *stager) batch(r *Record) *pebble.Batch {
	b := st.begin()
	if r.rep == nil || !r.rep.gone {
		st.newest[r.key] = r.no
	}
	return b
}

func (st *stager) begin() *pebble.Batch {
	if st.b == nil {
		st.b = st.s.rows.db.NewBatch()
		st.chunks, st.newest = map[string]*chunkRecord{}, map[Key]uint64{}
	}
	return st.b
}

func (st *stager) commit() error {
	if st.b == nil {
		return nil
	}
	defer st.b.Close()
	for k, no := range st.newest {
		if err := st.b.Set(metaKey(k, metaReflects), binary.AppendUvarint(nil, no), nil); err != nil {
			return st.s.fail("stage rows", err)
		}
	}
	return st.s.commitRows(st.b, nil)
}

func (st *stager) stage(r *Record) error {
	k := r.key
	switch r.kind {
	case recEntry:
		return nil
	case recCreate:
		return st.batch(r).Set(metaKey(k, metaKind), []byte{byte(r.chain)}, nil)
	case recState:
		return st.batch(r).Set(metaKey(k, metaState), r.state, nil)
	case recTruncate:
		if r.rev != 0 {
			return nil
		}
		return errors.Join(
			st.batch(r).DeleteRange(replicaKey(k, subRows), replicaKey(k, subRows+1), nil),
			st.batch(r).Set(metaKey(k, metaApplied), nil, nil))
	case recPage:
		return st.page(r)
	case recEndInstall:
		return st.batch(r).Set(metaKey(k, metaApplied), appendApplied(nil, r.apply), nil)
	case recSeal, recClone:
		return st.seal(r)
	case recRemove:
		return st.remove(r)
	case recAside:
		return st.stageAside(r)
	case recForget:
		return st.stageForget(r)
	case recDrop:
		return st.drop(r)
	case recImage:
		return nil // it repeats what the rows have
	}
	return errFields
}

// firstNo is the number of the record's first writing.
func (r *Record) firstNo() uint64 {
	if r.first != 0 {
		return r.first
	}
	return r.no
}

// page stages rows of a snapshot, or rows that were written forward: these
// replace only the image that they are a copy of.
func (st *stager) page(r *Record) error {
	b := st.batch(r)
	off := r.at.off
	for i := range r.page.rows {
		p := &r.page.rows[i]
		h := rowHead{inc: r.at.inc, rev: p.rev, first: p.first}
		if h.first == 0 {
			h.first = r.firstNo()
		}
		key := append(replicaKey(r.key, subRows), p.key...)
		at := place{slot: r.at.slot, inc: r.at.inc, off: off, n: uint32(len(p.payload)), crc: p.crc}
		off += int64(len(p.payload))
		if r.first != 0 {
			same, err := st.s.sameRow(key, h)
			if err != nil {
				return err
			}
			if !same {
				continue
			}
		}
		val := appendRowHead(nil, h)
		if p.hasPayload {
			val = st.s.appendPayload(nil, h, p.payload, at)
		} else {
			val = append(val, p.value...)
		}
		if err := b.Set(key, val, nil); err != nil {
			return err
		}
	}
	return nil
}

// sameRow reports whether the row is still the image whose copy h heads.
func (s *Store) sameRow(key []byte, h rowHead) (bool, error) {
	var old rowHead
	there, err := s.row(key, func(v []byte) (err error) { old, _, err = parseRowHead(v); return err })
	return there && old.rev == h.rev && old.first == h.first, err
}

// row hands the value of a key to read, which must not keep it, if it is there.
func (s *Store) row(key []byte, read func(v []byte) error) (there bool, err error) {
	v, closer, err := s.rows.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = errors.Join(read(v), closer.Close())
	return err == nil, err
}

func encodeChunkRow(r *Record) []byte {
	b := binary.AppendUvarint(nil, r.at.inc)
	return appendChunk(binary.AppendUvarint(b, r.firstNo()), r.chunk)
}

// parseChunkRow gives the chunk, the use of the record segment that holds its
// record, and the number of its first writing.
func parseChunkRow(b []byte) (c *chunkRecord, inc, first uint64, err error) {
	var n int
	if inc, n = binary.Uvarint(b); n <= 0 {
		return nil, 0, 0, errRow
	}
	b = b[n:]
	if first, n = binary.Uvarint(b); n <= 0 {
		return nil, 0, 0, errRow
	}
	c, err = decodeChunk(slices.Clone(b[n:]))
	return c, inc, first, err
}

// seal stages a chunk, and what it takes the place of; a copy that was written
// forward takes only the place of the record that it is a copy of.
func (st *stager) seal(r *Record) error {
	b := st.batch(r)
	key := chunkRowKey(r.key, r.chunk.header.ID)
	if r.first != 0 {
		if same, err := st.s.sameChunk(key, r.first); err != nil || !same {
			return err
		}
	}
	if r.aside != nil {
		if err := st.stageAside(r); err != nil {
			return err
		}
	}
	st.chunks[string(key)] = r.chunk
	return b.Set(key, encodeChunkRow(r), nil)
}

func (st *stager) remove(r *Record) error {
	b := st.batch(r)
	for _, id := range r.ids {
		key := chunkRowKey(r.key, id)
		c, staged := st.chunks[string(key)]
		if !staged {
			var err error
			if c, err = st.s.chunkAt(key); err != nil {
				return err
			}
		}
		if c == nil {
			continue
		}
		r.freed = append(r.freed, c.extent)
		st.chunks[string(key)] = nil
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}

// chunkAt gives the chunk of a key, nil if there is none.
func (s *Store) chunkAt(key []byte) (*chunkRecord, error) {
	var c *chunkRecord
	_, err := s.row(key, func(v []byte) (err error) { c, _, _, err = parseChunkRow(v); return err })
	return c, err
}

// drop stages the end of a replica. Chunks that this same batch brought are in
// st.chunks, all others in the rows.
func (st *stager) drop(r *Record) error {
	b := st.batch(r)
	if r.chain == chain.KindData {
		prefix := string(replicaKey(r.key, subChunks))
		seen := map[string]bool{}
		for key, c := range st.chunks {
			if len(key) > prefixLen && key[:prefixLen] == prefix {
				seen[key] = true
				if c != nil {
					r.freed = append(r.freed, c.extent)
				}
				st.chunks[key] = nil
			}
		}
		err := st.s.eachChunk(r.key, chain.ChunkID{}, func(key []byte, v []byte) (bool, error) {
			if seen[string(key)] {
				return true, nil
			}
			c, _, _, err := parseChunkRow(v)
			if err == nil {
				r.freed = append(r.freed, c.extent)
				st.chunks[string(key)] = nil
			}
			return true, err
		})
		if err != nil {
			return err
		}
	}
	delete(st.newest, r.key)
	return b.DeleteRange(replicaKey(r.key, subMeta), replicaKey(r.key, subEnd), nil)
}

// eachChunk calls fn for the chunks of a replica from an id on, with the whole key.
func (s *Store) eachChunk(k Key, from chain.ChunkID, fn func(key, v []byte) (bool, error)) error {
	it, err := s.rows.db.NewIter(&pebble.IterOptions{
		LowerBound: chunkRowKey(k, from),
		UpperBound: replicaKey(k, subChunks+1),
	})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var more bool
		if more, err = fn(it.Key(), it.Value()); !more {
			break
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// settle takes a durable record into the state in memory.
func (s *Store) settle(r *Record) {
	if r.rep != nil { // not the record of a quarantine that has outlived its replica
		s.settleReplica(r)
	}
	if s.space != nil {
		s.settleSpace(r)
	}
}

// settleSpace counts what a record did to the space of chunks.
func (s *Store) settleSpace(r *Record) {
	if r.kind == recSeal && r.first == 0 {
		s.space.sealed(r.chunk.extent)
	}
	if r.aside != nil && r.first == 0 {
		s.space.putAside()
		s.damaged.forget(r.key, r.chunkID())
	}
	for _, e := range r.freed {
		if r.kind == recForget {
			s.space.takeBack()
		}
		s.space.unref(e, r.no, s.pins.retire())
	}
}

func (s *Store) settleReplica(r *Record) {
	rep := r.rep
	rep.mu.Lock()
	defer rep.mu.Unlock()
	switch r.kind {
	case recCreate:
		rep.image = r.at.inc
	case recState:
		rep.state = slices.Clone(r.state)
	case recEntry:
		rep.queued--
		if !rep.dropped {
			rep.push(pendingEntry{no: r.no, at: r.at, entry: r.entry})
		}
		rep.changed.Broadcast()
	case recTruncate:
		rep.cut(r.seq)
		if r.rev == 0 {
			rep.pending, rep.applied, rep.retained = nil, index.Applied{}, nil
			rep.setFirst()
		}
		rep.changed.Broadcast()
	case recEndInstall:
		rep.applied = r.apply
		rep.pop(r.apply.Seq)
	case recSeal:
		if s.space != nil && r.first == 0 {
			delete(rep.open, r.chunk.header.ID)
		}
	case recRemove:
		rep.unremove(r.ids)
		s.damaged.forget(r.key, r.ids...)
	case recAside:
		rep.unremove(r.ids)
	case recImage:
		rep.image, rep.imageSeq = r.at.inc, r.image.applied.Seq
	case recDrop:
		s.settleDrop(rep)
	}
}

func (s *Store) settleDrop(rep *replica) {
	rep.dropped, rep.gone = true, true
	rep.pending, rep.retained = nil, nil
	rep.setFirst()
	for id, oc := range rep.open {
		if s.space != nil {
			oc.abandon(s.space)
		}
		delete(rep.open, id)
	}
	rep.changed.Broadcast()
	s.damaged.forgetReplica(rep.key)
	s.replicasMu.Lock()
	delete(s.replicas, rep.key)
	s.replicasMu.Unlock()
}

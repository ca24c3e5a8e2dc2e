package store

import (
	"encoding/binary"
	"errors"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
)

// rebuilder makes rows anew from everything that the record segments hold. Its
// first pass learns what voids what and how far each replica's rows may go, its
// second puts the rows: of each key the image with the highest rev that is not
// void, and of two of one rev the later.
type rebuilder struct {
	s     *Store
	known map[Key]*rebuilt
	last  uint64
	b     *pebble.Batch
}

// rebuilt is what the first pass knows of a replica.
type rebuilt struct {
	kind    chain.Kind
	state   []byte
	applied index.Applied
	dropped uint64 // the number of its drop record
	voids   []void
	// pending is the first entry above applied.
	pending uint64
}

func (r *rebuilt) lives() bool { return r.kind != 0 && r.dropped == 0 }

// void is a truncation: records of rev or higher first written before no are void.
type void struct{ no, rev uint64 }

func (r *rebuilt) void(first, rev uint64) bool {
	for _, v := range r.voids {
		if first < v.no && rev >= v.rev {
			return true
		}
	}
	return false
}

// rebuild replaces the rows in dir. A crash on the way leaves the old ones, or
// none, and it is done again.
func (s *Store) rebuild(log []*segment, dir string) error {
	tmp := dir + ".tmp"
	if err := s.cfg.FS.RemoveAll(tmp); err != nil {
		return err
	}
	var err error
	if s.rows.db, err = s.openRows(tmp); err != nil {
		return err
	}
	rb := &rebuilder{s: s, known: map[Key]*rebuilt{}}
	if err := rb.run(log); err != nil {
		return err
	}
	if err := s.flushed(); err != nil {
		return err
	}
	if err := s.closeRows(); err != nil {
		return err
	}
	if err := s.cfg.FS.RemoveAll(dir); err != nil {
		return err
	}
	if err := s.cfg.FS.Rename(tmp, dir); err != nil {
		return err
	}
	if err := s.cfg.FS.SyncDir(s.cfg.Dir); err != nil {
		return err
	}
	if s.rows.db, err = s.openRows(dir); err != nil {
		return err
	}
	s.rows.pos, err = readPosition(s.rows.db, false)
	s.cfg.Logger.Info("rows rebuilt", slog.Int("replicas", len(rb.known)), slog.Uint64("records", rb.last))
	return err
}

// pass runs over the whole log, from its oldest record.
func (rb *rebuilder) pass(log []*segment, each func(*Record) error) error {
	rp := &replayer{s: rb.s, each: each}
	rp.from = 1
	if len(log) > 0 {
		rp.from = max(rp.from, log[0].first)
	}
	if err := rp.run(log); err != nil {
		return err
	}
	rb.last = rp.last()
	return nil
}

func (rb *rebuilder) run(log []*segment) error {
	if err := rb.pass(log, rb.learn); err != nil {
		return err
	}
	rb.b = rb.s.rows.db.NewIndexedBatch()
	if err := rb.pass(log, rb.put); err != nil {
		return err
	}
	if err := rb.sweep(); err != nil {
		return err
	}
	return rb.metas()
}

// learn is the first pass, in log order.
func (rb *rebuilder) learn(r *Record) error {
	k := rb.known[r.key]
	if k == nil {
		// Its create record may be gone: then an image follows, or a drop did.
		k = &rebuilt{}
		rb.known[r.key] = k
	}
	switch r.kind {
	case recCreate:
		k.kind = r.chain
	case recState:
		k.state = append([]byte{}, r.state...)
	case recImage:
		k.kind, k.state, k.applied = r.image.kind, append([]byte{}, r.image.state...), r.image.applied
	case recTruncate:
		k.voids = append(k.voids, void{no: r.firstNo(), rev: r.rev})
		if r.rev == 0 {
			k.applied = index.Applied{}
		}
	case recEndInstall:
		k.applied = r.apply
	case recDrop:
		k.dropped = r.no
	}
	return nil
}

// put is the second pass. Records that stand before their replica's create or
// image are also taken: reclaim writes the image forward, not what it is of.
func (rb *rebuilder) put(r *Record) error {
	if err := rb.quarantine(r); err != nil {
		return err
	}
	k := rb.known[r.key]
	if k == nil || !k.lives() {
		return nil
	}
	var err error
	switch r.kind {
	case recEntry:
		err = rb.entry(k, r)
	case recPage:
		err = rb.page(k, r)
	case recSeal, recClone:
		// In the order of the log: a copy that was written forward stands before
		// whatever ends the chunk.
		err = rb.b.Set(chunkRowKey(r.key, r.chunk.header.ID), encodeChunkRow(r), nil)
	case recRemove:
		for _, id := range r.ids {
			err = errors.Join(err, rb.b.Delete(chunkRowKey(r.key, id), nil))
		}
	}
	if err == nil && rb.b.Len() > 4<<20 {
		err = rb.commit()
	}
	return err
}

// quarantine puts what was put aside, whatever became of its replica.
func (rb *rebuilder) quarantine(r *Record) error {
	switch {
	case r.kind == recForget:
		var err error
		for _, id := range r.ids {
			err = errors.Join(err, rb.b.Delete(asideKey(r.key, id, r.seq), nil))
		}
		return err
	case r.aside == nil:
		return nil
	}
	id := r.aside.chunk.header.ID
	err := rb.b.Set(asideKey(r.key, id, r.firstNo()), encodeAsideRow(r), nil)
	if r.kind == recAside && r.first == 0 {
		err = errors.Join(err, rb.b.Delete(chunkRowKey(r.key, id), nil))
	}
	return err
}

func (rb *rebuilder) commit() error {
	err := rb.s.guardRows("rebuild rows", func() error { return rb.s.rows.db.Apply(rb.b, pebble.NoSync) })
	err = errors.Join(err, rb.b.Close())
	rb.b = rb.s.rows.db.NewIndexedBatch()
	return err
}

func (rb *rebuilder) entry(k *rebuilt, r *Record) error {
	e := r.entry
	if k.void(r.firstNo(), e.Rev) {
		return nil
	}
	if e.Seq > k.applied.Seq {
		if k.pending == 0 || r.no < k.pending {
			k.pending = r.no
		}
		return nil
	}
	rows, err := rb.s.cfg.DecodeRows(e.Body)
	if err != nil {
		return &Error{Kind: ErrTooNew, Op: "rebuild rows", Key: r.key, Err: err}
	}
	h := rowHead{inc: r.at.inc, rev: e.Rev, first: r.firstNo()}
	for i := range rows.Puts {
		p := &rows.Puts[i]
		val := append(appendRowHead(nil, h), p.Value...)
		if p.Payload {
			val = rb.s.appendPayload(nil, h, e.Payload, r.at)
		}
		if err := rb.set(r.key, p.Key, h, val); err != nil {
			return err
		}
	}
	h.tag = tagTombstone
	for _, d := range rows.Deletes {
		if err := rb.set(r.key, d, h, appendRowHead(nil, h)); err != nil {
			return err
		}
	}
	return nil
}

func (rb *rebuilder) page(k *rebuilt, r *Record) error {
	off := r.at.off
	for i := range r.page.rows {
		p := &r.page.rows[i]
		at := place{slot: r.at.slot, inc: r.at.inc, off: off, n: uint32(len(p.payload)), crc: p.crc}
		off += int64(len(p.payload))
		h := rowHead{inc: r.at.inc, rev: p.rev, first: p.first}
		if h.first == 0 {
			h.first = r.firstNo()
		}
		// A copy of a row that is newer than the position stands in for an entry
		// that is still in the log, and is pending again.
		if k.void(h.first, h.rev) || h.rev > k.applied.Rev {
			continue
		}
		val := append(appendRowHead(nil, h), p.value...)
		if p.hasPayload {
			val = rb.s.appendPayload(nil, h, p.payload, at)
		}
		if err := rb.set(r.key, p.key, h, val); err != nil {
			return err
		}
	}
	return nil
}

// set puts an image unless a newer one is there.
func (rb *rebuilder) set(k Key, row []byte, h rowHead, val []byte) error {
	key := append(replicaKey(k, subRows), row...)
	v, ok, err := rb.get(key)
	if err != nil {
		return err
	}
	if ok {
		old, _, err := parseRowHead(v)
		if err != nil {
			return err
		}
		if old.rev > h.rev || old.rev == h.rev && old.first > h.first {
			return nil
		}
	}
	return rb.b.Set(key, val, nil)
}

func (rb *rebuilder) get(key []byte) ([]byte, bool, error) {
	v, closer, err := rb.b.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	v = append([]byte{}, v...)
	return v, true, closer.Close()
}

// sweep takes the tombstones out.
func (rb *rebuilder) sweep() error {
	if err := rb.commit(); err != nil {
		return err
	}
	it, err := rb.s.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyReplica}, UpperBound: []byte{keyReplica + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		_, sub, _, _ := parseReplicaKey(it.Key())
		v := it.Value()
		if sub == subRows && v[0] == byte(tagTombstone) {
			err = rb.b.Delete(it.Key(), nil)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// metas writes what is known of each replica, and the position: every derived
// record is reflected, the entries above each applied position are not.
func (rb *rebuilder) metas() error {
	pos := rb.last + 1
	for k, r := range rb.known {
		if !r.lives() {
			continue
		}
		if r.pending != 0 {
			pos = min(pos, r.pending)
		}
		err := errors.Join(
			rb.b.Set(metaKey(k, metaKind), []byte{byte(r.kind)}, nil),
			rb.b.Set(metaKey(k, metaReflects), binary.AppendUvarint(nil, rb.last), nil))
		if r.state != nil {
			err = errors.Join(err, rb.b.Set(metaKey(k, metaState), r.state, nil))
		}
		if r.kind == chain.KindIndex {
			err = errors.Join(err, rb.b.Set(metaKey(k, metaApplied), appendApplied(nil, r.applied), nil))
		}
		if err != nil {
			return err
		}
	}
	if err := rb.b.Set(posKey, binary.AppendUvarint(nil, pos), nil); err != nil {
		return err
	}
	if err := rb.commit(); err != nil {
		return err
	}
	return rb.b.Close()
}

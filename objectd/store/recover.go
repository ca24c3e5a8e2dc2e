package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/objectd/vfs"
)

// recover brings the store into the state that its log says: it opens the rows
// (or rebuilds them), replays what they do not reflect, closes the log's end
// for good, and counts the chunks.
func (s *Store) recover() error {
	log := s.segs.of(segRecord)
	if err := s.numberSegments(log); err != nil {
		return err
	}
	if err := s.openOrRebuild(log); err != nil {
		return err
	}
	if err := s.loadReplicas(); err != nil {
		return err
	}
	pos := max(s.rows.pos, 1)
	s.completed.Store(pos - 1)
	rp := &replayer{s: s, from: pos, st: stager{s: s}}
	rp.each = rp.record
	if err := rp.run(log); err != nil {
		return err
	}
	if rp.next == 0 && len(s.replicas) > 0 || rp.last() < pos-1 {
		return &Error{Kind: ErrDamaged, Op: "open", Detail: fmt.Sprintf("the log ends at record %d, but the rows reflect record %d", rp.last(), pos-1)}
	}
	if err := rp.finish(log); err != nil {
		return err
	}
	s.log.follow(rp.last())
	s.completed.Store(rp.last())
	durable, err := readPosition(s.rows.db, true)
	if err != nil {
		return err
	}
	s.rows.floor.Store(max(durable, 1))
	if err := s.countChunks(); err != nil {
		return err
	}
	s.tellReplicas()
	return nil
}

// numberSegments learns the first record number of each segment, and from it
// the last one of the segment before. A batch that does not verify is the
// replay's to judge.
func (s *Store) numberSegments(log []*segment) error {
	var prev *segment
	for _, g := range log {
		b, err := readBlocks(g, headerBytes, block)
		if err != nil {
			return err
		}
		h, ok, err := getBatchHeader(b, g.inc, headerBytes)
		if err != nil {
			return err
		}
		if !ok || h.mark || h.count == 0 {
			continue
		}
		g.first = h.first
		if prev != nil {
			prev.last = h.first - 1
		}
		prev = g
	}
	return nil
}

// readBlocks reads up to n bytes; less at the end of the file.
func readBlocks(g *segment, off, n int64) ([]byte, error) {
	n = min(n, g.size-off)
	if n <= 0 {
		return nil, nil
	}
	b := make([]byte, n)
	_, err := g.file.ReadAt(b, off)
	return b, err
}

// openOrRebuild opens the rows. Rows that are missing, or that reach less far
// than a header says they durably did, are rebuilt from the log.
func (s *Store) openOrRebuild(log []*segment) error {
	dir := vfs.Join(s.cfg.Dir, rowsDir)
	there, err := exists(s.cfg.FS, dir)
	if err != nil {
		return err
	}
	need := max(s.segs.floor(), 1)
	if len(log) > 0 {
		need = max(need, log[0].first)
	}
	if !there && need > 1 {
		s.cfg.Logger.Warn("the rows are missing; rebuilding them from the log")
		return s.rebuild(log, dir)
	}
	s.rows.db, err = s.openRows(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, pebble.ErrDBNotPristine) || pebble.IsCorruptionError(err) {
		// A crash while Pebble makes or switches its manifest, or while a rebuild
		// takes the old rows away, may leave this.
		s.cfg.Logger.Warn("the rows cannot be opened; rebuilding them from the log", slog.Any("error", err))
		return s.rebuild(log, dir)
	}
	if err != nil {
		return err
	}
	if s.rows.pos, err = readPosition(s.rows.db, false); err != nil {
		return err
	}
	if max(s.rows.pos, 1) >= need {
		return nil
	}
	// A crash while Pebble switches its manifest may lose the marker that names
	// it, and Pebble then begins an empty database. Or somebody put an older copy
	// back. Such rows point into segments that were freed, or lack records that
	// were freed with them: a replay on top of them would be refused, or give
	// rows whose payloads are gone.
	s.cfg.Logger.Warn("the rows were rolled back; rebuilding them from the log", slog.Uint64("position", s.rows.pos), slog.Uint64("floor", need))
	if err := s.closeRows(); err != nil {
		return err
	}
	return s.rebuild(log, dir)
}

// loadReplicas reads what the rows know of each replica.
func (s *Store) loadReplicas() error {
	it, err := s.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyReplica}, UpperBound: []byte{keyReplica + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; {
		k, sub, rest, good := parseReplicaKey(it.Key())
		if !good || sub != subMeta || len(rest) != 1 {
			ok = it.SeekGE(replicaKey(k, subEnd))
			continue
		}
		err = s.loadMeta(k, rest[0], it.Value())
		ok = it.Next()
	}
	if err := errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	for k, r := range s.replicas {
		if r.kind == 0 {
			return &Error{Kind: ErrDamaged, Op: "open", Key: k, Detail: "the rows do not say what it is"}
		}
	}
	return nil
}

func (s *Store) loadMeta(k Key, what byte, v []byte) (err error) {
	r := s.replicas[k]
	if r == nil {
		r = newReplica(k, 0)
		s.replicas[k] = r
	}
	switch what {
	case metaKind:
		if len(v) == 1 {
			r.kind = chain.Kind(v[0])
		}
	case metaState:
		r.state = slices.Clone(v)
	case metaApplied:
		r.applied, err = decodeApplied(v)
	case metaReflects:
		r.reflected, err = parseUvarint(v)
	}
	return err
}

// countChunks fills the table of chunk space from the sealed chunks.
func (s *Store) countChunks() error {
	sp := newSpace(s)
	for _, g := range s.segs.of(segChunk) {
		sp.segs[g.slot] = &chunkSegment{g: g, next: headerBytes}
	}
	for _, r := range s.replicaList() {
		if r.kind != chain.KindData {
			continue
		}
		err := s.eachChunk(r.key, chain.ChunkID{}, func(_, v []byte) (bool, error) {
			c, _, _, err := parseChunkRow(v)
			if err != nil {
				return false, err
			}
			if !sp.adopt(c.extent) {
				s.damaged.note(r.key, c.header.ID, "its segment is missing")
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	if err := s.eachAside(func(q QuarantinedChunk) {
		sp.adopt(q.chunk.extent)
		sp.putAside()
	}); err != nil {
		return err
	}
	sp.used = len(sp.segs) > 0
	s.space = sp
	return nil
}

// tellReplicas makes what Replicas gives.
func (s *Store) tellReplicas() {
	s.trimRetained()
	for _, r := range s.replicaList() {
		f := Recovered{Key: r.key, Kind: r.kind, State: r.state, Applied: r.applied}
		for _, p := range r.pending {
			f.Entries = append(f.Entries, p.entry)
		}
		for _, p := range r.retained {
			f.Retained = append(f.Retained, p.entry)
		}
		// Retained must end where the entries above the position begin.
		if n := len(f.Retained); n > 0 && f.Retained[n-1].Seq != r.applied.Seq {
			f.Retained = nil
		}
		r.retained = nil
		s.found = append(s.found, f)
	}
}

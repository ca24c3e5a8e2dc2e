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
	pos := max(s.rowsPos, 1)
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
	s.w.next, s.w.first, s.w.synced = rp.last()+1, rp.last()+1, rp.last()
	s.completed.Store(rp.last())
	durable, err := readPosition(s.db, true)
	if err != nil {
		return err
	}
	s.floor.Store(max(durable, 1))
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
		s.log.Warn("the rows are missing; rebuilding them from the log")
		return s.rebuild(log, dir)
	}
	s.db, err = s.openRows(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, pebble.ErrCorruption) {
		// A crash while Pebble makes or switches its manifest may leave this.
		s.log.Warn("the rows cannot be opened; rebuilding them from the log", slog.Any("error", err))
		return s.rebuild(log, dir)
	}
	if err != nil {
		return err
	}
	if s.rowsPos, err = readPosition(s.db, false); err != nil {
		return err
	}
	if max(s.rowsPos, 1) >= need {
		return nil
	}
	s.log.Warn("the rows were rolled back; rebuilding them from the log", slog.Uint64("position", s.rowsPos), slog.Uint64("floor", need))
	if err := s.closeRows(); err != nil {
		return err
	}
	return s.rebuild(log, dir)
}

// loadReplicas reads what the rows know of each replica.
func (s *Store) loadReplicas() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyReplica}, UpperBound: []byte{keyReplica + 1}})
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

// replayer feeds the log from a record on into the rows and the replicas.
type replayer struct {
	s    *Store
	from uint64 // the first record that the rows may not reflect
	st   stager
	recs []Record
	// next is the number that the next record must have; 0 while none was read.
	next uint64
	// end is the segment in which the log ended.
	end      *segment
	retained int64
	// each takes a record; replay, or a pass of a rebuild.
	each func(*Record) error
}

func (rp *replayer) last() uint64 {
	if rp.next == 0 {
		return rp.from - 1
	}
	return rp.next - 1
}

// run reads the segments from the one that holds the record before rp.from on
// (the rows reflect it, so every end mark before it was durable), until one
// without an end mark ends the log.
func (rp *replayer) run(log []*segment) error {
	start := 0
	for i, g := range log {
		if g.first != 0 && g.first < rp.from {
			start = i
		}
	}
	for _, g := range log[min(start, len(log)):] {
		marked, err := rp.segment(g)
		if err != nil {
			return err
		}
		rp.end = g
		if !marked {
			break
		}
	}
	return rp.flush()
}

// segment replays one segment and reports whether it has its end mark.
func (rp *replayer) segment(g *segment) (marked bool, err error) {
	sc := newScanner(g, headerBytes)
	g.index, g.end, g.marked = nil, headerBytes, false
	for {
		b, err := sc.next()
		if err != nil {
			return false, err
		}
		if b == nil {
			return false, rp.judge(g, sc.off)
		}
		g.noteBatch(b.h, b.off, rp.s.cfg.SegmentSize)
		g.end = sc.off
		if b.h.mark {
			_, last := g.records()
			if want := b.h.first; g.first != 0 && want != last+1 {
				return false, damage(g, b.off, fmt.Sprintf("the end mark says that record %d was the last, found %d", want-1, last))
			}
			g.marked = true
			return true, nil
		}
		if rp.next != 0 && b.h.first != rp.next {
			return false, damage(g, b.off, fmt.Sprintf("record %d follows record %d", b.h.first, rp.next-1))
		}
		if rp.next == 0 && b.h.first > rp.from {
			return false, damage(g, b.off, fmt.Sprintf("the rows reach to record %d, the log begins at %d", rp.from, b.h.first))
		}
		rp.next = b.h.first + uint64(b.h.count)
		for i := range b.recs {
			b.recs[i].at.slot = g.slot
			if err := rp.each(&b.recs[i]); err != nil {
				return false, err
			}
		}
	}
}

func damage(g *segment, off int64, why string) error {
	return &Error{Kind: ErrDamaged, Op: "replay", Detail: fmt.Sprintf("%s at %d: %s", segName(g.slot), off, why)}
}

// judge says whether a batch that does not verify at off is the end of the log
// (a write that was never acknowledged) or damage: it is damage if any later
// batch says that more records than were read, or this segment's end mark, had
// been synced before it.
func (rp *replayer) judge(g *segment, off int64) error {
	later := rp.s.segs.of(segRecord)
	later = later[slices.Index(later, g):]
	for _, o := range later {
		at := int64(headerBytes)
		if o == g {
			at = off
		}
		synced, afterMark, err := evidence(o, at)
		if err != nil {
			return err
		}
		if synced > rp.last() {
			return damage(g, off, fmt.Sprintf("does not verify, but record %d behind it was synced", synced))
		}
		if afterMark && o != g {
			return damage(g, off, "the end mark is missing, but was synced")
		}
	}
	return nil
}

// evidence looks at every block from off on for batch headers of this use of
// the segment, and gives the highest syncedTo and whether any is afterMark.
func evidence(g *segment, off int64) (synced uint64, afterMark bool, err error) {
	const step = 1 << 20
	for ; off < g.size; off += step {
		b, err := readBlocks(g, off, step)
		if err != nil {
			return 0, false, err
		}
		for i := 0; i < len(b); i += block {
			h, ok, err := getBatchHeader(b[i:], g.inc, off+int64(i))
			if err != nil {
				return 0, false, err
			}
			if ok && h.mark && h.first > 0 {
				synced = max(synced, h.first-1) // a mark is written when all before it is synced
			}
			if ok {
				synced, afterMark = max(synced, h.syncedTo), afterMark || h.afterMark
			}
		}
	}
	return synced, afterMark, nil
}

// record replays one record.
func (rp *replayer) record(r *Record) error {
	r.rep = rp.s.replicas[r.key]
	if r.kind == recCreate && r.no >= rp.from && r.rep == nil {
		r.rep = newReplica(r.key, r.chain)
		rp.s.replicas[r.key] = r.rep
	}
	if r.kind == recForget || r.kind == recAside && r.first != 0 {
		// These may have outlived their replica, and may be done twice.
		if r.no < rp.from {
			return nil
		}
		return rp.st.stage(r)
	}
	if r.rep == nil {
		return nil // of a replica that was dropped later
	}
	if r.kind == recEntry && r.entry.Seq <= r.rep.applied.Seq {
		rp.retain(r)
		return nil
	}
	if r.no < rp.from {
		return nil
	}
	if r.kind != recEntry && r.no <= r.rep.reflected {
		rp.reflectedBefore(r)
		return nil
	}
	rp.s.own(r)
	if r.kind == recEntry {
		r.rep.queued++ // settle counts it down
	}
	if err := rp.st.stage(r); err != nil {
		return err
	}
	rp.s.settle(r)
	if rp.st.b != nil && rp.st.b.Len() > 4<<20 {
		return rp.flush()
	}
	return nil
}

// reflectedBefore is for a record whose rows are there: only the entries that
// it voids are still to be forgotten.
func (rp *replayer) reflectedBefore(r *Record) {
	if r.kind != recTruncate {
		if r.kind == recImage {
			r.rep.image = r.at.inc
		}
		return
	}
	r.rep.cut(r.seq)
	if r.rev == 0 {
		r.rep.pending, r.rep.retained = nil, nil
		r.rep.setFirst()
	}
}

// own gives a record's bytes a life of their own: they alias the read buffer.
func (s *Store) own(r *Record) {
	if e := r.entry; e != nil {
		e.Body = slices.Clone(e.Body)
		if e.Payload != nil {
			e.Payload = append([]byte{}, e.Payload...)
		}
	}
}

// retain keeps an applied entry for a neighbour that rejoins, within the bound;
// the oldest of all replicas go first.
func (rp *replayer) retain(r *Record) {
	rp.s.own(r)
	rep := r.rep
	if n := len(rep.retained); n > 0 && rep.retained[n-1].entry.Seq+1 != r.entry.Seq {
		rep.retained = nil
	}
	rep.retained = append(rep.retained, pendingEntry{no: r.no, at: r.at, entry: r.entry})
	rp.retained += entrySize(r)
	if rp.retained > 2*rp.s.cfg.RetainBytes {
		rp.retained = rp.s.trimRetained()
	}
}

func entrySize(r *Record) int64 { return int64(len(r.entry.Body)+len(r.entry.Payload)) + 200 }

// trimRetained drops the oldest retained entries beyond RetainBytes and gives
// what is left.
func (s *Store) trimRetained() int64 {
	var nos []struct {
		no   uint64
		size int64
	}
	for _, r := range s.replicas {
		for _, p := range r.retained {
			nos = append(nos, struct {
				no   uint64
				size int64
			}{p.no, int64(len(p.entry.Body)+len(p.entry.Payload)) + 200})
		}
	}
	slices.SortFunc(nos, func(a, b struct {
		no   uint64
		size int64
	}) int {
		return int(int64(b.no) - int64(a.no))
	})
	var left int64
	oldest := uint64(0)
	for _, n := range nos {
		if left+n.size > s.cfg.RetainBytes {
			oldest = n.no + 1
			break
		}
		left += n.size
	}
	for _, r := range s.replicas {
		i := 0
		for i < len(r.retained) && r.retained[i].no < oldest {
			i++
		}
		r.retained = slices.Clone(r.retained[i:])
	}
	return left
}

// flush commits what was staged. completed follows, so that the position that
// goes with the batch is right.
func (rp *replayer) flush() error {
	if err := rp.st.commit(); err != nil {
		return err
	}
	rp.st = stager{s: rp.s}
	rp.s.completed.Store(max(rp.last(), rp.from-1))
	return nil
}

// finish makes the end of the log final, before anything new is written. First
// the segments behind the end are freed, durably: records in them were never
// acknowledged, and must not come back. Then the segment in which the log ended
// gets its end mark, and is cut to it. What was replayed is synced with it.
func (rp *replayer) finish(log []*segment) error {
	if rp.end == nil {
		return nil
	}
	i := slices.Index(log, rp.end)
	for _, g := range log[i+1:] {
		if err := rp.s.segs.free(g, rp.s.segs.floor(), 2); err != nil {
			return err
		}
	}
	for _, g := range log[:i] {
		if g.first != 0 && g.last >= rp.from {
			if err := g.file.SyncData(); err != nil {
				return err
			}
		}
	}
	g := rp.end
	if g.first == 0 {
		// Nothing in it: the mark of the segment before ends the log.
		return rp.s.segs.free(g, rp.s.segs.floor(), 2)
	}
	if g.marked {
		return g.file.SyncData()
	}
	if err := rp.s.mark(g, rp.last()); err != nil {
		return err
	}
	if err := g.file.Truncate(g.end); err != nil {
		return err
	}
	g.size = g.end
	return g.file.Sync()
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

package store

import (
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// kick asks for maintenance soon.
func (s *Store) kick() {
	select {
	case s.kicked <- struct{}{}:
	default:
	}
}

func (s *Store) spaceWasFreed() {
	select {
	case s.spaceFreed <- struct{}{}:
	default:
	}
}

// What is freed waits for a flush, and writes that would bring one about may
// not come: so every flushEvery there is one if anything waits, and every
// scanEvery a look at the log if the rows are few.
const (
	flushEvery = 5 * time.Second
	scanEvery  = 30 * time.Second
	// fewRows is the size of rows that are read through in a fraction of a second.
	fewRows = 32 << 20
)

// runMaintenance is the only goroutine that frees segments.
func (s *Store) runMaintenance() {
	flush, scan := time.NewTicker(flushEvery), time.NewTicker(scanEvery)
	defer flush.Stop()
	defer scan.Stop()
	var seen uint64 // the newest record when the log was last looked at
	for {
		var due duty
		select {
		case <-s.quit:
			return
		case <-s.failure.done:
			return
		case <-s.kicked:
		case <-flush.C:
			due.flush = s.space.waiting()
		case <-scan.C:
			newest := s.completed.Load()
			due.scan = newest != seen && s.db.Metrics().DiskSpaceUsage() < fewRows
			seen = newest
		}
		_ = s.maintain(due) // an error of it has ended the store, or is only want of space
	}
}

// duty is what maintenance does although nothing presses.
type duty struct {
	// flush the rows; scan them for what is live in the log.
	flush, scan bool
}

// Maintain does what background work is due, now and to its end: flushes the
// rows, frees and prepares segments. The store does the same by itself; tests
// and shutdown call it to have it done.
func (s *Store) Maintain() error {
	if err := s.usable(); err != nil {
		return err
	}
	return s.maintain(duty{flush: true, scan: true})
}

func (s *Store) maintain(due duty) error {
	s.maint.Lock()
	defer s.maint.Unlock()
	if s.failed.Load() {
		return s.Failed()
	}
	low := s.Free() <= 0 && s.space.waiting()
	if due.flush || low || s.sinceFlush.Load() >= s.cfg.ReplayBytes {
		if err := s.flushRows(); err != nil {
			return err
		}
	} else if err := s.learnFloor(); err != nil {
		return err
	}
	if err := s.space.reclaim(s.floor.Load(), s.completed.Load()); err != nil {
		return err
	}
	if err := s.recycleLog(due.scan); err != nil {
		return err
	}
	return s.prepare()
}

// flushRows makes everything applied durable in the rows. The position is
// written once more before it: the last batch could not know that its own
// entry is no longer pending.
func (s *Store) flushRows() error {
	s.sinceFlush.Store(0)
	b := s.db.NewBatch()
	err := s.commitRows(b, nil)
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	if err := s.flushed(); err != nil {
		return err
	}
	return s.learnFloor()
}

// flushed returns when everything in the rows now is durable, or the store failed.
func (s *Store) flushed() error {
	var flushed <-chan struct{}
	err := s.guardRows("flush rows", func() (err error) { flushed, err = s.db.AsyncFlush(); return err })
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-s.failure.done:
		return s.Failed()
	}
}

// learnFloor reads how far the rows durably reach.
func (s *Store) learnFloor() error {
	pos, err := readPosition(s.db, true)
	if err != nil {
		return s.readError("read position", Key{}, err)
	}
	if pos > s.floor.Load() {
		s.floor.Store(pos)
	}
	return nil
}

func (s *Store) keepFree() int {
	if s.rolled.Load() {
		return 2
	}
	return 1
}

// recycleLog frees the oldest record segments, one after the other, while
// nothing in them is needed: their records are durably reflected in the rows
// (so no replay needs them), no row, chunk or older reader points into them,
// and what a rebuild needs to know of the replicas is written forward first.
// Oldest first is what keeps every delete and truncation record longer than
// any record that it voids. Where what is behind is mostly dead, the live rest
// of the oldest segment is written forward, and the next round frees it.
func (s *Store) recycleLog(now bool) error {
	old := s.recyclable()
	if len(old) == 0 || !now && len(old) < s.scanAt {
		return nil
	}
	gen, live, err := s.liveSegments()
	if err != nil {
		return s.readError("scan rows", Key{}, err)
	}
	n := slices.IndexFunc(old, func(g *segment) bool { return live[g.inc].count > 0 })
	if n < 0 {
		n = len(old)
	}
	// The scan is not cheap: wait until a quarter more is there to look at.
	s.scanAt = len(old) - n + 1 + (len(old)-n)/4
	if n > 0 {
		if !s.pins.clear(gen) {
			s.scanAt = 0 // a reader is in the way; look again at the next kick
			return nil
		}
		if err := s.freeOldest(old[:n]); err != nil {
			return err
		}
	}
	return s.forwardOldest(old[n:], live)
}

// freeOldest frees segments that a scan found dead. The rows that it saw are
// flushed first: after a crash no row may point into a freed segment.
func (s *Store) freeOldest(dead []*segment) error {
	if err := s.writeImages(dead[len(dead)-1]); err != nil {
		return err
	}
	if err := s.flushRows(); err != nil {
		return err
	}
	for _, g := range dead {
		if err := s.segs.free(g, s.floor.Load(), s.keepFree()); err != nil {
			return s.fail("free record segment", err)
		}
		s.spaceWasFreed()
	}
	return nil
}

// scanFirst is how many ended segments make the first scan of a process worth while.
const scanFirst = 8

// recyclable lists the ended record segments, oldest first, that no replay needs.
func (s *Store) recyclable() []*segment {
	var out []*segment
	active, prepared := s.active.Load(), s.prepared.Load()
	for _, g := range s.segs.of(segRecord) {
		if _, last := g.records(); g == active || g == prepared || last == 0 || last >= s.floor.Load() {
			break
		}
		out = append(out, g)
	}
	return out
}

// liveness is what of a record segment is still pointed at.
type liveness struct {
	count int
	bytes int64
}

// liveSegments counts, for each use of a record segment, the rows and chunks
// whose records it holds. gen is the generation of readers that may see rows
// which the scan does not.
func (s *Store) liveSegments() (gen uint64, live map[uint64]liveness, err error) {
	snap := s.db.NewSnapshot()
	gen = s.pins.retire()
	live = map[uint64]liveness{}
	err = eachPointer(snap, func(key, v []byte, inc uint64, size int64) error {
		l := live[inc]
		live[inc] = liveness{l.count + 1, l.bytes + size}
		return nil
	})
	return gen, live, errors.Join(err, snap.Close())
}

// eachPointer calls fn for every row and chunk, those put aside too, with the use
// of the record segment that holds its record, and about how long that is.
func eachPointer(snap *pebble.Snapshot, fn func(key, v []byte, inc uint64, size int64) error) error {
	it, err := snap.NewIter(&pebble.IterOptions{LowerBound: []byte{keyReplica}, UpperBound: []byte{keyAside + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		key, v := it.Key(), it.Value()
		size := int64(len(key) + len(v))
		var inc uint64
		switch _, sub, _, ok := parseReplicaKey(key); {
		case !ok:
			inc, err = parseUvarint(v) // of the quarantine
		case sub == subRows:
			h, rest, herr := parseRowHead(v)
			err, inc = herr, h.inc
			if h.tag == tagPlace && err == nil {
				p, perr := parsePlace(rest, inc)
				err, size = perr, size+int64(p.n)
			}
		case sub == subChunks:
			inc, err = parseUvarint(v)
		default:
			continue
		}
		if err == nil {
			err = fn(key, v, inc, size)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// writeImages writes forward what a rebuild must know of every replica whose
// newest image is not behind the last segment to be freed, or does not tell the
// position that its rows have now: entries between the two may be freed.
func (s *Store) writeImages(last *segment) error {
	var recs []Record
	for _, r := range s.replicaList() {
		r.mu.Lock()
		need := !r.dropped && (r.image <= last.inc || r.imageSeq != r.applied.Seq)
		r.mu.Unlock()
		if need {
			recs = append(recs, Record{key: r.key, kind: recImage, chain: r.kind, rep: r, make: makeImage})
		}
	}
	if len(recs) == 0 {
		return nil
	}
	return s.appendAlone(recs)
}

// appendAlone has the writer make and write records when everything before
// them is durable and settled, and waits.
func (s *Store) appendAlone(recs []Record) error {
	done := make(chan error, 1)
	if !s.log1.put(item{recs: recs, alone: true, done: func(err error) { done <- err }}) {
		return &Error{Kind: ErrClosed, Op: "recycle"}
	}
	// A writer that waits for space cannot write them; the next round tries again.
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-s.failure.done:
			return s.Failed()
		case <-poll.C:
			if s.starving.Load() {
				return &Error{Kind: ErrFull, Op: "recycle"}
			}
		}
	}
}

// makeImage runs in the writer when everything before the image is durable and
// settled, so the image is never older than a state record before it.
func makeImage(r *Record) {
	r.rep.mu.Lock()
	defer r.rep.mu.Unlock()
	r.image = &imageRecord{kind: r.rep.kind, state: slices.Clone(r.rep.state), applied: r.rep.applied}
}

// prepare makes segments ahead of need, so that the writer does not wait for
// their preallocation: the next record segment when the active one is half
// full, one more as a reserve for deletes once the store is in use.
func (s *Store) prepare() error {
	s.nextMu.Lock()
	if s.active.Load() == nil || s.prepared.Load() != nil || s.activeEnd.Load() < s.cfg.SegmentSize/2 {
		s.nextMu.Unlock()
		return nil
	}
	g, err := s.segs.take(segRecord, s.floor.Load())
	if err == nil {
		s.prepared.Store(g)
	}
	s.nextMu.Unlock()
	if err != nil {
		return s.ioError("prepare segment", err)
	}
	if !s.rolled.Load() || s.Free() <= s.cfg.SegmentSize {
		return nil
	}
	if n, _ := s.segs.count(); n[segFree] > 0 {
		return nil
	}
	g, err = s.segs.create()
	if err == nil {
		err = s.segs.writeHeader(g, segFree, s.floor.Load())
	}
	if err != nil {
		return s.ioError("prepare segment", err)
	}
	return nil
}

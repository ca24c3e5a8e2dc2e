package store

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// maintenance flushes the rows, frees what nothing needs any more, and prepares
// segments. It is the only one that frees record segments; one round at a time.
type maintenance struct {
	s  *Store
	mu sync.Mutex // held through a round; guards scanAt and stuck
	// scanAt is how many ended record segments make the next scan of the rows worth while.
	scanAt int
	// stuck is the newest use of a segment whose live rest cannot be read: it stays.
	stuck uint64
	// kicked has room for one word: there may be something to do.
	kicked  chan struct{}
	quit    chan struct{}
	running sync.WaitGroup
}

func newMaintenance(s *Store) *maintenance {
	return &maintenance{s: s, scanAt: scanFirst, kicked: make(chan struct{}, 1), quit: make(chan struct{})}
}

// kick asks for a round soon.
func (m *maintenance) kick() {
	select {
	case m.kicked <- struct{}{}:
	default:
	}
}

func (m *maintenance) start() {
	m.running.Go(m.run)
	m.kick()
}

// stop waits for the round that is under way, unless the store failed: its disk
// may never answer.
func (m *maintenance) stop() {
	close(m.quit)
	if !m.s.failure.ended.Load() {
		m.running.Wait()
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

func (m *maintenance) run() {
	flush, scan := time.NewTicker(flushEvery), time.NewTicker(scanEvery)
	defer flush.Stop()
	defer scan.Stop()
	var seen uint64 // the newest record when the log was last looked at
	for {
		var due duty
		select {
		case <-m.quit:
			return
		case <-m.s.failure.done:
			return
		case <-m.kicked:
		case <-flush.C:
			due.flush = m.s.space.waiting()
		case <-scan.C:
			newest := m.s.completed.Load()
			due.scan = newest != seen && m.s.rows.db.Metrics().DiskSpaceUsage() < fewRows
			seen = newest
		}
		_ = m.round(due) // an error of it has ended the store, or is only want of space
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
	return s.maintenance.round(duty{flush: true, scan: true})
}

func (m *maintenance) round(due duty) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.s.failure.ended.Load() {
		return m.s.Failed()
	}
	low := m.s.Free() <= 0 && m.s.space.waiting()
	if due.flush || low || m.s.rows.sinceFlush.Load() >= m.s.cfg.ReplayBytes {
		if err := m.s.flushRows(); err != nil {
			return err
		}
	} else if err := m.s.learnFloor(); err != nil {
		return err
	}
	if err := m.s.space.reclaim(m.s.rows.floor.Load(), m.s.completed.Load()); err != nil {
		return err
	}
	if err := m.recycleLog(due.scan); err != nil {
		return err
	}
	return m.s.log.supply.prepare()
}

// recycleLog frees the oldest record segments, one after the other, while
// nothing in them is needed: their records are durably reflected in the rows
// (so no replay needs them), no row, chunk or older reader points into them,
// and what a rebuild needs to know of the replicas is written forward first.
// Oldest first is what keeps every delete and truncation record longer than
// any record that it voids. Where what is behind is mostly dead, the live rest
// of the oldest segment is written forward, and the next round frees it.
func (m *maintenance) recycleLog(now bool) error {
	old := m.s.log.supply.recyclable()
	if len(old) == 0 || !now && len(old) < m.scanAt {
		return nil
	}
	gen, live, err := m.s.liveSegments()
	if err != nil {
		return m.s.readError("scan rows", Key{}, err)
	}
	n := slices.IndexFunc(old, func(g *segment) bool { return live[g.inc].count > 0 })
	if n < 0 {
		n = len(old)
	}
	// The scan is not cheap: wait until a quarter more is there to look at.
	m.scanAt = len(old) - n + 1 + (len(old)-n)/4
	if n > 0 {
		if !m.s.pins.clear(gen) {
			m.scanAt = 0 // a reader is in the way; look again at the next kick
			return nil
		}
		if err := m.freeOldest(old[:n]); err != nil {
			return err
		}
	}
	return m.forwardOldest(old[n:], live)
}

// freeOldest frees segments that a scan found dead. The rows that it saw are
// flushed first: after a crash no row may point into a freed segment.
func (m *maintenance) freeOldest(dead []*segment) error {
	if err := m.writeImages(dead[len(dead)-1]); err != nil {
		return err
	}
	if err := m.s.flushRows(); err != nil {
		return err
	}
	for _, g := range dead {
		if err := m.s.segs.free(g, m.s.rows.floor.Load(), m.s.log.supply.keepFree()); err != nil {
			return m.s.fail("free record segment", err)
		}
		m.s.log.supply.spaceFreed()
	}
	return nil
}

// scanFirst is how many ended segments make the first scan of a process worth while.
const scanFirst = 8

// liveness is what of a record segment is still pointed at.
type liveness struct {
	count int
	bytes int64
}

// liveSegments counts, for each use of a record segment, the rows and chunks
// whose records it holds. gen is the generation of readers that may see rows
// which the scan does not.
func (s *Store) liveSegments() (gen uint64, live map[uint64]liveness, err error) {
	snap := s.rows.db.NewSnapshot()
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
func (m *maintenance) writeImages(last *segment) error {
	var recs []Record
	for _, r := range m.s.replicaList() {
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
	return m.s.log.appendAlone(recs)
}

// makeImage runs in the writer when everything before the image is durable and
// settled, so the image is never older than a state record before it.
func makeImage(r *Record) {
	r.rep.mu.Lock()
	defer r.rep.mu.Unlock()
	r.image = &imageRecord{kind: r.rep.kind, state: slices.Clone(r.rep.state), applied: r.rep.applied}
}

package store

import (
	"errors"
	"sync"
	"time"

	"catena/chain"
)

// item is what one call of Append queues.
type item struct {
	recs []Record
	done func(error)
	// err refuses the item; its done is still called in order.
	err error
	// seals are the chunk segments to sync before the records may be written.
	seals []*segment
	// alone: the records are made only when everything before them is durable.
	alone bool
}

// queue hands items to a goroutine, in order.
type queue struct {
	mu     sync.Mutex
	ready  *sync.Cond
	items  []item
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// put reports false when the queue is closed.
func (q *queue) put(it ...item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, it...)
	q.ready.Signal()
	return true
}

// take waits for items and gives all of them; spare is used for the next ones.
// ok is false when the queue is closed and empty.
func (q *queue) take(spare []item) (items []item, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.ready.Wait()
	}
	items, q.items = q.items, spare[:0]
	return items, len(items) > 0
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// maxBatch is the size at which a batch is written although more records wait.
const maxBatch = 1 << 20

// writer owns the active record segment. Only its goroutine uses it, and Open before.
type writer struct {
	seg *segment
	// buf is the batch being made: header, then records. It will stand at seg.end.
	buf []byte
	// first is the number of the batch's first record, next that of the next one.
	first, next uint64
	// synced: every record up to it is durable.
	synced uint64
	dirty  bool
	// full is how much room a segment has for batches.
	full int64
}

// runWriter is the group commit: all that waits is written and synced at once,
// while that goes on the next group gathers.
func (s *Store) runWriter() {
	var spare []item
	for {
		items, ok := s.log1.take(spare)
		if !ok {
			return
		}
		for rest := items; len(rest) > 0; {
			n := group(rest)
			s.commit(rest[:n])
			rest = rest[n:]
		}
		clear(items)
		spare = items
	}
}

// group is how many items may be committed together: an item that stands alone
// begins a group and ends it.
func group(items []item) int {
	if items[0].alone {
		return 1
	}
	for i := range items {
		if items[i].alone {
			return i
		}
	}
	return len(items)
}

// commit makes a group durable and then visible, and calls its dones.
func (s *Store) commit(items []item) {
	err := s.Failed()
	if err == nil {
		err = s.write(items)
	}
	if err == nil {
		err = s.complete(items)
	}
	for i := range items {
		it := &items[i]
		if it.done == nil {
			continue
		}
		if it.err != nil {
			it.done(it.err)
		} else {
			it.done(err)
		}
	}
}

func (s *Store) write(items []item) error {
	start := s.cfg.Now()
	n := 0
	for i := range items {
		it := &items[i]
		if it.err != nil {
			continue
		}
		for j := range it.recs {
			r := &it.recs[j]
			if r.make != nil {
				r.make(r)
			}
			if err := s.add(r); err != nil {
				return err
			}
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if err := s.flushBatch(); err != nil {
		return err
	}
	if err := s.syncLog(); err != nil {
		return err
	}
	s.metrics.wrote(n, s.cfg.Now().Sub(start))
	return nil
}

// add encodes a record into the batch.
func (s *Store) add(r *Record) error {
	w := &s.w
	for {
		if w.seg == nil {
			if err := s.roll(); err != nil {
				return err
			}
		}
		start := len(w.buf)
		w.buf = appendRecord(w.buf, r, w.next, w.seg.inc, w.seg.end)
		if w.seg.end+align(int64(len(w.buf))) <= w.full {
			break
		}
		w.buf = w.buf[:start]
		if err := s.roll(); err != nil {
			return err
		}
	}
	r.at.slot = w.seg.slot
	w.next++
	if len(w.buf) >= maxBatch {
		return s.flushBatch()
	}
	return nil
}

// flushBatch writes the batch, padded to whole blocks, with one call.
func (s *Store) flushBatch() error {
	w := &s.w
	if w.next == w.first {
		return nil
	}
	h := batchHeader{length: uint32(len(w.buf) - batchHeaderSize), count: uint32(w.next - w.first), first: w.first, syncedTo: w.synced, afterMark: true}
	return s.putBatch(h)
}

func (s *Store) putBatch(h batchHeader) error {
	w := &s.w
	g := w.seg
	h.put(w.buf, g.inc, g.end)
	size := align(int64(len(w.buf)))
	for int64(len(w.buf)) < size {
		w.buf = append(w.buf, zeros[:min(block, size-int64(len(w.buf)))]...)
	}
	if _, err := g.file.WriteAt(w.buf, g.end); err != nil {
		return s.fail("write log", err)
	}
	g.noteBatch(h, g.end, s.cfg.SegmentSize)
	g.end += size
	s.activeEnd.Store(g.end)
	w.dirty, w.first = true, w.next
	w.buf = w.buf[:batchHeaderSize]
	s.metrics.logBytes.Add(float64(size))
	s.sinceFlush.Add(size)
	return nil
}

var zeros [block]byte

// noteBatch keeps the numbers and the index of a segment up to date.
func (g *segment) noteBatch(h batchHeader, off, size int64) {
	if h.mark || h.count == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == 0 {
		g.first = h.first
	}
	g.last = h.first + uint64(h.count) - 1
	if n := len(g.index); n == 0 || off-g.index[n-1].off >= size/indexEntries {
		g.index = append(g.index, indexEntry{off: off, first: h.first})
	}
}

func (s *Store) syncLog() error {
	w := &s.w
	if !w.dirty {
		return nil
	}
	start := s.cfg.Now()
	if err := w.seg.file.SyncData(); err != nil {
		return s.fail("sync log", err)
	}
	s.metrics.syncSeconds.Observe(s.cfg.Now().Sub(start).Seconds())
	w.dirty, w.synced = false, w.next-1
	return nil
}

// roll ends the active segment and begins the next. Every record is durable
// before the end mark is written, so a mark with fewer records before it is
// damage; the mark is durable before anything is written into the next segment,
// because a segment without a mark ends the log.
func (s *Store) roll() error {
	w := &s.w
	if w.seg != nil {
		if err := errors.Join(s.flushBatch(), s.syncLog()); err != nil {
			return err
		}
		if err := s.mark(w.seg, w.synced); err != nil {
			return err
		}
		s.rolled.Store(true)
	}
	g, err := s.nextRecordSegment()
	if err != nil {
		return err
	}
	w.seg = g
	w.buf = append(w.buf[:0], zeros[:batchHeaderSize]...)
	w.full = s.cfg.SegmentSize - markReserve
	s.activeEnd.Store(g.end)
	s.kick()
	return nil
}

// mark writes a segment's end mark, with the index, and syncs it.
func (s *Store) mark(g *segment, synced uint64) error {
	b := appendMark(make([]byte, batchHeaderSize, markReserve), g)
	first, last := g.records()
	h := batchHeader{mark: true, length: uint32(len(b) - batchHeaderSize), syncedTo: synced, first: last + 1}
	if first == 0 {
		h.first = 0
	}
	h.put(b, g.inc, g.end)
	b = append(b, make([]byte, align(int64(len(b)))-int64(len(b)))...)
	if _, err := g.file.WriteAt(b, g.end); err != nil {
		return s.fail("write end mark", err)
	}
	if err := g.file.SyncData(); err != nil {
		return s.fail("sync end mark", err)
	}
	g.mu.Lock()
	g.end += int64(len(b))
	g.index = nil
	g.mu.Unlock()
	return nil
}

// nextRecordSegment gives the prepared segment or makes one. On a full disk it
// waits: what was accepted must be written, and removals free space.
func (s *Store) nextRecordSegment() (*segment, error) {
	defer s.starving.Store(false)
	for {
		g, err := s.takeRecordSegment()
		if err == nil {
			return g, nil
		}
		if !errors.Is(err, ErrFull) {
			return nil, s.fail("make segment", err)
		}
		s.starving.Store(true)
		s.metrics.full.Set(1)
		s.kick()
		select {
		case <-s.failure.done:
			return nil, s.Failed()
		case <-s.spaceFreed:
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// takeRecordSegment holds nextMu so that a segment that is being prepared now
// is used before any newer one: the order of incarnations is the log's order.
func (s *Store) takeRecordSegment() (*segment, error) {
	s.nextMu.Lock()
	defer s.nextMu.Unlock()
	if g := s.prepared.Swap(nil); g != nil {
		s.active.Store(g)
		return g, nil
	}
	g, err := s.segs.take(segRecord, s.floor.Load())
	if err == nil {
		s.active.Store(g)
	}
	return g, err
}

// runChunkQueue takes everything of the data replicas: it syncs the payloads of
// seals before their records go to the log, so that a seal record never says
// more than the disk holds, and small records of index chains do not wait for
// bulk payload.
func (s *Store) runChunkQueue() {
	defer s.log1.close()
	var spare []item
	for {
		items, ok := s.chunkLog.take(spare)
		if !ok {
			return
		}
		err := s.Failed()
		synced := map[*segment]bool{}
		for i := range items {
			for _, g := range items[i].seals {
				if err == nil && !synced[g] {
					synced[g] = true
					if serr := g.file.SyncData(); serr != nil {
						err = s.fail("sync chunks", serr)
					}
				}
			}
			if err != nil && items[i].err == nil {
				items[i].err = err
			}
			items[i].seals = nil
		}
		s.log1.put(items...)
		clear(items)
		spare = items
	}
}

// Append queues records. done is called once, when all of them are durable
// (nil) or the store failed, from a goroutine of the store: it must not block,
// and may call Append. It may be called before Append returns, and at once if
// the store is closed. The dones of one replica are called in the order of Append.
func (s *Store) Append(done func(error), recs ...Record) {
	s.append(item{recs: recs, done: done})
}

// enqueue sends an item through the queue of its kind of chain.
func (s *Store) enqueue(it item) {
	q := s.log1
	if len(it.recs) > 0 && it.recs[0].chain == chain.KindData {
		q = s.chunkLog
	}
	if !q.put(it) && it.done != nil {
		it.done(&Error{Kind: ErrClosed, Op: "append"})
	}
}

// enter checks a record and notes that it is queued.
func (s *Store) enter(r *Record) error {
	if err := s.usable(); err != nil {
		return err
	}
	if n := r.size(); n > s.cfg.SegmentSize-headerBytes-markReserve-block {
		return &Error{Kind: ErrInvalid, Op: "append", Key: r.key, Detail: "the record is longer than a segment"}
	}
	switch r.kind {
	case recCreate:
		return s.enterCreate(r)
	case recForget:
		return nil // also of a replica that was dropped
	}
	rep, err := s.replica("append", r.key, r.chain)
	if err != nil {
		return err
	}
	r.rep = rep
	rep.mu.Lock()
	defer rep.mu.Unlock()
	switch r.kind {
	case recEntry:
		rep.queued++
	case recRemove, recAside:
		for _, id := range r.ids {
			rep.removing[id]++
		}
	case recDrop:
		rep.dropped = true
		rep.changed.Broadcast()
	}
	return nil
}

func (s *Store) enterCreate(r *Record) error {
	if r.chain != chain.KindIndex && r.chain != chain.KindData {
		return &Error{Kind: ErrInvalid, Op: "create replica", Key: r.key, Detail: r.chain.String()}
	}
	s.replicasMu.Lock()
	defer s.replicasMu.Unlock()
	if s.replicas[r.key] != nil {
		return &Error{Kind: ErrInvalid, Op: "create replica", Key: r.key, Detail: "it exists"}
	}
	r.rep = newReplica(r.key, r.chain)
	s.replicas[r.key] = r.rep
	return nil
}

// leave undoes enter for a record that is not written.
func (s *Store) leave(r *Record) {
	if r.rep == nil {
		return
	}
	r.rep.mu.Lock()
	defer r.rep.mu.Unlock()
	switch r.kind {
	case recEntry:
		r.rep.queued--
	case recRemove, recAside:
		r.rep.unremove(r.ids)
	case recDrop:
		r.rep.dropped = false
	case recCreate:
		r.rep.dropped = true
		s.replicasMu.Lock()
		delete(s.replicas, r.key)
		s.replicasMu.Unlock()
	}
}

func (r *replica) unremove(ids []chain.ChunkID) {
	for _, id := range ids {
		if r.removing[id]--; r.removing[id] <= 0 {
			delete(r.removing, id)
		}
	}
}

func (s *Store) append(it item) {
	for i := range it.recs {
		if it.err = s.enter(&it.recs[i]); it.err != nil {
			for j := range it.recs[:i] {
				s.leave(&it.recs[j])
			}
			break
		}
	}
	s.enqueue(it)
}

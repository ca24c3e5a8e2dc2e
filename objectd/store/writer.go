package store

import (
	"errors"
	"sync"
	"sync/atomic"

	"catena/chain"
)

// maxBatch is the size at which a batch is written although more records wait.
const maxBatch = 1 << 20

// logWriter is the way into the log: all that is appended goes through it. It
// gathers what waits into batches, and gives a batch one write and one sync.
//
// Invariants.
//   - Items are written, and their dones called, in the order of ready. A replica
//     always uses the same way there, so of one replica that is the order of Append.
//   - A done gets nil only when its records are synced, and visible (complete).
//   - Records are numbered without gaps. A segment's end mark is written when all
//     its records are durable, and nothing into the next one before the mark is.
//   - After a failed write or sync nothing more is written, nor when the store
//     closed while the log waited for space.
type logWriter struct {
	s *Store
	// bulk takes the items of data replicas, ready those of index replicas, and
	// from bulk those whose payloads are synced: a seal record never says more
	// than the disk holds, and small records do not wait for bulk payload.
	bulk, ready *queue
	tail        tail
	supply      supply
	// dropped: the store closed while the log waited for space. Invariant: after
	// that nothing is written or made visible, so that nothing later is there without
	// what came before it.
	dropped atomic.Bool
	// running are the goroutines of both queues.
	running sync.WaitGroup
}

// tail is where the log is being written. Only the goroutine of ready uses it,
// and Open before that begins.
type tail struct {
	// seg is the active segment; nil before the first record since Open, because
	// nothing is appended to a segment that was replayed.
	seg *segment
	// buf is the batch being made: header, then records. It will stand at seg.end.
	buf []byte
	// first is the number of the batch's first record, next that of the next one.
	first, next uint64
	// synced: every record up to it is durable. dirty: some were written since.
	synced uint64
	dirty  bool
}

func newLogWriter(s *Store) *logWriter {
	return &logWriter{s: s, bulk: newQueue(), ready: newQueue(), supply: supply{s: s, freed: make(chan struct{}, 1)}}
}

// follow has the next record stand behind the last one of the log, which is durable.
func (l *logWriter) follow(last uint64) {
	l.tail.next, l.tail.first, l.tail.synced = last+1, last+1, last
}

func (l *logWriter) start() {
	l.running.Go(l.syncPayloads)
	l.running.Go(l.writeItems)
}

// stop returns when everything that was put is written or refused.
func (l *logWriter) stop() {
	l.bulk.close()
	l.running.Wait()
}

// put sends an item to the queue of its kind of chain.
func (l *logWriter) put(it item) {
	q := l.ready
	if len(it.recs) > 0 && it.recs[0].chain == chain.KindData {
		q = l.bulk
	}
	if !q.put(it) && it.done != nil {
		it.done(&Error{Kind: ErrClosed, Op: "append"})
	}
}

// writeItems is the group commit: all that waits is written and synced at once,
// while that goes on the next group gathers.
func (l *logWriter) writeItems() {
	var spare []item
	for {
		items, ok := l.ready.take(spare)
		if !ok {
			return
		}
		for rest := items; len(rest) > 0; {
			n := group(rest)
			l.commit(rest[:n])
			if ackBeforeSync {
				l.syncLate()
			}
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
func (l *logWriter) commit(items []item) {
	n, err := l.publish(items)
	for i := range items {
		it := &items[i]
		switch {
		case it.done == nil:
		case it.err != nil:
			it.done(it.err)
		case i < n:
			it.done(nil)
		default:
			it.done(err)
		}
	}
}

// publish makes a group durable and visible. It gives how many items of it are,
// all unless there is an error: when the space ends while the store closes, those
// that are durable are visible too.
func (l *logWriter) publish(items []item) (n int, err error) {
	if err := l.ended(); err != nil {
		return 0, err
	}
	werr := l.write(items)
	n, last := len(items), l.tail.synced
	switch {
	case errors.Is(werr, ErrClosed):
		l.drop()
		n, last = l.durable(items)
	case werr != nil:
		return 0, werr
	}
	if n == 0 {
		return 0, werr
	}
	if err := l.s.complete(items[:n], last); err != nil {
		if errors.Is(err, ErrClosed) {
			l.drop()
		}
		return 0, err
	}
	return n, werr
}

// durable counts the first items whose records are all synced, and gives the
// last of these records.
func (l *logWriter) durable(items []item) (n int, last uint64) {
	last = l.s.completed.Load()
	for ; n < len(items); n++ {
		if items[n].err != nil {
			continue
		}
		end := last
		for i := range items[n].recs {
			if end = items[n].recs[i].no; end == 0 || end > l.tail.synced {
				return n, last
			}
		}
		last = end
	}
	return n, last
}

// ended is why nothing is written any more.
func (l *logWriter) ended() error {
	if l.dropped.Load() {
		return closedFull("append")
	}
	return l.s.Failed()
}

// drop ends the log without a failure.
func (l *logWriter) drop() {
	if l.dropped.Swap(true) {
		return
	}
	l.s.cfg.Logger.Warn("the store closes: what waited for space is refused, and not written")
	l.s.wakeAll()
}

// write makes the records of a group and has them durable.
func (l *logWriter) write(items []item) error {
	start := l.s.cfg.Now()
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
			if err := l.add(r); err != nil {
				return err
			}
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if err := l.writeBatch(); err != nil {
		return err
	}
	if !ackBeforeSync {
		if err := l.syncLog(); err != nil {
			return err
		}
	}
	l.s.metrics.wrote(n, l.s.cfg.Now().Sub(start))
	return nil
}

// add encodes a record into the batch.
func (l *logWriter) add(r *Record) error {
	t := &l.tail
	for {
		if t.seg == nil {
			if err := l.roll(); err != nil {
				return err
			}
		}
		start := len(t.buf)
		t.buf = appendRecord(t.buf, r, t.next, t.seg.inc, t.seg.end)
		if t.seg.end+align(int64(len(t.buf))) <= l.room() {
			break
		}
		t.buf = t.buf[:start]
		if err := l.roll(); err != nil {
			return err
		}
	}
	r.at.slot = t.seg.slot
	t.next++
	if len(t.buf) >= maxBatch {
		return l.writeBatch()
	}
	return nil
}

// writeBatch writes the batch, padded to whole blocks, with one call.
func (l *logWriter) writeBatch() error {
	t := &l.tail
	if t.next == t.first {
		return nil
	}
	g := t.seg
	h := batchHeader{length: uint32(len(t.buf) - batchHeaderSize), count: uint32(t.next - t.first), first: t.first, syncedTo: t.synced, afterMark: true}
	h.put(t.buf, g.inc, g.end)
	size := align(int64(len(t.buf)))
	for int64(len(t.buf)) < size {
		t.buf = append(t.buf, zeros[:min(block, size-int64(len(t.buf)))]...)
	}
	if _, err := g.file.WriteAt(t.buf, g.end); err != nil {
		return l.s.fail("write log", err)
	}
	g.noteBatch(h, g.end, l.s.cfg.SegmentSize)
	g.end += size
	l.supply.end.Store(g.end)
	t.dirty, t.first = true, t.next
	t.buf = t.buf[:batchHeaderSize]
	l.s.metrics.logBytes.Add(float64(size))
	l.s.rows.sinceFlush.Add(size)
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

func (l *logWriter) syncLog() error {
	t := &l.tail
	if !t.dirty {
		return nil
	}
	start := l.s.cfg.Now()
	if err := t.seg.file.SyncData(); err != nil {
		return l.s.fail("sync log", err)
	}
	l.s.metrics.syncSeconds.Observe(l.s.cfg.Now().Sub(start).Seconds())
	t.dirty, t.synced = false, t.next-1
	return nil
}

// syncPayloads takes the items of data replicas: it syncs the payloads of seals
// before their records are ready.
func (l *logWriter) syncPayloads() {
	defer l.ready.close()
	var spare []item
	for {
		items, ok := l.bulk.take(spare)
		if !ok {
			return
		}
		err := l.s.Failed()
		synced := map[*segment]bool{}
		for i := range items {
			for _, g := range items[i].seals {
				if err == nil && !synced[g] {
					synced[g] = true
					if serr := g.file.SyncData(); serr != nil {
						err = l.s.fail("sync chunks", serr)
					}
				}
			}
			if err != nil && items[i].err == nil {
				items[i].err = err
			}
			items[i].seals = nil
		}
		l.ready.put(items...)
		clear(items)
		spare = items
	}
}

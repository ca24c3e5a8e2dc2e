package store

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
			if ackBeforeSync {
				s.syncLate()
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
	if !ackBeforeSync {
		if err := s.syncLog(); err != nil {
			return err
		}
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

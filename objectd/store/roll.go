package store

import (
	"errors"
	"log/slog"
	"time"
)

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
	g, err := s.takeRecordSegment()
	if errors.Is(err, ErrFull) {
		g, err = s.awaitSpace(err)
	}
	if err != nil {
		return nil, s.fail("make segment", err)
	}
	return g, nil
}

// awaitSpace tries until there is a segment, and says so when that begins and
// when it ends; a store that fails meanwhile has its own line.
func (s *Store) awaitSpace(full error) (*segment, error) {
	s.log.Warn("the log waits for space: nothing is acknowledged until there is", slog.Any("error", full))
	began := s.cfg.Now()
	s.starving.Store(true)
	defer s.starving.Store(false)
	for {
		s.kick()
		select {
		case <-s.failure.done:
			return nil, s.Failed()
		case <-s.spaceFreed:
		case <-time.After(200 * time.Millisecond):
		}
		g, err := s.takeRecordSegment()
		if errors.Is(err, ErrFull) {
			continue
		}
		if err == nil {
			s.log.Info("the log has space again", slog.Duration("waited", s.cfg.Now().Sub(began)))
		}
		return g, err
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

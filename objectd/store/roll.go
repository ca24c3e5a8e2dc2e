package store

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// supply gives the log its segments. The order of incarnations is the log's
// order: one record segment is made at a time, and one that was made ahead of
// need is used before any newer one.
type supply struct {
	s  *Store
	mu sync.Mutex // held while one is made or taken
	// active is the segment that is written, prepared the next one, its header
	// written. They change under mu; maintenance, which leaves both alone, reads
	// them without.
	active, prepared atomic.Pointer[segment]
	// end is how far active is written: when it is half full the next is prepared.
	end atomic.Int64
	// rolled: a segment was ended since Open, so the store is in use.
	rolled atomic.Bool
	// starving: the log waits for space, in await and nowhere else.
	starving atomic.Bool
	// freed has room for one word: space was freed since the last look.
	freed chan struct{}
}

// next gives the prepared segment or makes one. On a full disk it waits: what
// was accepted must be written, and removals free space. A store that closes
// waits no longer: the error is ErrClosed.
func (p *supply) next() (*segment, error) {
	g, err := p.take()
	if errors.Is(err, ErrFull) {
		g, err = p.await(err)
	}
	if err != nil && !errors.Is(err, ErrClosed) {
		err = p.s.fail("make segment", err)
	}
	return g, err
}

// await tries until there is a segment, and says so when that begins and when it
// ends; a store that fails meanwhile has its own line.
func (p *supply) await(full error) (*segment, error) {
	p.s.cfg.Logger.Warn("the log waits for space: nothing is acknowledged until there is", slog.Any("error", full))
	began := p.s.cfg.Now()
	p.starving.Store(true)
	defer p.starving.Store(false)
	for {
		p.s.maintenance.kick()
		select {
		case <-p.s.failure.done:
			return nil, p.s.Failed()
		case <-p.s.leaving.begun:
			return nil, closedFull("make segment")
		case <-p.freed:
		case <-time.After(200 * time.Millisecond):
		}
		g, err := p.take()
		if errors.Is(err, ErrFull) {
			continue
		}
		if err == nil {
			p.s.cfg.Logger.Info("the log has space again", slog.Duration("waited", p.s.cfg.Now().Sub(began)))
		}
		return g, err
	}
}

func (p *supply) take() (*segment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.prepared.Swap(nil)
	if g == nil {
		var err error
		if g, err = p.s.segs.take(segRecord, p.s.rows.floor.Load()); err != nil {
			return nil, err
		}
	}
	p.active.Store(g)
	return g, nil
}

// spaceFreed wakes a log that waits for space.
func (p *supply) spaceFreed() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// prepare makes segments ahead of need, so that the writer does not wait for
// their preallocation: the next record segment when the active one is half
// full, one more as a reserve for deletes once the store is in use.
func (p *supply) prepare() error {
	made, err := p.prepareNext()
	if err != nil {
		return p.s.ioError("prepare segment", err)
	}
	if !made || !p.rolled.Load() || p.s.Free() <= p.s.cfg.SegmentSize {
		return nil
	}
	if n, _ := p.s.segs.count(); n[segFree] > 0 {
		return nil
	}
	g, err := p.s.segs.create()
	if err == nil {
		err = p.s.segs.writeHeader(g, segFree, p.s.rows.floor.Load())
	}
	if err != nil {
		return p.s.ioError("prepare segment", err)
	}
	return nil
}

func (p *supply) prepareNext() (made bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active.Load() == nil || p.prepared.Load() != nil || p.end.Load() < p.s.cfg.SegmentSize/2 {
		return false, nil
	}
	g, err := p.s.segs.take(segRecord, p.s.rows.floor.Load())
	if err != nil {
		return false, err
	}
	p.prepared.Store(g)
	return true, nil
}

// keepFree is how many free files are worth keeping.
func (p *supply) keepFree() int {
	if p.rolled.Load() {
		return 2
	}
	return 1
}

// recyclable lists the ended record segments, oldest first, that no replay needs.
func (p *supply) recyclable() []*segment {
	var out []*segment
	active, prepared := p.active.Load(), p.prepared.Load()
	for _, g := range p.s.segs.of(segRecord) {
		if _, last := g.records(); g == active || g == prepared || last == 0 || last >= p.s.rows.floor.Load() {
			break
		}
		out = append(out, g)
	}
	return out
}

// roll ends the active segment and begins the next. Every record is durable
// before the end mark is written, so a mark with fewer records before it is
// damage; the mark is durable before anything is written into the next segment,
// because a segment without a mark ends the log.
func (l *logWriter) roll() error {
	t := &l.tail
	if t.seg != nil {
		if err := errors.Join(l.writeBatch(), l.syncLog()); err != nil {
			return err
		}
		if err := l.s.mark(t.seg, t.synced); err != nil {
			return err
		}
		t.seg = nil // nothing stands behind a mark, nor a second one
		l.supply.rolled.Store(true)
	}
	g, err := l.supply.next()
	if err != nil {
		return err
	}
	t.seg = g
	t.buf = append(t.buf[:0], zeros[:batchHeaderSize]...)
	l.supply.end.Store(g.end)
	l.s.maintenance.kick()
	return nil
}

// room is where a segment's batches must end, so that its mark fits behind them.
func (l *logWriter) room() int64 { return l.s.cfg.SegmentSize - markReserve }

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

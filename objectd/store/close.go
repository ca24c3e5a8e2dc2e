package store

import (
	"errors"
	"sync"

	"catena/objectd/vfs"
)

// leaving is the way from the word that the store will be closed to its Close. A
// full disk must not hold that up: what waits for space is refused.
type leaving struct {
	once, rowsOnce sync.Once
	// begun is closed when nothing may wait for space any more.
	begun chan struct{}
	// noRoom is closed when, after that, the rows could not be flushed for want of
	// space. Nothing is lost: the next Open replays the log.
	noRoom chan struct{}
}

func newLeaving() *leaving {
	return &leaving{begun: make(chan struct{}), noRoom: make(chan struct{})}
}

func (v *leaving) begin() { v.once.Do(func() { close(v.begun) }) }

// rowsLackRoom is told that a flush or compaction met a full disk.
func (v *leaving) rowsLackRoom() {
	select {
	case <-v.begun:
		v.rowsOnce.Do(func() { close(v.noRoom) })
	default:
	}
}

// closedFull is the answer to what would wait for space in a store that closes.
func closedFull(op string) error {
	return &Error{Kind: ErrClosed, Op: op, Detail: "there was no room for it"}
}

// BeginClose tells the store that Close comes soon. From now on nothing waits for
// space: if the log has none, what it accepted and did not acknowledge is
// answered with ErrClosed, and so is everything after it, and nothing of that is
// written, but that the first records of one Append may be. Where there is room
// everything goes on.
func (s *Store) BeginClose() { s.leaving.begin() }

// Close syncs and flushes what was appended and applied, and releases the
// directory. Readers must be closed before. It does not wait for space (see
// BeginClose). A failed store is only dropped.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		return &Error{Kind: ErrClosed, Op: "close"}
	}
	s.BeginClose()
	s.log.stop()
	s.maintenance.stop()
	var err error
	if !s.failure.ended.Load() && !s.log.dropped.Load() {
		s.maintenance.mu.Lock()
		err = s.flushRows()
		s.maintenance.mu.Unlock()
	}
	if errors.Is(err, ErrClosed) {
		s.cfg.Logger.Warn("no room to flush the rows at the end: the next start replays more of the log")
		err = nil
	}
	err = errors.Join(err, s.release())
	if ferr := s.Failed(); ferr != nil {
		return ferr
	}
	return err
}

// release gives back what Open took. A Pebble that failed is never closed: its
// Close may wait for ever; and its directory stays locked, because its
// goroutines may still write there.
func (s *Store) release() error {
	var errs []error
	if !s.failure.ended.Load() && s.rows.db != nil {
		errs = append(errs, s.closeRows())
	}
	if s.segs != nil {
		errs = append(errs, s.segs.close())
	}
	if s.lock != nil && !s.failure.ended.Load() {
		errs = append(errs, s.lock.Close())
	}
	s.metrics.close()
	return errors.Join(errs...)
}

// closeRows closes Pebble. What it writes then (the end of a WAL that holds
// nothing) may lack room: as after a crash, the log has what it lost. If the disk
// fails meanwhile, Pebble's Close may wait for ever for a goroutine of its own
// that has ended: it is left alone then.
func (s *Store) closeRows() error {
	db := s.rows.db
	s.rows.db = nil
	done := make(chan error, 1)
	end := func() error {
		if err := db.Close(); !vfs.IsNoSpace(err) {
			return err
		}
		return nil
	}
	go func() { done <- s.guardRows("close rows", end) }()
	select {
	case err := <-done:
		return err
	case <-s.failure.done:
		return s.Failed()
	}
}

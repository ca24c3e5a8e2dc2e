package store

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"catena/objectd/vfs"
)

// freeReading is what the file system said last of its space: asking it costs a
// system call.
type freeReading struct {
	mu    sync.Mutex
	at    time.Time // zero: it was never asked with success
	bytes int64
}

// readFreeEvery is how old what Free says may be.
const readFreeEvery = 250 * time.Millisecond

// Free is the space left for creates, in bytes; 0 or less means full. What
// deletes, flushes and the next segment of the log need is kept back. An error
// of asking says nothing about space: if it means that the directory is lost the
// store ends, otherwise the last reading stands.
func (s *Store) Free() int64 {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	now := s.cfg.Now()
	fresh := !s.free.at.IsZero() && now.Sub(s.free.at) < readFreeEvery
	if fresh || s.failure.ended.Load() || s.segs == nil {
		return s.free.bytes
	}
	u, err := s.lookAtDir()
	switch {
	case err == nil:
		s.free.at, s.free.bytes = now, s.freeOf(u)
	case vfs.IsGone(err):
		s.fail("look at the directory", lostDir(err))
	case s.free.at.IsZero():
		return s.cfg.SegmentSize // some, until the first write knows better
	}
	return s.free.bytes
}

// lookAtDir asks for the space of the directory that was opened: of another one
// that has come to its path nothing is believed.
func (s *Store) lookAtDir() (vfs.Usage, error) {
	if err := s.lock.Intact(); err != nil {
		return vfs.Usage{}, err
	}
	return s.cfg.FS.Usage(s.cfg.Dir)
}

// lostDir says for people what an error that IsGone means.
func lostDir(err error) error {
	if errors.Is(err, vfs.ErrMoved) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its directory is gone: %w", err)
	}
	return fmt.Errorf("its directory cannot be read: %w", err)
}

func (s *Store) freeOf(u vfs.Usage) int64 {
	reserve := s.cfg.ReserveBytes
	if reserve == 0 {
		reserve = min(max(int64(u.Total)/50, 64<<20), 1<<30)
	}
	n, _ := s.segs.count()
	return int64(u.Available) + int64(n[segFree])*s.cfg.SegmentSize - reserve - s.cfg.SegmentSize
}

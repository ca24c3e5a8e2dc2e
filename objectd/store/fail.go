package store

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"catena/objectd/vfs"
)

// failure is the end of a store. It happens at most once and is final.
type failure struct {
	mu  sync.Mutex
	err error
	// ended: err is set; for those who only ask whether.
	ended atomic.Bool
	// done is closed when the store failed; whoever waits for the disk or for
	// Pebble waits for this too, because a dead Pebble may never answer.
	done chan struct{}
}

// fail ends the store. The first cause counts.
func (s *Store) fail(op string, cause error) error {
	s.failure.mu.Lock()
	if s.failure.err != nil {
		err := s.failure.err
		s.failure.mu.Unlock()
		return err
	}
	err := &Error{Kind: ErrFailed, Op: op, Detail: s.cfg.Dir, Err: cause}
	s.failure.err = err
	s.failure.ended.Store(true)
	close(s.failure.done)
	s.failure.mu.Unlock()
	s.cfg.Logger.Error("store failed; this process does not use it again", slog.String("op", op), slog.Any("error", cause))
	s.metrics.failed.Set(1)
	go s.wakeAll() // not here: the caller may hold a replica's lock
	if s.cfg.OnFail != nil {
		go s.cfg.OnFail(err)
	}
	return err
}

// Fail ends the store on its user's word, because its disk does not answer. What
// waits for the disk inside the operating system goes on waiting; everybody else
// is answered.
func (s *Store) Fail(cause error) error { return s.fail("give up", cause) }

// Starving reports that the log waits for space: the disk works, and is full.
func (s *Store) Starving() bool { return s.log.supply.starving.Load() }

// Failed gives why the store ended; nil while it works.
func (s *Store) Failed() error {
	if !s.failure.ended.Load() {
		return nil
	}
	s.failure.mu.Lock()
	defer s.failure.mu.Unlock()
	return s.failure.err
}

// usable is asked first by every operation.
func (s *Store) usable() error {
	if s.failure.ended.Load() {
		return s.Failed()
	}
	if s.closing.Load() {
		return &Error{Kind: ErrClosed, Op: "use"}
	}
	return nil
}

// ioError sorts an error of a write or sync: no space is ErrFull and the store
// lives on, everything else ends it.
func (s *Store) ioError(op string, err error) error {
	if errors.Is(err, ErrFull) {
		return err
	}
	if vfs.IsNoSpace(err) {
		return &Error{Kind: ErrFull, Op: op, Err: err}
	}
	return s.fail(op, err)
}

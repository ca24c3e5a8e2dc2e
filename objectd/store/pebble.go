package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"catena/objectd/vfs"
)

const rowsDir = "rows"

// posKey holds the replay position: every record before it is reflected in the
// rows. It is written with every batch that moves it, so rows recovered without
// a WAL, which are a prefix of the batches, say how far they reach.
var posKey = []byte{0x01}

// rowDB is Pebble, with how far what is in it reflects the log. Every batch goes
// through commitRows.
type rowDB struct {
	db *pebble.DB
	// gate holds batches back while too much waits for a flush.
	gate *gate
	// mu is held for a batch and its replay position, so that pos, which is that
	// of the newest batch, only grows.
	mu  sync.Mutex
	pos uint64
	// floor is a replay position that the rows have durably reached; it only grows.
	floor atomic.Uint64
	// sinceFlush is how much of the log was written since a flush was last begun.
	sinceFlush atomic.Int64
}

// pebbleLogger keeps Pebble from ending the process: its Fatalf ends the store,
// and then only the goroutine that called it.
type pebbleLogger struct{ s *Store }

func (l pebbleLogger) Infof(format string, args ...any) {
	if l.s.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) {
		l.s.cfg.Logger.Debug("rows", slog.String("event", fmt.Sprintf(format, args...)))
	}
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.s.cfg.Logger.Warn("rows", slog.String("event", fmt.Sprintf(format, args...)))
}

// fatalRows unwinds a goroutine of ours out of Pebble.
type fatalRows struct{ err error }

func (l pebbleLogger) Fatalf(format string, args ...any) {
	said := rowsError{text: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			said.causes = append(said.causes, err)
		}
	}
	l.s.rowsFatal(said)
}

// rowsError is what Pebble says before it would end the process, with the errors
// that it says it about: whether it is only the space depends on them.
type rowsError struct {
	text   string
	causes []error
}

func (e rowsError) Error() string   { return e.text }
func (e rowsError) Unwrap() []error { return e.causes }

// rowsFatal does not return.
func (s *Store) rowsFatal(cause error) {
	err := s.fail("rows", cause)
	if inCommit() {
		panic(fatalRows{err}) // recovered in guardRows
	}
	runtime.Goexit()
}

// inCommit reports whether guardRows is on this goroutine's stack: a caller of
// ours must get an error and live on, a goroutine of Pebble's ends.
func inCommit() bool {
	for name := range callers() {
		if strings.HasSuffix(name, "store.(*Store).guardRows") {
			return true
		}
	}
	return false
}

// begunByPebble reports whether this goroutine is Pebble's own, not one of ours
// that called it.
func begunByPebble() bool {
	first := ""
	for name := range callers() {
		if !strings.HasPrefix(name, "runtime.") {
			first = name
		}
	}
	return strings.HasPrefix(first, "github.com/cockroachdb/pebble/")
}

// callers gives the functions on this goroutine's stack, the innermost first.
func callers() iter.Seq[string] {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	return func(yield func(string) bool) {
		for more := true; more; {
			var f runtime.Frame
			if f, more = frames.Next(); !yield(f.Function) {
				return
			}
		}
	}
}

// guardRows runs a call into Pebble that writes. An error of it ends the store.
func (s *Store) guardRows(op string, call func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case fatalRows:
			err = v.err
		default:
			panic(v)
		}
	}()
	if err := call(); err != nil {
		return s.fail(op, err)
	}
	return nil
}

// openRows opens Pebble in dir. Stalls are left to gate: a writer that waits
// inside a dead Pebble would wait for ever.
func (s *Store) openRows(dir string) (*pebble.DB, error) {
	opts := &pebble.Options{
		FS:                          vfs.Pebble(s.cfg.FS, s.rowsFatal),
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		Logger:                      pebbleLogger{s},
		MemTableSize:                uint64(s.cfg.MemTableBytes),
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
		L0CompactionThreshold:       2,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                500,
		EventListener: &pebble.EventListener{
			BackgroundError: s.rowsBackgroundError,
			// The default ends the goroutine by Fatalf in the middle of a
			// compaction, whose deferred clean-up then panics.
			DataCorruption: func(i pebble.DataCorruptionInfo) { s.fail("read rows", i.Details) },
			FlushEnd:       func(pebble.FlushInfo) { s.rows.gate.flushed(); s.maintenance.kick() },
			FlushBegin:     func(pebble.FlushInfo) {},
		},
	}
	if s.cfg.Cache != nil {
		opts.Cache = s.cfg.Cache.c
	}
	opts.Experimental.DisableIngestAsFlushable = func() bool { return true }
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return s.openUnlessFailed(dir, opts)
}

// openUnlessFailed gives up when the store fails meanwhile: Open waits for a
// flush of Pebble's own, and one that died (on a full disk, say, at the
// manifest) would be waited for without end. Its goroutine is then left behind,
// as are those of a disk that does not answer.
func (s *Store) openUnlessFailed(dir string, opts *pebble.Options) (*pebble.DB, error) {
	type opened struct {
		db  *pebble.DB
		err error
	}
	done := make(chan opened, 1)
	go func() {
		var o opened
		err := s.guardRows("open rows", func() error { o.db, o.err = pebble.Open(dir, opts); return nil })
		o.err = errors.Join(err, o.err)
		done <- o
	}()
	select {
	case o := <-done:
		return o.db, o.err
	case <-s.failure.done:
		return nil, s.Failed()
	}
}

// rowsBackgroundError is told of flushes, compactions and looks at tables that
// failed, which Pebble tries again at once and for ever. We do not, unless it is
// only the space: the goroutine ends here, where it has nothing in hand, and
// without its end Pebble begins no other.
func (s *Store) rowsBackgroundError(err error) {
	if vfs.IsNoSpace(err) {
		s.cfg.Logger.Warn("no space to flush rows", slog.Any("error", err))
		s.leaving.rowsLackRoom()
		return
	}
	s.fail("flush or compact rows", err)
	if begunByPebble() {
		runtime.Goexit()
	}
}

// readPosition gives the replay position; durable asks for what a crash now
// would leave. 0 means that there is none.
func readPosition(db *pebble.DB, durable bool) (uint64, error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: posKey, UpperBound: []byte{posKey[0] + 1}, OnlyReadGuaranteedDurable: durable})
	if err != nil {
		return 0, err
	}
	var pos uint64
	if it.First() {
		pos, _ = binary.Uvarint(it.Value())
	}
	return pos, errors.Join(it.Error(), it.Close())
}

func exists(f vfs.FS, name string) (bool, error) {
	_, err := f.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// commitRows applies one batch. after runs when the rows show it, before any
// later batch computes its replay position.
func (s *Store) commitRows(b *pebble.Batch, after func()) error {
	if err := s.rows.gate.wait(s.failure.done, s.leaving.noRoom); errors.Is(err, ErrClosed) {
		return err
	} else if err != nil {
		return s.Failed()
	}
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	if s.failure.ended.Load() {
		return s.Failed()
	}
	if pos := s.replayPosition(); pos != s.rows.pos {
		s.rows.pos = pos
		var v [binary.MaxVarintLen64]byte
		if err := b.Set(posKey, v[:binary.PutUvarint(v[:], pos)], nil); err != nil {
			return s.fail("apply rows", err)
		}
	}
	if err := s.guardRows("apply rows", func() error { return s.rows.db.Apply(b, pebble.NoSync) }); err != nil {
		return err
	}
	s.rows.gate.wrote(int64(b.Len()))
	if after != nil {
		after()
	}
	return nil
}

// flushRows makes everything applied durable in the rows. The position is
// written once more before it: the last batch could not know that its own
// entry is no longer pending.
func (s *Store) flushRows() error {
	s.rows.sinceFlush.Store(0)
	b := s.rows.db.NewBatch()
	err := s.commitRows(b, nil)
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	if err := s.flushed(); err != nil {
		return err
	}
	return s.learnFloor()
}

// flushed returns when everything in the rows now is durable, or the store failed,
// or closes and has no room for them.
func (s *Store) flushed() error {
	var flushed <-chan struct{}
	err := s.guardRows("flush rows", func() (err error) { flushed, err = s.rows.db.AsyncFlush(); return err })
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-s.leaving.noRoom:
		return closedFull("flush rows")
	case <-s.failure.done:
		return s.Failed()
	}
}

// learnFloor reads how far the rows durably reach.
func (s *Store) learnFloor() error {
	pos, err := readPosition(s.rows.db, true)
	if err != nil {
		return s.readError("read position", Key{}, err)
	}
	if pos > s.rows.floor.Load() {
		s.rows.floor.Store(pos)
	}
	return nil
}

// replayPosition is the first record that the rows do not wholly reflect.
// completed is read first: an entry up to it that is not applied is pending by then.
func (s *Store) replayPosition() uint64 {
	pos := s.completed.Load() + 1
	s.replicasMu.RLock()
	defer s.replicasMu.RUnlock()
	for _, r := range s.replicas {
		if p := r.firstPending.Load(); p != 0 && p < pos {
			pos = p
		}
	}
	return pos
}

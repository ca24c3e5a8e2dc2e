package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
	"catena/objectd/vfs"
)

// Store is one disk, open. Make one with Open.
type Store struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	lock    io.Closer
	segs    *segments
	db      *pebble.DB
	space   *space // nil while Open replays
	pins    pins
	gate    *gate

	failure failure
	failed  atomic.Bool
	closing atomic.Bool

	replicasMu sync.RWMutex
	replicas   map[Key]*replica
	found      []Recovered

	// chunkLog takes what is appended for data replicas and feeds log1 in order;
	// log1 feeds the writer.
	chunkLog, log1 *queue
	w              writer
	active         atomic.Pointer[segment]
	activeEnd      atomic.Int64
	// prepared is the next record segment, its header written ahead of need.
	prepared, preparedChunk atomic.Pointer[segment]
	rolled, starving        atomic.Bool
	nextMu                  sync.Mutex // one record segment is made at a time
	spaceFreed              chan struct{}

	// completed is the newest record that is durable and visible. Invariant:
	// what it derives is in the rows, or it is an entry and pending or applied.
	completed atomic.Uint64
	rowsMu    sync.Mutex // one batch at a time, so that rowsPos only grows
	rowsPos   uint64
	// floor is a replay position that the rows have durably reached.
	floor      atomic.Uint64
	sinceFlush atomic.Int64

	maint    sync.Mutex // one maintenance at a time; guards scanAt and stuck
	scanAt   int
	stuck    uint64 // the newest use of a segment whose rest cannot be read
	kicked   chan struct{}
	quit     chan struct{}
	workers  sync.WaitGroup
	keeper   sync.WaitGroup
	freeMu   sync.Mutex
	freeAt   time.Time
	freeLast int64

	damaged damaged
}

// Open opens the store in a directory, or makes one in an empty directory. It
// replays the log, and when it returns everything that Replicas tells is
// durable. ErrIdentity, ErrLocked, ErrDamaged and ErrTooNew say what is wrong
// with the directory.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Store{
		cfg: cfg, log: cfg.Logger,
		replicas: map[Key]*replica{}, pins: pins{count: map[uint64]int{}},
		chunkLog: newQueue(), log1: newQueue(),
		kicked: make(chan struct{}, 1), quit: make(chan struct{}), spaceFreed: make(chan struct{}, 1),
		failure: failure{done: make(chan struct{})},
		gate:    newGate(16 * cfg.MemTableBytes), scanAt: scanFirst,
	}
	s.metrics = newMetrics(cfg.Registerer, cfg.StoreID.String()[:8], s)
	err := s.open()
	if err == nil {
		err = s.metrics.register()
	}
	if err != nil {
		s.closing.Store(true)
		return nil, errors.Join(openError(cfg.Dir, err), s.release())
	}
	s.workers.Add(2)
	go func() { defer s.workers.Done(); s.runChunkQueue() }()
	go func() { defer s.workers.Done(); s.runWriter() }()
	s.keeper.Add(1)
	go func() { defer s.keeper.Done(); s.runMaintenance() }()
	s.kick()
	return s, nil
}

func openError(dir string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	if pebble.IsCorruptionError(err) {
		return &Error{Kind: ErrDamaged, Op: "open", Detail: dir, Err: err}
	}
	return fmt.Errorf("store: open %s: %w", dir, err)
}

func (s *Store) open() error {
	f, dir := s.cfg.FS, s.cfg.Dir
	if err := f.MkdirAll(dir); err != nil {
		return err
	}
	if err := f.SyncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
		return err
	}
	lock, err := f.Lock(vfs.Join(dir, lockFile))
	if errors.Is(err, vfs.ErrLocked) {
		return &Error{Kind: ErrLocked, Op: "open", Detail: dir, Err: err}
	}
	if err != nil {
		return err
	}
	s.lock = lock
	if err := s.claim(); err != nil {
		return err
	}
	if err := f.MkdirAll(vfs.Join(dir, segDir)); err != nil {
		return err
	}
	if err := f.SyncDir(dir); err != nil {
		return err
	}
	s.segs = &segments{fs: f, dir: vfs.Join(dir, segDir), store: s.cfg.StoreID, size: s.cfg.SegmentSize, bySlot: map[uint32]*segment{}, alive: s.Failed}
	if err := s.segs.load(); err != nil {
		return err
	}
	return s.recover()
}

// release gives back what Open took. A Pebble that failed is never closed: its
// Close may wait for ever; and its directory stays locked, because its
// goroutines may still write there.
func (s *Store) release() error {
	var errs []error
	if !s.failed.Load() && s.db != nil {
		errs = append(errs, s.closeRows())
	}
	if s.segs != nil {
		errs = append(errs, s.segs.close())
	}
	if s.lock != nil && !s.failed.Load() {
		errs = append(errs, s.lock.Close())
	}
	s.metrics.close()
	return errors.Join(errs...)
}

// Close syncs and flushes what was appended and applied, and releases the
// directory. Readers must be closed before. A failed store is only dropped.
func (s *Store) Close() error {
	if s.closing.Swap(true) {
		return &Error{Kind: ErrClosed, Op: "close"}
	}
	s.chunkLog.close()
	s.workers.Wait()
	close(s.quit)
	if !s.failed.Load() {
		s.keeper.Wait()
	}
	var err error
	if !s.failed.Load() {
		s.maint.Lock()
		err = s.flushRows()
		s.maint.Unlock()
	}
	err = errors.Join(err, s.release())
	if ferr := s.Failed(); ferr != nil {
		return ferr
	}
	return err
}

// closeRows closes Pebble. If the disk fails meanwhile, Pebble's Close may wait
// for ever for a goroutine of its own that has ended: it is left alone then.
func (s *Store) closeRows() error {
	db := s.db
	s.db = nil
	done := make(chan error, 1)
	go func() { done <- s.guardRows("close rows", db.Close) }()
	select {
	case err := <-done:
		return err
	case <-s.failure.done:
		return s.Failed()
	}
}

// Replicas tells what Open found, ordered by key. Call it once, before
// anything is appended; the entries are released with it.
func (s *Store) Replicas() []Recovered {
	f := s.found
	s.found = nil
	return f
}

// InstallPage writes a page's rows into an index replica, after BeginInstall.
// done is as in Append, in order with it; the rows are readable then.
func (s *Store) InstallPage(k Key, page index.Page, done func(error)) {
	limit := s.cfg.SegmentSize / 4
	var recs []Record
	var rows []pageRow
	size := int64(0)
	flush := func() {
		if len(rows) > 0 {
			recs = append(recs, Record{key: k, kind: recPage, chain: chain.KindIndex, page: &pageRecord{rows: rows}})
			rows, size = nil, 0
		}
	}
	for _, r := range page.Rows {
		n := int64(len(r.Key) + len(r.Value) + len(r.Payload) + 64)
		if size+n > limit {
			flush()
		}
		rows = append(rows, pageRow{key: r.Key, value: r.Value, payload: r.Payload, hasPayload: r.Payload != nil})
		size += n
	}
	flush()
	if len(recs) == 0 {
		recs = []Record{{key: k, kind: recPage, chain: chain.KindIndex, page: &pageRecord{}}}
	}
	s.Append(done, recs...)
}

// EndInstall sets the position of the rows after the last page, and returns
// when that is durable.
func (s *Store) EndInstall(k Key, applied index.Applied) error {
	ch := make(chan error, 1)
	s.Append(func(err error) { ch <- err }, Record{key: k, kind: recEndInstall, chain: chain.KindIndex, apply: applied})
	select {
	case err := <-ch:
		return err
	case <-s.failure.done:
		return s.Failed()
	}
}

// Free is the space left for creates, in bytes; 0 or less means full. What
// deletes, flushes and the next segment of the log need is kept back.
func (s *Store) Free() int64 {
	s.freeMu.Lock()
	defer s.freeMu.Unlock()
	now := s.cfg.Now()
	if !s.freeAt.IsZero() && now.Sub(s.freeAt) < 250*time.Millisecond {
		return s.freeLast
	}
	u, err := s.cfg.FS.Usage(s.cfg.Dir)
	if err != nil || s.segs == nil {
		return 0
	}
	reserve := s.cfg.ReserveBytes
	if reserve == 0 {
		reserve = min(max(int64(u.Total)/50, 64<<20), 1<<30)
	}
	n, _ := s.segs.count()
	s.freeAt = now
	s.freeLast = int64(u.Available) + int64(n[segFree])*s.cfg.SegmentSize - reserve - s.cfg.SegmentSize
	return s.freeLast
}

// Stats describes the store now.
func (s *Store) Stats() Stats {
	n, bytes := s.segs.count()
	st := Stats{
		Failed: s.Failed(), RecordSegments: n[segRecord], ChunkSegments: n[segChunk], FreeSegments: n[segFree], Bytes: bytes,
		Free: s.Free(), LastRecord: s.completed.Load(), Replay: s.floor.Load(), Damaged: s.damaged.count(),
	}
	s.space.mu.Lock()
	st.Chunks, st.Quarantined, st.ChunkBytes = s.space.chunks, s.space.aside, s.space.bytes
	s.space.mu.Unlock()
	if st.Failed == nil {
		st.RowBytes = int64(s.db.Metrics().DiskSpaceUsage())
	}
	return st
}

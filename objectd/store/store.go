package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
	"catena/objectd/vfs"
)

// Store is one disk, open. Make one with Open.
type Store struct {
	cfg     Config
	metrics *metrics
	lock    vfs.Lock
	failure failure
	closing atomic.Bool
	leaving *leaving

	segs        *segments
	log         *logWriter
	rows        rowDB
	space       *space // nil while Open replays
	pins        pins
	maintenance *maintenance
	free        freeReading
	damaged     damaged

	replicasMu sync.RWMutex
	replicas   map[Key]*replica
	found      []Recovered // until Replicas gives it away

	// completed is the newest record that is durable and visible. Invariant:
	// what it derives is in the rows, or it is an entry and pending or applied.
	completed atomic.Uint64
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
		cfg: cfg, replicas: map[Key]*replica{}, pins: pins{count: map[uint64]int{}},
		failure: failure{done: make(chan struct{})}, leaving: newLeaving(), rows: rowDB{gate: newGate(16 * cfg.MemTableBytes)},
	}
	s.log, s.maintenance = newLogWriter(s), newMaintenance(s)
	s.metrics = newMetrics(cfg.Registerer, cfg.StoreID.String()[:8], s)
	err := s.open()
	if err == nil {
		err = s.metrics.register()
	}
	if err != nil {
		s.closing.Store(true)
		return nil, errors.Join(openError(cfg.Dir, err), s.release())
	}
	s.log.start()
	s.maintenance.start()
	return s, nil
}

// openError says what is wrong with the directory. Of rows that do not match their
// checksums a goroutine of Pebble's may tell first, which ends the store while
// Open still reads; damage they are either way.
func openError(dir string, err error) error {
	if pebble.IsCorruptionError(err) && !errors.Is(err, ErrDamaged) {
		return &Error{Kind: ErrDamaged, Op: "open", Detail: dir, Err: err}
	}
	var e *Error
	if errors.As(err, &e) {
		return err
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
	f = vfs.Held{FS: f, Intact: lock.Intact}
	s.cfg.FS = f
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

// Stats describes the store now.
func (s *Store) Stats() Stats {
	n, bytes := s.segs.count()
	st := Stats{
		Failed: s.Failed(), RecordSegments: n[segRecord], ChunkSegments: n[segChunk], FreeSegments: n[segFree], Bytes: bytes,
		Free: s.Free(), LastRecord: s.completed.Load(), Replay: s.rows.floor.Load(), Damaged: s.damaged.count(),
	}
	s.space.mu.Lock()
	st.Chunks, st.Quarantined, st.ChunkBytes = s.space.chunks, s.space.aside, s.space.bytes
	s.space.mu.Unlock()
	if st.Failed == nil {
		st.RowBytes = int64(s.rows.db.Metrics().DiskSpaceUsage())
	}
	return st
}

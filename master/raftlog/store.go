package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Config says how a voter's files are opened.
type Config struct {
	// FS is the voter's own directory. Required.
	FS FS
	// Voter is the Raft id; a file of another voter is refused. Required.
	Voter string
	// OnDead is called once, before the call that met the first I/O error
	// returns. It must not block nor call back. May be nil.
	OnDead func(error)
	// CompactAbove is the file size in bytes from which a file that is mostly
	// garbage is written anew; 1 MiB when 0.
	CompactAbove int64
	// Now is for the watch over calls that hang; time.Now when nil.
	Now func() time.Time
}

// Store is one voter's log and votes. All methods are safe for concurrent use.
type Store struct {
	cfg Config
	// dying lets one cause of death in; others wait until OnDead has returned.
	dying sync.Once
	// dead is set after OnDead has returned and never cleared: whoever sees it,
	// and so answers from memory, knows that the transport is cut.
	dead atomic.Pointer[error]
	// busySince is when the running write began, in nanoseconds; 0 for none.
	busySince atomic.Int64

	// writing holds one token: whoever changes anything has it, over the disk's
	// call too. Readers do not wait for the disk.
	writing chan struct{}
	file    File
	// number is the file's; size its length, all of it synced.
	number uint64
	size   int64

	// mu is held, with the token, to change what follows, and alone to read it.
	mu sync.Mutex
	// logs are contiguous; logs[0].Index is the first index.
	logs   []*raft.Log
	stable map[string][]byte
	snaps  *Snapshots
}

var (
	_ raft.LogStore          = (*Store)(nil)
	_ raft.StableStore       = (*Store)(nil)
	_ raft.MonotonicLogStore = (*Store)(nil)
)

// Exists reports whether a directory holds a voter's files.
func Exists(dir FS) (bool, error) {
	names, err := dir.List()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, n := range names {
		if _, ok := fileNumber(n); ok {
			return true, nil
		}
	}
	return false, err
}

const (
	filePrefix = "log-"
	tmpSuffix  = ".tmp"
)

func fileName(n uint64) string { return fmt.Sprintf("%s%016x", filePrefix, n) }

func fileNumber(name string) (uint64, bool) {
	hex, ok := strings.CutPrefix(name, filePrefix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(hex, 16, 64)
	return n, err == nil
}

// Open reads a voter's files, or makes them. A torn end, which a crash leaves,
// is cut off; damage of what had been synced is ErrDamaged.
func Open(cfg Config) (*Store, error) {
	if cfg.FS == nil || cfg.Voter == "" {
		return nil, errors.New("raftlog: FS and Voter are required")
	}
	if cfg.CompactAbove == 0 {
		cfg.CompactAbove = 1 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{cfg: cfg, stable: map[string][]byte{}, writing: make(chan struct{}, 1)}
	newest, err := s.tidy()
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	if newest == 0 {
		err = s.rewrite(1)
	} else {
		err = s.replay(newest)
	}
	if err == nil {
		s.snaps, err = openSnapshots(s)
	}
	if err != nil {
		if s.file != nil {
			_ = s.file.Close() // the first error says more
		}
		return nil, err
	}
	return s, nil
}

// tidy finds the newest file and removes what a crash left beside it.
func (s *Store) tidy() (newest uint64, err error) {
	names, err := s.cfg.FS.List()
	if err != nil {
		return 0, err
	}
	for _, n := range names {
		if i, ok := fileNumber(n); ok {
			newest = max(newest, i)
		}
	}
	for _, n := range names {
		i, ok := fileNumber(n)
		if ok && i < newest || strings.HasSuffix(n, tmpSuffix) {
			if err := s.cfg.FS.Remove(n); err != nil {
				return 0, err
			}
		}
	}
	return newest, nil
}

// replay reads a file into memory and cuts its torn end.
func (s *Store) replay(number uint64) error {
	f, err := s.cfg.FS.OpenRW(fileName(number))
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	s.file, s.number = f, number
	b, err := readAll(f, maxFile)
	if err != nil {
		return fmt.Errorf("raftlog: %s: %w", fileName(number), err)
	}
	first := true
	good, err := scan(b, number, func(r record) error {
		if first != (r.kind == kindHeader) {
			return fmt.Errorf("%w: no header record", ErrDamaged)
		}
		first = false
		return s.take(r)
	})
	if err == nil && first {
		err = fmt.Errorf("%w: no header record", ErrDamaged)
	}
	if err != nil {
		return fmt.Errorf("raftlog: %s: %w", fileName(number), err)
	}
	// What was replayed may never have been synced: before anything rests on it, it is.
	if good < int64(len(b)) {
		err = f.Truncate(good)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return fmt.Errorf("raftlog: %s: %w", fileName(number), err)
	}
	s.size = good
	return nil
}

// take applies one record to the memory.
func (s *Store) take(r record) error {
	bad := fmt.Errorf("%w: a record of kind %d", ErrDamaged, r.kind)
	switch r.kind {
	case kindHeader:
		if string(r.payload) != s.cfg.Voter {
			return fmt.Errorf("raftlog: the files are of voter %q, not %q", r.payload, s.cfg.Voter)
		}
		return nil
	case kindEntry:
		l, ok := decodeEntry(r.payload)
		if !ok || !s.follows(l.Index) {
			return bad
		}
		s.logs = append(s.logs, l)
		return nil
	case kindTruncate, kindPrefix:
		if len(r.payload) != 8 {
			return bad
		}
		i := binary.LittleEndian.Uint64(r.payload)
		if r.kind == kindTruncate {
			s.cutFrom(i)
		} else {
			s.cutTo(i)
		}
		return nil
	case kindStable:
		k, v, ok := decodePair(r.payload)
		if !ok {
			return bad
		}
		s.stable[k] = v
		return nil
	}
	return fmt.Errorf("raftlog: a record of unknown kind %d, written by a newer release", r.kind)
}

// follows reports whether an entry may be appended.
func (s *Store) follows(index uint64) bool {
	return len(s.logs) == 0 || s.logs[len(s.logs)-1].Index+1 == index
}

func (s *Store) cutFrom(i uint64) {
	s.logs = slices.DeleteFunc(s.logs, func(l *raft.Log) bool { return l.Index >= i })
}

func (s *Store) cutTo(i uint64) {
	s.logs = slices.DeleteFunc(s.logs, func(l *raft.Log) bool { return l.Index <= i })
}

// change makes a change of the memory and of the disk: in memory first, which is
// all that counts after the first error. An error of apply changes nothing.
func (s *Store) change(apply func() ([]record, error)) error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	s.mu.Lock()
	rs, err := apply()
	s.mu.Unlock()
	if err == nil && len(rs) > 0 {
		s.write(rs)
	}
	return err
}

// write appends records as one batch and syncs it. The caller has the token.
func (s *Store) write(rs []record) {
	if s.Dead() != nil {
		return
	}
	s.busySince.Store(s.cfg.Now().UnixNano())
	defer s.busySince.Store(0)
	var b []byte
	for _, r := range rs {
		r.synced = uint64(s.size)
		b = appendRecord(b, s.number, r)
	}
	_, err := s.file.WriteAt(b, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err == nil {
		s.size += int64(len(b))
		err = s.compact()
	}
	if err != nil {
		s.kill(err)
	}
}

// kill ends the voter. It may be called while another call hangs in the disk.
func (s *Store) kill(err error) {
	s.dying.Do(func() {
		if s.cfg.OnDead != nil {
			s.cfg.OnDead(err)
		}
		s.dead.Store(&err)
	})
}

// Kill ends the voter as an I/O error would: its store was found failed by
// others, or hangs. It does not wait for a call that hangs.
func (s *Store) Kill(err error) { s.kill(err) }

// Dead gives the error that ended the voter; nil while it lives.
func (s *Store) Dead() error {
	if p := s.dead.Load(); p != nil {
		return *p
	}
	return nil
}

// Busy is how long the running write has taken; 0 if none is.
func (s *Store) Busy() time.Duration {
	since := s.busySince.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(s.cfg.Now().UnixNano() - since)
}

// Snapshots gives the snapshot store of the same voter.
func (s *Store) Snapshots() *Snapshots { return s.snaps }

// Close closes the file. Everything was synced before.
func (s *Store) Close() error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	err := s.file.Close()
	if s.Dead() != nil {
		return nil
	}
	return err
}

// compact writes the file anew when it is large and mostly garbage.
func (s *Store) compact() error {
	if s.size < s.cfg.CompactAbove || s.size < 4*s.live() {
		return nil
	}
	old, name := s.file, fileName(s.number)
	if err := s.rewrite(s.number + 1); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		return err
	}
	return s.cfg.FS.Remove(name)
}

// live estimates the bytes that a new file would have.
func (s *Store) live() (n int64) {
	for _, l := range s.logs {
		n += headerSize + entryFixed + int64(len(l.Data)+len(l.Extensions))
	}
	for k, v := range s.stable {
		n += headerSize + 8 + int64(len(k)+len(v))
	}
	return n
}

// rewrite puts what the memory holds into a new file, which counts from its rename on.
func (s *Store) rewrite(number uint64) error {
	b := appendRecord(nil, number, record{kind: kindHeader, payload: []byte(s.cfg.Voter)})
	keys := make([]string, 0, len(s.stable))
	for k := range s.stable {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b = appendRecord(b, number, record{kind: kindStable, payload: encodePair(k, s.stable[k])})
	}
	for _, l := range s.logs {
		b = appendRecord(b, number, record{kind: kindEntry, payload: encodeEntry(l)})
	}
	f, err := publish(s.cfg.FS, fileName(number), b)
	if err != nil {
		return fmt.Errorf("raftlog: %w", err)
	}
	s.file, s.number, s.size = f, number, int64(len(b))
	return nil
}

// publish makes a file whole and durable under its name, and gives it open.
func publish(dir FS, name string, b []byte) (File, error) {
	tmp := name + tmpSuffix
	if err := dir.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := dir.Create(tmp)
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = dir.Rename(tmp, name)
	}
	if err == nil {
		err = dir.SyncDir()
	}
	if err != nil {
		_ = f.Close() // the first error says more
		return nil, err
	}
	return f, nil
}

package vfs

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
)

// OpKind is a kind of call.
type OpKind uint32

// The kinds, as bits so that a set of them is one number.
const (
	OpCreate OpKind = 1 << iota
	OpOpen
	OpRemove
	OpRename
	OpList
	OpMkdir
	OpStat
	OpSyncDir
	OpLock
	OpUsage
	OpRead
	OpWrite
	OpTruncate
	OpPreallocate
	OpPunch
	OpSync
	OpSyncData
	OpClose
)

// Sets of kinds.
const (
	OpSyncs    = OpSync | OpSyncData | OpSyncDir
	OpMutating = OpCreate | OpRemove | OpRename | OpMkdir | OpWrite | OpTruncate | OpPreallocate | OpPunch | OpSyncs
)

var opNames = [...]string{"create", "open", "remove", "rename", "list", "mkdir", "stat", "syncdir", "lock", "usage", "read", "write", "truncate", "preallocate", "punch", "sync", "syncdata", "close"}

// String gives the names of the kinds in the set.
func (k OpKind) String() string {
	var s []string
	for i, n := range opNames {
		if k&(1<<i) != 0 {
			s = append(s, n)
		}
	}
	return strings.Join(s, "|")
}

// Op is one call. Off and N are the range of a read, write or punch, and N the
// size of a truncate or preallocate.
type Op struct {
	Kind   OpKind
	Name   string
	Off, N int64
}

// String gives one line.
func (o Op) String() string { return fmt.Sprintf("%s %s %d+%d", o.Kind, o.Name, o.Off, o.N) }

// Hook wraps a file system and asks Before about every call. If Before gives
// an error the call is not made, except that a write writes its first half:
// a failed write may have left anything.
type Hook struct {
	FS     FS
	Before func(Op) error
}

func (h *Hook) do(op Op, call func() error) error {
	if err := h.Before(op); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return call()
}

func (h *Hook) file(op Op, open func() (File, error)) (File, error) {
	var f File
	err := h.do(op, func() (err error) { f, err = open(); return err })
	if err != nil {
		return nil, err
	}
	return &hookFile{h: h, f: f, name: op.Name}, nil
}

// Create implements FS.
func (h *Hook) Create(name string) (File, error) {
	return h.file(Op{Kind: OpCreate, Name: name}, func() (File, error) { return h.FS.Create(name) })
}

// Open implements FS.
func (h *Hook) Open(name string) (File, error) {
	return h.file(Op{Kind: OpOpen, Name: name}, func() (File, error) { return h.FS.Open(name) })
}

// OpenRW implements FS.
func (h *Hook) OpenRW(name string) (File, error) {
	return h.file(Op{Kind: OpOpen, Name: name}, func() (File, error) { return h.FS.OpenRW(name) })
}

// Remove implements FS.
func (h *Hook) Remove(name string) error {
	return h.do(Op{Kind: OpRemove, Name: name}, func() error { return h.FS.Remove(name) })
}

// RemoveAll implements FS.
func (h *Hook) RemoveAll(name string) error {
	return h.do(Op{Kind: OpRemove, Name: name}, func() error { return h.FS.RemoveAll(name) })
}

// Rename implements FS.
func (h *Hook) Rename(oldName, newName string) error {
	return h.do(Op{Kind: OpRename, Name: newName}, func() error { return h.FS.Rename(oldName, newName) })
}

// List implements FS.
func (h *Hook) List(dir string) (names []string, err error) {
	err = h.do(Op{Kind: OpList, Name: dir}, func() (err error) { names, err = h.FS.List(dir); return err })
	return names, err
}

// MkdirAll implements FS.
func (h *Hook) MkdirAll(dir string) error {
	return h.do(Op{Kind: OpMkdir, Name: dir}, func() error { return h.FS.MkdirAll(dir) })
}

// Stat implements FS.
func (h *Hook) Stat(name string) (i Info, err error) {
	err = h.do(Op{Kind: OpStat, Name: name}, func() (err error) { i, err = h.FS.Stat(name); return err })
	return i, err
}

// SyncDir implements FS.
func (h *Hook) SyncDir(dir string) error {
	return h.do(Op{Kind: OpSyncDir, Name: dir}, func() error { return h.FS.SyncDir(dir) })
}

// Lock implements FS.
func (h *Hook) Lock(name string) (l Lock, err error) {
	err = h.do(Op{Kind: OpLock, Name: name}, func() (err error) { l, err = h.FS.Lock(name); return err })
	return l, err
}

// Usage implements FS.
func (h *Hook) Usage(name string) (u Usage, err error) {
	err = h.do(Op{Kind: OpUsage, Name: name}, func() (err error) { u, err = h.FS.Usage(name); return err })
	return u, err
}

type hookFile struct {
	h    *Hook
	f    File
	name string
}

func (f *hookFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.h.do(Op{Kind: OpRead, Name: f.name, Off: off, N: int64(len(p))}, func() (err error) { n, err = f.f.ReadAt(p, off); return err })
	return n, err
}

func (f *hookFile) WriteAt(p []byte, off int64) (int, error) {
	op := Op{Kind: OpWrite, Name: f.name, Off: off, N: int64(len(p))}
	if err := f.h.Before(op); err != nil {
		n, _ := f.f.WriteAt(p[:len(p)/2], off)
		return n, fmt.Errorf("%s: %w", op, err)
	}
	return f.f.WriteAt(p, off)
}

func (f *hookFile) Size() (int64, error) { return f.f.Size() }

func (f *hookFile) Truncate(size int64) error {
	return f.h.do(Op{Kind: OpTruncate, Name: f.name, N: size}, func() error { return f.f.Truncate(size) })
}

func (f *hookFile) Preallocate(size int64) error {
	return f.h.do(Op{Kind: OpPreallocate, Name: f.name, N: size}, func() error { return f.f.Preallocate(size) })
}

func (f *hookFile) PunchHole(off, n int64) error {
	return f.h.do(Op{Kind: OpPunch, Name: f.name, Off: off, N: n}, func() error { return f.f.PunchHole(off, n) })
}

func (f *hookFile) Sync() error {
	return f.h.do(Op{Kind: OpSync, Name: f.name}, f.f.Sync)
}

func (f *hookFile) SyncData() error {
	return f.h.do(Op{Kind: OpSyncData, Name: f.name}, f.f.SyncData)
}

func (f *hookFile) Close() error {
	return errorsJoin(f.h.do(Op{Kind: OpClose, Name: f.name}, func() error { return nil }), f.f.Close())
}

func errorsJoin(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Errors to inject.
const (
	ErrIO      = syscall.EIO
	ErrNoSpace = syscall.ENOSPC
)

// Fault fails chosen calls. Make one with NewFault; it injects nothing until Fail.
type Fault struct {
	Hook
	mu     sync.Mutex
	kinds  OpKind
	match  func(Op) bool
	after  int
	sticky bool
	err    error
	seen   int
	hits   int
}

// NewFault wraps a file system.
func NewFault(fs FS) *Fault {
	f := &Fault{}
	f.Hook = Hook{FS: fs, Before: f.before}
	return f
}

// Fail lets the i-th call (from 0) of the kinds, for which match (nil: all) is
// true, fail with err; if sticky, all later ones of them too. It replaces what was set before.
func (f *Fault) Fail(kinds OpKind, match func(Op) bool, i int, sticky bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds, f.match, f.after, f.sticky, f.err, f.seen, f.hits = kinds, match, i, sticky, err, 0, 0
}

// Hits is the number of calls that failed since Fail.
func (f *Fault) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// Seen is the number of calls that matched since Fail.
func (f *Fault) Seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *Fault) before(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds&op.Kind == 0 || (f.match != nil && !f.match(op)) {
		return nil
	}
	i := f.seen
	f.seen++
	if f.err == nil || (i != f.after && !(f.sticky && i > f.after)) {
		return nil
	}
	f.hits++
	return f.err
}

// Trace counts calls, and keeps those of Record as lines.
type Trace struct {
	Hook
	mu     sync.Mutex
	record OpKind
	counts map[OpKind]int
	lines  []string
}

// NewTrace wraps a file system; calls of the kinds in record are kept as lines.
func NewTrace(fs FS, record OpKind) *Trace {
	t := &Trace{record: record, counts: map[OpKind]int{}}
	t.Hook = Hook{FS: fs, Before: t.before}
	return t
}

func (t *Trace) before(op Op) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[op.Kind]++
	if t.record&op.Kind != 0 {
		t.lines = append(t.lines, op.String())
	}
	return nil
}

// Count is the number of calls of the kinds so far.
func (t *Trace) Count(kinds OpKind) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for k, c := range t.counts {
		if k&kinds != 0 {
			n += c
		}
	}
	return n
}

// Take gives the recorded lines and forgets them.
func (t *Trace) Take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines
	t.lines = nil
	return l
}

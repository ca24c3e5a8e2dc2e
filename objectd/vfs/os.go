package vfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Join joins path elements with the separator of the host.
func Join(elem ...string) string { return filepath.Join(elem...) }

// IsNoSpace reports whether an error says that the disk or a quota is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// OS is the file system of the host. Make one with NewOS.
type OS struct {
	mu sync.Mutex
	// held are the lock files of this process: the kernel's record locks do
	// not exclude the process that holds them.
	held  map[string]bool
	notes map[string]bool
}

// NewOS gives the host's file system.
func NewOS() *OS { return &OS{held: map[string]bool{}, notes: map[string]bool{}} }

// Notes says, in sentences, what this file system turned out not to support.
func (o *OS) Notes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]string, 0, len(o.notes))
	for n := range o.notes {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func (o *OS) note(s string) {
	o.mu.Lock()
	o.notes[s] = true
	o.mu.Unlock()
}

func (o *OS) open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f, fs: o}, nil
}

// Create implements FS.
func (o *OS) Create(name string) (File, error) {
	return o.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
}

// Open implements FS.
func (o *OS) Open(name string) (File, error) { return o.open(name, os.O_RDONLY) }

// OpenRW implements FS.
func (o *OS) OpenRW(name string) (File, error) { return o.open(name, os.O_RDWR) }

// Remove implements FS.
func (o *OS) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements FS.
func (o *OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// Rename implements FS.
func (o *OS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

// List implements FS.
func (o *OS) List(dir string) ([]string, error) {
	ents, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(ents))
	for i, e := range ents {
		names[i] = e.Name()
	}
	return names, nil
}

// MkdirAll implements FS.
func (o *OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// Stat implements FS.
func (o *OS) Stat(name string) (Info, error) {
	fi, err := os.Stat(name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: fi.Name(), Size: fi.Size(), Dir: fi.IsDir(), Device: device(fi)}, nil
}

func device(fi os.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

// SyncDir implements FS.
func (o *OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Lock implements FS with flock, which ends with the process.
func (o *OS) Lock(name string) (Lock, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.held[abs] {
		return nil, fmt.Errorf("%w: %s (this process)", ErrLocked, name)
	}
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, name)
		}
		return nil, err
	}
	o.held[abs] = true
	return &osLock{fs: o, name: abs, f: f}, nil
}

type osLock struct {
	fs   *OS
	name string
	f    *os.File
}

// Intact implements Lock. While the file is open nobody else gets its inode.
func (l *osLock) Intact() error {
	held, err := l.f.Stat()
	if err != nil {
		return moved(l.name, err)
	}
	now, err := os.Lstat(l.name)
	if err != nil {
		return moved(l.name, err)
	}
	if !os.SameFile(held, now) {
		return ErrMoved
	}
	return nil
}

// Close releases the lock.
func (l *osLock) Close() error {
	l.fs.mu.Lock()
	delete(l.fs.held, l.name)
	l.fs.mu.Unlock()
	return l.f.Close()
}

// Usage implements FS.
func (o *OS) Usage(name string) (Usage, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(name, &st); err != nil {
		return Usage{}, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	bs := uint64(st.Bsize)
	return Usage{Total: st.Blocks * bs, Available: uint64(st.Bavail) * bs}, nil
}

// osFile is a File of the host; the parts that differ between systems are in
// os_linux.go and os_other.go.
type osFile struct {
	f  *os.File
	fs *OS
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error)  { return f.f.ReadAt(p, off) }
func (f *osFile) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *osFile) Close() error                             { return f.f.Close() }
func (f *osFile) Truncate(size int64) error                { return f.f.Truncate(size) }
func (f *osFile) Sync() error                              { return f.f.Sync() }

// Fd gives the descriptor, for the adapter to Pebble.
func (f *osFile) Fd() uintptr { return f.f.Fd() }

func (f *osFile) Size() (int64, error) {
	fi, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

package vfs

import (
	"errors"
	"io"
)

// BlockSize is the unit in which a crash keeps or loses what was not synced,
// and to which segments align their writes.
const BlockSize = 4096

// ErrUnsupported says that the file system cannot do it; callers fall back.
var ErrUnsupported = errors.New("vfs: not supported by this file system")

// FS is a file system. Names are paths with the separator of the host. All
// methods are safe for concurrent use. A name that does not exist gives an
// error that is fs.ErrNotExist, a full disk one that IsNoSpace reports.
type FS interface {
	// Create makes a new file for reading and writing. A file that exists
	// is an error that is fs.ErrExist. The name is durable after SyncDir.
	Create(name string) (File, error)
	// Open opens an existing file for reading only.
	Open(name string) (File, error)
	// OpenRW opens an existing file for reading and writing.
	OpenRW(name string) (File, error)
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes a tree; what does not exist is no error.
	RemoveAll(name string) error
	// Rename replaces newName if it exists. Durable after SyncDir of both directories.
	Rename(oldName, newName string) error
	// List gives the names in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents; durable after SyncDir of each parent.
	MkdirAll(dir string) error
	// Stat describes a file or directory.
	Stat(name string) (Info, error)
	// SyncDir makes the entries of a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, which it creates if need be. It
	// does not wait: a lock held by anybody, this process included, is ErrLocked.
	Lock(name string) (Lock, error)
	// Usage tells the space of the file system that holds name. An error says
	// nothing about space.
	Usage(name string) (Usage, error)
}

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("vfs: locked by another process")

// File is an open file. ReadAt and WriteAt are positional and safe for
// concurrent use on ranges that do not overlap; a sync covers every write that
// had returned when it was called.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the current length in bytes.
	Size() (int64, error)
	// Truncate sets the length.
	Truncate(size int64) error
	// Preallocate reserves blocks for [0, size) and makes the file that long,
	// so that later writes change no metadata. Where the file system cannot
	// reserve, the file is only made long (ErrUnsupported is not returned).
	Preallocate(size int64) error
	// PunchHole gives the blocks of a range back; it reads as zeros afterwards.
	// ErrUnsupported where the file system cannot.
	PunchHole(off, n int64) error
	// Sync makes the file's data and metadata durable.
	Sync() error
	// SyncData makes the data durable, and the metadata needed to read it.
	SyncData() error
}

// Info describes a file.
type Info struct {
	Name string
	Size int64
	Dir  bool
	// Device identifies the file system; 0 where unknown.
	Device uint64
}

// Usage is the space of a file system in bytes. Available is what this process
// may still take. Total is 0 where the file system cannot tell.
type Usage struct {
	Total, Available uint64
}

// WriteFile puts data into a new file of this name, durably and at once: a
// crash leaves the old content or the new, never a piece. dir is the directory
// that holds name.
func WriteFile(fs FS, dir, name string, data []byte) error {
	path, tmp := Join(dir, name), Join(dir, name+".tmp")
	if err := fs.RemoveAll(tmp); err != nil {
		return err
	}
	f, err := fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := fs.Rename(tmp, path); err != nil {
		return err
	}
	return fs.SyncDir(dir)
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(fs FS, name string, limit int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, errors.New("vfs: " + name + " is longer than it may be")
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF && int64(n) == size {
		err = nil
	}
	return b[:n], err
}

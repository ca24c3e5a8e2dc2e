package raftlog

import (
	"errors"
	"io"
	"path/filepath"
)

// FS is one directory as a voter needs it. Names have no separator. A name
// that does not exist gives an error that is fs.ErrNotExist.
type FS interface {
	// Create makes a new file for reading and writing; the name must not exist.
	Create(name string) (File, error)
	// OpenRW opens an existing file for reading and writing.
	OpenRW(name string) (File, error)
	Remove(name string) error
	// Rename replaces newName if it exists; durable after SyncDir.
	Rename(oldName, newName string) error
	// List gives the names, sorted.
	List() ([]string, error)
	SyncDir() error
}

// File is an open file with positional reads and writes.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes data and length durable.
	Sync() error
}

// Tree is a file system in which directories are named by path, such as
// objectd's; F is its type of files.
type Tree[F File] interface {
	Create(name string) (F, error)
	OpenRW(name string) (F, error)
	Remove(name string) error
	Rename(oldName, newName string) error
	List(dir string) ([]string, error)
	MkdirAll(dir string) error
	SyncDir(dir string) error
}

// InDir gives the directory dir of a tree, which is made, durably, if need be.
func InDir[F File](t Tree[F], dir string) (FS, error) {
	if err := t.MkdirAll(dir); err != nil {
		return nil, err
	}
	if err := t.SyncDir(filepath.Dir(dir)); err != nil {
		return nil, err
	}
	return treeDir[F]{t, dir}, nil
}

type treeDir[F File] struct {
	t   Tree[F]
	dir string
}

func (d treeDir[F]) path(name string) string          { return filepath.Join(d.dir, name) }
func (d treeDir[F]) Create(name string) (File, error) { return opened(d.t.Create(d.path(name))) }
func (d treeDir[F]) OpenRW(name string) (File, error) { return opened(d.t.OpenRW(d.path(name))) }
func (d treeDir[F]) Remove(name string) error         { return d.t.Remove(d.path(name)) }
func (d treeDir[F]) Rename(oldName, newName string) error {
	return d.t.Rename(d.path(oldName), d.path(newName))
}
func (d treeDir[F]) List() ([]string, error) { return d.t.List(d.dir) }
func (d treeDir[F]) SyncDir() error          { return d.t.SyncDir(d.dir) }

// opened hands an error on without a typed nil beside it.
func opened[F File](f F, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// readAll reads a whole file of at most limit bytes.
func readAll(f File, limit int64) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, errors.New("raftlog: a file longer than it may be")
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

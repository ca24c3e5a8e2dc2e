package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	pvfs "github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble adapts a file system to the one that Pebble takes. Hard links are not
// supported; Pebble copies instead. Where the sync of a directory fails, Pebble
// panics, in goroutines of its own too, and that ends the process: fatal is
// called instead and must not return (it may panic, or end the goroutine). nil
// leaves it to Pebble.
func Pebble(f FS, fatal func(error)) pvfs.FS { return pebbleFS{f, fatal} }

type pebbleFS struct {
	fs    FS
	fatal func(error)
}

func (p pebbleFS) wrap(f File, err error) (pvfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &pebbleFile{File: f}, nil
}

// Create removes an existing file first, as Pebble expects.
func (p pebbleFS) Create(name string, _ pvfs.DiskWriteCategory) (pvfs.File, error) {
	f, err := p.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err := p.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		f, err = p.fs.Create(name)
	}
	return p.wrap(f, err)
}

func (p pebbleFS) Link(oldname, newname string) error { return ErrUnsupported }

func (p pebbleFS) Open(name string, opts ...pvfs.OpenOption) (pvfs.File, error) {
	info, err := p.fs.Stat(name)
	if err == nil && info.Dir {
		return p.OpenDir(name)
	}
	f, err := p.wrap(p.fs.Open(name))
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		o.Apply(f)
	}
	return f, nil
}

func (p pebbleFS) OpenReadWrite(name string, _ pvfs.DiskWriteCategory, opts ...pvfs.OpenOption) (pvfs.File, error) {
	f, err := p.fs.OpenRW(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = p.fs.Create(name)
	}
	return p.wrap(f, err)
}

func (p pebbleFS) OpenDir(name string) (pvfs.File, error) {
	if _, err := p.fs.Stat(name); err != nil {
		return nil, err
	}
	return &pebbleDir{fs: p.fs, name: name, fatal: p.fatal}, nil
}

func (p pebbleFS) Remove(name string) error             { return p.fs.Remove(name) }
func (p pebbleFS) RemoveAll(name string) error          { return p.fs.RemoveAll(name) }
func (p pebbleFS) Rename(oldname, newname string) error { return p.fs.Rename(oldname, newname) }

func (p pebbleFS) ReuseForWrite(oldname, newname string, c pvfs.DiskWriteCategory) (pvfs.File, error) {
	if err := p.fs.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return p.wrap(p.fs.OpenRW(newname))
}

func (p pebbleFS) MkdirAll(dir string, _ os.FileMode) error { return p.fs.MkdirAll(dir) }
func (p pebbleFS) Lock(name string) (io.Closer, error)      { return p.fs.Lock(name) }
func (p pebbleFS) List(dir string) ([]string, error)        { return p.fs.List(dir) }

func (p pebbleFS) Stat(name string) (pvfs.FileInfo, error) {
	i, err := p.fs.Stat(name)
	if err != nil {
		return nil, err
	}
	return pebbleInfo{i}, nil
}

func (p pebbleFS) PathBase(path string) string    { return filepath.Base(path) }
func (p pebbleFS) PathJoin(elem ...string) string { return filepath.Join(elem...) }
func (p pebbleFS) PathDir(path string) string     { return filepath.Dir(path) }
func (p pebbleFS) Unwrap() pvfs.FS                { return nil }

// GetDiskUsage never tells the error: to Pebble it would be one of a flush or
// compaction, and it says nothing about space. Pebble keeps its last reading.
func (p pebbleFS) GetDiskUsage(path string) (pvfs.DiskUsage, error) {
	u, err := p.fs.Usage(path)
	if err != nil {
		return pvfs.DiskUsage{}, pvfs.ErrUnsupported
	}
	return pvfs.DiskUsage{AvailBytes: u.Available, TotalBytes: u.Total, UsedBytes: u.Total - u.Available}, nil
}

type pebbleInfo struct{ i Info }

func (i pebbleInfo) Name() string            { return i.i.Name }
func (i pebbleInfo) Size() int64             { return i.i.Size }
func (i pebbleInfo) ModTime() time.Time      { return time.Time{} }
func (i pebbleInfo) IsDir() bool             { return i.i.Dir }
func (i pebbleInfo) Sys() any                { return nil }
func (i pebbleInfo) DeviceID() pvfs.DeviceID { return pvfs.DeviceID{} }
func (i pebbleInfo) Mode() os.FileMode {
	if i.i.Dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

// pebbleFile adds the positions that Read and Write keep. Pebble reads and
// writes a file sequentially from one goroutine.
type pebbleFile struct {
	File
	rpos, wpos atomic.Int64
}

func (f *pebbleFile) Read(p []byte) (int, error) {
	n, err := f.File.ReadAt(p, f.rpos.Load())
	f.rpos.Add(int64(n))
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (f *pebbleFile) Write(p []byte) (int, error) {
	n, err := f.File.WriteAt(p, f.wpos.Load())
	f.wpos.Add(int64(n))
	return n, err
}

// Preallocate does nothing: ours sets the length, which Pebble does not expect.
func (f *pebbleFile) Preallocate(off, n int64) error { return nil }

func (f *pebbleFile) Stat() (pvfs.FileInfo, error) {
	n, err := f.File.Size()
	return pebbleInfo{Info{Size: n}}, err
}

// SyncTo syncs all: Pebble calls it now and then so that one late sync is not long.
func (f *pebbleFile) SyncTo(int64) (bool, error) {
	err := f.File.SyncData()
	return err == nil, err
}

func (f *pebbleFile) Prefetch(off, n int64) error { return nil }

func (f *pebbleFile) Fd() uintptr {
	if fd, ok := f.File.(interface{ Fd() uintptr }); ok {
		return fd.Fd()
	}
	return pvfs.InvalidFd
}

// pebbleDir is a directory opened for its Sync.
type pebbleDir struct {
	fs    FS
	name  string
	fatal func(error)
}

var errIsDir = errors.New("vfs: is a directory")

func (d *pebbleDir) Close() error                      { return nil }
func (d *pebbleDir) Read([]byte) (int, error)          { return 0, errIsDir }
func (d *pebbleDir) ReadAt([]byte, int64) (int, error) { return 0, errIsDir }
func (d *pebbleDir) Write([]byte) (int, error)         { return 0, errIsDir }
func (d *pebbleDir) WriteAt([]byte, int64) (int, error) {
	return 0, errIsDir
}
func (d *pebbleDir) Preallocate(int64, int64) error { return nil }
func (d *pebbleDir) Stat() (pvfs.FileInfo, error) {
	i, err := d.fs.Stat(d.name)
	return pebbleInfo{i}, err
}
func (d *pebbleDir) Sync() error {
	err := d.fs.SyncDir(d.name)
	if err != nil && d.fatal != nil {
		d.fatal(err)
	}
	return err
}
func (d *pebbleDir) SyncTo(int64) (bool, error)  { return true, d.Sync() }
func (d *pebbleDir) SyncData() error             { return d.Sync() }
func (d *pebbleDir) Prefetch(int64, int64) error { return nil }
func (d *pebbleDir) Fd() uintptr                 { return pvfs.InvalidFd }

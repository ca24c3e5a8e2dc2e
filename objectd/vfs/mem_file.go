package vfs

import (
	"io"
	"io/fs"
	"syscall"
)

// memFile is an open file of Mem.
type memFile struct {
	m      *Mem
	n      *memNode
	name   string
	write  bool
	closed bool
}

func (f *memFile) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return 0, f.fail("read", fs.ErrClosed)
	}
	if off < 0 {
		return 0, f.fail("read", syscall.EINVAL)
	}
	if off >= int64(len(f.n.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// touch remembers what is durable of the blocks of a range, before it changes.
func (n *memNode) touch(from, to int64) {
	for b := from / BlockSize; b*BlockSize < to; b++ {
		if _, ok := n.before[b]; ok {
			continue
		}
		var old []byte
		if off := b * BlockSize; off < n.syncedSize && off < int64(len(n.data)) {
			old = append(old, n.data[off:min(off+BlockSize, n.syncedSize, int64(len(n.data)))]...)
		}
		n.before[b] = old
	}
}

// grow makes the file at least size long. Mem.mu is held.
func (f *memFile) grow(op string, size int64) error {
	add := size - int64(len(f.n.data))
	if add <= 0 {
		return nil
	}
	if f.m.capacity > 0 && f.m.used+add > f.m.capacity {
		return f.fail(op, syscall.ENOSPC)
	}
	f.m.used += add
	f.n.data = append(f.n.data, make([]byte, add)...)
	return nil
}

func (f *memFile) writable(op string) error {
	switch {
	case f.closed:
		return f.fail(op, fs.ErrClosed)
	case !f.write:
		return f.fail(op, syscall.EBADF)
	}
	return nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.writable("write"); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.fail("write", syscall.EINVAL)
	}
	f.n.touch(off, off+int64(len(p)))
	if err := f.grow("write", off+int64(len(p))); err != nil {
		return 0, err
	}
	return copy(f.n.data[off:], p), nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.writable("truncate"); err != nil {
		return err
	}
	if cut := int64(len(f.n.data)); size < cut {
		// The old bytes stay as they are, for a crash that undoes this; what
		// goes on is a copy, so they need not be copied block by block.
		whole := f.n.data
		f.n.data = append(make([]byte, 0, size), whole[:size]...)
		for b := size / BlockSize; b*BlockSize < cut; b++ {
			if _, ok := f.n.before[b]; !ok {
				off := b * BlockSize
				f.n.before[b] = whole[min(off, f.n.syncedSize):min(off+BlockSize, cut, f.n.syncedSize)]
			}
		}
		f.m.used -= cut - size
		return nil
	}
	return f.grow("truncate", size)
}

func (f *memFile) Preallocate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.writable("preallocate"); err != nil {
		return err
	}
	return f.grow("preallocate", size)
}

func (f *memFile) PunchHole(off, n int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.writable("punch"); err != nil {
		return err
	}
	size := int64(len(f.n.data))
	from, to := min(off, size), min(off+n, size)
	f.n.touch(from, to)
	clear(f.n.data[from:to])
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return 0, f.fail("stat", fs.ErrClosed)
	}
	return int64(len(f.n.data)), nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return f.fail("sync", fs.ErrClosed)
	}
	clear(f.n.before)
	f.n.syncedSize = int64(len(f.n.data))
	return nil
}

func (f *memFile) SyncData() error { return f.Sync() }

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return f.fail("close", fs.ErrClosed)
	}
	f.closed = true
	return nil
}

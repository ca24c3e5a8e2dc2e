package vfs

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// retry repeats a system call that a signal interrupted.
func retry(op, name string, call func() error) error {
	for {
		err := call()
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return &os.PathError{Op: op, Path: name, Err: err}
		}
	}
}

func unsupported(err error) bool {
	return errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

func (f *osFile) SyncData() error {
	return retry("fdatasync", f.f.Name(), func() error { return unix.Fdatasync(int(f.f.Fd())) })
}

func (f *osFile) Preallocate(size int64) error {
	err := retry("fallocate", f.f.Name(), func() error { return unix.Fallocate(int(f.f.Fd()), 0, 0, size) })
	if err != nil && unsupported(err) {
		f.fs.note("space cannot be reserved ahead (fallocate): a full disk is met later and syncs cost more")
		return f.f.Truncate(size)
	}
	return err
}

func (f *osFile) PunchHole(off, n int64) error {
	err := retry("fallocate", f.f.Name(), func() error {
		return unix.Fallocate(int(f.f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if err != nil && unsupported(err) {
		f.fs.note("holes cannot be punched: space comes back only with whole segments")
		return ErrUnsupported
	}
	return err
}

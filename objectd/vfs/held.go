package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
)

// Lock is a lock that is held; Close gives it back.
type Lock interface {
	io.Closer
	// Intact makes sure that the name still leads to the file that is locked. If
	// not, the error is ErrMoved: the directory was removed, or another one has
	// come to its path. Other errors are those of the look itself.
	Intact() error
}

// ErrMoved says that a path leads elsewhere than when it was opened.
var ErrMoved = errors.New("it is not the directory any more that this process opened: it was removed or replaced under it")

// moved puts the error of a look at a locked name into Lock's words.
func moved(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w (%w)", ErrMoved, err)
	}
	return fmt.Errorf("look at %s: %w", name, err)
}

// IsGone reports whether an error of looking at a directory says that it is lost
// for good: it is not there, or cannot be read. Other errors may pass.
func IsGone(err error) bool {
	for _, e := range []error{
		ErrMoved, fs.ErrNotExist, fs.ErrPermission, syscall.ENOTDIR, syscall.EIO, syscall.ENODEV, syscall.ENXIO,
		syscall.ESTALE, syscall.ENOTCONN, syscall.ESHUTDOWN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Held changes nothing by name unless Intact gives nil, which is asked before
// each call. So a process whose directory was removed under it does not write
// into one that comes to the same path later, and may be somebody else's. Open
// files are those of the old directory; they need no look.
type Held struct {
	FS
	// Intact is that of a Lock inside the directory.
	Intact func() error
}

func (h Held) then(op, name string, call func() error) error {
	if err := h.Intact(); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return call()
}

// Create implements FS.
func (h Held) Create(name string) (f File, err error) {
	err = h.then("create", name, func() (err error) { f, err = h.FS.Create(name); return err })
	return f, err
}

// OpenRW implements FS.
func (h Held) OpenRW(name string) (f File, err error) {
	err = h.then("open", name, func() (err error) { f, err = h.FS.OpenRW(name); return err })
	return f, err
}

// Remove implements FS.
func (h Held) Remove(name string) error {
	return h.then("remove", name, func() error { return h.FS.Remove(name) })
}

// RemoveAll implements FS.
func (h Held) RemoveAll(name string) error {
	return h.then("remove", name, func() error { return h.FS.RemoveAll(name) })
}

// Rename implements FS.
func (h Held) Rename(oldName, newName string) error {
	return h.then("rename", newName, func() error { return h.FS.Rename(oldName, newName) })
}

// MkdirAll implements FS.
func (h Held) MkdirAll(dir string) error {
	return h.then("mkdir", dir, func() error { return h.FS.MkdirAll(dir) })
}

// Lock implements FS: it makes the file if need be.
func (h Held) Lock(name string) (l Lock, err error) {
	err = h.then("lock", name, func() (err error) { l, err = h.FS.Lock(name); return err })
	return l, err
}

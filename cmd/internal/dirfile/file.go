package dirfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// FS is what writing a small file safely needs of a file system. OS is the
// real one; tests trace the order of calls and fail the i-th.
type FS interface {
	// ReadFile reads at most limit+1 bytes of a file.
	ReadFile(path string, limit int64) ([]byte, error)
	// WriteSync creates or empties a file, writes it and syncs it.
	WriteSync(path string, data []byte, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(path string) error
	// SyncDir makes the directory's entries durable.
	SyncDir(dir string) error
}

// Read gives version and body of dir/name. The error is fs.ErrNotExist,
// ErrDamaged, ErrNewer, or the file system's own.
func Read(fsys FS, dir, name string, k Kind) (version int, body []byte, err error) {
	data, err := fsys.ReadFile(filepath.Join(dir, name), MaxSize)
	if err != nil {
		return 0, nil, err
	}
	version, body, err = Decode(k, data)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	return version, body, nil
}

// Write replaces dir/name by a file of this kind with the given permissions.
func Write(fsys FS, dir, name string, k Kind, body []byte, perm fs.FileMode) error {
	data, err := Encode(k, body)
	if err != nil {
		return err
	}
	return Replace(fsys, dir, name, data, perm)
}

// Replace writes dir/name whole: a crash leaves the old content or the new.
func Replace(fsys FS, dir, name string, data []byte, perm fs.FileMode) error {
	path := filepath.Join(dir, name)
	tmp := path + TempSuffix
	if err := fsys.WriteSync(tmp, data, perm); err != nil {
		// The error that counts is the first; a left-over is written over next time.
		_ = fsys.Remove(tmp)
		return err
	}
	if err := fsys.Rename(tmp, path); err != nil {
		_ = fsys.Remove(tmp)
		return err
	}
	return fsys.SyncDir(dir)
}

// TempSuffix ends the name of a file that was not finished.
const TempSuffix = ".tmp"

// OS is the FS of the machine.
type OS struct{}

// ReadFile implements FS.
func (OS) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// WriteSync implements FS. The mode is set on the open file, so neither the
// umask nor a left-over of another mode decides who can read a secret.
func (OS) WriteSync(path string, data []byte, perm fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, perm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(path string) error { return os.Remove(path) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

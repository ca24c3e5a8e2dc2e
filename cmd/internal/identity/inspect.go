package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"catena/cmd/internal/dirfile"
)

// inspect looks at one DIR and locks it when it may be used. It changes nothing
// there except that a directory which was never locked gets its LOCK file.
func inspect(fsys dirfile.FS, path string) (DirState, *lock) {
	d := DirState{Path: path}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		if d = d.failed(err); d.State == Missing {
			d.Device = deviceAbove(path) // where it would be made
		}
		return d, nil
	}
	d.Device, d.Inode = uint64(st.Dev), uint64(st.Ino) //nolint:unconvert // the widths differ by platform
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		d.State = NotDirectory
		return d, nil
	}
	if err := unix.Access(path, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return d.inaccessible(fsys, err), nil
	}
	d = d.readIdentity(fsys)
	if d.State != Empty && d.State != Identified {
		return d, nil
	}
	l, err := acquire(path)
	if err != nil {
		return d.failed(err), nil
	}
	// Read again: until the lock was held another process might have been at it.
	if d = d.readIdentity(fsys); d.State != Empty && d.State != Identified {
		l.release(false)
		return d, nil
	}
	return d, l
}

// deviceAbove is the device of the nearest parent that exists; 0 unknown.
func deviceAbove(path string) uint64 {
	for p := filepath.Dir(path); ; p = filepath.Dir(p) {
		var st unix.Stat_t
		if unix.Stat(p, &st) == nil {
			return uint64(st.Dev) //nolint:unconvert // the widths differ by platform
		}
		if p == filepath.Dir(p) {
			return 0
		}
	}
}

// inaccessible is failed, but for a read-only file system that holds one of our
// stores. The store was written there, so the file system was not always
// read-only: Linux makes it so when its device fails (ext4 errors=remount-ro).
// That is a dead disk, without which the node serves on, not somebody's mistake.
func (d DirState) inaccessible(fsys dirfile.FS, err error) DirState {
	if errors.Is(err, unix.EROFS) {
		if r := d.readIdentity(fsys); r.State == Identified {
			r.State, r.Detail, r.File = Dead, "the file system has become read-only", File{Store: r.File.Store}
			return r
		}
	}
	return d.failed(err)
}

// failed turns an error of the file system into a state.
func (d DirState) failed(err error) DirState {
	d.Detail = err.Error()
	var busy *busyError
	switch {
	case errors.As(err, &busy):
		d.State, d.Detail = InUse, busy.who()
	case errors.Is(err, fs.ErrNotExist):
		d.State = Missing
	case errors.Is(err, unix.ENOTDIR):
		d.State = NotDirectory
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		d.State = NotUsable
	default:
		d.State = Dead
	}
	return d
}

// readIdentity sets State, Detail and File from what the directory holds.
func (d DirState) readIdentity(fsys dirfile.FS) DirState {
	d.File, d.Detail = File{}, ""
	_, body, err := dirfile.Read(fsys, d.Path, FileName, fileKind())
	if err == nil {
		d.File, err = Unmarshal(body)
	}
	switch {
	case err == nil:
		d.State = Identified
	case errors.Is(err, dirfile.ErrNewer):
		d.State, d.Detail = Newer, err.Error()
	case errors.Is(err, dirfile.ErrDamaged):
		d.State, d.Detail = Damaged, err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return d.readEntries()
	default:
		return d.failed(err)
	}
	return d
}

// readEntries tells an empty directory from one with foreign files, and from
// one of ours that has lost its identity file: that is damaged, as if the file
// did not verify. It may hold the only copy of something.
func (d DirState) readEntries() DirState {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return d.failed(err)
	}
	d.State = Empty
	for _, e := range entries {
		switch {
		case ours(e.Name()):
			d.State, d.Detail = Damaged, "it is gone, although the directory holds "+e.Name()
			return d
		case d.State == Empty && !ignorable(e):
			d.State, d.Detail = Foreign, e.Name()
		}
	}
	return d
}

// ours are the names of what a DIR holds beside its identity once it is used.
func ours(name string) bool { return name == "keys" || name == "store" || name == "raft" }

// ignorable are entries that a start leaves or a new file system has. A
// left-over of an unfinished first start is one of ours only by name and type.
func ignorable(e fs.DirEntry) bool {
	switch e.Name() {
	case "lost+found":
		return e.IsDir()
	case LockName, FileName + dirfile.TempSuffix, "keys" + dirfile.TempSuffix:
		return e.Type().IsRegular()
	}
	return false
}

// lock is the flock of a DIR.
type lock struct {
	// path is the DIR; dir holds it open, f its LOCK file.
	path   string
	dir, f *os.File
	// created: the LOCK file was not there before.
	created bool
}

type busyError struct{ pid string }

func (e *busyError) Error() string { return "locked by another process" + e.who() }

func (e *busyError) who() string {
	if e.pid == "" {
		return ""
	}
	return " (pid " + e.pid + ")"
}

// acquire takes the lock of a DIR, or fails with a busyError.
func acquire(dir string) (*lock, error) {
	path := filepath.Join(dir, LockName)
	for {
		_, statErr := os.Lstat(path)
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, &busyError{pid: readPid(f)}
			}
			return nil, fmt.Errorf("flock %s: %w", path, err)
		}
		// The file may have been removed between open and flock by a process
		// that did not want it: then this lock guards nothing.
		l := &lock{path: dir, f: f, created: errors.Is(statErr, fs.ErrNotExist)}
		if l.dir, err = os.Open(dir); err != nil {
			f.Close()
			return nil, err
		}
		if l.intact() == nil {
			return l, nil
		}
		l.release(false)
	}
}

// errMoved says that a DIR's path leads elsewhere now.
var errMoved = errors.New("it is not the directory any more that this process opened: it was removed or replaced under it")

// intact makes sure that the path still leads to the directory that was opened
// and to the LOCK file that is held. A process whose DIR was deleted and made
// anew under it must not write into the new one: that may be another store's.
func (l *lock) intact() error {
	if l == nil {
		return errors.New("it was given back")
	}
	if !same(l.dir, l.path) || !same(l.f, filepath.Join(l.path, LockName)) {
		return errMoved
	}
	return nil
}

func same(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Lstat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

func readPid(f *os.File) string {
	var b [20]byte
	n, _ := f.ReadAt(b[:], 0)
	pid := strings.TrimSpace(string(b[:n]))
	if strings.Trim(pid, "0123456789") != "" {
		return ""
	}
	return pid
}

// probe writes and syncs the pid: a device that fails is found before anything
// depends on it. A full disk is not a failed one.
func (l *lock) probe() error {
	_, err := l.f.WriteAt([]byte(fmt.Sprintf("%-12d\n", os.Getpid())), 0)
	if err == nil {
		err = l.f.Sync()
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	return err
}

// release gives the lock back. With remove, a LOCK file that was not there
// before goes again, so that a directory which was only looked at stays as it was.
func (l *lock) release(remove bool) {
	if remove && l.created {
		_ = os.Remove(l.f.Name())
	}
	_ = l.f.Close()
	_ = l.dir.Close()
}

package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Loop is an ext4 file system in a file, mounted through a loop device. Its
// power can be cut without a reboot.
type Loop struct {
	// File is the backing file, Mount the mount point.
	File, Mount string
	dev         string
}

// ext4Shutdown is EXT4_IOC_SHUTDOWN; flag 2 (NOLOGFLUSH) drops the journal's
// unwritten part: what a power cut does.
const (
	ext4Shutdown       = 0x8004587d
	shutdownNoLogFlush = 2
)

// CanMount says why loop mounts cannot be made here; empty if they can.
func CanMount() string {
	if os.Geteuid() != 0 {
		return "loop mounts need root"
	}
	for _, p := range []string{"mkfs.ext4", "losetup", "mount", "umount"} {
		if _, err := exec.LookPath(p); err != nil {
			return "loop mounts need " + p
		}
	}
	return ""
}

// NewLoop makes a file of the size in dir, with a file system, and mounts it.
func NewLoop(ctx context.Context, dir, name string, size int64) (*Loop, error) {
	return NewLoopAt(ctx, filepath.Join(dir, name+".img"), filepath.Join(dir, name), size)
}

// NewLoopAt is NewLoop with the backing file and the mount point named.
func NewLoopAt(ctx context.Context, file, mount string, size int64) (*Loop, error) {
	l := &Loop{File: file, Mount: mount}
	f, err := os.Create(l.File)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, err
	}
	if err := run(ctx, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,nodiscard", "-m", "0", l.File); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.Mount, 0o755); err != nil {
		return nil, err
	}
	return l, l.Remount(ctx)
}

// Remount attaches the backing file to a loop device and mounts it; the
// journal is replayed.
func (l *Loop) Remount(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", l.File).CombinedOutput()
	if err != nil {
		return fmt.Errorf("harness: losetup: %w: %s", err, out)
	}
	l.dev = strings.TrimSpace(string(out))
	if err := run(ctx, "mount", "-t", "ext4", l.dev, l.Mount); err != nil {
		// Nobody would detach the device of a file system that is not mounted.
		return errors.Join(err, run(ctx, "losetup", "-d", l.dev))
	}
	return nil
}

// PowerCut drops everything that was not synced. The mount answers only errors
// from then on; Unmount and Remount bring it back.
func (l *Loop) PowerCut() error {
	f, err := os.Open(l.Mount)
	if err != nil {
		return fmt.Errorf("harness: power cut: %w", err)
	}
	defer f.Close()
	flag := uint32(shutdownNoLogFlush)
	if err := ioctlUint32(int(f.Fd()), ext4Shutdown, &flag); err != nil {
		return fmt.Errorf("harness: power cut of %s: %w", l.Mount, err)
	}
	return nil
}

// TruncateBacking cuts the backing file to nothing and drops the page caches:
// the disk is gone under a running server.
func (l *Loop) TruncateBacking() error {
	if err := os.Truncate(l.File, 0); err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}

// Unmount takes the file system away. A server that still has files open there
// does not stop it (lazy).
func (l *Loop) Unmount(ctx context.Context) error {
	var err error
	for range 20 {
		if err = run(ctx, "umount", l.Mount); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		err = run(ctx, "umount", "-l", l.Mount)
	}
	if derr := run(ctx, "losetup", "-d", l.dev); err == nil {
		err = derr
	}
	return err
}

// Cut is PowerCut, Unmount, Remount: the machine lost power and came back.
func (l *Loop) Cut(ctx context.Context) error {
	if err := l.PowerCut(); err != nil {
		return err
	}
	if err := l.Unmount(ctx); err != nil {
		return err
	}
	return l.Remount(ctx)
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("harness: %s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func ioctlUint32(fd int, req uint, arg *uint32) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return errno
	}
	return nil
}

package clustersim

import (
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/objectd/vfs"
)

// Disk is one disk of the cluster.
type Disk struct {
	// Name is its path as a server would know it.
	Name string
	// ID is the store's on it, and Replaces the store in whose place it came.
	ID       chain.StoreID
	Replaces chain.StoreID

	// incarnation is raised when the store failed. The cluster's mu guards it.
	incarnation uint64
	mem         *vfs.Mem
	fault       *vfs.Fault
	picture     *vfs.Mem // what a power cut left
	out         bool     // pulled out
}

// plug connects the memory to the power and to the fault injector.
func (d *Disk) plug(m *vfs.Mem, power *power) {
	d.mem = m
	d.fault = vfs.NewFault(&powered{FS: m, power: power})
}

// FailAfter lets the i-th call from now on that changes the disk, and
// every one after it, fail with EIO: the disk dies under the running process.
func (d *Disk) FailAfter(i int) {
	d.fault.Fail(vfs.OpMutating, nil, i, true, vfs.ErrIO)
}

// FailOps is FailAfter for chosen calls: the i-th of the kinds for which match
// is true, with everything after it of these kinds if sticky.
func (d *Disk) FailOps(kinds vfs.OpKind, match func(vfs.Op) bool, i int, sticky bool) {
	d.fault.Fail(kinds, match, i, sticky, vfs.ErrIO)
}

// Hits is how many calls have failed.
func (d *Disk) Hits() int { return d.fault.Hits() }

// Fill leaves so many bytes of space; a negative number, as much as there ever was.
func (d *Disk) Fill(left int64) {
	capacity := int64(0)
	if left >= 0 {
		capacity = d.mem.Used() + left
	}
	d.mem.SetCapacity(capacity)
}

// power is the supply of all disks in one life of the process.
type power struct {
	// mu is held for reading by every call that changes a disk, so that a cut
	// comes between two calls.
	mu sync.RWMutex
	// left counts down the calls to a cut that is armed; then cut runs, once,
	// before that call.
	left atomic.Int64
	cut  func()
}

// powered is a file system on this power.
type powered struct {
	vfs.FS
	power *power
}

func (p *powered) on(call func() error) error {
	if p.power.left.Add(-1) == 0 {
		p.power.cut()
	}
	p.power.mu.RLock()
	defer p.power.mu.RUnlock()
	return call()
}

func (p *powered) file(name string, open func(string) (vfs.File, error)) (f vfs.File, err error) {
	err = p.on(func() error { f, err = open(name); return err })
	if err != nil {
		return nil, err
	}
	return &poweredFile{File: f, p: p}, nil
}

func (p *powered) Create(name string) (vfs.File, error) {
	return p.file(name, p.FS.Create)
}

func (p *powered) OpenRW(name string) (vfs.File, error) {
	return p.file(name, p.FS.OpenRW)
}

func (p *powered) Remove(name string) error {
	return p.on(func() error { return p.FS.Remove(name) })
}

func (p *powered) RemoveAll(name string) error {
	return p.on(func() error { return p.FS.RemoveAll(name) })
}

func (p *powered) Rename(oldName, newName string) error {
	return p.on(func() error { return p.FS.Rename(oldName, newName) })
}

func (p *powered) MkdirAll(dir string) error {
	return p.on(func() error { return p.FS.MkdirAll(dir) })
}

func (p *powered) SyncDir(dir string) error {
	return p.on(func() error { return p.FS.SyncDir(dir) })
}

type poweredFile struct {
	vfs.File
	p *powered
}

func (f *poweredFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.p.on(func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *poweredFile) Truncate(size int64) error {
	return f.p.on(func() error { return f.File.Truncate(size) })
}

func (f *poweredFile) Preallocate(size int64) error {
	return f.p.on(func() error { return f.File.Preallocate(size) })
}

func (f *poweredFile) PunchHole(off, n int64) error {
	return f.p.on(func() error { return f.File.PunchHole(off, n) })
}

func (f *poweredFile) Sync() error     { return f.p.on(f.File.Sync) }
func (f *poweredFile) SyncData() error { return f.p.on(f.File.SyncData) }

package vfs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Mem is a file system in memory that can crash. Directories that Create and
// MkdirAll need must exist as on a real one; the root does.
type Mem struct {
	mu    sync.Mutex
	root  *memNode
	locks map[string]bool
	// change numbers the changes of directory entries; the two halves of a
	// rename share one, because journaled file systems rename atomically.
	change uint64
	// capacity is the space in bytes; 0 is without bound. used is the length of all files.
	capacity, used int64
}

// NewMem makes an empty one.
func NewMem() *Mem {
	return &Mem{root: newMemDir(), locks: map[string]bool{}}
}

// SetCapacity bounds the space; writes beyond it fail with ENOSPC.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	m.capacity = bytes
	m.mu.Unlock()
}

// Used is the length of all files, in bytes.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// memNode is a file or a directory. Mem.mu guards the tree and every node.
type memNode struct {
	dir bool
	// children and synced are what a directory holds now and durably; changed
	// gives, for each name that differs, the number of the change.
	children, synced map[string]*memNode
	changed          map[string]uint64

	data []byte
	// before holds, for each block written since the last sync, what is durable of it.
	before     map[int64][]byte
	syncedSize int64
}

func newMemDir() *memNode {
	return &memNode{dir: true, children: map[string]*memNode{}, synced: map[string]*memNode{}, changed: map[string]uint64{}}
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func split(name string) []string {
	return slices.DeleteFunc(strings.Split(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/"), func(s string) bool { return s == "" })
}

// parent finds the directory that holds name and the last element of name.
func (m *Mem) parent(op, name string) (*memNode, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n := m.root
	for _, p := range parts[:len(parts)-1] {
		if n = n.children[p]; n == nil || !n.dir {
			return nil, "", notExist(op, name)
		}
	}
	return n, parts[len(parts)-1], nil
}

func (m *Mem) find(op, name string) (*memNode, error) {
	n := m.root
	for _, p := range split(name) {
		if !n.dir {
			return nil, notExist(op, name)
		}
		if n = n.children[p]; n == nil {
			return nil, notExist(op, name)
		}
	}
	return n, nil
}

func (m *Mem) set(dir *memNode, name string, n *memNode, change uint64) {
	if n == nil {
		delete(dir.children, name)
	} else {
		dir.children[name] = n
	}
	dir.changed[name] = change
}

func (m *Mem) next() uint64 { m.change++; return m.change }

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	if dir.children[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := &memNode{before: map[int64][]byte{}}
	m.set(dir, base, n, m.next())
	return &memFile{m: m, n: n, name: name, write: true}, nil
}

func (m *Mem) open(name string, write bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	return &memFile{m: m, n: n, name: name, write: write}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenRW implements FS.
func (m *Mem) OpenRW(name string) (File, error) { return m.open(name, true) }

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := dir.children[base]
	if n == nil {
		return notExist("remove", name)
	}
	if n.dir && len(n.children) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	m.used -= int64(len(n.data))
	m.set(dir, base, nil, m.next())
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil || dir.children[base] == nil {
		return nil
	}
	m.used -= dir.children[base].size()
	m.set(dir, base, nil, m.next())
	return nil
}

func (n *memNode) size() int64 {
	s := int64(len(n.data))
	for _, c := range n.children {
		s += c.size()
	}
	return s
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.parent("rename", oldName)
	if err != nil {
		return err
	}
	to, newBase, err := m.parent("rename", newName)
	if err != nil {
		return err
	}
	n := from.children[oldBase]
	if n == nil {
		return notExist("rename", oldName)
	}
	if old := to.children[newBase]; old != nil && old != n {
		m.used -= old.size()
	}
	change := m.next()
	m.set(from, oldBase, nil, change)
	m.set(to, newBase, n, change)
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: syscall.ENOTDIR}
	}
	return sortedKeys(n.children), nil
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, p := range split(dir) {
		c := n.children[p]
		if c == nil {
			c = newMemDir()
			m.set(n, p, c, m.next())
		}
		if !c.dir {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		n = c
	}
	return nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("stat", name)
	if err != nil {
		return Info{}, err
	}
	return Info{Name: path.Base(name), Size: int64(len(n.data)), Dir: n.dir, Device: 1}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("sync", dir)
	if err != nil {
		return err
	}
	for name := range n.changed {
		if c := n.children[name]; c == nil {
			delete(n.synced, name)
		} else {
			n.synced[name] = c
		}
	}
	clear(n.changed)
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (Lock, error) {
	f, err := m.OpenRW(name)
	if err != nil {
		if f, err = m.Create(name); err != nil {
			return nil, err
		}
	}
	f.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.Join(split(name), "/")
	if m.locks[key] {
		return nil, fmt.Errorf("%w: %s", ErrLocked, name)
	}
	n, err := m.find("lock", name)
	if err != nil {
		return nil, err
	}
	m.locks[key] = true
	return memLock{m, key, n}, nil
}

type memLock struct {
	m    *Mem
	key  string
	node *memNode
}

// Intact implements Lock.
func (l memLock) Intact() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	n, err := l.m.find("stat", l.key)
	if err != nil {
		return moved(l.key, err)
	}
	if n != l.node {
		return ErrMoved
	}
	return nil
}

// Close releases the lock.
func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.key)
	return nil
}

// Usage implements FS.
func (m *Mem) Usage(name string) (Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.find("statfs", name); err != nil {
		return Usage{}, err
	}
	if m.capacity == 0 {
		return Usage{Total: 1 << 40, Available: 1<<40 - uint64(m.used)}, nil
	}
	return Usage{Total: uint64(m.capacity), Available: uint64(max(0, m.capacity-m.used))}, nil
}

// CrashClone gives what a power cut at this moment may leave. Everything that
// was synced is there; every 4 KiB block, file length and directory entry that
// was not is kept with a probability of percent, lost otherwise, as the seed
// says. The original goes on unharmed; locks are not cloned.
func (m *Mem) CrashClone(percent int, seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &crash{percent: percent, rng: rand.New(rand.NewPCG(seed, 0x63726173)), done: map[*memNode]*memNode{}, choices: map[uint64]bool{}}
	root := c.node(m.root)
	out := NewMem()
	out.root, out.capacity, out.used = root, m.capacity, root.size()
	return out
}

type crash struct {
	percent int
	rng     *rand.Rand
	done    map[*memNode]*memNode
	choices map[uint64]bool
}

func (c *crash) keep() bool { return c.rng.IntN(100) < c.percent }

func (c *crash) kept(change uint64) bool {
	k, ok := c.choices[change]
	if !ok {
		k = c.keep()
		c.choices[change] = k
	}
	return k
}

func (c *crash) node(n *memNode) *memNode {
	if d := c.done[n]; d != nil {
		return d
	}
	if !n.dir {
		d := c.file(n)
		c.done[n] = d
		return d
	}
	d := newMemDir()
	c.done[n] = d
	names := map[string]bool{}
	for name := range n.children {
		names[name] = true
	}
	for name := range n.synced {
		names[name] = true
	}
	for _, name := range sortedKeys(names) {
		child := n.synced[name]
		if change, ok := n.changed[name]; ok && c.kept(change) {
			child = n.children[name]
		}
		if child != nil {
			d.children[name] = c.node(child)
			d.synced[name] = d.children[name]
		}
	}
	return d
}

func (c *crash) file(n *memNode) *memNode {
	blocks := make([]int64, 0, len(n.before))
	for b := range n.before {
		blocks = append(blocks, b)
	}
	slices.Sort(blocks)
	size := n.syncedSize
	if int64(len(n.data)) != size && c.keep() {
		size = int64(len(n.data))
	}
	data := make([]byte, max(size, int64(len(n.data)), n.syncedSize))
	copy(data, n.data)
	for _, b := range blocks {
		off := b * BlockSize
		if c.keep() {
			if end := min(off+BlockSize, int64(len(n.data))); off < end {
				size = max(size, end)
			}
			continue
		}
		clear(data[min(off, int64(len(data))):min(off+BlockSize, int64(len(data)))])
		if off < int64(len(data)) {
			copy(data[off:], n.before[b])
		}
	}
	return &memNode{data: data[:size:size], before: map[int64][]byte{}, syncedSize: size}
}

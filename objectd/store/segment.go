package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"catena/chain"
	"catena/objectd/vfs"
)

// segment is one file and what its present use is. The fields below mu's are
// set by whoever owns the segment at that time: Open, the writer (the active
// record segment) or maintenance (free ones).
type segment struct {
	slot uint32
	kind segKind
	inc  uint64
	file vfs.File
	// floor is the replay floor that the header tells.
	floor uint64
	// taken: a free segment that somebody is about to use. Its kind changes only
	// with its header, so that nobody takes it for an old one of the new kind.
	taken bool

	mu sync.Mutex // guards size, first and last, which Stats and the recycler read
	// size is the length of the file; a record segment that was replayed is
	// shorter than the others.
	size int64
	// first and last are the numbers of the records in a record segment; first
	// is 0 while there is none.
	first, last uint64

	// end is where the next batch goes; index has the places of some batches.
	end   int64
	index []indexEntry
	// marked: the replay found the end mark.
	marked bool
}

type indexEntry struct {
	off   int64
	first uint64
}

func (g *segment) length() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.size
}

func (g *segment) records() (first, last uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.first, g.last
}

// segments is the table of all segment files of a store.
type segments struct {
	fs    vfs.FS
	dir   string
	store chain.StoreID
	size  int64
	// alive gives an error once the store has failed: nothing is written then.
	alive func() error

	mu sync.RWMutex
	// bySlot has every file. Invariant: a segment's kind and inc change only
	// after the header that says so is durable, and only while nobody reads it.
	bySlot map[uint32]*segment
	// incarnation is the highest number ever seen; each use takes a higher one.
	incarnation uint64
}

func segName(slot uint32) string { return fmt.Sprintf("%08d.seg", slot) }

func parseSegName(name string) (uint32, bool) {
	base, ok := strings.CutSuffix(name, ".seg")
	if !ok || len(base) != 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(base, 10, 32)
	return uint32(n), err == nil && n <= math.MaxUint32
}

// load opens every segment file and reads its header. A file that holds no
// header at all is one whose creation a crash cut short, and is removed; one
// with bytes but no readable header is damage.
func (t *segments) load() error {
	names, err := t.fs.List(t.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		slot, ok := parseSegName(name)
		if !ok {
			continue
		}
		g, floorless, err := t.loadOne(slot)
		if err != nil {
			return err
		}
		if floorless {
			if err := t.fs.Remove(t.path(slot)); err != nil {
				return err
			}
			continue
		}
		t.bySlot[slot] = g
	}
	return nil
}

func (t *segments) path(slot uint32) string { return vfs.Join(t.dir, segName(slot)) }

func (t *segments) loadOne(slot uint32) (g *segment, blank bool, err error) {
	f, err := t.fs.OpenRW(t.path(slot))
	if err != nil {
		return nil, false, err
	}
	h, size, blank, err := t.readHeader(f, slot)
	if err != nil || blank {
		return nil, blank, errors.Join(err, f.Close())
	}
	t.incarnation = max(t.incarnation, h.incarnation)
	return &segment{slot: slot, kind: h.kind, inc: h.incarnation, floor: h.floor, file: f, size: size, end: headerBytes}, false, nil
}

// readHeader gives the newer of the two copies.
func (t *segments) readHeader(f vfs.File, slot uint32) (h *segHeader, size int64, blank bool, err error) {
	size, err = f.Size()
	if err != nil {
		return nil, 0, false, err
	}
	b := make([]byte, headerBytes)
	if n := min(size, headerBytes); n > 0 {
		if _, err := f.ReadAt(b[:n], 0); err != nil {
			return nil, 0, false, err
		}
	}
	for _, c := range [][]byte{b[:block], b[block:]} {
		d, err := decodeSegHeader(c, t.store)
		if err != nil {
			return nil, 0, false, err
		}
		if d != nil && (h == nil || d.incarnation > h.incarnation) {
			h = d
		}
	}
	if h == nil {
		if blank = !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }); blank {
			return nil, size, true, nil
		}
		return nil, 0, false, &Error{Kind: ErrDamaged, Op: "open", Detail: t.path(slot) + ": no readable header"}
	}
	if h.slot != slot || h.store != t.store || h.size != t.size {
		return nil, 0, false, &Error{Kind: ErrDamaged, Op: "open", Detail: t.path(slot) + ": the header is of another file"}
	}
	return h, size, false, nil
}

// writeHeader begins a new use of the segment, durably, before anything is
// written into it. The two copies are synced one after the other, so that a
// crash tears at most one.
func (t *segments) writeHeader(g *segment, kind segKind, floor uint64) error {
	t.mu.Lock()
	t.incarnation++
	h := segHeader{kind: kind, size: t.size, store: t.store, slot: g.slot, incarnation: t.incarnation, floor: floor}
	t.mu.Unlock()
	b := h.encode()
	for off := int64(0); off < headerBytes; off += block {
		if err := t.alive(); err != nil {
			return err
		}
		if _, err := g.file.WriteAt(b, off); err != nil {
			return err
		}
		if err := g.file.SyncData(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kind, g.inc, g.taken, g.end, g.first, g.last, g.index, g.floor = kind, h.incarnation, false, headerBytes, 0, 0, nil, floor
	return nil
}

// take gives a segment for a new use: a free file, else a new one. The error
// of a full disk is ErrFull.
func (t *segments) take(kind segKind, floor uint64) (*segment, error) {
	g := t.takeFree()
	if g == nil {
		var err error
		if g, err = t.create(); err != nil {
			return nil, err
		}
	}
	if err := t.writeHeader(g, kind, floor); err != nil {
		return nil, err
	}
	return g, nil
}

// takeFree marks a free segment as taken in memory, so that nobody else takes
// it. The lowest slot first, so that the same operations use the same files.
func (t *segments) takeFree() *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	var best *segment
	for _, g := range t.bySlot {
		if g.kind == segFree && !g.taken && g.size == t.size && (best == nil || g.slot < best.slot) {
			best = g
		}
	}
	if best != nil {
		best.taken = true
	}
	return best
}

// create makes and preallocates a file.
func (t *segments) create() (*segment, error) {
	t.mu.Lock()
	slot := uint32(1)
	for t.bySlot[slot] != nil {
		slot++
	}
	g := &segment{slot: slot, size: t.size}
	t.bySlot[slot] = g
	t.mu.Unlock()
	err := t.createFile(g)
	if err == nil {
		return g, nil
	}
	t.mu.Lock()
	delete(t.bySlot, slot)
	t.mu.Unlock()
	if vfs.IsNoSpace(err) {
		if rerr := t.fs.RemoveAll(t.path(slot)); rerr != nil {
			return nil, rerr
		}
		return nil, &Error{Kind: ErrFull, Op: "make segment", Err: err}
	}
	return nil, err
}

func (t *segments) createFile(g *segment) error {
	name := t.path(g.slot)
	f, err := t.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = t.fs.Remove(name); err == nil {
			f, err = t.fs.Create(name)
		}
	}
	if err != nil {
		return err
	}
	if err := f.Preallocate(t.size); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := t.fs.SyncDir(t.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	t.mu.Lock()
	g.file = f
	t.mu.Unlock()
	return nil
}

// free ends the use of a segment, durably. Files that are short, and those
// beyond keep free ones, are removed.
func (t *segments) free(g *segment, floor uint64, keep int) error {
	if err := t.writeHeader(g, segFree, floor); err != nil {
		return err
	}
	t.mu.Lock()
	n := 0
	for _, o := range t.bySlot {
		if o.kind == segFree && !o.taken {
			n++
		}
	}
	remove := n > keep || g.size != t.size
	if remove {
		delete(t.bySlot, g.slot)
	}
	t.mu.Unlock()
	if !remove {
		return nil
	}
	return errors.Join(g.file.Close(), t.fs.Remove(t.path(g.slot)))
}

// get gives the segment of one use, or nil if the file is used otherwise now.
func (t *segments) get(slot uint32, inc uint64) *segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if g := t.bySlot[slot]; g != nil && g.inc == inc {
		return g
	}
	return nil
}

// of lists the segments of a kind, oldest use first.
func (t *segments) of(kind segKind) []*segment {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*segment
	for _, g := range t.bySlot {
		if g.kind == kind {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *segment) int {
		if a.inc < b.inc {
			return -1
		}
		return 1
	})
	return out
}

func (t *segments) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, g := range t.bySlot {
		if g.file != nil {
			errs = append(errs, g.file.Close())
		}
	}
	return errors.Join(errs...)
}

// count gives the number of segments of each kind and the length of all files.
func (t *segments) count() (n map[segKind]int, bytes int64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n = map[segKind]int{}
	for _, g := range t.bySlot {
		n[g.kind]++
		bytes += g.length()
	}
	return n, bytes
}

// floor is the highest replay floor of any header.
func (t *segments) floor() (f uint64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, g := range t.bySlot {
		f = max(f, g.floor)
	}
	return f
}

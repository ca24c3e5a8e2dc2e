package store

import (
	"errors"
	"sync"

	"catena/objectd/vfs"
)

// space allocates extents of chunk segments. Within one use of a segment space
// is only ever handed out once after it was sealed; what was removed comes back
// with the whole segment, when nothing in it is live.
type space struct {
	s *Store

	mu   sync.Mutex
	segs map[uint32]*chunkSegment
	refs map[extentID]int
	// chunks are sealed, aside are put aside; bytes are those of both, of clones once.
	chunks, aside int
	bytes         int64
	// freeing are extents that nobody refers to, whose removal the rows do not
	// durably reflect yet, or that an older reader may still read.
	freeing []freedExtent
	used    bool
}

type extentID struct {
	slot uint32
	off  int64
}

type freedExtent struct {
	extent extent
	no     uint64 // the record of the removal
	gen    uint64 // the generation of readers that may still see it
}

// chunkSegment is one use of a segment as extent space.
type chunkSegment struct {
	g    *segment
	next int64
	// live counts reservations, sealed extents and extents in freeing.
	live int
	// dying: it is being freed; nothing is allocated here any more.
	dying bool
	// idle is the record number from which on it was seen without live extents.
	idle uint64
}

func newSpace(s *Store) *space {
	return &space{s: s, segs: map[uint32]*chunkSegment{}, refs: map[extentID]int{}}
}

// reserve takes the next aligned space in the fullest segment that has room.
func (sp *space) reserve(n uint32) (*segment, extent, error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.used = true
	need := align(int64(n))
	var best *chunkSegment
	for _, c := range sp.segs {
		if !c.dying && c.next+need <= sp.s.cfg.SegmentSize && c.g.length() == sp.s.cfg.SegmentSize &&
			(best == nil || c.next > best.next || c.next == best.next && c.g.slot < best.g.slot) {
			best = c
		}
	}
	if best == nil {
		g, err := sp.s.segs.take(segChunk, sp.s.rows.floor.Load())
		if err != nil {
			return nil, extent{}, err
		}
		best = &chunkSegment{g: g, next: headerBytes}
		sp.segs[g.slot] = best
		sp.s.maintenance.kick()
	}
	ext := extent{slot: best.g.slot, inc: best.g.inc, off: best.next, n: n}
	best.next += need
	best.live++
	return best.g, ext, nil
}

// release gives a reservation back. The last one handed out can be handed out
// again at once: nothing in it was sealed.
func (sp *space) release(e extent) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	c := sp.segs[e.slot]
	c.live--
	if c.next == e.off+align(int64(e.n)) {
		c.next = e.off
	}
	if c.live == 0 {
		sp.s.maintenance.kick()
	}
}

// sealed turns a reservation into a sealed extent.
func (sp *space) sealed(e extent) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.refs[extentID{e.slot, e.off}] = 1
	sp.chunks++
	sp.bytes += int64(e.n)
}

// ref counts another id for an extent.
func (sp *space) ref(e extent) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.refs[extentID{e.slot, e.off}]++
	sp.chunks++
}

// unref takes an id away; record no says so. With the last one the extent is
// freed as soon as that is safe.
func (sp *space) unref(e extent, no, gen uint64) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	id := extentID{e.slot, e.off}
	sp.chunks--
	if sp.refs[id]--; sp.refs[id] > 0 {
		return
	}
	delete(sp.refs, id)
	if c := sp.segs[e.slot]; c != nil && c.g.inc == e.inc {
		sp.bytes -= int64(e.n)
		sp.freeing = append(sp.freeing, freedExtent{extent: e, no: no, gen: gen})
	}
}

// putAside counts a chunk as put aside, takeBack the other way. Its extent is
// referred to as before.
func (sp *space) putAside() { sp.shift(1) }
func (sp *space) takeBack() { sp.shift(-1) }

func (sp *space) shift(n int) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.chunks -= n
	sp.aside += n
}

// adopt counts a sealed chunk that Open found. It reports false if its segment
// is not there.
func (sp *space) adopt(e extent) bool {
	sp.chunks++
	c := sp.segs[e.slot]
	if c == nil || c.g.inc != e.inc {
		return false
	}
	id := extentID{e.slot, e.off}
	if sp.refs[id]++; sp.refs[id] == 1 {
		c.live++
		c.next = max(c.next, e.off+align(int64(e.n)))
		sp.bytes += int64(e.n)
	}
	return true
}

// reclaim frees what is safe to free: extents whose removal the rows reflect
// durably (position is beyond the record), and that no reader can see. Their
// blocks go back to the file system at once where it can; segments without
// anything live are freed whole. full asks to do this also for those segments
// that would be written next.
func (sp *space) reclaim(position, completed uint64) error {
	for _, e := range sp.settled(position) {
		g := sp.s.segs.get(e.slot, e.inc)
		if g == nil {
			continue
		}
		if err := g.file.PunchHole(e.off, align(int64(e.n))); err != nil && !errors.Is(err, vfs.ErrUnsupported) {
			return sp.s.fail("punch hole", err)
		}
	}
	for _, g := range sp.dead(position, completed) {
		if err := sp.s.segs.free(g, sp.s.rows.floor.Load(), sp.s.log.supply.keepFree()); err != nil {
			return sp.s.fail("free chunk segment", err)
		}
		sp.s.log.supply.spaceFreed()
	}
	return nil
}

// settled takes the extents out of freeing that may be freed now, and gives
// those that are worth punching: in segments where others are live.
func (sp *space) settled(position uint64) []extent {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var out []extent
	keep := sp.freeing[:0]
	for _, f := range sp.freeing {
		if f.no >= position || !sp.s.pins.clear(f.gen) {
			keep = append(keep, f)
			continue
		}
		c := sp.segs[f.extent.slot]
		c.live--
		if f.extent.n >= sumBlock {
			out = append(out, f.extent)
		}
	}
	clear(sp.freeing[len(keep):])
	sp.freeing = keep
	live := out[:0]
	for _, e := range out {
		if sp.segs[e.slot].live > 0 {
			live = append(live, e)
		}
	}
	return live
}

// dead takes the segments out of the table in which nothing is live. One that
// was found empty is freed only after a flush that covers every record until
// then: the removals in it before the last restart are among them.
func (sp *space) dead(position, completed uint64) []*segment {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	var out []*segment
	for slot, c := range sp.segs {
		switch {
		case c.live > 0:
			c.idle = 0
		case c.idle == 0:
			c.idle = completed + 1
			fallthrough
		default:
			if c.idle <= position {
				c.dying = true
				delete(sp.segs, slot)
				out = append(out, c.g)
			}
		}
	}
	return out
}

// waiting reports whether anything waits for a flush to be freed.
func (sp *space) waiting() bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if len(sp.freeing) > 0 {
		return true
	}
	for _, c := range sp.segs {
		if c.live == 0 {
			return true
		}
	}
	return false
}

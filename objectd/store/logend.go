package store

import (
	"fmt"
	"slices"
)

// finish makes the end of the log final, before anything new is written. First
// the segments behind the end are freed, durably: records in them were never
// acknowledged, and must not come back. Then the segment in which the log ended
// gets its end mark, and is cut to it. What was replayed is synced with it.
func (rp *replayer) finish(log []*segment) error {
	if rp.end == nil {
		return nil
	}
	i := slices.Index(log, rp.end)
	for _, g := range log[i+1:] {
		if err := rp.s.segs.free(g, rp.s.segs.floor(), 2); err != nil {
			return err
		}
	}
	for _, g := range log[:i] {
		if g.first != 0 && g.last >= rp.from {
			if err := g.file.SyncData(); err != nil {
				return err
			}
		}
	}
	g := rp.end
	if g.first == 0 {
		// Nothing in it: the mark of the segment before ends the log.
		return rp.s.segs.free(g, rp.s.segs.floor(), 2)
	}
	if g.marked {
		return g.file.SyncData()
	}
	if err := rp.s.mark(g, rp.last()); err != nil {
		return err
	}
	if err := g.file.Truncate(g.end); err != nil {
		return err
	}
	g.size = g.end
	return g.file.Sync()
}

// judge says whether a batch that does not verify at off is the end of the log
// (a write that was never acknowledged) or damage: it is damage if any later
// batch says that more records than were read, or this segment's end mark, had
// been synced before it.
func (rp *replayer) judge(g *segment, off int64) error {
	later := rp.s.segs.of(segRecord)
	later = later[slices.Index(later, g):]
	for _, o := range later {
		at := int64(headerBytes)
		if o == g {
			at = off
		}
		synced, afterMark, err := evidence(o, at)
		if err != nil {
			return err
		}
		if synced > rp.last() {
			return damage(g, off, fmt.Sprintf("does not verify, but record %d behind it was synced", synced))
		}
		if afterMark && o != g {
			return damage(g, off, "the end mark is missing, but was synced")
		}
	}
	return nil
}

func damage(g *segment, off int64, why string) error {
	return &Error{Kind: ErrDamaged, Op: "replay", Detail: fmt.Sprintf("%s at %d: %s", segName(g.slot), off, why)}
}

// evidence looks at every block from off on for batch headers of this use of
// the segment, and gives the highest syncedTo and whether any is afterMark.
func evidence(g *segment, off int64) (synced uint64, afterMark bool, err error) {
	const step = 1 << 20
	for ; off < g.size; off += step {
		b, err := readBlocks(g, off, step)
		if err != nil {
			return 0, false, err
		}
		for i := 0; i < len(b); i += block {
			h, ok, err := getBatchHeader(b[i:], g.inc, off+int64(i))
			if err != nil {
				return 0, false, err
			}
			if ok && h.mark && h.first > 0 {
				synced = max(synced, h.first-1) // a mark is written when all before it is synced
			}
			if ok {
				synced, afterMark = max(synced, h.syncedTo), afterMark || h.afterMark
			}
		}
	}
	return synced, afterMark, nil
}

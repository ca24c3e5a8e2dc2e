package objectd

import (
	"fmt"
	"time"
)

// A disk may neither work nor fail: calls go in and do not come back. The chains
// on it would wait for ever, so after a while it counts as failed.

// begin and end are around every call that changes the disk, from where it is
// asked for to where it is known to be durable.
func (d *disk) begin() { d.begun.Add(1) }
func (d *disk) end()   { d.finished.Add(1) }

// stall counts for how many seconds calls have been under way without one that
// ended. It counts its own looks and not the clock's seconds: while the process
// is held up, or the machine sleeps, no disk is to blame.
type stall struct {
	finished int64
	looks    int
}

// look looks again, and gives the number of looks without progress.
func (s *stall) look(d *disk) int {
	finished := d.finished.Load()
	if finished != s.finished || d.begun.Load() == finished || d.st.Starving() {
		s.finished, s.looks = finished, 0
		return 0
	}
	s.looks++
	return s.looks
}

// watch gives up disks that do not answer. It goes on while the node stops, so
// that such a disk does not hold up the stop for ever.
func (n *Node) watch() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	stalls := map[*disk]*stall{}
	for {
		select {
		case <-n.stopped:
			return
		case <-t.C:
		}
		for _, d := range n.disks {
			if d.failed() != nil {
				continue
			}
			if stalls[d] == nil {
				stalls[d] = &stall{}
			}
			if looks := stalls[d].look(d); time.Duration(looks)*time.Second >= n.cfg.StallAfter {
				_ = d.st.Fail(fmt.Errorf("the disk has not answered a write for %d s", looks)) // it is told to OnFail
			}
		}
	}
}

package store

import "sync"

// gate holds writers of rows back while too many bytes wait to be flushed. It
// stands in place of Pebble's own stall, which does not end when Pebble is dead.
type gate struct {
	mu      sync.Mutex
	waiting int64 // bytes written since the last but one flush ended
	last    int64 // bytes written since the last flush ended
	limit   int64
	open    chan struct{} // closed while writers may go on
	stalled bool
}

func newGate(limit int64) *gate {
	g := &gate{limit: limit, open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) wrote(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last += n
	g.waiting += n
	if g.waiting > g.limit && !g.stalled {
		g.stalled, g.open = true, make(chan struct{})
	}
}

// flushed counts conservatively: what was written while the flush ran is still
// waiting.
func (g *gate) flushed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting, g.last = g.last, 0
	if g.stalled && g.waiting <= g.limit {
		g.stalled = false
		close(g.open)
	}
}

// wait blocks while the gate is shut; it gives up when failed is closed, or left.
func (g *gate) wait(failed, left <-chan struct{}) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return nil
	default:
	}
	select {
	case <-open:
		return nil
	case <-failed:
		return ErrFailed
	case <-left:
		return closedFull("apply rows")
	}
}

package master

import (
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/master/state"
)

// publisher turns the newest state into a map and hands it to the subscribers,
// the newest only: a subscriber that is slow skips some.
type publisher struct {
	newest func() *state.State
	wakeup chan struct{}
	// open: a leader of this process has applied everything that was committed
	// before it. A log that is still being replayed would publish old maps.
	open atomic.Bool
	cmap atomic.Pointer[chain.Map]
	// last is the state of which cmap was made.
	last atomic.Pointer[state.State]

	mu sync.Mutex
	// subs are the wake-ups of the subscribers, each with its own goroutine: one
	// that is slow, because its disk is, holds up nobody else.
	subs map[*chan struct{}]struct{}
}

func newPublisher(newest func() *state.State) *publisher {
	return &publisher{newest: newest, wakeup: make(chan struct{}, 1), subs: map[*chan struct{}]struct{}{}}
}

func (p *publisher) changed() { signal(p.wakeup) }

func (p *publisher) openNow() {
	p.open.Store(true)
	p.changed()
}

func (p *publisher) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-p.wakeup:
		}
		if p.open.Load() && p.renew() {
			p.mu.Lock()
			for c := range p.subs {
				signal(*c)
			}
			p.mu.Unlock()
		}
	}
}

// renew makes the map of the newest state, if it is newer.
func (p *publisher) renew() bool {
	st := p.newest()
	old := p.cmap.Load()
	if st == nil || st.Cluster.IsZero() || old != nil && st.Version <= old.Version {
		return false
	}
	p.last.Store(st)
	p.cmap.Store(st.Map())
	return true
}

// Map is the newest map published; nil before the first.
func (s *Server) Map() *chain.Map { return s.pub.cmap.Load() }

// Subscribe calls back with each newer map, the present one first, from one
// goroutine of its own; maps that a slow subscriber misses are left out. A call
// may still come while cancel returns.
func (s *Server) Subscribe(call func(*chain.Map)) (cancel func()) {
	p := s.pub
	wake, gone := make(chan struct{}, 1), make(chan struct{})
	signal(wake)
	p.mu.Lock()
	p.subs[&wake] = struct{}{}
	p.mu.Unlock()
	go func() {
		var told uint64
		for {
			select {
			case <-s.stopping:
				return
			case <-gone:
				return
			case <-wake:
			}
			if m := p.cmap.Load(); m != nil && m.Version > told {
				told = m.Version
				call(m)
			}
		}
	}()
	return sync.OnceFunc(func() {
		p.mu.Lock()
		delete(p.subs, &wake)
		p.mu.Unlock()
		close(gone)
	})
}

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

	mu   sync.Mutex
	next int
	subs map[int]*subscriber
}

type subscriber struct {
	call func(*chain.Map)
	told uint64
}

func newPublisher(newest func() *state.State) *publisher {
	return &publisher{newest: newest, wakeup: make(chan struct{}, 1), subs: map[int]*subscriber{}}
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
		if !p.open.Load() {
			continue
		}
		p.renew()
		p.tell()
	}
}

// renew makes the map of the newest state, if it is newer.
func (p *publisher) renew() {
	st := p.newest()
	old := p.cmap.Load()
	if st == nil || st.Cluster.IsZero() || old != nil && st.Version <= old.Version {
		return
	}
	p.cmap.Store(st.Map())
}

// tell calls the subscribers that lack the newest map, outside of the lock.
func (p *publisher) tell() {
	m := p.cmap.Load()
	if m == nil {
		return
	}
	p.mu.Lock()
	var due []*subscriber
	for i := range p.next {
		if s := p.subs[i]; s != nil && s.told < m.Version {
			s.told = m.Version
			due = append(due, s)
		}
	}
	p.mu.Unlock()
	for _, s := range due {
		s.call(m)
	}
}

// Map is the newest map published; nil before the first.
func (s *Server) Map() *chain.Map { return s.pub.cmap.Load() }

// Subscribe calls back with each newer map, the present one first, from one
// goroutine; maps that a slow subscriber misses are left out. A call may still
// come while cancel returns.
func (s *Server) Subscribe(call func(*chain.Map)) (cancel func()) {
	p := s.pub
	p.mu.Lock()
	id := p.next
	p.next++
	p.subs[id] = &subscriber{call: call}
	p.mu.Unlock()
	p.changed()
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subs, id)
	}
}

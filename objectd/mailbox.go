package objectd

import "sync"

// mailbox is an unbounded queue with one reader. It never blocks the sender:
// replicas send to each other in circles, so a bound here would be a deadlock.
// What bounds it are the machines' in-flight windows.
type mailbox struct {
	mu     sync.Mutex
	items  []any
	closed bool
	// wake holds at most one token: "look again".
	wake chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post adds an item; false if the mailbox is closed and the item is dropped.
func (m *mailbox) post(item any) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.items = append(m.items, item)
	first := len(m.items) == 1
	m.mu.Unlock()
	if first {
		m.signal()
	}
	return true
}

// take waits for items and returns all of them, reusing buf; nil once closed
// and empty.
func (m *mailbox) take(buf []any) []any {
	for {
		m.mu.Lock()
		if len(m.items) > 0 {
			got := m.items
			m.items = buf[:0]
			m.mu.Unlock()
			return got
		}
		closed := m.closed
		m.mu.Unlock()
		if closed {
			return nil
		}
		<-m.wake
	}
}

// close refuses further items. What is queued is still taken.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

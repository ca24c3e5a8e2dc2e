package store

import (
	"sync"
	"time"

	"catena/chain"
)

// Append queues records. done is called once, when all of them are durable
// (nil) or the store failed, from a goroutine of the store: it must not block,
// and may call Append. It may be called before Append returns, and at once if
// the store is closed. The dones of one replica are called in the order of Append.
func (s *Store) Append(done func(error), recs ...Record) {
	s.append(item{recs: recs, done: done})
}

func (s *Store) append(it item) {
	for i := range it.recs {
		if it.err = s.admit(&it.recs[i]); it.err != nil {
			for j := range it.recs[:i] {
				s.withdraw(&it.recs[j])
			}
			break
		}
	}
	s.log.put(it)
}

// item is what one call of Append queues.
type item struct {
	recs []Record
	done func(error)
	// err refuses the item; its done is still called in order.
	err error
	// seals are the chunk segments to sync before the records may be written.
	seals []*segment
	// alone: the records are made only when everything before them is durable.
	alone bool
}

// queue hands items to a goroutine, in order.
type queue struct {
	mu     sync.Mutex
	ready  *sync.Cond
	items  []item
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.ready = sync.NewCond(&q.mu)
	return q
}

// put reports false when the queue is closed.
func (q *queue) put(it ...item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.items = append(q.items, it...)
	q.ready.Signal()
	return true
}

// take waits for items and gives all of them; spare is used for the next ones.
// ok is false when the queue is closed and empty.
func (q *queue) take(spare []item) (items []item, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.ready.Wait()
	}
	items, q.items = q.items, spare[:0]
	return items, len(items) > 0
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ready.Broadcast()
}

// appendAlone has the writer make and write records when everything before
// them is durable and settled, and waits.
func (l *logWriter) appendAlone(recs []Record) error {
	done := make(chan error, 1)
	if !l.ready.put(item{recs: recs, alone: true, done: func(err error) { done <- err }}) {
		return &Error{Kind: ErrClosed, Op: "recycle"}
	}
	// A writer that waits for space cannot write them; the next round tries again.
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-l.s.failure.done:
			return l.s.Failed()
		case <-poll.C:
			if l.supply.starving.Load() {
				return &Error{Kind: ErrFull, Op: "recycle"}
			}
		}
	}
}

// admit checks a record and notes in its replica that it is queued.
func (s *Store) admit(r *Record) error {
	if err := s.usable(); err != nil {
		return err
	}
	if n := r.size(); n > s.cfg.SegmentSize-headerBytes-markReserve-block {
		return &Error{Kind: ErrInvalid, Op: "append", Key: r.key, Detail: "the record is longer than a segment"}
	}
	switch r.kind {
	case recCreate:
		return s.admitCreate(r)
	case recForget:
		return nil // also of a replica that was dropped
	}
	rep, err := s.replica("append", r.key, r.chain)
	if err != nil {
		return err
	}
	r.rep = rep
	rep.mu.Lock()
	defer rep.mu.Unlock()
	switch r.kind {
	case recEntry:
		rep.queued++
	case recRemove, recAside:
		for _, id := range r.ids {
			rep.removing[id]++
		}
	case recDrop:
		rep.dropped = true
		rep.changed.Broadcast()
	}
	return nil
}

func (s *Store) admitCreate(r *Record) error {
	if r.chain != chain.KindIndex && r.chain != chain.KindData {
		return &Error{Kind: ErrInvalid, Op: "create replica", Key: r.key, Detail: r.chain.String()}
	}
	s.replicasMu.Lock()
	defer s.replicasMu.Unlock()
	if s.replicas[r.key] != nil {
		return &Error{Kind: ErrInvalid, Op: "create replica", Key: r.key, Detail: "it exists"}
	}
	r.rep = newReplica(r.key, r.chain)
	s.replicas[r.key] = r.rep
	return nil
}

// withdraw undoes admit for a record that is not written.
func (s *Store) withdraw(r *Record) {
	if r.rep == nil {
		return
	}
	r.rep.mu.Lock()
	defer r.rep.mu.Unlock()
	switch r.kind {
	case recEntry:
		r.rep.queued--
	case recRemove, recAside:
		r.rep.unremove(r.ids)
	case recDrop:
		r.rep.dropped = false
	case recCreate:
		r.rep.dropped = true
		s.replicasMu.Lock()
		delete(s.replicas, r.key)
		s.replicasMu.Unlock()
	}
}

func (r *replica) unremove(ids []chain.ChunkID) {
	for _, id := range ids {
		if r.removing[id]--; r.removing[id] <= 0 {
			delete(r.removing, id)
		}
	}
}

package store

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"catena/chain"
	"catena/chain/index"
)

// replica is what the store keeps in memory of one replica. Its log side
// (pending, applied, state) changes in log order, by the writer when a batch is
// durable and by the replay in the same way.
type replica struct {
	key  Key
	kind chain.Kind

	// firstPending is the number of pending's first record, 0 for none; read
	// without mu to compute the replay position.
	firstPending atomic.Uint64

	mu sync.Mutex
	// changed is signalled when entries became pending, or the store failed.
	changed *sync.Cond
	// queued counts entries that were appended and are not durable yet.
	queued int
	// pending are the durable entries above applied, in order. Invariant: seqs
	// grow by one; a record of these is never freed and pins the replay.
	pending []pendingEntry
	applied index.Applied
	state   []byte
	// dropped: its drop is queued. gone: that is settled; only whoever settles
	// looks at it.
	dropped, gone bool
	// image is the incarnation of the segment that holds the newest create or
	// image record; imageSeq is the position that it tells.
	image    uint64
	imageSeq uint64

	// open are the reserved chunks, by id; removing counts queued removals.
	open     map[chain.ChunkID]*openChunk
	removing map[chain.ChunkID]int

	// retained are entries at or below applied that the replay met.
	retained []pendingEntry
	// reflected is the newest derived record that the rows had at Open.
	reflected uint64
}

type pendingEntry struct {
	no    uint64
	at    place
	entry *index.Entry
}

func newReplica(k Key, kind chain.Kind) *replica {
	r := &replica{key: k, kind: kind, open: map[chain.ChunkID]*openChunk{}, removing: map[chain.ChunkID]int{}}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// push takes a durable entry. One of a seq that is there already replaces it
// and what is behind it. mu is held.
func (r *replica) push(p pendingEntry) {
	r.cut(p.entry.Seq - 1)
	r.pending = append(r.pending, p)
	r.setFirst()
}

// cut forgets the pending entries above seq. mu is held.
func (r *replica) cut(seq uint64) {
	for n := len(r.pending); n > 0 && r.pending[n-1].entry.Seq > seq; n-- {
		r.pending[n-1] = pendingEntry{}
		r.pending = r.pending[:n-1]
	}
	r.setFirst()
}

// pop forgets the pending entries up to seq. mu is held.
func (r *replica) pop(seq uint64) {
	n := 0
	for n < len(r.pending) && r.pending[n].entry.Seq <= seq {
		r.pending[n] = pendingEntry{}
		n++
	}
	r.pending = r.pending[n:]
	if len(r.pending) == 0 {
		r.pending = nil
	}
	r.setFirst()
}

func (r *replica) setFirst() {
	var first uint64
	if len(r.pending) > 0 {
		first = r.pending[0].no
	}
	r.firstPending.Store(first)
}

// find gives the pending entry of a position. mu is held.
func (r *replica) find(e *index.Entry) (pendingEntry, bool) {
	i := sort.Search(len(r.pending), func(i int) bool { return r.pending[i].entry.Seq >= e.Seq })
	if i == len(r.pending) {
		return pendingEntry{}, false
	}
	p := r.pending[i]
	return p, p.entry == e || same(p.entry, e)
}

// same compares content, not only the position: until a truncation that is
// queued is durable, an entry that it voids may stand in the place of a new one.
func same(a, b *index.Entry) bool {
	return a.Epoch == b.Epoch && a.Seq == b.Seq && a.Rev == b.Rev && a.Time == b.Time && a.OpID == b.OpID &&
		bytes.Equal(a.Body, b.Body) && bytes.Equal(a.Payload, b.Payload)
}

// durable waits until an entry that was appended is durable, and says where it
// stands.
func (s *Store) durable(r *replica, e *index.Entry) (pendingEntry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if s.failure.ended.Load() {
			return pendingEntry{}, s.Failed()
		}
		if r.dropped {
			return pendingEntry{}, &Error{Kind: ErrGone, Op: "apply", Key: r.key}
		}
		if p, ok := r.find(e); ok {
			return p, nil
		}
		if s.log.dropped.Load() {
			return pendingEntry{}, closedFull("apply")
		}
		if r.queued == 0 {
			return pendingEntry{}, &Error{Kind: ErrInvalid, Op: "apply", Key: r.key, Detail: "the entry is not in the log, or was applied"}
		}
		r.changed.Wait()
	}
}

func (s *Store) replica(op string, k Key, kind chain.Kind) (*replica, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	s.replicasMu.RLock()
	r := s.replicas[k]
	s.replicasMu.RUnlock()
	if r == nil || r.kind != kind {
		return nil, &Error{Kind: ErrGone, Op: op, Key: k}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped {
		return nil, &Error{Kind: ErrGone, Op: op, Key: k}
	}
	return r, nil
}

// wakeAll lets everybody who waits for an entry see that the log has ended.
func (s *Store) wakeAll() {
	for _, r := range s.replicaList() {
		r.mu.Lock()
		r.changed.Broadcast()
		r.mu.Unlock()
	}
}

// replicaList is in the order of keys. Never take replicasMu while a replica's
// lock is wanted: settle takes it with one held.
func (s *Store) replicaList() []*replica {
	s.replicasMu.RLock()
	defer s.replicasMu.RUnlock()
	out := make([]*replica, 0, len(s.replicas))
	for _, r := range s.replicas {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *replica) int {
		if c := cmp.Compare(a.key.Chain, b.key.Chain); c != 0 {
			return c
		}
		return cmp.Compare(a.key.Incarnation, b.key.Incarnation)
	})
	return out
}

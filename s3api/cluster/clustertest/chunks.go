package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/cluster"
)

// Step is a step of a chunk's life at which a fault may be put in.
type Step uint8

// The steps.
const (
	StepCreate Step = iota + 1
	StepWrite
	StepSeal // an error leaves the chunk sealed or not: the fault says so
	StepRead
	StepClone
)

// Fault decides about a step on a chain; nil lets it pass. Sealed says, for an
// error at StepSeal, that the chunk was sealed all the same.
type Fault func(s Step, on chain.ChainID, h data.Header) (err error, sealed bool)

type chunkStore struct {
	mu     sync.Mutex
	chains int
	next   int
	chunks map[chain.ChunkID]*storedChunk
	used   map[chain.ChunkID]bool
	fault  Fault
	// Written counts bytes that were written, clones aside.
	written int64
	open    int
}

type storedChunk struct {
	chain  chain.ChainID
	header data.Header
	bytes  []byte
}

var _ cluster.Chunks = (*Memory)(nil)

func (s *chunkStore) init(chains int) {
	s.chains, s.chunks, s.used = chains, map[chain.ChunkID]*storedChunk{}, map[chain.ChunkID]bool{}
}

// SetFault sets the hook for chunks.
func (m *Memory) SetFault(f Fault) {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	m.chunks.fault = f
}

func (s *chunkStore) check(step Step, on chain.ChainID, h data.Header) (err error, sealed bool) {
	s.mu.Lock()
	f := s.fault
	s.mu.Unlock()
	if f == nil {
		return nil, false
	}
	return f(step, on, h)
}

// claim notes that an id is used, and panics if it was before: that is what the
// whole design of removal rests on.
func (s *chunkStore) claim(id chain.ChunkID) {
	if s.used[id] {
		panic(fmt.Sprintf("clustertest: chunk id %s is used twice", id))
	}
	s.used[id] = true
}

// Create implements cluster.Chunks.
func (m *Memory) Create(ctx context.Context, h data.Header, avoid []chain.ChainID) (cluster.ChunkWriter, error) {
	s := &m.chunks
	if h.Size == 0 || h.Size > chain.MaxChunk || h.Bucket.IsZero() || h.Key == "" || h.Stamp == 0 {
		return nil, &chain.Refusal{Kind: chain.RefusedInvalid, Detail: fmt.Sprintf("%+v", h)}
	}
	s.mu.Lock()
	s.claim(h.ID)
	var on chain.ChainID
	for range s.chains {
		s.next++
		on = chain.ChainID(s.next%s.chains + 1)
		if !slices.Contains(avoid, on) {
			break
		}
	}
	s.mu.Unlock()
	if err, _ := s.check(StepCreate, on, h); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.open++
	s.mu.Unlock()
	return &chunkWriter{s: s, c: &storedChunk{chain: on, header: h}}, nil
}

type chunkWriter struct {
	s      *chunkStore
	c      *storedChunk
	closed bool
}

func (w *chunkWriter) Chain() chain.ChainID { return w.c.chain }

func (w *chunkWriter) Write(ctx context.Context, p []byte) error {
	if err, _ := w.s.check(StepWrite, w.c.chain, w.c.header); err != nil {
		return err
	}
	if len(p) == 0 || len(p) > chain.MaxFrame || len(w.c.bytes)+len(p) > int(w.c.header.Size) {
		return &chain.Refusal{Kind: chain.RefusedInvalid, Detail: "frame"}
	}
	w.c.bytes = append(w.c.bytes, p...)
	return ctx.Err()
}

func (w *chunkWriter) Seal(ctx context.Context) (tablet.Extent, error) {
	err, sealed := w.s.check(StepSeal, w.c.chain, w.c.header)
	if err != nil && !sealed {
		return tablet.Extent{}, err
	}
	if len(w.c.bytes) != int(w.c.header.Size) {
		return tablet.Extent{}, &chain.Refusal{Kind: chain.RefusedInvalid, Detail: "size"}
	}
	w.s.mu.Lock()
	w.s.chunks[w.c.header.ID] = w.c
	w.s.written += int64(len(w.c.bytes))
	w.s.mu.Unlock()
	w.close()
	if err != nil {
		return tablet.Extent{}, err
	}
	return tablet.Extent{Chain: w.c.chain, Chunk: w.c.header.ID, Length: w.c.header.Size}, ctx.Err()
}

func (w *chunkWriter) close() {
	if !w.closed {
		w.closed = true
		w.s.mu.Lock()
		w.s.open--
		w.s.mu.Unlock()
	}
}

func (w *chunkWriter) Abort() { w.close() }

func gone(id chain.ChunkID) error {
	return &chain.Refusal{Kind: chain.RefusedGone, Detail: id.String()}
}

// Read implements cluster.Chunks.
func (m *Memory) Read(ctx context.Context, e tablet.Extent, off, n uint32) ([]byte, error) {
	s := &m.chunks
	if err, _ := s.check(StepRead, e.Chain, data.Header{ID: e.Chunk}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chunks[e.Chunk]
	if c == nil {
		return nil, gone(e.Chunk)
	}
	if c.chain != e.Chain || uint64(off)+uint64(n) > uint64(e.Length) || uint64(e.Offset)+uint64(e.Length) > uint64(len(c.bytes)) {
		return nil, &chain.Refusal{Kind: chain.RefusedInvalid, Detail: "range"}
	}
	return bytes.Clone(c.bytes[e.Offset+off : e.Offset+off+n]), ctx.Err()
}

// Clone implements cluster.Chunks.
func (m *Memory) Clone(ctx context.Context, e tablet.Extent, h data.Header) (tablet.Extent, error) {
	s := &m.chunks
	s.mu.Lock()
	s.claim(h.ID)
	s.mu.Unlock()
	if err, _ := s.check(StepClone, e.Chain, h); err != nil {
		return tablet.Extent{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chunks[e.Chunk]
	if c == nil {
		return tablet.Extent{}, gone(e.Chunk)
	}
	if c.chain != e.Chain || h.Size != e.Length || uint64(e.Offset)+uint64(e.Length) > uint64(len(c.bytes)) || h.Stamp == 0 {
		return tablet.Extent{}, &chain.Refusal{Kind: chain.RefusedInvalid, Detail: "clone"}
	}
	s.chunks[h.ID] = &storedChunk{chain: e.Chain, header: h, bytes: c.bytes[e.Offset : e.Offset+e.Length]}
	return tablet.Extent{Chain: e.Chain, Chunk: h.ID, Length: h.Size}, ctx.Err()
}

// Discard implements cluster.Chunks.
func (m *Memory) Discard(_ context.Context, es []tablet.Extent) {
	for _, e := range es {
		m.RemoveChunk(e.Chunk)
	}
}

// Remove drops chunks of a chain, as a worker does.
func (m *Memory) Remove(_ context.Context, _ chain.ChainID, ids []chain.ChunkID) error {
	for _, id := range ids {
		m.RemoveChunk(id)
	}
	return nil
}

// RemoveChunk makes a chunk vanish.
func (m *Memory) RemoveChunk(id chain.ChunkID) {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	delete(m.chunks.chunks, id)
}

// ChunkIDs lists the chunks that are there, in order.
func (m *Memory) ChunkIDs() (ids []chain.ChunkID) {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	for id := range m.chunks.chunks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, chain.ChunkID.Compare)
	return ids
}

// Header gives a chunk's header.
func (m *Memory) Header(id chain.ChunkID) data.Header {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	return m.chunks.chunks[id].header
}

// Written is how many bytes were written to chunks, clones aside.
func (m *Memory) Written() int64 {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	return m.chunks.written
}

// Open is how many chunks are open now.
func (m *Memory) Open() int {
	m.chunks.mu.Lock()
	defer m.chunks.mu.Unlock()
	return m.chunks.open
}

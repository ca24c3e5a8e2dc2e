package chaintest

import (
	"bytes"
	"errors"
	"slices"

	"catena/chain"
	"catena/chain/data"
)

// dataClient writes, clones and removes chunks, one thing at a time, as a
// gateway or a removal worker does, and sometimes as a bad one.
type dataClient struct {
	sim *dataSim
	n   int
	cfg chain.Config
	// late is raised when the present action was given up.
	late uint64
}

// next begins another action after a pause.
func (c *dataClient) next() {
	if c.sim.quiet {
		return
	}
	c.late++
	w := c.sim.w
	if w.Chance(0.3) || len(c.cfg.Serving) == 0 {
		c.cfg = c.sim.master.Config
	}
	at := c.late
	w.After(700*chain.Millisecond, func() {
		if c.late == at {
			c.again(nil)
		}
	})
	switch p := w.Rand.Float64(); {
	case p < 0.70:
		c.put()
	case p < 0.85:
		c.clone()
	default:
		c.remove()
	}
}

// again learns from a refusal and goes on.
func (c *dataClient) again(err error) {
	var ref *chain.Refusal
	if errors.As(err, &ref) && c.cfg.Epoch.Less(ref.Newest.Epoch) {
		c.cfg = ref.Newest
	}
	c.late++
	c.sim.w.After(c.sim.w.Between(0, 15*chain.Millisecond), c.next)
}

// head is where the client believes the head to be; sometimes it asks another.
func (c *dataClient) head() *dataNode {
	if c.sim.w.Chance(0.01) {
		return c.sim.nodes[c.sim.w.Rand.IntN(len(c.sim.nodes))]
	}
	return c.sim.nodes[NodeOf(c.cfg.Head())-1]
}

func (s *dataSim) newChunk() *dataChunk {
	var id chain.ChunkID
	n := len(s.ids) + 1
	// Ids are random, so that new ones fall before and behind a scan.
	id.Blob = chain.BlobID{byte(s.w.Rand.IntN(256)), byte(n), byte(n >> 8), 1}
	id.Ordinal = uint32(s.w.Rand.IntN(3))
	c := &dataChunk{id: id}
	s.chunks[id] = c
	s.ids = append(s.ids, id)
	return c
}

// reusable is an id that was tried and not answered: callers never use one
// again, but if one did, nothing wrong may be acknowledged.
func (s *dataSim) reusable() *dataChunk {
	id := s.ids[s.w.Rand.IntN(len(s.ids))]
	if c := s.chunks[id]; c.acked == nil && !c.removing {
		return c
	}
	return nil
}

// dataPut is one attempt to write a chunk.
type dataPut struct {
	client *dataClient
	at     uint64
	node   *dataNode
	chunk  *dataChunk
	bytes  []byte
	sent   int
	piece  int
}

func (c *dataClient) put() {
	s := c.sim
	var chunk *dataChunk
	if len(s.ids) > 0 && s.w.Chance(0.03) {
		chunk = s.reusable()
	}
	if chunk == nil {
		chunk = s.newChunk()
	}
	size := int(s.w.Between(1, 400))
	switch p := s.w.Rand.Float64(); {
	case p < 0.01:
		size = int(s.w.Between(60_000, 140_000))
	case p < 0.1:
		size = int(s.w.Between(400, 4000))
	}
	b := pattern(chunk.id, len(chunk.tries), size)
	chunk.tries = append(chunk.tries, b)
	p := &dataPut{client: c, at: c.late, node: c.head(), chunk: chunk, bytes: b, piece: max(1, size/int(s.w.Between(1, 6)))}
	hdr := data.Header{ID: chunk.id, Bucket: chain.BucketID{1}, Key: "k", Stamp: int64(len(chunk.tries)), Size: uint32(size)}
	epoch := c.cfg.Epoch
	eager := s.w.Chance(0.3)
	s.call(p.node, &dataCall{what: "open", chunk: chunk, answer: func(err error) {
		if !eager || err != nil {
			p.step(err, p.frame)
		}
	}}, func(id uint64) data.Event { return data.Open{ID: id, Epoch: epoch, Header: hdr} })
	if eager {
		s.w.After(s.w.Between(0, 3*chain.Millisecond), func() { p.step(nil, p.frame) })
	}
}

// step goes on unless the attempt failed or was given up.
func (p *dataPut) step(err error, on func()) {
	if p.client.late != p.at {
		return
	}
	if err != nil {
		p.client.again(err)
		return
	}
	on()
}

func (p *dataPut) frame() {
	s := p.client.sim
	if p.sent == len(p.bytes) {
		p.seal()
		return
	}
	if s.w.Chance(0.01) {
		p.giveUp()
		return
	}
	end := min(p.sent+p.piece, len(p.bytes), p.sent+chain.MaxFrame)
	at, b := uint32(p.sent), p.bytes[p.sent:end]
	p.sent = end
	s.call(p.node, &dataCall{what: "frame", chunk: p.chunk, answer: func(err error) { p.step(err, p.frame) }},
		func(id uint64) data.Event {
			return data.Frame{ID: id, Chunk: p.chunk.id, Offset: at, Bytes: b}
		})
}

// giveUp goes away in the middle, with or without a word.
func (p *dataPut) giveUp() {
	s := p.client.sim
	if s.w.Chance(0.5) {
		s.net.Carry(0, p.node.n, func() { p.node.step(data.Abort{Chunk: p.chunk.id}) })
	}
	p.client.again(nil)
}

func (p *dataPut) seal() {
	s := p.client.sim
	sums := dataSums(p.bytes)
	content := p.bytes
	if s.w.Chance(0.02) {
		// A caller whose sums are wrong must never hear that all is well.
		sums[0]++
		content = []byte("never")
	}
	s.call(p.node, &dataCall{what: "seal", chunk: p.chunk, content: content, answer: func(err error) {
		if p.client.late == p.at {
			p.client.again(err)
		}
	}}, func(id uint64) data.Event { return data.Seal{ID: id, Chunk: p.chunk.id, Sums: sums} })
}

// someAcked draws a chunk that was acknowledged and that nobody removes.
func (s *dataSim) someAcked() *dataChunk {
	for range 8 {
		if len(s.ids) == 0 {
			return nil
		}
		c := s.chunks[s.ids[s.w.Rand.IntN(len(s.ids))]]
		if c.acked != nil && !c.removing {
			return c
		}
	}
	return nil
}

func (c *dataClient) clone() {
	s := c.sim
	old := s.someAcked()
	if old == nil {
		c.again(nil)
		return
	}
	at := c.late
	from := int(s.w.Between(0, int64(len(old.acked)-1)))
	size := int(s.w.Between(1, int64(len(old.acked)-from)))
	chunk := s.newChunk()
	b := bytes.Clone(old.acked[from : from+size])
	chunk.tries = append(chunk.tries, b)
	hdr := data.Header{ID: chunk.id, Bucket: chain.BucketID{2}, Key: "c", Size: uint32(size)}
	epoch := c.cfg.Epoch
	s.call(c.head(), &dataCall{what: "clone", chunk: chunk, content: b, answer: func(err error) {
		var ref *chain.Refusal
		if errors.As(err, &ref) && ref.Kind == chain.RefusedGone && !old.removing {
			s.w.Fail("a clone is refused as gone, and its source %s is not", old.id)
		}
		if c.late == at {
			c.again(err)
		}
	}}, func(id uint64) data.Event {
		return data.Clone{ID: id, Epoch: epoch, Header: hdr, Old: old.id, Offset: uint32(from)}
	})
}

func (c *dataClient) remove() {
	s := c.sim
	var ids []chain.ChunkID
	for range s.w.Between(1, 3) {
		chunk := s.someAcked()
		if chunk != nil && s.w.Chance(0.1) {
			// Also ids that may still be on their way.
			chunk = s.chunks[s.ids[s.w.Rand.IntN(len(s.ids))]]
		}
		if chunk != nil && !slices.Contains(ids, chunk.id) && chunk.acked != nil {
			chunk.removing = true
			ids = append(ids, chunk.id)
		}
	}
	if len(ids) == 0 {
		c.again(nil)
		return
	}
	c.tryRemove(ids, c.late, 0)
}

// tryRemove repeats until it is acknowledged, as a worker does.
func (c *dataClient) tryRemove(ids []chain.ChunkID, at uint64, n int) {
	s := c.sim
	retry := func(err error) {
		if c.late != at {
			return
		}
		if n >= 3 {
			c.again(err)
			return
		}
		var ref *chain.Refusal
		if errors.As(err, &ref) && c.cfg.Epoch.Less(ref.Newest.Epoch) {
			c.cfg = ref.Newest
		}
		s.w.After(s.w.Between(1, 20*chain.Millisecond), func() { c.tryRemove(ids, at, n+1) })
	}
	s.call(c.head(), &dataCall{what: "remove", remove: ids, answer: func(err error) {
		if err != nil {
			retry(err)
		} else if c.late == at {
			c.again(nil)
		}
	}}, func(id uint64) data.Event { return data.Remove{ID: id, Chunks: ids} })
}

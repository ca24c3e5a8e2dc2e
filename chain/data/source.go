package data

import (
	"maps"
	"slices"

	"catena/chain"
)

// A replica's answers to neighbours that copy from it. Only a Serving replica
// of the newest epoch answers: what it does not have is gone.
type source struct {
	lists map[uint64]listing
	reads map[uint64]reading
}

type listing struct {
	to  *link
	req uint64
	// pending is taken when the list is read: it says nothing of these chunks.
	pending []chain.ChunkID
}

type reading struct {
	to    *link
	req   uint64
	chunk chain.ChunkID
	from  uint32
}

func (s *source) forget() {
	clear(s.lists)
	clear(s.reads)
}

// forgetPeer drops the questions of a neighbour's earlier start: their numbers
// may come again.
func (s *source) forgetPeer(l *link) {
	maps.DeleteFunc(s.lists, func(_ uint64, q listing) bool { return q.to == l })
	maps.DeleteFunc(s.reads, func(_ uint64, q reading) bool { return q.to == l })
}

func (r *Replica) handleDatagram(l *link, body Body) {
	switch m := body.(type) {
	case MsgList:
		r.listFor(l, m)
	case MsgFetch:
		r.readFor(l, m)
	case MsgPage:
		switch {
		case l == r.up && r.isJoiner():
			r.handlePage(m)
		case l == r.copySource():
			r.takeReview(m)
		}
	case MsgPiece:
		r.handlePiece(l, m)
	}
}

func (r *Replica) listFor(l *link, m MsgList) {
	if r.cfg.Position(r.self) < 0 || m.Max <= 0 || len(r.source.lists) >= r.conf.MaxReads {
		return
	}
	r.reqs++
	r.source.lists[r.reqs] = listing{to: l, req: m.Req, pending: r.pendingChunks()}
	r.emit(List{ID: r.reqs, After: m.After, Max: min(m.Max, maxPage)})
}

// pendingChunks are those that this replica is making now.
func (r *Replica) pendingChunks() []chain.ChunkID {
	var ids []chain.ChunkID
	for id := range r.byChunk {
		ids = append(ids, id)
	}
	for _, s := range r.sealing {
		ids = append(ids, s.chunk.Header.ID)
	}
	for id := range r.copies {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, chain.ChunkID.Compare)
	return slices.Compact(ids)
}

func (r *Replica) onListed(ev Listed) {
	if ev.ID == r.join.req && r.join.phase == scanLocal {
		r.listed(&r.join.scan, r.up, ev)
		return
	}
	if ev.ID == r.review.req && r.review.phase == scanLocal {
		r.listed(&r.review.scan, r.copySource(), ev)
		return
	}
	q, ok := r.source.lists[ev.ID]
	if !ok {
		return
	}
	delete(r.source.lists, ev.ID)
	r.datagram(q.to, MsgPage{Req: q.req, Chunks: ev.Chunks, More: ev.More, Pending: q.pending})
}

func (r *Replica) readFor(l *link, m MsgFetch) {
	if r.cfg.Position(r.self) < 0 {
		return
	}
	if r.removing[m.Chunk] > 0 {
		// The store may show it until that is durable. Whoever asks may have
		// heard of the removal already, and would undo it.
		r.datagram(l, MsgPiece{Req: m.Req, Info: Chunk{Header: Header{ID: m.Chunk}}, Kind: chain.RefusedGone})
		return
	}
	if len(r.source.reads) >= r.conf.MaxReads {
		return
	}
	r.reqs++
	r.source.reads[r.reqs] = reading{to: l, req: m.Req, chunk: m.Chunk, from: m.From}
	r.emit(ReadChunk{ID: r.reqs, Chunk: m.Chunk})
}

func (r *Replica) onChunkRead(ev ChunkRead) {
	q, ok := r.source.reads[ev.ID]
	if !ok {
		return
	}
	delete(r.source.reads, ev.ID)
	info := ev.Chunk
	info.Header.ID = q.chunk
	if ev.Err != nil || len(ev.Bytes) != int(info.Header.Size) {
		kind := chain.RefusedFailed
		if ev.Err != nil && refusalKind(ev.Err) == chain.RefusedGone {
			kind = chain.RefusedGone
		}
		r.datagram(q.to, MsgPiece{Req: q.req, Info: info, Kind: kind})
		return
	}
	for at := int(q.from); at < len(ev.Bytes); at += chain.MaxFrame {
		end := min(at+chain.MaxFrame, len(ev.Bytes))
		r.datagram(q.to, MsgPiece{Req: q.req, Info: info, Offset: uint32(at), Bytes: ev.Bytes[at:end]})
	}
}

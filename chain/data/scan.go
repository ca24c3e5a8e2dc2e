package data

import (
	"slices"

	"catena/chain"
)

// scan compares, page by page and in the order of ids, the chunks of this
// replica with those of a source. It reads its own list first and the source's
// after it, so what the source has and this list lacks came later or is missing.
type scan struct {
	phase   scanPhase
	after   chain.ChunkID // how far it has come
	req     uint64
	askedAt chain.Instant
	local   []Chunk
	more    bool
	// limit is where the page ends, last that it is the last one; left are its
	// chunks that are being copied.
	limit chain.ChunkID
	last  bool
	left  int
}

type scanPhase uint8

const (
	scanIdle scanPhase = iota
	scanLocal
	scanRemote
	scanCopy
	scanEnd
)

// startScan begins a page behind a chunk.
func (r *Replica) startScan(s *scan, after chain.ChunkID) {
	r.reqs++
	*s = scan{phase: scanLocal, after: after, req: r.reqs}
	r.emit(List{ID: s.req, After: after, Max: r.conf.PageSize})
}

// listed takes this replica's own list, and asks the source for its.
func (r *Replica) listed(s *scan, source *link, ev Listed) {
	s.local, s.more, s.phase = ev.Chunks, ev.More, scanRemote
	r.askPage(s, source)
}

func (r *Replica) askPage(s *scan, source *link) {
	s.askedAt = r.now
	r.datagram(source, MsgList{Req: s.req, After: s.after, Max: r.conf.PageSize})
}

// tickScan asks again for a page that did not come.
func (r *Replica) tickScan(s *scan, source *link) {
	if s.phase == scanRemote && r.now >= s.askedAt.Add(r.conf.ResendAfter) {
		r.askPage(s, source)
	}
}

// meet takes the source's page and gives both lists as far as both reach; false
// if it is not the page that was asked for.
func (s *scan) meet(m MsgPage) (theirs, ours []Chunk, ok bool) {
	if s.phase != scanRemote || m.Req != s.req || m.More && len(m.Chunks) == 0 {
		return nil, nil, false
	}
	s.phase, s.last = scanCopy, true
	theirs, ours = m.Chunks, s.local
	s.local = nil
	s.cut(theirs, m.More)
	s.cut(ours, s.more)
	if !s.last {
		theirs, ours = upTo(theirs, s.limit), upTo(ours, s.limit)
	}
	return theirs, ours, true
}

// cut ends the page where a list ends of which more follows.
func (s *scan) cut(list []Chunk, more bool) {
	if !more || len(list) == 0 {
		return
	}
	if id := list[len(list)-1].Header.ID; s.last || id.Compare(s.limit) < 0 {
		s.limit = id
	}
	s.last = false
}

// upTo is the part of a sorted list up to and with an id.
func upTo(chunks []Chunk, last chain.ChunkID) []Chunk {
	n, found := slices.BinarySearchFunc(chunks, last, func(c Chunk, id chain.ChunkID) int { return c.Header.ID.Compare(id) })
	if found {
		n++
	}
	return chunks[:n]
}

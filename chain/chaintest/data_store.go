package chaintest

import (
	"bytes"
	"hash/crc32"
	"slices"

	"catena/chain"
	"catena/chain/data"
)

// dataRecord is one record of a simulated store's log.
type dataRecord struct {
	token uint64
	state *data.State
	seal  *dataSealed
	gone  []chain.ChunkID
	aside []chain.ChunkID
}

// dataSealed is a chunk with its bytes.
type dataSealed struct {
	info  data.Chunk
	bytes []byte
}

// dataStore is a store: what is on its disk survives a crash, the space of
// open chunks does not.
type dataStore struct {
	node *dataNode
	disk *Disk[dataRecord]
	// state, sealed and aside follow from the records that are durable.
	state  *data.State
	sealed map[chain.ChunkID]dataSealed
	aside  map[chain.ChunkID]dataSealed
	open   map[chain.ChunkID]*dataOpen
	// going are removals, and coming seals, that are queued.
	going  map[chain.ChunkID]int
	coming map[chain.ChunkID]int
	full   bool
	token  uint64
}

type dataOpen struct {
	hdr   data.Header
	bytes []byte
}

func newDataStore(n *dataNode) *dataStore {
	s := &dataStore{node: n, sealed: map[chain.ChunkID]dataSealed{}, aside: map[chain.ChunkID]dataSealed{}}
	s.disk = NewDisk[dataRecord](n.sim.w, n.sim.opt.Disk, s.durable)
	s.boot()
	return s
}

// boot forgets what only a running process knows.
func (s *dataStore) boot() {
	s.open = map[chain.ChunkID]*dataOpen{}
	s.going, s.coming = map[chain.ChunkID]int{}, map[chain.ChunkID]int{}
	s.token = 0
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func dataSums(b []byte) data.Sums {
	var sums data.Sums
	for block := range slices.Chunk(b, data.BlockSize) {
		sums = append(sums, crc32.Checksum(block, castagnoli))
	}
	return sums
}

// durable makes what just reached the disk visible.
func (s *dataStore) durable(from, to int) {
	for i := from; i < to; i++ {
		rec := s.disk.Records()[i]
		if c := rec.seal; c != nil {
			if _, twice := s.sealed[c.info.Header.ID]; twice {
				s.node.sim.w.Fail("chunk %s is written again on node %d", c.info.Header.ID, s.node.n)
			}
		}
		s.apply(rec)
		for _, id := range slices.Concat(rec.gone, rec.aside) {
			s.node.sim.dropped(s.node, id)
		}
		if c := rec.seal; c != nil {
			s.node.sim.sealed(s.node, *c)
		}
	}
}

func (s *dataStore) apply(rec dataRecord) {
	if rec.state != nil {
		s.state = rec.state
	}
	for _, id := range rec.gone {
		delete(s.sealed, id)
		delete(s.aside, id)
	}
	s.putAside(rec.aside)
	if c := rec.seal; c != nil {
		s.sealed[c.info.Header.ID] = *c
	}
}

func (s *dataStore) putAside(ids []chain.ChunkID) {
	for _, id := range ids {
		if c, ok := s.sealed[id]; ok {
			s.aside[id] = c
			delete(s.sealed, id)
		}
	}
}

// append queues a record; the replica hears when it is durable.
func (s *dataStore) append(rec dataRecord) {
	if rec.token != s.token+1 {
		s.node.sim.w.Fail("token %d follows %d", rec.token, s.token)
	}
	s.token = rec.token
	gen := s.node.gen
	for _, id := range rec.gone {
		s.going[id]++
	}
	if rec.seal != nil {
		s.coming[rec.seal.info.Header.ID]++
	}
	s.disk.Append(rec, func() {
		if gen != s.node.gen {
			return
		}
		for _, id := range rec.gone {
			s.going[id]--
		}
		if rec.seal != nil {
			s.coming[rec.seal.info.Header.ID]--
		}
		s.node.soon(data.Durable{Token: rec.token})
	})
}

func (s *dataStore) reserve(e data.Reserve) data.Reserved {
	id := e.Header.ID
	ev := data.Reserved{Chunk: id}
	held, sealed := s.sealed[id]
	switch {
	case sealed:
		ev.Held, ev.Err = &held.info, &chain.Refusal{Kind: chain.RefusedInvalid}
	case s.open[id] != nil || s.coming[id] > 0:
		ev.Err = &chain.Refusal{Kind: chain.RefusedInvalid}
	case s.full:
		ev.Err = &chain.Refusal{Kind: chain.RefusedFull}
	default:
		s.open[id] = &dataOpen{hdr: e.Header}
	}
	return ev
}

func (s *dataStore) write(e data.WriteFrame) {
	o := s.open[e.Chunk]
	if o == nil || len(o.bytes) != int(e.Offset) || len(o.bytes)+len(e.Bytes) > int(o.hdr.Size) {
		s.node.sim.w.Fail("node %d: a frame of %s at %d out of place", s.node.n, e.Chunk, e.Offset)
		return
	}
	o.bytes = append(o.bytes, e.Bytes...)
	if len(o.bytes) == int(o.hdr.Size) {
		s.node.soon(data.Computed{Chunk: e.Chunk, Sums: dataSums(o.bytes)})
	}
}

func (s *dataStore) seal(e data.PersistSeal) {
	o := s.open[e.Header.ID]
	if o == nil || o.hdr != e.Header || len(o.bytes) != int(e.Header.Size) || !slices.Equal(dataSums(o.bytes), e.Sums) {
		s.node.sim.w.Fail("node %d seals %s without its bytes", s.node.n, e.Header.ID)
		return
	}
	delete(s.open, e.Header.ID)
	s.append(dataRecord{token: e.Token, seal: &dataSealed{data.Chunk{Header: e.Header, Sums: e.Sums}, o.bytes}})
}

// clone answers before the record is durable, sometimes later than it.
func (s *dataStore) clone(e data.MakeClone) {
	old, ok := s.sealed[e.Old]
	ev := data.Cloned{Token: e.Token}
	_, exists := s.sealed[e.Header.ID]
	switch {
	case !ok || s.going[e.Old] > 0:
		ev.Err = &chain.Refusal{Kind: chain.RefusedGone}
	case exists || s.coming[e.Header.ID] > 0 || s.open[e.Header.ID] != nil || int(e.Offset+e.Header.Size) > len(old.bytes):
		ev.Err = &chain.Refusal{Kind: chain.RefusedInvalid}
	}
	if s.node.sim.w.Chance(0.1) {
		s.node.after(s.node.sim.w.Between(0, 5*chain.Millisecond), ev)
	} else {
		s.node.soon(ev)
	}
	if ev.Err != nil {
		s.token = e.Token
		return
	}
	b := bytes.Clone(old.bytes[e.Offset : e.Offset+e.Header.Size])
	s.append(dataRecord{token: e.Token, seal: &dataSealed{data.Chunk{Header: e.Header, Sums: dataSums(b)}, b}})
}

func (s *dataStore) list(e data.List) data.Listed {
	var all []data.Chunk
	for id, c := range s.sealed {
		if id.Compare(e.After) > 0 {
			all = append(all, c.info)
		}
	}
	slices.SortFunc(all, func(a, b data.Chunk) int { return a.Header.ID.Compare(b.Header.ID) })
	return data.Listed{ID: e.ID, Chunks: all[:min(len(all), e.Max)], More: len(all) > e.Max}
}

func (s *dataStore) read(e data.ReadChunk) data.ChunkRead {
	c, ok := s.sealed[e.Chunk]
	if !ok {
		return data.ChunkRead{ID: e.ID, Err: &chain.Refusal{Kind: chain.RefusedGone}}
	}
	return data.ChunkRead{ID: e.ID, Chunk: c.info, Bytes: c.bytes}
}

// crash keeps what is on disk, and reads it again.
func (s *dataStore) crash() {
	s.disk.Crash()
	s.boot()
	s.sealed, s.aside = map[chain.ChunkID]dataSealed{}, map[chain.ChunkID]dataSealed{}
	for _, rec := range s.disk.Records() {
		s.apply(rec)
	}
}

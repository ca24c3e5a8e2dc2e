package store

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"

	"catena/chain"
	"catena/chain/data"
)

// openChunk is reserved space that is being written.
type openChunk struct {
	mu     sync.Mutex
	header data.Header
	seg    *segment
	extent extent
	// written is how far the frames have come; sums are of the whole blocks,
	// cur is the running sum of the block that is not whole yet.
	written uint32
	sums    data.Sums
	cur     uint32
	// sealing: no frame and no release any more. gone: released.
	sealing, gone bool
	// replaces is why the sealed chunk of this id is to be put aside; empty if
	// there was none.
	replaces string
}

func (o *openChunk) abandon(sp *space) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.gone && !o.sealing {
		o.gone = true
		sp.release(o.extent)
	}
}

// add sums the next bytes.
func (o *openChunk) add(b []byte) {
	for len(b) > 0 {
		n := min(sumBlock-int(o.written%sumBlock), len(b))
		o.cur = sum(o.cur, b[:n])
		o.written += uint32(n)
		b = b[n:]
		if o.written%sumBlock == 0 || o.written == o.header.Size {
			o.sums = append(o.sums, o.cur)
			o.cur = 0
		}
	}
}

// Reserve takes contiguous space for a chunk of a data replica. ErrFull if
// creates have no room, ErrInvalid if the id is open or sealed already; a
// sealed chunk that was found damaged is replaced by the seal.
func (s *Store) Reserve(k Key, h data.Header) error {
	r, err := s.replica("reserve", k, chain.KindData)
	if err != nil {
		return err
	}
	bad := func(kind Kind, why string) error {
		return &Error{Kind: kind, Op: "reserve", Key: k, Chunk: h.ID, Detail: why}
	}
	if h.Size == 0 || h.Size > chain.MaxChunk || align(int64(h.Size)) > s.cfg.SegmentSize-headerBytes {
		return bad(ErrInvalid, "a chunk of this size does not fit a segment")
	}
	c, err := s.chunkAt(chunkRowKey(k, h.ID))
	if err != nil {
		return s.readError("reserve", k, err)
	}
	why, damaged := s.damaged.get(k, h.ID)
	if c != nil && !damaged {
		return bad(ErrInvalid, "the id is sealed already")
	}
	if s.Free() <= 0 {
		return bad(ErrFull, "")
	}
	g, ext, err := s.space.reserve(h.Size)
	if err != nil {
		return s.ioError("reserve", err)
	}
	oc := &openChunk{header: h, seg: g, extent: ext}
	if c != nil {
		oc.replaces = "damaged, and replaced by a good copy: " + why
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[h.ID] != nil || r.dropped {
		s.space.release(ext)
		return bad(ErrInvalid, "the id is open already")
	}
	r.open[h.ID] = oc
	return nil
}

func (r *replica) openChunk(id chain.ChunkID) *openChunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[id]
}

// WriteFrame writes the next bytes of a reserved chunk; offset must be where
// the last frame ended. With the last byte it gives the sums of what was
// written. bytes is not kept.
func (s *Store) WriteFrame(k Key, id chain.ChunkID, offset uint32, bytes []byte) (data.Sums, error) {
	r, err := s.replica("write frame", k, chain.KindData)
	if err != nil {
		return nil, err
	}
	oc := r.openChunk(id)
	if oc == nil {
		return nil, &Error{Kind: ErrGone, Op: "write frame", Key: k, Chunk: id}
	}
	oc.mu.Lock()
	defer oc.mu.Unlock()
	switch {
	case oc.gone:
		return nil, &Error{Kind: ErrGone, Op: "write frame", Key: k, Chunk: id}
	case oc.sealing || offset != oc.written || uint64(len(bytes)) > uint64(oc.header.Size-oc.written):
		return nil, &Error{Kind: ErrInvalid, Op: "write frame", Key: k, Chunk: id, Detail: "the frame is not the next one"}
	}
	if _, err := oc.seg.file.WriteAt(bytes, oc.extent.off+int64(offset)); err != nil {
		return nil, s.fail("write chunk", err)
	}
	oc.add(bytes)
	s.metrics.chunkBytes.Add(float64(len(bytes)))
	if oc.written == oc.header.Size {
		return slices.Clone(oc.sums), nil
	}
	return nil, nil
}

// Seal syncs a wholly written chunk and then its seal record. done is as in
// Append, in order with it; the chunk is readable and listed then.
func (s *Store) Seal(k Key, h data.Header, sums data.Sums, done func(error)) {
	it := item{done: done}
	it.recs, it.seals, it.err = s.sealRecord(k, h, sums)
	it.alone = len(it.recs) > 0 && it.recs[0].make != nil
	if it.err != nil {
		it.recs = []Record{{key: k, chain: chain.KindData}} // for the order of dones
	}
	s.log.put(it)
}

func (s *Store) sealRecord(k Key, h data.Header, sums data.Sums) ([]Record, []*segment, error) {
	r, err := s.replica("seal", k, chain.KindData)
	if err != nil {
		return nil, nil, err
	}
	oc := r.openChunk(h.ID)
	if oc == nil {
		return nil, nil, &Error{Kind: ErrGone, Op: "seal", Key: k, Chunk: h.ID}
	}
	oc.mu.Lock()
	defer oc.mu.Unlock()
	if oc.gone {
		return nil, nil, &Error{Kind: ErrGone, Op: "seal", Key: k, Chunk: h.ID}
	}
	if oc.sealing || oc.written != oc.header.Size || h != oc.header || !slices.Equal(sums, oc.sums) {
		return nil, nil, &Error{Kind: ErrInvalid, Op: "seal", Key: k, Chunk: h.ID, Detail: "not wholly written, or other bytes than the sums say"}
	}
	oc.sealing = true
	rec := Record{key: k, kind: recSeal, chain: chain.KindData, rep: r,
		chunk: &chunkRecord{header: h, extent: oc.extent, sums: slices.Clone(oc.sums)}}
	if oc.replaces != "" {
		rec.aside, rec.make = &asideRecord{why: oc.replaces[:min(len(oc.replaces), maxWhy)]}, s.makeAside
	}
	return []Record{rec}, []*segment{oc.seg}, nil
}

// Release frees the space of a chunk that was not sealed. Unknown ids are ignored.
func (s *Store) Release(k Key, id chain.ChunkID) {
	r, err := s.replica("release", k, chain.KindData)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	oc := r.open[id]
	if oc == nil {
		return
	}
	oc.abandon(s.space)
	if oc.gone {
		delete(r.open, id)
	}
}

// Clone points the id of h at h.Size bytes of a sealed chunk from offset on.
// It tells at once ErrGone if the old chunk is not there (or a removal is
// queued) or ErrInvalid; then done is not called. Otherwise done is as in Append.
func (s *Store) Clone(k Key, h data.Header, old chain.ChunkID, offset uint32, done func(error)) error {
	r, err := s.replica("clone", k, chain.KindData)
	if err != nil {
		return err
	}
	// Under the replica's lock, so that the clone is in the log before any
	// removal of the old chunk that it did not see.
	r.mu.Lock()
	defer r.mu.Unlock()
	bad := func(kind Kind, id chain.ChunkID, why string) error {
		return &Error{Kind: kind, Op: "clone", Key: k, Chunk: id, Detail: why}
	}
	if r.removing[old] > 0 {
		return bad(ErrGone, old, "")
	}
	c, err := s.chunkAt(chunkRowKey(k, old))
	if err != nil {
		return s.readError("clone", k, err)
	}
	if c == nil {
		return bad(ErrGone, old, "")
	}
	if h.Size == 0 || uint64(offset)+uint64(h.Size) > uint64(c.header.Size) || h.ID == old || r.open[h.ID] != nil {
		return bad(ErrInvalid, h.ID, "no such part of the old chunk, or the id is in use")
	}
	n, err := s.chunkAt(chunkRowKey(k, h.ID))
	if err != nil {
		return s.readError("clone", k, err)
	}
	if n != nil {
		return bad(ErrInvalid, h.ID, "the id is sealed already")
	}
	s.space.ref(c.extent)
	rec := Record{key: k, kind: recClone, chain: chain.KindData, rep: r,
		chunk: &chunkRecord{header: h, extent: c.extent, sums: c.sums, offset: c.offset + offset, clone: true}}
	s.log.put(item{recs: []Record{rec}, done: done})
	return nil
}

// List gives sealed chunks of a data replica after an id, in order, at most max.
// more says that there are others behind. The sums of a clone are of its own
// bytes, and missing where these cannot be read.
func (s *Store) List(k Key, after chain.ChunkID, max int) (chunks []data.Chunk, more bool, err error) {
	if _, err := s.replica("list", k, chain.KindData); err != nil {
		return nil, false, err
	}
	defer s.pins.unpin(s.pins.pin())
	var recs []*chunkRecord
	err = s.eachChunk(k, after, func(_, v []byte) (bool, error) {
		c, _, _, err := parseChunkRow(v)
		if err != nil {
			return false, err
		}
		if c.header.ID == after {
			return true, nil
		}
		if len(recs) == max {
			more = true
			return false, nil
		}
		recs = append(recs, c)
		return true, nil
	})
	if err != nil {
		return nil, false, s.readError("list", k, err)
	}
	for _, c := range recs {
		sums, err := s.ownSums(k, c)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return nil, false, err
		}
		chunks = append(chunks, data.Chunk{Header: c.header, Sums: sums})
	}
	return chunks, more, nil
}

// ownSums gives the sums of the chunk's own bytes: those recorded, where its
// blocks are the extent's, else of the bytes read.
func (s *Store) ownSums(k Key, c *chunkRecord) (data.Sums, error) {
	end := c.offset + c.header.Size
	first, n := int(c.offset/sumBlock), int(c.header.Size+sumBlock-1)/sumBlock
	if c.offset%sumBlock == 0 && (end == c.extent.n || end%sumBlock == 0) {
		return slices.Clone(c.sums[first : first+n]), nil
	}
	b, err := s.readChunk(k, c, 0, c.header.Size)
	if err != nil {
		return nil, err
	}
	var sums data.Sums
	for len(b) > 0 {
		m := min(sumBlock, len(b))
		sums = append(sums, sum(0, b[:m]))
		b = b[m:]
	}
	return sums, nil
}

// Chunk describes a sealed chunk.
func (s *Store) Chunk(k Key, id chain.ChunkID) (ChunkInfo, error) {
	defer s.pins.unpin(s.pins.pin())
	c, err := s.sealed("chunk", k, id)
	if err != nil {
		return ChunkInfo{}, err
	}
	sums, err := s.ownSums(k, c)
	return ChunkInfo{Chunk: data.Chunk{Header: c.header, Sums: sums}, Clone: c.clone}, err
}

func (s *Store) sealed(op string, k Key, id chain.ChunkID) (*chunkRecord, error) {
	if _, err := s.replica(op, k, chain.KindData); err != nil {
		return nil, err
	}
	c, err := s.chunkAt(chunkRowKey(k, id))
	if err != nil {
		return nil, s.readError(op, k, err)
	}
	if c == nil {
		return nil, &Error{Kind: ErrGone, Op: op, Key: k, Chunk: id}
	}
	return c, nil
}

// ReadChunk reads n bytes of a sealed chunk at off. Each 64 KiB block touched
// is verified before a byte is returned: read in multiples of 64 KiB where
// possible. ErrGone, ErrDamaged, or ErrInvalid for a range outside the chunk.
func (s *Store) ReadChunk(k Key, id chain.ChunkID, off, n uint32) ([]byte, error) {
	defer s.pins.unpin(s.pins.pin())
	c, err := s.sealed("read chunk", k, id)
	if err != nil {
		return nil, err
	}
	if uint64(off)+uint64(n) > uint64(c.header.Size) {
		return nil, &Error{Kind: ErrInvalid, Op: "read chunk", Key: k, Chunk: id, Detail: "the range is outside the chunk"}
	}
	return s.readChunk(k, c, off, n)
}

// readChunk reads the blocks of the extent that hold the range, verifies them,
// and gives the range.
func (s *Store) readChunk(k Key, c *chunkRecord, off, n uint32) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	from := (c.offset + off) / sumBlock * sumBlock
	to := min((c.offset+off+n+sumBlock-1)/sumBlock*sumBlock, c.extent.n)
	damaged := func(why string, err error) error {
		s.metrics.damaged.Inc()
		err = &Error{Kind: ErrDamaged, Op: "read chunk", Key: k, Chunk: c.header.ID, Detail: segName(c.extent.slot) + ": " + why, Err: err}
		if !s.damaged.note(k, c.header.ID, why) {
			s.cfg.Logger.Error("a chunk is damaged", slog.Any("error", err))
		}
		return err
	}
	g := s.segs.get(c.extent.slot, c.extent.inc)
	if g == nil {
		return nil, damaged("its segment is missing", nil)
	}
	b := make([]byte, to-from)
	if _, err := g.file.ReadAt(b, c.extent.off+int64(from)); err != nil && err != io.EOF {
		return nil, damaged("unreadable", err)
	}
	if c.badBlock(b, from) >= 0 {
		return nil, damaged("checksum", nil)
	}
	skip := c.offset + off - from
	return b[skip : skip+n : skip+n], nil
}

package store

import (
	"encoding/binary"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
)

// readRecord decodes the record at the start of b, which will stand at offset
// off of the segment. ok is false where no such record is. What it returns
// aliases b.
func readRecord(b []byte, no, inc uint64, off int64) (r Record, n int, ok bool, err error) {
	if len(b) < recordHeader {
		return r, 0, false, nil
	}
	headLen, payLen := int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))
	total := recordHeader + headLen + payLen
	if total > int64(len(b)) {
		return r, 0, false, nil
	}
	head := b[recordHeader : recordHeader+headLen]
	if binary.LittleEndian.Uint32(b[12:]) != sum(sum(seed(inc, no), b[:12]), head) {
		return r, 0, false, nil
	}
	pay := b[recordHeader+headLen : total]
	payOff := off + recordHeader + headLen
	crc := binary.LittleEndian.Uint32(b[8:])
	if crc != sum(seed(inc, uint64(payOff)), pay) {
		return r, 0, false, nil
	}
	r, err = decodeHead(head, pay)
	r.no, r.at = no, place{inc: inc, off: payOff, n: uint32(payLen), crc: crc}
	return r, int(total), err == nil, err
}

// decodeHead decodes the fields of a record. A known checksum with unknown
// content was written by a newer version.
func decodeHead(head, pay []byte) (Record, error) {
	var r Record
	if err := eachField(head, func(f field) error {
		switch f.num {
		case 1:
			r.kind = recordKind(f.u)
		case 2:
			return &Error{Kind: ErrTooNew, Op: "read record"}
		case 3:
			r.key.Chain = chain.ChainID(f.u)
		case 4:
			r.key.Incarnation = f.u
		case 5:
			r.first = f.u
		}
		return nil
	}); err != nil {
		return r, err
	}
	return r, r.decodeBody(head, pay)
}

// decodeBody decodes what the kind of the record tells.
func (r *Record) decodeBody(head, pay []byte) (err error) {
	switch r.kind {
	case recCreate, recDrop, recState:
		err = eachField(head, func(f field) error {
			switch f.num {
			case 10:
				r.chain = chain.Kind(f.u)
			case 11:
				r.state = f.b
			}
			return nil
		})
	case recEntry:
		r.chain = chain.KindIndex
		r.entry, err = decodeEntry(head, pay)
	case recTruncate:
		r.chain = chain.KindIndex
		err = eachField(head, func(f field) error {
			switch f.num {
			case 10:
				r.seq = f.u
			case 11:
				r.rev = f.u
			}
			return nil
		})
	case recPage:
		r.chain = chain.KindIndex
		r.page, err = decodePage(head, pay)
	case recEndInstall:
		r.chain = chain.KindIndex
		r.apply, err = decodeApplied(head)
	case recSeal, recClone:
		r.chain = chain.KindData
		if r.chunk, err = decodeChunk(head); err == nil {
			r.aside, err = takeAside(head)
		}
	case recRemove, recForget:
		r.chain = chain.KindData
		r.ids, r.seq, err = decodeIDs(head)
	case recAside:
		r.chain = chain.KindData
		r.aside, err = takeAside(head)
	case recImage:
		r.image, err = decodeImage(head)
		if err == nil {
			r.chain = r.image.kind
		}
	default:
		err = &Error{Kind: ErrTooNew, Op: "read record"}
	}
	return err
}

func decodeEntry(head, pay []byte) (*index.Entry, error) {
	e := &index.Entry{}
	err := eachField(head, func(f field) error {
		switch f.num {
		case 10:
			e.Epoch.Recovery = uint32(f.u)
		case 11:
			e.Epoch.N = f.u
		case 12:
			e.Seq = f.u
		case 13:
			e.PrevEpoch.Recovery = uint32(f.u)
		case 14:
			e.PrevEpoch.N = f.u
		case 15:
			e.PrevSeq = f.u
		case 16:
			e.Digest = f.u
		case 17:
			e.Rev = f.u
		case 18:
			e.Time = int64(f.u)
		case 19:
			return exactly(e.OpID[:], f.b)
		case 20:
			e.Body = f.b
		case 21:
			e.Payload = pay
		}
		return nil
	})
	return e, err
}

func decodePage(head, pay []byte) (*pageRecord, error) {
	p := &pageRecord{}
	err := eachField(head, func(f field) error {
		if f.num != 10 {
			return nil
		}
		var r pageRow
		var n uint64
		if err := eachField(f.b, func(f field) error {
			switch f.num {
			case 1:
				r.key = f.b
			case 2:
				r.value = f.b
			case 3:
				r.hasPayload, n = f.u > 0, f.u-1
			case 4:
				r.crc = uint32(f.u)
			case 5:
				r.rev = f.u
			case 6:
				r.first = f.u
			}
			return nil
		}); err != nil {
			return err
		}
		if r.hasPayload {
			if n > uint64(len(pay)) {
				return errFields
			}
			r.payload, pay = pay[:n:n], pay[n:]
		}
		p.rows = append(p.rows, r)
		return nil
	})
	return p, err
}

func decodeApplied(b []byte) (a index.Applied, err error) {
	err = eachField(b, func(f field) error {
		switch f.num {
		case 10:
			a.Epoch.Recovery = uint32(f.u)
		case 11:
			a.Epoch.N = f.u
		case 12:
			a.Seq = f.u
		case 16:
			a.Digest = f.u
		case 17:
			a.Rev = f.u
		case 18:
			a.Time = int64(f.u)
		}
		return nil
	})
	return a, err
}

func decodeChunk(b []byte) (*chunkRecord, error) {
	c := &chunkRecord{}
	h := &c.header
	err := eachField(b, func(f field) (err error) {
		switch f.num {
		case 10:
			h.ID, err = parseChunkKey(f.b)
		case 11:
			return exactly(h.Bucket[:], f.b)
		case 12:
			h.Key = string(f.b)
		case 13:
			h.Stamp = int64(f.u)
		case 14:
			h.Size = uint32(f.u)
		case 15:
			c.extent.slot = uint32(f.u)
		case 16:
			c.extent.inc = f.u
		case 17:
			c.extent.off = int64(f.u)
		case 18:
			c.extent.n = uint32(f.u)
		case 19:
			if len(f.b)%4 != 0 {
				return errFields
			}
			c.sums = make(data.Sums, len(f.b)/4)
			for i := range c.sums {
				c.sums[i] = binary.LittleEndian.Uint32(f.b[4*i:])
			}
		case 20:
			c.offset = uint32(f.u)
		case 21:
			c.clone = true
		}
		return err
	})
	if err == nil && (len(c.sums) != int(c.extent.n+sumBlock-1)/sumBlock || uint64(c.offset)+uint64(h.Size) > uint64(c.extent.n)) {
		err = errFields
	}
	return c, err
}

func decodeIDs(b []byte) (ids []chain.ChunkID, no uint64, err error) {
	err = eachField(b, func(f field) error {
		switch f.num {
		case 10:
			id, err := parseChunkKey(f.b)
			ids = append(ids, id)
			return err
		case 11:
			no = f.u
		}
		return nil
	})
	return ids, no, err
}

func decodeImage(b []byte) (*imageRecord, error) {
	m := &imageRecord{}
	err := eachField(b, func(f field) (err error) {
		switch f.num {
		case 10:
			m.kind = chain.Kind(f.u)
		case 11:
			m.state = f.b
		case 12:
			m.applied, err = decodeApplied(f.b)
		}
		return err
	})
	return m, err
}

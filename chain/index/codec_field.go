package index

import (
	"encoding/binary"
	"fmt"

	"catena/chain"

	"google.golang.org/protobuf/encoding/protowire"
)

// This file reads and writes single fields of the records in codec.go.

// encoder leaves out what is zero.
type encoder struct{ b []byte }

func (e *encoder) uint(n protowire.Number, v uint64) {
	if v != 0 {
		e.b = protowire.AppendTag(e.b, n, protowire.VarintType)
		e.b = protowire.AppendVarint(e.b, v)
	}
}

func (e *encoder) fixed(n protowire.Number, v uint64) {
	if v != 0 {
		e.b = protowire.AppendTag(e.b, n, protowire.Fixed64Type)
		e.b = protowire.AppendFixed64(e.b, v)
	}
}

func (e *encoder) bytes(n protowire.Number, v []byte) {
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	e.b = protowire.AppendBytes(e.b, v)
}

func (e *encoder) epoch(n protowire.Number, v chain.Epoch) {
	if !v.IsZero() {
		var b [12]byte
		binary.LittleEndian.PutUint32(b[:], v.Recovery)
		binary.LittleEndian.PutUint64(b[4:], v.N)
		e.bytes(n, b[:])
	}
}

func (e *encoder) replica(n protowire.Number, v chain.ReplicaID) {
	if !v.IsZero() {
		var b [24]byte
		copy(b[:], v.Store[:])
		binary.LittleEndian.PutUint64(b[16:], v.Incarnation)
		e.bytes(n, b[:])
	}
}

func (e *encoder) members(n protowire.Number, ids []chain.ReplicaID) {
	for _, id := range ids {
		e.replica(n, id)
	}
}

func (e *encoder) applied(n protowire.Number, v Applied) {
	if v == (Applied{}) {
		return
	}
	var b [44]byte
	le := binary.LittleEndian
	le.PutUint32(b[0:], v.Epoch.Recovery)
	le.PutUint64(b[4:], v.Epoch.N)
	le.PutUint64(b[12:], v.Seq)
	le.PutUint64(b[20:], v.Digest)
	le.PutUint64(b[28:], v.Rev)
	le.PutUint64(b[36:], uint64(v.Time))
	e.bytes(n, b[:])
}

func boolInt(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// decoder reads one field at a time; the first error ends it.
type decoder struct {
	b   []byte
	typ protowire.Type
	err error
}

// decode walks the fields of a record.
func decode(what string, b []byte, field func(*decoder, protowire.Number)) error {
	d := &decoder{b: b}
	for len(d.b) > 0 && d.err == nil {
		n, typ, used := protowire.ConsumeTag(d.b)
		if used < 0 {
			d.err = protowire.ParseError(used)
			break
		}
		d.b, d.typ = d.b[used:], typ
		field(d, n)
	}
	if d.err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCodec, what, d.err)
	}
	return nil
}

// take moves past a field; used < 0 is protowire's error.
func (d *decoder) take(used int, want protowire.Type) bool {
	switch {
	case d.err != nil:
		return false
	case d.typ != want:
		d.err = fmt.Errorf("field of wire type %d, want %d", d.typ, want)
	case used < 0:
		d.err = protowire.ParseError(used)
	default:
		d.b = d.b[used:]
		return true
	}
	return false
}

func (d *decoder) check(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) uint() uint64 {
	v, used := protowire.ConsumeVarint(d.b)
	if !d.take(used, protowire.VarintType) {
		return 0
	}
	return v
}

func (d *decoder) small() uint8 {
	v := d.uint()
	if v > 255 {
		d.check(fmt.Errorf("value %d, want at most 255", v))
		return 0
	}
	return uint8(v)
}

func (d *decoder) fixed() uint64 {
	v, used := protowire.ConsumeFixed64(d.b)
	if !d.take(used, protowire.Fixed64Type) {
		return 0
	}
	return v
}

func (d *decoder) bytes(limit int) []byte {
	v, used := protowire.ConsumeBytes(d.b)
	if !d.take(used, protowire.BytesType) {
		return nil
	}
	if len(v) > limit {
		d.check(fmt.Errorf("field of %d bytes, want at most %d", len(v), limit))
		return nil
	}
	return v[:len(v):len(v)]
}

// fill reads a field of exactly the length of dst.
func (d *decoder) fill(dst []byte) {
	v := d.bytes(len(dst))
	if d.err == nil && len(v) != len(dst) {
		d.check(fmt.Errorf("field of %d bytes, want %d", len(v), len(dst)))
	}
	copy(dst, v)
}

func (d *decoder) epoch() chain.Epoch {
	var b [12]byte
	d.fill(b[:])
	return chain.Epoch{Recovery: binary.LittleEndian.Uint32(b[:]), N: binary.LittleEndian.Uint64(b[4:])}
}

func (d *decoder) replica() chain.ReplicaID {
	var b [24]byte
	d.fill(b[:])
	r := chain.ReplicaID{Incarnation: binary.LittleEndian.Uint64(b[16:])}
	copy(r.Store[:], b[:16])
	return r
}

func (d *decoder) member(list *[]chain.ReplicaID) {
	id := d.replica()
	if len(*list) >= maxMembers {
		d.check(fmt.Errorf("more than %d members", maxMembers))
		return
	}
	*list = append(*list, id)
}

func (d *decoder) applied() Applied {
	var b [44]byte
	d.fill(b[:])
	le := binary.LittleEndian
	return Applied{
		Epoch: chain.Epoch{Recovery: le.Uint32(b[0:]), N: le.Uint64(b[4:])},
		Seq:   le.Uint64(b[12:]), Digest: le.Uint64(b[20:]), Rev: le.Uint64(b[28:]), Time: int64(le.Uint64(b[36:])),
	}
}

func (d *decoder) version(v uint64) {
	if v != CodecVersion {
		d.check(fmt.Errorf("version %d, want %d", v, CodecVersion))
	}
}

func (d *decoder) incompat(flags uint64) {
	if flags != 0 {
		d.check(fmt.Errorf("incompatible flags %#x", flags))
	}
}

func (d *decoder) skip(n protowire.Number) {
	used := protowire.ConsumeFieldValue(n, d.typ, d.b)
	d.take(used, d.typ)
}

package index

import (
	"encoding/binary"
	"errors"
	"fmt"

	"catena/chain"

	"google.golang.org/protobuf/encoding/protowire"
)

// The encodings of what a replica keeps on disk: its state record, and the
// head of an entry's record (everything but the payload). Field sets are in
// protobuf wire encoding, so that fields can be added: a field that this
// release does not know is skipped, unless the record says, by a bit of its
// incompatible flags, that it must not be.

// CodecVersion is the version of both records.
const CodecVersion = 1

// Bounds of what is decoded.
const (
	maxBody    = 64 << 20
	maxPayload = 16 << 20
	maxMembers = 64
	maxKey     = 64 << 10
)

// ErrCodec marks every error of decoding.
var ErrCodec = errors.New("chain/index: bad record")

// Fields of the state record.
const (
	stateVersion protowire.Number = iota + 1
	stateIncompat
	stateCompat
	stateConfig
	stateWaitedOut
	stateCommitPath
	stateInstalling
	stateSnapshotFrom
	stateSnapshotAt
	stateSnapshotMax
	stateBoot
)

// MarshalState encodes a state record.
func MarshalState(s State) []byte {
	var e encoder
	e.uint(stateVersion, CodecVersion)
	e.bytes(stateConfig, MarshalConfig(s.Config))
	e.epoch(stateWaitedOut, s.WaitedOut)
	e.replica(stateCommitPath, s.CommitPath)
	e.uint(stateInstalling, boolInt(s.Installing))
	if s.SnapshotFrom != nil {
		e.bytes(stateSnapshotFrom, s.SnapshotFrom)
	}
	e.applied(stateSnapshotAt, s.SnapshotAt)
	e.uint(stateSnapshotMax, s.SnapshotMax)
	e.uint(stateBoot, s.Boot)
	return e.b
}

// UnmarshalState decodes a state record. It keeps nothing of b.
func UnmarshalState(b []byte) (State, error) {
	var s State
	err := decode("state", b, func(d *decoder, n protowire.Number) {
		switch n {
		case stateVersion:
			d.version(d.uint())
		case stateIncompat:
			d.incompat(d.uint())
		case stateConfig:
			c, err := UnmarshalConfig(d.bytes(maxMembers * 256))
			s.Config = c
			d.check(err)
		case stateWaitedOut:
			s.WaitedOut = d.epoch()
		case stateCommitPath:
			s.CommitPath = d.replica()
		case stateInstalling:
			s.Installing = d.uint() != 0
		case stateSnapshotFrom:
			s.SnapshotFrom = append([]byte{}, d.bytes(maxKey)...)
		case stateSnapshotAt:
			s.SnapshotAt = d.applied()
		case stateSnapshotMax:
			s.SnapshotMax = d.uint()
		case stateBoot:
			s.Boot = d.uint()
		default:
			d.skip(n)
		}
	})
	return s, err
}

// Fields of an entry's head.
const (
	entryVersion protowire.Number = iota + 1
	entryIncompat
	entryCompat
	entryEpoch
	entrySeq
	entryPrevEpoch
	entryPrevSeq
	entryDigest
	entryRev
	entryTime
	entryOpID
	entryBody
	entryPayload
)

// MarshalEntry encodes everything of an entry but the bytes of its payload,
// of which it keeps the length.
func MarshalEntry(en *Entry) []byte {
	e := encoder{b: make([]byte, 0, entryOverhead+len(en.Body))}
	e.uint(entryVersion, CodecVersion)
	e.epoch(entryEpoch, en.Epoch)
	e.uint(entrySeq, en.Seq)
	e.epoch(entryPrevEpoch, en.PrevEpoch)
	e.uint(entryPrevSeq, en.PrevSeq)
	e.fixed(entryDigest, en.Digest)
	e.uint(entryRev, en.Rev)
	e.uint(entryTime, uint64(en.Time))
	if !en.OpID.IsZero() {
		e.bytes(entryOpID, en.OpID[:])
	}
	e.bytes(entryBody, en.Body)
	if en.Payload != nil {
		e.b = protowire.AppendTag(e.b, entryPayload, protowire.VarintType)
		e.b = protowire.AppendVarint(e.b, uint64(len(en.Payload)))
	}
	return e.b
}

// UnmarshalEntry decodes an entry's head and gives it its payload, whose length
// must be the one that the head names. The entry shares head and payload:
// neither may be changed afterwards.
func UnmarshalEntry(head, payload []byte) (*Entry, error) {
	en := &Entry{}
	want, has := uint64(0), false
	err := decode("entry", head, func(d *decoder, n protowire.Number) {
		switch n {
		case entryVersion:
			d.version(d.uint())
		case entryIncompat:
			d.incompat(d.uint())
		case entryEpoch:
			en.Epoch = d.epoch()
		case entrySeq:
			en.Seq = d.uint()
		case entryPrevEpoch:
			en.PrevEpoch = d.epoch()
		case entryPrevSeq:
			en.PrevSeq = d.uint()
		case entryDigest:
			en.Digest = d.fixed()
		case entryRev:
			en.Rev = d.uint()
		case entryTime:
			en.Time = int64(d.uint())
		case entryOpID:
			d.fill(en.OpID[:])
		case entryBody:
			en.Body = d.bytes(maxBody)
		case entryPayload:
			want, has = d.uint(), true
		default:
			d.skip(n)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case en.Seq == 0 || en.PrevSeq+1 != en.Seq:
		return nil, fmt.Errorf("%w: entry %d after %d", ErrCodec, en.Seq, en.PrevSeq)
	case want != uint64(len(payload)) || want > maxPayload:
		return nil, fmt.Errorf("%w: entry %d names %d payload bytes, has %d", ErrCodec, en.Seq, want, len(payload))
	}
	if has {
		en.Payload = payload
		if payload == nil {
			en.Payload = []byte{}
		}
	}
	return en, nil
}

// Fields of a configuration.
const (
	configChain protowire.Number = iota + 1
	configKind
	configEpoch
	configPrev
	configServing
	configSyncing
	configSettled
	configRecoverable
	configFactor
	configMinAck
)

// MarshalConfig encodes a configuration.
func MarshalConfig(c chain.Config) []byte {
	var e encoder
	e.uint(configChain, uint64(c.Chain))
	e.uint(configKind, uint64(c.Kind))
	e.epoch(configEpoch, c.Epoch)
	e.epoch(configPrev, c.Prev)
	e.members(configServing, c.Serving)
	e.members(configSyncing, c.Syncing)
	e.members(configSettled, c.Settled)
	e.members(configRecoverable, c.Recoverable)
	e.uint(configFactor, uint64(c.Factor))
	e.uint(configMinAck, uint64(c.MinAck))
	return e.b
}

// UnmarshalConfig decodes a configuration; it does not judge it.
func UnmarshalConfig(b []byte) (chain.Config, error) {
	var c chain.Config
	err := decode("configuration", b, func(d *decoder, n protowire.Number) {
		switch n {
		case configChain:
			c.Chain = chain.ChainID(d.uint())
		case configKind:
			c.Kind = chain.Kind(d.small())
		case configEpoch:
			c.Epoch = d.epoch()
		case configPrev:
			c.Prev = d.epoch()
		case configServing:
			d.member(&c.Serving)
		case configSyncing:
			d.member(&c.Syncing)
		case configSettled:
			d.member(&c.Settled)
		case configRecoverable:
			d.member(&c.Recoverable)
		case configFactor:
			c.Factor = d.small()
		case configMinAck:
			c.MinAck = d.small()
		default:
			d.skip(n)
		}
	})
	return c, err
}

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

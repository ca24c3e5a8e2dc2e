package index

import (
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

package data

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"catena/chain"
)

// MarshalState encodes a replica's state.
func MarshalState(s *State) []byte {
	b := begin()
	if !s.Config.Epoch.IsZero() {
		b = putBytes(b, 1, putConfig(&s.Config))
	}
	b = putUint(b, 2, s.Boot)
	if !s.CommitPath.IsZero() {
		b = putBytes(b, 3, replicaBytes(s.CommitPath))
	}
	if s.Feed != (FeedID{}) {
		f := putBytes(nil, 1, replicaBytes(s.Feed.Source))
		b = putBytes(b, 4, putUint(putUint(f, 2, s.Feed.Boot), 3, s.Feed.N))
	}
	if s.SyncedTo != (chain.ChunkID{}) {
		b = putBytes(b, 5, idBytes(s.SyncedTo))
	}
	if s.SyncDone {
		b = putUint(b, 6, 1)
	}
	return b
}

// UnmarshalState decodes what MarshalState made. A configuration in it is checked.
func UnmarshalState(b []byte) (s State, err error) {
	configured := false
	err = decode(b, "state", func(f field) (err error) {
		var n uint64
		switch f.n {
		case 1:
			configured = true
			err = fields(f.bytes, func(f field) error { return takeConfig(&s.Config, f) })
		case 2:
			s.Boot, err = f.fit(1<<64 - 1)
		case 3:
			s.CommitPath, err = f.replica()
		case 4:
			err = fields(f.bytes, s.Feed.take)
		case 5:
			s.SyncedTo, err = f.chunkID()
		case 6:
			n, err = f.fit(1)
			s.SyncDone = n == 1
		}
		return err
	})
	if err == nil && s.Boot == 0 {
		err = bad("a state of no start")
	}
	if err == nil && configured {
		if s.Config.Epoch.IsZero() {
			return s, bad("a configuration of no epoch")
		}
		if why := s.Config.Validate(); why != nil {
			err = bad(why.Error())
		}
	}
	return s, err
}

func (id *FeedID) take(f field) (err error) {
	switch f.n {
	case 1:
		id.Source, err = f.replica()
	case 2:
		id.Boot, err = f.fit(1<<64 - 1)
	case 3:
		id.N, err = f.fit(1<<64 - 1)
	}
	return err
}

func replicaBytes(r chain.ReplicaID) []byte {
	return binary.BigEndian.AppendUint64(r.Store[:len(r.Store):len(r.Store)], r.Incarnation)
}

func (f field) replica() (r chain.ReplicaID, err error) {
	if len(f.bytes) != 24 {
		return r, bad("replica id")
	}
	copy(r.Store[:], f.bytes)
	r.Incarnation = binary.BigEndian.Uint64(f.bytes[16:])
	return r, nil
}

func putEpoch(e chain.Epoch) []byte {
	return putUint(putUint(nil, 1, uint64(e.Recovery)), 2, e.N)
}

func (f field) epoch() (e chain.Epoch, err error) {
	err = fields(f.bytes, func(f field) (err error) {
		var n uint64
		switch f.n {
		case 1:
			n, err = f.fit(1<<32 - 1)
			e.Recovery = uint32(n)
		case 2:
			e.N, err = f.fit(1<<64 - 1)
		}
		return err
	})
	return e, err
}

func putConfig(c *chain.Config) []byte {
	b := putUint(nil, 1, uint64(c.Chain))
	b = putUint(b, 2, uint64(c.Kind))
	b = putBytes(b, 3, putEpoch(c.Epoch))
	b = putBytes(b, 4, putEpoch(c.Prev))
	for i, list := range [...][]chain.ReplicaID{c.Serving, c.Syncing, c.Settled, c.Recoverable} {
		for _, r := range list {
			b = putBytes(b, protowire.Number(5+i), replicaBytes(r))
		}
	}
	return putUint(putUint(b, 9, uint64(c.Factor)), 10, uint64(c.MinAck))
}

func takeConfig(c *chain.Config, f field) (err error) {
	var n uint64
	switch f.n {
	case 1:
		n, err = f.fit(1<<64 - 1)
		c.Chain = chain.ChainID(n)
	case 2:
		n, err = f.fit(255)
		c.Kind = chain.Kind(n)
	case 3:
		c.Epoch, err = f.epoch()
	case 4:
		c.Prev, err = f.epoch()
	case 5, 6, 7, 8:
		list := [...]*[]chain.ReplicaID{&c.Serving, &c.Syncing, &c.Settled, &c.Recoverable}[f.n-5]
		if len(*list) >= maxConfig {
			return bad("too many replicas")
		}
		var r chain.ReplicaID
		r, err = f.replica()
		*list = append(*list, r)
	case 9:
		n, err = f.fit(255)
		c.Factor = uint8(n)
	case 10:
		n, err = f.fit(255)
		c.MinAck = uint8(n)
	}
	return err
}

package chain

import (
	"encoding/hex"
	"fmt"
)

// ID128 is a random 128-bit identity. The zero value names nothing.
type ID128 [16]byte

// IsZero reports whether the id names nothing.
func (id ID128) IsZero() bool { return id == ID128{} }

// String gives 32 lower-case hex characters.
func (id ID128) String() string { return hex.EncodeToString(id[:]) }

// MarshalText makes ids readable in JSON and YAML.
func (id ID128) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText parses 32 hex characters.
func (id *ID128) UnmarshalText(b []byte) error {
	if len(b) != 32 {
		return fmt.Errorf("chain: id of %d characters, want 32", len(b))
	}
	_, err := hex.Decode(id[:], b)
	return err
}

// ParseID128 parses 32 hex characters.
func ParseID128(s string) (ID128, error) {
	var id ID128
	err := id.UnmarshalText([]byte(s))
	return id, err
}

type (
	// ClusterID names a cluster, for ever.
	ClusterID = ID128
	// StoreID names one store (one disk). A replacement has a new one.
	StoreID = ID128
	// BucketID names a bucket; never used again. Zero is the system's.
	BucketID = ID128
	// BlobID names what one PUT body, one part or one copy wrote.
	BlobID = ID128
	// OpID names a command over all its repeats.
	OpID = ID128
)

// ChainID names a chain. Zero names nothing.
type ChainID uint64

// TabletID names a tablet. Zero names nothing.
type TabletID uint64

// ReplicaID names one replica of a chain: the store that holds it and the
// incarnation of its rows there. A replica that was emptied and filled again
// is a new incarnation, so nothing said of the old one is believed of it.
type ReplicaID struct {
	Store       StoreID `json:"store"`
	Incarnation uint64  `json:"incarnation"`
}

// IsZero reports whether the id names nothing.
func (r ReplicaID) IsZero() bool { return r == ReplicaID{} }

// String gives the first eight characters of the store and the incarnation.
func (r ReplicaID) String() string {
	return fmt.Sprintf("%s/%d", r.Store.String()[:8], r.Incarnation)
}

// ChunkID names a chunk: an ordinal piece of a blob. It is never used again,
// also when the put or clone that would have made it was not answered.
type ChunkID struct {
	Blob    BlobID `json:"blob"`
	Ordinal uint32 `json:"ordinal"`
}

// String gives blob:ordinal.
func (c ChunkID) String() string { return fmt.Sprintf("%s:%d", c.Blob, c.Ordinal) }

// Compare orders chunks by blob, then ordinal.
func (c ChunkID) Compare(o ChunkID) int {
	for i := range c.Blob {
		if c.Blob[i] != o.Blob[i] {
			return int(c.Blob[i]) - int(o.Blob[i])
		}
	}
	switch {
	case c.Ordinal < o.Ordinal:
		return -1
	case c.Ordinal > o.Ordinal:
		return 1
	}
	return 0
}

// MaxChunk is the largest chunk, in bytes.
const MaxChunk = 8 << 20

// MaxFrame is the largest piece in which a chunk's bytes travel.
const MaxFrame = 256 << 10

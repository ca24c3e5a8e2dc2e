package store

import (
	"fmt"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
)

// Key names a replica on this store.
type Key struct {
	Chain       chain.ChainID
	Incarnation uint64
}

// String gives chain/incarnation.
func (k Key) String() string { return fmt.Sprintf("%d/%d", k.Chain, k.Incarnation) }

// Recovered is what Open found of one replica. The driver decodes State and
// makes index.Recovered or data.Recovered of it.
type Recovered struct {
	Key  Key
	Kind chain.Kind
	// State is the newest durable state record; nil if there is none.
	State []byte
	// Applied is the position of an index replica's rows.
	Applied index.Applied
	// Entries are the log's entries above Applied, in order; Retained are some
	// older ones, in order, without a gap before Entries.
	Entries  []*index.Entry
	Retained []*index.Entry
}

// Record is one thing to append to the log. The functions below make them;
// what they are given must not change until done was called.
type Record struct {
	key   Key
	kind  recordKind
	chain chain.Kind // the queue that it goes through, for kinds that both have
	entry *index.Entry
	state []byte
	seq   uint64
	rev   uint64
	ids   []chain.ChunkID
	page  *pageRecord
	apply index.Applied
	chunk *chunkRecord
	image *imageRecord
	aside *asideRecord
	// first is the number of the first writing of a record that is written forward.
	first uint64
	// no and at are filled in when the record is written or read.
	no uint64
	at place
	// rep is the replica; make, if set, completes the record just before it is
	// encoded; freed are the extents that it gave up.
	rep   *replica
	make  func(*Record)
	freed []extent
}

// CreateReplica makes a replica, empty. It comes before its other records.
func CreateReplica(k Key, kind chain.Kind) Record {
	return Record{key: k, kind: recCreate, chain: kind}
}

// DropReplica removes a replica with all its rows, entries and chunks.
func DropReplica(k Key, kind chain.Kind) Record {
	return Record{key: k, kind: recDrop, chain: kind}
}

// State is the replica's state, as the core encodes it; the newest counts.
func State(k Key, kind chain.Kind, state []byte) Record {
	return Record{key: k, kind: recState, chain: kind, state: state}
}

// Entry is one entry of an index chain's log.
func Entry(k Key, e *index.Entry) Record {
	return Record{key: k, kind: recEntry, chain: chain.KindIndex, entry: e}
}

// Truncate voids the entries of an index replica above seq: those with rev or a higher one.
func Truncate(k Key, seq, rev uint64) Record {
	return Record{key: k, kind: recTruncate, chain: chain.KindIndex, seq: seq, rev: rev}
}

// BeginInstall voids every row and entry of an index replica, before a snapshot.
func BeginInstall(k Key) Record {
	return Record{key: k, kind: recTruncate, chain: chain.KindIndex, rev: 0, seq: 0}
}

// Remove drops chunks of a data replica; those that are not there are ignored.
// Once done is called they are gone from reads, lists and later clones.
func Remove(k Key, ids []chain.ChunkID) Record {
	return Record{key: k, kind: recRemove, chain: chain.KindData, ids: ids}
}

// ChunkInfo is a sealed chunk of this store.
type ChunkInfo struct {
	data.Chunk
	// Clone says that the bytes were first written under another id.
	Clone bool
}

// Stats is what a store says of itself.
type Stats struct {
	// Failed is why the store ended; nil while it works.
	Failed error
	// RecordSegments, ChunkSegments and FreeSegments count files; Bytes is the
	// length of all of them together.
	RecordSegments, ChunkSegments, FreeSegments int
	Bytes                                       int64
	// ChunkBytes is the live bytes of chunks, of those put aside too; bytes of
	// clones count once. Quarantined chunks are not among Chunks, Damaged ones are.
	Chunks, Quarantined, Damaged int
	ChunkBytes                   int64
	// RowBytes is what Pebble takes on disk.
	RowBytes int64
	// Free is as Store.Free says.
	Free int64
	// LastRecord is the number of the newest durable record; Replay the oldest
	// that a restart now would read again.
	LastRecord, Replay uint64
}

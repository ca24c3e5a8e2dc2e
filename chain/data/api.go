package data

import "catena/chain"

// BlockSize is the number of bytes that one checksum of Sums covers.
const BlockSize = 64 << 10

// MaxKey is the longest key of a chunk's home, in bytes.
const MaxKey = 1024

// Header is what a chunk says of itself. It is written once.
type Header struct {
	ID chain.ChunkID
	// Bucket and Key are the chunk's home: the row that owns it, for ever.
	Bucket chain.BucketID
	Key    string
	// Stamp is the tablet time, in milliseconds, that the gateway had learned
	// from a committed entry of the home tablet.
	Stamp int64
	// Size is the number of bytes, 1 to chain.MaxChunk.
	Size uint32
}

// Sums are the checksums of a chunk's bytes: CRC32C of each 64 KiB block, in order.
type Sums []uint32

// FeedID names one unbroken stream of live changes from a source to a joiner:
// the source, its start, and a counter within that start. The zero value names none.
type FeedID struct {
	Source chain.ReplicaID
	Boot   uint64
	N      uint64
}

// State is what a replica persists beside its chunks. MarshalState encodes it.
type State struct {
	Config chain.Config
	// Boot numbers the starts of this replica (chain.NextBoot). It is persisted before the
	// replica acts, so a neighbour can tell a restart from a late message.
	Boot uint64
	// CommitPath is the joiner on this tail's commit path in Config.Epoch.
	CommitPath chain.ReplicaID
	// Feed is the feed for which SyncedTo holds: in another one the scan starts anew.
	Feed FeedID
	// SyncedTo is how far a joiner's scan of its source has come, to go on
	// after a restart; SyncDone says that it reached the end.
	SyncedTo chain.ChunkID
	SyncDone bool
}

// Recovered is what the store found of a replica. Chunks are not listed: the
// machine asks for them by events when it needs them.
type Recovered struct {
	// State is nil for a replica that never acted.
	State *State
}

// Chunk is a sealed chunk as a scan lists it. A clone is listed with its own
// header and is copied as bytes.
type Chunk struct {
	Header Header
	Sums   Sums
}

// Event is something that happens to a replica.
type Event interface{ isEvent() }

type (
	// Configure brings a configuration from the master's log.
	Configure struct{ Config chain.Config }
	// Deliver brings a message of another replica.
	Deliver struct{ Env chain.Envelope }
	// Open asks the head for space for a chunk. Epoch is the caller's; a
	// different one is refused. Reply answers when every replica has it open.
	// Frames may follow at once, before the reply.
	Open struct {
		ID     uint64
		Epoch  chain.Epoch
		Header Header
	}
	// Frame brings bytes of an open chunk, in order, at most chain.MaxFrame.
	// Bytes are shared and never changed after this. Reply answers when the
	// frame was taken (flow control), not when it is durable. RefusedBusy says
	// that this frame was not taken; the chunk is still open.
	Frame struct {
		ID     uint64
		Chunk  chain.ChunkID
		Offset uint32
		Bytes  []byte
	}
	// Seal asks the head to seal an open chunk of which all bytes were sent.
	// Sums are the caller's; a replica that computes others fails the chunk.
	// Reply answers when it is synced on every Serving replica and on a joiner
	// on the commit path.
	Seal struct {
		ID    uint64
		Chunk chain.ChunkID
		Sums  Sums
	}
	// Abort frees an open chunk: the caller went away. A seal under way goes on.
	Abort struct{ Chunk chain.ChunkID }
	// Clone points a new id at a part of an old chunk's bytes, on every replica.
	Clone struct {
		ID     uint64
		Epoch  chain.Epoch
		Header Header
		Old    chain.ChunkID
		Offset uint32 // Header.Size bytes from here
	}
	// Remove drops chunks, for a worker on committed release rows. It succeeds
	// also for chunks that are not there.
	Remove struct {
		ID     uint64
		Chunks []chain.ChunkID
	}
	// Probe asks the head to confirm that it is the head of the newest epoch:
	// Reply answers nil when every replica of the chain agreed after this. It
	// is what makes "chunk gone" believable to a reader. Below MinAck nothing
	// can be confirmed.
	Probe struct {
		ID    uint64
		Epoch chain.Epoch
	}
	// Repair asks for good copies of chunks that this replica should have and
	// whose own copies are damaged. They are copied from a neighbour. The store
	// must take their ids at Reserve; it puts a bad copy aside at the latest with
	// the seal of the good one, best in the same record, so that at no moment
	// neither is there. It may be sent again and again.
	Repair struct{ Chunks []chain.ChunkID }
	// Durable says that everything persisted with a token up to Token is on disk.
	Durable struct{ Token uint64 }
	// Reserved answers Reserve: Err is a *chain.Refusal or nil. RefusedFull: no
	// space. RefusedInvalid: the store has a sealed chunk of this id, which
	// Held describes, or one whose seal is not durable yet (Held is nil).
	Reserved struct {
		Chunk chain.ChunkID
		Held  *Chunk
		Err   error
	}
	// Computed answers WriteFrame of the last byte: the sums of what was written.
	Computed struct {
		Chunk chain.ChunkID
		Sums  Sums
	}
	// Cloned answers MakeClone before it is durable: Err is a *chain.Refusal
	// (RefusedGone: no old chunk; RefusedInvalid: the new id exists, or the
	// range lies outside) or nil. After an error Durable need not cover the token.
	Cloned struct {
		Token uint64
		Err   error
	}
	// Listed answers List.
	Listed struct {
		ID     uint64
		Chunks []Chunk
		More   bool
	}
	// ChunkRead answers ReadChunk: the chunk as it was sealed and its verified
	// bytes, or Err: a *chain.Refusal with RefusedGone, or any other error for damage.
	ChunkRead struct {
		ID    uint64
		Chunk Chunk
		Bytes []byte
		Err   error
	}
	// Free tells the store's free space, in bytes above its limit.
	Free struct{ Bytes int64 }
	// Tick lets time pass. The driver sends it at least every Config.TickEvery.
	Tick struct{}
)

func (Configure) isEvent() {}
func (Deliver) isEvent()   {}
func (Open) isEvent()      {}
func (Frame) isEvent()     {}
func (Seal) isEvent()      {}
func (Abort) isEvent()     {}
func (Clone) isEvent()     {}
func (Remove) isEvent()    {}
func (Probe) isEvent()     {}
func (Repair) isEvent()    {}
func (Durable) isEvent()   {}
func (Reserved) isEvent()  {}
func (Computed) isEvent()  {}
func (Cloned) isEvent()    {}
func (Listed) isEvent()    {}
func (ChunkRead) isEvent() {}
func (Free) isEvent()      {}
func (Tick) isEvent()      {}

// Effect is something that the driver does for a replica, in order.
type Effect interface{ isEffect() }

type (
	// PersistState appends the state record; Durable{Token} answers. Tokens of
	// one replica grow by one over all effects that carry one, and what they
	// persist takes effect in that order, also after a crash.
	PersistState struct {
		Token uint64
		State State
	}
	// Reserve takes contiguous space for a chunk; Reserved answers.
	Reserve struct{ Header Header }
	// WriteFrame writes bytes into the reserved space; no answer, but Computed
	// follows the write of the last byte. A failed write fails the store.
	WriteFrame struct {
		Chunk  chain.ChunkID
		Offset uint32
		Bytes  []byte
	}
	// PersistSeal syncs the payload and the seal record; Durable{Token} answers.
	// Only then is the chunk visible to reads and scans of this replica.
	PersistSeal struct {
		Token  uint64
		Header Header
		Sums   Sums
	}
	// Release frees the reserved space of a chunk that will not be sealed. It
	// may come before Reserved or Computed was answered.
	Release struct{ Chunk chain.ChunkID }
	// MakeClone appends a clone record; Cloned answers, then Durable{Token}.
	MakeClone struct {
		Token  uint64
		Header Header
		Old    chain.ChunkID
		Offset uint32
	}
	// PersistRemove appends removal records; Durable{Token} answers. Later
	// MakeClone effects do not see these chunks.
	PersistRemove struct {
		Token  uint64
		Chunks []chain.ChunkID
	}
	// Quarantine puts sealed chunks aside, durably: they are neither read nor
	// listed nor cloned any more, their bytes are kept for people (never
	// destroyed by the protocol), and their ids may be reserved again.
	// Durable{Token} answers. A joiner does this with chunks that its source
	// does not have, or has with other bytes. Ids that are not there are ignored.
	Quarantine struct {
		Token  uint64
		Chunks []chain.ChunkID
	}
	// List asks for sealed chunks of this replica after After, in order.
	List struct {
		ID    uint64
		After chain.ChunkID
		Max   int
	}
	// ReadChunk asks for a whole sealed chunk, verified.
	ReadChunk struct {
		ID    uint64
		Chunk chain.ChunkID
	}
	// Send gives a message to the network.
	Send struct{ Env chain.Envelope }
	// Reply ends a request. Err is a *chain.Refusal or nil.
	Reply struct {
		ID  uint64
		Err error
	}
	// Report tells the master.
	Report struct{ Report chain.Report }
	// Stop ends the replica: a format that it does not know.
	Stop struct{ Reason string }
)

func (PersistState) isEffect()  {}
func (Reserve) isEffect()       {}
func (WriteFrame) isEffect()    {}
func (PersistSeal) isEffect()   {}
func (Release) isEffect()       {}
func (MakeClone) isEffect()     {}
func (PersistRemove) isEffect() {}
func (Quarantine) isEffect()    {}
func (List) isEffect()          {}
func (ReadChunk) isEffect()     {}
func (Send) isEffect()          {}
func (Reply) isEffect()         {}
func (Report) isEffect()        {}
func (Stop) isEffect()          {}

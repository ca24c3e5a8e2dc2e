package data

import "catena/chain"

// Link is the part that every message between two neighbours has. A message
// counts only in its epoch and only between the starts that it names.
type Link struct {
	Epoch chain.Epoch
	// From and To are State.Boot of sender and receiver; To is 0 in a Hello of
	// a sender that has not heard of the receiver yet.
	From, To uint64
	// Ack is the last Packet.Seq that the sender took in order.
	Ack uint64
	// Released is how many frame bytes of the receiver have left the sender
	// again: flow control. It only grows.
	Released uint64
	// Free is the smallest free space, in bytes, at the sender and below it.
	Free int64
}

// The messages. A Packet is sent again until it is acknowledged, and taken
// once and in order. A Datagram may be lost or overtaken; whoever needs the
// answer asks again.
type (
	// Hello opens a link, and tells a replica of an older epoch the newer one.
	Hello struct {
		Link
		Config chain.Config
	}
	// Packet carries the next body of a link's ordered stream.
	Packet struct {
		Link
		Seq  uint64
		Body Body
	}
	// Ack acknowledges packets when there is nothing else to send.
	Ack struct{ Link }
	// Datagram carries a body outside of the order.
	Datagram struct {
		Link
		Body Body
	}
)

// Body is what a Packet or a Datagram says.
type Body interface{ isBody() }

// Bodies of packets that flow down the chain. Op is the sender's number of an
// operation; it is never used again by this start of the sender.
type (
	// MsgOpen opens a chunk.
	MsgOpen struct {
		Op     uint64
		Header Header
	}
	// MsgFrame carries a chunk's next bytes.
	MsgFrame struct {
		Op     uint64
		Offset uint32
		Bytes  []byte
	}
	// MsgSeal asks to seal the chunk if its bytes have these sums.
	MsgSeal struct {
		Op   uint64
		Sums Sums
	}
	// MsgAbort gives an operation up. What is sealed already stays.
	MsgAbort struct{ Op uint64 }
	// MsgSkip stands in the place of a frame that is no longer wanted.
	MsgSkip struct{ Bytes uint32 }
	// MsgClone makes a clone.
	MsgClone struct {
		Op     uint64
		Header Header
		Old    chain.ChunkID
		Offset uint32
	}
	// MsgRemove removes chunks.
	MsgRemove struct {
		Op     uint64
		Chunks []chain.ChunkID
	}
	// MsgProbe asks every replica to confirm the epoch.
	MsgProbe struct{ Op uint64 }
	// MsgFeed tells a joiner that from here on it receives every live change.
	MsgFeed struct {
		Feed FeedID
		// Resume says that the joiner's SyncedTo still holds.
		Resume bool
	}
	// MsgOwe names chunks that the joiner has to copy (Sums are nil where the
	// source does not know them) and removals that it missed.
	MsgOwe struct {
		Copy []Chunk
		Gone []chain.ChunkID
	}
)

// Bodies of packets that flow up the chain.
type (
	// MsgOpened says that the chunk is open here and below.
	MsgOpened struct{ Op uint64 }
	// MsgDone says that the operation is durable here and below.
	MsgDone struct{ Op uint64 }
	// MsgFailed says that the operation was given up here or below.
	MsgFailed struct {
		Op     uint64
		Kind   chain.RefusalKind
		Detail string
	}
	// MsgJoin asks the source for a feed: the one in which SyncedTo holds, if possible.
	MsgJoin struct{ Feed FeedID }
	// MsgScanned says that the joiner has everything that the source listed in this feed.
	MsgScanned struct{ Feed FeedID }
	// MsgOweDone says which debts of a MsgOwe are durably settled.
	MsgOweDone struct {
		Copied []chain.ChunkID
		Gone   []chain.ChunkID
	}
)

// Bodies of datagrams.
type (
	// MsgList asks for the sealed chunks after After.
	MsgList struct {
		Req   uint64
		After chain.ChunkID
		Max   int
	}
	// MsgPage answers MsgList. Pending are the chunks that were being written
	// when the list was read: nothing is said of them.
	MsgPage struct {
		Req     uint64
		Chunks  []Chunk
		More    bool
		Pending []chain.ChunkID
	}
	// MsgFetch asks for a chunk's bytes from From on.
	MsgFetch struct {
		Req   uint64
		Chunk chain.ChunkID
		From  uint32
	}
	// MsgPiece answers MsgFetch, in pieces of at most chain.MaxFrame. Kind is
	// not 0 if the chunk cannot be read: RefusedGone or RefusedFailed.
	MsgPiece struct {
		Req    uint64
		Info   Chunk
		Offset uint32
		Bytes  []byte
		Kind   chain.RefusalKind
	}
)

func (MsgOpen) isBody()    {}
func (MsgFrame) isBody()   {}
func (MsgSeal) isBody()    {}
func (MsgAbort) isBody()   {}
func (MsgSkip) isBody()    {}
func (MsgClone) isBody()   {}
func (MsgRemove) isBody()  {}
func (MsgProbe) isBody()   {}
func (MsgFeed) isBody()    {}
func (MsgOwe) isBody()     {}
func (MsgOpened) isBody()  {}
func (MsgDone) isBody()    {}
func (MsgFailed) isBody()  {}
func (MsgJoin) isBody()    {}
func (MsgScanned) isBody() {}
func (MsgOweDone) isBody() {}
func (MsgList) isBody()    {}
func (MsgPage) isBody()    {}
func (MsgFetch) isBody()   {}
func (MsgPiece) isBody()   {}

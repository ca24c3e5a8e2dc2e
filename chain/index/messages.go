package index

import "catena/chain"

// Message is what two replicas of an index chain tell each other. Every message
// names the epoch in which it is meant; a receiver acts on it in no other.
//
// A *stream* is one attempt to keep a successor (or a joiner) filled. The
// sender numbers its streams, the receiver answers each with a number of its
// own, and every later message on the stream carries both. Neither number is
// ever used again, also not after a restart, because both contain the
// replica's persisted boot counter: so nothing that an earlier stream still
// carries, on either side of a crash, is mistaken for the present one.
type Message interface{ MsgEpoch() chain.Epoch }

// Mark is a position of a log: the entry there, and the digest of the log up
// to and including it. The mark of an empty log is the zero Mark.
type Mark struct {
	Epoch  chain.Epoch
	Seq    uint64
	Digest uint64
}

// Channel names a stream: the sender's number and the receiver's.
type Channel struct {
	Epoch  chain.Epoch
	Stream uint64
	Accept uint64
}

// MsgEpoch implements Message.
func (c Channel) MsgEpoch() chain.Epoch { return c.Epoch }

// Holding says what a receiver has, beside its log.
type Holding uint8

// A replica holds rows; or is fresh (nothing at all); or is between, with a
// snapshot half installed, with or without the position that it started from.
const (
	HoldsRows       Holding = 0
	HoldsNothing    Holding = 1
	HoldsHalf       Holding = 2
	HoldsHalfNoBase Holding = 3
)

type (
	// Hello opens a stream: predecessor to successor, tail to joiner. It brings
	// the configuration, so that a successor that the master did not reach yet
	// learns it.
	Hello struct {
		Config chain.Config
		Stream uint64
	}
	// Welcome answers a Hello once the receiver has agreed with its own successor.
	Welcome struct {
		Channel
		// Marks are the receiver's applied position and every entry above it,
		// in order; the last is the end of its log.
		Marks   []Mark
		Holding Holding
		Free    int64
	}
	// Append carries entries, what is durable upstream, and the head's probe.
	Append struct {
		Channel
		Entries []*Entry
		// Durable: every replica from the head to the sender has this much of
		// the log on disk.
		Durable uint64
		// Committed is for a joiner, which has no successor to learn it from.
		Committed uint64
		// Probe is the newest number that the head asks to have confirmed.
		Probe uint64
		// Poll asks for an Ack now, whatever is new.
		Poll bool
	}
	// Ack flows upstream and is cumulative.
	Ack struct {
		Channel
		// Received is the end of the sender's log: flow control, no promise.
		Received uint64
		// Durable is what the sender has on disk; it counts only for a joiner.
		Durable uint64
		// Committed is how far the tail has committed.
		Committed uint64
		// Confirmed is the newest probe that has reached the tail.
		Confirmed uint64
		// Free is the least free space from the sender to the tail and its joiner.
		Free int64
		// Gap asks to send again from Received+1.
		Gap bool
		// Based: a joiner has a base to append to; Whole: its rows are
		// consistent (no snapshot, or replayed past its last page).
		Based, Whole bool
	}
	// Reset says that the receiver knows no such stream: say hello again.
	// Without a Stream it means every stream that the receiver accepted in
	// another start than Accept's. Without an Accept, Stream is the newest of the
	// sender's that the receiver knows: it answers a Hello with a lower one.
	Reset struct{ Channel }
	// Fetch asks the successor for entries that the predecessor lost in a crash.
	Fetch struct {
		Channel
		From uint64
	}
	// Fetched answers Fetch.
	Fetched struct {
		Channel
		Entries []*Entry
	}
	// Resume tells a joiner where its log and its source's agree: it cuts what
	// it has above, and receives what follows.
	Resume struct {
		Channel
		At Mark
	}
	// Offer tells a joiner that the log does not reach it: take a snapshot.
	Offer struct{ Channel }
	// PageRequest asks the source for a page.
	PageRequest struct {
		Channel
		From  []byte
		First bool
		// AtLeast is the position that the source must have applied.
		AtLeast uint64
	}
	// PageReply brings it. At is a position that the source had applied before
	// the page was read, Upper the position applied after.
	PageReply struct {
		Channel
		From  []byte
		First bool
		At    Applied
		Upper uint64
		Page  Page
	}
	// LeaseRequest: child to parent. Sent is the child's clock, and Boot its
	// start: the parent echoes both. TailBoot is the newest start of the tail
	// that the child knows to want a lease.
	LeaseRequest struct {
		Epoch    chain.Epoch
		Boot     uint64
		Sent     chain.Instant
		TailBoot uint64
	}
	// LeaseGrant: a lease of Duration nanoseconds, counted from Sent.
	LeaseGrant struct {
		Epoch    chain.Epoch
		Boot     uint64
		Sent     chain.Instant
		Duration int64
	}
	// HandBack: the tail of this epoch answers no more reads in it, unless it
	// starts again, after Boot, and asks anew.
	HandBack struct {
		Epoch chain.Epoch
		Boot  uint64
	}
	// Suspect asks everyone downstream whether its log up to At.Seq has
	// At.Digest, the head's: one follower could not reproduce it.
	Suspect struct {
		Channel
		At Mark
	}
	// Opinion answers: does any follower from the sender down agree with the head?
	Opinion struct {
		Channel
		At     Mark
		Agrees bool
	}
	// Ask says which epoch the sender has, to be told a newer one.
	Ask struct{ Epoch chain.Epoch }
	// Newer tells a configuration to a replica that is behind.
	Newer struct{ Config chain.Config }
)

// MsgEpoch implements Message.
func (m *Hello) MsgEpoch() chain.Epoch { return m.Config.Epoch }

// MsgEpoch implements Message.
func (m *LeaseRequest) MsgEpoch() chain.Epoch { return m.Epoch }

// MsgEpoch implements Message.
func (m *LeaseGrant) MsgEpoch() chain.Epoch { return m.Epoch }

// MsgEpoch implements Message.
func (m *HandBack) MsgEpoch() chain.Epoch { return m.Epoch }

// MsgEpoch implements Message.
func (m *Ask) MsgEpoch() chain.Epoch { return m.Epoch }

// MsgEpoch implements Message.
func (m *Newer) MsgEpoch() chain.Epoch { return m.Config.Epoch }

// entryOverhead is what an entry costs beside its bytes: fields and framing.
const entryOverhead = 128

// Size is what the entry counts for in windows and budgets, in bytes.
func (e *Entry) Size() int { return entryOverhead + len(e.Body) + len(e.Payload) }

// Size is what a row counts for in a page, in bytes.
func (r *Row) Size() int { return 16 + len(r.Key) + len(r.Value) + len(r.Payload) }

// Size estimates what a message takes on a wire, in bytes, for queues that
// bound what they hold.
func Size(msg any) int {
	const fixed = 96
	n := fixed
	switch m := msg.(type) {
	case *Append:
		for _, e := range m.Entries {
			n += e.Size()
		}
	case *Fetched:
		for _, e := range m.Entries {
			n += e.Size()
		}
	case *Welcome:
		n += 32 * len(m.Marks)
	case *PageReply:
		for i := range m.Page.Rows {
			n += m.Page.Rows[i].Size()
		}
		n += len(m.From) + len(m.Page.Next)
	case *PageRequest:
		n += len(m.From)
	case *Hello:
		n += configSize(&m.Config)
	case *Newer:
		n += configSize(&m.Config)
	}
	return n
}

func configSize(c *chain.Config) int {
	return 64 + 26*(len(c.Serving)+len(c.Syncing)+len(c.Settled)+len(c.Recoverable))
}

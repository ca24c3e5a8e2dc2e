package index

import "catena/chain"

// Entry is one position of an index chain's log. It is physical: applying it
// is one batch of puts and deletes with no logic in it.
type Entry struct {
	// Epoch and Seq are the entry's position; PrevEpoch and PrevSeq the one it follows.
	Epoch     chain.Epoch
	Seq       uint64
	PrevEpoch chain.Epoch
	PrevSeq   uint64
	// Digest is the head's digest of the log before this entry.
	Digest uint64
	// Rev and Time are the tablet's counter and its time in milliseconds.
	Rev  uint64
	Time int64
	// OpID is the command's; zero for an entry that the head ordered by itself.
	OpID chain.OpID
	// Body is the rows, in chain/tablet's encoding.
	Body []byte
	// Payload is the bytes of the entry's one inline body row; nil for none.
	// It is shared and never changed.
	Payload []byte
}

// Command is what a gateway asks of a tablet; opaque here, except that one with
// a method Creates() bool that answers true is refused while any member has no
// free space (RefusedFull). Commands without it are always taken.
type Command any

// Answer is what the machine answers; opaque here.
type Answer any

// Given is what the driver read for a command from the committed rows, at the
// replica's applied position; opaque here.
type Given any

// Position is where an entry made now would stand.
type Position struct {
	Epoch  chain.Epoch
	Seq    uint64
	WallMs int64
}

// Verdict is the machine's answer to one command.
type Verdict struct {
	// Entry is nil if nothing is to be ordered. The machine fills Rev, Time,
	// OpID, Body and Payload; the replica fills the rest.
	Entry *Entry
	// Answer goes to the caller: when Entry is committed, or, without an entry,
	// when everything up to RestsOn is committed and the head was confirmed.
	Answer Answer
	// RestsOn is the newest pending Seq on which an answer without an entry rests; 0 for none.
	RestsOn uint64
}

// Machine gives the log its meaning: chain/tablet, or a test's. It is called
// by one replica only, in log order, and has no I/O.
type Machine interface {
	// Evaluate turns a command into an entry, at the head, from the committed
	// rows given and the machine's overlay of pending rows.
	Evaluate(cmd Command, given Given, at Position) Verdict
	// Append notes an entry that the log now holds as pending. An entry that
	// it cannot understand is an error, and the replica stops.
	Append(e *Entry) error
	// Commit says that everything up to seq is committed and handed to Apply.
	Commit(seq uint64)
	// Truncate forgets pending entries above seq (a joiner's log was cut).
	Truncate(seq uint64)
	// Reload is called when the applied rows were replaced: every page of a
	// snapshot is installed and readable, and EndInstall is among the effects of
	// this step. The machine forgets what it held, pending entries too; Append
	// is called again for each.
	Reload(applied Applied)
}

// Applied is the position that a replica's rows have reached.
type Applied struct {
	Epoch  chain.Epoch
	Seq    uint64
	Digest uint64
	Rev    uint64
	Time   int64
}

// Row is one row of a snapshot page; opaque bytes here.
type Row struct {
	Key, Value []byte
	// Payload is the bytes of a body row, in place of Value.
	Payload []byte
}

// Page is a piece of a snapshot, rows in key order. Snapshots are fuzzy: pages
// are read at different applied positions, and every entry after the position
// at which the first page was read is replayed over them.
type Page struct {
	Rows []Row
	// Next is where the next page starts; nil when this is the last.
	Next []byte
}

// State is what a replica persists beside its entries. Encode and decode are
// in this package; the driver stores the bytes as one record.
type State struct {
	Config chain.Config
	// WaitedOut is the epoch in which leases of older epochs were waited out.
	WaitedOut chain.Epoch
	// CommitPath is the joiner that is on this tail's commit path in
	// Config.Epoch; zero for none. Set before the joiner is reported in sync.
	CommitPath chain.ReplicaID
	// Installing is set while a snapshot is being put into this incarnation:
	// until it is done, the rows mean nothing.
	Installing bool
	// SnapshotFrom is where the next page starts, to go on after a restart.
	SnapshotFrom []byte
	// SnapshotAt is the position at which the snapshot's first page was read:
	// the log of this incarnation goes on from there. Zero if it never
	// installed one, or has no page of it yet.
	SnapshotAt Applied
	// SnapshotMax is the newest position that any page may have seen: the rows
	// are consistent once everything up to it is applied.
	SnapshotMax uint64
	// Boot numbers the starts of this replica (chain.NextBoot). It is raised and persisted before
	// the replica says anything, so that no stream, probe or lease request of an
	// earlier start can be mistaken for one of this.
	Boot uint64
}

// Recovered is what the store found of a replica. All of it is on disk: the
// store has synced what it replayed before it hands it over.
type Recovered struct {
	// State is nil for a replica that never acted.
	State *State
	// Applied is the position of its rows.
	Applied Applied
	// Entries are the log's entries above Applied, in order.
	Entries []*Entry
	// Retained are some older entries, in order and without a gap before
	// Entries: they save a rejoining neighbour a snapshot. May be empty.
	Retained []*Entry
}

// Event is something that happens to a replica.
type Event interface{ isEvent() }

type (
	// Configure brings a configuration from the master's log.
	Configure struct{ Config chain.Config }
	// Deliver brings a message of another replica.
	Deliver struct{ Env chain.Envelope }
	// Propose asks the head to evaluate a command. ID is the driver's, for Reply.
	// The driver reads Given from the rows as they are applied at this moment.
	Propose struct {
		ID      uint64
		Command Command
		Given   Given
	}
	// Barrier asks the head to confirm that it is the head: an answer that
	// orders nothing. Reply carries a nil Answer.
	Barrier struct{ ID uint64 }
	// Durable says that everything persisted with a token up to Token is on disk.
	// What the effects wrote in an order becomes durable in that order.
	Durable struct{ Token uint64 }
	// PageRead answers ReadPage.
	PageRead struct {
		ID   uint64
		Page Page
	}
	// PageInstalled answers InstallPage: the page's records are on disk.
	PageInstalled struct{ ID uint64 }
	// Drain asks the replica to hand back its lease before it is removed: send
	// it only then, because the hand-back is final for the epoch. It concerns
	// the tail; the others have nothing to hand back.
	Drain struct{}
	// Free tells the store's free space, in bytes above its limit (0 or less: full).
	Free struct{ Bytes int64 }
	// Tick lets time pass. The driver sends it at least every Config.TickEvery.
	Tick struct{}
)

func (Configure) isEvent()     {}
func (Deliver) isEvent()       {}
func (Propose) isEvent()       {}
func (Barrier) isEvent()       {}
func (Durable) isEvent()       {}
func (PageRead) isEvent()      {}
func (PageInstalled) isEvent() {}
func (Drain) isEvent()         {}
func (Free) isEvent()          {}
func (Tick) isEvent()          {}

// Effect is something that the driver does for a replica. Effects are carried
// out in order. What must wait for durability is not emitted before Durable:
// the driver needs no ordering of its own between disk and network.
type Effect interface{ isEffect() }

type (
	// PersistEntry appends to the store's log; Durable{Token} answers.
	// Tokens of one replica grow by one.
	PersistEntry struct {
		Token uint64
		Entry *Entry
	}
	// PersistState appends the state record; Durable{Token} answers.
	PersistState struct {
		Token uint64
		State State
	}
	// PersistTruncate voids the entries above Seq (rev Rev and higher).
	PersistTruncate struct {
		Token    uint64
		Seq, Rev uint64
	}
	// Send gives a message to the network.
	Send struct{ Env chain.Envelope }
	// Apply makes a committed entry visible in the rows, before any later effect.
	Apply struct {
		Entry *Entry
		// After is the position that the rows then have.
		After Applied
	}
	// Reply ends a Propose or Barrier. Err is a *chain.Refusal or nil.
	Reply struct {
		ID     uint64
		Answer Answer
		Err    error
	}
	// Serve publishes the read lease: rows may be answered while the clock says
	// less than Until. Zero revokes. A reader looks at it twice: before it reads,
	// and after it has the value; the lease must hold both times, and be of the
	// same epoch.
	Serve struct {
		Epoch chain.Epoch
		Until chain.Instant
	}
	// ReadPage asks for a page of this replica's committed rows from From on
	// (nil: from the start). It may be read at any time before PageRead, at
	// whatever position is applied then, but not before this effect's turn.
	ReadPage struct {
		ID   uint64
		From []byte
	}
	// BeginInstall voids every row and entry of this incarnation (a truncation
	// record with rev 0) before the first page of a snapshot.
	BeginInstall struct{ Token uint64 }
	// InstallPage writes a page's rows as records; PageInstalled answers.
	InstallPage struct {
		ID   uint64
		Page Page
	}
	// EndInstall sets the rows' position, after every page was installed. The
	// position is also in the State record that follows (SnapshotAt).
	EndInstall struct{ Applied Applied }
	// Report tells the master.
	Report struct{ Report chain.Report }
	// Stop ends the replica: it found its log diverged, or a format that it
	// does not know. The driver logs Reason and drops the replica from service;
	// it may go on with Tick, so that the report that came with it is repeated.
	Stop struct{ Reason string }
)

func (PersistEntry) isEffect()    {}
func (PersistState) isEffect()    {}
func (PersistTruncate) isEffect() {}
func (Send) isEffect()            {}
func (Apply) isEffect()           {}
func (Reply) isEffect()           {}
func (Serve) isEffect()           {}
func (ReadPage) isEffect()        {}
func (BeginInstall) isEffect()    {}
func (InstallPage) isEffect()     {}
func (EndInstall) isEffect()      {}
func (Report) isEffect()          {}
func (Stop) isEffect()            {}

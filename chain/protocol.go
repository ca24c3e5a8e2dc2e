package chain

import "fmt"

// Instant is a reading, in nanoseconds, of a clock that never goes back and
// counts suspend (CLOCK_BOOTTIME). Readings of two replicas are not compared.
type Instant int64

// Durations in nanoseconds. The pure packages do not import time.
const (
	Millisecond int64 = 1e6
	Second      int64 = 1e9
)

// Add returns the instant d nanoseconds later.
func (t Instant) Add(d int64) Instant { return t + Instant(d) }

// Now is what the driver's clocks say when it steps a machine.
type Now struct {
	// Mono is for leases and deadlines.
	Mono Instant
	// WallMs is milliseconds since 1970, for tablet time only.
	WallMs int64
}

// Envelope carries one protocol message between two replicas of a chain. The
// driver looks only at the addresses. Messages may be lost, repeated, delayed
// and reordered: the machines are correct under all of it.
type Envelope struct {
	Chain ChainID
	From  ReplicaID
	To    ReplicaID
	// Msg is a message type of chain/index or chain/data. It is shared between
	// the replicas of one process and never changed after it was sent.
	Msg any
}

// ReportKind says what a replica tells the master.
type ReportKind uint8

// The reports. Each names the epoch in which it is true, and the master's
// change is compare-and-set on that epoch.
const (
	// ReportInSync: the joiner Replica has all of the tail's durable log and is
	// persistently on the commit path; sent by the tail.
	ReportInSync ReportKind = 1
	// ReportSettled: Replica has held a read lease in this epoch.
	ReportSettled ReportKind = 2
	// ReportDiverged: Replica cannot reproduce the log's digest and leaves; it
	// rejoins as a new incarnation.
	ReportDiverged ReportKind = 3
	// ReportUnreachable: the sender cannot reach Replica: a hint, never a proof.
	ReportUnreachable ReportKind = 4
	// ReportBehind: the joiner Replica has rows that the source's log no longer
	// reaches; it is filled as a new incarnation, beside its old rows. Sent by the tail.
	ReportBehind ReportKind = 5
	// ReportClock: an entry's time is so far ahead of the clock of Replica that
	// it holds the entry back: one of the clocks is wrong.
	ReportClock ReportKind = 6
)

// Report is what a replica tells the master. Losing one is harmless: machines
// repeat a report at every tick while it is true and the configuration has not changed.
type Report struct {
	Kind    ReportKind
	Chain   ChainID
	Epoch   Epoch
	From    ReplicaID
	Replica ReplicaID
	// Detail is for people: what diverged, where.
	Detail string
}

// RefusalKind says why a replica did not take a request.
type RefusalKind uint8

// The refusals. All but RefusedUnknown promise that nothing was done.
const (
	// RefusedNotHead: another replica is the head (or the tail, for reads).
	RefusedNotHead RefusalKind = 1
	// RefusedEpoch: the request names another epoch.
	RefusedEpoch RefusalKind = 2
	// RefusedBelowMinAck: too few replicas serve; nothing commits.
	RefusedBelowMinAck RefusalKind = 3
	// RefusedBusy: the in-flight window is full.
	RefusedBusy RefusalKind = 4
	// RefusedNoLease: the tail holds no read lease at this moment.
	RefusedNoLease RefusalKind = 5
	// RefusedNotReady: the replica has not agreed with its neighbours yet.
	RefusedNotReady RefusalKind = 6
	// RefusedUnknown: the outcome is unknown (a change of head, a lost epoch).
	RefusedUnknown RefusalKind = 7
	// RefusedGone: no such chunk or upload here.
	RefusedGone RefusalKind = 8
	// RefusedFull: the store, or one further down, has no space for creates.
	RefusedFull RefusalKind = 9
	// RefusedFailed: the store has failed.
	RefusedFailed RefusalKind = 10
	// RefusedInvalid: the request itself is malformed.
	RefusedInvalid RefusalKind = 11
)

var refusalNames = [...]string{"", "not head", "other epoch", "below min_ack", "busy", "no lease", "not ready", "outcome unknown", "gone", "full", "store failed", "invalid"}

// String names the kind.
func (k RefusalKind) String() string {
	if int(k) < len(refusalNames) {
		return refusalNames[k]
	}
	return fmt.Sprintf("refusal(%d)", uint8(k))
}

// Refusal is the error of a request that a replica did not carry out. It
// carries the newest configuration that the replica knows, so that the caller
// can try again at once.
type Refusal struct {
	Kind   RefusalKind
	Chain  ChainID
	Newest Config
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string {
	s := fmt.Sprintf("chain %d: %s (epoch %s)", r.Chain, r.Kind, r.Newest.Epoch)
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return s
}

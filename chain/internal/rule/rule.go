package rule

// Rule is one demand of a protocol.
type Rule uint8

// The rules of an index chain; each comment says what is demanded. The numbers
// in brackets are those of ../../DESIGN.md. Tests name a rule on the command
// line by its place in this list: new ones go to the end.
const (
	None                Rule = iota // no rule: Without(None) leaves out nothing
	AckAfterSync                    // an entry, or a chunk's seal, counts as durable when it is on disk (5; data 2)
	EpochCheck                      // a message is acted on in its own epoch only (2)
	EpochPersisted                  // a configuration is on disk before anything is done in it (2)
	ReadUnderLease                  // a tail that is not the head serves while it holds a read lease (8)
	CommitAfterAll                  // what is committed is on the disk of every member; the tail decides, not the head (5)
	CommitByTail                    // a head or middle commits what the tail has committed, whatever is durable below it (5)
	PresentStream                   // entries are taken on the present stream only (3)
	AnswerConfirmed                 // an answer without an entry waits for a probe that was sent after it (7)
	AnswerAfterPending              // it waits, too, for the pending entry on which it rests (7)
	PromoteOnPath                   // a joiner is reported when it is on the commit path (18; data 4)
	PathPersisted                   // a restart does not forget the commit path (18; data 4)
	InSyncAtLogEnd                  // a joiner in sync has the tail's log to its end, not to its commit position (18)
	ReportOfEpoch                   // the master takes a report in sync of the present epoch only (19)
	LeaseFromRequest                // a lease counts from when its holder asked for it (8)
	LeaseOfEpoch                    // a lease ends with the epoch in which it was given (8)
	LeaseWithinParent               // a lease given ends no later than the giver's own (8)
	WaitOut                         // leases of older epochs are waited out (10)
	SurvivorWaits                   // who waits is the last survivor of the old order, not the new tail (10)
	RestartWaits                    // a restart waits for the grants that it has forgotten (11)
	RestartWaitsInEpoch             // ... in the epoch that was on disk, too, if the wait in it was not over (11)
	TailBarrier                     // a new tail reads when all that was in its log is committed (9)
	CommitAtMinAck                  // nothing is ordered, committed or sealed with fewer than MinAck Serving members (6; data 2)
	ReadAtMinAck                    // nothing is read with fewer than MinAck Serving members (16)
	DurablePrefix                   // the tail commits what is on every disk upstream (5)
	TruncateToSource                // a joiner cuts its log to its source's, and to no other position (14)
	SettledMember                   // every configuration has a settled member (13)
	HelloAfterAgreed                // a hello is answered after agreeing with the successor (4)
	OrderAfterHello                 // a head orders after its own hello was answered (4)
	ApplyCommitted                  // an entry is applied when it is committed and on this disk (5)
	SnapshotWithLog                 // a snapshot is whole with the entries on disk that its pages may have seen (20)
	SnapshotAtStart                 // over a snapshot the log goes on from its first page's position (20)
	CopyAll                         // what a joiner counts as copied has been copied: rows (20), chunks (data 4)
	JoinerBehindSource              // a joiner gets what is on its source's disk (17)
	HandBackFinal                   // a drained tail answers no more, and takes no grant, in the epoch (12)
	OlderLeaves                     // a replica whose disk has lost what others applied leaves (24)
	LeaseAfterCaughtUp              // a lease is granted to a successor that has the granter's log (25, 26)
	BootByClock                     // a start's number is not below the seconds of the wall clock (27)

	// The rules of a data chain beside those above, by section of ../../data/DESIGN.md.
	EpochAtSeal      // a chunk is sealed in the epoch in which it was opened; a new epoch fails what is open (2)
	FeedBeforeScan   // live frames reach a joiner before its scan begins (4)
	RemovalStopsCopy // a removal stops the joiner's copy of the same chunk (3)
	Quarantine       // a joiner puts aside what its source does not have (4)
	SumsCompared     // what a replica wrote is compared with the caller's sums before it is sealed (2)
	ReviewAtStart    // a replica that starts compares what it holds with its neighbour's (5)
	count
)

// Set says which rules hold. The zero Set holds every rule. A Set is only
// read once it is made, and copies are independent.
type Set struct{ off [count]bool }

// Without returns the set in which all rules but the given ones hold.
func Without(rules ...Rule) Set {
	var s Set
	for _, r := range rules {
		if r != None {
			s.off[r] = true
		}
	}
	return s
}

// Holds reports whether the rule is obeyed: true, unless a test left it out.
func (s *Set) Holds(r Rule) bool { return !s.off[r] }

package mutant

// Rule is one rule that can be left out.
type Rule uint8

// The rules of an index chain. Each name says what the mutant does wrong.
const (
	None                 Rule = iota
	AckBeforeSync             // an appended entry counts as durable at once
	NoEpochCheck              // messages of an older epoch are acted on
	EpochNotPersisted         // a configuration is acted in before it is on disk
	ReadWithoutLease          // the tail serves without a read lease
	CommitBeforeAll           // the head commits when its successor has the entry
	HeadCountsDurable         // a middle or head commits by durable acks, before the tail has
	NoStreamRule              // entries of an earlier stream of the epoch are taken
	AnswerUnconfirmed         // an answer without an entry is not confirmed
	AnswerIgnoresPending      // an answer does not wait for the entry on which it rests
	PromoteOffPath            // the joiner is reported before it is on the commit path
	PathNotPersisted          // the commit-path mode is forgotten in a crash
	InSyncAtCommit            // in sync means the tail's commit position, not its log
	ReportAnyEpoch            // the master takes a sync report of an older epoch
	LeaseFromReceipt          // a lease is counted from the receipt of the grant
	LeaseAnyEpoch             // a lease of an older epoch is used
	LeaseOutlivesParent       // a granted lease may outlive the granter's own
	NoWaitOut                 // leases of older epochs are not waited out
	WaitOnlyAtNewTail         // only the new tail waits, not the last survivor
	NoRestartWait             // a restart forgets grants and does not wait
	RestartWaitOnlyLater      // ... or waits only for epochs installed later
	NoTailBarrier             // a new tail reads before its log is known committed
	CommitBelowMinAck         // the chain commits with too few members
	ReadBelowMinAck           // a sole survivor reads
	NoDurablePrefix           // the tail ignores what upstream has synced
	TruncateToApplied         // a joiner cuts its log to what it knows is committed
	UnsettledMayBeAlone       // the master ignores the settled rule
	HelloBeforeAgreed         // a hello is answered before agreeing with the successor
	OrderBeforeHello          // a restarted head orders before its hello is answered
	ApplyUncommitted          // entries are applied when they are appended
	SnapshotWithoutLog        // entries that the fuzzy snapshot needs are not replayed
	SnapshotAtEnd             // the log goes on from the last page, not from the first
	CopyNothing               // the joiner's snapshot has no rows
	JoinerAheadOfSource       // the tail sends a joiner what it has not synced
	HandBackNotFinal          // a drained tail takes a late grant
	OlderServesOn             // a replica whose disk has lost what others applied stays
	LeaseBeforeCaughtUp       // a lease is granted before the child has the granter's log
	BootCounts                // a start's number is one above that on disk, whatever the clock says
	ruleCount
)

// Set says which rules are off. The zero Set is the protocol as it is.
type Set struct{ off [ruleCount]bool }

// Without returns the set in which the rules are off.
func Without(rules ...Rule) Set {
	var s Set
	for _, r := range rules {
		if r != None {
			s.off[r] = true
		}
	}
	return s
}

// Off reports whether the rule is left out.
func (s *Set) Off(r Rule) bool { return s.off[r] }

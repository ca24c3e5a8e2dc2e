package mutant

// Data are the rules of a data chain that can be left out. The zero value is
// the protocol as it is.
type Data struct {
	// AckBeforeSync: a replica acknowledges a seal before it is on disk.
	AckBeforeSync bool
	// NoEpochAtSeal: a chunk of an older epoch is sealed, and old messages obeyed.
	NoEpochAtSeal bool
	// PromoteOffPath: a joiner is reported in sync without being on the commit path.
	PromoteOffPath bool
	// PathNotPersisted: the commit-path mode is forgotten in a crash.
	PathNotPersisted bool
	// ScanBeforeFeed: the scan begins before live frames reach the joiner.
	ScanBeforeFeed bool
	// UndoRemoval: a removal does not stop the joiner's copy of the same chunk.
	UndoRemoval bool
	// CommitBelowMinAck: chunks are sealed with too few Serving replicas.
	CommitBelowMinAck bool
	// CopyNothing: a joiner counts as copied what it only saw in a list.
	CopyNothing bool
	// NoQuarantine: a joiner keeps what its source does not have.
	NoQuarantine bool
	// NoSums: what a replica wrote is not compared with the caller's sums.
	NoSums bool
	// NoReview: a replica that starts does not compare what it holds.
	NoReview bool
}

package tablet

import (
	"catena/chain"
	"fmt"
)

// Status is the outcome of a command or query.
type Status uint8

// The outcomes. Refusals order nothing, and promise that this try did and will
// do nothing. Negative answers are final: to a repeat they are entries, so a
// late first try cannot take effect after them.
const (
	StatusOK Status = 1

	// RefusedTablet: the key is not in this tablet, or its generation is another.
	RefusedTablet Status = 10
	// RefusedLearned: L > T or L < T - MaxLearnedAge. Time is T.
	RefusedLearned Status = 11
	// RefusedStamp: the stamp is older than T - StampAge. The chunks must be
	// cloned to new ids with a newer stamp; never send the old ids with one.
	RefusedStamp Status = 12
	// RefusedBucket: this tablet has no row of the bucket, a closed one, or one
	// of another generation; Bucket is the row, nil for none.
	RefusedBucket Status = 13
	// RefusedInvalid: the command or query itself is malformed.
	RefusedInvalid Status = 14
	// RefusedTime: the question can be answered only after an entry with a
	// later time (order an Empty and ask again).
	RefusedTime Status = 15

	// NotFound: there is no such object (or upload, release, record).
	NotFound Status = 20
	// PreconditionFailed: a condition did not hold.
	PreconditionFailed Status = 21
	// NoSuchUpload: the upload is absent: completed, aborted or never made.
	NoSuchUpload Status = 22
	// PartChanged: Part is absent or was written again meanwhile.
	PartChanged Status = 23
	// NotEmpty: the tablet holds an object or upload of the bucket.
	NotEmpty Status = 24
	// NewerBucket: the tablet has a bucket row of a newer generation: Bucket.
	NewerBucket Status = 25
	// CompareFailed: the record is another: Record, nil for none.
	CompareFailed Status = 26
	// SizeDiffers: the parts do not have the size that was said.
	SizeDiffers Status = 27
)

var statusNames = map[Status]string{
	StatusOK: "ok", RefusedTablet: "other tablet", RefusedLearned: "learned time refused", RefusedStamp: "stamp too old",
	RefusedBucket: "other bucket generation", RefusedInvalid: "invalid", RefusedTime: "time too early", NotFound: "not found",
	PreconditionFailed: "precondition failed", NoSuchUpload: "no such upload", PartChanged: "part changed", NotEmpty: "not empty",
	NewerBucket: "newer bucket row", CompareFailed: "compare failed", SizeDiffers: "size differs",
}

// String names the status.
func (s Status) String() string {
	if n, ok := statusNames[s]; ok {
		return n
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Refused reports a refusal: nothing was done by this try.
func (s Status) Refused() bool { return s >= 10 && s < 20 }

// Speaker says who answered, for which keys, and what time it has committed.
type Speaker struct {
	Tablet     chain.TabletID
	Generation uint64
	// Start and End are the range of owner keys for which the answer speaks;
	// an empty End is the end of all keys.
	Start, End []byte
	// Time is a tablet time from a committed entry of this tablet, to be used as
	// L and as a stamp; 0 if none can be told.
	Time int64
}

// Answer is the answer to a command.
type Answer struct {
	Status Status
	Speaker
	// Rev and Modified are those of the row written.
	Rev       uint64
	Modified  int64
	VersionID string
	// Existed says that a delete removed something.
	Existed bool
	Bucket  *BucketRow // of RefusedBucket and NewerBucket
	Record  *Record    // of SetRecord: as it is now
	Part    uint32     // of PartChanged
	// Keys has one answer for each key of DeleteMany.
	Keys []KeyAnswer
	// Detail says what is malformed, for the log.
	Detail string
}

// KeyAnswer is the answer for one key of DeleteMany.
type KeyAnswer struct {
	Status  Status
	Existed bool
}

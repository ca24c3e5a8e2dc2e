package tablet

import (
	"catena/chain"
)

// Tries marks the tries of one command as first or repeat, so that every layer
// that sends again does it by the same rule: a try is a repeat unless all
// earlier tries were refused with the promise that they do nothing.
// The zero value is for a command whose opID was never sent.
type Tries struct {
	// Sent: a try may still take effect, or has.
	Sent bool
}

// Next returns the command as its next try is to be sent. Call it just before
// sending, and Failed or Lost after it unless there was an answer.
func (t *Tries) Next(c Command) Command {
	c.Repeat = c.Repeat || t.Sent
	return c
}

// Lost notes that a try had no answer: it may still take effect.
func (t *Tries) Lost() { t.Sent = true }

// Failed notes the error of a try and reports whether nothing was done by it. A
// *chain.Refusal of another kind than RefusedUnknown promises that.
func (t *Tries) Failed(err error) (nothingDone bool) {
	r, ok := err.(*chain.Refusal)
	if ok && r.Kind != chain.RefusedUnknown {
		return true
	}
	t.Lost()
	return false
}

// Final reports whether an answer may be told to the caller: it is no refusal,
// or no earlier try of the command can still take effect. If not, the outcome
// is unknown. RefusedBucket is final to a repeat only when the tablet's row is
// not older than the command's: rows only get newer, so an earlier try that
// comes late is refused too.
func (t *Tries) Final(c Command, a *Answer) bool {
	if !a.Status.Refused() || !t.Sent && !c.Repeat {
		return true
	}
	return a.Status == RefusedBucket && a.Bucket != nil && (a.Bucket.Generation > c.BucketGen || a.Bucket.Closed)
}

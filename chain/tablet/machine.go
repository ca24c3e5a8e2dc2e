package tablet

import (
	"errors"

	"catena/chain"
	"catena/chain/index"
)

// Config says which tablet a machine serves.
type Config struct {
	Tablet chain.Tablet
	// MaxOps bounds the opID set while the last time is ahead of the clock
	// (then time advances 1 ms an entry); 0 for 1<<20.
	MaxOps int
}

// Machine is the index.Machine of a tablet: the overlay of pending rows, the
// last rev and time, and the opID window. Followers keep it too: they may
// become head. It is used by one replica's goroutine only.
//
// It understands commands of type *Command, and answers with Answer values.
type Machine struct {
	cfg Config
}

var _ index.Machine = (*Machine)(nil)

// NewMachine returns a machine without rows; Load it before use.
func NewMachine(cfg Config) *Machine { return &Machine{cfg: cfg} }

// Load takes the opID window from the rows, and rev and time from their
// position. Call it after open, and after a snapshot was installed (before the
// EndInstall effect is answered). Pending entries are forgotten: the replica
// hands in its log by Append.
func (m *Machine) Load(r Reader, applied index.Applied) error { return errors.New("tablet: not built") }

// Gather reads the committed rows that a command (a *Command) needs, at most
// MaxParts of them. The driver calls it in the replica's goroutine at the
// moment of the Propose that carries the Given.
func (m *Machine) Gather(cmd index.Command, r Reader) (index.Given, error) {
	return nil, errors.New("tablet: not built")
}

// Evaluate implements index.Machine. An entry's Payload is the inline body.
func (m *Machine) Evaluate(cmd index.Command, given index.Given, at index.Position) index.Verdict {
	return index.Verdict{}
}

// Append implements index.Machine.
func (m *Machine) Append(e *index.Entry) error { return errors.New("tablet: not built") }

// Commit implements index.Machine.
func (m *Machine) Commit(seq uint64) {}

// Truncate implements index.Machine.
func (m *Machine) Truncate(seq uint64) {}

// Reload implements index.Machine; the driver has called Load before.
func (m *Machine) Reload(applied index.Applied) {}

// Touches reports whether a pending entry touches what a query reads; below
// MinAck such a query is refused.
func (m *Machine) Touches(q *Query) bool { return true }

// DecodeRows gives what an entry does to the rows; the slices alias body. An
// error (a format that this release does not know) stops the replica.
func DecodeRows(body []byte) (Rows, error) { return Rows{}, errors.New("tablet: not built") }

// Run answers a query from committed rows. The driver tests the read lease
// afterwards. An error is damage or an I/O error, never the caller's mistake.
func Run(q *Query, v View, r Reader) (Result, error) { return Result{}, errors.New("tablet: not built") }

// RowOwner gives the owner key (bucketID, user key) of a row; ok is false for
// rows without one (the opID window, which both children of a split inherit).
func RowOwner(row []byte) (owner []byte, ok bool, err error) { return nil, false, nil }

// EncodeCommand gives the bytes of a command as it travels, Bytes included.
func EncodeCommand(c *Command) []byte { return nil }

// DecodeCommand is the inverse; it bounds everything it reads.
func DecodeCommand(b []byte) (*Command, error) { return nil, errors.New("tablet: not built") }

// EncodeAnswer gives the bytes of an answer.
func EncodeAnswer(a *Answer) []byte { return nil }

// DecodeAnswer is the inverse.
func DecodeAnswer(b []byte) (Answer, error) { return Answer{}, errors.New("tablet: not built") }

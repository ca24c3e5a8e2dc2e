package tablettest

import (
	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
)

// Replica is the only replica of a tablet: head and tail. Not safe for
// concurrent use.
type Replica struct {
	Tablet  chain.Tablet
	Rows    *Rows
	Applied index.Applied
	Machine *tablet.Machine
	pending []*index.Entry
	// WallMs is the head's clock.
	WallMs int64
	// Stop is the View's.
	Stop func() bool
}

// NewReplica returns an empty tablet.
func NewReplica(t chain.Tablet, wallMs int64) *Replica {
	r := &Replica{Tablet: t, Rows: NewRows(), WallMs: wallMs}
	if err := r.Restart(); err != nil {
		panic(err) // empty rows can't be malformed
	}
	return r
}

// Restart makes the machine anew from the rows and the pending entries, as a
// head does that was restarted, and as a follower that becomes head.
func (r *Replica) Restart() error {
	r.Machine = tablet.NewMachine(tablet.Config{Tablet: r.Tablet})
	if err := r.Machine.Load(r.Rows, r.Applied); err != nil {
		return err
	}
	for _, e := range r.pending {
		if err := r.Machine.Append(e); err != nil {
			return err
		}
	}
	return nil
}

// Propose evaluates a command. Its entry, if it makes one, is pending.
func (r *Replica) Propose(c tablet.Command) (index.Verdict, error) {
	g, err := r.Machine.Gather(&c, r.Rows)
	if err != nil {
		return index.Verdict{}, err
	}
	v := r.Machine.Evaluate(&c, g, index.Position{Seq: r.Last() + 1, WallMs: r.WallMs})
	if v.Entry != nil {
		v.Entry.Seq = r.Last() + 1
		if err := r.Machine.Append(v.Entry); err != nil {
			return v, err
		}
		r.pending = append(r.pending, v.Entry)
	}
	return v, nil
}

// Last is the seq of the last entry, pending included.
func (r *Replica) Last() uint64 { return r.Applied.Seq + uint64(len(r.pending)) }

// Commit applies the pending entries up to seq.
func (r *Replica) Commit(seq uint64) error {
	for len(r.pending) > 0 && r.pending[0].Seq <= seq {
		e := r.pending[0]
		if err := r.Rows.Apply(e.Body, e.Payload); err != nil {
			return err
		}
		r.Applied.Seq, r.Applied.Rev, r.Applied.Time = e.Seq, e.Rev, e.Time
		r.pending = r.pending[1:]
	}
	r.Machine.Commit(seq)
	return nil
}

// Lose forgets the pending entries above seq: the head is gone, and another
// goes on from there.
func (r *Replica) Lose(seq uint64) error {
	r.Forget(seq)
	return r.Restart()
}

// Forget takes the pending entries above seq out of the log, for a machine that
// was told by Truncate.
func (r *Replica) Forget(seq uint64) {
	for n := len(r.pending); n > 0 && r.pending[n-1].Seq > seq; n-- {
		r.pending = r.pending[:n-1]
	}
}

// Do evaluates a command and commits everything.
func (r *Replica) Do(c tablet.Command) (tablet.Answer, error) {
	v, err := r.Propose(c)
	if err == nil {
		err = r.Commit(r.Last())
	}
	if err != nil {
		return tablet.Answer{}, err
	}
	return v.Answer.(tablet.Answer), nil
}

// Query answers from the committed rows.
func (r *Replica) Query(q tablet.Query) (tablet.Result, error) {
	return tablet.Run(&q, tablet.View{Tablet: r.Tablet, Applied: r.Applied, Stop: r.Stop}, r.Rows)
}

// Split divides the tablet at an owner key; every entry must be committed. Both
// children inherit rows, rev, time and the opID window; right serves [at, end).
func (r *Replica) Split(at []byte, rightID chain.TabletID) (left, right *Replica, err error) {
	child := func(t chain.Tablet) (*Replica, error) {
		c := &Replica{Tablet: t, Rows: r.Rows.Clone(), Applied: r.Applied, WallMs: r.WallMs}
		for _, key := range r.Rows.keys {
			owner, ok, err := tablet.RowOwner(key)
			if err != nil {
				return nil, err
			}
			// Bucket rows (an owner without a user key) and op rows go to both.
			if ok && len(owner) > 16 && !t.Contains(owner) {
				c.Rows.Delete(key)
			}
		}
		return c, nil
	}
	lt, rt := r.Tablet, r.Tablet
	lt.End, lt.Generation = at, lt.Generation+1
	rt.ID, rt.Start, rt.Generation = rightID, at, rt.Generation+1
	if left, err = child(lt); err != nil {
		return nil, nil, err
	}
	if right, err = child(rt); err != nil {
		return nil, nil, err
	}
	if err = left.Restart(); err == nil {
		err = right.Restart()
	}
	return left, right, err
}

package index

import (
	"fmt"

	"catena/chain"
)

// This file decides who leaves when a digest cannot be reproduced. The first
// follower takes entries from the head itself, so either may be wrong: it asks
// everyone downstream. If no follower agrees with the head, the head leaves.
// Any later follower takes entries that its predecessor has reproduced, so a
// follower agrees with the head and this replica leaves.

// suspicion is a digest of the head's that this replica could not reproduce.
type suspicion struct {
	at Mark
	// mine: it is this replica that suspects; otherwise it passes on.
	mine bool
}

// cannotReproduce is called for the digest of a log that this replica has too.
func (r *Replica) cannotReproduce(at Mark) {
	if r.isJoiner() || r.state.Config.Position(r.cfg.Self) != 1 {
		r.diverged(at)
		return
	}
	if r.suspect != nil && r.suspect.mine {
		return
	}
	r.suspect = &suspicion{at: at, mine: true}
	if r.isTail() {
		r.judge(at, false)
		return
	}
	r.askDownstream()
}

func (r *Replica) diverged(at Mark) {
	r.leave(fmt.Sprintf("cannot reproduce digest %x of the log up to %s/%d", at.Digest, at.Epoch, at.Seq))
}

// leave ends this replica: it reports itself, and rejoins as a new incarnation.
func (r *Replica) leave(detail string) {
	r.reports.set(chain.ReportDiverged, r.cfg.Self, detail)
	r.report()
	r.stop(detail)
}

// judge decides when it is known whether any other follower agrees with the head.
func (r *Replica) judge(at Mark, agrees bool) {
	if agrees {
		r.diverged(at)
		return
	}
	detail := fmt.Sprintf("no follower reproduces its digest %x of the log up to %s/%d", at.Digest, at.Epoch, at.Seq)
	r.reports.set(chain.ReportDiverged, r.state.Config.Head(), detail)
	r.report()
}

func (r *Replica) askDownstream() {
	if l := r.down; l != nil && l.state == linkStreaming && r.suspect != nil {
		r.send(l.to, &Suspect{Channel: l.ch, At: r.suspect.at})
	}
}

// tickSuspicion asks again.
func (r *Replica) tickSuspicion() {
	if r.suspect != nil && r.reports.standing.Kind == 0 {
		r.askDownstream()
	}
}

// onSuspect gives an opinion, once this log reaches that far: an entry that is
// in it carried the head's digest and was compared.
func (r *Replica) onSuspect(from chain.ReplicaID, m *Suspect) {
	if !r.onStream(from, m.Channel) {
		return
	}
	mine, ok := r.log.mark(m.At.Seq)
	if !ok {
		return
	}
	switch {
	case r.state.Config.Position(r.cfg.Self) == 1:
		if mine.Digest != m.At.Digest {
			r.cannotReproduce(m.At)
		}
	case mine.Digest == m.At.Digest:
		r.opine(m.At, true)
	case r.isTail():
		r.opine(m.At, false)
	default:
		r.suspect = &suspicion{at: m.At}
		r.askDownstream()
	}
}

func (r *Replica) opine(at Mark, agrees bool) {
	r.suspect = nil
	r.send(r.up.from, &Opinion{Channel: r.up.ch, At: at, Agrees: agrees})
}

func (r *Replica) onOpinion(from chain.ReplicaID, m *Opinion) {
	l := r.down
	if l == nil || from != l.to || m.Channel != l.ch || r.suspect == nil || r.suspect.at != m.At {
		return
	}
	if r.suspect.mine {
		r.judge(m.At, m.Agrees)
		return
	}
	r.opine(m.At, m.Agrees)
}

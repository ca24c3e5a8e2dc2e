package index

import (
	"catena/chain"
	"catena/chain/internal/rule"
)

// proposal is a command that was ordered as an entry; it is answered when that
// is committed.
type proposal struct {
	id     uint64
	seq    uint64
	answer Answer
}

// waiter is an answer that orders no entry. The head has no lease: another
// head may have taken its place without its knowledge. So the answer waits
// until something sent down the chain after the evaluation was acknowledged by
// the tail, in this epoch, and until the entry on which it rests is committed.
type waiter struct {
	id      uint64
	answer  Answer
	restsOn uint64
	probe   uint64
}

// propose evaluates a command against the head's latest state.
func (r *Replica) propose(p *Propose) {
	if kind, ok := r.mayOrder(); !ok {
		r.refuse(p.ID, kind, "")
		return
	}
	if c, ok := p.Command.(interface{ Creates() bool }); ok && r.leastFree() <= 0 && c.Creates() {
		r.refuse(p.ID, chain.RefusedFull, "")
		return
	}
	last := r.log.last()
	v := r.machine.Evaluate(p.Command, p.Given, Position{Epoch: r.state.Config.Epoch, Seq: last.Seq + 1, WallMs: r.now.WallMs})
	if v.Entry == nil {
		r.askConfirm(p.ID, v.Answer, v.RestsOn)
		return
	}
	e := v.Entry
	e.Epoch, e.Seq = r.state.Config.Epoch, last.Seq+1
	e.PrevEpoch, e.PrevSeq, e.Digest = last.Epoch, last.Seq, last.Digest
	r.proposed = append(r.proposed, proposal{id: p.ID, seq: e.Seq, answer: v.Answer})
	r.appendEntry(e)
}

// mayOrder reports whether this replica takes commands now; if not, why.
func (r *Replica) mayOrder() (chain.RefusalKind, bool) {
	switch {
	case !r.hasConfig():
		return chain.RefusedNotReady, false
	case !r.isHead():
		return chain.RefusedNotHead, false
	case r.phase != phaseActive || !r.agreed && r.rules.Holds(rule.OrderAfterHello):
		return chain.RefusedNotReady, false
	case !r.writable():
		return chain.RefusedBelowMinAck, false
	case r.windowFull():
		return chain.RefusedBusy, false
	}
	return 0, true
}

func (r *Replica) windowFull() bool {
	pending := r.log.last().Seq - r.applied.Seq
	return pending >= uint64(r.cfg.Window) || len(r.waiters) >= 4*r.cfg.Window ||
		pending > 0 && r.log.bytes > r.cfg.WindowBytes && r.log.size(r.applied.Seq+1) >= r.cfg.WindowBytes
}

// askConfirm queues an answer that orders nothing.
func (r *Replica) askConfirm(id uint64, answer Answer, restsOn uint64) {
	if kind, ok := r.mayOrder(); !ok {
		r.refuse(id, kind, "")
		return
	}
	if r.probeSent >= r.probe {
		r.probes++
		r.probe = inStart(r.state.Boot, r.probes)
	}
	if r.isTail() {
		r.confirmed = r.probe // the only member asks itself
	}
	if !r.rules.Holds(rule.AnswerAfterPending) {
		restsOn = 0
	}
	r.waiters = append(r.waiters, waiter{id: id, answer: answer, restsOn: restsOn, probe: r.probe})
	r.releaseWaiters()
}

// releaseWaiters answers what is committed and confirmed.
func (r *Replica) releaseWaiters() {
	if len(r.waiters) == 0 {
		return
	}
	rest := r.waiters[:0]
	for _, w := range r.waiters {
		confirmed := w.probe <= r.confirmed || !r.rules.Holds(rule.AnswerConfirmed)
		if confirmed && w.restsOn <= r.applied.Seq {
			r.emit(Reply{ID: w.id, Answer: w.answer})
		} else {
			rest = append(rest, w)
		}
	}
	clear(r.waiters[len(rest):])
	r.waiters = rest
}

// answerProposals answers what is applied.
func (r *Replica) answerProposals() {
	n := 0
	for n < len(r.proposed) && r.proposed[n].seq <= r.applied.Seq {
		r.emit(Reply{ID: r.proposed[n].id, Answer: r.proposed[n].answer})
		n++
	}
	if n > 0 {
		rest := copy(r.proposed, r.proposed[n:])
		clear(r.proposed[rest:])
		r.proposed = r.proposed[:rest]
	}
}

// failProposals ends every request: those that were ordered with an unknown
// outcome, because another head may yet commit their entries.
func (r *Replica) failProposals(kind chain.RefusalKind, detail string) {
	for _, p := range r.proposed {
		r.refuse(p.id, chain.RefusedUnknown, detail)
	}
	r.proposed = nil
	r.failWaiters(kind)
}

// failWaiters ends the requests that ordered nothing, and so did nothing.
func (r *Replica) failWaiters(kind chain.RefusalKind) {
	for _, w := range r.waiters {
		r.refuse(w.id, kind, "")
	}
	r.waiters = nil
}

func (r *Replica) refuse(id uint64, kind chain.RefusalKind, detail string) {
	r.emit(Reply{ID: id, Err: &chain.Refusal{
		Kind: kind, Chain: r.cfg.Chain, Newest: r.state.Config.Clone(), Detail: detail,
	}})
}

package index

import (
	"fmt"

	"catena/chain"
)

// reports keeps what is to be told to the master, and repeats it.
type reports struct {
	// standing is a report that stays true until the configuration changes.
	standing chain.Report
	// due: it is time to repeat.
	due  bool
	next chain.Instant
	// told is what was said in this epoch, so that a first time is told at once.
	told map[reportKey]bool
}

type reportKey struct {
	kind    chain.ReportKind
	replica chain.ReplicaID
}

func (s *reports) tick(now chain.Instant, every int64) {
	s.due = now >= s.next
	if s.due {
		s.next = now.Add(every)
	}
}

// set keeps a report to be repeated: divergence comes before everything else.
func (s *reports) set(kind chain.ReportKind, replica chain.ReplicaID, detail string) {
	if s.standing.Kind == chain.ReportDiverged && kind != chain.ReportDiverged {
		return
	}
	s.standing = chain.Report{Kind: kind, Replica: replica, Detail: detail}
}

// report tells the master what is true now.
func (r *Replica) report() {
	if r.phase != phaseActive {
		return
	}
	c := &r.state.Config
	if l := &r.reports.standing; l.Kind != 0 {
		l.Chain, l.Epoch, l.From = c.Chain, c.Epoch, r.cfg.Self
		r.tell(l.Kind, l.Replica, l.Detail)
	}
	if r.lease.heldOnce && !c.IsSettled(r.cfg.Self) {
		r.tell(chain.ReportSettled, r.cfg.Self, "")
	}
	if r.path.inSync(r) {
		r.tell(chain.ReportInSync, r.join.to, "")
	}
	for _, l := range []*downLink{r.down, r.join} {
		if l != nil && l.owing {
			r.reportSilence(l.to, l.heard)
		}
	}
	if r.isServing() && !r.isHead() && r.lease.until <= r.now.Mono && !r.lease.drained && !r.lease.closed() {
		r.reportSilence(c.Pred(r.cfg.Self), r.lease.granted)
	}
}

// reportSilence reports a neighbour that has owed an answer for too long.
func (r *Replica) reportSilence(who chain.ReplicaID, heard chain.Instant) {
	if d := int64(r.now.Mono - heard); d >= r.cfg.UnreachableAfter {
		r.tell(chain.ReportUnreachable, who, fmt.Sprintf("silent for %d ms", d/chain.Millisecond))
	}
}

// tell emits a report the first time, and when it is time to repeat.
func (r *Replica) tell(kind chain.ReportKind, replica chain.ReplicaID, detail string) {
	key := reportKey{kind, replica}
	if r.reports.told[key] && !r.reports.due {
		return
	}
	if r.reports.told == nil {
		r.reports.told = map[reportKey]bool{}
	}
	r.reports.told[key] = true
	c := &r.state.Config
	r.emit(Report{Report: chain.Report{
		Kind: kind, Chain: c.Chain, Epoch: c.Epoch, From: r.cfg.Self, Replica: replica, Detail: detail,
	}})
}

package chaintest

import (
	"errors"
	"fmt"
	"strings"

	"catena/chain"
	"catena/chain/index"
)

// This file puts steps under the invariants of index_check.go.

// effect is what the world sees of a step.
func (t *turn) effect(n *xnode, effect index.Effect) {
	switch e := effect.(type) {
	case index.Apply:
		t.rule(func(c *indexCluster) { c.onApply(&n.indexProc, e) })
	case index.Reply:
		t.reply(n, e)
	case index.Serve:
		t.rule(func(c *indexCluster) { c.checkServe(&n.indexProc, e) })
	case index.Report:
		t.report(e.Report)
	case index.Stop:
		t.fail(fmt.Errorf("%s stops: %s", letter(n.at), e.Reason))
	}
}

// rule lends what is known to the cluster on the bench, and takes it back.
func (t *turn) rule(check func(c *indexCluster)) {
	k := t.knows()
	c := t.bench
	c.check_ = checker{committed: k.committed, floor: []uint64{k.floor}, applied: map[uint64]Real{}, tails: k.tails}
	check(c)
	k.committed, k.floor = c.check_.committed, c.check_.floor[0]
	t.fail(c.w.fault)
}

// reply: the client is told at once.
func (t *turn) reply(n *xnode, e index.Reply) {
	i := e.ID - 1
	k := t.knows()
	if k.calls[i].ended || !k.calls[i].begun {
		t.fail(fmt.Errorf("%s answers request %d twice, or one that it was not asked", letter(n.at), e.ID))
		return
	}
	floor := k.calls[i].floor
	k.calls[i] = called{begun: true, ended: true}
	if e.Err != nil {
		var refusal *chain.Refusal
		if !errors.As(e.Err, &refusal) {
			t.fail(fmt.Errorf("%s answers with %w", letter(n.at), e.Err))
		}
		return
	}
	call := &call{cmd: t.x.command(uint8(i)), floor: floor, out: e.Answer.(answer), done: true}
	t.rule(func(c *indexCluster) {
		c.checkReply(&n.indexProc, call, call.out)
		c.checkAnswer(call)
	})
}

// report reaches the master at once; it acts on it when it likes.
func (t *turn) report(rep chain.Report) {
	switch rep.Kind {
	case chain.ReportDiverged, chain.ReportClock:
		t.fail(fmt.Errorf("%s reports of %s: %s", letter(letterOf(rep.From)), letter(letterOf(rep.Replica)), rep.Detail))
	case chain.ReportInSync:
		if rep.Epoch == t.bench.master.Config.Epoch {
			t.w.reports |= 1 << letterOf(rep.Replica)
		}
	case chain.ReportSettled:
		if rep.Epoch == t.bench.master.Config.Epoch {
			t.w.reports |= 1 << (maxReplicas + letterOf(rep.Replica))
		}
	}
}

// verify looks at the state that an action led to: what each replica and the
// recoverable set must have, and what every tail answers that may.
func (t *turn) verify() {
	c, k, x := t.bench, t.k, t.x
	c.check_ = checker{committed: k.committed, floor: []uint64{k.floor}}
	c.checkRecoverable()
	for i := range x.scope.Replicas {
		if n := x.nodes[t.w.nodes[i]]; t.stepped&(1<<i) != 0 {
			c.check(&n.indexProc)
		}
	}
	t.fail(c.w.fault)
	// The first round of reads shows what anybody may know, the second that
	// nobody answers less.
	now := clockAt(t.w.now).Mono
	known := k.floor
	for range 2 {
		for i := range x.scope.Replicas {
			n := x.nodes[t.w.nodes[i]]
			if n.serve.Until <= now {
				continue
			}
			c.checkRead(&n.indexProc, &call{cmd: command{kind: opRead}, floor: known}, n.read)
			known = max(known, n.read.seq)
		}
	}
	t.fail(c.w.fault)
	if known > k.floor {
		t.knows().floor = known
	}
}

// readable is a violation with letters for replicas, and without the bench's time.
func readable(err error) error {
	s := strings.TrimPrefix(err.Error(), "at "+Real(0).String()+": ")
	for i := range maxReplicas {
		s = strings.ReplaceAll(s, letterID(i).String(), letter(i))
	}
	return errors.New(s)
}

// tellStep says what a step of a replica shows.
func (x *explorer) tellStep(at int, st *xstep) {
	say := func(format string, args ...any) {
		x.told = append(x.told, letter(at)+" "+fmt.Sprintf(format, args...))
	}
	for _, e := range st.seen {
		switch e := e.(type) {
		case index.Apply:
			say("applies entry %s/%d", e.Entry.Epoch, e.Entry.Seq)
		case index.Reply:
			if e.Err != nil {
				say("refuses command %d: %v", e.ID, e.Err)
			} else {
				say("answers command %d: %+v", e.ID, e.Answer)
			}
		case index.Serve:
			say("%s in epoch %s", map[bool]string{true: "answers no reads", false: "answers reads"}[e.Until == 0], e.Epoch)
		case index.Report:
			say("reports %s %s", letter(letterOf(e.Report.Replica)), reportNames[e.Report.Kind])
		case index.Stop:
			say("stops: %s", e.Reason)
		}
	}
	for _, id := range st.sent {
		m := x.msgs[id]
		say("sends %s: %s", letter(m.to), x.words(m.env.Msg))
	}
}

// words describes a message.
func (x *explorer) words(msg any) string {
	switch m := msg.(type) {
	case *index.Hello:
		return fmt.Sprintf("Hello in epoch %s, stream %x", m.Config.Epoch, m.Stream)
	case *index.Append:
		var es []string
		for _, e := range m.Entries {
			es = append(es, fmt.Sprintf("%s/%d", e.Epoch, e.Seq))
		}
		return fmt.Sprintf("Append of epoch %s [%s], durable %d, stream %x", m.Epoch, strings.Join(es, " "), m.Durable, m.Stream)
	case *index.Ack:
		return fmt.Sprintf("Ack in epoch %s, received %d, durable %d, committed %d", m.Epoch, m.Received, m.Durable, m.Committed)
	case *index.Welcome:
		last := m.Marks[len(m.Marks)-1]
		return fmt.Sprintf("Welcome in epoch %s, log ends at %s/%d, stream %x", m.Channel.Epoch, last.Epoch, last.Seq, m.Stream)
	case index.Message:
		return fmt.Sprintf("%s in epoch %s", strings.TrimPrefix(fmt.Sprintf("%T", msg), "*index."), m.MsgEpoch())
	}
	return fmt.Sprintf("%T", msg)
}

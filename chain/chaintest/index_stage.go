package chaintest

import (
	"fmt"

	"catena/chain"
	"catena/chain/index"
)

// What a replica does on the stage of a scenario.

func (a *actor) clock() chain.Now {
	return chain.Now{Mono: chain.Instant(a.s.now), WallMs: a.s.now / chain.Millisecond}
}

// start makes the replica from what its disk has; its rows are as old as can be.
func (a *actor) start() {
	a.machine = &registers{fail: func(format string, args ...any) { a.s.say("%s machine: %s", a.name, fmt.Sprintf(format, args...)) }}
	a.rows, a.applied, a.serve = rows{}, index.Applied{}, index.Serve{}
	rec := index.Recovered{}
	if st := a.durable.state; st != nil {
		state := *st
		rec.State = &state
		rec.Entries = a.durable.entries
		rec.Applied = a.durable.base
		a.applied = a.durable.base
		for _, r := range a.recs {
			for _, row := range r.page.Rows {
				a.rows[string(row.Key)] = string(row.Value)
			}
		}
	}
	r, effects, err := index.NewMutated(index.Config{
		Chain: 1, Self: a.id, Machine: a.machine, Recovered: rec, TickEvery: 50 * chain.Millisecond,
		RetainEntries: 4, Window: 8, StartedMs: a.s.now / chain.Millisecond, JoinEntries: 100, UnreachableAfter: 3600 * chain.Second,
	}, a.s.rules)
	if err != nil {
		a.s.say("%s does not start: %v", a.name, err)
		return
	}
	a.r = r
	a.carryOut(effects)
}

func (a *actor) crash() {
	a.r = nil
	a.recs, a.tokens = a.recs[:a.synced], a.tokens[:a.synced]
}

// rollBack ends the process and makes its disk what it was in the image.
func (a *actor) rollBack() {
	a.r = nil
	a.synced = a.image
	a.recs, a.tokens = a.recs[:a.synced], a.tokens[:a.synced]
	a.durable = durableLog{}
	for i := range a.recs {
		a.durable.add(&a.recs[i])
	}
}

func (a *actor) step(ev index.Event) {
	if a.r == nil {
		a.s.say("%s is down", a.name)
		return
	}
	a.carryOut(a.r.Step(a.clock(), ev))
}

// sync makes everything durable, and tells the replica.
func (a *actor) sync() {
	if a.r == nil || a.synced == len(a.recs) {
		return
	}
	from := a.synced
	a.synced = len(a.recs)
	token, page := uint64(0), uint64(0)
	for i := from; i < a.synced; i++ {
		a.durable.add(&a.recs[i])
		if a.recs[i].kind == recPage {
			page = a.tokens[i]
		} else {
			token = max(token, a.tokens[i])
		}
	}
	if token != 0 {
		a.step(index.Durable{Token: token})
	}
	if page != 0 {
		a.step(index.PageInstalled{ID: page})
	}
}

func (a *actor) write(rec diskRecord, token uint64) {
	a.recs = append(a.recs, rec)
	a.tokens = append(a.tokens, token)
}

// carryOut does what the replica asks. The effects are copied first, because
// some of them step the replica again.
func (a *actor) carryOut(effects []index.Effect) {
	for _, e := range append([]index.Effect(nil), effects...) {
		a.effect(e)
	}
}

func (a *actor) effect(effect index.Effect) {
	s := a.s
	switch e := effect.(type) {
	case index.PersistEntry:
		a.write(diskRecord{kind: recEntry, entry: e.Entry}, e.Token)
		s.say("%s appends %s/%d", a.name, e.Entry.Epoch, e.Entry.Seq)
	case index.PersistState:
		a.write(diskRecord{kind: recState, state: e.State}, e.Token)
	case index.PersistTruncate:
		a.write(diskRecord{kind: recTruncate, seq: e.Seq}, e.Token)
		s.say("%s cuts its log after %d", a.name, e.Seq)
	case index.BeginInstall:
		a.rows, a.applied = rows{}, index.Applied{}
		a.write(diskRecord{kind: recBegin}, e.Token)
		s.say("%s begins a snapshot", a.name)
	case index.InstallPage:
		for _, row := range e.Page.Rows {
			a.rows[string(row.Key)] = string(row.Value)
		}
		a.write(diskRecord{kind: recPage, page: e.Page}, e.ID)
	case index.EndInstall:
		a.applied = e.Applied
		s.say("%s has the snapshot of %d", a.name, e.Applied.Seq)
	case index.ReadPage:
		a.step(index.PageRead{ID: e.ID, Page: a.rows.page(e.From, 4)})
	case index.Send:
		if !s.cut[s.name(e.Env.From)+"->"+s.name(e.Env.To)] {
			s.queue = append(s.queue, e.Env)
		}
	case index.Apply:
		a.rows.apply(e.Entry.Body)
		a.applied = e.After
		s.say("%s applies %s/%d", a.name, e.Entry.Epoch, e.Entry.Seq)
	case index.Reply:
		a.reply(e)
	case index.Serve:
		if (e.Until == 0) != (a.serve.Until == 0) {
			s.say("%s %s", a.name, map[bool]string{true: "answers no reads", false: "answers reads"}[e.Until == 0])
		}
		a.serve = e
	case index.Report:
		s.say("%s reports %s %s", a.name, s.name(e.Report.Replica), reportNames[e.Report.Kind])
	case index.Stop:
		s.say("%s stops: %s", a.name, e.Reason)
	}
}

var reportNames = map[chain.ReportKind]string{
	chain.ReportInSync: "in sync", chain.ReportSettled: "settled", chain.ReportDiverged: "diverged",
	chain.ReportUnreachable: "unreachable", chain.ReportBehind: "behind", chain.ReportClock: "a wrong clock",
}

func (a *actor) reply(e index.Reply) {
	what := a.s.waiting[e.ID]
	delete(a.s.waiting, e.ID)
	if e.Err != nil {
		a.s.say("%s answers %q: %s", a.name, what, e.Err.(*chain.Refusal).Kind)
		return
	}
	ans := e.Answer.(answer)
	switch {
	case ans.ok:
		a.s.say("%s answers %q: done, entry %d", a.name, what, ans.seq)
	case ans.exists:
		a.s.say("%s answers %q: it is %d", a.name, what, ans.value)
	default:
		a.s.say("%s answers %q: there is none", a.name, what)
	}
}

func (a *actor) read(key string) {
	if a.r == nil || a.clock().Mono >= a.serve.Until {
		a.s.say("%s does not answer", a.name)
		return
	}
	ans, err := a.rows.read(int(key[0]))
	switch {
	case err != nil:
		a.s.say("%s: %v", a.name, err)
	case ans.exists:
		a.s.say("%s: %s is %d", a.name, key, ans.value)
	default:
		a.s.say("%s: there is no %s", a.name, key)
	}
}

func (a *actor) status() {
	if a.r == nil {
		a.s.say("%s is down", a.name)
		return
	}
	st := a.r.Status()
	a.s.say("%s epoch %s active %v, log ends at %s/%d, durable %d, applied %d", a.name, st.Config.Epoch, st.Active, st.Last.Epoch, st.Last.Seq, st.Durable, st.Applied.Seq)
}

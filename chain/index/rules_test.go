package index

import (
	"fmt"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// serving makes a chain of three that has committed n words.
func serving(t *testing.T, n int) *pipe {
	p := newPipe(t, 1, 2, 3)
	p.configure(conf(1, 1, 2, 3), 1, 2, 3)
	for i := range n {
		p.step(rid(1), Propose{ID: uint64(i + 1), Command: fmt.Sprint("w", i)})
	}
	p.run()
	require.Len(t, p.m[rid(3)].rows, n)
	return p
}

func (p *pipe) reported(kind chain.ReportKind) []chain.ReplicaID {
	var who []chain.ReplicaID
	for _, r := range p.reports {
		if r.Kind == kind {
			who = append(who, r.Replica)
		}
	}
	return who
}

// rot damages what a replica believes of its log's end.
func (p *pipe) rot(id chain.ReplicaID) {
	l := &p.r[id].log
	l.recs[len(l.recs)-1].digest ^= 1
	p.r[id].applied.Digest ^= 1
}

func TestDivergedFollowerLeaves(t *testing.T) {
	for _, bad := range []byte{2, 3} {
		p := serving(t, 5)
		p.rot(rid(bad))
		p.step(rid(1), Propose{ID: 50, Command: "x"})
		p.run()
		p.pass(300 * chain.Millisecond)
		require.Contains(t, p.reported(chain.ReportDiverged), rid(bad))
		require.Contains(t, p.stops, rid(bad))
		require.NotContains(t, p.replies, uint64(50))
		require.Len(t, p.stops, 1, "only the one that is wrong leaves")

		before := len(p.reports)
		p.pass(2 * chain.Second)
		require.Greater(t, len(p.reports), before, "the report is repeated")
		p.step(rid(bad), Propose{ID: 51, Command: "y"})
		require.Equal(t, chain.RefusedFailed, p.replies[51].Err.(*chain.Refusal).Kind)
	}
}

func TestDivergedHeadLeaves(t *testing.T) {
	p := serving(t, 5)
	p.rot(rid(1))
	p.step(rid(1), Propose{ID: 50, Command: "x"})
	p.run()
	p.pass(300 * chain.Millisecond)
	require.Empty(t, p.stops, "the followers agree with each other and stay")
	for _, who := range p.reported(chain.ReportDiverged) {
		require.Equal(t, rid(1), who)
	}
	require.NotEmpty(t, p.reported(chain.ReportDiverged))

	p.configure(conf(2, 2, 3), 2, 3)
	p.pass(1200 * chain.Millisecond)
	p.step(rid(2), Propose{ID: 60, Command: "y"})
	p.run()
	require.Equal(t, "ok", p.replies[60].Answer)
}

func TestUnknownEntryStopsTheReplica(t *testing.T) {
	p := serving(t, 1)
	p.step(rid(1), Propose{ID: 50, Command: "unknown kind"})
	require.Contains(t, p.stops[rid(1)], "unknown kind")
	require.Equal(t, chain.RefusedUnknown, p.replies[50].Err.(*chain.Refusal).Kind)
}

func TestDrainSparesTheWait(t *testing.T) {
	for _, drained := range []bool{false, true} {
		p := serving(t, 1)
		if drained {
			p.step(rid(3), Drain{})
			require.Zero(t, p.serve[rid(3)].Until)
			p.run()
			p.pass(100 * chain.Millisecond)
			require.Zero(t, p.serve[rid(3)].Until, "no late grant counts")
		}
		p.configure(conf(2, 1, 2), 1, 2)
		p.step(rid(1), Propose{ID: 50, Command: "x"})
		p.run()
		require.Equal(t, drained, p.replies[50].Err == nil, "after a hand-back nobody waits")
		require.Equal(t, drained, p.serve[rid(2)].Until != 0)
	}
}

func TestDrainedTailThatStartsAgainMayRead(t *testing.T) {
	p := serving(t, 1)
	p.step(rid(3), Drain{})
	p.run()
	rec := Recovered{State: &p.r[rid(3)].state, Applied: p.r[rid(3)].applied}
	p.add(rid(3), rec)
	p.pass(300 * chain.Millisecond)
	require.NotZero(t, p.serve[rid(3)].Until)
}

// create is a command that needs space.
type create struct{ string }

func (create) Creates() bool { return true }

// spacious understands both kinds of command.
type spacious struct{ *words }

func (s spacious) Evaluate(cmd Command, g Given, at Position) Verdict {
	if c, ok := cmd.(create); ok {
		cmd = c.string
	}
	return s.words.Evaluate(cmd, g, at)
}

// servingFull is a chain whose head has heard that one member has no space.
func servingFull(t *testing.T, full byte) *pipe {
	p := serving(t, 1)
	p.r[rid(1)].machine = spacious{p.m[rid(1)]}
	p.step(rid(full), Free{Bytes: 0})
	p.step(rid(1), Propose{ID: 50, Command: "a"}) // the ack brings the news
	p.run()
	return p
}

func TestFullMemberRefusesCreates(t *testing.T) {
	for full := byte(1); full <= 3; full++ {
		p := servingFull(t, full)
		p.step(rid(1), Propose{ID: 51, Command: create{"b"}})
		p.step(rid(1), Propose{ID: 52, Command: "c"})
		p.run()
		require.Equal(t, chain.RefusedFull, p.replies[51].Err.(*chain.Refusal).Kind)
		require.Equal(t, "ok", p.replies[52].Answer)
		p.step(rid(full), Free{Bytes: 1 << 30})
		p.step(rid(1), Propose{ID: 53, Command: "d"})
		p.run()
		p.step(rid(1), Propose{ID: 54, Command: create{"e"}})
		p.run()
		require.Equal(t, "ok", p.replies[54].Answer)
	}
}

// Room that came back was told only with the next entry, and creates, which a
// head refuses until it is told, were for many chains all that would have come.
func TestRoomIsToldOnAQuietChain(t *testing.T) {
	for full := byte(1); full <= 3; full++ {
		p := servingFull(t, full)
		p.pass(chain.Second)
		p.step(rid(1), Propose{ID: 51, Command: create{"b"}})
		p.run()
		require.Equal(t, chain.RefusedFull, p.replies[51].Err.(*chain.Refusal).Kind)
		p.pass(10 * chain.Second)
		require.Empty(t, p.reported(chain.ReportUnreachable), "a full member that answers is no silent one")
		p.step(rid(full), Free{Bytes: 1 << 30})
		p.pass(chain.Second)
		p.step(rid(1), Propose{ID: 52, Command: create{"c"}})
		p.run()
		require.Equal(t, "ok", p.replies[52].Answer, "member %d", full)
	}
}

// The same of a joiner, whose source refuses nothing by itself.
func TestRoomOfAJoinerIsToldOnAQuietChain(t *testing.T) {
	p := serving(t, 1)
	p.configure(conf(2, 1, 2), 1, 2)
	p.pass(1200 * chain.Millisecond)
	p.r[rid(1)].machine = spacious{p.m[rid(1)]}
	c := conf(3, 1, 2)
	c.Syncing = []chain.ReplicaID{rid(3)}
	p.configure(c, 1, 2, 3)
	p.pass(1200 * chain.Millisecond)
	p.step(rid(3), Free{Bytes: 0})
	p.step(rid(1), Propose{ID: 50, Command: "a"})
	p.pass(chain.Second)
	p.step(rid(1), Propose{ID: 51, Command: create{"b"}})
	p.run()
	require.Equal(t, chain.RefusedFull, p.replies[51].Err.(*chain.Refusal).Kind)
	p.step(rid(3), Free{Bytes: 1 << 30})
	p.pass(chain.Second)
	p.step(rid(1), Propose{ID: 52, Command: create{"c"}})
	p.run()
	require.Equal(t, "ok", p.replies[52].Answer)
}

func TestEntryFromTheFutureIsHeldBack(t *testing.T) {
	p := serving(t, 1)
	wall := p.now.WallMs
	p.now.WallMs = wall + 10_000
	p.step(rid(1), Propose{ID: 50, Command: "x"}) // the head's clock is 10 s ahead
	p.now.WallMs = wall
	p.run()
	p.pass(200 * chain.Millisecond)
	require.NotContains(t, p.replies, uint64(50))
	require.Contains(t, p.reported(chain.ReportClock), rid(2))
	p.now.WallMs = wall + 5001
	p.pass(300 * chain.Millisecond)
	require.Equal(t, "ok", p.replies[50].Answer, "once the clocks are near it is believed")
}

// TestJoinerIsFilled joins a member that was away, for a while or too long, or
// a new one.
func TestJoinerIsFilled(t *testing.T) {
	p := serving(t, 5)
	p.configure(conf(2, 1, 2), 1, 2)
	p.pass(1200 * chain.Millisecond)
	p.step(rid(1), Propose{ID: 50, Command: "x"})
	p.run()
	c := conf(3, 1, 2)
	c.Syncing = []chain.ReplicaID{rid(3)}
	p.configure(c, 1, 2, 3)
	p.pass(200 * chain.Millisecond)
	require.Equal(t, []chain.ReplicaID{rid(3)}, p.reported(chain.ReportInSync)[:1])
	require.Equal(t, p.r[rid(1)].Status().Applied, p.r[rid(3)].Status().Applied)
	require.Equal(t, rid(3), p.r[rid(2)].Status().CommitPath)

	// Away for longer than the log is kept, with rows of its own: it comes back
	// as a new incarnation, because its rows may be the last copy of something.
	p.configure(conf(4, 1, 2), 1, 2)
	for i := range uint64(3000) {
		p.step(rid(1), Propose{ID: 100 + i, Command: fmt.Sprint("y", i)})
		p.run()
	}
	c = conf(5, 1, 2)
	c.Syncing = []chain.ReplicaID{rid(3)}
	p.configure(c, 1, 2, 3)
	require.Equal(t, []chain.ReplicaID{rid(3)}, p.reported(chain.ReportBehind)[:1])
}

func TestConfigValidateReportsAll(t *testing.T) {
	c := Config{Window: -1, TickEvery: chain.Second}.WithDefaults()
	err := c.Validate()
	for _, want := range []string{"chain id", "identity", "machine", "window", "tick_every"} {
		require.ErrorContains(t, err, want)
	}
	_, _, err = New(Config{})
	require.Error(t, err)
}

func TestDamagedLogDoesNotStart(t *testing.T) {
	p := serving(t, 3)
	r := p.r[rid(2)]
	entries := []*Entry{r.log.recs[0].e, r.log.recs[1].e, r.log.recs[2].e}
	try := func(entries ...*Entry) error {
		_, _, err := New(Config{Chain: 7, Self: rid(2), Machine: &words{}, Recovered: Recovered{State: &r.state, Entries: entries}})
		return err
	}
	require.NoError(t, try(entries...))
	require.ErrorContains(t, try(entries[0], entries[2]), "does not follow")
	other := *entries[1]
	other.Body = []byte("other")
	require.ErrorContains(t, try(entries[0], &other, entries[2]), "digest")
}

func TestSilentNeighboursAreReported(t *testing.T) {
	p := serving(t, 1)
	p.drop = func(e chain.Envelope) bool { return e.From == rid(2) || e.To == rid(2) }
	p.pass(500 * chain.Millisecond)
	require.Empty(t, p.reported(chain.ReportUnreachable), "idle is not silent")
	p.step(rid(1), Propose{ID: 50, Command: "x"})
	p.pass(3 * chain.Second)
	require.Contains(t, p.reported(chain.ReportUnreachable), rid(2))
	for _, r := range p.reports {
		require.True(t, r.Replica == rid(2) || r.From == rid(2), "%s reports %s", r.From, r.Replica)
	}
}

func TestEndOfHeadship(t *testing.T) {
	p := serving(t, 1)
	p.drop = func(e chain.Envelope) bool { return e.To == rid(3) }
	p.step(rid(1), Propose{ID: 50, Command: "x"})
	p.step(rid(1), Barrier{ID: 51})
	p.run()
	p.configure(conf(2, 2, 3), 1)
	require.Equal(t, chain.RefusedUnknown, p.replies[50].Err.(*chain.Refusal).Kind, "another head may commit it")
	require.Equal(t, chain.RefusedNotReady, p.replies[51].Err.(*chain.Refusal).Kind, "nothing was done")
	require.Equal(t, uint64(2), p.replies[50].Err.(*chain.Refusal).Newest.Epoch.N)
}

// A gap is reported once, and answered once: otherwise each entry behind it
// would ask for all of them again, and the messages would grow without end.
func TestGapsDoNotBreed(t *testing.T) {
	p := serving(t, 1)
	p.drop = func(e chain.Envelope) bool {
		a, ok := e.Msg.(*Append)
		return ok && e.To == rid(2) && len(a.Entries) > 0 && a.Entries[0].Seq == 2
	}
	p.sent = nil
	for i := range uint64(100) {
		p.step(rid(1), Propose{ID: 100 + i, Command: fmt.Sprint("x", i)})
	}
	p.run()
	require.Less(t, len(p.sent), 100+2*100+20, "one resend of the window")
	p.drop = nil
	p.pass(300 * chain.Millisecond)
	require.Equal(t, "ok", p.replies[199].Answer)
}

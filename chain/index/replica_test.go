package index

import (
	"fmt"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

func TestWriteTravelsDownAndAckUp(t *testing.T) {
	p := newPipe(t, 1, 2, 3)
	p.configure(conf(1, 1, 2, 3), 1, 2, 3)
	for i := range uint64(100) {
		p.step(rid(1), Propose{ID: i + 1, Command: fmt.Sprint("w", i)})
	}
	p.run()
	for i := range uint64(100) {
		require.Equal(t, Reply{ID: i + 1, Answer: "ok"}, p.replies[i+1])
	}
	for id := byte(1); id <= 3; id++ {
		require.Len(t, p.m[rid(id)].rows, 100)
		require.Equal(t, p.r[rid(1)].Status().Applied, p.r[rid(id)].Status().Applied)
	}
	require.NotZero(t, p.serve[rid(3)].Until, "the tail holds a lease")
	require.Zero(t, p.serve[rid(1)].Until)
	require.Empty(t, p.reports)
}

func TestNothingIsAnsweredBeforeEveryDiskHasIt(t *testing.T) {
	for _, late := range []byte{1, 2, 3} {
		p := newPipe(t, 1, 2, 3)
		p.configure(conf(1, 1, 2, 3), 1, 2, 3)
		p.autoAck = false
		p.step(rid(1), Propose{ID: 1, Command: "w"})
		p.run()
		for id := byte(1); id <= 3; id++ {
			if id != late {
				p.sync(rid(id))
			}
		}
		p.run()
		require.Empty(t, p.replies, "disk %d is late", late)
		require.Empty(t, p.m[rid(3)].rows)
		p.sync(rid(late))
		p.run()
		require.Equal(t, "ok", p.replies[1].Answer)
	}
}

func TestAnswerWithoutEntryIsConfirmed(t *testing.T) {
	p := newPipe(t, 1, 2, 3)
	p.configure(conf(1, 1, 2, 3), 1, 2, 3)
	p.step(rid(1), Propose{ID: 1, Command: "w"})
	p.run()
	p.drop = func(e chain.Envelope) bool { return e.To == rid(3) }
	p.step(rid(1), Propose{ID: 2, Command: "w"})
	p.step(rid(1), Barrier{ID: 3})
	p.run()
	require.NotContains(t, p.replies, uint64(2), "nobody has confirmed that this is the head")
	p.drop = nil
	p.pass(300 * chain.Millisecond)
	require.Equal(t, "twice", p.replies[2].Answer)
	require.Equal(t, Reply{ID: 3}, p.replies[3])
}

func TestWindowAndRolesAreRefused(t *testing.T) {
	p := newPipe(t, 1, 2, 3)
	kind := func(id uint64) chain.RefusalKind { return p.replies[id].Err.(*chain.Refusal).Kind }
	p.step(rid(1), Propose{ID: 1, Command: "w"})
	require.Equal(t, chain.RefusedNotReady, kind(1))
	p.configure(conf(1, 1, 2, 3), 1, 2, 3)
	p.step(rid(2), Propose{ID: 2, Command: "w"})
	require.Equal(t, chain.RefusedNotHead, kind(2))
	p.autoAck = false
	for i := range uint64(300) {
		p.step(rid(1), Propose{ID: 100 + i, Command: fmt.Sprint(i)})
	}
	p.run()
	require.NotContains(t, p.replies, uint64(100))
	require.Equal(t, chain.RefusedBusy, kind(399))
	p.configure(conf(2, 1), 1)
	p.sync(rid(1))
	p.pass(2 * chain.Second)
	p.step(rid(1), Propose{ID: 3, Command: "x"})
	require.Equal(t, chain.RefusedBelowMinAck, kind(3))
	require.Zero(t, p.serve[rid(1)].Until, "a sole survivor reads nothing")
}

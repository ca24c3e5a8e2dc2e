package data

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

// forget makes a node's disk an older image of itself: chunks are missing.
func (g *rig) forget(i int, ids ...int) {
	for _, n := range ids {
		delete(g.nodes[i].sealed, cid(n))
	}
}

// Whoever forgot acknowledged chunks, head, middle or tail, has them again soon
// after it starts, and nobody else loses or gains any.
func TestReplicaThatForgotChunksCopiesThem(t *testing.T) {
	for i, who := range []string{"head", "middle", "tail"} {
		t.Run(who, func(t *testing.T) {
			g := newRig(t, 3)
			g.configure(config(1, []int{1, 2, 3}))
			for _, n := range g.nodes {
				n.r.conf.PageSize = 3
			}
			for n := range 10 {
				require.NoError(t, g.put(0, 1, 10+n, 100))
			}
			require.NoError(t, g.remove(0, 12))
			g.forget(i, 10, 11, 15, 19)
			require.NotContains(t, g.has(15, 100), i)
			g.restart(i)
			g.nodes[i].r.conf.PageSize = 3
			g.pass(2 * chain.Second)
			require.True(t, g.nodes[i].r.Status().Reviewed)
			for n := range 10 {
				if n == 2 {
					require.Empty(t, g.has(12, 100), "what was removed does not come back")
					continue
				}
				require.Equal(t, []int{0, 1, 2}, g.has(10+n, 100), "chunk %d", 10+n)
			}
		})
	}
}

// A head that forgot a chunk does not say that it is gone: it makes the clone
// when it has the chunk again.
func TestHeadThatForgotDoesNotSayGone(t *testing.T) {
	g := newRig(t, 2)
	g.configure(config(1, []int{1, 2}))
	require.NoError(t, g.put(0, 1, 1, 100))
	g.forget(0, 1)
	g.lose = func(env chain.Envelope) bool {
		d, ok := env.Msg.(Datagram)
		_, page := d.Body.(MsgPage)
		return ok && page
	}
	g.restart(0)
	g.pass(chain.Second)
	g.requireRefused(g.clone(0, 1, header(2, 50), 1, 0), chain.RefusedNotReady)
	g.lose = nil
	g.pass(2 * chain.Second)
	require.NoError(t, g.clone(0, 1, header(3, 50), 1, 0))
	require.Equal(t, []int{0, 1}, g.has(1, 100))
}

// A tail that forgot a chunk is nobody's source before it has it again: a joiner
// that has everything of it would be promoted without the chunk.
func TestTailThatForgotFeedsNobody(t *testing.T) {
	g := newRig(t, 3)
	g.configure(config(1, []int{1, 2}))
	require.NoError(t, g.put(0, 1, 1, 100))
	g.forget(1, 1)
	g.lose = func(env chain.Envelope) bool {
		d, ok := env.Msg.(Datagram)
		_, page := d.Body.(MsgPage)
		return ok && page && env.From == rid(1)
	}
	g.restart(1)
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(2 * chain.Second)
	require.False(t, g.reported(2, 2))
	g.lose = nil
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
}

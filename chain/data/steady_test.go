package data

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

func three(t *testing.T) *rig {
	g := newRig(t, 3)
	g.configure(config(1, []int{1, 2, 3}))
	return g
}

func TestSealIsOnEveryReplica(t *testing.T) {
	for _, size := range []int{1, BlockSize, BlockSize + 1, 1 << 20, chain.MaxChunk} {
		g := three(t)
		require.NoError(t, g.put(0, 1, 1, size))
		require.Equal(t, []int{0, 1, 2}, g.has(1, size))
		for _, n := range g.nodes {
			require.Empty(t, n.open)
			require.Empty(t, n.r.ops)
		}
	}
}

func TestSealWaitsForEverySync(t *testing.T) {
	for held := range 3 {
		g := three(t)
		b := payload(1, 1000)
		g.open(0, 1, header(1, 1000))
		g.frames(0, cid(1), b)
		g.pump()
		g.syncHeld[held] = true
		s := g.seal(0, cid(1), crc(b))
		g.pump()
		require.NotContains(t, g.replies, s, "acknowledged before replica %d synced", held)
		g.syncHeld[held] = false
		g.pump()
		require.Contains(t, g.replies, s)
		require.NoError(t, g.replies[s])
	}
}

func TestFramesMayFollowOpenAtOnce(t *testing.T) {
	g := three(t)
	b := payload(1, 300000)
	o := g.open(0, 1, header(1, len(b)))
	fs := g.frames(0, cid(1), b)
	s := g.seal(0, cid(1), crc(b))
	g.pump()
	for _, id := range append(fs, o, s) {
		require.Contains(t, g.replies, id)
		require.NoError(t, g.replies[id])
	}
	require.Equal(t, []int{0, 1, 2}, g.has(1, len(b)))
}

func TestFrameRepliesWaitForTheChain(t *testing.T) {
	g := three(t)
	g.open(0, 1, header(1, 4<<20))
	g.pump()
	g.lose = func(e chain.Envelope) bool { return e.To == rid(3) }
	var taken int
	b := payload(1, 4<<20)
	for off := 0; off < 3<<20; off += chain.MaxFrame {
		id := g.id()
		g.step(g.nodes[0], Frame{ID: id, Chunk: cid(1), Offset: uint32(off), Bytes: b[off : off+chain.MaxFrame]})
		g.pump()
		if _, ok := g.replies[id]; ok {
			taken++
		}
	}
	require.Equal(t, 12, taken, "the next replica takes them: 32 MiB may be under way")
	g = three(t)
	g.nodes[0].r.conf.ReplicaInflight = 1 << 20
	g.open(0, 1, header(1, 4<<20))
	g.pump()
	g.lose = func(e chain.Envelope) bool { return e.To == rid(3) }
	ids := g.frames(0, cid(1), b[:2<<20])
	g.pump()
	taken = 0
	for _, id := range ids {
		if _, ok := g.replies[id]; ok {
			taken++
		}
	}
	require.Equal(t, 3, taken, "1 MiB is under way with the fourth frame")
	g.lose = nil
	g.pass(chain.Second)
	for _, id := range ids {
		require.Contains(t, g.replies, id)
	}
}

func TestFrameBeyondTwiceTheWindowIsNotTaken(t *testing.T) {
	g := three(t)
	g.lose = func(e chain.Envelope) bool { return true }
	b := payload(1, 8<<20)
	g.open(0, 1, header(1, len(b)))
	ids := g.frames(0, cid(1), b)
	g.requireRefused(g.replies[ids[len(ids)-1]], chain.RefusedBusy)
	require.LessOrEqual(t, int(g.nodes[0].r.byChunk[cid(1)].got), 4<<20+chain.MaxFrame)
}

func TestWrongSumsLeaveNoTrace(t *testing.T) {
	g := three(t)
	b := payload(1, 100)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	g.pump()
	s := g.seal(0, cid(1), Sums{1})
	g.pump()
	g.requireRefused(g.replies[s], chain.RefusedInvalid)
	require.Empty(t, g.has(1, 100))
	for _, n := range g.nodes {
		require.Empty(t, n.open)
	}
}

func TestDamageOnOneReplicaFailsTheChunk(t *testing.T) {
	for bad := range 3 {
		g := three(t)
		g.nodes[bad].corrupt = true
		b := payload(1, 100)
		g.open(0, 1, header(1, 100))
		g.frames(0, cid(1), append([]byte(nil), b...))
		s := g.seal(0, cid(1), crc(b))
		g.pump()
		require.Error(t, g.replies[s], "replica %d wrote other bytes", bad)
		g.nodes[bad].corrupt = false
		require.NoError(t, g.put(0, 1, 2, 100), "the chain goes on")
	}
}

func TestRefusals(t *testing.T) {
	open := func(g *rig, at int, e uint64, h Header) error {
		id := g.open(at, e, h)
		g.pump()
		return g.replies[id]
	}
	for name, c := range map[string]struct {
		want chain.RefusalKind
		do   func(g *rig) error
	}{
		"not head":         {chain.RefusedNotHead, func(g *rig) error { return open(g, 1, 1, header(1, 10)) }},
		"older epoch":      {chain.RefusedEpoch, func(g *rig) error { return open(g, 0, 0, header(1, 10)) }},
		"newer epoch":      {chain.RefusedEpoch, func(g *rig) error { return open(g, 0, 2, header(1, 10)) }},
		"no bytes":         {chain.RefusedInvalid, func(g *rig) error { return open(g, 0, 1, header(1, 0)) }},
		"too many bytes":   {chain.RefusedInvalid, func(g *rig) error { return open(g, 0, 1, header(1, chain.MaxChunk+1)) }},
		"no id":            {chain.RefusedInvalid, func(g *rig) error { return open(g, 0, 1, Header{Size: 1}) }},
		"long key":         {chain.RefusedInvalid, func(g *rig) error { return open(g, 0, 1, Header{ID: cid(1), Size: 1, Key: string(make([]byte, 1025))}) }},
		"open twice":       {chain.RefusedInvalid, func(g *rig) error { open(g, 0, 1, header(1, 10)); return open(g, 0, 1, header(1, 10)) }},
		"sealed already":   {chain.RefusedInvalid, func(g *rig) error { _ = g.put(0, 1, 1, 10); return open(g, 0, 1, header(1, 10)) }},
		"tail is full":     {chain.RefusedFull, func(g *rig) error { g.nodes[2].full = true; return open(g, 0, 1, header(1, 10)) }},
		"below min ack":    {chain.RefusedBelowMinAck, func(g *rig) error { g.configure(config(2, []int{1}), 0); return open(g, 0, 2, header(1, 10)) }},
		"remove below":     {chain.RefusedBelowMinAck, func(g *rig) error { g.configure(config(2, []int{1}), 0); return g.remove(0, 1) }},
		"remove nothing":   {chain.RefusedInvalid, func(g *rig) error { return g.remove(0) }},
		"clone of nothing": {chain.RefusedGone, func(g *rig) error { return g.clone(0, 1, header(2, 10), 1, 0) }},
		"clone too long":   {chain.RefusedInvalid, func(g *rig) error { return g.clone(0, 1, header(2, 10), 1, chain.MaxChunk) }},
		"seal not open":    {chain.RefusedGone, func(g *rig) error { s := g.seal(0, cid(1), Sums{1}); return g.replies[s] }},
		"seal too early": {chain.RefusedInvalid, func(g *rig) error {
			open(g, 0, 1, header(1, 10))
			s := g.seal(0, cid(1), Sums{1})
			return g.replies[s]
		}},
		"frame at a gap": {chain.RefusedInvalid, func(g *rig) error {
			open(g, 0, 1, header(1, 10))
			g.step(g.nodes[0], Frame{ID: 99, Chunk: cid(1), Offset: 1, Bytes: []byte{1}})
			return g.replies[99]
		}},
		"frame too long": {chain.RefusedInvalid, func(g *rig) error {
			open(g, 0, 1, header(1, 10))
			g.step(g.nodes[0], Frame{ID: 99, Chunk: cid(1), Bytes: make([]byte, 11)})
			return g.replies[99]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := three(t)
			err := c.do(g)
			g.requireRefused(err, c.want)
			var ref *chain.Refusal
			require.ErrorAs(t, err, &ref)
			require.Equal(t, g.nodes[0].r.newest().Epoch, ref.Newest.Epoch, "refusals carry the newest configuration")
		})
	}
}

func TestFullIsKnownBeforeItIsTried(t *testing.T) {
	g := three(t)
	g.step(g.nodes[2], Free{Bytes: 5})
	g.pass(2 * chain.Second)
	id := g.open(0, 1, header(1, 10))
	g.requireRefused(g.replies[id], chain.RefusedFull)
	g.step(g.nodes[2], Free{Bytes: 1 << 30})
	g.pass(2 * chain.Second)
	require.NoError(t, g.put(0, 1, 1, 10))
}

func TestAbortFreesSpaceEverywhere(t *testing.T) {
	g := three(t)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), payload(1, 50))
	g.pump()
	for _, n := range g.nodes {
		require.Len(t, n.open, 1)
	}
	g.step(g.nodes[0], Abort{Chunk: cid(1)})
	g.pump()
	for _, n := range g.nodes {
		require.Empty(t, n.open)
	}
}

func TestAbandonedChunkIsFreed(t *testing.T) {
	g := three(t)
	g.open(0, 1, header(1, 100))
	g.pump()
	g.pass(59 * chain.Second)
	require.Len(t, g.nodes[2].open, 1)
	g.pass(2 * chain.Second)
	for _, n := range g.nodes {
		require.Empty(t, n.open)
	}
	s := g.seal(0, cid(1), Sums{1})
	g.requireRefused(g.replies[s], chain.RefusedGone)
}

func TestNewEpochFailsOpenChunks(t *testing.T) {
	g := three(t)
	b := payload(1, 100)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	g.pump()
	c := config(2, []int{1, 2})
	g.configure(c)
	s := g.seal(0, cid(1), crc(b))
	g.requireRefused(g.replies[s], chain.RefusedEpoch)
	var ref *chain.Refusal
	require.ErrorAs(t, g.replies[s], &ref)
	require.Equal(t, c.Epoch, ref.Newest.Epoch)
	for _, n := range g.nodes {
		require.Empty(t, n.open)
	}
	require.NoError(t, g.put(0, 2, 2, 100))
	require.Equal(t, []int{0, 1}, g.has(2, 100))
}

func TestSealAcrossEpochsIsUnknown(t *testing.T) {
	g := three(t)
	b := payload(1, 100)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	g.pump()
	g.syncHeld[2] = true
	s := g.seal(0, cid(1), crc(b))
	g.pump()
	g.configure(config(2, []int{1, 2}), 0)
	g.requireRefused(g.replies[s], chain.RefusedUnknown)
	g.syncHeld[2] = false
	g.pump()
}

func TestEpochIsOnDiskBeforeItIsActedIn(t *testing.T) {
	g := newRig(t, 1)
	c := config(1, []int{1})
	c.Factor, c.MinAck = 1, 1
	g.syncHeld[0] = true
	g.configure(c)
	id := g.open(0, 1, header(1, 10))
	g.requireRefused(g.replies[id], chain.RefusedNotReady)
	g.syncHeld[0] = false
	g.pump()
	require.NoError(t, g.put(0, 1, 2, 10))
}

func TestRestartedMemberDoesNotAcknowledgeWhatItMissed(t *testing.T) {
	for who := 1; who < 3; who++ {
		g := three(t)
		b := payload(1, 100)
		g.open(0, 1, header(1, 100))
		g.frames(0, cid(1), b[:50])
		g.pump()
		g.restart(who)
		g.step(g.nodes[0], Frame{ID: 500, Chunk: cid(1), Offset: 50, Bytes: b[50:]})
		g.pass(chain.Second)
		s := g.seal(0, cid(1), crc(b))
		g.pass(chain.Second)
		require.Error(t, g.replies[s])
		require.NoError(t, g.put(0, 1, 2, 100), "the chain goes on in the same epoch")
	}
}

func TestRestartedHeadFreesTheChunksBelow(t *testing.T) {
	g := three(t)
	g.open(0, 1, header(1, 100))
	g.pump()
	g.restart(0)
	for _, n := range g.nodes {
		require.Empty(t, n.open)
	}
	require.NoError(t, g.put(0, 1, 2, 100))
}

func TestLossIsRepairedBySendingAgain(t *testing.T) {
	g := three(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	g.lose = func(chain.Envelope) bool { return rnd.IntN(3) == 0 }
	b := payload(1, 1<<20)
	o := g.open(0, 1, header(1, len(b)))
	g.frames(0, cid(1), b)
	s := g.seal(0, cid(1), crc(b))
	g.pass(5 * chain.Second)
	require.NoError(t, g.replies[o])
	require.Contains(t, g.replies, s)
	require.NoError(t, g.replies[s])
	require.Equal(t, []int{0, 1, 2}, g.has(1, len(b)))
}

func TestSilentSuccessorFailsTheChunkInTime(t *testing.T) {
	g := three(t)
	g.lose = func(e chain.Envelope) bool { return e.To == rid(2) }
	b := payload(1, 100)
	o := g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	g.pass(11 * chain.Second)
	g.requireRefused(g.replies[o], chain.RefusedUnknown)
	id := g.open(0, 1, header(2, 10))
	g.requireRefused(g.replies[id], chain.RefusedNotReady)
	require.Equal(t, chain.ReportUnreachable, g.reports[0].Kind)
	require.Equal(t, rid(2), g.reports[0].Replica)
}

func TestRemoveIsIdempotentAndEverywhere(t *testing.T) {
	g := three(t)
	require.NoError(t, g.put(0, 1, 1, 100))
	require.NoError(t, g.put(0, 1, 2, 100))
	require.NoError(t, g.remove(0, 1, 7))
	require.NoError(t, g.remove(0, 1))
	require.Empty(t, g.has(1, 100))
	require.Equal(t, []int{0, 1, 2}, g.has(2, 100))
}

func TestCloneIsOnEveryReplicaAndIndependent(t *testing.T) {
	g := three(t)
	require.NoError(t, g.put(0, 1, 1, 200000))
	require.NoError(t, g.clone(0, 1, header(2, 100000), 1, 70000))
	require.NoError(t, g.remove(0, 1))
	want := payload(1, 200000)[70000:170000]
	for _, n := range g.nodes {
		require.Equal(t, want, n.sealed[cid(2)].bytes)
	}
}

func TestCloneIsNotOvertakenByRemoval(t *testing.T) {
	g := three(t)
	require.NoError(t, g.put(0, 1, 1, 100))
	g.step(g.nodes[0], Clone{ID: 900, Epoch: chain.Epoch{N: 1}, Header: header(2, 100), Old: cid(1)})
	g.step(g.nodes[0], Remove{ID: 901, Chunks: []chain.ChunkID{cid(1)}})
	g.pump()
	require.NoError(t, g.replies[900])
	require.NoError(t, g.replies[901])
	for _, n := range g.nodes {
		require.Equal(t, payload(1, 100), n.sealed[cid(2)].bytes)
		require.NotContains(t, n.sealed, cid(1))
	}
}

func TestCloneWhereAReplicaLacksTheOldChunk(t *testing.T) {
	for lacks := 1; lacks < 3; lacks++ {
		g := three(t)
		require.NoError(t, g.put(0, 1, 1, 300000))
		delete(g.nodes[lacks].sealed, cid(1))
		require.NoError(t, g.clone(0, 1, header(2, 300000), 1, 0))
		require.Equal(t, []int{0, 1, 2}, g.has(1, 300000), "the replica healed itself")
		for _, n := range g.nodes {
			require.Equal(t, payload(1, 300000), n.sealed[cid(2)].bytes)
		}
	}
}

func TestGoneIsConfirmedByTheChain(t *testing.T) {
	g := three(t)
	// The others have gone on without the head; it may not say "gone".
	g.configure(config(2, []int{2, 3}), 1, 2)
	g.lose = func(e chain.Envelope) bool { return e.To == rid(1) }
	g.step(g.nodes[0], Clone{ID: 900, Epoch: chain.Epoch{N: 1}, Header: header(2, 100), Old: cid(1)})
	g.pass(11 * chain.Second)
	var ref *chain.Refusal
	require.ErrorAs(t, g.replies[900], &ref)
	require.NotEqual(t, chain.RefusedGone, ref.Kind)
	g.step(g.nodes[0], Probe{ID: 901, Epoch: chain.Epoch{N: 1}})
	g.pass(11 * chain.Second)
	require.Error(t, g.replies[901])
	g.step(g.nodes[1], Probe{ID: 902, Epoch: chain.Epoch{N: 2}})
	g.pump()
	require.Contains(t, g.replies, uint64(902))
	require.NoError(t, g.replies[902])
}

func TestStaleHeadLearnsTheNewerEpochFromItsNeighbour(t *testing.T) {
	g := three(t)
	g.configure(config(2, []int{2, 3}), 1, 2)
	b := payload(1, 100)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	s := g.seal(0, cid(1), crc(b))
	g.pass(chain.Second)
	require.Error(t, g.replies[s])
	require.Equal(t, uint64(2), g.nodes[0].r.newest().Epoch.N)
}

func TestRepairCopiesFromANeighbour(t *testing.T) {
	for who := range 3 {
		g := three(t)
		require.NoError(t, g.put(0, 1, 1, 500000))
		delete(g.nodes[who].sealed, cid(1))
		g.step(g.nodes[who], Repair{Chunks: []chain.ChunkID{cid(1), cid(77)}})
		g.pump()
		require.Equal(t, []int{0, 1, 2}, g.has(1, 500000))
		require.Empty(t, g.nodes[who].r.copies)
	}
}

// A replica in the middle asks both neighbours: one of them may be damaged too,
// and wait for this one's copy.
func TestRepairAsksTheOtherNeighbour(t *testing.T) {
	for good := range 3 {
		g := three(t)
		require.NoError(t, g.put(0, 1, 1, 500000))
		for i, n := range g.nodes {
			if i != good {
				n.sealed[cid(1)].bytes[77] ^= 1
			}
		}
		for i := range g.nodes {
			if i != good {
				g.step(g.nodes[i], Repair{Chunks: []chain.ChunkID{cid(1)}})
			}
		}
		g.pass(20 * chain.Second)
		for _, n := range g.nodes {
			require.False(t, n.sealed[cid(1)].damaged(), "good copy at %d", good)
			require.Empty(t, n.r.copies)
		}
	}
}

// What an earlier start of a neighbour still carries is refused: its numbers
// come again.
func TestMessageOfAnEarlierStartIsRefused(t *testing.T) {
	g := three(t)
	var old []chain.Envelope
	g.lose = func(e chain.Envelope) bool {
		if p, ok := e.Msg.(Packet); ok && e.To == rid(2) && p.Seq == 1 {
			old = append(old, e)
			return true
		}
		return false
	}
	g.open(0, 1, header(1, 100))
	g.pump()
	require.Len(t, old, 1)
	g.lose = nil
	g.restart(0)
	g.mail = append(g.mail, old...)
	g.pump()
	require.Empty(t, g.nodes[1].open)
	require.NoError(t, g.put(0, 1, 2, 100))
}

// An acknowledgement that is late is not taken for a newer attempt at the same id.
func TestLateAnswerIsNotTakenForANewerAttempt(t *testing.T) {
	g := three(t)
	b := payload(1, 100)
	g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), b)
	var late []chain.Envelope
	g.lose = func(e chain.Envelope) bool {
		p, ok := e.Msg.(Packet)
		if ok {
			_, ok = p.Body.(MsgDone)
		}
		if ok && e.To == rid(1) {
			late = append(late, e)
		}
		return ok && e.To == rid(1)
	}
	s := g.seal(0, cid(1), crc(b))
	g.pass(11 * chain.Second)
	g.requireRefused(g.replies[s], chain.RefusedUnknown)
	require.NotEmpty(t, late)
	g.lose = nil
	// A bad caller uses the id again, with other bytes.
	other := payload(9, 100)
	o := g.open(0, 1, header(1, 100))
	g.frames(0, cid(1), other)
	s = g.seal(0, cid(1), crc(other))
	g.mail = append(g.mail, late...)
	g.pass(2 * chain.Second)
	require.Error(t, g.replies[o])
	require.Error(t, g.replies[s])
	g.has(1, 100)
}

func TestRepairDoesNotUndoARemoval(t *testing.T) {
	g := three(t)
	require.NoError(t, g.put(0, 1, 1, 100))
	g.lose = func(e chain.Envelope) bool {
		p, ok := e.Msg.(Packet)
		if ok {
			_, ok = p.Body.(MsgRemove)
		}
		return ok
	}
	g.step(g.nodes[0], Remove{ID: 900, Chunks: []chain.ChunkID{cid(1)}})
	g.pump()
	g.step(g.nodes[0], Repair{Chunks: []chain.ChunkID{cid(1)}})
	g.pump()
	g.lose = nil
	g.pass(chain.Second)
	require.NoError(t, g.replies[900])
	require.Empty(t, g.has(1, 100))
}

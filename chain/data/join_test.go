package data

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
)

// joining is a chain of two with chunks, and a third node that may join.
func joining(t *testing.T, chunks int) *rig {
	g := newRig(t, 3)
	g.configure(config(1, []int{1, 2}))
	for i := range chunks {
		require.NoError(t, g.put(0, 1, 10+i, 1000))
	}
	for _, n := range g.nodes {
		n.r.conf.PageSize = 3
	}
	return g
}

// reads counts the chunks that a node reads for others.
func (g *rig) readsOf(i int) *int {
	n, count := g.nodes[i], 0
	was := g.onEffect
	g.onEffect = func(m *node, e Effect) {
		if was != nil {
			was(m, e)
		}
		if _, ok := e.(ReadChunk); ok && m == n {
			count++
		}
	}
	return &count
}

func TestJoinerIsFilledReportedAndPromoted(t *testing.T) {
	g := joining(t, 10)
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
	for i := range 10 {
		require.Equal(t, []int{0, 1, 2}, g.has(10+i, 1000))
	}
	g.configure(config(3, []int{1, 2, 3}))
	require.NoError(t, g.put(0, 3, 50, 1000))
	require.Equal(t, []int{0, 1, 2}, g.has(50, 1000))
	require.NoError(t, g.remove(0, 10))
	require.Empty(t, g.has(10, 1000))
}

func TestLiveFramesReachTheJoiner(t *testing.T) {
	g := joining(t, 0)
	g.configure(config(2, []int{1, 2}, 3))
	reads := g.readsOf(1)
	require.NoError(t, g.put(0, 2, 1, 600000))
	require.NoError(t, g.clone(0, 2, header(2, 100), 1, 5))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 600000))
	require.Contains(t, g.nodes[2].sealed, cid(2))
	require.Zero(t, *reads, "nothing is copied twice")
	require.NoError(t, g.remove(0, 1))
	require.Empty(t, g.has(1, 600000))
}

func TestJoinerAdoptsWhatItHolds(t *testing.T) {
	g := joining(t, 10)
	for i := range 7 {
		g.nodes[2].sealed[cid(10+i)] = g.nodes[1].sealed[cid(10+i)]
	}
	reads := g.readsOf(1)
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, 3, *reads)
	require.Empty(t, g.nodes[2].aside)
}

func TestExtraAndOtherChunksArePutAsideNotDestroyed(t *testing.T) {
	g := joining(t, 5)
	j := g.nodes[2]
	for _, extra := range []int{1, 11_000, 12} { // before, behind, and instead of the source's
		b := []byte{byte(extra), 1, 2}
		j.sealed[cid(extra)] = memChunk{Chunk{header(extra, 3), crc(b)}, b}
	}
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
	require.Len(t, j.aside, 3)
	require.Len(t, j.sealed, 5)
	require.Equal(t, []int{0, 1, 2}, g.has(12, 1000))
}

func TestQuarantineIsDurableBeforeTheReport(t *testing.T) {
	g := joining(t, 1)
	b := []byte{1}
	g.nodes[2].sealed[cid(99)] = memChunk{Chunk{header(99, 1), crc(b)}, b}
	held := false
	g.onEffect = func(n *node, e Effect) {
		if _, ok := e.(Quarantine); ok {
			held, g.syncHeld[2] = true, true
		}
	}
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.True(t, held)
	require.False(t, g.reported(2, 2))
	g.syncHeld[2] = false
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
}

func TestReportWaitsForTheCommitPathOnDisk(t *testing.T) {
	g := joining(t, 2)
	g.onEffect = func(n *node, e Effect) {
		if p, ok := e.(PersistState); ok && !p.State.CommitPath.IsZero() {
			g.syncHeld[1] = true
		}
	}
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.Equal(t, g.nodes[2].id, g.nodes[1].r.Status().CommitPath)
	require.False(t, g.reported(2, 2))
	g.syncHeld[1] = false
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
}

func TestSealWaitsForTheJoinerOnlyOnTheCommitPath(t *testing.T) {
	g := joining(t, 1)
	g.lose = func(e chain.Envelope) bool { return e.To == rid(3) || e.From == rid(3) }
	g.configure(config(2, []int{1, 2}, 3))
	require.NoError(t, g.put(0, 2, 1, 100), "a joiner that does not answer holds nobody up")
	g.lose = nil
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))

	g.syncHeld[2] = true
	b := payload(2, 100)
	g.open(0, 2, header(2, 100))
	g.frames(0, cid(2), b)
	s := g.seal(0, cid(2), crc(b))
	g.pump()
	require.NotContains(t, g.replies, s)
	// The tail restarts and still waits for it.
	g.restart(1)
	require.Equal(t, g.nodes[2].id, g.nodes[1].r.Status().CommitPath)
	g.open(0, 2, header(3, 100))
	g.pass(100 * chain.Millisecond)
	g.frames(0, cid(3), payload(3, 100))
	s = g.seal(0, cid(3), crc(payload(3, 100)))
	g.pass(chain.Second)
	require.NotContains(t, g.replies, s)
	g.syncHeld[2] = false
	g.pass(chain.Second)
	require.NoError(t, g.replies[s])
	require.Equal(t, []int{0, 1, 2}, g.has(3, 100))
	// Only a new configuration takes it off the path.
	g.lose = func(e chain.Envelope) bool { return e.To == rid(3) }
	id := g.open(0, 2, header(4, 100))
	g.pass(11 * chain.Second)
	g.requireRefused(g.replies[id], chain.RefusedUnknown)
	g.configure(config(3, []int{1, 2}))
	require.NoError(t, g.put(0, 3, 5, 100))
}

func TestRemovalWhileTheJoinerCopiesIsNotUndone(t *testing.T) {
	g := joining(t, 4)
	var held []chain.Envelope
	g.lose = func(e chain.Envelope) bool {
		if d, ok := e.Msg.(Datagram); ok {
			if p, ok := d.Body.(MsgPiece); ok && p.Info.Header.ID == cid(11) {
				held = append(held, e)
				return true
			}
		}
		return false
	}
	g.configure(config(2, []int{1, 2}, 3))
	require.NotEmpty(t, held)
	require.NoError(t, g.remove(0, 11))
	g.lose = nil
	g.mail = append(g.mail, held...)
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Empty(t, g.has(11, 1000))
	require.Empty(t, g.nodes[2].open)
}

// A page that was read before a removal and comes after it.
func TestLatePageDoesNotBringBackWhatWasRemoved(t *testing.T) {
	g := joining(t, 2)
	var held []chain.Envelope
	g.lose = func(e chain.Envelope) bool {
		if d, ok := e.Msg.(Datagram); ok {
			if _, ok := d.Body.(MsgPage); ok {
				held = append(held, e)
				return true
			}
		}
		return false
	}
	g.configure(config(2, []int{1, 2}, 3))
	require.NoError(t, g.remove(0, 10))
	g.lose = nil
	g.mail = append(g.mail, held...)
	g.pass(chain.Second)
	require.True(t, g.reported(2, 2))
	require.Empty(t, g.has(10, 1000))
	require.Equal(t, []int{0, 1, 2}, g.has(11, 1000))
}

// The source's store shows a chunk until its removal is durable; the joiner
// has removed it already.
func TestSourceDoesNotGiveWhatItIsRemoving(t *testing.T) {
	g := joining(t, 2)
	stopAfterPages(g, 0)
	g.configure(config(2, []int{1, 2}, 3))
	g.syncHeld[1] = true
	g.step(g.nodes[0], Remove{ID: 900, Chunks: []chain.ChunkID{cid(10)}})
	g.pump()
	g.lose = nil
	g.pass(chain.Second)
	require.NotContains(t, g.nodes[2].sealed, cid(10))
	g.syncHeld[1] = false
	g.pass(chain.Second)
	require.NoError(t, g.replies[900])
	require.True(t, g.reported(2, 2))
	require.Empty(t, g.has(10, 1000))
}

// Found by the simulator: the joiner's seal came after the removal of the same
// chunk, because the tail had acknowledged without it.
func TestJoinerDoesNotSealAfterTheRemoval(t *testing.T) {
	g := joining(t, 0)
	var late []Event
	g.onEvent = func(n *node, ev Event) bool {
		if c, ok := ev.(Computed); ok && n == g.nodes[2] {
			late = append(late, c)
			return true
		}
		return false
	}
	stopAfterPages(g, 0) // off the commit path: the scan does not end
	g.configure(config(2, []int{1, 2}, 3))
	require.NoError(t, g.put(0, 2, 1, 100))
	require.NoError(t, g.remove(0, 1))
	g.onEvent, g.lose = nil, nil
	require.Len(t, late, 1)
	g.step(g.nodes[2], late[0])
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Empty(t, g.has(1, 100))
}

// Found by the simulator: the head restarted while a chunk that was sealed at
// the tail waited for the joiner; the debt was never told and never settled.
func TestDebtOfAnAbortedOperationIsTold(t *testing.T) {
	g := joining(t, 1)
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(chain.Second)
	g.syncHeld[2] = true
	b := payload(1, 100)
	g.open(0, 2, header(1, 100))
	g.frames(0, cid(1), b)
	g.seal(0, cid(1), crc(b))
	g.pump()
	g.restart(0)
	g.syncHeld[2] = false
	g.pass(chain.Second)
	require.Empty(t, g.nodes[1].r.feed.owed)
	g.reports = nil
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
}

// Found by the simulator: a feed began anew while the joiner had a chunk open;
// it left the chunk out of its copies for the write that would never end.
func TestChunkOpenWhenAFeedBeginsAnewIsCopied(t *testing.T) {
	g := joining(t, 2)
	g.nodes[1].r.conf.MaxOwed = 2
	stopAfterPages(g, 0)
	g.configure(config(2, []int{1, 2}, 3))
	b := payload(1, 100)
	g.open(0, 2, header(1, 100))
	g.frames(0, cid(1), b[:50])
	g.pump()
	require.Len(t, g.nodes[2].open, 1)
	g.lose = func(e chain.Envelope) bool { return e.From == rid(3) }
	for i := range 6 {
		require.NoError(t, g.put(0, 2, 30+i, 100))
	}
	require.Greater(t, g.nodes[1].r.feed.id.N, uint64(1), "the memory was full")
	g.lose = nil
	g.step(g.nodes[0], Frame{ID: 700, Chunk: cid(1), Offset: 50, Bytes: b[50:]})
	s := g.seal(0, cid(1), crc(b))
	g.pass(chain.Second)
	require.NoError(t, g.replies[s])
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
	g.pass(3 * chain.Second)
	require.True(t, g.reported(2, 2))
	for i := range 6 {
		require.Equal(t, []int{0, 1, 2}, g.has(30+i, 100))
	}
}

func TestScanGoesOnAfterTheJoinerRestarts(t *testing.T) {
	g := joining(t, 12)
	stopAfterPages(g, 2)
	g.configure(config(2, []int{1, 2}, 3))
	at := g.nodes[2].r.Status().SyncedTo
	require.NotEqual(t, chain.ChunkID{}, at)
	g.syncHeld[2] = false
	g.pump()
	g.lose, g.onEffect = nil, nil
	// Sealed and removed while it is away, before the point that it reached.
	g.nodes[2].down = true
	require.NoError(t, g.put(0, 2, 1, 100))
	require.NoError(t, g.remove(0, 10))
	lists := firstListAfter(g, 1)
	g.restart(2)
	g.nodes[2].r.conf.PageSize = 3
	g.pass(chain.Second)
	require.Equal(t, at, *lists, "the scan goes on where it was")
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
	require.Empty(t, g.has(10, 1000))
}

func TestScanGoesOnAfterAnUnrelatedChange(t *testing.T) {
	g := newRig(t, 4)
	g.configure(config(1, []int{1, 4, 2}))
	for i := range 12 {
		require.NoError(t, g.put(0, 1, 10+i, 1000))
	}
	for _, n := range g.nodes {
		n.r.conf.PageSize = 3
	}
	stopAfterPages(g, 2)
	g.configure(config(2, []int{1, 4, 2}, 3))
	at := g.nodes[2].r.Status().SyncedTo
	require.NotEqual(t, chain.ChunkID{}, at)
	g.lose, g.onEffect = nil, nil
	lists := firstListAfter(g, 1)
	g.configure(config(3, []int{1, 2}, 3))
	g.pass(chain.Second)
	require.Equal(t, at, *lists)
	require.False(t, g.reported(2, 2))
	require.True(t, g.reported(3, 2))
}

func TestRestartedTailScansAnewAndCopiesNothingTwice(t *testing.T) {
	g := joining(t, 12)
	stopAfterPages(g, 2)
	g.configure(config(2, []int{1, 2}, 3))
	g.lose, g.onEffect = nil, nil
	have := len(g.nodes[2].sealed)
	require.Positive(t, have)
	reads := g.readsOf(1)
	g.restart(1)
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, 12-have, *reads)
}

// stopAfterPages lets a scan of node 2 at node 1 see some pages and no more.
func stopAfterPages(g *rig, pages int) {
	g.lose = func(e chain.Envelope) bool {
		if d, ok := e.Msg.(Datagram); ok {
			if _, ok := d.Body.(MsgPage); ok {
				pages--
				return pages < 0
			}
		}
		return false
	}
}

// firstListAfter tells where the next list at a node begins.
func firstListAfter(g *rig, i int) *chain.ChunkID {
	var at chain.ChunkID
	seen := false
	g.onEffect = func(n *node, e Effect) {
		if l, ok := e.(List); ok && n == g.nodes[i] && !seen {
			at, seen = l.After, true
		}
	}
	return &at
}

func TestDeadChainRestartsFromOneAndFillsTheOthers(t *testing.T) {
	g := three(t)
	require.NoError(t, g.put(0, 1, 1, 100))
	require.NoError(t, g.put(0, 1, 2, 100))
	for i := range 3 {
		g.restart(i)
	}
	c := config(2, []int{2})
	c.Recoverable = config(1, []int{1, 2, 3}).Recoverable
	g.configure(c)
	id := g.open(1, 2, header(3, 10))
	g.requireRefused(g.replies[id], chain.RefusedBelowMinAck)
	c = config(3, []int{2}, 1)
	g.configure(c)
	g.pass(chain.Second)
	require.True(t, g.reported(3, 0))
	g.configure(config(4, []int{2, 1}))
	require.NoError(t, g.put(1, 4, 3, 100))
	require.Equal(t, []int{0, 1}, g.has(3, 100))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
}

func TestJoinerThatIsFullWaitsForSpace(t *testing.T) {
	g := joining(t, 3)
	g.nodes[2].full = true
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(3 * chain.Second)
	require.False(t, g.reported(2, 2))
	g.nodes[2].full = false
	g.pass(3 * chain.Second)
	require.True(t, g.reported(2, 2))
}

func TestDamagedSourceIsNotCopied(t *testing.T) {
	g := joining(t, 3)
	bad := g.nodes[1].sealed[cid(11)]
	good := bad
	bad.bytes = append([]byte(nil), bad.bytes...)
	bad.bytes[7] ^= 1
	g.nodes[1].sealed[cid(11)] = bad
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(3 * chain.Second)
	require.False(t, g.reported(2, 2))
	require.NotContains(t, g.nodes[2].sealed, cid(11))
	g.nodes[1].sealed[cid(11)] = good // scrub repaired it
	g.pass(3 * chain.Second)
	require.True(t, g.reported(2, 2))
}

// The joiner's own copy of a clone's source was not compared yet, so it does
// not make the clone from it.
func TestJoinerDoesNotCloneWhatItHasNotCompared(t *testing.T) {
	g := joining(t, 6)
	other := payload(77, 1000)
	g.nodes[2].sealed[cid(15)] = memChunk{Chunk{header(15, 1000), crc(other)}, other}
	stopAfterPages(g, 1)
	g.configure(config(2, []int{1, 2}, 3))
	require.NoError(t, g.clone(0, 2, header(1, 500), 15, 100))
	g.lose = nil
	g.pass(2 * chain.Second)
	require.True(t, g.reported(2, 2))
	want := payload(15, 1000)[100:600]
	for _, n := range g.nodes {
		require.Equal(t, want, n.sealed[cid(1)].bytes)
	}
}

// The joiner has a chunk by live frames that its source is still syncing: it
// is not listed, and it is not an extra one.
func TestChunkThatTheSourceIsSealingIsNotPutAside(t *testing.T) {
	g := joining(t, 4)
	stopAfterPages(g, 0)
	g.configure(config(2, []int{1, 2}, 3))
	b := payload(200, 100)
	g.open(0, 2, header(200, 100))
	g.frames(0, cid(200), b)
	g.pump()
	g.syncHeld[1] = true
	s := g.seal(0, cid(200), crc(b))
	g.pump()
	require.Contains(t, g.nodes[2].sealed, cid(200))
	g.lose = nil
	g.pass(chain.Second)
	g.syncHeld[1] = false
	g.pass(chain.Second)
	require.NoError(t, g.replies[s])
	require.True(t, g.reported(2, 2))
	require.Empty(t, g.nodes[2].aside)
	require.Equal(t, []int{0, 1, 2}, g.has(200, 100))
}

func TestCopyThatIsWrittenWronglyIsNotSealed(t *testing.T) {
	g := joining(t, 3)
	g.nodes[2].corrupt = true
	g.configure(config(2, []int{1, 2}, 3))
	g.pass(3 * chain.Second)
	require.False(t, g.reported(2, 2))
	require.Empty(t, g.nodes[2].sealed)
	g.nodes[2].corrupt = false
	g.pass(3 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(11, 1000))
}

// A chunk that was open before the feed began, was acknowledged without the
// joiner, and lies before the point that its scan has reached.
func TestReportWaitsForDebtsThatNobodyGuards(t *testing.T) {
	g := joining(t, 6)
	g.lose = func(e chain.Envelope) bool { return e.From == rid(3) }
	g.configure(config(2, []int{1, 2}, 3))
	b := payload(1, 100)
	g.open(0, 2, header(1, 100))
	g.frames(0, cid(1), b)
	g.pump()
	stopAfterPages(g, 1)
	g.pass(chain.Second)
	piece := func(e chain.Envelope) bool {
		d, ok := e.Msg.(Datagram)
		if !ok {
			return false
		}
		p, ok := d.Body.(MsgPiece)
		return ok && p.Info.Header.ID == cid(1)
	}
	pages := g.lose
	g.lose = func(e chain.Envelope) bool { return piece(e) || pages(e) }
	s := g.seal(0, cid(1), crc(b))
	g.pump()
	require.NoError(t, g.replies[s])
	require.Equal(t, []int{0, 1}, g.has(1, 100))
	g.lose = piece
	g.pass(3 * chain.Second)
	require.True(t, g.nodes[2].r.state.SyncDone)
	require.False(t, g.reported(2, 2))
	g.lose = nil
	g.pass(3 * chain.Second)
	require.True(t, g.reported(2, 2))
	require.Equal(t, []int{0, 1, 2}, g.has(1, 100))
}

func TestJoinerOffThePathThatHangsIsPausedAndCatchesUp(t *testing.T) {
	g := joining(t, 0)
	stopAfterPages(g, 0) // so that it does not come onto the path
	g.configure(config(2, []int{1, 2}, 3))
	g.lose = func(e chain.Envelope) bool { return e.From == rid(3) || e.To == rid(3) }
	tail := g.nodes[1].r
	tail.conf.ReplicaInflight = 4000
	for i := range 20 {
		require.NoError(t, g.put(0, 2, 100+i, 1000))
	}
	require.Less(t, tail.down.outstanding(), 9000, "its queue is bounded")
	g.lose = nil
	g.pass(5 * chain.Second)
	require.True(t, g.reported(2, 2))
	for i := range 20 {
		require.Equal(t, []int{0, 1, 2}, g.has(100+i, 1000))
	}
}

package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/index"
	"catena/objectd/vfs"
)

// closed is Close, which must not take long.
func closed(t *testing.T, s *Store) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		require.FailNow(t, "Close waits")
		return nil
	}
}

// starve appends entries until the log waits for space, and some more. dones has
// what became of each, in order.
func starve(t *testing.T, s *Store, mem *vfs.Mem, group int) (dones chan error, sent uint64) {
	t.Helper()
	mem.SetCapacity(1) // less than there is: nothing more can be made
	dones = make(chan error, 1<<16)
	more := func() {
		recs := make([]Record, group)
		for i := range recs {
			sent++
			recs[i] = Entry(ix, entryOf(sent, bodyRow("big"), chunkBytes(3, 5000)))
		}
		s.Append(func(err error) { dones <- err }, recs...)
	}
	require.Eventually(t, func() bool { more(); return s.Starving() }, 10*time.Second, time.Millisecond)
	for range 20 {
		more()
	}
	return dones, sent
}

// found gives the entries that a store finds in its log: none is missing between.
func found(t *testing.T, s *Store) (n uint64) {
	t.Helper()
	for _, r := range s.Replicas() {
		if r.Key != ix {
			continue
		}
		for i, e := range r.Entries {
			require.Equal(t, uint64(i+1), e.Seq)
		}
		n = uint64(len(r.Entries))
	}
	return n
}

// Close of a store whose log waits for space waited as well, for ever. What was
// accepted and not acknowledged is answered, in order, and nothing of it is
// written; what was acknowledged is there at the next start.
func TestCloseDoesNotWaitForSpace(t *testing.T) {
	for _, group := range []int{1, 7} {
		mem := vfs.NewMem()
		f := vfs.NewFault(mem)
		s := open(t, f)
		require.NoError(t, appendAll(s, created(), mark(1)))
		require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
		dones, sent := starve(t, s, mem, group)
		bulk := make(chan error, 1)
		s.Append(func(err error) { bulk <- err }, State(dt, chain.KindData, []byte("late")))
		applied := make(chan error, 1)
		go func() {
			e := entryOf(sent, bodyRow("big"), chunkBytes(3, 5000))
			applied <- s.Apply(ix, e, index.Applied{Seq: sent}, bodyRow("big"))
		}()
		f.Fail(vfs.OpWrite|vfs.OpSyncData, func(op vfs.Op) bool { return strings.Contains(op.Name, segDir) }, -1, false, nil)
		require.NoError(t, closed(t, s))
		require.Zero(t, f.Seen(), "the log is not touched any more: no record, and no second end mark")
		require.ErrorIs(t, <-bulk, ErrClosed)
		require.ErrorIs(t, <-applied, ErrClosed)
		require.Len(t, dones, int(sent)/group, "everybody is answered")
		acked := 0
		for err := <-dones; err == nil; err = <-dones {
			acked++
		}
		require.Positive(t, acked)
		for len(dones) > 0 {
			require.ErrorIs(t, <-dones, ErrClosed)
		}
		after := make(chan error, 1)
		s.Append(func(err error) { after <- err }, mark(2))
		require.ErrorIs(t, <-after, ErrClosed)

		mem.SetCapacity(1 << 40)
		s = open(t, mem)
		n := int(found(t, s))
		require.Equal(t, acked, n/group, "an append that was refused is not there whole")
		if group == 1 {
			require.Equal(t, acked, n)
		}
		require.NoError(t, appendAll(s, Entry(ix, entryOf(uint64(n)+1, bodyRow("big"), chunkBytes(3, 5000)))), "it goes on")
		require.NoError(t, s.Close())
		s = open(t, mem)
		require.Equal(t, n+1, int(found(t, s)))
		require.NoError(t, s.Close())
	}
}

// A store that was told to close soon does not begin to wait for space either.
func TestALogDoesNotBeginToWaitInAStoreThatCloses(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), mark(1)))
	s.BeginClose()
	s.BeginClose()
	require.NoError(t, appendAll(s, mark(2)), "while there is room all goes on")
	mem.SetCapacity(1)
	var err error
	n := uint64(0)
	for ; err == nil; n++ {
		err = appendAll(s, Entry(ix, entryOf(n+1, bodyRow("big"), chunkBytes(3, 5000))))
	}
	require.ErrorIs(t, err, ErrClosed)
	mem.SetCapacity(1 << 40)
	require.ErrorIs(t, appendAll(s, mark(3)), ErrClosed, "nothing later is written, also when there is room")
	require.NoError(t, closed(t, s))
	s = open(t, mem)
	require.Equal(t, n-1, found(t, s))
	require.NoError(t, s.Close())
}

// The rows cannot be flushed on a full disk: Close gives that up, and the next
// start replays the log.
func TestCloseOnAFullDiskGivesUpTheFlush(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, appendAll(s, created(), mark(1)))
	const n = 10
	for i := uint64(1); i <= n; i++ {
		e := entryOf(i, bodyRow("k"), chunkBytes(int(i), 300))
		require.NoError(t, appendAll(s, Entry(ix, e)))
		require.NoError(t, s.Apply(ix, e, index.Applied{Seq: i}, bodyRow("k")))
	}
	mem.SetCapacity(1)
	require.NoError(t, closed(t, s))
	mem.SetCapacity(1 << 40)
	s = open(t, mem)
	require.NoError(t, s.Failed())
	last := uint64(0)
	for _, r := range s.Replicas() {
		if last = r.Applied.Seq; len(r.Entries) > 0 {
			last = r.Entries[len(r.Entries)-1].Seq
		}
	}
	require.EqualValues(t, n, last)
	require.NoError(t, s.Close())
}

// Whoever waits at a gate that a full disk keeps shut is let go when the store closes.
func TestAShutGateInAStoreThatCloses(t *testing.T) {
	g := newGate(1)
	g.wrote(2)
	left := newLeaving()
	left.rowsLackRoom()
	select {
	case <-left.noRoom:
		require.Fail(t, "the store does not close yet")
	default:
	}
	left.begin()
	left.rowsLackRoom()
	left.rowsLackRoom()
	require.ErrorIs(t, g.wait(nil, left.noRoom), ErrClosed)
}

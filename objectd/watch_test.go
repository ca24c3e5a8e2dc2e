package objectd

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/tablet"
	"catena/objectd/bubbletest"
	"catena/objectd/store"
	"catena/objectd/vfs"

	"github.com/stretchr/testify/require"
)

// A disk that takes writes and does not answer held up its chains for ever, and
// the stop of the node with them.
func TestDiskThatHangsIsGivenUp(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h, n := onThree(t)
		learned := order(t, n, on(0), 1).Time
		time.Sleep(time.Minute)
		for i := range 3 {
			require.NoError(t, h.master.why(disk1(i)), "an idle disk does not hang")
		}
		release := make(chan struct{})
		h.hang[1].Store(&release)
		began := time.Now()
		answered := make(chan error, 1)
		go func() {
			_, err := n.Propose(context.Background(), indexChain, on(0), &tablet.Command{Op: chain.OpID{2}, Learned: learned, Tablet: 1, Generation: 1, Action: &tablet.Empty{}})
			answered <- err
		}()
		within(t, 20*time.Second, func() bool { return h.master.why(disk1(1)) != nil })
		require.ErrorContains(t, h.master.why(disk1(1)), "has not answered a write for 15 s")
		require.GreaterOrEqual(t, time.Since(began), 14*time.Second)
		require.NoError(t, h.master.why(disk1(0)))
		require.NoError(t, h.master.why(disk1(2)))
		// The others go on, and the command that waited is committed by them.
		n.SetMap(chainsOn(2, 2, on(0), on(2)))
		require.NoError(t, <-answered)
		order(t, n, on(0), 3)
		// Nothing waits for the disk that still hangs.
		h.stop()
		close(release)
		synctest.Wait()
	})
}

// One that hangs while the node stops does not hold it up for longer than that.
func TestStopWaitsForAHangingDiskForSomeTime(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		learned := order(t, n, on(0), 1).Time
		release := make(chan struct{})
		h.hang[1].Store(&release)
		go func() {
			_, _ = n.Propose(context.Background(), indexChain, on(0), &tablet.Command{Op: chain.OpID{2}, Learned: learned, Tablet: 1, Generation: 1, Action: &tablet.Empty{}})
		}()
		time.Sleep(time.Second)
		began := time.Now()
		h.stop()
		require.Less(t, time.Since(began), 20*time.Second)
		close(release)
		synctest.Wait()
	})
}

// Looks count, not the clock: a process that was held up for an hour blames no disk.
func TestStallCountsLooksWithoutProgress(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h := newHost(t, 1)
		d := h.start().disks[disk1(0)]
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, d.begun.Load(), d.finished.Load(), "every call that begins ends")
		var s stall
		require.Zero(t, s.look(d))
		d.begin()
		require.Equal(t, 1, s.look(d))
		require.Equal(t, 2, s.look(d))
		d.begin()
		d.end()
		require.Zero(t, s.look(d), "another call ended: the disk answers")
		require.Equal(t, 1, s.look(d))
		d.end()
		require.Zero(t, s.look(d))
		require.Zero(t, s.look(d))
		h.stop()
	})
}

// fillDisk gives a disk no more room and writes until its log waits for some.
func fillDisk(t *testing.T, h *host, n *Node, i int) {
	t.Helper()
	learned := order(t, n, on(0), 1).Time
	h.mems[i].SetCapacity(1)
	// Each entry takes a block of the log, and what is made already takes some more.
	ctx, cancel := context.WithCancel(context.Background())
	filled := make(chan struct{})
	defer func() { cancel(); <-filled }()
	go func() {
		defer close(filled)
		for i := uint64(1); ctx.Err() == nil; i++ {
			a, _ := n.Propose(ctx, indexChain, on(0), &tablet.Command{
				Op: chain.OpID{9, byte(i >> 8), byte(i)}, Learned: learned, Stamp: max(learned, 1), Tablet: 1, Generation: 1,
				Bucket: chain.BucketID{7}, Action: &tablet.SetBucket{Row: tablet.BucketRow{Generation: i}},
			})
			learned = max(learned, a.Time)
			time.Sleep(time.Millisecond)
		}
	}()
	for !n.disks[disk1(i)].st.Starving() {
		time.Sleep(10 * time.Millisecond)
	}
}

// A disk without room for its log held up its chains, and their reads, for as
// long as there was none. It works, so it is not given up: it counts as away
// until there is room.
func TestDiskWithoutRoomForItsLogIsAway(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h, n := onThree(t)
		order(t, n, on(0), 1)
		time.Sleep(time.Minute)
		require.Empty(t, h.master.hungry(disk1(1)))
		fillDisk(t, h, n, 1)
		within(t, 20*time.Second, func() bool { return h.master.hungry(disk1(1)) != "" })
		require.Equal(t, "no room for its log for 15 s", h.master.hungry(disk1(1)))
		told := h.master.tells(disk1(1))
		time.Sleep(10 * time.Second)
		require.Equal(t, told, h.master.tells(disk1(1)), "nor is it said to be alive meanwhile")
		require.NoError(t, h.master.why(disk1(1)), "it has not failed")
		// The masters take it out of its chains: the others go on.
		n.SetMap(chainsOn(2, 2, on(0), on(2)))
		order(t, n, on(0), 3)
		// With room it is back, with all that it had.
		h.mems[1].SetCapacity(1 << 30)
		within(t, 3*time.Second, func() bool { return h.master.hungry(disk1(1)) == "" })
		require.NoError(t, h.master.why(disk1(1)))
		h.stop()
		synctest.Wait()
	})
}

// A node that stops while a disk has no room waited for room, for ever.
func TestStopDoesNotWaitForRoom(t *testing.T) {
	for stage := range 3 { // at once; while the disk is not yet away; when the chains go on without it
		bubbletest.Run(t, func(t *testing.T) {
			h, n := onThree(t)
			fillDisk(t, h, n, 1)
			time.Sleep(time.Duration(stage) * 10 * time.Second)
			members := []chain.ReplicaID{on(0), on(1), on(2)}
			if stage == 2 {
				members = []chain.ReplicaID{on(0), on(2)}
				n.SetMap(chainsOn(2, 2, members...))
				order(t, n, on(0), 3)
			}
			began := time.Now()
			h.stop()
			require.Less(t, time.Since(began), 2*time.Second)
			require.NoError(t, h.master.why(disk1(1)), "it has not failed")
			require.Zero(t, h.master.lost(on(1), indexChain)+h.master.lost(on(1), dataChain), "nor lost anything")
			synctest.Wait()
			// With room it opens, and the chains go on with it.
			h.mems[1].SetCapacity(1 << 30)
			n = h.start()
			require.NoError(t, n.disks[disk1(1)].failed())
			n.SetMap(chainsOn(3, 3, members...))
			order(t, n, on(0), 4)
			h.stop()
			synctest.Wait()
		})
	}
}

// The directory of a disk was removed under the running node: the disk was said
// to be full, for ever. Nobody need ask for space for it to be noticed.
func TestDiskWhoseDirectoryIsRemovedIsGivenUp(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h, n := onThree(t)
		order(t, n, on(0), 1)
		require.NoError(t, h.mems[1].RemoveAll("/d/store"))
		within(t, 3*time.Second, func() bool { return h.master.why(disk1(1)) != nil })
		require.ErrorContains(t, h.master.why(disk1(1)), "its directory is gone")
		require.False(t, h.master.info(disk1(1)).Full)
		n.SetMap(chainsOn(2, 2, on(0), on(2)))
		order(t, n, on(0), 3)
		h.stop()
		synctest.Wait()
	})
}

// What a store refuses because it closes is no loss of the replica's.
func TestAReplicaOfAStoreThatClosesIsNotLost(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h, n := onThree(t)
		order(t, n, on(0), 1)
		r := n.lookup(address{indexChain, on(1)}).base()
		r.box.post(storeError{&store.Error{Kind: store.ErrClosed, Op: "apply"}})
		synctest.Wait()
		require.True(t, r.ended.Load())
		require.Zero(t, h.master.lost(on(1), indexChain))
		h.stop()
	})
}

// A store that cannot be opened for want of room is as good as it was: it is away,
// not broken, and nobody may be told to empty its directory.
func TestStoreWithoutRoomToOpenIsAway(t *testing.T) {
	bubbletest.Run(t, func(t *testing.T) {
		h, n := onThree(t)
		order(t, n, on(0), 1)
		h.stop()
		h.disks[1].Fail(vfs.OpMutating, nil, 0, true, vfs.ErrNoSpace)
		n = h.start()
		require.Contains(t, h.master.hungry(disk1(1)), "want of room")
		require.NoError(t, h.master.why(disk1(1)))
		n.SetMap(chainsOn(2, 2, on(0), on(2)))
		order(t, n, on(0), 2)
		h.stop()
		h.disks[1].Fail(0, nil, 0, false, nil)
		h.start()
		require.Empty(t, h.master.hungry(disk1(1)))
		require.NoError(t, h.master.why(disk1(1)))
		h.stop()
		synctest.Wait()
	})
}

package master

import (
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// statusOf gives the status of one store, its times to the millisecond.
func (w *world) statusOf(id chain.StoreID) StoreStatus {
	for _, s := range w.srv.Status().Stores {
		if s.ID == id {
			if s.Away != nil {
				s.Away.For, s.Away.Waited = s.Away.For.Round(time.Millisecond), s.Away.Waited.Round(time.Millisecond)
			}
			return s
		}
	}
	w.t.Fatalf("no store %s", id)
	return StoreStatus{}
}

// A directory that was left out at the start is away, not broken: it is said
// since when at least, and how long its chains wait for it.
func TestAStoreThatWasLeftOutIsAwayAndNotBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		require.Nil(t, w.statusOf(storeID(3)).Away)
		w.stop()
		w.disks, w.lost[storeID(3)] = w.disks[:2], true
		w.start()
		defer w.stop()
		require.Nil(t, w.statusOf(storeID(3)).Away, "nothing has been heard of it yet")
		w.srv.StoreMissing(storeID(3), "left out")
		time.Sleep(time.Minute)
		s := w.statusOf(storeID(3))
		require.Equal(t, chain.StoreFailed, s.State)
		require.False(t, s.Broken)
		require.Equal(t, "left out", s.Seen)
		require.Equal(t, &Away{For: time.Minute, OrLonger: true, Waited: 9 * time.Minute}, s.Away)
		time.Sleep(10 * time.Minute)
		require.Equal(t, &Away{For: 11 * time.Minute, OrLonger: true}, w.statusOf(storeID(3)).Away, "it is waited for no longer")
		w.srv.StoreAlive(storeID(3), StoreInfo{Incarnation: 1})
		require.Nil(t, w.statusOf(storeID(3)).Away)
		w.srv.StoreMissing(storeID(3), "again")
		time.Sleep(time.Second)
		seen := &Away{For: time.Second, Waited: 10*time.Minute - time.Second}
		require.Equal(t, seen, w.statusOf(storeID(3)).Away, "this time it was seen to go")
	})
}

// A store that nobody speaks of is away since the leader began, or longer.
func TestAStoreThatNobodySpeaksOfIsAwayOrLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.lost[storeID(2)] = true
		w.start()
		defer w.stop()
		time.Sleep(11 * time.Second)
		a := w.statusOf(storeID(2)).Away
		require.NotNil(t, a)
		require.True(t, a.OrLonger)
		require.InDelta(t, 11*time.Second, a.For, float64(time.Second))
	})
}

// A store with an I/O error is not waited for, in a later process neither.
func TestABrokenStoreIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.fail(storeID(3))
		time.Sleep(time.Second)
		require.Equal(t, &Away{Broken: true, For: time.Second}, w.statusOf(storeID(3)).Away)
		w.stop()
		w.disks, w.lost[storeID(3)] = w.disks[:2], true
		w.start()
		defer w.stop()
		w.srv.StoreMissing(storeID(3), "left out")
		time.Sleep(time.Second)
		require.Equal(t, &Away{Broken: true, For: time.Second, OrLonger: true}, w.statusOf(storeID(3)).Away)
	})
}

// A store whose place is taken is out of use for ever, and not away.
func TestAReplacedStoreIsNotAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		w.disks, w.lost[storeID(3)] = w.disks[:2], true
		d := w.addDisk(4)
		w.start()
		defer w.stop()
		w.srv.StoreMissing(storeID(3), "replaced")
		w.srv.Offer(newStore(d.id), storeID(3))
		time.Sleep(time.Second)
		require.Equal(t, chain.StoreReplaced, w.statusOf(storeID(3)).State)
		require.Nil(t, w.statusOf(storeID(3)).Away)
		require.Nil(t, w.statusOf(d.id).Away)
	})
}

// With two disks of three gone the masters have no majority, and cannot take
// anybody out of a chain. Status called every chain writable, by the frozen map.
func TestChainsWithoutTheirMembersAreUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		w.waitFor("full", time.Second, w.full)
		require.Zero(t, w.srv.Status().Unwritable)
		w.fail(w.disks[0].id)
		w.fail(w.disks[1].id)
		time.Sleep(5 * time.Second)
		st := w.srv.Status()
		require.Zero(t, st.Leader)
		require.Equal(t, st.Chains, st.Unwritable)
		require.EqualValues(t, st.Chains, w.metric("catena_master_chains_unwritable"))
		for _, c := range st.Below {
			require.True(t, c.Unwritable)
		}
	})
}

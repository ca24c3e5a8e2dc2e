package master

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/objectd/vfs"

	"github.com/stretchr/testify/require"
)

func TestAVoterThatWasAwayForAStartComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		away := w.disks[0]
		w.disks = w.disks[1:]
		w.start()
		w.srv.StoreMissing(away.id, "its mount is missing")
		w.waitFor("chains without the store", time.Second, func() bool { return len(w.members(1)) == 2 })
		require.Len(t, w.recorded, 3, "nobody could take its place")
		w.stop()
		w.disks = append(w.disks, away)
		w.start()
		defer w.stop()
		w.waitFor("full", 30*time.Second, w.full)
		w.waitFor("it follows", 5*time.Second, func() bool {
			s := w.srv.newest()
			return w.srv.voters[away.id].fsm.version() == s.Version
		})
		c, _ := w.srv.Map().Config(1)
		require.Equal(t, chain.ReplicaID{Store: away.id, Incarnation: 1}, c.Tail(), "what it had is intact")
		w.check()
	})
}

func TestAVoterThatLostItsPlaceStaysASpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		w.start()
		w.stop()
		away := w.disks[0]
		w.disks = w.disks[1:]
		w.start()
		w.srv.StoreMissing(away.id, "its mount is missing")
		w.waitFor("a voter on the fourth", 5*time.Second, func() bool { return slices.Contains(w.voted(), storeID(4)) && len(w.voted()) == 3 })
		w.stop()
		w.disks = append(w.disks, away)
		w.start()
		defer w.stop()
		w.waitFor("it is stopped", 5*time.Second, func() bool {
			return slices.ContainsFunc(w.srv.Status().Voters, func(v VoterStatus) bool { return v.Store == away.id && v.Role == "spare" })
		})
		// It can take a place again, with the votes that it remembers.
		w.fail(storeID(2))
		w.waitFor("it votes again", 10*time.Second, func() bool { return slices.Contains(w.voted(), away.id) && len(w.voted()) == 3 })
	})
}

func TestANewVoterIsFilledFromASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		for i := range 110 {
			require.NoError(t, w.srv.SetFactor(t.Context(), uint8(2+i%2)))
			w.waitFor("all chains follow", 20*time.Second, w.full)
		}
		time.Sleep(5 * time.Minute)
		first, err := w.srv.leader().log.FirstIndex()
		require.NoError(t, err)
		require.Greater(t, first, uint64(100), "the start of the log is only in snapshots")
		gone := w.disks[2].id
		w.stop()
		w.disks = w.disks[:2]
		d := w.addDisk(9)
		w.start()
		defer w.stop()
		w.srv.Offer(newStore(d.id), gone)
		w.waitFor("the new one votes", 30*time.Second, func() bool { return slices.Contains(w.voted(), d.id) })
		// The chains that get their replicas back go on changing the state meanwhile.
		w.waitFor("it has what the others have", 30*time.Second, func() bool {
			return w.full() && w.srv.newest().Version == w.srv.voters[d.id].fsm.version()
		})
	})
}

func TestADamagedLogIsNamedAndDoneWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		d := w.disks[1]
		f, err := d.mem.OpenRW("raft/log-0000000000000001")
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("damage"), 50)
		require.NoError(t, err)
		w.start()
		defer w.stop()
		require.Contains(t, fmt.Sprint(w.srv.Status().Voters), "damaged")
		require.EqualValues(t, 2, w.metric("catena_master_voters"))
		require.NoError(t, w.srv.SetFactor(t.Context(), 2))
	})
}

// A log that was cut off behind its header looks like one that was just made: the
// voter would have forgotten whom it voted for, and what it acknowledged.
func TestAVoterWhoseLogWasCutOffDoesNotVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		f, err := w.disks[1].mem.OpenRW("raft/log-0000000000000001")
		require.NoError(t, err)
		require.NoError(t, f.Truncate(100))
		require.NoError(t, f.Close())
		w.start()
		defer w.stop()
		require.Contains(t, fmt.Sprint(w.srv.Status().Voters), "has lost its records")
		require.EqualValues(t, 2, w.metric("catena_master_voters"))
		require.NoError(t, w.srv.SetFactor(t.Context(), 2))
	})
}

func TestTheLogOfAnotherClusterIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		w.cluster = chain.ClusterID{77}
		srv, err := Start(w.config())
		require.NoError(t, err)
		defer srv.Close()
		require.ErrorIs(t, srv.WaitReady(t.Context()), errForeign)
		require.Nil(t, srv.Map())
	})
}

func TestASlowSubscriberHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		var slow, fast atomic.Uint64
		release := make(chan struct{})
		defer w.srv.Subscribe(func(m *chain.Map) { slow.Store(m.Version); <-release })()
		cancel := w.srv.Subscribe(func(m *chain.Map) { fast.Store(m.Version) })
		for _, f := range []uint8{2, 3, 2} {
			require.NoError(t, w.srv.SetFactor(t.Context(), f))
			w.waitFor("full", 10*time.Second, w.full)
		}
		synctest.Wait()
		require.Equal(t, w.srv.Map().Version, fast.Load())
		require.Less(t, slow.Load(), fast.Load())
		close(release)
		synctest.Wait()
		require.Equal(t, w.srv.Map().Version, slow.Load(), "the newest, the others are left out")
		cancel()
		was := fast.Load()
		require.NoError(t, w.srv.SetFactor(t.Context(), 3))
		w.waitFor("full", 10*time.Second, w.full)
		require.Equal(t, was, fast.Load())
	})
}

func TestSilentStoresCountAsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.timing.SilentAfter = 3 * time.Second
		w.start()
		defer w.stop()
		beat := func(ids ...int) {
			for _, n := range ids {
				w.srv.StoreAlive(storeID(n), StoreInfo{Incarnation: 1})
			}
		}
		for range 10 {
			beat(1, 2, 3)
			time.Sleep(time.Second)
		}
		require.Len(t, w.members(1), 3)
		for range 5 {
			beat(1, 2)
			time.Sleep(time.Second)
		}
		require.NotContains(t, w.members(1), storeID(3))
		require.Equal(t, chain.StoreFailed, w.srv.newest().Store(storeID(3)).State)
		require.False(t, w.srv.newest().Store(storeID(3)).Broken)
		// One loss: it must be back for a while before it is filled.
		for i := range 12 {
			beat(1, 2, 3)
			if i == 3 {
				require.Len(t, w.members(1), 2)
			}
			time.Sleep(time.Second)
		}
		require.Contains(t, w.members(1), storeID(3))
	})
}

func TestAStoreThatNobodySpeaksOfIsAbsentAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.lost[storeID(2)] = true
		w.start()
		defer w.stop()
		time.Sleep(9 * time.Second)
		require.Contains(t, w.members(1), storeID(2))
		time.Sleep(2 * time.Second)
		require.NotContains(t, w.members(1), storeID(2))
	})
}

func TestFullNeedsTheWordOfTheReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		w.waitFor("full", time.Second, w.full)
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 1, Replicas: []ReplicaInfo{}})
		require.EqualValues(t, 45, w.metric("catena_master_chains_below_factor"))
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 1, Replicas: []ReplicaInfo{{Chain: 1, Incarnation: 1, Epoch: chain.Epoch{N: 1}}}})
		require.EqualValues(t, 44, w.metric("catena_master_chains_below_factor"))
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 1})
		require.EqualValues(t, 44, w.metric("catena_master_chains_below_factor"), "nil changes nothing")
		w.fail(storeID(1))
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 1})
		require.EqualValues(t, 45, w.metric("catena_master_chains_below_factor"), "a store that failed does not come back as the same")
	})
}

func TestAJoinerThatCopiesNothingIsNeverFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		gone := w.disks[2].id
		w.disks = w.disks[:2]
		d := w.addDisk(9)
		w.stuck = true
		w.start()
		defer w.stop()
		w.srv.Offer(newStore(d.id), gone)
		time.Sleep(time.Minute)
		require.EqualValues(t, 45, w.metric("catena_master_chains_below_factor"))
		require.EqualValues(t, 8, w.metric("catena_master_chains_syncing"), "and the joins in flight stay bounded")
	})
}

// TestAcknowledgedCommandsSurviveAPowerCut cuts the power of all directories at
// once, at random instants, and asks for what had been answered.
func TestAcknowledgedCommandsSurviveAPowerCut(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3)
			factor := uint8(3)
			for round := range 4 {
				w.start()
				require.Contains(t, []uint8{factor, factor%3 + 1}, w.srv.newest().Factor)
				factor = w.srv.newest().Factor
				for range 3 {
					next := factor%3 + 1
					require.NoError(t, w.srv.SetFactor(t.Context(), next))
					factor = next
				}
				// One more is under way when the power goes.
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = w.srv.SetFactor(ctx, factor%3+1)
				}()
				time.Sleep(time.Duration(seed) * time.Millisecond)
				w.mu.Lock()
				seen := len(w.maps) // what is published later did not happen
				w.mu.Unlock()
				cut := make([]*vfs.Mem, len(w.disks))
				for i, d := range w.disks {
					cut[i] = d.mem.CrashClone(int(seed*37)%101, seed*100+uint64(round))
				}
				<-done
				cancel()
				w.stop()
				synctest.Wait()
				w.maps = w.maps[:seen]
				for i, d := range w.disks {
					d.mem = cut[i]
				}
			}
			w.checkOneLine()
		})
	}
}

// checkOneLine holds the configurations seen over all power cuts to one line of epochs.
func (w *world) checkOneLine() {
	w.t.Helper()
	seen := map[string]chain.Config{}
	for _, m := range w.maps {
		for id, c := range m.Chains {
			k := fmt.Sprint(id, c.Epoch)
			if old, ok := seen[k]; ok {
				require.Equal(w.t, old, c, "an epoch names one configuration")
			}
			seen[k] = c
		}
	}
}

// TestTheStateDoesNotGoBackWithALeaderThatDies: followers apply later than the
// leader; a view of theirs must not pass for the newest, least of all as "full".
func TestTheStateDoesNotGoBackWithALeaderThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		before := w.srv.newest().Version
		w.srv.StoreFailed(w.srv.Status().Leader, errDisk)
		require.GreaterOrEqual(t, w.srv.newest().Version, before)
		require.EqualValues(t, 45, w.metric("catena_master_chains_below_factor"))
	})
}

func TestAStoreThatFailedEndsTheVoterBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		leader := w.srv.Status().Leader
		// Only the store has met the error; the voter's own file still takes writes.
		w.srv.StoreFailed(leader, errDisk)
		w.waitFor("another leader", time.Second, func() bool { l := w.srv.Status().Leader; return l != leader && !l.IsZero() })
		require.EqualValues(t, 2, w.metric("catena_master_voters"))
	})
}

func TestAStoreThatFailedComesBackOnlyAsAnotherIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		w.srv.StoreFailed(storeID(1), errDisk)
		w.waitFor("chains without the store", time.Second, func() bool { return len(w.members(1)) == 2 })
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 1})
		time.Sleep(time.Minute)
		require.Len(t, w.members(1), 2)
		w.srv.StoreAlive(storeID(1), StoreInfo{Incarnation: 2})
		w.waitFor("it is filled", time.Minute, func() bool { return len(w.members(1)) == 3 })
		c, _ := w.srv.Map().Config(1)
		require.Equal(t, chain.ReplicaID{Store: storeID(1), Incarnation: 2}, c.Tail())
	})
}

func TestNothingIsAcknowledgedByOneGoodDiskOfThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		leader := w.srv.Status().Leader
		before := w.srv.Map()
		w.disk(leader).failed.Store(true)
		other := slices.IndexFunc(w.disks, func(d *disk) bool { return d.id != leader })
		w.disks[other].failed.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.ErrorIs(t, w.srv.SetFactor(ctx, 2), ErrNoLeader)
		require.Equal(t, before, w.srv.Map())
	})
}

package master

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/master/raftlog"

	"github.com/stretchr/testify/require"
)

func TestFirstStartMakesTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		began := time.Now()
		w.start()
		defer w.stop()
		require.Less(t, time.Since(began), 500*time.Millisecond, "an election at start does not wait for a timeout")
		m := w.srv.Map()
		require.Len(t, m.Tablets, 13)
		require.Len(t, m.Chains, 13+32)
		require.Len(t, m.Stores, 3)
		w.waitFor("full", time.Second, w.full)
		require.EqualValues(t, 3, w.metric("catena_master_voters"))
		require.EqualValues(t, 1, w.metric("catena_master_leader"))
		require.Equal(t, "nothing to change\n", w.srv.Plan())
	})
}

func TestRestartKeepsTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		before := w.srv.Map()
		w.stop()
		w.start()
		defer w.stop()
		require.Equal(t, before, w.srv.Map())
	})
}

func TestLosingAnyVotersDirWhileRunning(t *testing.T) {
	for _, which := range []string{"leader", "follower"} {
		t.Run(which, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				w.start()
				defer w.stop()
				w.waitFor("full", time.Second, w.full)
				leader := w.srv.Status().Leader
				victim := leader
				if which == "follower" {
					victim = w.disks[slices.IndexFunc(w.disks, func(d *disk) bool { return d.id != leader })].id
				}
				w.fail(victim)
				took := w.waitFor("chains without the store", 5*time.Second, func() bool {
					for id := range w.srv.Map().Chains {
						if slices.Contains(w.members(id), victim) {
							return false
						}
					}
					return true
				})
				require.Less(t, took, time.Second)
				require.False(t, w.full())
				require.EqualValues(t, 45, w.metric("catena_master_chains_below_factor"))
				ops := w.disk(victim).ops.Load()
				time.Sleep(time.Minute)
				require.LessOrEqual(t, w.disk(victim).ops.Load(), ops+1, "the disk is not touched again, but for the close")
				w.check()
			})
		})
	}
}

func TestEmptyDirInPlaceOfALostOne(t *testing.T) {
	for round := range 3 {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 3)
			w.start()
			w.waitFor("full", time.Second, w.full)
			victim := w.disks[round].id
			w.stop()
			// The directory is gone: the process starts without it.
			w.disks = slices.Delete(w.disks, round, round+1)
			w.start()
			w.srv.StoreMissing(victim, "not there")
			w.waitFor("chains without the store", time.Second, func() bool { return len(w.members(1)) == 2 })
			w.stop()
			// An empty one takes its place.
			d := w.addDisk(10 + round)
			w.start()
			w.srv.StoreMissing(victim, "replaced")
			w.srv.Offer(newStore(d.id), victim)
			w.waitFor("full again", 10*time.Second, w.full)
			w.waitFor("three voters", 10*time.Second, func() bool {
				return len(w.voted()) == 3 && slices.Contains(w.voted(), d.id) && !slices.Contains(w.voted(), victim)
			})
			for id := range w.srv.Map().Chains {
				require.Len(t, w.members(id), 3)
				require.Contains(t, w.members(id), d.id)
			}
			// The new voter holds the state: any other may now go.
			leader := w.srv.Status().Leader
			w.fail(leader)
			w.waitFor("another leader", time.Second, func() bool { l := w.srv.Status().Leader; return l != leader && !l.IsZero() })
			w.check()
			w.stop()
		})
	}
}

func TestALostVoterMovesToASpareDir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		w.start()
		defer w.stop()
		victim := w.srv.Status().Leader
		w.fail(victim)
		w.waitFor("a voter on the spare", 10*time.Second, func() bool {
			return slices.Contains(w.voted(), storeID(4)) && len(w.voted()) == 3 && !slices.Contains(w.voted(), victim)
		})
		w.waitFor("full on three of four", 30*time.Second, w.full)
		w.check()
	})
}

func TestStartNeedsAMajorityOfTheRecordedVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		// Two of three are empty directories now: they count for nothing.
		w.disks = w.disks[:1]
		w.addDisk(2)
		w.addDisk(3)
		_, err := Start(w.config())
		require.ErrorContains(t, err, "only 1 of the 3 recorded voters can run")
		require.ErrorContains(t, err, "has lost its files")
	})
}

func TestBootstrapThatWasCutShortIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		cfg := w.config()
		s := &Server{cfg: cfg.withDefaults(), voters: map[chain.StoreID]*voter{}, unusable: map[chain.StoreID]error{}, guardWake: make(chan struct{}, 1)}
		s.hub = &raftlog.Hub{}
		v, err := s.openVoter(cfg.Dirs[1])
		require.NoError(t, err)
		require.NoError(t, s.bootstrap(v, cfg.Recorded))
		require.NoError(t, v.log.Close())
		w.start()
		defer w.stop()
		require.Len(t, w.srv.Map().Chains, 45)
	})
}

func TestASingleDeadVoterPublishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.start()
		defer w.stop()
		before := w.srv.Map()
		w.disks[0].failed.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.Error(t, w.srv.SetFactor(ctx, 2), "it was never on a disk")
		require.Equal(t, before, w.srv.Map())
		require.Zero(t, w.metric("catena_master_voters"))
	})
}

func TestAVoterWhoseDiskHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		leader := w.srv.Status().Leader
		d := w.disk(leader)
		d.hang = make(chan struct{})
		defer close(d.hang)
		go func() { _ = w.srv.SetFactor(t.Context(), 2) }()
		w.waitFor("another leader", 30*time.Second, func() bool { l := w.srv.Status().Leader; return l != leader && !l.IsZero() })
		w.waitFor("the command was carried out there", 10*time.Second, func() bool { c, _ := w.srv.Map().Config(1); return c.Factor == 2 })
	})
}

func TestSnapshotsAreTakenAndStartedFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		for i := range 120 {
			require.NoError(t, w.srv.SetFactor(t.Context(), uint8(2+i%2)))
			w.waitFor("all chains follow", 20*time.Second, w.full)
		}
		time.Sleep(5 * time.Minute) // the library looks every few minutes
		snaps, err := w.srv.leader().log.Snapshots().List()
		require.NoError(t, err)
		require.NotEmpty(t, snaps)
		before := w.srv.Map()
		w.stop()
		w.start()
		defer w.stop()
		require.Equal(t, before, w.srv.Map())
		w.check()
	})
}

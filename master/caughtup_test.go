package master

import (
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

const missingMetric = "catena_master_voters_missing"

// A replaced directory's chains may be full before its voter has its vote back:
// then the next directory must not go yet, and the metric says so.
func TestVotersMissingUntilTheNewVoterVotesAndIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.waitFor("all voters", 5*time.Second, func() bool { return w.metric(missingMetric) == 0 })
		victim := w.disks[1].id
		w.stop()
		require.True(t, math.IsNaN(w.srv.votersMissing()), "of a stopped master nothing is known")
		w.disks = append(w.disks[:1:1], w.disks[2])
		w.start()
		w.srv.StoreMissing(victim, "not there")
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, w.metric(missingMetric))
		w.stop()

		d := w.addDisk(12)
		w.unrecordable = errors.New("no space")
		w.start()
		defer w.stop()
		w.srv.StoreMissing(victim, "replaced")
		w.srv.Offer(newStore(d.id), victim)
		w.waitFor("full", 10*time.Second, w.full)
		time.Sleep(time.Minute)
		require.NotZero(t, w.metric(missingMetric), "a start would still look for the old voters")
		w.mu.Lock()
		w.unrecordable = nil
		w.mu.Unlock()
		w.waitFor("recorded at last", 5*time.Second, func() bool { return w.metric(missingMetric) == 0 })
		require.Contains(t, w.voted(), d.id)
		require.NotContains(t, w.voted(), victim)
	})
}

func TestADeadVoterIsMissingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		defer w.stop()
		w.waitFor("all voters", 5*time.Second, func() bool { return w.metric(missingMetric) == 0 })
		w.fail(w.srv.Status().Leader)
		w.waitFor("another leader", 5*time.Second, func() bool { return !math.IsNaN(w.metric(missingMetric)) })
		require.EqualValues(t, 1, w.metric(missingMetric))
	})
}

// A recorder that hangs must not hold up the stop for ever.
func TestAHangingRecorderDoesNotHoldUpTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.start()
		w.stop()
		hang := make(chan struct{})
		cfg := w.config()
		told := make(chan struct{})
		record := cfg.OnVoters
		cfg.OnVoters = func(ids []chain.StoreID) error { close(told); <-hang; return record(ids) }
		srv, err := Start(cfg)
		require.NoError(t, err)
		<-told
		began := time.Now()
		require.NoError(t, srv.Close())
		require.Less(t, time.Since(began), 10*time.Second)
		close(hang)
		synctest.Wait()
	})
}

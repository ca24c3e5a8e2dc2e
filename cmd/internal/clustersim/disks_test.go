package clustersim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/objectd/vfs"
	"catena/s3api/objects"

	"github.com/stretchr/testify/require"
)

// under lets clients work on the process until stop is called.
func under(p *Process, l *Ledger, w *Workload) (stop func()) {
	ctx, cancel := context.WithCancel(p.Context())
	done := make(chan struct{}, 2)
	go func() { w.Run(ctx, p); done <- struct{}{} }()
	go func() { l.Run(ctx, p, 3, 50*time.Millisecond); done <- struct{}{} }()
	return sync.OnceFunc(func() {
		cancel()
		<-done
		<-done
	})
}

// begin starts a cluster and its clients' buckets.
func begin(t *testing.T, c *Cluster, s uint64) (*Ledger, *Workload) {
	ctx := bounded(t)
	l, w := NewLedger(), NewWorkload(WorkloadConfig{Seed: s})
	require.NoError(t, c.Start(ctx))
	require.NoError(t, l.Prepare(ctx, c.Process()))
	require.NoError(t, w.Prepare(ctx, c.Process()))
	return l, w
}

// finish decides about the histories and stops.
func finish(t *testing.T, c *Cluster, l *Ledger, w *Workload) {
	t.Helper()
	ctx := bounded(t)
	settle(t, c, l, w)
	require.NoError(t, w.Check(ctx, c.Process()))
	t.Logf("%d objects, %+v", l.Len(), w.Counts())
	require.NoError(t, c.Stop())
	synctest.Wait()
	require.NoError(t, c.Close())
}

// Each disk fails in turn while the process runs: that of the Raft leader, then
// the others; each is head, middle and tail of some chains. The store serves on
// within two seconds, and an empty disk in its place is filled.
func TestDiskFailsWhileRunning(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 2))
	for round := range rounds(t, 2) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				c := build(t, Config{})
				l, w := begin(t, c, rng.Uint64())
				for turn := range 3 {
					p := c.Process()
					leader := p.Masters.Status().Leader
					victim := c.Disk(leader)
					if turn > 0 {
						for _, d := range c.Disks() {
							if d.ID != leader && d.Replaces.IsZero() {
								victim = d
							}
						}
					}
					stop := under(p, l, w)
					time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
					victim.FailAfter(rng.IntN(300))
					for victim.Hits() == 0 {
						time.Sleep(time.Millisecond)
					}
					began := time.Now()
					require.NoError(t, p.WaitWriting(ctx))
					require.Less(t, time.Since(began), 2*time.Second, "turn %d", turn)
					t.Logf("turn %d: disk %s fails (leader: %v), serves after %s", turn, victim.Name, victim.ID == leader, time.Since(began))
					time.Sleep(time.Second)
					stop()
					require.NotZero(t, p.Masters.Status().BelowFactor, "a lost disk shows")
					require.NoError(t, l.Verify(ctx, p))
					require.NoError(t, c.Stop())
					_, err := c.Replace(victim)
					require.NoError(t, err)
					require.NoError(t, c.Start(ctx))
					stop = under(c.Process(), l, w)
					require.NoError(t, c.Process().WaitFull(ctx))
					stop()
					settle(t, c, l, w)
				}
				finish(t, c, l, w)
			})
		})
	}
}

// The i-th call of a kind fails, whatever it is for: the log, a segment, the
// rows, the masters' files.
func TestEveryKindOfCallFails(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 3))
	for _, kind := range []vfs.OpKind{vfs.OpWrite, vfs.OpSync, vfs.OpSyncData, vfs.OpSyncDir, vfs.OpCreate} {
		t.Run(kind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				// Small segments, so that there is something to create and to rename.
				c := build(t, Config{SegmentSize: 256 << 10, ChunkSize: 64 << 10})
				l, w := begin(t, c, rng.Uint64())
				p := c.Process()
				stop := under(p, l, w)
				victim := c.Disks()[rng.IntN(3)]
				victim.FailOps(kind, nil, rng.IntN(20), rng.IntN(2) == 0)
				for n := 0; n < 20 && victim.Hits() == 0; n++ {
					time.Sleep(100 * time.Millisecond)
				}
				t.Logf("%d calls failed", victim.Hits())
				require.NoError(t, p.WaitWriting(ctx))
				time.Sleep(time.Second)
				stop()
				require.NoError(t, l.Verify(ctx, p))
				require.NoError(t, c.Stop())
				// The disk comes back as it is: a store that failed is filled anew.
				require.NoError(t, c.Start(ctx))
				finish(t, c, l, w)
			})
		})
	}
}

// With two of three disks gone no write is acknowledged and no wrong answer is
// given; with the disks back everything is there and goes on.
func TestBelowMinAck(t *testing.T) {
	for _, how := range []string{"failed", "pulled out"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				c := build(t, Config{CommandTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second})
				l, w := begin(t, c, 4)
				stop := under(c.Process(), l, w)
				time.Sleep(500 * time.Millisecond)
				stop()
				// A fourth disk, and its voter, so that the masters outlive the two.
				disks := c.Disks()
				p := c.Process()
				for _, d := range disks[1:] {
					if how == "failed" {
						d.FailAfter(0)
					}
				}
				if how == "pulled out" {
					require.NoError(t, c.Stop())
					require.NoError(t, c.PullOut(disks[1]))
					require.NoError(t, c.PullOut(disks[2]))
					// Without a majority of the voters there is no start at all.
					require.ErrorContains(t, c.Start(ctx), "majority")
					require.NoError(t, c.PutBack(disks[1]))
					require.NoError(t, c.PutBack(disks[2]))
					require.NoError(t, c.Start(ctx))
					finish(t, c, l, w)
					return
				}
				acked := l.Len()
				for range 3 {
					opCtx, cancel := context.WithTimeout(ctx, 4*time.Second)
					require.False(t, l.Write(opCtx, p), "a write is acknowledged by one disk of three")
					cancel()
				}
				require.Equal(t, acked, l.Len())
				// Reads have the right answer or none.
				readCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				all, err := p.List(readCtx, l.Bucket(), "")
				if err == nil {
					require.GreaterOrEqual(t, len(all), acked)
				} else {
					require.Equal(t, objects.KindUnavailable, objects.KindOf(err))
				}
				require.NoError(t, c.Stop())
				// The two that failed come back: what they hold is not believed, and they
				// are filled again from the one that stayed.
				require.NoError(t, c.Start(ctx))
				finish(t, c, l, w)
			})
		})
	}
}

// Two of five disks fail at one moment: the chains that have one member left take
// no write until another disk has been filled from it, and lose nothing.
func TestTwoOfFiveDisksFailTogether(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 7))
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{Disks: 5, Factor: 3, Tablets: 6, DataChains: 8})
		l, w := begin(t, c, rng.Uint64())
		p := c.Process()
		require.NoError(t, p.WaitFull(ctx))
		disks := c.Disks()
		stop := under(p, l, w)
		time.Sleep(500 * time.Millisecond)
		single := 0
		lost := map[chain.StoreID]bool{disks[1].ID: true, disks[4].ID: true} // one voter, one without
		for _, cfg := range p.Node.Map().Chains {
			left := 0
			for _, r := range cfg.Serving {
				if !lost[r.Store] {
					left++
				}
			}
			if left == 1 {
				single++
			}
		}
		require.NotZero(t, single, "some chain is left with one member")
		disks[1].FailAfter(0)
		disks[4].FailAfter(0)
		time.Sleep(time.Second)
		began := time.Now()
		require.NoError(t, p.WaitWriting(ctx))
		require.Less(t, time.Since(began), 10*time.Second)
		stop()
		t.Logf("%d chains had one member left; all take writes after %s", single, time.Since(began)+time.Second)
		finish(t, c, l, w)
	})
}

// A disk that was away, in order or by a power cut, catches up.
func TestDiskIsAwayAndComesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 5))
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{})
		l, w := begin(t, c, rng.Uint64())
		for turn := range rounds(t, 3) {
			stop := under(c.Process(), l, w)
			time.Sleep(300 * time.Millisecond)
			stop()
			if turn%2 == 0 {
				require.NoError(t, c.Stop())
			} else {
				require.NoError(t, c.PowerCut(rng.IntN(101), rng.Uint64()))
			}
			away := c.Disks()[turn%3]
			require.NoError(t, c.PullOut(away))
			began := time.Now()
			require.NoError(t, c.Start(ctx))
			require.Less(t, time.Since(began), 3*time.Second)
			stop = under(c.Process(), l, w)
			require.NoError(t, c.Process().WaitWriting(ctx))
			time.Sleep(time.Duration(rng.IntN(2000)) * time.Millisecond)
			stop()
			require.NoError(t, l.Verify(ctx, c.Process()))
			require.NoError(t, c.Stop())
			require.NoError(t, c.PutBack(away))
			require.NoError(t, c.Start(ctx))
			settle(t, c, l, w)
		}
		finish(t, c, l, w)
	})
}

// A fourth disk takes its share, and a chain's replicas are never on one disk twice.
func TestAddedDiskTakesItsShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{DataChains: 8, Tablets: 6})
		l, w := begin(t, c, 6)
		stop := under(c.Process(), l, w)
		time.Sleep(500 * time.Millisecond)
		stop()
		require.NoError(t, c.Stop())
		d, err := c.AddDisk()
		require.NoError(t, err)
		require.NoError(t, c.Start(ctx))
		stop = under(c.Process(), l, w)
		defer stop()
		count := func() (n int) {
			for _, cfg := range c.Process().Node.Map().Chains {
				for _, r := range cfg.Serving {
					if r.Store == d.ID {
						n++
					}
				}
			}
			return n
		}
		require.NoError(t, c.Process().poll(ctx, "the new disk has its share", time.Second, func() error {
			if n := count(); n < 8 {
				return fmt.Errorf("%d replicas", n)
			}
			return nil
		}))
		for _, cfg := range c.Process().Node.Map().Chains {
			on := map[chain.StoreID]bool{}
			for _, r := range cfg.Serving {
				require.False(t, on[r.Store])
				on[r.Store] = true
			}
		}
		stop()
		finish(t, c, l, w)
	})
}

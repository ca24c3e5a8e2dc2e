package clustersim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// rounds is how often a campaign repeats its round: the gate's number, or that
// of the environment.
func rounds(t *testing.T, gate int) int {
	s := os.Getenv("CLUSTERSIM_ROUNDS")
	if s == "" {
		if testing.Short() {
			gate /= 2 // with the race detector each takes ten times as long
		}
		return max(gate, 1)
	}
	n, err := strconv.Atoi(s)
	require.NoError(t, err, "CLUSTERSIM_ROUNDS")
	return n
}

// seed is that of the environment, or the gate's.
func seed(t *testing.T) uint64 {
	s := os.Getenv("CLUSTERSIM_SEED")
	if s == "" {
		return 1
	}
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err, "CLUSTERSIM_SEED")
	return n
}

// bounded is a context for one test: in a bubble its hours pass in no time.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	t.Cleanup(cancel)
	return ctx
}

func build(t *testing.T, cfg Config) *Cluster {
	if os.Getenv("CLUSTERSIM_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	c, err := New(cfg)
	require.NoError(t, err)
	return c
}

// settle waits until the cluster is whole, and checks everything.
func settle(t *testing.T, c *Cluster, l *Ledger, w *Workload) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	p := c.Process()
	synctest.Wait()
	require.NoError(t, p.WaitServing(ctx))
	require.NoError(t, p.WaitFull(ctx))
	require.NoError(t, p.Same(ctx, l.Bucket(), w.Bucket()))
	require.NoError(t, l.Verify(ctx, p))
}

func TestSteadyStateAndRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{})
		began := time.Now()
		require.NoError(t, c.Start(ctx))
		require.Less(t, time.Since(began), time.Second, "a first start serves at once")
		l, w := NewLedger(), NewWorkload(WorkloadConfig{})
		require.NoError(t, l.Prepare(ctx, c.Process()))
		require.NoError(t, w.Prepare(ctx, c.Process()))
		for range 3 {
			p := c.Process()
			stop := under(p, l, w)
			time.Sleep(time.Second)
			stop()
			settle(t, c, l, w)
			require.NoError(t, c.Stop())
			began := time.Now()
			require.NoError(t, c.Start(ctx))
			require.Less(t, time.Since(began), 3*time.Second, "a restart serves in seconds")
			require.NoError(t, l.Verify(ctx, c.Process()))
		}
		settle(t, c, l, w)
		require.NoError(t, w.Check(ctx, c.Process()))
		n := w.Counts()
		t.Logf("%d objects, %+v", l.Len(), n)
		require.Zero(t, n.Unknown+n.Refused, "nothing went wrong")
		require.Greater(t, n.Writes, 100)
		chunks, err := c.Process().Items(chain.KindData)
		require.NoError(t, err)
		require.Greater(t, chunks, 20, "large objects are in chunks")
		require.NoError(t, c.Stop())
	})
}

// Every disk loses its power at one random moment under writers and readers,
// with all, some or none of what was not synced.
func TestPowerCuts(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 1))
	for _, percent := range []int{0, 50, 100} {
		t.Run(fmt.Sprintf("keep%d", percent), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				c := build(t, Config{})
				l, w := NewLedger(), NewWorkload(WorkloadConfig{Seed: rng.Uint64()})
				require.NoError(t, c.Start(ctx))
				require.NoError(t, l.Prepare(ctx, c.Process()))
				require.NoError(t, w.Prepare(ctx, c.Process()))
				for round := range rounds(t, 8) {
					p := c.Process()
					go l.Run(ctx, p, 3, 30*time.Millisecond)
					time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
					require.NoError(t, c.PowerCutAfter(1+rng.IntN(1000), percent, rng.Uint64()))
					w.Run(ctx, p)
					require.False(t, p.Alive())
					require.NoError(t, c.Bury())
					began := time.Now()
					require.NoError(t, c.Start(ctx), "round %d", round)
					require.Less(t, time.Since(began), 3*time.Second, "round %d: a restart serves in seconds", round)
					require.NoError(t, l.Verify(ctx, c.Process()), "round %d", round)
				}
				settle(t, c, l, w)
				require.NoError(t, w.Check(ctx, c.Process()))
				t.Logf("%d objects, %+v", l.Len(), w.Counts())
				require.NoError(t, c.Stop())
			})
		})
	}
}

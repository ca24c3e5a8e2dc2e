package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// journal records what happened and when, in fake time.
type journal struct {
	mu    sync.Mutex
	begin time.Time
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%v ", time.Since(j.begin))+fmt.Sprintf(format, args...))
}

func (j *journal) part(name string, stopTakes time.Duration) Part {
	return Part{Name: name,
		Start: func(context.Context) error { j.add("start %s", name); return nil },
		Stop: func(ctx context.Context) error {
			select {
			case <-time.After(stopTakes):
				j.add("stop %s", name)
				return nil
			case <-ctx.Done():
				j.add("break %s", name)
				return ctx.Err()
			}
		}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (j *journal) options(signals chan os.Signal) Options {
	return Options{Signals: signals, Started: func() { j.add("ready") }, NotReady: func() { j.add("not ready") }, DrainDelay: 5 * time.Second, DrainTimeout: 25 * time.Second}
}

func TestSignalDrainsInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("stores", time.Second))
		g.Add(j.part("gateway", 3*time.Second))
		signals := make(chan os.Signal, 2)
		time.AfterFunc(10*time.Second, func() { signals <- syscall.SIGTERM })
		require.NoError(t, g.Run(t.Context(), j.options(signals)))
		require.Equal(t, []string{"0s start stores", "0s start gateway", "0s ready", "10s not ready", "18s stop gateway", "19s stop stores"}, j.lines)
	})
}

func TestDrainTimeoutIsSharedByAllParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("stores", 10*time.Second))
		g.Add(j.part("gateway", time.Hour))
		signals := make(chan os.Signal, 2)
		time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
		err := g.Run(t.Context(), j.options(signals))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "stop of gateway")
		require.Equal(t, []string{"1s not ready", "31s break gateway", "31s break stores"}, j.lines[3:])
	})
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, second := range []time.Duration{2 * time.Second, 8 * time.Second} { // in the delay; in a stop
		synctest.Test(t, func(t *testing.T) {
			j := &journal{begin: time.Now()}
			g := NewGroup(quiet())
			g.Add(j.part("gateway", 20*time.Second))
			signals := make(chan os.Signal, 2)
			time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
			time.AfterFunc(time.Second+second, func() { signals <- syscall.SIGINT })
			begin := time.Now()
			require.ErrorIs(t, g.Run(t.Context(), j.options(signals)), ErrForced)
			require.Equal(t, time.Second+second, time.Since(begin))
		})
	}
}

func TestFailedStartStopsWhatWasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("masters", 0))
		broken := errors.New("port in use")
		g.Add(Part{Name: "gateway", Start: func(context.Context) error { return broken }, Stop: func(context.Context) error { j.add("never"); return nil }})
		g.Add(j.part("later", 0))
		err := g.Run(t.Context(), j.options(nil))
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "start of gateway")
		require.Equal(t, []string{"0s start masters", "0s not ready", "0s stop masters"}, j.lines)
	})
}

func TestFailureOfAPartStopsWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("gateway", 0))
		time.AfterFunc(time.Second, func() { g.Fail(errors.New("listener died")); g.Fail(errors.New("and more")) })
		require.EqualError(t, g.Run(t.Context(), j.options(nil)), "listener died")
		require.Equal(t, []string{"1s not ready", "1s stop gateway"}, j.lines[2:])
	})
}

func TestSignalGivesUpASlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("masters", 0))
		g.Add(Part{Name: "replay", Start: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		g.Add(j.part("gateway", 0))
		signals := make(chan os.Signal, 2)
		time.AfterFunc(time.Second, func() { signals <- syscall.SIGTERM })
		require.NoError(t, g.Run(t.Context(), j.options(signals)))
		require.Equal(t, []string{"0s start masters", "1s not ready", "1s stop masters"}, j.lines)
	})
}

func TestEndOfContextDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(j.part("gateway", 3*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, g.Run(ctx, j.options(nil)))
		require.Equal(t, []string{"1s not ready", "4s stop gateway"}, j.lines[2:])
	})
}

func TestAPartMayAddParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{begin: time.Now()}
		g := NewGroup(quiet())
		g.Add(Part{Name: "role", Start: func(context.Context) error { g.Add(j.part("inner", 0)); return nil }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, g.Run(ctx, j.options(nil)))
		require.Equal(t, []string{"0s start inner", "0s ready", "1s not ready", "1s stop inner"}, j.lines)
	})
}

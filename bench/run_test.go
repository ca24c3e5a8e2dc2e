package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// timedStore answers after a fixed time, in fake time.
type timedStore struct {
	takes time.Duration
	mu    sync.Mutex
	keys  map[string]int64
	// log has who was asked, for the order of turns.
	name  string
	order *[]string
}

func (s *timedStore) wait(ctx context.Context) error {
	if s.order != nil {
		s.mu.Lock()
		if o := *s.order; len(o) == 0 || o[len(o)-1] != s.name {
			*s.order = append(o, s.name)
		}
		s.mu.Unlock()
	}
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *timedStore) EnsureBucket(context.Context) (bool, error) { return true, nil }
func (s *timedStore) RemoveBucket(context.Context) error         { return nil }
func (s *timedStore) Put(ctx context.Context, o Object) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[o.Key] = o.Size
	return nil
}
func (s *timedStore) have(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.keys[key]; !ok {
		return errors.New("no such key: " + key)
	}
	return nil
}
func (s *timedStore) Get(ctx context.Context, o Object, _ []byte) error {
	return errors.Join(s.have(o.Key), s.wait(ctx), s.have(o.Key))
}
func (s *timedStore) Head(ctx context.Context, o Object) error { return s.Get(ctx, o, nil) }
func (s *timedStore) Delete(ctx context.Context, key string) error {
	err := errors.Join(s.have(key), s.wait(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
	return err
}
func (s *timedStore) DeleteMany(_ context.Context, keys []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		delete(s.keys, k)
	}
	return nil
}
func (s *timedStore) List(ctx context.Context, prefix, token string) (Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var p Page
	for k := range s.keys {
		if strings.HasPrefix(k, prefix) && k > token {
			p.Keys = append(p.Keys, k)
		}
	}
	slices.Sort(p.Keys)
	if len(p.Keys) > 1000 {
		p.Keys = p.Keys[:1000]
		p.Next = p.Keys[999]
	}
	return p, nil
}
func (s *timedStore) Multipart(ctx context.Context, o Object, _ int64) error { return s.Put(ctx, o) }

// inBubble runs against stores that take the given times.
func inBubble(t *testing.T, cfg Config, takes ...time.Duration) (rep Report, stores []*timedStore, order []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		for i := range takes {
			cfg.Targets = append(cfg.Targets, Target{Name: string(rune('a' + i)), Endpoint: "x", Pids: []int{i + 1}})
			stores = append(stores, &timedStore{takes: takes[i], keys: map[string]int64{}, name: string(rune('a' + i)), order: &order})
		}
		cfg.connect = func(t Target, _ Settings) (Store, error) { return stores[t.Pids[0]-1], nil }
		begin := time.Now()
		// The server of target n uses n tenths of a core and n MiB.
		cfg.usage = func(pids []int) (usage, error) {
			return usage{cpu: time.Since(begin) * time.Duration(pids[0]) / 10, rss: int64(pids[0]) << 20}, nil
		}
		var err error
		rep, err = Run(t.Context(), cfg)
		require.NoError(t, err)
	})
	return rep, stores, order
}

func timedSettings(ops ...string) Settings {
	s := Defaults()
	s.Ops, s.Sizes, s.Concurrency, s.Duration, s.Warmup = ops, []int64{1 << 20}, 4, 8*time.Second, 0
	s.Prepare = 20
	return s
}

func TestRatesLatenciesAndCost(t *testing.T) {
	rep, stores, _ := inBubble(t, Config{Settings: timedSettings(OpPut, OpGet), Run: "r"}, 10*time.Millisecond)
	put := rep.Results[0]
	require.Equal(t, int64(4*800), put.Ops, "four workers, 10 ms each, 8 s")
	require.InDelta(t, 400, put.OpsPerSec, 1)
	require.InDelta(t, 400, put.MiBPerSec, 1)
	require.InDelta(t, 10, put.LatencyMS.P50, 0.02)
	require.InDelta(t, 10, put.LatencyMS.Max, 0.02)
	require.InDelta(t, 0.8, put.Server.CPUSeconds, 0.001)
	require.InDelta(t, 250, put.Server.CPUPerOp, 1)
	require.InDelta(t, 0.256, put.Server.CPUPerGiB, 0.001)
	require.Equal(t, int64(1<<20), put.Server.RSS)
	require.Equal(t, int64(1<<20), rep.Targets[0].IdleRSS)
	require.Equal(t, OpGet, rep.Results[1].Op)
	require.Empty(t, stores[0].keys)
}

func TestTwoTargetsTakeTurns(t *testing.T) {
	rep, _, order := inBubble(t, Config{Settings: timedSettings(OpPut), Run: "r"}, 10*time.Millisecond, 20*time.Millisecond)
	require.Equal(t, []string{"a", "b", "a", "b", "a"}, order, "A B B A A B B A, of which neighbours are one entry")
	a, b := rep.Results[0], rep.Results[1]
	require.InDelta(t, 400, a.OpsPerSec, 1)
	require.InDelta(t, 200, b.OpsPerSec, 1)
	require.Len(t, a.SliceRates, 4)
	require.InDelta(t, 8, a.Seconds, 0.1, "its own slices only")
	require.InDelta(t, 1.6, a.Server.CPUSeconds, 0.01, "what it does while the other is loaded counts too")

	nameA, nameB, x, y, paired, err := Sides(rep)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, []string{nameA, nameB})
	r := Compare(x, y, paired)[0]
	require.InDelta(t, 0.5, r.Rate, 0.01)
	require.InDelta(t, 2, r.P50, 0.02)
	require.InDelta(t, 4, r.CPUPerOp, 0.1)
	require.InDelta(t, 2, r.RSS, 0.01)
	require.InDelta(t, 0.5, r.SliceLow, 0.01)
	require.InDelta(t, 0.5, r.SliceHigh, 0.01)
}

func TestTurns(t *testing.T) {
	require.Equal(t, []int{0, 1, 1, 0, 0, 1}, turns(2, 3))
	require.Equal(t, []int{0}, turns(1, 1))
}

func TestObjectsAreExact(t *testing.T) {
	for _, n := range []int{1, 5, 23, 100} {
		s := timedSettings(AllOps()...)
		s.Objects, s.ListKeys = n, 1500
		rep, _, _ := inBubble(t, Config{Settings: s, Run: "r"}, time.Millisecond, 3*time.Millisecond)
		for _, r := range rep.Results {
			if !strings.HasPrefix(r.Op, "mixed.") {
				require.Equal(t, int64(n), r.Ops, "%s %s", r.Target, r.Op)
			}
			require.Empty(t, r.Errors, "%s %s: %v", r.Target, r.Op, r.ErrorSamples)
		}
	}
}

func TestDeleteByDurationEndsWithTheObjects(t *testing.T) {
	rep, _, _ := inBubble(t, Config{Settings: timedSettings(OpDelete), Run: "r"}, 10*time.Millisecond)
	require.Equal(t, int64(20), rep.Results[0].Ops)
	require.InDelta(t, 400, rep.Results[0].OpsPerSec, 1)
}

func TestMixedSharesAndRows(t *testing.T) {
	rep, _, _ := inBubble(t, Config{Settings: timedSettings(OpMixed), Run: "r"}, time.Millisecond)
	whole := rep.Results[0]
	require.Equal(t, OpMixed, whole.Op)
	require.Empty(t, whole.Errors)
	var sum int64
	share := map[string]float64{}
	for _, r := range rep.Results[1:] {
		sum += r.Ops
		share[r.Op] = float64(r.Ops) / float64(whole.Ops)
	}
	require.Equal(t, whole.Ops, sum)
	require.InDelta(t, 0.45, share["mixed.get"], 0.02)
	require.InDelta(t, 0.30, share["mixed.head"], 0.02)
	require.InDelta(t, 0.15, share["mixed.put"], 0.02)
	require.InDelta(t, 0.10, share["mixed.delete"], 0.02)
}

func TestWarmupIsNotMeasured(t *testing.T) {
	s := timedSettings(OpPut)
	s.Warmup = 2 * time.Second
	rep, _, _ := inBubble(t, Config{Settings: s, Run: "r"}, 10*time.Millisecond)
	require.Equal(t, int64(3200), rep.Results[0].Ops)
}

func TestProgressTellsHowItGoes(t *testing.T) {
	var last Progress
	var results []Result
	cfg := Config{Settings: timedSettings(OpPut), Run: "r", Result: func(r Result) { results = append(results, r) }, Progress: func(p Progress) {
		if p.Stage == "running" {
			last = p
		}
	}}
	inBubble(t, cfg, 10*time.Millisecond)
	require.Equal(t, OpPut, last.Op)
	require.InDelta(t, 7.75, last.Elapsed.Seconds(), 0.26)
	require.InDelta(t, 400*last.Elapsed.Seconds(), float64(last.Done), 8)
	require.Len(t, results, 1)
}

func TestCutShortKeepsWhatWasMeasuredAndCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &timedStore{takes: 10 * time.Millisecond, keys: map[string]int64{}}
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		rep, err := Run(ctx, Config{Settings: timedSettings(OpPut, OpGet), Run: "r", Targets: []Target{{Name: "a", Endpoint: "x"}},
			connect: func(Target, Settings) (Store, error) { return st, nil }})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, rep.Results, 1)
		require.Empty(t, st.keys)
	})
}

func TestSettingsReportEverything(t *testing.T) {
	err := Settings{Ops: []string{"fly", "put", "put"}, Sizes: []int64{-1, 5, 5}, Objects: -1, Warmup: -1}.Validate()
	for _, want := range []string{`"fly" is none of`, `"put" is named twice`, "size -1", "size 5 is named twice", "concurrency 0", "objects -1", "slice", "warmup", "prepare 0", "list keys 0", "part size 0", "multipart size 0", "no bucket", "timeout"} {
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, Defaults().Validate())
	require.ErrorContains(t, checkTargets(nil), "0 endpoints")
	require.ErrorContains(t, checkTargets([]Target{{Name: "a", Endpoint: "x"}, {Name: "a", Endpoint: "y"}}), `both endpoints are called "a"`)
}

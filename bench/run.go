package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config of a run.
type Config struct {
	Settings Settings
	// Targets are one endpoint, or two that are compared.
	Targets []Target
	// Run marks this run's keys, so that runs do not meet. Required.
	Run string
	// Progress is told about twice a second how the slice goes. May be nil.
	Progress func(Progress)
	// Result is told each result as soon as there is one. May be nil.
	Result func(Result)

	// connect, usage and pause are replaced by tests.
	connect func(Target, Settings) (Store, error)
	usage   func(pids []int) (usage, error)
	pause   func(context.Context)
}

// Progress is how a slice goes.
type Progress struct {
	Target, Op string
	Size       int64
	// Stage is "preparing", "warming up", "running" or "cleaning up".
	Stage        string
	Done, Errors int64
	Bytes        int64
	Elapsed      time.Duration
}

// side is one target under load.
type side struct {
	target  Target
	store   Store
	workers []*worker
	prefix  string
	madeIt  bool // the bucket
	listed  bool // the keys of the listing are there
	idleRSS int64
}

type runner struct {
	cfg   Config
	sides []*side
}

// Run does everything and gives the report. With an error the report holds what
// was measured until then.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := errors.Join(cfg.Settings.Validate(), checkTargets(cfg.Targets)); err != nil {
		return Report{}, err
	}
	if cfg.connect == nil {
		cfg.connect = func(t Target, s Settings) (Store, error) { return newS3Store(t, s) }
	}
	if cfg.usage == nil {
		cfg.usage = processUsage
	}
	if cfg.pause == nil {
		cfg.pause = errorPause
	}
	r := &runner{cfg: cfg}
	rep := newReport(cfg)
	if err := r.open(ctx); err != nil {
		return rep, err
	}
	for i, s := range r.sides {
		rep.Targets[i].IdleRSS = s.idleRSS
	}
	err := r.phases(ctx, &rep)
	if !cfg.Settings.Keep {
		err = errors.Join(err, r.clean(ctx))
	}
	return rep, err
}

// open connects, measures the idle servers and makes the buckets.
func (r *runner) open(ctx context.Context) error {
	for _, t := range r.cfg.Targets {
		st, err := r.cfg.connect(t, r.cfg.Settings)
		if err != nil {
			return err
		}
		s := &side{target: t, store: st, prefix: fmt.Sprintf("run-%s/", r.cfg.Run)}
		if len(t.Pids) > 0 {
			u, err := r.cfg.usage(t.Pids)
			if err != nil {
				return fmt.Errorf("endpoint %s: %w", t.Name, err)
			}
			s.idleRSS = u.rss
		}
		if s.madeIt, err = st.EnsureBucket(ctx); err != nil {
			return fmt.Errorf("endpoint %s: bucket %s: %w", t.Name, r.cfg.Settings.Bucket, err)
		}
		for i := range r.cfg.Settings.Concurrency {
			s.workers = append(s.workers, newWorker(st, r.cfg, s.prefix, i))
		}
		r.sides = append(r.sides, s)
	}
	return nil
}

func (r *runner) phases(ctx context.Context, rep *Report) error {
	for _, op := range r.cfg.Settings.Ops {
		sizes := r.cfg.Settings.Sizes
		switch {
		case op == OpMultipart:
			sizes = []int64{r.cfg.Settings.MultipartSize}
		case !sized(op):
			sizes = []int64{0}
		}
		for _, size := range sizes {
			results, err := r.phase(ctx, op, size)
			rep.Results = append(rep.Results, results...)
			for _, res := range results {
				if r.cfg.Result != nil {
					r.cfg.Result(res)
				}
			}
			if err != nil {
				return fmt.Errorf("%s of %s: %w", op, FormatSize(size), err)
			}
		}
	}
	return nil
}

// measured is one target's part of a phase.
type measured struct {
	tallies tallies
	// loaded is the time of its own slices.
	loaded time.Duration
	rates  []float64
	// peak is the largest memory seen in its slices.
	peak   int64
	before usage
	client time.Duration
}

// phase prepares both targets and runs the slices in turn.
func (r *runner) phase(ctx context.Context, op string, size int64) ([]Result, error) {
	for _, s := range r.sides {
		if err := r.ready(ctx, s, op, size); err != nil {
			return nil, fmt.Errorf("endpoint %s: preparing: %w", s.target.Name, err)
		}
	}
	ms := make([]*measured, len(r.sides))
	for i, s := range r.sides {
		ms[i] = &measured{tallies: tallies{}}
		var err error
		if ms[i].before, err = r.usageOf(s); err != nil {
			return nil, err
		}
	}
	for _, turn := range turns(len(r.sides), r.sliceCount()) {
		if err := r.slice(ctx, r.sides[turn], ms[turn], op, size); err != nil {
			return nil, err
		}
	}
	var out []Result
	for i, s := range r.sides {
		after, err := r.usageOf(s)
		if err != nil {
			return nil, err
		}
		if op == OpMultipart {
			r.readBack(ctx, s, ms[i].tallies.of(op), size)
		}
		out = append(out, r.results(s, ms[i], after, op, size)...)
	}
	return out, nil
}

// readBack reads one upload of each worker, unmeasured: no later phase may.
func (r *runner) readBack(ctx context.Context, s *side, t *tally, size int64) {
	var mu sync.Mutex
	_ = r.each(s, func(_ int, w *worker) error {
		if pool := w.pool[size]; len(pool) > 0 {
			err := timed(ctx, r.cfg.Settings, func(ctx context.Context) error { return w.store.Get(ctx, pool[len(pool)-1], w.buf) })
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				t.failed(err)
			}
		}
		return nil // counted
	})
}

func (r *runner) usageOf(s *side) (usage, error) {
	if len(s.target.Pids) == 0 {
		return usage{}, nil
	}
	u, err := r.cfg.usage(s.target.Pids)
	if err != nil {
		err = fmt.Errorf("endpoint %s: %w", s.target.Name, err)
	}
	return u, err
}

// turns gives the order of slices: A B B A A B ... for two, so that a drift of
// the machine falls on both.
func turns(sides, slices int) (order []int) {
	for i := range slices {
		for j := range sides {
			if i%2 == 1 {
				j = sides - 1 - j
			}
			order = append(order, j)
		}
	}
	return order
}

// sliceCount is how many slices each target gets in a phase. One target has no
// reason to be interrupted.
func (r *runner) sliceCount() int {
	s := r.cfg.Settings
	switch {
	case len(r.sides) == 1:
		return 1
	case s.Objects > 0:
		return min(4, max(1, s.Objects/s.Concurrency))
	}
	return max(1, int(s.Duration/s.Slice))
}

// limit ends a slice: at a time, or after a number of operations.
type limit struct {
	until time.Time
	left  *counter
}

// counter hands out permits.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	return c.n >= 0
}

// giveBack returns a permit that was not used.
func (l limit) giveBack() {
	if l.left != nil {
		l.left.mu.Lock()
		defer l.left.mu.Unlock()
		l.left.n++
	}
}

func (l limit) more() bool {
	if l.left != nil {
		return l.left.take()
	}
	return time.Now().Before(l.until)
}

// slice loads one target for a while.
func (r *runner) slice(ctx context.Context, s *side, m *measured, op string, size int64) error {
	set, n := r.cfg.Settings, r.sliceCount()
	l := limit{until: time.Now().Add(set.Duration / time.Duration(n))}
	if set.Objects > 0 {
		done := len(m.rates)
		l = limit{left: &counter{n: set.Objects*(done+1)/n - set.Objects*done/n}}
	}
	clientBefore := clientCPU()
	begin := time.Now()
	got, peak, err := r.load(ctx, s, op, size, "running", l)
	elapsed := time.Since(begin)
	m.client += clientCPU() - clientBefore
	m.loaded += elapsed
	m.peak = max(m.peak, peak)
	m.rates = append(m.rates, float64(got.total().ops)/max(elapsed.Seconds(), 1e-9))
	m.tallies.merge(got)
	return err
}

// load runs all workers of a target until the limit, and watches them.
func (r *runner) load(ctx context.Context, s *side, op string, size int64, stage string, l limit) (got tallies, peak int64, err error) {
	per := make([]tallies, len(s.workers))
	errs := make([]error, len(s.workers))
	shared := &watch{}
	var wg sync.WaitGroup
	for i, w := range s.workers {
		per[i] = tallies{}
		wg.Go(func() {
			for l.more() && ctx.Err() == nil {
				if errs[i] = w.step(ctx, op, size, per[i]); errs[i] != nil {
					l.giveBack() // to a worker that still has objects
					return
				}
				shared.set(i, per[i])
			}
		})
	}
	stop := make(chan struct{})
	watched := make(chan int64)
	go func() {
		watched <- r.watch(s, shared, Progress{Target: s.target.Name, Op: op, Size: size, Stage: stage}, stop)
	}()
	wg.Wait()
	close(stop)
	peak = <-watched
	got = tallies{}
	for i := range per {
		got.merge(per[i])
		if errs[i] != nil && !errors.Is(errs[i], errDrained) {
			err = errs[i]
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return got, peak, err
}

// watch carries the workers' counts to the progress line.
type watch struct {
	mu                  sync.Mutex
	done, errors, bytes map[int]int64
}

func (w *watch) set(worker int, ts tallies) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done == nil {
		w.done, w.errors, w.bytes = map[int]int64{}, map[int]int64{}, map[int]int64{}
	}
	var done, errs, bytes int64
	for _, t := range ts {
		done += t.ops
		bytes += t.bytes
		for _, n := range t.errors {
			errs += n
		}
	}
	w.done[worker], w.errors[worker], w.bytes[worker] = done, errs, bytes
}

func (w *watch) sum() (done, errs, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.done {
		done, errs, bytes = done+w.done[i], errs+w.errors[i], bytes+w.bytes[i]
	}
	return done, errs, bytes
}

// watch tells how it goes and samples the server's memory until stop.
func (r *runner) watch(s *side, w *watch, p Progress, stop <-chan struct{}) (peak int64) {
	begin := time.Now()
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for i := 0; ; i++ {
		// A process that is gone is reported by the next usageOf, not here.
		if u, err := r.usageOf(s); err == nil {
			peak = max(peak, u.rss)
		}
		if i%2 == 1 && r.cfg.Progress != nil {
			p.Done, p.Errors, p.Bytes = w.sum()
			p.Elapsed = time.Since(begin)
			r.cfg.Progress(p)
		}
		select {
		case <-t.C:
		case <-stop:
			return peak
		}
	}
}

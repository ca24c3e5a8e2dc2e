package torture

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"catena/cmd/internal/harness"
	"catena/cmd/internal/workload"
)

// Config says how to run.
type Config struct {
	// Binary is the catena binary; Work a folder for data, on a real disk.
	Binary, Work string
	// Mutant is a build tag of the server; empty for the real one.
	Mutant  string
	Seed    uint64
	Writers int
	Keys    int
	// Until is when no further round begins; never when zero. One that has begun is
	// carried to its end: what it found is not lost to the limit.
	Until time.Time
	// RestartWithin is the longest a restart may take; 0 for no bound.
	RestartWithin time.Duration
	// Out receives a line a round; ServerLog the server's output.
	Out, ServerLog io.Writer
}

// goesOn reports whether another round may begin.
func (c *Config) goesOn(ctx context.Context) bool {
	return ctx.Err() == nil && (c.Until.IsZero() || time.Now().Before(c.Until))
}

// Result is what a run did.
type Result struct {
	// Rounds counts kills, power cuts or lost directories (three of them in one
	// round of the flag); the others are the load's figures.
	Rounds, Acked, Refused, Keys int
	// Leaders is how many of the lost directories held the leading master.
	Leaders        int
	SlowestRestart time.Duration
}

// Detail is the result as a campaign's line wants it.
func (r Result) Detail() map[string]any {
	return map[string]any{
		"acked": r.Acked, "refused": r.Refused, "keys": r.Keys,
		"leaders_lost": r.Leaders, "slowest_restart_s": r.SlowestRestart.Seconds(),
	}
}

// run is one server with its load over many lives.
type run struct {
	Config
	rng  *rand.Rand
	dirs []string
	srv  *harness.Server
	load *workload.Load
	s3   string
	adm  string
	res  Result
}

func newRun(cfg Config, dirs []string) (*run, error) {
	r := &run{Config: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 7)), dirs: dirs}
	if r.Out == nil {
		r.Out = io.Discard
	}
	var err error
	// The addresses stay over restarts, as a service's do.
	if r.s3, err = harness.FreeAddr(); err != nil {
		return nil, err
	}
	if r.adm, err = harness.FreeAddr(); err != nil {
		return nil, err
	}
	r.load, err = workload.New(workload.Config{
		Endpoint: r.s3, AccessKey: "catena-test", SecretKey: "catena-test-secret", Bucket: "torture",
		Writers: cfg.Writers, KeysPerWriter: cfg.Keys, MaxSize: 12 << 20, Seed: cfg.Seed,
		Idle:      func(ctx context.Context) error { return r.srv.WaitIdle(ctx) },
		Able:      r.able,
		Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true, TLSClientConfig: &tls.Config{}},
	})
	return r, err
}

// subdirs are three data directories below a folder.
func subdirs(work string) []string {
	return []string{filepath.Join(work, "d1"), filepath.Join(work, "d2"), filepath.Join(work, "d3")}
}

func (r *run) start(ctx context.Context) error {
	srv, err := harness.Start(ctx, harness.Options{
		Binary: r.Binary, Dirs: r.dirs, S3: r.s3, Admin: r.adm, Log: r.ServerLog, ReadyWithin: 30 * time.Second,
		Args: []string{"--release-grace", "2s"}, // or the disks fill with what was overwritten
	})
	if err != nil {
		return err
	}
	r.srv = srv
	r.res.SlowestRestart = max(r.res.SlowestRestart, srv.Ready)
	if r.RestartWithin > 0 && srv.Ready > r.RestartWithin {
		return fmt.Errorf("torture: restart took %s, the bound is %s", srv.Ready, r.RestartWithin)
	}
	return nil
}

// begin starts the first of the server's lives and makes the bucket; a server
// without its bucket is ended.
func (r *run) begin(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.load.MakeBucket(ctx); err != nil {
		r.srv.Kill()
		return err
	}
	return nil
}

// work runs the writers for a random while and calls then, at a moment when
// they are in the middle of their operations.
func (r *run) work(ctx context.Context, shortest, longest time.Duration, then func() error) error {
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		r.load.Run(wctx)
		close(done)
	}()
	d := shortest + time.Duration(r.rng.Int64N(int64(longest-shortest)))
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	err := then()
	cancel()
	<-done
	return err
}

func (r *run) verify(ctx context.Context, what string) error {
	vctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := r.load.Verify(vctx); err != nil {
		return fmt.Errorf("torture: after %s: %w", what, err)
	}
	r.res.Acked, r.res.Refused, r.res.Keys = r.load.Acked(), r.load.Refused(), r.load.Keys()
	return nil
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.Out, format+"\n", args...)
}

// Kill runs rounds of: work, kill -9 at a random moment, restart, verify.
func Kill(ctx context.Context, cfg Config, rounds int) (Result, error) {
	r, err := newRun(cfg, subdirs(cfg.Work))
	if err != nil {
		return Result{}, err
	}
	if err := r.begin(ctx); err != nil {
		return r.res, err
	}
	defer func() { r.srv.Kill() }()
	for n := 1; n <= rounds && r.goesOn(ctx); n++ {
		if err := r.work(ctx, 20*time.Millisecond, 700*time.Millisecond, func() error { r.srv.Kill(); return nil }); err != nil {
			return r.res, err
		}
		if err := r.start(ctx); err != nil {
			return r.res, fmt.Errorf("round %d: %w", n, err)
		}
		if err := r.verify(ctx, fmt.Sprintf("kill %d", n)); err != nil {
			return r.res, err
		}
		r.res.Rounds = n
		r.say("kill %d of %d: %d acked, %d keys, restart %s", n, rounds, r.res.Acked, r.res.Keys, r.srv.Ready.Round(time.Millisecond))
	}
	return r.res, ctx.Err()
}

// RemoveStopped takes each directory away in turn while the server is
// stopped, `rounds` times over: first the server starts without it and serves,
// then an empty directory in its place is filled again.
func RemoveStopped(ctx context.Context, cfg Config, rounds int) (Result, error) {
	r, err := newRun(cfg, subdirs(cfg.Work))
	if err != nil {
		return Result{}, err
	}
	if err := r.begin(ctx); err != nil {
		return r.res, err
	}
	defer func() { r.srv.Kill() }()
	err = r.inTurn(ctx, rounds, func(n, i int, role string) error {
		dir := r.dirs[i]
		if err := r.loseStopped(ctx, dir); err != nil {
			return fmt.Errorf("round %d, %s: %w", n, filepath.Base(dir), err)
		}
		if err := r.loseStoreOnly(ctx, dir); err != nil {
			return fmt.Errorf("round %d, the store in %s: %w", n, filepath.Base(dir), err)
		}
		r.say("lost %s (%s) while stopped (%d of %d): %d acked, %d keys",
			filepath.Base(dir), role, n, rounds*len(r.dirs), r.res.Acked, r.res.Keys)
		return nil
	})
	return r.res, err
}

func (r *run) loseStopped(ctx context.Context, dir string) error {
	if err := r.work(ctx, 500*time.Millisecond, time.Second, func() error { return r.srv.Stop(40 * time.Second) }); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.verify(ctx, "starting without it"); err != nil {
		return err
	}
	if err := r.work(ctx, 300*time.Millisecond, 600*time.Millisecond, func() error { return nil }); err != nil {
		return err
	}
	if err := r.srv.Stop(40 * time.Second); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return r.refill(ctx)
}

// loseStoreOnly takes away the store's files and leaves the directory's
// identity: the empty store must not be believed, and is filled again.
func (r *run) loseStoreOnly(ctx context.Context, dir string) error {
	if err := r.srv.Stop(40 * time.Second); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "store")); err != nil {
		return err
	}
	return r.refill(ctx)
}

// refill starts the server with an empty directory in a lost one's place and
// waits until every chain is full again, by the replicas' reports.
func (r *run) refill(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.verify(ctx, "putting an empty directory in its place"); err != nil {
		return err
	}
	if err := r.waitFull(ctx); err != nil {
		return err
	}
	return r.verify(ctx, "filling it again")
}

// waitFull waits until the next directory may go: the replicas say that every
// chain is full, and the masters that every voter has its vote (back).
func (r *run) waitFull(ctx context.Context) error {
	wctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, name := range []string{"catena_master_chains_below_factor", "catena_master_voters_missing"} {
		if err := r.srv.WaitMetric(wctx, name, 0); err != nil {
			return err
		}
	}
	return nil
}

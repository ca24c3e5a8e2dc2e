package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"catena/cmd/internal/harness"
)

// diskSize is far above what the writers keep; the files are sparse.
const diskSize = 2 << 30

// disks are three loop-mounted file systems.
type disks struct {
	loops []*harness.Loop
	work  string
	made  int
}

func newDisks(ctx context.Context, work string) (*disks, error) {
	if why := harness.CanMount(); why != "" {
		return nil, fmt.Errorf("torture: %s", why)
	}
	d := &disks{work: work}
	for range 3 {
		l, err := d.fresh(ctx)
		if err != nil {
			d.close(ctx)
			return nil, err
		}
		d.loops = append(d.loops, l)
	}
	return d, nil
}

func (d *disks) fresh(ctx context.Context) (*harness.Loop, error) {
	d.made++
	return harness.NewLoop(ctx, d.work, fmt.Sprintf("disk%d", d.made), diskSize)
}

// dirs are the data directories, one on each disk.
func (d *disks) dirs() []string {
	var out []string
	for _, l := range d.loops {
		out = append(out, filepath.Join(l.Mount, "data"))
	}
	return out
}

func (d *disks) close(ctx context.Context) {
	for _, l := range d.loops {
		_ = l.Unmount(ctx) // the last resort is a lazy unmount, tried inside
	}
}

// PowerCut runs rounds of: work, power cut of all three file systems at once,
// kill, journal replay, restart, verify.
func PowerCut(ctx context.Context, cfg Config, rounds int) (Result, error) {
	d, err := newDisks(ctx, cfg.Work)
	if err != nil {
		return Result{}, err
	}
	defer d.close(context.WithoutCancel(ctx))
	r, err := newRun(cfg, d.dirs())
	if err != nil {
		return Result{}, err
	}
	if err := r.begin(ctx); err != nil {
		return r.res, err
	}
	defer func() { r.srv.Kill() }()
	for n := 1; n <= rounds && r.goesOn(ctx); n++ {
		if err := r.work(ctx, 50*time.Millisecond, 900*time.Millisecond, func() error { return r.cutAll(d) }); err != nil {
			return r.res, err
		}
		for _, l := range d.loops {
			if err := l.Unmount(ctx); err != nil {
				return r.res, err
			}
			if err := l.Remount(ctx); err != nil {
				return r.res, err
			}
		}
		if err := r.start(ctx); err != nil {
			return r.res, fmt.Errorf("round %d: %w", n, err)
		}
		if err := r.verify(ctx, fmt.Sprintf("power cut %d", n)); err != nil {
			return r.res, err
		}
		r.res.Rounds = n
		r.say("power cut %d of %d: %d acked, %d keys, restart %s",
			n, rounds, r.res.Acked, r.res.Keys, r.srv.Ready.Round(time.Millisecond))
	}
	return r.res, ctx.Err()
}

// cutAll cuts the three file systems as near to at once as threads can, then
// ends the process, which by then has no disk.
func (r *run) cutAll(d *disks) error {
	errs := make([]error, len(d.loops))
	var wg sync.WaitGroup
	for i, l := range d.loops {
		wg.Go(func() { errs[i] = l.PowerCut() })
	}
	wg.Wait()
	r.srv.Kill()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// truncated: the n-th loss, from 1, truncates the backing file and drops the
// caches; the others are the shutdown ioctl. Every other one does. A round has
// three losses, so each has both kinds, and what a round does to the leader's
// disk (its first) and to a follower's (its second) the next does the other way.
func truncated(n int) bool { return n%2 == 0 }

// LoseRunning takes each directory's disk away in turn under the running
// server, `rounds` times over, in one of the two ways of truncated. The server
// must serve on; then an empty file system in its place is filled again.
func LoseRunning(ctx context.Context, cfg Config, rounds int) (Result, error) {
	d, err := newDisks(ctx, cfg.Work)
	if err != nil {
		return Result{}, err
	}
	defer d.close(context.WithoutCancel(ctx))
	r, err := newRun(cfg, d.dirs())
	if err != nil {
		return Result{}, err
	}
	if err := r.begin(ctx); err != nil {
		return r.res, err
	}
	defer func() { r.srv.Kill() }()
	err = r.inTurn(ctx, rounds, func(n, i int, role string) error {
		lose, how := d.loops[i].PowerCut, "shutdown"
		if truncated(n) {
			lose, how = d.loops[i].TruncateBacking, "truncated"
		}
		if err := r.loseRunning(ctx, d, i, lose); err != nil {
			return fmt.Errorf("round %d, disk %d (%s) %s: %w", n, i+1, role, how, err)
		}
		r.say("lost disk %d (%s) while running, %s (%d of %d): %d acked, %d keys",
			i+1, role, how, n, rounds*len(d.loops), r.res.Acked, r.res.Keys)
		return nil
	})
	return r.res, err
}

func (r *run) loseRunning(ctx context.Context, d *disks, i int, lose func() error) error {
	// The writers go on for a while after the loss: they find the failure.
	err := r.work(ctx, 500*time.Millisecond, time.Second, func() error {
		if err := lose(); err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
		return nil
	})
	if err != nil {
		return err
	}
	select {
	case <-r.srv.Done():
		return fmt.Errorf("torture: the process ended with its disk")
	default:
	}
	if err := r.verify(ctx, "losing it while running"); err != nil {
		return err
	}
	before := r.load.Acked()
	if err := r.work(ctx, 500*time.Millisecond, time.Second, func() error { return nil }); err != nil {
		return err
	}
	if r.load.Acked() == before {
		return fmt.Errorf("torture: no write was acknowledged after the loss")
	}
	if err := r.srv.Stop(40 * time.Second); err != nil {
		return err
	}
	return r.replaceDisk(ctx, d, i)
}

// replaceDisk puts an empty file system where the lost one was mounted.
func (r *run) replaceDisk(ctx context.Context, d *disks, i int) error {
	old := d.loops[i]
	if err := old.Unmount(ctx); err != nil {
		return err
	}
	if err := os.Remove(old.File); err != nil {
		return err
	}
	d.made++
	fresh, err := harness.NewLoopAt(ctx, filepath.Join(d.work, fmt.Sprintf("disk%d.img", d.made)), old.Mount, diskSize)
	if err != nil {
		return err
	}
	d.loops[i] = fresh
	if err := os.MkdirAll(r.dirs[i], 0o755); err != nil {
		return err
	}
	return r.refill(ctx)
}

package clustersim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Nemesis does to a machine what happens to machines, under load: power cuts,
// kills, ordered restarts, disks that fail, are pulled out, come back, and are
// replaced. It never takes more than the store promises to survive: one disk at
// a time, and the next one only when everything is full again. Power cuts and
// kills come at any time, also while a disk is being filled.
type Nemesis struct {
	C   *Cluster
	Rng *rand.Rand
	// Log tells what is done; may be nil.
	Log func(format string, args ...any)
	// Load starts clients on a process and gives back what ends them. Check is
	// called between the strokes, on a running process without clients.
	Load  func(*Process) (stop func())
	Check func(context.Context, *Process) error
	// Full is called when nothing is missing.
	Full func(context.Context, *Process) error

	// missing is a disk that failed or was pulled out.
	missing *Disk
}

func (n *Nemesis) log(format string, args ...any) {
	if n.Log != nil {
		n.Log(format, args...)
	}
}

// Round makes one stroke under load, and checks. A process runs before and after it.
func (n *Nemesis) Round(ctx context.Context) error {
	if n.missing == nil && n.Rng.IntN(3) == 0 {
		if err := n.full(ctx); err != nil {
			return err
		}
	}
	p := n.C.Process()
	stop := n.Load(p)
	defer stop()
	n.sleep(500)
	if err := n.stroke(ctx, p, stop); err != nil {
		return err
	}
	stop()
	if n.C.Process() == nil {
		if err := n.C.Start(ctx); err != nil {
			return fmt.Errorf("clustersim: start: %w", err)
		}
	}
	return n.Check(ctx, n.C.Process())
}

// End gives everything back.
func (n *Nemesis) End(ctx context.Context) error {
	if n.missing != nil {
		if err := n.restore(func() {}); err != nil {
			return err
		}
		return n.C.Start(ctx)
	}
	return nil
}

func (n *Nemesis) sleep(ms int) { time.Sleep(time.Duration(n.Rng.IntN(ms)) * time.Millisecond) }

// full waits until every disk may be lost.
func (n *Nemesis) full(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := n.C.Process().WaitFull(ctx); err != nil {
		return err
	}
	return n.Full(ctx, n.C.Process())
}

// stroke does one thing; the process may be gone after it.
func (n *Nemesis) stroke(ctx context.Context, p *Process, stop func()) error {
	switch k := n.Rng.IntN(10); {
	case k < 4:
		return n.cut(p)
	case k < 5:
		n.log("restart")
		stop()
		return n.C.Stop()
	case n.missing != nil:
		return n.restore(stop)
	default:
		return n.lose(ctx, p, stop)
	}
}

// cut takes the power at some call to come, or at this instant.
func (n *Nemesis) cut(p *Process) error {
	percent := []int{0, 20, 50, 80, 100}[n.Rng.IntN(5)]
	calls := 1 + n.Rng.IntN(600)
	n.log("power cut after %d calls, %d%% survive", calls, percent)
	if err := n.C.PowerCutAfter(calls, percent, n.Rng.Uint64()); err != nil {
		return err
	}
	select {
	case <-p.Context().Done():
		return n.C.Bury()
	case <-time.After(3 * time.Second):
		return n.C.PowerCut(percent, n.Rng.Uint64())
	}
}

// lose takes one disk, running or not, when all the others have everything.
func (n *Nemesis) lose(ctx context.Context, p *Process, stop func()) error {
	if err := n.full(ctx); err != nil {
		return err
	}
	disks := n.C.Disks()
	d := disks[n.Rng.IntN(len(disks))]
	n.missing = d
	if n.Rng.IntN(3) == 0 {
		n.log("disk %s is pulled out", d.Name)
		stop()
		if err := n.C.Stop(); err != nil {
			return err
		}
		return n.C.PullOut(d)
	}
	i := n.Rng.IntN(200)
	n.log("disk %s fails after %d calls", d.Name, i)
	d.FailAfter(i)
	for range 300 {
		if d.Hits() > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	began := time.Now()
	if err := p.WaitWriting(ctx); err != nil {
		return err
	}
	if took := time.Since(began); took > 2*time.Second {
		return fmt.Errorf("clustersim: writes went on %s after disk %s failed", took, d.Name)
	}
	n.sleep(1000)
	return nil
}

// restore gives the missing disk's place back, with what it had or empty.
func (n *Nemesis) restore(stop func()) error {
	d := n.missing
	n.missing = nil
	if n.Rng.IntN(2) == 0 {
		stop()
		if err := n.C.Stop(); err != nil {
			return err
		}
	} else if err := n.C.PowerCut(n.Rng.IntN(101), n.Rng.Uint64()); err != nil {
		return err
	}
	if n.Rng.IntN(2) == 0 {
		n.log("disk %s is replaced", d.Name)
		_, err := n.C.Replace(d)
		return err
	}
	n.log("disk %s comes back", d.Name)
	return n.C.PutBack(d)
}

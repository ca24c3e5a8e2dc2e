package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrForced says that a second signal cut the stop short.
var ErrForced = errors.New("stopped at once by a second signal")

// Part is something that runs between a start and a stop.
type Part struct {
	Name string
	// Start returns when the part is at work. Its context ends when the start
	// is given up; it is not the part's life.
	Start func(ctx context.Context) error
	// Stop finishes what was begun until ctx ends, then breaks it off. It is
	// called once, and only after a Start that returned nil. May be nil.
	Stop func(ctx context.Context) error
}

// Group is the parts of one process. Add may be called from a Start.
type Group struct {
	log *slog.Logger

	mu sync.Mutex
	// parts in the order of Add; those before started are at work. Guarded by mu.
	parts []Part
	// failed holds the first error given to Fail.
	failed chan error
}

// NewGroup gives an empty group.
func NewGroup(log *slog.Logger) *Group { return &Group{log: log, failed: make(chan error, 1)} }

// Add appends a part: it starts after, and stops before, those added earlier.
func (g *Group) Add(p Part) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts = append(g.parts, p)
}

// Fail ends the process in order, because something that it cannot do without
// has failed. Only the first error counts. It does not wait.
func (g *Group) Fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

func (g *Group) part(i int) (Part, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i >= len(g.parts) {
		return Part{}, false
	}
	return g.parts[i], true
}

// start starts the parts one after the other and says how many are at work.
func (g *Group) start(ctx context.Context) (started int, err error) {
	for {
		p, ok := g.part(started)
		if !ok {
			return started, nil
		}
		if err := ctx.Err(); err != nil {
			return started, context.Cause(ctx)
		}
		begin := time.Now()
		if err := p.Start(ctx); err != nil {
			return started, fmt.Errorf("start of %s: %w", p.Name, err)
		}
		g.log.Debug("part started", "part", p.Name, "took", time.Since(begin))
		started++
	}
}

// stop stops the started parts in reverse order.
func (g *Group) stop(ctx context.Context, started int) error {
	var errs []error
	for i := started - 1; i >= 0; i-- {
		p, _ := g.part(i)
		if p.Stop == nil {
			continue
		}
		begin := time.Now()
		if err := p.Stop(ctx); err != nil {
			g.log.Warn("part did not stop cleanly", "part", p.Name, "error", err)
			errs = append(errs, fmt.Errorf("stop of %s: %w", p.Name, err))
		}
		g.log.Debug("part stopped", "part", p.Name, "took", time.Since(begin))
	}
	return errors.Join(errs...)
}

// Options say how Run ends.
type Options struct {
	// Signals that mean "stop". The second one means "now".
	Signals <-chan os.Signal
	// Started is called when every part is at work. May be nil.
	Started func()
	// NotReady is called once, at the beginning of the end. May be nil.
	NotReady func()
	// DrainDelay is the time between NotReady and the first Stop after a signal.
	DrainDelay time.Duration
	// DrainTimeout is the time for all Stops together.
	DrainTimeout time.Duration
}

// Run starts the parts and returns when they are stopped. The error is nil
// after a signal or the end of ctx and a clean stop.
func (g *Group) Run(ctx context.Context, o Options) error {
	// stopping outlives ctx: its end must not break off what is being finished.
	// Only a second signal does.
	stopping, abandon := context.WithCancel(context.WithoutCancel(ctx))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer abandon()
	done := make(chan error, 1)
	first, forced := make(chan struct{}), make(chan struct{})
	go g.watch(ctx, o.Signals, first, forced)
	go func() { done <- g.run(ctx, stopping, first, o) }()
	select {
	case err := <-done:
		return err
	case <-forced:
		return ErrForced
	}
}

// errSignal is the cause of a start that a signal gave up.
var errSignal = errors.New("stopped by a signal")

// watch turns signals into events.
func (g *Group) watch(ctx context.Context, signals <-chan os.Signal, first, forced chan<- struct{}) {
	n := 0
	for {
		select {
		case s := <-signals:
			if n++; n == 1 {
				g.log.Info("stopping; a second signal would end it at once", "signal", s.String())
				close(first)
				continue
			}
			g.log.Warn("stopping at once", "signal", s.String())
			close(forced)
			return
		case <-ctx.Done():
			return
		}
	}
}

// run is the life of the group. The first signal also gives up a start under way.
func (g *Group) run(ctx, stopping context.Context, signalled <-chan struct{}, o Options) error {
	startCtx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	stopWatch := make(chan struct{})
	go func() {
		select {
		case <-signalled:
			giveUp(errSignal)
		case <-stopWatch:
		}
	}()
	started, err := g.start(startCtx)
	close(stopWatch)
	var drain bool
	if err == nil {
		if o.Started != nil {
			o.Started()
		}
		drain, err = g.wait(ctx, signalled)
	} else if errors.Is(context.Cause(startCtx), errSignal) {
		err = nil // asked to stop before it had begun: that is no failure
	}
	if o.NotReady != nil {
		o.NotReady()
	}
	if drain && o.DrainDelay > 0 {
		g.pause(ctx, o.DrainDelay)
	}
	stopCtx, cancel := context.WithTimeout(stopping, o.DrainTimeout)
	defer cancel()
	return errors.Join(err, g.stop(stopCtx, started))
}

// wait says why the life ends, and whether requests are to be drained.
func (g *Group) wait(ctx context.Context, signalled <-chan struct{}) (drain bool, err error) {
	select {
	case <-signalled:
		return true, nil
	case err := <-g.failed:
		g.log.Error("stopping after a failure", "error", err)
		return false, err
	case <-ctx.Done():
		return true, nil
	}
}

// pause waits for the drain delay; a failure cuts it short.
func (g *Group) pause(ctx context.Context, d time.Duration) {
	g.log.Info("not ready; still accepting", "delay", d)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case err := <-g.failed:
		g.log.Error("failure while draining", "error", err)
	case <-ctx.Done():
	}
}

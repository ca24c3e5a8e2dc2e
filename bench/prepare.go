package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ready brings a target to where the operation can begin: objects to read or
// delete, keys to list, and a server that is warm.
func (r *runner) ready(ctx context.Context, s *side, op string, size int64) error {
	set := r.cfg.Settings
	switch op {
	case OpGet, OpHead, OpMixed:
		if err := r.stock(ctx, s, size, r.wanted(size)); err != nil {
			return err
		}
	case OpDelete:
		// A delete by count needs that many; by duration it ends with them.
		if err := r.stock(ctx, s, size, max(set.Objects, r.wanted(size))); err != nil {
			return err
		}
		return nil // a warm-up would eat the objects
	case OpList:
		if err := r.stockList(ctx, s); err != nil {
			return err
		}
	}
	if set.Objects > 0 || set.Warmup == 0 {
		return nil
	}
	_, _, err := r.load(ctx, s, op, size, "warming up", limit{until: time.Now().Add(set.Warmup)})
	return err
}

// wanted is how many objects of a size are kept for reading.
func (r *runner) wanted(size int64) int {
	set := r.cfg.Settings
	return max(min(set.Prepare, int(PrepareBytes/max(size, 1))), set.Concurrency)
}

// stock fills the workers' pools up to n objects in all, evenly.
func (r *runner) stock(ctx context.Context, s *side, size int64, n int) error {
	return r.each(s, func(i int, w *worker) error {
		share := (n + len(s.workers) - 1 - i) / len(s.workers)
		for len(w.pool[size]) < share {
			o := w.fresh(size)
			if err := timed(ctx, r.cfg.Settings, func(ctx context.Context) error { return w.store.Put(ctx, o) }); err != nil {
				return err
			}
			w.pool[size] = append(w.pool[size], o)
		}
		return nil
	})
}

// stockList writes the keys of the listing, once.
func (r *runner) stockList(ctx context.Context, s *side) error {
	if s.listed {
		return nil
	}
	err := r.each(s, func(i int, w *worker) error {
		for k := i; k < r.cfg.Settings.ListKeys; k += len(s.workers) {
			o := Object{Key: listKey(s.prefix, k), Seed: mix(uint64(k)), Size: 16}
			if err := timed(ctx, r.cfg.Settings, func(ctx context.Context) error { return w.store.Put(ctx, o) }); err != nil {
				return err
			}
		}
		return nil
	})
	s.listed = err == nil
	return err
}

// each runs a task on every worker at once.
func (r *runner) each(s *side, task func(int, *worker) error) error {
	errs := make([]error, len(s.workers))
	var wg sync.WaitGroup
	for i, w := range s.workers {
		wg.Go(func() { errs[i] = task(i, w) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one is enough: they are all alike
		}
	}
	return nil
}

func timed(ctx context.Context, set Settings, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, set.Timeout)
	defer cancel()
	return do(ctx)
}

// clean deletes what the run wrote, and the bucket if the run made it. It goes
// on when the run was cut short, but not for long.
func (r *runner) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	var errs []error
	for _, s := range r.sides {
		if r.cfg.Progress != nil {
			r.cfg.Progress(Progress{Target: s.target.Name, Stage: "cleaning up"})
		}
		err := keysOf(ctx, s.store, s.prefix, func(keys []string) error { return s.store.DeleteMany(ctx, keys) })
		if err == nil && s.madeIt {
			err = s.store.RemoveBucket(ctx)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("endpoint %s: cleaning up: %w", s.target.Name, err))
		}
	}
	return errors.Join(errs...)
}

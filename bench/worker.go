package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// errDrained says that a worker has no object left to work on.
var errDrained = errors.New("bench: no objects left")

// errorPause follows an error, so that a server which is down is not hammered.
func errorPause(ctx context.Context) {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// worker does operations one after the other, on keys of its own.
type worker struct {
	store  Store
	set    Settings
	prefix string // ends in "/"
	id     int
	rnd    *rand.Rand
	buf    []byte
	next   uint64
	// pool holds this worker's objects by size.
	pool map[int64][]Object
	// token and seen are where its walk over the listing stands.
	token string
	seen  int
	last  string
	// pause follows an error.
	pause func(context.Context)
}

func newWorker(s Store, cfg Config, prefix string, id int) *worker {
	set := cfg.Settings
	return &worker{
		store: s, set: set, prefix: prefix, id: id, rnd: rand.New(rand.NewPCG(set.Seed, uint64(id))),
		buf: make([]byte, 512<<10), pool: map[int64][]Object{}, pause: cfg.pause,
	}
}

// fresh gives an object that was never written. Keys are spread by a hash, so
// that they do not arrive in order.
func (w *worker) fresh(size int64) Object {
	w.next++
	n := mix(w.set.Seed*gamma + uint64(w.id)<<40 + w.next)
	return Object{Key: fmt.Sprintf("%sobjects/%d/%016x", w.prefix, size, n), Seed: mix(n), Size: size}
}

// listKey is the i-th key of the listing.
func listKey(prefix string, i int) string { return fmt.Sprintf("%skey-%08d", listPrefix(prefix), i) }

func listPrefix(prefix string) string { return prefix + "list/" }

// step does one operation and counts it. errDrained ends the worker's slice.
func (w *worker) step(ctx context.Context, op string, size int64, into tallies) error {
	kind := op
	if op == OpMixed {
		kind = w.draw(size)
	}
	run, bytes, err := w.prepare(kind, size)
	if err != nil {
		return err
	}
	if op == OpMixed {
		kind = OpMixed + "." + kind
	}
	opCtx, cancel := context.WithTimeout(ctx, w.set.Timeout)
	defer cancel()
	begin := time.Now()
	items, err := run(opCtx)
	took := time.Since(begin)
	switch {
	case err == nil:
		into.of(kind).done(took, bytes, items)
	case ctx.Err() != nil:
		return ctx.Err() // the run was cut short: no result
	default:
		into.of(kind).failed(err)
		w.pause(ctx)
	}
	return nil
}

// draw picks the kind of a mixed load: 45 % get, 30 % head, 15 % put, 10 %
// delete (the shares of MinIO's warp). Without objects it can only put.
func (w *worker) draw(size int64) string {
	n := w.rnd.IntN(100)
	switch {
	case n >= 85 || len(w.pool[size]) == 0:
		return OpPut
	case n < 45:
		return OpGet
	case n < 75:
		return OpHead
	}
	return OpDelete
}

// prepare chooses the object and gives the operation; what it does to the pool
// happens when it has worked.
func (w *worker) prepare(kind string, size int64) (run func(context.Context) (int64, error), bytes int64, err error) {
	pool := w.pool[size]
	switch kind {
	case OpPut:
		o := w.fresh(size)
		return w.put(o, func(ctx context.Context) error { return w.store.Put(ctx, o) }), size, nil
	case OpMultipart:
		o := w.fresh(w.set.MultipartSize)
		return w.put(o, func(ctx context.Context) error { return w.store.Multipart(ctx, o, w.set.PartSize) }), o.Size, nil
	case OpList:
		return w.list, 0, nil
	}
	if len(pool) == 0 {
		return nil, 0, errDrained
	}
	switch kind {
	case OpGet:
		o := pool[w.rnd.IntN(len(pool))]
		return func(ctx context.Context) (int64, error) { return 1, w.store.Get(ctx, o, w.buf) }, size, nil
	case OpHead:
		o := pool[w.rnd.IntN(len(pool))]
		return func(ctx context.Context) (int64, error) { return 1, w.store.Head(ctx, o) }, 0, nil
	case OpDelete:
		o := pool[len(pool)-1]
		// Gone from the pool also after an error: it may have been deleted.
		w.pool[size] = pool[:len(pool)-1]
		return func(ctx context.Context) (int64, error) { return 1, w.store.Delete(ctx, o.Key) }, 0, nil
	}
	return nil, 0, fmt.Errorf("bench: unknown operation %q", kind)
}

func (w *worker) put(o Object, do func(context.Context) error) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		err := do(ctx)
		if err == nil {
			w.pool[o.Size] = append(w.pool[o.Size], o)
		}
		return 1, err
	}
}

// list reads one page and checks it: keys ascend, and a walk to the end has
// seen all of them.
func (w *worker) list(ctx context.Context) (int64, error) {
	p, err := w.store.List(ctx, listPrefix(w.prefix), w.token)
	if err != nil {
		w.token, w.seen, w.last = "", 0, ""
		return 0, err
	}
	for _, k := range p.Keys {
		if k <= w.last {
			err = fmt.Errorf("%w: the listing has %q after %q", ErrCorrupt, k, w.last)
		}
		w.last = k
	}
	w.seen += len(p.Keys)
	if w.token = p.Next; w.token == "" {
		if w.seen != w.set.ListKeys && err == nil {
			err = fmt.Errorf("%w: the listing has %d keys, written were %d", ErrCorrupt, w.seen, w.set.ListKeys)
		}
		w.seen, w.last = 0, ""
	}
	return int64(len(p.Keys)), err
}

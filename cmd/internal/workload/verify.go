package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrContradiction is in every error of Verify that says the store has lost,
// changed or invented data, as opposed to not answering.
var ErrContradiction = errors.New("workload: contradicts what was acknowledged")

// ErrUnanswered is in every error of Verify that says the store lives, and does
// not answer for what it has acknowledged, however often it is asked.
var ErrUnanswered = errors.New("workload: refuses to answer for what was acknowledged")

// Verify reads every key and the whole listing, and returns everything that
// contradicts what was acknowledged. After it, each key's state is certain.
// It must not run while writers do.
//
// An operation without an answer may take effect until something ordered
// after it was acknowledged: a write to the bucket comes first. Before that, a
// server that lives on has to end the requests whose client has gone, which
// would reach the order after that write: Config.Idle.
func (l *Load) Verify(ctx context.Context) error {
	if err := l.cfg.Idle(ctx); err != nil {
		return fmt.Errorf("workload: requests do not end: %w", err)
	}
	if err := l.settle(ctx); err != nil {
		return l.lasting(ctx, "a write after the fault", err, func() error { return l.settle(ctx) })
	}
	return l.verifyAll(ctx)
}

// lasting names what did not succeed, and whether it ever would have. To fail
// once is a failure also if it is answered later; only a server that refuses
// for as long as the patience lasts has broken its word by it. A full disk, a
// connection that breaks, and the caller's end are no refusals.
func (l *Load) lasting(ctx context.Context, what string, err error, again func() error) error {
	for begin := time.Now(); refuses(err); {
		if waited := time.Since(begin); waited >= l.cfg.Patience {
			return fmt.Errorf("%w: %s, for %s: %w", ErrUnanswered, what, waited.Round(time.Second), err)
		}
		select {
		case <-ctx.Done():
			return failed(what, errors.Join(err, ctx.Err()))
		case <-time.After(min(500*time.Millisecond, l.cfg.Patience/4)):
		}
		last := err
		if err = again(); err == nil {
			return failed(what, fmt.Errorf("answered only after %s: %w", time.Since(begin).Round(time.Millisecond), last))
		}
	}
	return failed(what, err)
}

func refuses(err error) bool {
	status := minio.ToErrorResponse(err).StatusCode
	return status >= http.StatusInternalServerError && status != http.StatusInsufficientStorage
}

// failed names what did not succeed. A bucket that is not there was lost: nobody
// removes it.
func failed(what string, err error) error {
	if minio.ToErrorResponse(err).Code == minio.NoSuchBucket {
		return fmt.Errorf("%w: LOST the bucket, seen at %s: %w", ErrContradiction, what, err)
	}
	return fmt.Errorf("workload: %s: %w", what, err)
}

// settle orders an entry behind everything that the bucket's tablet has ordered.
func (l *Load) settle(ctx context.Context) error {
	if err := l.put(ctx, "settle", Version{Seed: 1, Size: 8}); err != nil {
		return err
	}
	return l.client.RemoveObject(ctx, l.cfg.Bucket, "settle", minio.RemoveObjectOptions{})
}

func (l *Load) verifyAll(ctx context.Context) error {
	listed, err := l.list(ctx)
	if err != nil {
		return l.lasting(ctx, "list", err, func() error { _, err := l.list(ctx); return err })
	}
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, w := range l.writers {
		wg.Go(func() {
			for _, key := range slices.Sorted(maps.Keys(w.keys)) {
				if err := l.verifyKey(ctx, w, key, listed); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	known := map[string]bool{}
	for _, w := range l.writers {
		for k := range w.keys {
			known[k] = true
		}
	}
	for k := range listed {
		if !known[k] {
			errs = append(errs, fmt.Errorf("%w: %s is listed but was never written", ErrContradiction, k))
		}
	}
	return errors.Join(errs...)
}

// Keys is the number of keys that have been touched.
func (l *Load) Keys() int {
	n := 0
	for _, w := range l.writers {
		n += len(w.keys)
	}
	return n
}

func (l *Load) list(ctx context.Context) (map[string]int64, error) {
	got := map[string]int64{}
	for o := range l.client.ListObjects(ctx, l.cfg.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return nil, o.Err
		}
		if _, twice := got[o.Key]; twice {
			return nil, fmt.Errorf("%s is listed twice", o.Key)
		}
		got[o.Key] = o.Size
	}
	return got, nil
}

func (l *Load) get(ctx context.Context, key string) ([]byte, error) {
	body, _, _, err := l.core.GetObject(ctx, l.cfg.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func (l *Load) verifyKey(ctx context.Context, w *writer, key string, listed map[string]int64) error {
	states := w.keys[key]
	size, isListed := listed[key]
	got, err := l.get(ctx, key)
	if err != nil {
		if minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
			return l.lasting(ctx, "get "+key, err, func() error { _, err := l.get(ctx, key); return err })
		}
		if !slices.ContainsFunc(states, Version.Absent) {
			return fmt.Errorf("%w: LOST %s: acknowledged %v, now absent", ErrContradiction, key, states)
		}
		if isListed {
			return fmt.Errorf("%w: %s is listed but absent", ErrContradiction, key)
		}
		w.keys[key] = []Version{{}}
		return nil
	}
	v, err := matches(got, states)
	if err != nil {
		return fmt.Errorf("%w: WRONG %s: %w", ErrContradiction, key, err)
	}
	if !isListed || size != v.Size {
		return fmt.Errorf("%w: %s of %d bytes: listed %v with %d", ErrContradiction, key, v.Size, isListed, size)
	}
	w.keys[key] = []Version{v}
	return nil
}

package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/minio/minio-go/v7"
)

// ErrContradiction is in every error of Verify that says the store has lost,
// changed or invented data, as opposed to not answering.
var ErrContradiction = errors.New("workload: contradicts what was acknowledged")

// Verify reads every key and the whole listing, and returns everything that
// contradicts what was acknowledged. After it, each key's state is certain.
// It must not run while writers do.
//
// An operation without an answer may take effect until something ordered
// after it was acknowledged: a write to the bucket comes first. A server that
// lives on must have ended the requests whose client has gone before Verify is
// called: until then they may still reach the order, after that write.
func (l *Load) Verify(ctx context.Context) error {
	var err error
	for range 3 {
		if err = l.settle(ctx); minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
			return fmt.Errorf("%w: LOST the bucket: %w", ErrContradiction, err)
		}
		if err != nil {
			return fmt.Errorf("workload: a write after the fault: %w", err)
		}
		uncertain := l.uncertain()
		if err = l.verifyAll(ctx); err == nil || !uncertain {
			return err
		}
	}
	return err
}

// settle orders an entry behind everything that the bucket's tablet has ordered.
func (l *Load) settle(ctx context.Context) error {
	if err := l.put(ctx, "settle", Version{Seed: 1, Size: 8}); err != nil {
		return err
	}
	return l.client.RemoveObject(ctx, l.cfg.Bucket, "settle", minio.RemoveObjectOptions{})
}

// uncertain reports whether some key may have more than one state.
func (l *Load) uncertain() bool {
	for _, w := range l.writers {
		for _, states := range w.keys {
			if len(states) > 1 {
				return true
			}
		}
	}
	return false
}

func (l *Load) verifyAll(ctx context.Context) error {
	listed, err := l.list(ctx)
	if err != nil {
		return fmt.Errorf("workload: list: %w", err)
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

func (l *Load) verifyKey(ctx context.Context, w *writer, key string, listed map[string]int64) error {
	states := w.keys[key]
	size, isListed := listed[key]
	body, _, _, err := l.core.GetObject(ctx, l.cfg.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		if minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
			return fmt.Errorf("workload: get %s: %w", key, err)
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
	defer body.Close()
	v, err := matches(body, states)
	if err != nil {
		return fmt.Errorf("%w: WRONG %s: %w", ErrContradiction, key, err)
	}
	if !isListed || size != v.Size {
		return fmt.Errorf("%w: %s of %d bytes: listed %v with %d", ErrContradiction, key, v.Size, isListed, size)
	}
	w.keys[key] = []Version{v}
	return nil
}

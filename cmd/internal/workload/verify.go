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

	"github.com/minio/minio-go/v7"
)

// settleKey is written and removed by Verify; no writer has it.
const settleKey = "settle"

// Verify reads every key and the whole listing, and returns everything that
// contradicts what was acknowledged (ErrContradiction), what has no answer
// (ErrUnanswered), and what had one only when it was asked again. When it
// returns nil, each key's state is certain. It must not run while writers do.
//
// An operation without an answer may take effect until something ordered
// after it was acknowledged: a write to the bucket comes first. Before that, a
// server that lives on has to end the requests whose client has gone, which
// would reach the order after that write: Config.Idle.
func (l *Load) Verify(ctx context.Context) error {
	l.gaveUp.Store(false)
	if err := l.cfg.Idle(ctx); err != nil {
		return fmt.Errorf("workload: requests do not end: %w", err)
	}
	late, err := l.ask(ctx, "a write after the fault", l.settle)
	if err != nil {
		return err
	}
	errs, err := l.verifyAll(ctx, late != nil)
	return errors.Join(append(errs, late, err)...)
}

// settle orders an entry behind everything that the bucket's tablet has ordered.
func (l *Load) settle(ctx context.Context) error {
	if err := l.put(ctx, settleKey, Version{Seed: 1, Size: 8}); err != nil {
		return err
	}
	return l.client.RemoveObject(ctx, l.cfg.Bucket, settleKey, minio.RemoveObjectOptions{})
}

// verifyAll compares the listing and every key. settling says that a try of
// settle had no answer: its write may still show.
func (l *Load) verifyAll(ctx context.Context, settling bool) (errs []error, late error) {
	var listed map[string]int64
	late, err := l.ask(ctx, "list", func(ctx context.Context) (err error) {
		listed, err = l.list(ctx)
		return err
	})
	if err != nil {
		return []error{err}, nil
	}
	var mu sync.Mutex
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
	return append(errs, l.invented(listed, settling)...), late
}

// invented are the keys that are listed and that no writer has touched.
func (l *Load) invented(listed map[string]int64, settling bool) (errs []error) {
	known := map[string]bool{settleKey: settling}
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
	return errs
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
			return nil, fmt.Errorf("%w: %s is listed twice", ErrContradiction, o.Key)
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

// verifyKey compares one key with what is known; a late answer is compared too.
func (l *Load) verifyKey(ctx context.Context, w *writer, key string, listed map[string]int64) error {
	var got []byte
	late, err := l.ask(ctx, "get "+key, func(ctx context.Context) (err error) {
		got, err = l.get(ctx, key)
		return err
	})
	absent := false
	if resp, ok := response(err); ok && resp.StatusCode == http.StatusNotFound && !errors.Is(err, ErrContradiction) {
		absent, err = true, nil
	}
	if err != nil {
		return err
	}
	size, isListed := listed[key]
	v, err := judge(key, w.keys[key], got, absent, size, isListed)
	if err != nil {
		return err
	}
	w.keys[key] = []Version{v}
	return late
}

// judge says which of a key's possible states an answer shows, or what it contradicts.
func judge(key string, states []Version, got []byte, absent bool, size int64, isListed bool) (Version, error) {
	if absent {
		if !slices.ContainsFunc(states, Version.Absent) {
			return Version{}, fmt.Errorf("%w: LOST %s: acknowledged %v, now absent", ErrContradiction, key, states)
		}
		if isListed {
			return Version{}, fmt.Errorf("%w: %s is listed but absent", ErrContradiction, key)
		}
		return Version{}, nil
	}
	v, err := matches(got, states)
	if err != nil {
		return v, fmt.Errorf("%w: WRONG %s: %w", ErrContradiction, key, err)
	}
	if !isListed || size != v.Size {
		return v, fmt.Errorf("%w: %s of %d bytes: listed %v with %d", ErrContradiction, key, v.Size, isListed, size)
	}
	return v, nil
}

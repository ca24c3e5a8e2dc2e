package s3test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/s3api/objects"
	"catena/s3api/s3test/model"
)

// witness is a testing.TB that only remembers whether the test failed.
type witness struct {
	testing.TB
	mu     sync.Mutex
	failed bool
	first  string
}

func (w *witness) Helper()             {}
func (w *witness) Cleanup(func())      {}
func (w *witness) Logf(string, ...any) {}

func (w *witness) Errorf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.failed {
		w.failed, w.first = true, fmt.Sprintf(format, args...)
	}
}

func (w *witness) FailNow() {
	w.Errorf("FailNow")
	runtime.Goexit()
}

func (w *witness) Failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// watch runs a test and says whether it failed.
func watch(t *testing.T, run func(testing.TB)) *witness {
	w := &witness{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(w)
	}()
	<-done
	return w
}

// wrong is a store with one mistake. Each must be noticed by the random test.
type wrong struct {
	*model.Model
	mistake string
	old     sync.Map // bucket/key -> the first Object that was read
}

func (b *wrong) Put(ctx context.Context, r objects.Put, body objects.Body) (objects.Info, error) {
	switch b.mistake {
	case "forgets If-Match":
		r.If.IfMatch = ""
	case "forgets If-None-Match":
		r.If.IfNoneMatch = ""
	case "forgets metadata":
		r.Meta.User = nil
	}
	return b.Model.Put(ctx, r, body)
}

func (b *wrong) Get(ctx context.Context, bucket, key string) (objects.Object, error) {
	o, err := b.Model.Get(ctx, bucket, key)
	if err != nil || b.mistake != "reads stale" && b.mistake != "flips a bit" {
		return o, err
	}
	if b.mistake == "flips a bit" {
		return flipped{o}, nil
	}
	first, _ := b.old.LoadOrStore(bucket+"/"+key, o)
	return first.(objects.Object), nil
}

type flipped struct{ objects.Object }

func (f flipped) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	r, err := f.Object.Range(ctx, off, n)
	if err != nil {
		return nil, err
	}
	b, _ := io.ReadAll(r)
	if len(b) > 0 {
		b[len(b)/2] ^= 1
	}
	return io.NopCloser(strings.NewReader(string(b))), nil
}

func (b *wrong) Delete(ctx context.Context, r objects.Delete) (bool, error) {
	if b.mistake == "never deletes" {
		_, err := b.Model.Head(ctx, r.Bucket, r.Key)
		return err == nil, nil
	}
	return b.Model.Delete(ctx, r)
}

func (b *wrong) Copy(ctx context.Context, r objects.Copy) (objects.Info, error) {
	if b.mistake == "copies old metadata" {
		r.ReplaceMeta = false
	}
	return b.Model.Copy(ctx, r)
}

func (b *wrong) List(ctx context.Context, r objects.List) (objects.Page, error) {
	if b.mistake == "lists inclusively" && r.After != "" {
		r.After = r.After[:len(r.After)-1]
	}
	p, err := b.Model.List(ctx, r)
	if b.mistake == "lists without prefixes" {
		p.Prefixes = nil
	}
	return p, err
}

func (b *wrong) Complete(ctx context.Context, r objects.Complete) (objects.Info, error) {
	if b.mistake == "completes without a condition" {
		r.If = objects.Condition{}
	}
	info, err := b.Model.Complete(ctx, r)
	_, gone := b.Model.Upload(ctx, r.Bucket, r.Key, r.UploadID)
	if b.mistake == "completes again with any parts" && objects.KindOf(err) == objects.KindInvalidPart && gone != nil {
		return b.Model.Head(ctx, r.Bucket, r.Key)
	}
	return info, err
}

func (b *wrong) PutPart(ctx context.Context, r objects.PutPart, body objects.Body) (objects.Part, error) {
	if b.mistake == "mixes up parts" && r.Number == 2 {
		r.Number = 1
	}
	return b.Model.PutPart(ctx, r, body)
}

// TestRandomNoticesMistakes: the random test fails on every store that is wrong.
func TestRandomNoticesMistakes(t *testing.T) {
	for _, mistake := range []string{"forgets If-Match", "forgets If-None-Match", "forgets metadata", "reads stale", "flips a bit", "never deletes",
		"copies old metadata", "lists inclusively", "lists without prefixes", "completes without a condition",
		"completes again with any parts", "mixes up parts"} {
		t.Run(mistake, func(t *testing.T) {
			s := newSuite(t, Serve(t, Options{Backend: &wrong{Model: model.New(model.Config{}), mistake: mistake}}))
			for seed := uint64(1); seed <= 3; seed++ {
				if w := watch(t, func(tb testing.TB) { s.randomRun(tb, seed, 400) }); w.failed {
					return
				}
			}
			t.Errorf("three runs of 400 operations did not notice")
		})
	}
	t.Run("none", func(t *testing.T) {
		s := newSuite(t, Serve(t, Options{Backend: &wrong{Model: model.New(model.Config{})}}))
		w := watch(t, func(tb testing.TB) { s.randomRun(tb, 1, 400) })
		require.False(t, w.failed, w.first)
	})
}

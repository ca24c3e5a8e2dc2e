package clustersim

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"catena/s3api/objects"
)

// Ledger remembers objects that were written once each. Whatever happens, an
// acknowledged one is there with its bytes, and nothing is there that nobody
// wrote.
type Ledger struct {
	bucket string
	sizes  []int

	mu    sync.Mutex
	next  uint64
	acked map[string]uint64
	// maybe are those whose write had no answer.
	maybe map[string]uint64
}

// NewLedger makes an empty one; its objects have these sizes, in bytes.
func NewLedger(sizes ...int) *Ledger {
	if len(sizes) == 0 {
		sizes = []int{0, 1, 700, 16 << 10, 70_000, 300 << 10}
	}
	return &Ledger{bucket: "ledger", sizes: sizes, acked: map[string]uint64{}, maybe: map[string]uint64{}}
}

// Bucket is where its objects are.
func (l *Ledger) Bucket() string { return l.bucket }

// Prepare makes the bucket, if it is not there.
func (l *Ledger) Prepare(ctx context.Context, p *Process) error {
	_, err := p.Backend.CreateBucket(ctx, objects.Bucket{Name: l.bucket, Owner: "clustersim", Created: time.Now()})
	if err != nil && objects.KindOf(err) != objects.KindBucketExists {
		return err
	}
	return nil
}

// Len is the number of objects that were acknowledged.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *Ledger) content(v uint64) []byte { return Content(v, l.sizes[int(v)%len(l.sizes)]) }

// Write writes one object, and reports whether it was acknowledged.
func (l *Ledger) Write(ctx context.Context, p *Process) bool {
	l.mu.Lock()
	l.next++
	v := l.next
	key := fmt.Sprintf("object%08d", v)
	l.maybe[key] = v
	l.mu.Unlock()
	_, err := p.Put(ctx, l.bucket, key, l.content(v), objects.Condition{})
	if err != nil || !p.Alive() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.maybe, key)
	l.acked[key] = v
	return true
}

// Run lets writers write until ctx ends or the process does. What is under way
// when ctx ends is ended in peace.
func (l *Ledger) Run(ctx context.Context, p *Process, writers int, pause time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.Context(), cancel)()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for ctx.Err() == nil && p.Alive() {
				l.Write(p.Context(), p)
				nap(ctx, pause)
			}
		})
	}
	wg.Wait()
}

// Verify reads and lists everything.
func (l *Ledger) Verify(ctx context.Context, p *Process) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, err := p.List(ctx, l.bucket, "")
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, o := range all {
		listed[o.Key] = true
		v, ok := l.acked[o.Key]
		if !ok {
			v, ok = l.maybe[o.Key]
		}
		if !ok {
			return fmt.Errorf("clustersim: %s is listed, and nobody wrote it", o.Key)
		}
		if err := l.read(ctx, p, o.Key, v); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.acked)) {
		if !listed[key] {
			return fmt.Errorf("clustersim: %s was acknowledged and is not listed", key)
		}
	}
	return nil
}

func (l *Ledger) read(ctx context.Context, p *Process, key string, v uint64) error {
	_, b, err := p.Get(ctx, l.bucket, key)
	if err != nil {
		return fmt.Errorf("clustersim: %s: %w", key, err)
	}
	if !bytes.Equal(b, l.content(v)) {
		return fmt.Errorf("clustersim: %s has other bytes than were written", key)
	}
	return nil
}

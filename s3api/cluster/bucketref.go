package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

var errNoTime = errors.New("the tablet told no time")

// maxBucketTries bounds how often an operation follows a bucket's changes.
const maxBucketTries = 8

// bucketRef is a bucket as an operation uses it.
type bucketRef struct {
	id  chain.BucketID
	gen uint64
}

// bucketCache knows that buckets exist, never that one does not. An entry that
// is out of date is found out by the tablets: commands and queries carry its
// generation.
type bucketCache struct {
	mu    sync.RWMutex
	known map[string]bucketRef
}

// maxCachedBuckets bounds the cache; it is emptied when it is full.
const maxCachedBuckets = 100_000

func newBucketCache() bucketCache { return bucketCache{known: map[string]bucketRef{}} }

func (b *bucketCache) get(name string) (bucketRef, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	ref, ok := b.known[name]
	return ref, ok
}

func (b *bucketCache) set(name string, r *tablet.Record) bucketRef {
	ref := bucketRef{id: r.ID, gen: r.Generation}
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.known[name]; ok && old.id == ref.id && old.gen > ref.gen {
		return old
	}
	if len(b.known) >= maxCachedBuckets {
		clear(b.known)
	}
	b.known[name] = ref
	return ref
}

func (b *bucketCache) drop(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, name)
}

func recordName(bucket string) string { return tablet.BucketRecordPrefix + bucket }

// record reads a bucket's system record; nil if there is none.
func (r *request) record(ctx context.Context) (*tablet.Record, error) {
	res, err := r.read(ctx, tablet.Query{Key: recordName(r.bucket), Ask: tablet.AskRecord{}})
	if err != nil {
		return nil, err
	}
	switch res.Status {
	case tablet.StatusOK:
		return res.Record, nil
	case tablet.NotFound:
		return nil, nil
	}
	return nil, r.status(res.Status, objects.Condition{})
}

// active reads the record of a bucket that exists. A deletion that another
// driver began is finished first, one way or the other.
func (r *request) active(ctx context.Context) (*tablet.Record, error) {
	for range maxBucketTries {
		rec, err := r.record(ctx)
		if err != nil {
			return nil, err
		}
		switch {
		case rec == nil:
			r.c.buckets.drop(r.bucket)
			return nil, r.fail(objects.KindNoSuchBucket, "", nil)
		case rec.State == tablet.RecordActive:
			r.c.buckets.set(r.bucket, rec)
			return rec, nil
		}
		if _, err := r.finishDelete(ctx, rec); err != nil {
			return nil, err
		}
	}
	return nil, r.fail(objects.KindUnavailable, "", errBucketChanges)
}

// lookup gives the bucket's reference, from the cache if it is there.
func (r *request) lookup(ctx context.Context) (bucketRef, error) {
	if ref, ok := r.c.buckets.get(r.bucket); ok {
		return ref, nil
	}
	rec, err := r.active(ctx)
	if err != nil {
		return bucketRef{}, err
	}
	return bucketRef{id: rec.ID, gen: rec.Generation}, nil
}

// inBucket calls fn until the tablet takes the generation, in one bucket.
func (r *request) inBucket(ctx context.Context, ref bucketRef, fn func(bucketRef) (*tablet.BucketRow, bool, error)) error {
	for range maxBucketTries {
		row, refused, err := fn(ref)
		if err != nil || !refused {
			return err
		}
		next, err := r.reconcile(ctx, ref, row)
		if err != nil {
			return err
		}
		if next.id != ref.id {
			// The bucket was deleted and made again. What was written belongs to the
			// old one; the client's next try finds the new one in the cache.
			return r.fail(objects.KindUnavailable, "", fmt.Errorf("bucket %s is gone, and %s has its name", ref.id, next.id))
		}
		ref = next
	}
	return r.fail(objects.KindUnavailable, "", errBucketChanges)
}

// reconcile reads the record after a tablet refused a generation, and carries
// the record's row to the tablets if they are behind.
func (r *request) reconcile(ctx context.Context, used bucketRef, row *tablet.BucketRow) (bucketRef, error) {
	r.c.buckets.drop(r.bucket)
	rec, err := r.active(ctx)
	if err != nil {
		return used, err
	}
	if rec.ID == used.id && (row == nil || row.Generation < rec.Generation) {
		if _, err := r.cover(ctx, rec.ID, rec.Row()); err != nil {
			return used, err
		}
	}
	return bucketRef{id: rec.ID, gen: rec.Generation}, nil
}

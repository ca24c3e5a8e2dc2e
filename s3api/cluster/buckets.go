package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// maxRanges bounds a walk over the tablets of one bucket.
const maxRanges = 1 << 20

// cover carries a bucket row to every tablet that holds part of the bucket, by
// the ranges that the answers name, whatever the list of tablets was. It stops
// at the first answer that is neither this generation nor, for an open row, a
// newer one, and returns that status.
func (r *request) cover(ctx context.Context, id chain.BucketID, row tablet.BucketRow) (tablet.Status, error) {
	key := ""
	for range maxRanges {
		a, err := r.send(ctx, tablet.Command{Bucket: id, Key: key, Action: &tablet.SetBucket{Row: row}})
		if err != nil {
			return 0, err
		}
		if a.Status != tablet.StatusOK && (a.Status != tablet.NewerBucket || row.Closed) {
			return a.Status, nil
		}
		if !bytes.HasPrefix(a.End, id[:]) {
			return tablet.StatusOK, nil
		}
		key = string(a.End[len(id):])
	}
	return 0, r.fail(objects.KindInternal, "", fmt.Errorf("bucket %s has no end", id))
}

// set changes the bucket's record by compare-and-set. changed is false, with
// the record as it is now, when another driver was faster.
func (r *request) set(ctx context.Context, old *tablet.Record, next *tablet.Record) (now *tablet.Record, changed bool, err error) {
	a, err := r.send(ctx, tablet.Command{Key: recordName(r.bucket), Action: &tablet.SetRecord{Old: old.Version(), New: next}})
	if err != nil {
		return nil, false, err
	}
	switch a.Status {
	case tablet.StatusOK:
		return a.Record, true, nil
	case tablet.CompareFailed:
		return a.Record, false, nil
	}
	return nil, false, r.status(a.Status, objects.Condition{})
}

// next is the record in another state and generation.
func next(rec *tablet.Record, state tablet.RecordState) *tablet.Record {
	n := *rec
	n.State, n.Generation = state, rec.Generation+1
	return &n
}

// CreateBucket implements objects.Backend.
func (c *Cluster) CreateBucket(ctx context.Context, b objects.Bucket) (objects.Bucket, error) {
	r := c.request("create bucket", b.Name, "")
	id, err := c.newID()
	if err != nil {
		return b, r.fail(objects.KindInternal, "", err)
	}
	rec := &tablet.Record{ID: id, State: tablet.RecordActive, Generation: 1, Owner: b.Owner, Region: b.Region}
	if !b.Created.IsZero() {
		rec.Created = b.Created.UnixMilli()
	}
	for range maxBucketTries {
		now, changed, err := r.set(ctx, nil, rec)
		switch {
		case err != nil:
			return b, err
		case changed:
			return r.opened(ctx, now)
		case now == nil:
			continue
		case now.State == tablet.RecordActive:
			return bucketOf(b.Name, now), r.fail(objects.KindBucketExists, "", nil)
		}
		if _, err := r.finishDelete(ctx, now); err != nil {
			return b, err
		}
	}
	return b, r.fail(objects.KindUnavailable, "", errBucketChanges)
}

// opened carries a new bucket's row to its tablets. Until that is done whoever
// meets the bucket does the same, so a failure here leaves no half bucket; but
// the name is taken, which the client cannot know.
func (r *request) opened(ctx context.Context, rec *tablet.Record) (objects.Bucket, error) {
	b := bucketOf(r.bucket, rec)
	status, err := r.cover(ctx, rec.ID, rec.Row())
	if err != nil {
		return b, r.fail(objects.KindUnknown, "", err)
	}
	if status != tablet.StatusOK {
		return b, r.status(status, objects.Condition{})
	}
	r.c.buckets.set(r.bucket, rec)
	return b, nil
}

func bucketOf(name string, r *tablet.Record) objects.Bucket {
	return objects.Bucket{Name: name, Owner: r.Owner, Region: r.Region, Created: time.UnixMilli(r.Created).UTC()}
}

// Bucket implements objects.Backend. It always reads the record.
func (c *Cluster) Bucket(ctx context.Context, name string) (objects.Bucket, error) {
	rec, err := c.request("bucket", name, "").active(ctx)
	if err != nil {
		return objects.Bucket{}, err
	}
	return bucketOf(name, rec), nil
}

// deletion is how an attempt to delete a bucket ended.
type deletion uint8

const (
	deleted    deletion = 1 // by this driver
	gone       deletion = 2 // by another one
	notEmpty   deletion = 3 // and opened again by this driver
	superseded deletion = 4 // another driver changed the record
)

// finishDelete drives a record that is DELETING to its end: closed in every
// tablet and then gone, or, if one holds something, active and open again.
// Whoever loses a compare-and-set, or meets a newer generation, stops.
func (r *request) finishDelete(ctx context.Context, rec *tablet.Record) (deletion, error) {
	r.c.buckets.drop(r.bucket)
	status, err := r.cover(ctx, rec.ID, rec.Row())
	if err != nil {
		return 0, err
	}
	switch status {
	case tablet.StatusOK:
		_, changed, err := r.set(ctx, rec, nil)
		if err != nil || changed {
			return deleted, err
		}
		return r.lost(ctx, rec)
	case tablet.NotEmpty:
		now, changed, err := r.set(ctx, rec, next(rec, tablet.RecordActive))
		if err != nil || !changed {
			return superseded, err
		}
		_, err = r.cover(ctx, now.ID, now.Row())
		return notEmpty, err
	case tablet.NewerBucket:
		return superseded, nil
	}
	return 0, r.status(status, objects.Condition{})
}

// lost says what another driver made of the record.
func (r *request) lost(ctx context.Context, rec *tablet.Record) (deletion, error) {
	now, err := r.record(ctx)
	if err == nil && (now == nil || now.ID != rec.ID) {
		return gone, nil
	}
	return superseded, err
}

// DeleteBucket implements objects.Backend. It finishes a deletion that another
// driver began, and both are then told success: each asked for what has happened.
func (c *Cluster) DeleteBucket(ctx context.Context, name string) error {
	r := c.request("delete bucket", name, "")
	for range maxBucketTries {
		rec, err := r.record(ctx)
		if err != nil {
			return err
		}
		if rec == nil {
			c.buckets.drop(name)
			return r.fail(objects.KindNoSuchBucket, "", nil)
		}
		began := false
		if rec.State == tablet.RecordActive {
			c.buckets.drop(name)
			if rec, began, err = r.set(ctx, rec, next(rec, tablet.RecordDeleting)); err != nil {
				return err
			}
			if !began {
				continue // somebody was faster: look again
			}
		}
		how, err := r.finishDelete(ctx, rec)
		switch {
		case err != nil:
			return r.half(err)
		case how == deleted, how == gone && began:
			return nil
		case how == gone:
			return r.fail(objects.KindNoSuchBucket, "", nil)
		case how == notEmpty:
			return r.fail(objects.KindBucketNotEmpty, "", nil)
		}
	}
	return r.fail(objects.KindConflict, "", errBucketChanges)
}

// half marks an error in the middle of a deletion: whoever meets the bucket
// next finishes it, so its outcome is not known.
func (r *request) half(err error) error {
	var e *objects.Error
	if errors.As(err, &e) && e.Kind == objects.KindUnavailable {
		return r.fail(objects.KindUnknown, "", err)
	}
	return err
}

// ListBuckets implements objects.Backend.
func (c *Cluster) ListBuckets(ctx context.Context, l objects.ListBuckets) (objects.BucketPage, error) {
	r := c.request("list buckets", "", "")
	var page objects.BucketPage
	after := l.After
	for {
		res, err := r.read(ctx, tablet.Query{Key: recordName(l.Prefix), Ask: tablet.AskRecords{
			Owner: l.Owner, Prefix: l.Prefix, After: after, Max: l.Max + 1 - len(page.Buckets),
		}})
		if err != nil {
			return page, err
		}
		if res.Status != tablet.StatusOK {
			return page, r.status(res.Status, objects.Condition{})
		}
		for i := range res.Records.Records {
			rec := &res.Records.Records[i]
			page.Buckets = append(page.Buckets, bucketOf(rec.Name, &rec.Record))
		}
		if n := len(page.Buckets); n > l.Max {
			page.Buckets = page.Buckets[:l.Max]
			page.Next = page.Buckets[l.Max-1].Name
			return page, nil
		}
		if !res.Records.More {
			return page, nil
		}
		after = res.Records.Next
	}
}

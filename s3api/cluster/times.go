package cluster

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// maxStampAge is how far the learned time may be behind the clock before an
// empty entry is ordered: stamps of an idle tablet would be old at birth.
const maxStampAge = time.Hour

// times has, for each tablet heard of, the newest time that one of its
// committed entries had. It is kept by the range that the tablet spoke for: a
// time learned from one child of a split is never used for the other.
type times struct {
	mu     sync.Mutex
	ranges []learned // by start, without overlap
	// calls are the empty entries being ordered; several wait for the same one.
	calls map[string]*timeCall
}

type learned struct {
	tablet     chain.TabletID
	generation uint64
	start, end []byte
	time       int64
}

type timeCall struct {
	done chan struct{}
	time int64
	err  error
}

func (l *learned) contains(owner []byte) bool {
	return bytes.Compare(owner, l.start) >= 0 && (len(l.end) == 0 || bytes.Compare(owner, l.end) < 0)
}

func (l *learned) overlaps(s *tablet.Speaker) bool {
	return (len(s.End) == 0 || bytes.Compare(l.start, s.End) < 0) && (len(l.end) == 0 || bytes.Compare(s.Start, l.end) < 0)
}

// find gives the index of the range that contains owner, or -1.
func (t *times) find(owner []byte) int {
	i := sort.Search(len(t.ranges), func(i int) bool { return bytes.Compare(t.ranges[i].start, owner) > 0 }) - 1
	if i >= 0 && t.ranges[i].contains(owner) {
		return i
	}
	return -1
}

// lookup gives the newest time known of the tablet that owns the key; 0 for none.
func (t *times) lookup(owner []byte) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(owner); i >= 0 {
		return t.ranges[i].time
	}
	return 0
}

// learn notes what a tablet said of itself.
func (t *times) learn(s tablet.Speaker) {
	if s.Time == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.find(s.Start); i >= 0 {
		l := &t.ranges[i]
		if l.tablet == s.Tablet && l.generation == s.Generation {
			l.time = max(l.time, s.Time)
			return
		}
		if l.tablet == s.Tablet && l.generation > s.Generation {
			return // a late answer from before a split
		}
	}
	// Another range: what overlaps is of older generations.
	t.ranges = slices.DeleteFunc(t.ranges, func(l learned) bool { return l.overlaps(&s) })
	i := sort.Search(len(t.ranges), func(i int) bool { return bytes.Compare(t.ranges[i].start, s.Start) > 0 })
	t.ranges = slices.Insert(t.ranges, i, learned{s.Tablet, s.Generation, s.Start, s.End, s.Time})
}

// stamp gives the tablet time with which chunks of the key are to be stamped.
func (r *request) stamp(ctx context.Context, bucket chain.BucketID) (int64, error) {
	owner := chain.OwnerKey(bucket, r.key)
	t := &r.c.times
	if l := t.lookup(owner); r.fresh(l, maxStampAge) {
		return l, nil
	}
	t.mu.Lock()
	place := string(bucket[:])
	if i := t.find(owner); i >= 0 {
		place = string(t.ranges[i].start)
	}
	call := t.calls[place]
	if call == nil {
		call = &timeCall{done: make(chan struct{})}
		if t.calls == nil {
			t.calls = map[string]*timeCall{}
		}
		t.calls[place] = call
		t.mu.Unlock()
		call.time, call.err = r.freshen(ctx, bucket)
		t.mu.Lock()
		delete(t.calls, place)
		t.mu.Unlock()
		close(call.done)
		return call.time, call.err
	}
	t.mu.Unlock()
	select {
	case <-call.done:
		// The call may have been for another range of a split tablet, or its
		// caller went away: then this one does it.
		if l := t.lookup(owner); r.fresh(l, maxStampAge) {
			return l, nil
		}
		return r.freshen(ctx, bucket)
	case <-ctx.Done():
		return 0, r.chainError(ctx.Err(), false)
	}
}

func (r *request) fresh(l int64, age time.Duration) bool {
	return l > 0 && r.c.cfg.Now().UnixMilli()-l <= age.Milliseconds()
}

// freshen asks the tablet for its time, and makes it order an empty entry if
// that is old.
func (r *request) freshen(ctx context.Context, bucket chain.BucketID) (int64, error) {
	res, err := r.read(ctx, tablet.Query{Bucket: bucket, Key: r.key, Ask: tablet.AskTime{}})
	if err != nil {
		return 0, err
	}
	if r.fresh(res.Time, maxStampAge) {
		return res.Time, nil
	}
	a, err := r.send(ctx, tablet.Command{Bucket: bucket, Key: r.key, Action: &tablet.Empty{}})
	if err != nil {
		return 0, err
	}
	if a.Status != tablet.StatusOK || a.Time == 0 {
		return 0, r.fail(objects.KindUnavailable, "", errNoTime)
	}
	return a.Time, nil
}

package tablet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	. "catena/chain/tablet"
)

func setBucket(gen uint64, closed bool) *SetBucket {
	return &SetBucket{Row: BucketRow{Generation: gen, Closed: closed}}
}

func TestGenerations(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("", setBucket(3, false)))
	// An older generation is refused with the new row, for reads as well.
	a, v := w.propose(w.cmd("k", inline(1, "a")))
	require.Equal(t, RefusedBucket, a.Status)
	require.Nil(t, v.Entry)
	require.EqualValues(t, 3, a.Bucket.Generation)
	r := w.ask("k", AskObject{})
	require.Equal(t, RefusedBucket, r.Status)
	require.EqualValues(t, 3, r.Bucket.Generation)
	// A tablet that is behind is refused too: the caller carries the row.
	c := w.cmd("k", inline(1, "a"))
	c.BucketGen = 4
	require.Equal(t, RefusedBucket, w.do(c).Status)
	// A closed row refuses its own generation too.
	w.mustOK(w.cmd("", setBucket(4, true)))
	require.Equal(t, RefusedBucket, w.do(c).Status)
	q := Query{Tablet: 7, Generation: 3, Bucket: bucket, BucketGen: 4, Key: "k", Ask: AskObject{}}
	r, err := w.Query(q)
	require.NoError(t, err)
	require.Equal(t, RefusedBucket, r.Status)
	// No row means refused.
	c.Bucket = chain.BucketID{1}
	a = w.do(c)
	require.Equal(t, RefusedBucket, a.Status)
	require.Nil(t, a.Bucket)

	require.Equal(t, NewerBucket, w.do(w.cmd("", setBucket(2, true))).Status)
	before := w.Applied.Seq
	w.mustOK(w.cmd("", setBucket(4, true)))
	require.Equal(t, before, w.Applied.Seq, "this generation is there already")
}

func TestRefusalRestsOnAPendingBucketRow(t *testing.T) {
	w := newWorld(t)
	_, v := w.propose(w.cmd("", setBucket(2, false)))
	a, v2 := w.propose(w.cmd("k", inline(1, "a")))
	require.Equal(t, RefusedBucket, a.Status)
	require.Equal(t, v.Entry.Seq, v2.RestsOn)
}

func TestCloseTakesOnlyAnEmptyRange(t *testing.T) {
	for name, fill := range map[string]func(*world){
		"object": func(w *world) { w.mustOK(w.cmd("k", inline(1, "a"))) },
		"upload": func(w *world) { w.upload("k", 1) },
	} {
		w := newWorld(t)
		fill(w)
		require.Equal(t, NotEmpty, w.do(w.cmd("", setBucket(2, true))).Status, name)
		w.mustOK(w.cmd("k", &DeleteObject{}))
		if name == "upload" {
			w.mustOK(w.cmd("k", &Abort{Upload: id(1)}))
		}
		w.mustOK(w.cmd("", setBucket(2, true)))
		require.Equal(t, RefusedBucket, w.do(w.cmd("k", inline(2, "b"))).Status, name)
	}
}

func TestCloseSeesPendingEntries(t *testing.T) {
	w := newWorld(t)
	_, put := w.propose(w.cmd("k", inline(1, "a")))
	a, v := w.propose(w.cmd("", setBucket(2, true)))
	require.Equal(t, NotEmpty, a.Status)
	require.Equal(t, put.Entry.Seq, v.RestsOn)
	require.NoError(t, w.Commit(w.Last()))
	a, v = w.propose(w.cmd("", setBucket(2, true)))
	require.Equal(t, NotEmpty, a.Status)
	require.Zero(t, v.RestsOn)
	w.propose(w.cmd("k", &DeleteObject{}))
	a, v = w.propose(w.cmd("", setBucket(2, true)))
	require.Equal(t, StatusOK, a.Status, "the delete is pending, and so is the close behind it")
	require.NotNil(t, v.Entry)
}

func TestClosedBucketIsStillSweptByWorkers(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("k", chunked(1, 2)))
	w.mustOK(w.cmd("k", &DeleteObject{}))
	w.mustOK(w.cmd("", setBucket(2, true)))
	require.Len(t, w.drain(), 2)
}

func record(bucketID chain.BucketID, state RecordState, gen uint64) *Record {
	return &Record{ID: bucketID, State: state, Generation: gen, Owner: "o"}
}

func TestRecordIsComparedAndSet(t *testing.T) {
	w := newWorld(t)
	a := w.mustOK(w.cmd("bucket/b", &SetRecord{New: record(bucket, RecordActive, 1)}))
	require.Equal(t, t0, a.Record.Created)
	a = w.do(w.cmd("bucket/b", &SetRecord{New: record(id(2), RecordActive, 1)}))
	require.Equal(t, CompareFailed, a.Status)
	require.Equal(t, bucket, a.Record.ID)
	for name, old := range map[string]RecordVersion{
		"generation": {ID: bucket, State: RecordActive, Generation: 2},
		"state":      {ID: bucket, State: RecordDeleting, Generation: 1},
		"bucket":     {ID: id(2), State: RecordActive, Generation: 1},
	} {
		require.Equal(t, CompareFailed, w.do(w.cmd("bucket/b", &SetRecord{Old: old, New: record(bucket, RecordDeleting, 3)})).Status, name)
	}
	w.mustOK(w.cmd("bucket/b", &SetRecord{Old: a.Record.Version(), New: record(bucket, RecordDeleting, 2)}))
	w.mustOK(w.cmd("bucket/b", &SetRecord{Old: RecordVersion{ID: bucket, State: RecordDeleting, Generation: 2}}))
	a = w.do(w.cmd("bucket/b", &SetRecord{Old: RecordVersion{ID: bucket, State: RecordDeleting, Generation: 2}}))
	require.Equal(t, CompareFailed, a.Status)
	require.Nil(t, a.Record)
}

func TestRecordsArePaged(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"aa", "ab", "b", "c"} {
		r := record(id(len(name)), RecordActive, 1)
		if name == "ab" {
			r.Owner = "other"
		}
		w.mustOK(w.cmd("bucket/"+name, &SetRecord{New: r}))
	}
	ask := func(a AskRecords) (names []string, next string) {
		r, err := w.Query(Query{Tablet: 7, Generation: 3, Ask: a})
		require.NoError(t, err)
		for _, rec := range r.Records.Records {
			names = append(names, rec.Name)
		}
		return names, r.Records.Next
	}
	names, next := ask(AskRecords{Max: 2})
	require.Equal(t, []string{"aa", "ab"}, names)
	names, next = ask(AskRecords{Max: 2, After: next})
	require.Equal(t, []string{"b", "c"}, names)
	require.Empty(t, next)
	names, _ = ask(AskRecords{Max: 9, Prefix: "a", Owner: "o"})
	require.Equal(t, []string{"aa"}, names)
}

// split divides a world at "m".
func (w *world) split() (l, r *world) {
	w.t.Helper()
	left, right, err := w.Split(chain.OwnerKey(bucket, "m"), w.Tablet.ID+1)
	require.NoError(w.t, err)
	return &world{t: w.t, Replica: left, ops: 1000}, &world{t: w.t, Replica: right, ops: 2000}
}

// cover drives a bucket row through tablets until what was answered covers the
// bucket, as a gateway does: by the ranges that the answers name.
func cover(t *testing.T, tablets []*world, a *SetBucket) Status {
	t.Helper()
	for key := ""; ; {
		var w *world
		for _, c := range tablets {
			if c.Tablet.Contains(chain.OwnerKey(bucket, key)) {
				w = c
			}
		}
		ans := w.do(w.cmd(key, a))
		if ans.Status != StatusOK {
			return ans.Status
		}
		if len(ans.End) == 0 || string(ans.End[:16]) != string(bucket[:]) {
			return StatusOK
		}
		key = string(ans.End[16:])
	}
}

func TestB1SplitDuringPutBucket(t *testing.T) {
	w := newWorld(t)
	l, r := w.split()
	// The caller's list of tablets is {w}; the answer of l names only l's range.
	require.Equal(t, StatusOK, cover(t, []*world{l, r}, setBucket(2, false)))
	for _, half := range []*world{l, r} {
		key := "a"
		if half == r {
			key = "z"
		}
		require.Equal(t, RefusedBucket, half.do(half.cmd(key, inline(1, "x"))).Status, "generation 1 is gone everywhere")
	}
}

func TestB2SplitDuringDeleteBucket(t *testing.T) {
	w := newWorld(t)
	l, r := w.split()
	require.Equal(t, StatusOK, cover(t, []*world{l, r}, setBucket(2, true)))
	require.Equal(t, RefusedBucket, r.do(r.cmd("z", inline(1, "x"))).Status)
}

func TestB3TwoDrivers(t *testing.T) {
	w := newWorld(t)
	l, r := w.split()
	r.mustOK(r.cmd("z", inline(1, "x")))
	require.Equal(t, StatusOK, l.do(l.cmd("", setBucket(2, true))).Status) // D0
	require.Equal(t, NotEmpty, r.do(r.cmd("m", setBucket(2, true))).Status)
	require.Equal(t, StatusOK, cover(t, []*world{l, r}, setBucket(3, false))) // D1 opens again
	r3 := r.cmd("z", &DeleteObject{})
	r3.BucketGen = 3
	r.mustOK(r3)
	require.Equal(t, NewerBucket, r.do(r.cmd("m", setBucket(2, true))).Status, "D0 goes on, and stops here")
}

func TestB4LateClose(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("", setBucket(3, false)))
	require.Equal(t, NewerBucket, w.do(w.cmd("", setBucket(2, true))).Status)
	c := w.cmd("k", inline(1, "a"))
	c.BucketGen = 3
	w.mustOK(c)
}

func TestSplitCopiesClosedRows(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("", setBucket(2, true)))
	l, r := w.split()
	for key, half := range map[string]*world{"a": l, "z": r} {
		a := half.do(half.cmd(key, inline(1, "x")))
		require.Equal(t, RefusedBucket, a.Status)
		require.True(t, a.Bucket.Closed)
	}
}

func TestTouches(t *testing.T) {
	w := newWorld(t)
	w.propose(w.cmd("k", inline(1, "a")))
	q := func(key string, a Ask) *Query { return &Query{Bucket: bucket, Key: key, Ask: a} }
	require.True(t, w.Machine.Touches(q("k", AskObject{})))
	require.False(t, w.Machine.Touches(q("l", AskObject{})))
	require.True(t, w.Machine.Touches(q("", AskList{})))
	require.False(t, w.Machine.Touches(q("", AskTime{})))
	require.False(t, w.Machine.Touches(q("", AskBucket{})))
	require.NoError(t, w.Commit(w.Last()))
	require.False(t, w.Machine.Touches(q("k", AskObject{})))
	w.propose(w.cmd("", setBucket(2, false)))
	require.True(t, w.Machine.Touches(q("l", AskObject{})))
}

package tablet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	. "catena/chain/tablet"
)

func TestInlineObjectHasItsBodyInABodyRow(t *testing.T) {
	w := newWorld(t)
	a := w.mustOK(w.cmd("k", inline(1, "hello")))
	require.False(t, a.Existed)
	require.Equal(t, t0, a.Modified)
	require.Equal(t, NullVersion, a.VersionID)
	got, ok := w.body("k")
	require.True(t, ok)
	require.Equal(t, "hello", got)

	b := w.mustOK(w.cmd("k", inline(2, "world")))
	require.True(t, b.Existed)
	require.Greater(t, b.Rev, a.Rev)
	require.Equal(t, 1, w.rows(kindBody), "the old body goes with its layout")
	got, _ = w.body("k")
	require.Equal(t, "world", got)

	d := w.mustOK(w.cmd("k", &DeleteObject{}))
	require.True(t, d.Existed)
	require.Zero(t, w.rows(kindBody)+w.rows(kindCurrent)+w.rows(kindRelease))
	d = w.mustOK(w.cmd("k", &DeleteObject{}))
	require.False(t, d.Existed)
}

func TestEmptyObjectHasNoBody(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("k", inline(1, "")))
	got, ok := w.body("k")
	require.True(t, ok)
	require.Empty(t, got)
	require.Zero(t, w.rows(kindBody))
}

func TestKeysWithZeroBytesAreApart(t *testing.T) {
	w := newWorld(t)
	keys := []string{"a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00\xff", "a\x01", "b"}
	for i, k := range keys {
		w.mustOK(w.cmd(k, inline(i+1, "body of "+k)))
	}
	for _, k := range keys {
		got, ok := w.body(k)
		require.True(t, ok)
		require.Equal(t, "body of "+k, got)
	}
	for i, it := range w.ask("", AskList{Max: 1000}).List.Items {
		require.Equal(t, keys[i], it.Key)
	}
}

func TestConditions(t *testing.T) {
	size, other := int64(5), int64(6)
	sec, otherSec := t0+999, t0+1000
	for _, c := range []struct {
		name          string
		cond          Condition
		exists, empty Status
	}{
		{"none", Condition{}, StatusOK, StatusOK},
		{"if-match", Condition{IfMatch: etag(1)}, StatusOK, NotFound},
		{"if-match other", Condition{IfMatch: etag(2)}, PreconditionFailed, NotFound},
		{"if-match any", Condition{IfMatch: "*"}, StatusOK, NotFound},
		{"if-none-match", Condition{IfAbsent: true}, PreconditionFailed, StatusOK},
		{"if-none-match same", Condition{IfNotETag: etag(1)}, PreconditionFailed, StatusOK},
		{"if-none-match other", Condition{IfNotETag: etag(2)}, StatusOK, StatusOK},
		{"size", Condition{IfSize: &size}, StatusOK, NotFound},
		{"other size", Condition{IfSize: &other}, PreconditionFailed, NotFound},
		{"same second", Condition{IfModified: &sec}, StatusOK, NotFound},
		{"other second", Condition{IfModified: &otherSec}, PreconditionFailed, NotFound},
		{"other rev", Condition{IfRev: 99}, PreconditionFailed, NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustOK(w.cmd("k", inline(1, "hello")))
			put := inline(2, "new")
			put.If = c.cond
			require.Equal(t, c.exists, w.do(w.cmd("k", put)).Status)
			require.Equal(t, c.empty, w.do(w.cmd("none", put)).Status)

			w.mustOK(w.cmd("d", inline(1, "hello")))
			require.Equal(t, c.exists, w.do(w.cmd("d", &DeleteObject{If: c.cond})).Status)
			require.Equal(t, c.empty, w.do(w.cmd("gone", &DeleteObject{If: c.cond})).Status)
		})
	}
}

func TestConditionSeesPendingEntries(t *testing.T) {
	w := newWorld(t)
	_, first := w.propose(w.cmd("k", inline(1, "a")))
	put := inline(2, "b")
	put.If.IfAbsent = true
	a, v := w.propose(w.cmd("k", put))
	require.Equal(t, PreconditionFailed, a.Status)
	require.Nil(t, v.Entry)
	require.Equal(t, first.Entry.Seq, v.RestsOn, "the answer waits for the entry that it rests on")

	// A pending delete makes room, and that answer is an entry of its own.
	w.propose(w.cmd("k", &DeleteObject{}))
	a, v = w.propose(w.cmd("k", put))
	require.Equal(t, StatusOK, a.Status)
	require.NotNil(t, v.Entry)

	// Nothing pending touches another key: the answer rests on nothing.
	a, v = w.propose(w.cmd("z", &DeleteObject{}))
	require.Equal(t, StatusOK, a.Status)
	require.Nil(t, v.Entry)
	require.Zero(t, v.RestsOn)
}

func TestDeleteMany(t *testing.T) {
	w := newWorld(t)
	w.Tablet.End = chain.OwnerKey(bucket, "m")
	require.NoError(t, w.Restart())
	w.mustOK(w.cmd("a", inline(1, "1")))
	w.mustOK(w.cmd("b", chunked(2, 3)))
	a := w.mustOK(w.cmd("a", &DeleteMany{Keys: []DeleteKey{
		{Key: "a"}, {Key: "b"}, {Key: "a"}, {Key: "c"}, {Key: "z"}, {Key: "b", If: Condition{IfMatch: "*"}},
	}}))
	require.Equal(t, []KeyAnswer{
		{StatusOK, true}, {StatusOK, true}, {StatusOK, false}, {StatusOK, false}, {RefusedTablet, false}, {NotFound, false},
	}, a.Keys)
	require.Zero(t, w.rows(kindCurrent)+w.rows(kindBody))
	require.Equal(t, 1, w.rows(kindRelease))
}

func TestDroppedChunksGoThroughReleaseRows(t *testing.T) {
	for _, n := range []int{1, 16, 17, 640} {
		w := newWorld(t)
		w.mustOK(w.cmd("k", chunked(1, n)))
		r := w.ask("k", AskObject{Bytes: true})
		require.Len(t, r.Object.Extents, n)
		w.mustOK(w.cmd("k", chunked(2, 1)))
		require.Len(t, w.drain(), n)
		require.Zero(t, w.rows(kindRelease)+w.rows(kindManifest), "%d chunks", n)
		w.mustOK(w.cmd("k", &DeleteObject{}))
		require.Equal(t, []chain.ChunkID{{Blob: id(2)}}, w.drain())
	}
}

func TestReleaseWaitsForItsTime(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("k", chunked(1, 1)))
	w.WallMs += 1000
	w.mustOK(w.cmd("k", &DeleteObject{}))
	dropped := w.Applied.Time
	r := w.ask("", AskReleases{Before: dropped - 1, Max: 10})
	require.Empty(t, r.Releases.Items)
	require.Equal(t, dropped, r.Releases.Earliest)
	r = w.ask("", AskReleases{Before: dropped, Max: 10})
	require.Len(t, r.Releases.Items, 1)
	require.Equal(t, dropped, r.Releases.Items[0].Release.Time)
}

func TestDeltas(t *testing.T) {
	w := newWorld(t)
	objects, bytes := int64(0), int64(0)
	for i, c := range []struct {
		key            string
		a              Action
		objects, bytes int64
	}{
		{"k", inline(1, "hello"), 1, 5}, {"k", inline(2, "hi"), 1, 2}, {"l", chunked(3, 2), 2, 2 + 2<<20},
		{"k", &DeleteObject{}, 1, 2 << 20}, {"l", &DeleteMany{Keys: []DeleteKey{{Key: "l"}, {Key: "k"}}}, 0, 0},
	} {
		_, v := w.propose(w.cmd(c.key, c.a))
		rows, err := DecodeRows(v.Entry.Body)
		require.NoError(t, err)
		objects, bytes = objects+rows.Objects, bytes+rows.Bytes
		require.Equal(t, c.objects, objects, "step %d", i)
		require.Equal(t, c.bytes, bytes, "step %d", i)
	}
}

func TestMalformedCommandsAreRefused(t *testing.T) {
	long := make([]byte, MaxKey+1)
	bad := func(f func(*PutObject)) *PutObject { p := inline(1, "hello"); f(p); return p }
	for name, c := range map[string]struct {
		key string
		a   Action
	}{
		"no key":          {"", inline(1, "a")},
		"long key":        {string(long), inline(1, "a")},
		"size":            {"k", bad(func(p *PutObject) { p.Object.Size = 4 })},
		"no blob":         {"k", bad(func(p *PutObject) { p.Object.Layout.Blob = chain.BlobID{} })},
		"too long inline": {"k", inline(1, string(make([]byte, MaxInline+1)))},
		"extents":         {"k", bad(func(p *PutObject) { p.Object.Layout.Extents = extents(1, 1, 5) })},
		"no extents":      {"k", &PutObject{Object: Object{Layout: Layout{Kind: LayoutExtents}}}},
		"upload layout":   {"k", &PutObject{Object: Object{Layout: Layout{Kind: LayoutUpload, Upload: id(1)}}}},
		"part 0":          {"k", part(1, 0, 1, 1)},
		"part 10001":      {"k", part(1, 10001, 1, 1)},
		"no parts":        {"k", complete(1, 0)},
		"part order":      {"k", complete(1, 0, 2, 1, 1, 1)},
		"metadata":        {"k", bad(func(p *PutObject) { p.Object.Meta.User = make([]Pair, 2000) })},
		"release row":     {"k", &ReleaseDone{Release: []byte("xx")}},
		"old generation":  {"bucket/x", &SetRecord{Old: RecordVersion{ID: id(1), State: 1, Generation: 4}, New: &Record{ID: id(1), State: 1, Generation: 4}}},
		"no system key":   {"k", &SetRecord{New: &Record{ID: id(1), State: 1, Generation: 4}}},
		"nothing":         {"k", nil},
	} {
		w := newWorld(t)
		a, v := w.propose(w.cmd(c.key, c.a))
		require.Equal(t, RefusedInvalid, a.Status, name)
		require.NotEmpty(t, a.Detail, name)
		require.Nil(t, v.Entry, name)
	}
	w := newWorld(t)
	c := w.cmd("k", chunked(1, 1))
	c.Stamp = 0
	a, _ := w.propose(c)
	require.Equal(t, RefusedInvalid, a.Status, "chunks without a stamp")
}

func TestStoreErrorIsAnError(t *testing.T) {
	w := newWorld(t)
	w.Rows.Fail = func() error { return &FormatError{What: "disk"} }
	c := w.cmd("k", inline(1, "a"))
	_, err := w.Propose(c)
	require.Error(t, err)
	_, err = w.Query(Query{Tablet: 7, Generation: 3, Bucket: bucket, BucketGen: 1, Key: "k", Ask: AskObject{}})
	require.Error(t, err)
}

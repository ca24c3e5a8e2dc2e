package tablet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	. "catena/chain/tablet"
)

func TestCompleteMakesOneRowAndReleasesTheRest(t *testing.T) {
	w := newWorld(t)
	w.mustOK(w.cmd("k", inline(9, "old")))
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 6)))
	w.mustOK(w.cmd("k", part(1, 2, 12, 20))) // its extents are in a manifest row
	w.mustOK(w.cmd("k", part(1, 3, 13, 2)))
	w.mustOK(w.cmd("k", part(1, 7, 17, 0))) // inline
	a := w.mustOK(w.cmd("k", complete(1, 26<<20+5, 1, 11, 2, 12, 7, 17)))
	require.True(t, a.Existed)
	require.Zero(t, w.rows(kindUpload))
	require.Equal(t, 1, w.rows(kindRelease), "part 3 was not listed")

	r := w.ask("k", AskObject{Bytes: true})
	require.EqualValues(t, 3, r.Object.Object.Parts)
	require.Equal(t, []PartSize{{Number: 1, Size: 6 << 20}, {Number: 2, Size: 20 << 20}, {Number: 7, Size: 5}}, r.Object.Parts)
	require.Len(t, r.Object.Resolved, 3)
	require.Len(t, r.Object.Resolved[1].Extents, 20)
	require.Equal(t, "bytes", string(r.Object.Resolved[2].Bytes))

	require.ElementsMatch(t, []chain.ChunkID{{Blob: id(13)}, {Blob: id(13), Ordinal: 1}}, w.drain())
	require.Equal(t, 3, w.rows(kindPart))
	require.Len(t, w.ask("k", AskObject{Bytes: true}).Object.Resolved, 3, "listed parts stay")

	w.mustOK(w.cmd("k", &DeleteObject{}))
	require.Len(t, w.drain(), 26)
	require.Zero(t, w.rows(kindPart)+w.rows(kindManifest)+w.rows(kindBody)+w.rows(kindRelease)+w.rows(kindCurrent))
}

func TestCompleteIsRefusedWhen(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 6)))
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", complete(2, 6<<20, 1, 11))).Status)
	a := w.do(w.cmd("k", complete(1, 6<<20, 1, 12)))
	require.Equal(t, PartChanged, a.Status)
	require.EqualValues(t, 1, a.Part)
	a = w.do(w.cmd("k", complete(1, 6<<20, 1, 11, 2, 12)))
	require.Equal(t, PartChanged, a.Status)
	require.EqualValues(t, 2, a.Part)
	require.Equal(t, SizeDiffers, w.do(w.cmd("k", complete(1, 7, 1, 11))).Status)
	c := complete(1, 6<<20, 1, 11)
	c.If.IfMatch = "*"
	require.Equal(t, NotFound, w.do(w.cmd("k", c)).Status)
	require.Equal(t, 1, w.rows(kindUpload), "nothing has happened")
	w.mustOK(w.cmd("k", complete(1, 6<<20, 1, 11)))
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", part(1, 2, 12, 1))).Status, "a part after the completion")
}

func TestCompleteSeesPendingParts(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 6)))
	_, over := w.propose(w.cmd("k", part(1, 1, 21, 7)))
	require.NotNil(t, over.Entry)
	a, v := w.propose(w.cmd("k", complete(1, 6<<20, 1, 11)))
	require.Equal(t, PartChanged, a.Status)
	require.Equal(t, over.Entry.Seq, v.RestsOn)
	a, v = w.propose(w.cmd("k", complete(1, 7<<20, 1, 21)))
	require.Equal(t, StatusOK, a.Status)
	require.NotNil(t, v.Entry)
}

func TestCompleteAgainIsToldTheTruth(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 6)))
	first := w.mustOK(w.cmd("k", complete(1, 6<<20, 1, 11)))
	again := w.mustOK(w.cmd("k", complete(1, 6<<20, 1, 11)))
	require.Equal(t, first.Rev, again.Rev)
	for name, other := range map[string]*Complete{
		"another number": complete(1, 6<<20, 2, 11),
		"one more part":  complete(1, 6<<20, 1, 11, 2, 12),
	} {
		require.Equal(t, NoSuchUpload, w.do(w.cmd("k", other)).Status, name)
	}
	other := complete(1, 6<<20, 1, 11)
	other.Object.ETag = "other-1"
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", other)).Status)
	w.mustOK(w.cmd("k", inline(5, "other")))
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", complete(1, 6<<20, 1, 11))).Status)
}

func TestPartWrittenAgainReleasesTheFirst(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	for i, n := range []int{3, 20, 0, 1} {
		w.mustOK(w.cmd("k", part(1, 1, 11+i, n)))
	}
	require.Len(t, w.drain(), 23)
	require.Equal(t, 1, w.rows(kindPart))
	require.Zero(t, w.rows(kindManifest)+w.rows(kindBody))
}

func TestAbortReleasesEverything(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	w.upload("k", 2)
	for i := range 1200 {
		w.mustOK(w.cmd("k", part(1, i+1, 100+i, i%2)))
	}
	w.mustOK(w.cmd("k", part(2, 1, 50, 1)))
	w.mustOK(w.cmd("k", &Abort{Upload: id(1)}))
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", &Abort{Upload: id(1)})).Status)
	require.Equal(t, NoSuchUpload, w.do(w.cmd("k", part(1, 9, 9999, 1))).Status)

	it := w.ask("", AskReleases{Before: w.Applied.Time, Max: 10}).Releases.Items[0]
	work := w.ask(it.Key, AskRelease{Release: it.Row}).Work
	require.Len(t, work.Parts, MaxDoneParts)
	require.False(t, work.Last)
	// A worker that says it is done too early does not lose the rest.
	require.False(t, w.mustOK(w.cmd("k", &ReleaseDone{Release: it.Row, Last: true})).Existed)

	require.Len(t, w.drain(), 600)
	require.Equal(t, 1, w.rows(kindPart), "the other upload's")
	require.Zero(t, w.rows(kindBody)+w.rows(kindRelease))
	require.Equal(t, 1, w.rows(kindUpload))
}

func TestReleaseDoneDeletesAtMost1000Rows(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	for i := range 600 {
		w.mustOK(w.cmd("k", part(1, i+1, 100+i, 0)))
	}
	w.mustOK(w.cmd("k", &Abort{Upload: id(1)}))
	it := w.ask("", AskReleases{Before: w.Applied.Time, Max: 10}).Releases.Items[0]
	work := w.ask(it.Key, AskRelease{Release: it.Row}).Work
	_, v := w.propose(w.cmd("k", &ReleaseDone{Release: it.Row, Parts: work.Parts, Last: work.Last}))
	rows, err := DecodeRows(v.Entry.Body)
	require.NoError(t, err)
	require.LessOrEqual(t, len(rows.Deletes), 1000)
}

func TestReleaseOfTheRestAfterTheObjectItself(t *testing.T) {
	// Both release rows of an upload are worked off in the wrong order: what the
	// manifest lists may go with the object, and the rest goes in any case.
	w := newWorld(t)
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 1)))
	w.mustOK(w.cmd("k", part(1, 2, 12, 1)))
	w.mustOK(w.cmd("k", complete(1, 1<<20, 1, 11)))
	w.mustOK(w.cmd("k", &DeleteObject{}))
	items := w.ask("", AskReleases{Before: w.Applied.Time, Max: 10}).Releases.Items
	require.Len(t, items, 2)
	for _, it := range []ReleaseItem{items[1], items[0]} {
		work := w.ask(it.Key, AskRelease{Release: it.Row}).Work
		w.mustOK(w.cmd(it.Key, &ReleaseDone{Release: it.Row, Parts: work.Parts, Last: work.Last}))
	}
	require.Zero(t, w.rows(kindPart)+w.rows(kindManifest)+w.rows(kindRelease))
}

func TestWorkersCommandCannotTouchOtherRows(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 11, 1)))
	w.mustOK(w.cmd("k", part(1, 2, 12, 1)))
	w.mustOK(w.cmd("k", complete(1, 1<<20, 1, 11)))
	it := w.ask("", AskReleases{Before: w.Applied.Time, Max: 10}).Releases.Items[0]
	w.mustOK(w.cmd("k", &ReleaseDone{Release: it.Row, Parts: []uint32{1, 2}, Last: true}))
	require.Equal(t, 1, w.rows(kindPart), "the listed part stays")
	require.Len(t, w.ask("k", AskObject{Bytes: true}).Object.Resolved, 1)
	a := w.mustOK(w.cmd("k", &ReleaseDone{Release: it.Row, Parts: []uint32{1}, Last: true}))
	require.False(t, a.Existed, "a release row that is gone does nothing")
	require.Equal(t, 1, w.rows(kindPart))
}

func TestAskUploadPages(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	for _, n := range []int{1, 3, 4, 10000} {
		w.mustOK(w.cmd("k", part(1, n, 100+n, 1)))
	}
	r := w.ask("k", AskUpload{Upload: id(1), After: 1, Max: 2})
	require.True(t, r.More)
	require.Len(t, r.Parts, 2)
	require.EqualValues(t, 3, r.Parts[0].Part.Number)
	r = w.ask("k", AskUpload{Upload: id(1), After: 4, Max: 2})
	require.False(t, r.More)
	require.EqualValues(t, 10000, r.Parts[0].Part.Number)
	require.Equal(t, NoSuchUpload, w.ask("k", AskUpload{Upload: id(2), Max: 2}).Status)
}

func TestManyPartsAreInTheManifest(t *testing.T) {
	w := newWorld(t)
	w.upload("k", 1)
	c := complete(1, 40<<20)
	for i := range 40 {
		w.mustOK(w.cmd("k", part(1, i+1, 100+i, 1)))
		c.Parts = append(c.Parts, NamedPart{Number: uint32(i + 1), Blob: id(100 + i)})
	}
	w.mustOK(w.cmd("k", c))
	r := w.ask("k", AskObject{Bytes: true})
	require.Len(t, r.Object.Parts, 40)
	require.Empty(t, r.Object.Object.PartSizes)
	require.Nil(t, r.Object.Resolved)
	parts := w.ask("k", AskParts{Upload: id(1), Numbers: []uint32{2, 39, 41}}).Parts
	require.Len(t, parts, 2)
	require.EqualValues(t, 39, parts[1].Part.Number)
}

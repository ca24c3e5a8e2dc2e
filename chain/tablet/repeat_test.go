package tablet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	. "catena/chain/tablet"
)

// advance orders an empty entry at a later time.
func (w *world) advance(ms int64) {
	w.t.Helper()
	w.WallMs += ms
	w.mustOK(w.cmd("", &Empty{}))
}

func repeat(c Command) Command { c.Repeat = true; return c }

func TestRepeatIsAnsweredFromTheWindow(t *testing.T) {
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	first := w.mustOK(c)
	w.mustOK(w.cmd("k", inline(2, "b")))
	again := w.mustOK(repeat(c))
	require.Equal(t, first, again)
	got, _ := w.body("k")
	require.Equal(t, "b", got, "the repeat was not executed")

	// The window is rows: a restart, and a follower that becomes head, have it.
	require.NoError(t, w.Restart())
	require.Equal(t, first, w.mustOK(repeat(c)))
}

func TestRepeatOfAPendingCommandWaitsForIt(t *testing.T) {
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	first, v := w.propose(c)
	again, v2 := w.propose(repeat(c))
	require.Nil(t, v2.Entry)
	require.Equal(t, v.Entry.Seq, v2.RestsOn)
	require.Equal(t, first, again)
}

func TestLostPendingCommandIsExecutedByItsRepeat(t *testing.T) {
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	w.propose(c)
	require.NoError(t, w.Lose(w.Applied.Seq))
	a := w.mustOK(repeat(c))
	require.Equal(t, StatusOK, a.Status)
	got, _ := w.body("k")
	require.Equal(t, "a", got)
}

func TestNegativeAnswerToARepeatIsAnEntry(t *testing.T) { // A4
	w := newWorld(t)
	w.mustOK(w.cmd("k", inline(1, "there")))
	put := inline(2, "new")
	put.If.IfAbsent = true
	c := w.cmd("k", put)
	before := w.Applied.Seq
	require.Equal(t, PreconditionFailed, w.do(repeat(c)).Status)
	require.Equal(t, before+1, w.Applied.Seq)
	w.mustOK(w.cmd("k", &DeleteObject{}))
	require.Equal(t, PreconditionFailed, w.do(c).Status, "the late first try has no effect")
	_, ok := w.body("k")
	require.False(t, ok)

	// To a first try it needs none.
	before = w.Applied.Seq
	w.mustOK(w.cmd("k", &DeleteObject{}))
	require.Equal(t, before, w.Applied.Seq)
}

func TestA1LearnedTimeOfALostEntry(t *testing.T) {
	w := newWorld(t)
	start := w.Applied.Time
	// The head's clock jumps; an entry of that time is pending and lost.
	w.WallMs += 2 * MaxLearnedAge
	_, v := w.propose(w.cmd("x", inline(1, "x")))
	jumped := v.Entry.Time
	require.NoError(t, w.Lose(w.Applied.Seq))
	w.WallMs = start
	// A caller that has the lost time is refused, and told the committed one.
	c := w.cmd("k", inline(2, "k"))
	c.Learned = jumped
	a, v := w.propose(c)
	require.Equal(t, RefusedLearned, a.Status)
	require.Nil(t, v.Entry)
	require.Equal(t, start, a.Time)
}

func TestA1RefusalWaitsForTheTimeItTells(t *testing.T) {
	w := newWorld(t)
	w.WallMs += 2 * MaxLearnedAge
	_, first := w.propose(w.cmd("x", inline(1, "x")))
	c := w.cmd("k", inline(2, "k"))
	a, v := w.propose(c)
	require.Equal(t, RefusedLearned, a.Status, "L < T - 60 s, and T is the pending entry's")
	require.Equal(t, first.Entry.Time, a.Time)
	require.Equal(t, first.Entry.Seq, v.RestsOn)
}

func TestA2LearnedFromTheSibling(t *testing.T) {
	w := newWorld(t)
	l, r := w.split()
	l.advance(2 * MaxLearnedAge)
	c := r.cmd("z", inline(1, "z"))
	c.Learned = l.Applied.Time
	require.Equal(t, RefusedLearned, r.do(c).Status)
	require.Equal(t, r.Applied.Time, r.do(c).Time)
	// Routed by the old map it is refused too.
	c = w.cmd("z", inline(1, "z"))
	require.Equal(t, RefusedTablet, r.do(c).Status)
}

func TestA2ChildInheritsTheWindow(t *testing.T) {
	w := newWorld(t)
	c := w.cmd("z", inline(1, "z"))
	first := w.mustOK(c)
	_, r := w.split()
	c.Tablet, c.Generation, c.Repeat = r.Tablet.ID, r.Tablet.Generation, true
	a := r.mustOK(c)
	require.Equal(t, first.Rev, a.Rev)
	require.Greater(t, r.mustOK(r.cmd("z", inline(2, "2"))).Rev, first.Rev, "rev is continued")
}

func TestA3IdleTabletIsNotRefusedForEver(t *testing.T) {
	// The refusal compares with the time of the last entry, not with the clock.
	w := newWorld(t)
	w.WallMs += 10 * MaxLearnedAge
	w.mustOK(w.cmd("k", inline(1, "a")))
}

func TestA3WindowAndRefusalUseTheSameTime(t *testing.T) {
	// Executed, idle, then a repeat at a much later clock: T is still that of the
	// command's own entry, so it is known.
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	first := w.mustOK(c)
	w.WallMs += 10 * Window
	require.Equal(t, first, w.mustOK(repeat(c)))
	// Once another entry has a later time, it is forgotten and refused at once.
	w.mustOK(w.cmd("x", inline(2, "x")))
	require.Equal(t, RefusedLearned, w.do(repeat(c)).Status)
}

func TestA5RepeatWithFreshTimeOutsideTheWindow(t *testing.T) {
	// Only a weaker promise: with a fresh L, outside the window, it is evaluated again.
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	first := w.mustOK(c)
	w.advance(Window + 1)
	c.Learned = w.Applied.Time
	require.Greater(t, w.mustOK(repeat(c)).Rev, first.Rev)
}

func TestA6RefusedRepeatIsUnknown(t *testing.T) {
	for _, c := range []struct {
		name  string
		sent  bool
		a     Answer
		final bool
	}{
		{"refused first try", false, Answer{Status: RefusedLearned}, true},
		{"refused repeat", true, Answer{Status: RefusedLearned}, false},
		{"refused repeat for its stamp", true, Answer{Status: RefusedStamp}, false},
		{"answered repeat", true, Answer{Status: PreconditionFailed}, true},
		{"newer bucket", true, Answer{Status: RefusedBucket, Bucket: &BucketRow{Generation: 2}}, true},
		{"closed bucket", true, Answer{Status: RefusedBucket, Bucket: &BucketRow{Generation: 1, Closed: true}}, true},
		{"tablet behind", true, Answer{Status: RefusedBucket, Bucket: &BucketRow{}}, false},
		{"no row yet", true, Answer{Status: RefusedBucket}, false},
	} {
		tries := Tries{Sent: c.sent}
		require.Equal(t, c.final, tries.Final(Command{BucketGen: 1}, &c.a), c.name)
	}
	var tries Tries
	require.False(t, tries.Next(Command{}).Repeat)
	require.True(t, tries.Failed(&chain.Refusal{Kind: chain.RefusedBusy}))
	require.False(t, tries.Next(Command{}).Repeat, "a refused try does not count")
	require.False(t, tries.Failed(&chain.Refusal{Kind: chain.RefusedUnknown}))
	require.True(t, tries.Next(Command{}).Repeat)
}

func TestWindowForgetsInItsTime(t *testing.T) {
	w := newWorld(t)
	for range 50 {
		w.WallMs += 10
		w.mustOK(w.cmd("k", inline(1, "a")))
	}
	old := w.rows(kindOp)
	for range 40 {
		w.advance(Window)
	}
	require.Less(t, w.rows(kindOp), 4, "of %d", old)

	// Deletions of pending entries come back when those are lost.
	c := w.cmd("k", inline(2, "b"))
	first := w.mustOK(c)
	w.WallMs += Window + 1
	w.propose(w.cmd("x", inline(3, "x")))
	require.NoError(t, w.Lose(w.Applied.Seq))
	require.Equal(t, first, w.mustOK(repeat(c)))
}

func TestTruncateTakesTheWindowBack(t *testing.T) {
	w := newWorld(t)
	c := w.cmd("k", inline(1, "a"))
	first := w.mustOK(c)
	w.WallMs += Window + 1
	lost := w.cmd("k", inline(2, "b"))
	w.propose(lost)
	w.propose(w.cmd("k", inline(3, "c")))
	w.Machine.Truncate(w.Applied.Seq)
	require.Zero(t, w.Machine.Pending())
	_, v := w.propose(repeat(c))
	require.Nil(t, v.Entry, "known again")
	require.Equal(t, first, v.Answer)
	a, v := w.propose(repeat(lost))
	require.Equal(t, StatusOK, a.Status)
	require.NotNil(t, v.Entry, "a lost command is not known")
	require.Equal(t, w.Applied.Rev+1, v.Entry.Rev)
}

func TestTimeNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	w.advance(5000)
	high := w.Applied.Time
	w.WallMs -= 4000
	a := w.mustOK(w.cmd("k", inline(1, "a")))
	require.Equal(t, high, a.Time, "entries repeat the last time")
	require.Equal(t, w.WallMs, a.Modified, "clients see the clock")
}

func TestStamps(t *testing.T) {
	w := newWorld(t)
	stamp := w.Applied.Time
	w.advance(day)
	c := w.cmd("k", chunked(1, 1))
	c.Stamp = stamp
	require.Equal(t, StatusOK, w.do(c).Status, "stamp = T - W")
	w.advance(1)
	c = w.cmd("k", chunked(2, 1))
	c.Stamp = stamp
	before := w.Applied.Seq
	a := w.do(c)
	require.Equal(t, RefusedStamp, a.Status)
	require.Equal(t, w.Applied.Time, a.Time)
	require.Equal(t, before, w.Applied.Seq)

	// T includes pending entries, and the refusal waits for them.
	fresh := w.Applied.Time
	w.WallMs += day + 1
	_, v := w.propose(w.cmd("x", &Empty{}))
	c = w.cmd("k", chunked(3, 1))
	c.Stamp, c.Learned = fresh, v.Entry.Time
	a, v2 := w.propose(c)
	require.Equal(t, RefusedStamp, a.Status)
	require.Equal(t, v.Entry.Seq, v2.RestsOn)
}

func TestReferenced(t *testing.T) {
	w := newWorld(t)
	stamp := w.Applied.Time
	w.mustOK(w.cmd("k", chunked(1, 3)))
	w.mustOK(w.cmd("k", chunked(2, 30))) // manifest; 1 is in a release row
	w.upload("k", 1)
	w.mustOK(w.cmd("k", part(1, 1, 3, 2)))
	w.mustOK(w.cmd("k", part(1, 2, 4, 20)))
	ask := AskReferenced{Stamp: stamp, Chunks: []chain.ChunkID{
		{Blob: id(1), Ordinal: 2}, {Blob: id(2), Ordinal: 29}, {Blob: id(3)}, {Blob: id(4), Ordinal: 19},
		{Blob: id(1), Ordinal: 3}, {Blob: id(5)},
	}}
	require.Equal(t, RefusedTime, w.ask("k", ask).Status)
	w.advance(day)
	require.Equal(t, RefusedTime, w.ask("k", ask).Status, "time > s + W, not >=")
	w.advance(1)
	r := w.ask("k", ask)
	require.Equal(t, StatusOK, r.Status)
	require.Equal(t, []chain.ChunkID{{Blob: id(1), Ordinal: 3}, {Blob: id(5)}}, r.Unreferenced)
	require.Len(t, w.ask("other", ask).Unreferenced, 6, "the key's own rows only")

	// A pending time does not count: the answer comes from committed entries.
	ask.Stamp = w.Applied.Time
	w.WallMs += 2 * day
	w.propose(w.cmd("", &Empty{}))
	require.Equal(t, RefusedTime, w.ask("k", ask).Status)
}

func TestOnlyCommittedTimesAreTold(t *testing.T) { // A1: a learned time is never that of a lost entry
	w := newWorld(t)
	w.WallMs += 10
	_, first := w.propose(w.cmd("x", inline(1, "x")))
	w.WallMs += 10
	w.propose(w.cmd("y", inline(2, "y")))
	require.NoError(t, w.Commit(first.Entry.Seq))
	a, v := w.propose(w.cmd("none", &DeleteObject{}))
	require.Nil(t, v.Entry)
	require.Equal(t, first.Entry.Time, a.Time)
	require.Equal(t, first.Entry.Time, w.ask("", AskTime{}).Time)
}

func TestTruncatedDeletionsOfTheWindowAreMadeAgain(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.mustOK(w.cmd("k", inline(1, "a")))
	}
	w.WallMs += Window + 1
	for i := range 5 {
		w.propose(w.cmd("x", inline(i+2, "x"))) // deletes three rows each
	}
	w.Machine.Truncate(w.Applied.Seq)
	w.Forget(w.Applied.Seq)
	for range 20 {
		w.mustOK(w.cmd("k", &Empty{}))
	}
	w.advance(Window + 1)
	for range 20 {
		w.mustOK(w.cmd("k", &Empty{}))
	}
	require.Equal(t, 21, w.rows(kindOp), "only the last ones, which are new")
}

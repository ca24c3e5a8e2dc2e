package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

// Scenarios that broke an earlier wording of the rules of recovery and reuse:
// D1 to D4 about the end of the log, C1 to C4 about the rebuild of rows. Some
// begin from a log laid down by hand, as a writer with weaker rules, or a disk
// that lost what was not synced, may have left it.

// seglay is one record segment laid down by hand.
type seglay struct {
	inc     uint64
	batches []batchlay
	marked  bool
	// garbage is written where the next batch would stand.
	garbage []byte
}

type batchlay struct {
	first, syncedTo uint64
	afterMark       bool
	recs            []Record
}

// lay makes a store directory with these record segments; slots are 1, 2, ...
func lay(t *testing.T, fs vfs.FS, segs ...seglay) {
	t.Helper()
	require.NoError(t, fs.MkdirAll("d/seg"))
	id := identity{store: testStore, segmentSize: MinSegmentSize}
	require.NoError(t, vfs.WriteFile(fs, "d", identityFile, id.encode()))
	for i, l := range segs {
		f, err := fs.Create(vfs.Join("d/seg", segName(uint32(i+1))))
		require.NoError(t, err)
		require.NoError(t, f.Preallocate(MinSegmentSize))
		h := segHeader{kind: segRecord, size: MinSegmentSize, store: testStore, slot: uint32(i + 1), incarnation: l.inc}
		g := &segment{slot: uint32(i + 1), inc: l.inc, file: f, size: MinSegmentSize, end: headerBytes}
		for off := range int64(2) {
			_, err := f.WriteAt(h.encode(), off*block)
			require.NoError(t, err)
		}
		for _, b := range l.batches {
			buf := make([]byte, batchHeaderSize)
			for j := range b.recs {
				buf = appendRecord(buf, &b.recs[j], b.first+uint64(j), l.inc, g.end)
			}
			bh := batchHeader{length: uint32(len(buf) - batchHeaderSize), count: uint32(len(b.recs)), first: b.first, syncedTo: b.syncedTo, afterMark: b.afterMark}
			bh.put(buf, l.inc, g.end)
			_, err := f.WriteAt(buf, g.end)
			require.NoError(t, err)
			g.noteBatch(bh, g.end, MinSegmentSize)
			g.end += align(int64(len(buf)))
		}
		if l.marked {
			s := &Store{}
			require.NoError(t, s.mark(g, 0))
		}
		if l.garbage != nil {
			_, err := f.WriteAt(l.garbage, g.end)
			require.NoError(t, err)
		}
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
	}
	for _, d := range []string{"/", "d", "d/seg"} {
		require.NoError(t, fs.SyncDir(d))
	}
}

func created() Record { return CreateReplica(ix, chain.KindIndex) }

// state record i of the tests' index replica, recognisable.
func mark(i int) Record { return State(ix, chain.KindIndex, fmt.Appendf(nil, "state %d", i)) }

func stateOf(t *testing.T, s *Store) string {
	t.Helper()
	for _, f := range s.Replicas() {
		if f.Key == ix {
			return string(f.State)
		}
	}
	return "no replica"
}

func TestD1RecordsBeyondTheEndDoNotComeBack(t *testing.T) {
	// Of #1, #2 in S0 and #3 in S1, all unsynced, a crash left only #3.
	fs := vfs.NewMem()
	lay(t, fs,
		seglay{inc: 1},
		seglay{inc: 2, batches: []batchlay{{first: 3, recs: []Record{mark(3)}}}})
	s := open(t, fs)
	require.Empty(t, s.Replicas(), "the log ends before #3")
	require.NoError(t, appendAll(s, created()))
	require.NoError(t, appendAll(s, mark(1)))
	fs = fs.CrashClone(0, 1)
	s = open(t, fs)
	require.Equal(t, "state 1", stateOf(t, s), "the old #3 is not believed after the new #1 and #2")
	require.EqualValues(t, 2, s.completed.Load())
	require.NoError(t, s.Close())
}

func TestD2TheEndThatAReplayFoundIsFinal(t *testing.T) {
	// #1 and a torn #2 in S0; a crash; then #2 in S1 is acknowledged.
	fs := vfs.NewMem()
	lay(t, fs, seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{created(), mark(1)}}}, garbage: []byte("torn")})
	s := open(t, fs)
	require.NoError(t, appendAll(s, mark(2)))
	fs = fs.CrashClone(0, 1)
	s = open(t, fs)
	require.Equal(t, "state 2", stateOf(t, s))
	require.NoError(t, s.Close())
}

func TestD3AnEmptySegmentDoesNotEndTheLog(t *testing.T) {
	// S1 was prepared and is empty; what is acknowledged afterwards stands in S2.
	fs := vfs.NewMem()
	lay(t, fs, seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{created(), mark(1)}}}}, seglay{inc: 2})
	for i := 2; i < 6; i++ {
		s := open(t, fs)
		require.Equal(t, fmt.Sprint("state ", i-1), stateOf(t, s))
		require.NoError(t, appendAll(s, mark(i)))
		fs = fs.CrashClone(0, 1)
	}
	s := open(t, fs)
	require.Equal(t, "state 5", stateOf(t, s))
	require.NoError(t, s.Close())
}

func TestD4CrashesDuringRecoveryKeepTheEnd(t *testing.T) {
	// S0 lost #2, S1 still has #3. Whatever call of the recovery the next crash
	// interrupts, and what it keeps of it, #3 is never believed.
	crashes := 0
	for _, percent := range []int{0, 50, 100} {
		for i := 0; ; i++ {
			fs := vfs.NewMem()
			lay(t, fs,
				seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{created(), mark(1)}}}},
				seglay{inc: 2, batches: []batchlay{{first: 3, syncedTo: 2, recs: []Record{mark(3)}}}})
			n := 0
			var crashed *vfs.Mem
			hook := &vfs.Hook{FS: fs, Before: func(op vfs.Op) error {
				if op.Kind&vfs.OpMutating != 0 && crashed == nil {
					if n == i {
						crashed = fs.CrashClone(percent, uint64(i))
					}
					n++
				}
				return nil
			}}
			s := open(t, hook)
			done := crashed == nil
			require.NoError(t, s.Close())
			if done {
				break
			}
			crashes++
			s = open(t, crashed)
			require.Equal(t, "state 1", stateOf(t, s))
			require.NoError(t, appendAll(s, mark(2)))
			s = open(t, crashed.CrashClone(0, 1))
			require.Equal(t, "state 2", stateOf(t, s))
			require.NoError(t, s.Close())
		}
	}
	require.Greater(t, crashes, 60)
}

func TestALostEndMarkIsDamage(t *testing.T) {
	fs := vfs.NewMem()
	lay(t, fs,
		seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{created(), mark(1)}}}},
		seglay{inc: 2, batches: []batchlay{{first: 3, syncedTo: 2, afterMark: true, recs: []Record{mark(3)}}}})
	_, err := Open(testConfig(fs))
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "end mark is missing")
}

func TestABadRecordBelowALaterSyncedToIsDamage(t *testing.T) {
	fs := vfs.NewMem()
	lay(t, fs, seglay{inc: 1, batches: []batchlay{
		{first: 1, recs: []Record{created()}}, {first: 2, syncedTo: 1, recs: []Record{mark(1)}}, {first: 3, syncedTo: 2, recs: []Record{mark(2)}}}})
	f, err := fs.OpenRW("d/seg/" + segName(1))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff}, headerBytes+block+batchHeaderSize+recordHeader+2)
	require.NoError(t, err)
	_, err = Open(testConfig(fs))
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "record 2 behind it was synced")
}

func TestAMarkedSegmentWithFewerRecordsIsDamage(t *testing.T) {
	fs := vfs.NewMem()
	lay(t, fs, seglay{inc: 1, marked: true, batches: []batchlay{
		{first: 1, recs: []Record{created()}}, {first: 2, recs: []Record{mark(1)}}}})
	f, err := fs.OpenRW("d/seg/" + segName(1))
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, block), headerBytes+block)
	require.NoError(t, err)
	// The mark's own syncedTo does not tell (it is 0 here): the gap does.
	_, err = Open(testConfig(fs))
	require.ErrorIs(t, err, ErrDamaged)
}

func TestLogIsNotBelievedWhenTheRowsReachFurther(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	require.NoError(t, appendAll(s, created(), mark(1)))
	require.NoError(t, s.Close())
	require.NoError(t, fs.RemoveAll("d/seg"))
	require.NoError(t, fs.MkdirAll("d/seg"))
	_, err := Open(testConfig(fs))
	require.ErrorIs(t, err, ErrDamaged)
}

func TestStaleIncarnationNeverVerifies(t *testing.T) {
	// The batches of an earlier use stand at the same offsets with the numbers
	// that the next records will have; only the incarnation tells them apart.
	fs := vfs.NewMem()
	lay(t, fs, seglay{inc: 7, batches: []batchlay{{first: 1, recs: []Record{created(), mark(9)}}}})
	f, err := fs.OpenRW("d/seg/" + segName(1))
	require.NoError(t, err)
	h := segHeader{kind: segRecord, size: MinSegmentSize, store: testStore, slot: 1, incarnation: 8}
	for off := range int64(2) {
		_, err = f.WriteAt(h.encode(), off*block)
		require.NoError(t, err)
	}
	s := open(t, fs)
	require.Empty(t, s.Replicas())
	require.NoError(t, s.Close())
}

func TestIncarnationsAreAboveEveryoneSeenAlsoAfterCrashes(t *testing.T) {
	// A header that is lost with its incarnation must not have been written
	// under: everything written into the segment comes after its sync.
	fs := vfs.NewMem()
	tr := vfs.NewTrace(fs, vfs.OpWrite|vfs.OpSyncs)
	s := open(t, tr)
	tr.Take()
	require.NoError(t, appendAll(s, created()))
	name := vfs.Join("d/seg", segName(1))
	require.Equal(t, []string{
		"sync " + name + " 0+0", "syncdir d/seg 0+0", // preallocated
		"write " + name + " 0+4096", "syncdata " + name + " 0+0", // two copies of the header
		"write " + name + " 4096+4096", "syncdata " + name + " 0+0",
		"write " + name + " 8192+4096", "syncdata " + name + " 0+0", // the batch
	}, tr.Take())
	require.NoError(t, appendAll(s, mark(1), mark(2)))
	require.Equal(t, []string{"write " + name + " 12288+4096", "syncdata " + name + " 0+0"}, tr.Take(), "one write and one sync a batch")
	require.NoError(t, s.Close())
}

// fill appends states until the active segment is another one.
func fill(t *testing.T, s *Store) {
	t.Helper()
	was := s.log.supply.active.Load()
	for i := 0; s.log.supply.active.Load() == was; i++ {
		require.NoError(t, appendAll(s, State(dt, chain.KindData, make([]byte, 30_000))))
	}
}

// rebuiltRows loses the rows and gives what is rebuilt.
func rebuiltRows(t *testing.T, fs *vfs.Mem) (map[string]string, Recovered) {
	t.Helper()
	c := fs.CrashClone(0, 1)
	require.NoError(t, c.RemoveAll("d/rows"))
	s := open(t, c)
	defer func() { require.NoError(t, s.Close()) }()
	for _, f := range s.Replicas() {
		if f.Key == ix {
			return readRows(t, s, ix), f
		}
	}
	t.Fatal("the replica is not there")
	return nil, Recovered{}
}

func begin(t *testing.T) (*vfs.Mem, *Store) {
	fs := vfs.NewMem()
	s := open(t, fs)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	require.NoError(t, appendAll(s, created()))
	return fs, s
}

func TestC1TruncationRecordOutlivesWhatItVoids(t *testing.T) {
	mem := vfs.NewMem()
	var crashes []*vfs.Mem
	take := false
	var mu sync.Mutex
	hook := &vfs.Hook{FS: mem, Before: func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if take && op.Kind&vfs.OpMutating != 0 && (strings.HasSuffix(op.Name, ".seg") || op.Kind == vfs.OpRename) {
			crashes = append(crashes, mem.CrashClone(0, 1))
		}
		return nil
	}}
	s := open(t, hook)
	require.NoError(t, appendAll(s, CreateReplica(dt, chain.KindData)))
	require.NoError(t, appendAll(s, created()))
	require.NoError(t, appendAll(s, Entry(ix, entryOf(1, putRow("k", "v1"), nil)), Entry(ix, entryOf(2, putRow("k", "v2"), nil))))
	fill(t, s)
	require.NoError(t, appendAll(s, Truncate(ix, 0, 1)))
	fill(t, s)
	e := entryOf(1, putRow("k", "v4"), nil)
	e.Epoch.N = 2
	commit(t, s, ix, e)
	mu.Lock()
	take = true
	mu.Unlock()
	old := s.segs.of(segRecord)[0].inc
	fill(t, s)
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.Greater(t, s.segs.of(segRecord)[0].inc, old, "segments were freed")
	require.NoError(t, s.Close())
	require.Greater(t, len(crashes), 10)
	for i, c := range crashes {
		rows, f := rebuiltRows(t, c)
		if f.Applied.Seq == 0 { // no image yet: the entry is pending
			require.Empty(t, rows)
			require.Equal(t, "v4", string(mustRows(t, f.Entries[0]).Puts[0].Value), "crash %d", i)
			continue
		}
		require.Equal(t, map[string]string{"k": "v4"}, rows, "crash %d", i)
	}
}

func mustRows(t *testing.T, e *index.Entry) tablet.Rows {
	r, err := decodeRows(e.Body)
	require.NoError(t, err)
	return r
}

// openRebuilt opens a log that was laid down by hand as if its rows had been
// there and are lost: the header's floor says so.
func openRebuilt(t *testing.T, fs *vfs.Mem) *Store {
	t.Helper()
	f, err := fs.OpenRW("d/seg/" + segName(1))
	require.NoError(t, err)
	h := segHeader{kind: segRecord, size: MinSegmentSize, store: testStore, slot: 1, incarnation: 1, floor: 2}
	for off := range int64(2) {
		_, err = f.WriteAt(h.encode(), off*block)
		require.NoError(t, err)
	}
	return open(t, fs)
}

func TestC2TruncationWrittenForwardVoidsOnlyWhatWasBeforeItsFirstPosition(t *testing.T) {
	fs := vfs.NewMem()
	e2 := entryOf(1, putRow("k", "v2"), nil)
	e2.Epoch.N = 2
	forward := Truncate(ix, 0, 1)
	forward.first = 3
	image := Record{key: ix, kind: recImage, image: &imageRecord{kind: chain.KindIndex, applied: after(e2)}}
	lay(t, fs, seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{
		created(), Entry(ix, entryOf(1, putRow("k", "v1"), nil)), Truncate(ix, 0, 1), Entry(ix, e2), forward, image}}}})
	s := openRebuilt(t, fs)
	require.Equal(t, map[string]string{"k": "v2"}, readRows(t, s, ix))
	require.NoError(t, s.Close())
}

func TestC2RowWrittenForwardKeepsItsFirstPosition(t *testing.T) {
	// The row's copy stands behind the truncation; its first writing was before.
	fs := vfs.NewMem()
	row := pageRow{key: []byte("k"), value: []byte("old"), rev: 2, first: 2}
	copyOf := Record{key: ix, kind: recPage, page: &pageRecord{rows: []pageRow{row}}, first: 2}
	e := entryOf(1, putRow("j", "new"), nil)
	image := Record{key: ix, kind: recImage, image: &imageRecord{kind: chain.KindIndex, applied: after(e)}}
	lay(t, fs, seglay{inc: 1, batches: []batchlay{{first: 1, recs: []Record{
		created(), Entry(ix, entryOf(1, putRow("k", "old"), nil)), Truncate(ix, 0, 1), copyOf, Entry(ix, e), image}}}})
	s := openRebuilt(t, fs)
	require.Equal(t, map[string]string{"j": "new"}, readRows(t, s, ix))
	require.NoError(t, s.Close())
}

func TestC3RowIsSupersededOnlyByACommittedEntry(t *testing.T) {
	fs, s := begin(t)
	commit(t, s, ix, entryOf(1, putRow("k", "v1"), nil))
	fill(t, s)
	require.NoError(t, appendAll(s, Entry(ix, entryOf(2, putRow("k", "v2"), nil))))
	fill(t, s)
	require.NoError(t, s.Maintain())
	require.NoError(t, s.Maintain())
	require.NoError(t, appendAll(s, Truncate(ix, 1, 2)))
	require.Equal(t, map[string]string{"k": "v1"}, readRows(t, s, ix))
	rows, f := rebuiltRows(t, fs)
	if f.Applied.Seq == 0 {
		require.Equal(t, "v1", string(mustRows(t, f.Entries[0]).Puts[0].Value))
	} else {
		require.Equal(t, map[string]string{"k": "v1"}, rows)
	}
	require.NoError(t, s.Close())
}

func TestC4SnapshotVoidsWhatWasThere(t *testing.T) {
	fs, s := begin(t)
	commit(t, s, ix, entryOf(1, putRow("k", "v1"), nil))
	require.NoError(t, appendAll(s, BeginInstall(ix)))
	page := index.Page{Rows: []index.Row{{Key: []byte("j"), Value: []byte("snap")}}}
	require.NoError(t, wait(func(done func(error)) { s.InstallPage(ix, page, done) }))
	require.NoError(t, s.EndInstall(ix, index.Applied{Epoch: chain.Epoch{N: 1}, Seq: 9, Rev: 9}))
	want := map[string]string{"j": "snap"}
	require.Equal(t, want, readRows(t, s, ix))
	rows, f := rebuiltRows(t, fs)
	require.EqualValues(t, 9, f.Applied.Seq)
	require.Equal(t, want, rows)
	require.NoError(t, s.Close())
}

package raftlog

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"catena/objectd/vfs"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

const voterID = "voter-1"

func dirOf(t testing.TB, tree vfs.FS) FS {
	t.Helper()
	d, err := InDir[vfs.File](tree, "raft")
	require.NoError(t, err)
	return d
}

func open(t testing.TB, tree vfs.FS) *Store {
	t.Helper()
	s, err := Open(Config{FS: dirOf(t, tree), Voter: voterID})
	require.NoError(t, err)
	return s
}

func entry(i uint64) *raft.Log {
	return &raft.Log{Index: i, Term: i / 10, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d %0*d", i, int(i%97), 0)}
}

// contents is everything that a store holds.
type contents struct {
	logs   []raft.Log
	stable map[string]string
}

func read(t testing.TB, s *Store) contents {
	t.Helper()
	c := contents{stable: map[string]string{}}
	first, err := s.FirstIndex()
	require.NoError(t, err)
	last, err := s.LastIndex()
	require.NoError(t, err)
	for i := first; i <= last && i > 0; i++ {
		var l raft.Log
		require.NoError(t, s.GetLog(i, &l))
		c.logs = append(c.logs, l)
	}
	for k, v := range s.stable {
		c.stable[k] = string(v)
	}
	return c
}

func (c contents) clone() contents {
	return contents{slices.Clone(c.logs), maps.Clone(c.stable)}
}

// change is one random change, made alike in a store and in the model.
type change struct {
	append, deleted []raft.Log
	key, val        string
	// first is set when deleted is a prefix.
	first bool
}

func draw(rng *rand.Rand, c *contents) change {
	next := uint64(1)
	if n := len(c.logs); n > 0 {
		next = c.logs[n-1].Index + 1
	}
	switch k := rng.IntN(10); {
	case k < 5 || len(c.logs) == 0:
		var ls []raft.Log
		for i := range 1 + rng.IntN(4) {
			ls = append(ls, *entry(next + uint64(i)))
		}
		return change{append: ls}
	case k < 7:
		return change{key: fmt.Sprint("key", rng.IntN(3)), val: fmt.Sprint(rng.Uint64())}
	case k < 8:
		return change{deleted: c.logs[rng.IntN(len(c.logs)):]}
	}
	return change{deleted: c.logs[:1+rng.IntN(len(c.logs))], first: true}
}

func (ch change) model(c contents) contents {
	c = c.clone()
	switch {
	case ch.append != nil:
		c.logs = append(c.logs, ch.append...)
	case ch.key != "":
		c.stable[ch.key] = ch.val
	case ch.first:
		c.logs = c.logs[len(ch.deleted):]
	default:
		c.logs = c.logs[:len(c.logs)-len(ch.deleted)]
	}
	return c
}

func (ch change) store(t testing.TB, s *Store) {
	t.Helper()
	switch {
	case ch.append != nil:
		var ls []*raft.Log
		for i := range ch.append {
			ls = append(ls, &ch.append[i])
		}
		require.NoError(t, s.StoreLogs(ls))
	case ch.key != "":
		require.NoError(t, s.Set([]byte(ch.key), []byte(ch.val)))
	default:
		require.NoError(t, s.DeleteRange(ch.deleted[0].Index, ch.deleted[len(ch.deleted)-1].Index))
	}
}

// same compares without telling nil from empty.
func (c contents) same(o contents) bool {
	return sameLogs(c.logs, o.logs) && maps.Equal(c.stable, o.stable)
}

func sameLogs(a, b []raft.Log) bool {
	return slices.EqualFunc(a, b, func(a, b raft.Log) bool {
		return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && string(a.Data) == string(b.Data)
	})
}

// snapshotAt puts a snapshot of everything that was ever deleted beside the log.
func snapshotAt(t testing.TB, s *Store, index uint64) {
	t.Helper()
	k, err := s.Snapshots().Create(1, index, 1, raft.Configuration{Servers: []raft.Server{{ID: voterID}}}, 1, nil)
	require.NoError(t, err)
	_, err = k.Write([]byte("state"))
	require.NoError(t, err)
	require.NoError(t, k.Close())
}

func TestWhatReturnedIsThereAfterEveryCrash(t *testing.T) {
	crashes := 0
	for seed := range uint64(60) {
		rng, chance := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
		mem := vfs.NewMem()
		before := contents{stable: map[string]string{}}
		after := before
		hook := &vfs.Hook{FS: mem, Before: func(vfs.Op) error { return nil }}
		s, err := Open(Config{FS: dirOf(t, hook), Voter: voterID, CompactAbove: 4 << 10})
		require.NoError(t, err)
		snapshotAt(t, s, 1<<40)
		hook.Before = func(op vfs.Op) error {
			if op.Kind&vfs.OpMutating == 0 || chance.IntN(4) > 0 {
				return nil
			}
			crashes++
			clone := mem.CrashClone([]int{0, 30, 70, 100}[chance.IntN(4)], chance.Uint64())
			r, err := Open(Config{FS: dirOf(t, clone), Voter: voterID})
			require.NoError(t, err, "seed %d at %s", seed, op)
			requireBetween(t, read(t, r), before, after)
			return nil
		}
		for range 80 {
			ch := draw(rng, &before)
			after = ch.model(before)
			ch.store(t, s)
			before = after
			require.True(t, before.same(read(t, s)))
		}
	}
	require.Greater(t, crashes, 1000)
}

// requireBetween accepts the contents before a call, after it, or with some of
// the entries of its batch.
func requireBetween(t testing.TB, got, before, after contents) {
	t.Helper()
	if n := len(got.logs); len(after.logs) > len(before.logs) && n >= len(before.logs) && n <= len(after.logs) {
		require.True(t, sameLogs(got.logs, after.logs[:n]))
		require.Equal(t, before.stable, got.stable)
		return
	}
	require.True(t, got.same(before) || got.same(after), "got %v\nbefore %v\nafter %v", got, before, after)
}

func TestDamageOfWhatWasSyncedIsTold(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	for i := range uint64(20) {
		require.NoError(t, s.StoreLog(entry(i+1)))
	}
	require.NoError(t, s.SetUint64([]byte("CurrentTerm"), 7))
	require.NoError(t, s.Close())
	name := "raft/" + fileName(1)
	whole, err := vfs.ReadFile(mem, name, 1<<20)
	require.NoError(t, err)
	lastRecord := s.size - int64(headerSize+4+len("CurrentTerm")+8)
	for at := 0; at < len(whole); at += 7 {
		clone := mem.CrashClone(100, 1)
		f, err := clone.OpenRW(name)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{whole[at] ^ 0x10}, int64(at))
		require.NoError(t, err)
		_, err = Open(Config{FS: dirOf(t, clone), Voter: voterID})
		if int64(at) < lastRecord {
			require.ErrorIs(t, err, ErrDamaged, "byte %d", at)
			continue
		}
		// The last batch cannot be told from one that was cut short.
		require.NoError(t, err, "byte %d", at)
	}
}

func TestATornEndIsCutOffAtEveryLength(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, s.StoreLog(entry(1)))
	kept := s.size
	require.NoError(t, s.StoreLogs([]*raft.Log{entry(2), entry(3)}))
	require.NoError(t, s.Close())
	for size := kept; size < s.size; size++ {
		clone := mem.CrashClone(100, 1)
		f, err := clone.OpenRW("raft/" + fileName(1))
		require.NoError(t, err)
		require.NoError(t, f.Truncate(size))
		r := open(t, clone)
		last, err := r.LastIndex()
		require.NoError(t, err)
		require.Contains(t, []uint64{1, 2}, last)
		require.NoError(t, r.StoreLog(entry(last+1)))
		require.NoError(t, r.Close())
		again := open(t, clone)
		got, err := again.LastIndex()
		require.NoError(t, err)
		require.Equal(t, last+1, got)
	}
}

func TestAfterTheFirstErrorTheDiskIsLeftAlone(t *testing.T) {
	for fail := int64(1); fail < 250; fail += 2 {
		mem := vfs.NewMem()
		var calls, after atomic.Int64
		var deaths atomic.Int64
		broken := errors.New("input/output error")
		hook := &vfs.Hook{FS: mem, Before: func(vfs.Op) error {
			if deaths.Load() > 0 {
				after.Add(1)
			}
			if calls.Add(1) >= fail {
				return broken
			}
			return nil
		}}
		dir, err := InDir[vfs.File](hook, "raft")
		if err != nil {
			continue
		}
		s, err := Open(Config{FS: dir, Voter: voterID, CompactAbove: 4 << 10, OnDead: func(err error) {
			require.ErrorIs(t, err, broken)
			deaths.Add(1)
		}})
		if err != nil {
			require.ErrorIs(t, err, broken)
			continue
		}
		rng := rand.New(rand.NewPCG(uint64(fail), 2))
		model := contents{stable: map[string]string{}}
		snapshotAt(t, s, 1<<40)
		before, during := model, model // around the call that failed
		for range 150 {
			ch := draw(rng, &model)
			if s.Dead() == nil {
				before, during = model, ch.model(model)
			}
			model = ch.model(model)
			ch.store(t, s)
			require.True(t, model.same(read(t, s)), "the library is answered from memory")
		}
		require.EqualValues(t, 1, deaths.Load(), "fail %d of %d", fail, calls.Load())
		require.Zero(t, after.Load(), "calls after the first error")
		require.ErrorIs(t, s.Dead(), broken)
		snapshotAt(t, s, 1<<41)
		require.Zero(t, after.Load())
		// On the disk is what had returned before, and perhaps the call that failed.
		r, err := Open(Config{FS: dirOf(t, mem.CrashClone(0, 1)), Voter: voterID})
		require.NoError(t, err)
		requireBetween(t, read(t, r), before, during)
	}
}

func TestDeathIsSeenOnlyAfterTheCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, vfs.NewMem())
		cut := false
		s.cfg.OnDead = func(error) {
			time.Sleep(time.Second) // a slow cut
			cut = true
		}
		go s.Kill(errors.New("told to"))
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			if s.Dead() != nil {
				require.True(t, cut, "answered from memory before the transport was cut")
				return
			}
			require.NoError(t, s.Set([]byte("k"), []byte("v")))
		}
		t.Fatal("never dead")
	})
}

func TestNothingOfATornBatchComesBack(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, s.StoreLog(entry(1)))
	kept := s.size
	require.NoError(t, s.StoreLogs([]*raft.Log{entry(2), entry(3)}))
	require.NoError(t, s.Close())
	// The power cut kept the second entry of the batch and lost the first.
	f, err := mem.OpenRW("raft/" + fileName(1))
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 8), kept)
	require.NoError(t, err)
	r := open(t, mem)
	last, err := r.LastIndex()
	require.NoError(t, err)
	require.EqualValues(t, 1, last)
	// Another entry of the same length takes the place of the first.
	other := entry(2)
	other.Term = 99
	require.NoError(t, r.StoreLog(other))
	require.NoError(t, r.Close())
	last, err = open(t, mem).LastIndex()
	require.NoError(t, err)
	require.EqualValues(t, 2, last, "entry 3 was never acknowledged and is another leader's")
}

func TestTheFileStaysSmall(t *testing.T) {
	mem := vfs.NewMem()
	s, err := Open(Config{FS: dirOf(t, mem), Voter: voterID, CompactAbove: 64 << 10})
	require.NoError(t, err)
	snapshotAt(t, s, 1<<40)
	for i := range uint64(5000) {
		require.NoError(t, s.SetUint64([]byte("CurrentTerm"), i))
		require.NoError(t, s.StoreLog(entry(i+1)))
		if i%100 == 99 {
			require.NoError(t, s.DeleteRange(1, i-50))
		}
		require.Less(t, s.size, int64(128<<10))
	}
	want := read(t, s)
	require.NoError(t, s.Close())
	names, err := mem.List("raft")
	require.NoError(t, err)
	require.Len(t, names, 2, "one log, one snapshot: %v", names)
	require.Equal(t, want, read(t, open(t, mem)))
}

func TestRefusals(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	require.NoError(t, s.StoreLogs([]*raft.Log{entry(1), entry(2), entry(3)}))
	require.Error(t, s.StoreLog(entry(5)), "a gap")
	require.Error(t, s.StoreLogs([]*raft.Log{entry(4), entry(6)}), "a gap in a batch")
	require.Error(t, s.DeleteRange(2, 2), "from the middle")
	var l raft.Log
	require.ErrorIs(t, s.GetLog(4, &l), raft.ErrLogNotFound)
	_, err := s.GetUint64([]byte("nothing"))
	require.EqualError(t, err, "not found", "the text that the library looks for")
	require.NoError(t, s.Close())
	_, err = Open(Config{FS: dirOf(t, mem), Voter: "another"})
	require.ErrorContains(t, err, `of voter "voter-1"`)
	_, err = Open(Config{})
	require.Error(t, err)
	has, err := Exists(dirOf(t, mem))
	require.NoError(t, err)
	require.True(t, has)
	has, err = Exists(dirOf(t, vfs.NewMem()))
	require.NoError(t, err)
	require.False(t, has)
}

func TestSnapshotsTwoAreKeptAndADamagedOneIsLeftOut(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, mem)
	for i := range uint64(10) {
		require.NoError(t, s.StoreLog(entry(i+1)))
	}
	for _, at := range []uint64{3, 5, 8} {
		snapshotAt(t, s, at)
	}
	require.NoError(t, s.DeleteRange(1, 5))
	list, err := s.Snapshots().List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.EqualValues(t, 8, list[0].Index)
	require.EqualValues(t, 5, list[1].Index)
	require.NoError(t, s.Close())

	damage := func(clone *vfs.Mem, id string) {
		f, err := clone.OpenRW("raft/" + id)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("x"), 40)
		require.NoError(t, err)
	}
	one := mem.CrashClone(100, 1)
	damage(one, list[0].ID)
	left, err := open(t, one).Snapshots().List()
	require.NoError(t, err)
	require.Len(t, left, 1, "the older one still reaches the log")

	both := mem.CrashClone(100, 1)
	damage(both, list[0].ID)
	damage(both, list[1].ID)
	_, err = Open(Config{FS: dirOf(t, both), Voter: voterID})
	require.ErrorIs(t, err, ErrDamaged, "the log starts behind what no snapshot holds")
}

func TestASnapshotIsThereWholeOrNotAtAllAfterACrash(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 3))
		mem := vfs.NewMem()
		hook := &vfs.Hook{FS: mem, Before: func(vfs.Op) error { return nil }}
		s := open(t, hook)
		snapshotAt(t, s, 5)
		hook.Before = func(op vfs.Op) error {
			r, err := Open(Config{FS: dirOf(t, mem.CrashClone(rng.IntN(101), rng.Uint64())), Voter: voterID})
			require.NoError(t, err)
			list, err := r.Snapshots().List()
			require.NoError(t, err)
			require.NotEmpty(t, list)
			for _, m := range list {
				require.Contains(t, []uint64{5, 9}, m.Index)
			}
			return nil
		}
		snapshotAt(t, s, 9)
	}
}

func FuzzScan(f *testing.F) {
	b := appendRecord(nil, 1, record{kind: kindHeader, payload: []byte(voterID)})
	b = appendRecord(b, 1, record{kind: kindEntry, synced: uint64(len(b)), payload: encodeEntry(entry(1))})
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add([]byte(recordMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		good, err := scan(b, 1, func(r record) error {
			decodeEntry(r.payload)
			decodePair(r.payload)
			return nil
		})
		require.LessOrEqual(t, good, int64(len(b)))
		if err == nil {
			again, err := scan(b[:good], 1, func(record) error { return nil })
			require.NoError(t, err)
			require.Equal(t, good, again)
		}
	})
}

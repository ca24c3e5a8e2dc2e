package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	pvfs "github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// forms gives every file system that must satisfy the contract.
func forms(t *testing.T) map[string]func() (FS, string) {
	return map[string]func() (FS, string){
		"os":    func() (FS, string) { return NewOS(), t.TempDir() },
		"mem":   func() (FS, string) { return NewMem(), "/" },
		"fault": func() (FS, string) { return NewFault(NewMem()), "/" },
		"trace": func() (FS, string) { return NewTrace(NewOS(), 0), t.TempDir() },
	}
}

// TestContract holds for every form.
func TestContract(t *testing.T) {
	for name, form := range forms(t) {
		t.Run(name, func(t *testing.T) {
			f, root := form()
			p := func(n string) string { return filepath.Join(root, n) }
			contractNames(t, f, p)
			contractFile(t, f, p)
			contractRename(t, f, p)
			contractLock(t, f, p)
			u, err := f.Usage(root)
			require.NoError(t, err)
			require.Positive(t, u.Available)
			contractWholeFiles(t, f, p)
			require.NoError(t, f.RemoveAll(p("d")))
		})
	}
}

// contractNames: what is not there, and d/e.
func contractNames(t *testing.T, f FS, p func(string) string) {
	_, err := f.Open(p("none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.Stat(p("none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, f.Remove(p("none")), fs.ErrNotExist)
	require.NoError(t, f.RemoveAll(p("none")))
	_, err = f.Create(p("d/x"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, f.MkdirAll(p("d/e")))
	require.NoError(t, f.MkdirAll(p("d/e")))
}

// contractFile: the life of d/x.
func contractFile(t *testing.T, f FS, p func(string) string) {
	w, err := f.Create(p("d/x"))
	require.NoError(t, err)
	_, err = f.Create(p("d/x"))
	require.ErrorIs(t, err, fs.ErrExist)

	require.NoError(t, w.Preallocate(3*BlockSize))
	n, err := w.Size()
	require.NoError(t, err)
	require.EqualValues(t, 3*BlockSize, n)
	_, err = w.WriteAt([]byte("hello"), 10)
	require.NoError(t, err)
	got := make([]byte, 5)
	_, err = w.ReadAt(got, 10)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	k, err := w.ReadAt(got, 3*BlockSize-2)
	require.Equal(t, 2, k)
	require.Equal(t, io.EOF, err)
	require.NoError(t, w.Truncate(12))
	all := make([]byte, 20)
	k, err = w.ReadAt(all, 0)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00he", string(all[:k]))
	require.NoError(t, w.Truncate(20))
	_, err = w.ReadAt(all, 0)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 8), all[12:], "what truncation cut does not come back")
	require.NoError(t, w.SyncData())
	require.NoError(t, w.Sync())
	require.NoError(t, w.Close())
	require.NoError(t, f.SyncDir(p("d")))

	r, err := f.Open(p("d/x"))
	require.NoError(t, err)
	_, err = r.WriteAt([]byte("x"), 0)
	require.Error(t, err, "opened for reading only")
	require.NoError(t, r.Close())
}

// contractRename: d/x becomes d/y.
func contractRename(t *testing.T, f FS, p func(string) string) {
	require.NoError(t, f.Rename(p("d/x"), p("d/y")))
	names, err := f.List(p("d"))
	require.NoError(t, err)
	require.Equal(t, []string{"e", "y"}, names)
	i, err := f.Stat(p("d/y"))
	require.NoError(t, err)
	require.EqualValues(t, 20, i.Size)
	require.Error(t, f.Remove(p("d")), "not empty")
}

// contractLock: a lock has one holder.
func contractLock(t *testing.T, f FS, p func(string) string) {
	l, err := f.Lock(p("LOCK"))
	require.NoError(t, err)
	_, err = f.Lock(p("LOCK"))
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Close())
	l, err = f.Lock(p("LOCK"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// contractWholeFiles: a file written whole replaces the one before.
func contractWholeFiles(t *testing.T, f FS, p func(string) string) {
	require.NoError(t, WriteFile(f, p("d"), "w", []byte("one")))
	require.NoError(t, WriteFile(f, p("d"), "w", []byte("three")))
	b, err := ReadFile(f, p("d/w"), 100)
	require.NoError(t, err)
	require.Equal(t, "three", string(b))
	_, err = ReadFile(f, p("d/w"), 4)
	require.Error(t, err)
}

func TestLockExcludesAnotherProcessView(t *testing.T) {
	dir := t.TempDir()
	l, err := NewOS().Lock(filepath.Join(dir, "L"))
	require.NoError(t, err)
	_, err = NewOS().Lock(filepath.Join(dir, "L"))
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Close())
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	for _, percent := range []int{0, 25, 50, 100} {
		m := NewMem()
		require.NoError(t, m.MkdirAll("d"))
		require.NoError(t, m.SyncDir("/"))
		f, err := m.Create("d/f")
		require.NoError(t, err)
		require.NoError(t, m.SyncDir("d"))
		old, young := bytes.Repeat([]byte("o"), 8*BlockSize), bytes.Repeat([]byte("y"), 8*BlockSize)
		_, err = f.WriteAt(old, 0)
		require.NoError(t, err)
		require.NoError(t, f.SyncData())
		_, err = f.WriteAt(young, 4*BlockSize) // half over the old, half beyond
		require.NoError(t, err)
		_, err = m.Create("d/unsynced")
		require.NoError(t, err)

		keptBlocks, keptNames := 0, 0
		for seed := range uint64(40) {
			c := m.CrashClone(percent, seed)
			b, err := ReadFile(c, "d/f", 1<<20)
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(b), 8*BlockSize)
			require.Equal(t, old[:4*BlockSize], b[:4*BlockSize])
			for i := 4 * BlockSize; i < len(b); i += BlockSize {
				block := b[i : i+BlockSize]
				isOld, isYoung := bytes.Equal(block, old[:BlockSize]), bytes.Equal(block, young[:BlockSize])
				require.True(t, isOld && i < 8*BlockSize || isYoung || i >= 8*BlockSize && bytes.Equal(block, make([]byte, BlockSize)))
				if isYoung {
					keptBlocks++
				}
			}
			if _, err := c.Stat("d/unsynced"); err == nil {
				keptNames++
			}
		}
		switch percent {
		case 0:
			require.Zero(t, keptBlocks+keptNames)
		case 100:
			require.Equal(t, 40*8, keptBlocks)
			require.Equal(t, 40, keptNames)
		default:
			require.InDelta(t, 40*8*percent/100, keptBlocks, 60)
			require.InDelta(t, 40*percent/100, keptNames, 15)
		}
	}
}

func TestCrashIsTheSameForOneSeed(t *testing.T) {
	m := NewMem()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 30 {
		f, err := m.Create(fmt.Sprintf("f%02d", i))
		require.NoError(t, err)
		for range 5 {
			_, err = f.WriteAt(bytes.Repeat([]byte{byte(i)}, 100), rng.Int64N(40000))
			require.NoError(t, err)
		}
	}
	dump := func(m *Mem) (s string) {
		names, err := m.List("/")
		require.NoError(t, err)
		for _, n := range names {
			b, err := ReadFile(m, n, 1<<20)
			require.NoError(t, err)
			s += fmt.Sprintf("%s %d %x\n", n, len(b), b)
		}
		return s
	}
	require.Equal(t, dump(m.CrashClone(50, 7)), dump(m.CrashClone(50, 7)))
	require.NotEqual(t, dump(m.CrashClone(50, 7)), dump(m.CrashClone(50, 8)))
}

func TestCrashRenameIsAtomic(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		m := NewMem()
		require.NoError(t, WriteFile(m, "/", "a", []byte("old")))
		f, err := m.Create("b")
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("new"), 0)
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		require.NoError(t, m.SyncDir("/"))
		require.NoError(t, m.Rename("b", "a"))
		c := m.CrashClone(50, seed)
		b, err := ReadFile(c, "a", 10)
		require.NoError(t, err, "a name that was there never vanishes")
		_, errB := c.Stat("b")
		if string(b) == "old" {
			require.NoError(t, errB)
			lost++
		} else {
			require.ErrorIs(t, errB, fs.ErrNotExist)
		}
	}
	require.InDelta(t, 25, lost, 15)
}

func TestCrashMayUndoTruncate(t *testing.T) {
	m := NewMem()
	require.NoError(t, WriteFile(m, "/", "a", bytes.Repeat([]byte("x"), 3*BlockSize)))
	f, err := m.OpenRW("a")
	require.NoError(t, err)
	require.NoError(t, f.Truncate(BlockSize))
	b, err := ReadFile(m.CrashClone(0, 1), "a", 1<<20)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte("x"), 3*BlockSize), b)
	b, err = ReadFile(m.CrashClone(100, 1), "a", 1<<20)
	require.NoError(t, err)
	require.Len(t, b, BlockSize)
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10000)
	f, err := m.Create("a")
	require.NoError(t, err)
	require.NoError(t, f.Preallocate(8000))
	_, err = f.WriteAt(make([]byte, 100), 9950)
	require.True(t, IsNoSpace(err))
	require.NoError(t, m.Remove("a"))
	u, err := m.Usage("/")
	require.NoError(t, err)
	require.EqualValues(t, 10000, u.Available)
}

func TestFaultFailsTheIthCall(t *testing.T) {
	m := NewMem()
	f := NewFault(m)
	w, err := f.Create("a")
	require.NoError(t, err)
	f.Fail(OpWrite, nil, 1, false, ErrIO)
	_, err = w.WriteAt([]byte("aaaa"), 0)
	require.NoError(t, err)
	n, err := w.WriteAt([]byte("bbbb"), 4)
	require.ErrorIs(t, err, ErrIO)
	require.Equal(t, 2, n, "a failed write may have left a piece")
	_, err = w.WriteAt([]byte("cccc"), 8)
	require.NoError(t, err)
	require.Equal(t, 1, f.Hits())
	f.Fail(OpSyncs, func(o Op) bool { return o.Name == "a" }, 0, true, ErrNoSpace)
	require.True(t, IsNoSpace(w.SyncData()))
	require.True(t, IsNoSpace(w.Sync()))
	require.NoError(t, f.SyncDir("/"))
	require.Equal(t, 2, f.Hits())
}

func TestTraceRecords(t *testing.T) {
	tr := NewTrace(NewMem(), OpCreate|OpSyncs)
	require.NoError(t, WriteFile(tr, "/", "a", []byte("x")))
	require.Equal(t, []string{"create /a.tmp 0+0", "sync /a.tmp 0+0", "syncdir / 0+0"}, tr.Take())
	require.Equal(t, 1, tr.Count(OpWrite))
	require.Equal(t, 2, tr.Count(OpSyncs))
}

// A crash of one Mem must cover Pebble's files like everybody else's.
func TestPebbleOverMem(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("rows"))
	require.NoError(t, m.SyncDir("/"))
	open := func(m *Mem) *pebble.DB {
		db, err := pebble.Open("rows", &pebble.Options{FS: Pebble(m, nil), Logger: quiet{}})
		require.NoError(t, err)
		return db
	}
	db := open(m)
	for i := range 100 {
		require.NoError(t, db.Set([]byte(fmt.Sprint(i)), []byte("v"), pebble.Sync))
	}
	require.NoError(t, db.Flush())
	for seed := range uint64(8) {
		c := open(m.CrashClone(int(seed)*12, seed))
		for i := range 100 {
			_, closer, err := c.Get([]byte(fmt.Sprint(i)))
			require.NoError(t, err)
			require.NoError(t, closer.Close())
		}
		require.NoError(t, c.Close())
	}
	require.NoError(t, db.Close())
	_, err := Pebble(m, nil).Open("nope")
	require.True(t, errors.Is(err, fs.ErrNotExist))
	require.Error(t, Pebble(m, nil).Link("a", "b"))
	_, err = Pebble(m, nil).GetDiskUsage("rows")
	require.NoError(t, err)
	var _ pvfs.FS = Pebble(m, nil)
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(f string, a ...any) {
	panic(fmt.Sprintf(f, a...))
}

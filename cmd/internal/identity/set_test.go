package identity

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"catena/chain"
	"catena/cmd/internal/dirfile"
)

// faultFS fails with err from the failFrom-th call that changes something on.
type faultFS struct {
	dirfile.OS
	calls, failFrom int
	// only limits the failures to one DIR, for ever.
	only string
	err  error
}

func (f *faultFS) hit(path string) error {
	if f.only != "" {
		if strings.HasPrefix(path, f.only) {
			return f.err
		}
		return nil
	}
	f.calls++
	if f.failFrom > 0 && f.calls >= f.failFrom {
		return f.err
	}
	return nil
}

func (f *faultFS) WriteSync(path string, data []byte, perm fs.FileMode) error {
	if err := f.hit(path); err != nil {
		_ = os.WriteFile(path, data[:len(data)/2], perm) // a torn left-over
		return err
	}
	return f.OS.WriteSync(path, data, perm)
}

func (f *faultFS) Rename(from, to string) error {
	if err := f.hit(from); err != nil {
		return err
	}
	return f.OS.Rename(from, to)
}

// Remove does nothing once calls fail: a process that died removes nothing.
func (f *faultFS) Remove(path string) error {
	if f.failFrom > 0 && f.calls >= f.failFrom {
		return f.err
	}
	return f.OS.Remove(path)
}

func (f *faultFS) SyncDir(dir string) error {
	if err := f.hit(dir); err != nil {
		return err
	}
	return f.OS.SyncDir(dir)
}

func dirs(t *testing.T, n int) []string {
	root := t.TempDir()
	out := make([]string, n)
	for i := range out {
		out[i] = filepath.Join(root, "d"+string(rune('1'+i)))
	}
	return out
}

func open(t *testing.T, d []string) *Set {
	t.Helper()
	s, err := Open(Config{Dirs: d})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// formed makes a new node and closes it.
func formed(t *testing.T, d []string) Record {
	t.Helper()
	s := open(t, d)
	require.True(t, s.Plan().Fresh)
	require.NoError(t, s.Form())
	s.Close()
	return s.Record()
}

// tree reads every file below dir.
func tree(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			b, err := os.ReadFile(p)
			out[p] = string(b)
			return err
		}
		return err
	}))
	return out
}

func TestFirstStartAndRestart(t *testing.T) {
	d := dirs(t, 3)
	r := formed(t, d)
	require.True(t, r.Formed)
	require.Len(t, r.Voters(), 3)
	for _, p := range d {
		info, err := os.Stat(p)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
		info, err = os.Stat(filepath.Join(p, FileName))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	s := open(t, d)
	require.False(t, s.Plan().Fresh)
	require.Equal(t, r, s.Record(), "a restart changes nothing")
	require.Equal(t, d, s.Dirs())
}

func TestASharedDeviceIsSaidAlsoOfDirectoriesThatAreMade(t *testing.T) {
	d := dirs(t, 2)
	require.NoError(t, os.Mkdir(d[0], 0o700))
	s := open(t, d)
	require.Contains(t, strings.Join(s.Plan().Notes, "\n"), d[0]+", "+d[1]+" share one device")
}

func TestParentsAreMade(t *testing.T) {
	formed(t, []string{filepath.Join(t.TempDir(), "a", "b", "c")})
}

func TestInUse(t *testing.T) {
	d := dirs(t, 1)
	s := open(t, d)
	require.NoError(t, s.Form())
	_, err := Open(Config{Dirs: d})
	require.ErrorContains(t, err, "is in use by another process (pid ")
	s.Close()
	open(t, d)
}

func TestARefusedStartTouchesNothing(t *testing.T) {
	d := dirs(t, 3)
	formed(t, d)
	require.NoError(t, os.RemoveAll(d[1]))
	require.NoError(t, os.RemoveAll(d[2]))
	empty := t.TempDir()
	_, err := Open(Config{Dirs: []string{d[0], d[1], empty}})
	require.ErrorContains(t, err, "only 1 of the 3 recorded voters")
	require.NoDirExists(t, d[1], "directories are made only when no given one has an identity")
	require.Empty(t, tree(t, empty))
}

func TestLossReplacementAndReturn(t *testing.T) {
	d := dirs(t, 3)
	r := formed(t, d)
	old := filepath.Join(filepath.Dir(d[1]), "away")
	require.NoError(t, os.Rename(d[1], old))

	s := open(t, d) // serves on without it
	require.Len(t, s.Plan().Lost, 1)
	require.Equal(t, []string{d[0], d[2]}, s.Dirs())
	require.NoDirExists(t, d[1])
	s.Close()

	require.NoError(t, os.Mkdir(d[1], 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(d[1], "lost+found"), 0o755))
	s = open(t, d)
	repl := s.Plan().Use[1]
	require.True(t, repl.Create)
	require.Equal(t, r.Stores[1].ID, repl.Replaces)
	voters := []chain.StoreID{r.Stores[0].ID, repl.Store, r.Stores[2].ID}
	require.NoError(t, s.SetVoters(voters))
	s.Close()

	before := tree(t, old)
	s = open(t, []string{d[0], d[1], d[2], old})
	require.Equal(t, d, s.Dirs())
	require.Len(t, s.Plan().Ignored, 1)
	require.Contains(t, strings.Join(s.Plan().Notes, "\n"), old+" is left untouched")
	require.Equal(t, before, tree(t, old))
	require.ElementsMatch(t, voters, func() []chain.StoreID { r := s.Record(); return r.Voters() }())
	s.Close()

	require.NoError(t, os.RemoveAll(d[0]))
	s = open(t, d) // the new voter counts
	require.Equal(t, d[1:], s.Dirs())
}

// TestCrashInFirstStart stops the first start at each of its file operations:
// the next start must finish it, with the same directories and no loss.
func TestCrashInFirstStart(t *testing.T) {
	crash := errors.New("power cut")
	for failFrom := 1; ; failFrom++ {
		d := dirs(t, 3)
		f := &faultFS{failFrom: failFrom, err: crash}
		s, err := Open(Config{Dirs: d, FS: f})
		if err == nil {
			err = s.Form()
			s.Close()
		}
		done := err == nil
		s = open(t, d)
		require.NoError(t, s.Form(), "crash at call %d", failFrom)
		require.Equal(t, d, s.Dirs())
		require.Len(t, s.Record().Stores, 3)
		s.Close()
		if done {
			require.Greater(t, failFrom, 20, "the sweep went through every call")
			return
		}
	}
}

// TestCrashInReplacement does the same while an empty DIR takes a lost place:
// three calls for each of three files.
func TestCrashInReplacement(t *testing.T) {
	crash := errors.New("power cut")
	for failFrom := 1; failFrom <= 10; failFrom++ {
		d := dirs(t, 3)
		r := formed(t, d)
		require.NoError(t, os.RemoveAll(d[2]))
		require.NoError(t, os.Mkdir(d[2], 0o700))
		f := &faultFS{failFrom: failFrom, err: crash}
		s, err := Open(Config{Dirs: d, FS: f})
		if err == nil {
			s.Close()
		}
		require.Equal(t, failFrom == 10, f.calls < failFrom, "nine calls")
		s = open(t, d)
		require.Equal(t, d, s.Dirs(), "crash at call %d", failFrom)
		got := s.Record()
		lost, _ := got.Find(r.Stores[2].ID)
		require.True(t, lost.Replaced())
		s.Close()
	}
}

func TestADirThatDiesWhileWrittenIsLostNotFatal(t *testing.T) {
	d := dirs(t, 4)
	formed(t, d[:3])
	require.NoError(t, os.Mkdir(d[3], 0o700)) // makes the start write
	s, err := Open(Config{Dirs: d, FS: &faultFS{only: d[2], err: unix.EIO}})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, []string{d[0], d[1], d[3]}, s.Dirs())
	require.Len(t, s.Plan().Lost, 1)
	require.Contains(t, s.Plan().Lost[0].Reason, "the device fails")
}

func TestAFullDiskIsNotADeadOne(t *testing.T) {
	d := dirs(t, 4)
	formed(t, d[:3])
	require.NoError(t, os.Mkdir(d[3], 0o700))
	s, err := Open(Config{Dirs: d, FS: &faultFS{only: d[2], err: unix.ENOSPC}})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, d, s.Dirs())
}

// fullFS has no room on some DIRs.
type fullFS struct {
	dirfile.OS
	full []string
}

func (f fullFS) WriteSync(path string, data []byte, perm fs.FileMode) error {
	if slices.Contains(f.full, filepath.Dir(path)) {
		return unix.ENOSPC
	}
	return f.OS.WriteSync(path, data, perm)
}

func TestAChangeThatMostVotersHaveNoRoomForIsRefused(t *testing.T) {
	d := dirs(t, 4)
	formed(t, d[:3])
	require.NoError(t, os.Mkdir(d[3], 0o700))
	_, err := Open(Config{Dirs: d, FS: fullFS{full: d[:2]}})
	require.ErrorContains(t, err, "is on 1 of 3 voters, a majority is needed: make room")
}

func TestVotersAreWrittenFirstAndNewDirsLast(t *testing.T) {
	r := record(4)
	p := Plan{Record: r, Use: []Use{{Path: "/d4", Store: id(4), Stale: true}, {Path: "/new", Store: id(9), Create: true}, {Path: "/d1", Store: id(1), Stale: true}, {Path: "/d2", Store: id(2)}, {Path: "/d3", Store: id(3), Stale: true}}}
	var order []string
	for _, u := range writeOrder(p) {
		order = append(order, u.Path)
	}
	require.Equal(t, []string{"/d1", "/d3", "/d4", "/new"}, order)
}

func TestUpdateCountsOnAMajorityOfTheOldVoters(t *testing.T) {
	d := dirs(t, 3)
	r := formed(t, d)
	f := &faultFS{}
	s, err := Open(Config{Dirs: d, FS: f})
	require.NoError(t, err)
	defer s.Close()

	f.only, f.err = d[0], unix.EIO
	n, err := s.Renew(r.Stores[0].ID)
	require.NoError(t, err, "two of three have it")
	require.Equal(t, uint64(2), n)
	require.Equal(t, d[1:], s.Dirs())

	f.only = d[1]
	_, err = s.Renew(r.Stores[1].ID)
	require.ErrorContains(t, err, "is on 1 of 3 voters")
	s.Close()

	again := open(t, d)
	got := again.Record()
	require.Equal(t, uint64(2), got.Stores[0].Incarnation, "the store that failed comes back as a new incarnation")
}

func TestUpdateErrors(t *testing.T) {
	d := dirs(t, 1)
	r := formed(t, d)
	s := open(t, d)
	require.ErrorContains(t, s.SetVoters(nil), "no voters")
	require.ErrorContains(t, s.SetVoters([]chain.StoreID{id(77)}), "not a recorded store")
	_, err := s.Renew(id(77))
	require.ErrorContains(t, err, "not recorded")
	require.NoError(t, s.SetVoters([]chain.StoreID{r.Stores[0].ID}))
	require.Equal(t, r.Generation, s.Record().Generation, "no change, no write")
	s.MarkDead(r.Stores[0].ID)
	require.Empty(t, s.Dirs())
}

func TestRecordValidateReportsEverything(t *testing.T) {
	err := Record{Stores: []Store{{Path: "rel"}, {ReplacedBy: id(5)}}}.Validate()
	for _, want := range []string{"no cluster id", "no node id", "generation 0", "segment size", "no voters", "store without id", "twice", `path "rel"`, "incarnation 0", "replaced by an unknown one"} {
		require.ErrorContains(t, err, want)
	}
}

func FuzzUnmarshal(f *testing.F) {
	good, _ := File{Store: id(1), Record: record(3)}.Marshal()
	f.Add(good)
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := Unmarshal(body)
		if err != nil {
			return
		}
		again, err := file.Marshal()
		require.NoError(t, err)
		same, err := Unmarshal(again)
		require.NoError(t, err)
		require.True(t, file.Record.Equal(same.Record))
	})
}

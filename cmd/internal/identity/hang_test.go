package identity

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"catena/chain"
	"catena/cmd/internal/dirfile"
)

// hangFS does not answer a write below one DIR until release is closed.
type hangFS struct {
	dirfile.OS
	only             string
	entered, release chan struct{}
}

func (f *hangFS) WriteSync(path string, data []byte, perm fs.FileMode) error {
	if f.only != "" && strings.HasPrefix(path, f.only) {
		f.entered <- struct{}{}
		<-f.release
	}
	return f.OS.WriteSync(path, data, perm)
}

// Heartbeats of good disks read the record: a DIR that does not answer must not
// hold them up, and what is being written is what they read.
func TestReadersDoNotWaitForADiskThatHangs(t *testing.T) {
	d := dirs(t, 3)
	r := formed(t, d)
	f := &hangFS{entered: make(chan struct{}, 1), release: make(chan struct{})}
	s, err := Open(Config{Dirs: d, FS: f})
	require.NoError(t, err)
	defer s.Close()
	f.only = d[1]
	done := make(chan error, 1)
	go func() {
		_, err := s.Renew(r.Stores[0].ID)
		done <- err
	}()
	<-f.entered // the disk hangs from here on; a reader that waits for it ends the test by its time limit
	got := s.Record()
	require.Equal(t, uint64(2), got.Stores[0].Incarnation)
	require.Equal(t, d, s.Dirs())
	s.MarkDead(r.Stores[2].ID)
	require.Equal(t, d[:2], s.Dirs())
	select {
	case err := <-done:
		require.Fail(t, "the change ended on a disk that hangs", "%v", err)
	default:
	}
	close(f.release)
	require.NoError(t, <-done)
}

// A process whose DIRs are deleted and made anew under it must not write into
// the new ones: they may be another store's by then.
func TestAnOrphanWritesIntoNoDirectoryThatCameInThePlaceOfItsOwn(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, dir string){
		"made anew": func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.Mkdir(dir, 0o700))
		},
		"another one moved there": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".old"))
			require.NoError(t, os.Mkdir(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, LockName), nil, 0o600))
		},
		"gone":             func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"its lock is gone": func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, LockName))) },
	} {
		t.Run(name, func(t *testing.T) {
			d := dirs(t, 3)
			r := formed(t, d)
			s := open(t, d)
			replace(t, d[0])
			require.ErrorIs(t, s.Intact(r.Stores[0].ID), errMoved)
			require.NoError(t, s.Intact(r.Stores[1].ID))
			before := map[string]string{}
			if _, err := os.Stat(d[0]); err == nil {
				before = tree(t, d[0])
			}
			_, err := s.Renew(r.Stores[0].ID)
			require.NoError(t, err, "two of three have it")
			require.Equal(t, d[1:], s.Dirs(), "it takes no updates any more")
			if _, err := os.Stat(d[0]); err == nil {
				require.Equal(t, before, tree(t, d[0]))
			}
			replace2 := d[1]
			require.NoError(t, os.RemoveAll(replace2))
			_, err = s.Renew(r.Stores[1].ID)
			require.ErrorContains(t, err, "removed or replaced under it")
			_, err = os.Stat(replace2)
			require.ErrorIs(t, err, fs.ErrNotExist, "it is not made again")
		})
	}
}

// What did not reach a majority is written again when it is asked for again,
// although the record in memory says it already.
func TestAChangeThatDidNotCountIsTriedAgain(t *testing.T) {
	d := dirs(t, 3)
	r := formed(t, d)
	f := &faultFS{}
	s, err := Open(Config{Dirs: d, FS: f})
	require.NoError(t, err)
	defer s.Close()
	two := []chain.StoreID{r.Stores[0].ID, r.Stores[1].ID}
	f.failFrom, f.err = 1, unix.ENOSPC
	require.ErrorContains(t, s.SetVoters(two), "is on 0 of 3 voters")
	require.ErrorContains(t, s.SetVoters(two), "is on 0 of 3 voters")
	f.failFrom = 0
	require.NoError(t, s.SetVoters(two))
	n := s.Record().Generation
	require.NoError(t, s.SetVoters(two))
	require.Equal(t, n, s.Record().Generation, "what counts is not written again")
	s.Close()
	require.Error(t, s.SetVoters(two[:1]), "after the end nothing is written")
	again := open(t, d)
	got := again.Record()
	require.Equal(t, two, got.Voters())
}

// A DIR without its identity file is as one whose file is damaged: named, left
// alone, and done without; never taken for an empty one.
func TestADirThatLostItsIdentityFileIsDoneWithout(t *testing.T) {
	for _, how := range []string{"gone", "damaged"} {
		t.Run(how, func(t *testing.T) {
			d := dirs(t, 3)
			r := formed(t, d)
			for _, p := range d {
				require.NoError(t, os.MkdirAll(filepath.Join(p, "store", "seg"), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(p, "store", "seg", "1"), []byte("objects"), 0o600))
			}
			lose := func(dir string) {
				if how == "gone" {
					require.NoError(t, os.Remove(filepath.Join(dir, FileName)))
					return
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte("x"), 0o600))
			}
			lose(d[1])
			before := tree(t, d[1])
			s := open(t, d)
			p := s.Plan()
			require.Len(t, p.Use, 2)
			require.Len(t, p.Lost, 1)
			require.Equal(t, r.Stores[1].ID, p.Lost[0].Store.ID)
			require.Contains(t, strings.Join(p.Notes, "\n"), d[1])
			require.Contains(t, strings.Join(p.Notes, "\n"), "its identity file is unreadable")
			s.Close()
			require.Equal(t, before, tree(t, d[1]), "left untouched")

			lose(d[2])
			_, err := Open(Config{Dirs: d})
			require.ErrorContains(t, err, "only 1 of the 3 recorded voters are there")
			lose(d[0])
			_, err = Open(Config{Dirs: d})
			require.ErrorContains(t, err, "nothing is created beside it")
			require.Equal(t, before, tree(t, d[1]))
		})
	}
}

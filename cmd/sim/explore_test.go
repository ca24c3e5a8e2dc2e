package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"catena/chain/chaintest"
	"catena/cmd/internal/campaign"

	"github.com/stretchr/testify/require"
)

func TestExploreOneScope(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Zero(t, run([]string{"-kind", "explore", "-scope", "abc-drain"}, &out, &errOut), errOut.String())
	require.Regexp(t, `^scope abc-drain: \d+ states, .*: exhausted\n$`, out.String())

	out.Reset()
	require.Zero(t, run([]string{"-kind", "explore", "-scope", "abc-drain", "-states", "500"}, &out, &errOut), errOut.String())
	require.Regexp(t, `^scope abc-drain: 50\d states, .*: cut\n$`, out.String())
}

func TestExploreUnknownScope(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Equal(t, 1, run([]string{"-kind", "explore", "-scope", "nowhere"}, &out, &errOut))
	require.Contains(t, errOut.String(), `no scope "nowhere"; there are a-join, `)
	require.Equal(t, 2, run([]string{"-kind", "explore", "-states", "0"}, &out, &errOut))
}

// TestExploreGoesOn: what a passed line of the same code says of a scope counts,
// if the scope and the explorer were what they are now.
func TestExploreGoesOn(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, campaign.File)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	ab, abcd, join := chaintest.Scope{Name: "ab", Crashes: 2}, chaintest.Scope{Name: "abcd"}, chaintest.Scope{Name: "a-join"}
	other := chaintest.Scope{Name: "ab-join"}
	scopes := []chaintest.Scope{ab, abcd, join, other}
	done, err := finished(root, "h1", "src", scopes)
	require.NoError(t, err)
	require.Empty(t, done)

	line := func(name, hash, verdict, detail string) string {
		return `{"campaign":"` + name + `","hash":"` + hash + `","verdict":"` + verdict + `","detail":` + detail + "}\n"
	}
	said := func(s chaintest.Scope, source string, states int, exhausted bool) string {
		return fmt.Sprintf(`{"scope":%q,"definition":%q,"states":%d,"exhausted":%t}`, s.Name, definition(source, s), states, exhausted)
	}
	fewer := ab
	fewer.Crashes = 1
	require.NoError(t, os.WriteFile(file, []byte(
		line("explorer", "h1", "pass", said(ab, "src", 9, true))+
			line("explorer", "h1", "pass", said(ab, "src", 5, false))+
			line("explorer", "h1", "pass", said(abcd, "src", 70, false))+
			line("explorer", "h1", "A stops", said(join, "src", 70, false))+
			line("explorer", "h0", "pass", said(other, "src", 70, true))+
			line("sim", "h1", "pass", `{"first_seed":1}`)), 0o600))
	done, err = finished(root, "h1", "src", scopes)
	require.NoError(t, err)
	require.Equal(t, map[string]explored{"ab": {"ab", 9, true}, "abcd": {"abcd", 70, false}}, done)

	done, err = finished(root, "h1", "another explorer", scopes)
	require.NoError(t, err)
	require.Empty(t, done)
	done, err = finished(root, "h1", "src", []chaintest.Scope{fewer, abcd})
	require.NoError(t, err)
	require.Equal(t, map[string]explored{"abcd": {"abcd", 70, false}}, done, "ab is another scope now")
	require.NoError(t, os.WriteFile(file, []byte(line("explorer", "h1", "pass", `{"scope":"ab","states":9,"exhausted":true}`)), 0o600))
	done, err = finished(root, "h1", "src", scopes)
	require.NoError(t, err)
	require.Empty(t, done, "a line of before there were definitions")

	require.NoError(t, os.WriteFile(file, []byte("not json\n"), 0o600))
	_, err = finished(root, "h1", "src", scopes)
	require.ErrorContains(t, err, "line 1")
}

// TestExplorerSource: a change of the explorer counts; one of the scopes does
// not by itself, nor one of what is not the explorer's.
func TestExplorerSource(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, chaintestDir)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		source, err := explorerSource(root)
		require.NoError(t, err)
		return source
	}
	before := write("explore.go", "package chaintest")
	require.Equal(t, before, write("explore_scopes.go", "package chaintest"))
	require.Equal(t, before, write("data_sim.go", "package chaintest"))
	require.Equal(t, before, write("explore_test.go", "package chaintest"))
	after := write("explore.go", "package chaintest // one reduction more")
	require.NotEqual(t, before, after)
	require.NotEqual(t, after, write("index_check.go", "package chaintest"))
}

// TestExploredIsFound: what exploreOne records, finished takes up.
func TestExploredIsFound(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "chain"), 0o755))
	scopes, err := scopesNamed("abc-drain")
	require.NoError(t, err)
	require.NoError(t, exploreOne(options{states: 500, record: true}, root, "src", scopes[0], time.Minute, io.Discard))
	hash, err := campaign.Hash(root, "chain")
	require.NoError(t, err)
	done, err := finished(root, hash, "src", scopes)
	require.NoError(t, err)
	require.Len(t, done, 1)
	require.GreaterOrEqual(t, done["abc-drain"].States, 500)
	require.False(t, done["abc-drain"].Exhausted)

	scopes[0].Crashes++
	done, err = finished(root, hash, "src", scopes)
	require.NoError(t, err)
	require.Empty(t, done)
}

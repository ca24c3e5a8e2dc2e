package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

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

// TestExploreGoesOn: what a passed line of the same code says of a scope counts.
func TestExploreGoesOn(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, campaign.File)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	done, err := finished(root, "h1")
	require.NoError(t, err)
	require.Empty(t, done)

	line := func(name, hash, verdict, detail string) string {
		return `{"campaign":"` + name + `","hash":"` + hash + `","verdict":"` + verdict + `","detail":` + detail + "}\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(
		line("explorer", "h1", "pass", `{"scope":"ab","states":9,"exhausted":true}`)+
			line("explorer", "h1", "pass", `{"scope":"ab","states":5,"exhausted":false}`)+
			line("explorer", "h1", "pass", `{"scope":"abcd","states":70,"exhausted":false}`)+
			line("explorer", "h1", "A stops", `{"scope":"a-join","states":70,"exhausted":false}`)+
			line("explorer", "h0", "pass", `{"scope":"ab-join","states":70,"exhausted":true}`)+
			line("sim", "h1", "pass", `{"first_seed":1}`)), 0o600))
	done, err = finished(root, "h1")
	require.NoError(t, err)
	require.Equal(t, map[string]explored{"ab": {"ab", 9, true}, "abcd": {"abcd", 70, false}}, done)

	require.NoError(t, os.WriteFile(file, []byte("not json\n"), 0o600))
	_, err = finished(root, "h1")
	require.ErrorContains(t, err, "line 1")
}

package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/cmd/internal/dirfile"
)

func keysWith(access string, counter uint64) Keys {
	return Keys{Pair: Pair{access, "secret-of-" + access}, Counter: counter, NodeSecret: [32]byte{1}}
}

func made() Keys { return Keys{Pair: Pair{"MADE", "secret-of-MADE"}, NodeSecret: [32]byte{9}} }

func TestResolve(t *testing.T) {
	none := func(dir string) Found { return Found{Dir: dir, Err: fs.ErrNotExist} }
	has := func(dir, access string, counter uint64) Found {
		return Found{Dir: dir, Keys: keysWith(access, counter)}
	}
	damaged := func(dir string) Found { return Found{Dir: dir, Err: dirfile.ErrDamaged} }
	env := Pair{"ENV", "secret-of-ENV"}
	tests := []struct {
		name    string
		found   []Found
		given   Pair
		fresh   bool
		access  string
		counter uint64
		source  Source
		write   []string
		err     string
	}{
		{name: "fresh: made", found: []Found{none("a"), none("b")}, fresh: true, access: "MADE", counter: 1, source: Made, write: []string{"a", "b"}},
		{name: "fresh: from the environment", found: []Found{none("a")}, given: env, fresh: true, access: "ENV", counter: 1, source: Given, write: []string{"a"}},
		{name: "fresh, continued: those already made", found: []Found{has("a", "OLD", 1), none("b")}, fresh: true, access: "OLD", counter: 1, source: Stored, write: []string{"b"}},
		{name: "stored everywhere", found: []Found{has("a", "OLD", 3), has("b", "OLD", 3)}, access: "OLD", counter: 3, source: Stored},
		{name: "the same in the environment", found: []Found{has("a", "ENV", 3)}, given: env, access: "ENV", counter: 3, source: Stored},
		{name: "the highest wins", found: []Found{has("a", "OLD", 3), has("b", "NEW", 4), none("c")}, access: "NEW", counter: 4, source: Stored, write: []string{"a", "c"}},
		{name: "a damaged one is written anew", found: []Found{damaged("a"), has("b", "OLD", 1)}, access: "OLD", counter: 1, source: Stored, write: []string{"a"}},
		{name: "the environment replaces", found: []Found{has("a", "OLD", 3), has("b", "OLD", 3)}, given: env, access: "ENV", counter: 4, source: Replaced, write: []string{"a", "b"}},
		{name: "only the secret differs", found: []Found{has("a", "ENV", 3)}, given: Pair{"ENV", "another-secret"}, access: "ENV", counter: 4, source: Replaced, write: []string{"a"}},
		{name: "none left on an existing node", found: []Found{none("a"), damaged("b")}, err: ErrNoKeys.Error()},
		{name: "none left, but given", found: []Found{none("a")}, given: env, access: "ENV", counter: 1, source: Given, write: []string{"a"}},
		{name: "malformed in the environment", found: []Found{has("a", "OLD", 3)}, given: Pair{"a b", "short"}, err: "the secret key has 5 characters"},
		{name: "a newer release", found: []Found{{Dir: "a", Err: dirfile.ErrNewer}, has("b", "OLD", 3)}, err: "directory a was written by a newer release"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Resolve(tt.found, tt.given, tt.fresh, made)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.access, d.Keys.Access)
			require.Equal(t, tt.counter, d.Keys.Counter)
			require.Equal(t, tt.source, d.Source)
			require.Equal(t, tt.write, d.Write)
			require.NotContains(t, strings.Join(d.Notes, "\n"), "secret-of")
			require.NotZero(t, d.Keys.NodeSecret)
		})
	}
}

func TestEqualCountersPickTheSameWhateverTheOrder(t *testing.T) {
	a, b := Found{Dir: "a", Keys: keysWith("AAA", 2)}, Found{Dir: "b", Keys: keysWith("BBB", 2)}
	d1, err := Resolve([]Found{a, b}, Pair{}, false, made)
	require.NoError(t, err)
	d2, err := Resolve([]Found{b, a}, Pair{}, false, made)
	require.NoError(t, err)
	require.Equal(t, d1.Keys, d2.Keys)
	require.Len(t, d1.Write, 1)
}

func TestValidate(t *testing.T) {
	for p, want := range map[Pair]string{
		{"ab", "12345678"}:                      "access key has 2",
		{strings.Repeat("a", 129), "12345678"}:  "access key has 129",
		{"a/b", "12345678"}:                     `not '/'`,
		{"abc", "1234567"}:                      "secret key has 7",
		{"abc", strings.Repeat("a", 129)}:       "secret key has 129",
		{"abc", "1234 678"}:                     "character 5",
		{"abc", "1234567\n"}:                    "character 8",
		{"abc", "1234567\x80"}:                  "character 8",
		{"abc", "12345678"}:                     "",
		{"minioadmin", "/+=!~azAZ09"}:           "",
		{strings.Repeat("a", 128), "wJalr/K7M"}: "",
	} {
		err := p.Validate()
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

func TestMadeKeysAreValidAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		p := NewPair()
		require.NoError(t, p.Validate())
		require.Len(t, p.Access, 20)
		require.Len(t, p.Secret, 40)
		require.False(t, seen[p.Access] || seen[p.Secret])
		seen[p.Access], seen[p.Secret] = true, true
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	k := keysWith("ACCESS", 1)
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "keys", k, "pair", k.Pair)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "keys", k, "pair", k.Pair)
	fmt.Fprintf(&b, "%v %+v %#v %s", k, k, k.Pair, k.Pair)
	require.NotContains(t, b.String(), "secret-of")
	require.Contains(t, b.String(), "ACCESS")
}

func TestLoadStoresOnEveryDir(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	d, err := Load(dirfile.OS{}, []string{a, b}, Pair{}, true)
	require.NoError(t, err)
	require.Equal(t, Made, d.Source)
	for _, dir := range []string{a, b} {
		info, err := os.Stat(filepath.Join(dir, FileName))
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	require.NoError(t, os.Remove(filepath.Join(a, FileName)))
	again, err := Load(dirfile.OS{}, []string{a, b}, Pair{}, false)
	require.NoError(t, err)
	require.Equal(t, d.Keys.Pair, again.Keys.Pair)
	require.Equal(t, d.Keys.NodeSecret, again.Keys.NodeSecret)
	require.Equal(t, []string{a}, again.Write)

	repl, err := Load(dirfile.OS{}, []string{a, b}, Pair{"ENV", "secret-of-ENV"}, false)
	require.NoError(t, err)
	require.Equal(t, uint64(2), repl.Keys.Counter)
	require.Equal(t, d.Keys.NodeSecret, repl.Keys.NodeSecret, "the node secret is made once")
	for _, f := range Read(dirfile.OS{}, []string{a, b}) {
		require.NoError(t, f.Err)
		require.Equal(t, "ENV", f.Keys.Access)
	}
}

type failing struct {
	dirfile.OS
	dir string
}

func (f failing) WriteSync(path string, data []byte, perm fs.FileMode) error {
	if strings.HasPrefix(path, f.dir) {
		return errors.New("no room")
	}
	return f.OS.WriteSync(path, data, perm)
}

func TestLoadWithADirThatCannotBeWritten(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	_, err := Load(failing{dir: b}, []string{a, b}, Pair{}, true)
	require.ErrorContains(t, err, b, "a fresh node begins whole")

	d, err := Load(failing{dir: b}, []string{a, b}, Pair{}, false)
	require.NoError(t, err)
	require.Contains(t, strings.Join(d.Notes, "\n"), "could not be written to directory "+b)

	_, err = Load(failing{dir: ""}, []string{a, b}, Pair{"ENV", "secret-of-ENV"}, false)
	require.ErrorContains(t, err, "on no directory")
}

func TestUnknownFieldsAreKept(t *testing.T) {
	body := []byte(`{"counter":1,"access_key":"ABC","secret_key":"12345678","node_secret":"` + strings.Repeat("ab", 32) + `","later":{"x":1}}`)
	k, err := unmarshal(body)
	require.NoError(t, err)
	k.Counter = 2
	out, err := k.marshal()
	require.NoError(t, err)
	require.Contains(t, string(out), `"later":{"x":1}`)
	require.Contains(t, string(out), `"counter":2`)
}

func TestDamagedBodies(t *testing.T) {
	node := strings.Repeat("ab", 32)
	for _, body := range []string{
		``, `{`, `[]`, `{"counter":"x"}`,
		`{"counter":0,"access_key":"ABC","secret_key":"12345678","node_secret":"` + node + `"}`,
		`{"counter":1,"access_key":"A","secret_key":"12345678","node_secret":"` + node + `"}`,
		`{"counter":1,"access_key":"ABC","secret_key":"12345678","node_secret":"abcd"}`,
		`{"counter":1,"access_key":"ABC","secret_key":"12345678","node_secret":"` + node + `ab"}`,
		`{"counter":1,"access_key":"ABC","secret_key":"12345678","node_secret":"` + strings.Repeat("zz", 32) + `"}`,
	} {
		_, err := unmarshal([]byte(body))
		require.ErrorIs(t, err, dirfile.ErrDamaged, body)
		require.NotContains(t, err.Error(), "12345678")
	}
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// files is a ReadFile over a map.
func files(m map[string]string) func(string) ([]byte, error) {
	return func(p string) ([]byte, error) {
		if s, ok := m[p]; ok {
			return []byte(s), nil
		}
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
}

// parse gives flags as pflag would.
func parse(t *testing.T, args ...string) *Flags {
	t.Helper()
	f, specs := NewFlags()
	for _, a := range args {
		name, val, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		found := false
		for _, s := range specs {
			if s.Name == name {
				require.NoError(t, s.Value.Set(val))
				found = true
			}
		}
		require.True(t, found, a)
	}
	return f
}

func TestDefaultsAreValid(t *testing.T) {
	require.NoError(t, Default().Validate())
	require.ErrorContains(t, Default().CheckServer(), "no data directory is given")
	l, err := Load(Input{})
	require.NoError(t, err)
	require.Equal(t, Default(), l.Config)
	for _, s := range settings() {
		require.Equal(t, "default", l.Sources[s.name], s.name)
	}
}

func TestOrderOfSources(t *testing.T) {
	read := files(map[string]string{"f.yaml": "admin: 127.0.0.1:1\nlog-level: warn\ntablets: 20\ns3: [127.0.0.1:5, '[::1]:6']\ndirs: ['/a,b', /c]\n"})
	l, err := Load(Input{File: "f.yaml", ReadFile: read, Environ: []string{"CATENA_ADMIN=127.0.0.1:2", "CATENA_LOG_LEVEL=error", "CATENA_S3=", "CATENA_TRUSTED_PROXIES=10.1.2.3/8, ::1"},
		Flags: parse(t, "--admin=127.0.0.1:3")})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:3", l.Admin)
	require.Equal(t, "flag --admin", l.Sources["admin"])
	require.Equal(t, "error", l.LogLevel)
	require.Equal(t, "environment CATENA_LOG_LEVEL", l.Sources["log-level"])
	require.Equal(t, 20, l.Tablets)
	require.Equal(t, "f.yaml:3", l.Sources["tablets"])
	require.Equal(t, []string{"127.0.0.1:5", "[::1]:6"}, l.S3, "an empty variable is none")
	require.Equal(t, []string{"/a,b", "/c"}, l.Dirs)
	require.Equal(t, 32, l.DataChains)
	require.Equal(t, "default", l.Sources["data-chains"])
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, l.TrustedProxies)

	l, err = Load(Input{File: "f.yaml", ReadFile: read, Dirs: []string{"/x"}, Flags: parse(t, "--s3=[::]:9000", "--s3=127.0.0.1:7,127.0.0.1:8")})
	require.NoError(t, err)
	require.Equal(t, []string{"/x"}, l.Dirs)
	require.Equal(t, []string{"[::]:9000", "127.0.0.1:7", "127.0.0.1:8"}, l.S3, "a higher source replaces, a repeated flag adds")

	l, err = Load(Input{ReadFile: read, Environ: []string{"CATENA_CONFIG=f.yaml"}})
	require.NoError(t, err)
	require.Equal(t, 20, l.Tablets)
}

// TestEverySettingFromEverySource: the three names of each setting come from
// one table; this shows that each of them works.
func TestEverySettingFromEverySource(t *testing.T) {
	samples := map[string]string{"s3": "127.0.0.1:77", "admin": "127.0.0.1:78", "domain": "s3.example.com", "trusted-proxies": "10.0.0.0/8", "tls-cert": "c.pem", "tls-key": "k.pem",
		"tls-self-signed": "true", "require-signed-payload": "true", "access-key": "ACCESS", "secret-key": "secret-77", "access-key-file": "a.txt", "secret-key-file": "s.txt",
		"buckets": "aaa", "drain-delay": "3s", "drain-timeout": "4s", "release-grace": "5s", "log-format": "json", "log-level": "debug", "tablets": "7", "data-chains": "8", "max-connections": "9",
		"max-requests": "10", "body-memory": "64MiB", "index-cache": "2MiB", "dirs": "/d",
		"region": "eu-west-1", "refuse-sigv2": "true", "body-timeout": "6s"}
	for _, s := range settings() {
		sample, ok := samples[s.name]
		require.True(t, ok, "a sample for %s", s.name)
		get := func(in Input) string {
			l, _ := Load(in) // pairs are incomplete here; problems have their own test
			return s.value(&l.Config).String()
		}
		require.NotEqual(t, sample, get(Input{}), s.name)
		read := files(map[string]string{"f": s.name + ": " + sample, "a.txt": "x", "s.txt": "y"})
		require.Equal(t, sample, get(Input{ReadFile: read, Environ: []string{EnvName(s.name) + "=" + sample}}), s.name)
		require.Equal(t, sample, get(Input{File: "f", ReadFile: read}), s.name)
		if !s.noFlag {
			require.Equal(t, sample, get(Input{ReadFile: read, Flags: parse(t, "--"+s.name+"="+sample)}), s.name)
		}
		require.NotEmpty(t, s.usage)
	}
}

func TestSecretHasNoFlag(t *testing.T) {
	_, specs := NewFlags()
	for _, s := range specs {
		require.NotEqual(t, "secret-key", s.Name)
	}
	_, specs = NewFlags("admin", "tls-cert")
	require.Len(t, specs, 2)
}

func TestFileProblems(t *testing.T) {
	for text, want := range map[string]string{
		"tablet: 3":                      `f:1: unknown key "tablet", did you mean "tablets"?`,
		"admin: 127.0.0.1:1\nfoo: 1":     `f:2: unknown key "foo"`,
		"drain_delay: 3s":                `did you mean "drain-delay"?`,
		"tablets: 3\ntablets: 4":         "already defined",
		"tablets: [3]":                   "f:1: tablets: one value is wanted, not a list",
		"tablets: three":                 `f:1: tablets: "three" is not valid: want a whole number`,
		"tablets:":                       "f:1: tablets has no value",
		"s3: {a: b}":                     "f:1: s3 must be one value or a list",
		"s3: [{a: b}]":                   "s3: each item must be one value",
		"s3: ['a,b']":                    "s3: each item must be one value",
		"- a":                            "f:1: want lines of the form key: value",
		"tablets: 1\n---\ntablets: 2":    "more than one document",
		"a: [":                           "config file f: ",
		"tablets: &x 3\ndata-chains: *x": "must be one value",
	} {
		_, err := Load(Input{File: "f", ReadFile: files(map[string]string{"f": text})})
		require.ErrorContains(t, err, want, text)
	}
	_, err := Load(Input{File: "gone", ReadFile: files(nil)})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Load(Input{File: "f", ReadFile: files(map[string]string{"f": strings.Repeat("#", maxFile+1)})})
	require.ErrorContains(t, err, "at most")
	for _, fine := range []string{"", "# nothing\n", "---\n", "tablets: 3 # three\n"} {
		_, err := Load(Input{File: "f", ReadFile: files(map[string]string{"f": fine})})
		require.NoError(t, err, fine)
	}
}

func TestKeysKeepTheirText(t *testing.T) {
	for text, want := range map[string]string{
		"secret-key: 0123456789":      "0123456789",
		"secret-key: '0123456789'":    "0123456789",
		"secret-key: 1e9000000":       "1e9000000",
		`secret-key: "a#b\\c\"def"`:   `a#b\c"def`,
		"secret-key: |\n  abcdefgh\n": "abcdefgh",
	} {
		l, err := Load(Input{File: "f", ReadFile: files(map[string]string{"f": text + "\naccess-key: abc\n"})})
		require.NoError(t, err, text)
		require.Equal(t, want, l.SecretKey)
	}
}

func TestKeyFiles(t *testing.T) {
	read := files(map[string]string{"a": "ACCESS\n", "s": "secret-77\r\n", "empty": "\n"})
	l, err := Load(Input{ReadFile: read, Environ: []string{"CATENA_ACCESS_KEY_FILE=a", "CATENA_SECRET_KEY_FILE=s"}})
	require.NoError(t, err)
	require.Equal(t, "ACCESS", l.AccessKey)
	require.Equal(t, "secret-77", l.SecretKey)
	require.Equal(t, "file s", l.Sources["secret-key"])

	for env, want := range map[string]string{
		"CATENA_ACCESS_KEY_FILE=a CATENA_SECRET_KEY_FILE=s CATENA_SECRET_KEY=other-88": "both secret-key and secret-key-file are set",
		"CATENA_ACCESS_KEY_FILE=a CATENA_SECRET_KEY_FILE=gone":                         "secret-key-file: open gone",
		"CATENA_ACCESS_KEY_FILE=a CATENA_SECRET_KEY_FILE=empty":                        "empty is empty",
		"CATENA_ACCESS_KEY_FILE=a":                                                     "belong together",
		"CATENA_SECRET_KEY=other-88":                                                   "belong together",
	} {
		_, err := Load(Input{ReadFile: read, Environ: strings.Fields(env)})
		require.ErrorContains(t, err, want)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := Load(Input{Environ: []string{"CATENA_S3=nowhere,127.0.0.1:99999,127.0.0.1:9001", "CATENA_TLS_CERT=x", "CATENA_TLS_SELF_SIGNED=1", "CATENA_ACCESS_KEY=a", "CATENA_SECRET_KEY=short",
		"CATENA_DOMAIN=UPPER.com,10.0.0.1", "CATENA_BUCKETS=ab,ok-bucket,ok-bucket", "CATENA_LOG_FORMAT=xml", "CATENA_LOG_LEVEL=loud", "CATENA_TABLETS=0", "CATENA_DATA_CHAINS=many",
		"CATENA_DRAIN_DELAY=-1s", "CATENA_DRAIN_TIMEOUT=0s", "CATENA_BODY_MEMORY=1KiB", "CATENA_INDEX_CACHE=1", "CATENA_MAX_CONNECTIONS=-1", "CATENA_MAX_REQUESTS=0", "CATENA_TRUSTED_PROXIES=here",
		"CATENA_REGION=EU", "CATENA_BODY_TIMEOUT=0s"}})
	for _, want := range []string{`"nowhere": want host:port`, `"127.0.0.1:99999": the port`, "127.0.0.1:9001 is used by s3 already", "tls-cert and tls-key belong together", "exclude each other",
		"access key has 1 characters", "secret key has 5 characters", `"UPPER.com" is not a host name`, `"10.0.0.1" is not a host name`, `"ab" is not a bucket name`, `"ok-bucket" is given twice`,
		`log-format: "xml"`, `log-level: "loud"`, "tablets: 0", `CATENA_DATA_CHAINS: "many" is not valid`, "drain-delay: -1s", "drain-timeout: 0s", "body-memory: 1KiB", "index-cache: 1 ",
		"max-connections: -1", "max-requests: 0", `CATENA_TRUSTED_PROXIES: "here" is not valid`,
		`region: "EU"`, "body-timeout: 0s"} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "short")
	require.Len(t, unwrap(err), 24)
}

func unwrap(err error) (out []error) {
	var j interface{ Unwrap() []error }
	if errors.As(err, &j) && fmt.Sprintf("%T", err) == "*errors.joinError" {
		for _, e := range j.Unwrap() {
			out = append(out, unwrap(e)...)
		}
		return out
	}
	return []error{err}
}

func TestAddresses(t *testing.T) {
	for _, ok := range []string{"127.0.0.1:9000", "[::]:9000", ":9000", "localhost:0", "[fe80::1%eth0]:80", "0.0.0.0:65535"} {
		require.NoError(t, checkAddress(ok), ok)
	}
	for _, bad := range []string{"", "9000", "::1:9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:+1", "127.0.0.1:65536", "a b:1", "http://x:1", "256.0.0.-1:1"} {
		require.Error(t, checkAddress(bad), bad)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "12": 12, "12B": 12, "1KiB": 1024, "64 MiB": 64 << 20, "3GiB": 3 << 30, "2TiB": 2 << 40} {
		var s Size
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s)
		var again Size
		require.NoError(t, again.Set(s.String()))
		require.Equal(t, s, again)
	}
	for _, bad := range []string{"", "-1", "1MB", "x", "9999999TiB", "1.5GiB"} {
		require.Error(t, new(Size).Set(bad), bad)
	}
}

func TestPrintMasksAndIsReadBack(t *testing.T) {
	in := Input{Dirs: []string{"/data/1", "/data/with, comma"}, ReadFile: files(nil), Environ: []string{"CATENA_ACCESS_KEY=12345", "CATENA_SECRET_KEY=hush-hush-77", "CATENA_S3=[::]:9000",
		"CATENA_DOMAIN=a.example,b.example", "CATENA_DRAIN_DELAY=1500ms", "CATENA_TLS_SELF_SIGNED=true", "CATENA_TRUSTED_PROXIES=10.0.0.0/8"}}
	l, err := Load(in)
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, l.Print(&b))
	out := b.String()
	require.NotContains(t, out, "hush")
	require.Contains(t, out, "# secret-key: ******** # environment CATENA_SECRET_KEY\n")
	require.Contains(t, out, `s3: ["[::]:9000"] # environment CATENA_S3`)
	require.Contains(t, out, "drain-delay: 1.5s # environment CATENA_DRAIN_DELAY")
	require.Contains(t, out, "tablets: 12 # default")
	require.Contains(t, out, "# tls-cert: # not set")

	again, err := Load(Input{File: "f", Environ: []string{"CATENA_SECRET_KEY=hush-hush-77"}, ReadFile: files(map[string]string{"f": out})})
	require.NoError(t, err)
	require.Equal(t, l.Config, again.Config)
}

func TestSecretIsNotInFileErrors(t *testing.T) {
	for _, text := range []string{"secret-key: hush-hush-77: x\naccess-key: abc", "secret-key: [hush-hush-77]", "secret-key: {hush-hush-77: 1}", "secret-key: \"hush-hush-77", "secret-key: 'hush-hush-77\u00e9'\naccess-key: abc"} {
		_, err := Load(Input{File: "f", ReadFile: files(map[string]string{"f": text})})
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "hush", text)
	}
}

func TestUnknownEnvironmentIsSaid(t *testing.T) {
	l, err := Load(Input{Environ: []string{"CATENA_TABLET=3", "CATENA_SERVICE_HOST=1.2.3.4", "CATENA_PORT=tcp://1.2.3.4:80", "CATENA_PORT_80_TCP=x", "PATH=/bin", "CATENA_EMPTY="}})
	require.NoError(t, err)
	require.Equal(t, []string{"environment variable CATENA_TABLET is not a setting and is ignored"}, l.Warnings)
}

func TestBoolFlagNeedsNoValue(t *testing.T) {
	l, err := Load(Input{Flags: parse(t, "--tls-self-signed=true", "--drain-timeout=1m30s")})
	require.NoError(t, err)
	require.True(t, l.TLSSelfSigned)
	require.Equal(t, 90*time.Second, l.DrainTimeout)
}

func FuzzFile(f *testing.F) {
	f.Add("tablets: 3\ns3: [a, b]\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, _ := Load(Input{File: "f", ReadFile: files(map[string]string{"f": text})})
		require.NoError(t, l.Print(&strings.Builder{}))
	})
}

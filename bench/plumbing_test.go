package bench

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// small is a run of a few operations of every kind.
func small() Settings {
	s := Defaults()
	s.Sizes, s.Concurrency, s.Objects, s.Prepare, s.ListKeys = []int64{0, 1000, 100_000}, 3, 10, 7, 2100
	s.MultipartSize, s.PartSize, s.Timeout = 6<<20, 5<<20, 10*time.Second
	return s
}

func rows(results []Result) map[string]Result {
	out := map[string]Result{}
	for _, r := range results {
		out[r.Target+" "+r.Op+" "+FormatSize(r.Size)] = r
	}
	return out
}

func TestEveryOperationAgainstS3(t *testing.T) {
	f, target := startFake(t)
	rep, err := Run(t.Context(), Config{Settings: small(), Targets: []Target{target}, Run: "r1", pause: func(context.Context) {}})
	require.NoError(t, err)
	n, corrupt := rep.Failures()
	for _, r := range rep.Results {
		require.Empty(t, r.Errors, "%s: %v", r.Op, r.ErrorSamples)
	}
	require.Zero(t, n)
	require.False(t, corrupt)
	got := rows(rep.Results)
	for _, want := range []string{"a put 0B", "a put 1000B", "a put 100000B", "a get 0B", "a get 100000B", "a head 1000B", "a delete 1000B", "a mixed 1000B", "a multipart 6MiB", "a list 0B"} {
		r, ok := got[want]
		require.True(t, ok, want)
		require.Equal(t, int64(10), r.Ops, want)
		require.Positive(t, r.OpsPerSec)
		require.Positive(t, r.LatencyMS.P50)
		require.GreaterOrEqual(t, r.LatencyMS.Max, r.LatencyMS.P99)
	}
	require.Equal(t, int64(1_000_000), got["a get 100000B"].Bytes)
	require.Zero(t, got["a head 1000B"].Bytes)
	require.Equal(t, int64(60<<20), got["a multipart 6MiB"].Bytes)
	require.Greater(t, got["a list 0B"].Items, int64(5000), "pages of 1000, 1000 and 100")
	require.Positive(t, f.signed, "bodies are signed over plain HTTP")
	require.Empty(t, f.buckets, "cleaned up, the bucket that it made included")
	require.Positive(t, f.deletes)
}

func TestKeepAndForeignBucket(t *testing.T) {
	f, target := startFake(t)
	f.buckets["catena-bench"] = map[string][]byte{"mine": []byte("x")}
	s := small()
	s.Ops, s.Sizes = []string{OpPut}, []int64{100}
	_, err := Run(t.Context(), Config{Settings: s, Targets: []Target{target}, Run: "r1", pause: func(context.Context) {}})
	require.NoError(t, err)
	require.Len(t, f.buckets["catena-bench"], 1, "what is not ours stays")
	s.Keep = true
	_, err = Run(t.Context(), Config{Settings: s, Targets: []Target{target}, Run: "r2"})
	require.NoError(t, err)
	require.Len(t, f.buckets["catena-bench"], 11)
}

func TestWrongBytesAreFound(t *testing.T) {
	f, target := startFake(t)
	s := small()
	s.Ops, s.Sizes = []string{OpPut, OpGet, OpHead, OpMultipart, OpList}, []int64{1000}
	f.interfere = func(w http.ResponseWriter, r *http.Request) bool {
		for _, b := range f.buckets {
			for k, data := range b {
				if r.Method == "GET" && strings.HasSuffix(r.URL.Path, k) && len(data) > 0 {
					data[len(data)/2] ^= 1
				}
				if r.Method == "HEAD" {
					b[k] = append(data, 0)
				}
				if strings.HasSuffix(k, "key-00000007") {
					delete(b, k)
				}
			}
		}
		return false
	}
	s.Keep = true // the clean-up would list as well
	rep, err := Run(t.Context(), Config{Settings: s, Targets: []Target{target}, Run: "r1", pause: func(context.Context) {}})
	require.NoError(t, err)
	n, corrupt := rep.Failures()
	require.True(t, corrupt)
	require.Positive(t, n)
	got := rows(rep.Results)
	require.Equal(t, map[string]int64{"Corrupt": 10}, got["a head 1000B"].Errors)
	require.Positive(t, got["a get 1000B"].Errors["Corrupt"])
	require.Positive(t, got["a multipart 6MiB"].Errors["Corrupt"], "uploads are read back")
	require.Contains(t, got["a list 0B"].ErrorSamples["Corrupt"], "2099 keys, written were 2100")
}

func TestErrorsAreCountedByCode(t *testing.T) {
	f, target := startFake(t)
	s := small()
	s.Ops, s.Sizes, s.Objects = []string{OpPut}, []int64{10}, 30
	n := 0
	f.interfere = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "PUT" || strings.Count(r.URL.Path, "/") < 3 {
			return false
		}
		n++
		switch n % 3 {
		case 0:
			fail(w, 503, "SlowDown")
		case 1:
			w.WriteHeader(500)
		default:
			return false
		}
		return true
	}
	rep, err := Run(t.Context(), Config{Settings: s, Targets: []Target{target}, Run: "r1", pause: func(context.Context) {}})
	require.NoError(t, err)
	r := rep.Results[0]
	require.Equal(t, int64(10), r.Ops, "what failed is in no rate")
	require.Equal(t, int64(10), r.Errors["SlowDown"], "and nothing is retried")
	require.Equal(t, int64(20), count(r.Errors))
	require.NotEmpty(t, r.ErrorSamples["SlowDown"])
}

func TestAnEndpointThatIsNotThere(t *testing.T) {
	_, err := Run(t.Context(), Config{Settings: small(), Targets: []Target{{Name: "a", Endpoint: "127.0.0.1:1", AccessKey: "ACCESS", SecretKey: "secret-77"}}, Run: "r"})
	require.ErrorContains(t, err, "endpoint a: bucket catena-bench")
	require.NotContains(t, err.Error(), "secret-77")
}

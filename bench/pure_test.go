package bench

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"
)

func TestContentIsAReader(t *testing.T) {
	for _, size := range []int64{0, 1, 7, 8, 9, 4096, 10_001} {
		want := make([]byte, size)
		fill(want, 42, 0)
		require.NoError(t, iotest.TestReader(&content{seed: 42, size: size}, want), "size %d", size)
		for off := int64(0); off < min(size, 40); off++ {
			part := make([]byte, size-off)
			fill(part, 42, off)
			require.Equal(t, want[off:], part, "offset %d", off)
		}
	}
}

func TestContentIsUniqueAndDoesNotCompress(t *testing.T) {
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	fill(a, mix(1), 0)
	fill(b, mix(2), 0)
	seen := map[string]bool{}
	for _, x := range [][]byte{a, b} {
		for i := 0; i+8 <= len(x); i += 8 {
			require.False(t, seen[string(x[i:i+8])])
			seen[string(x[i:i+8])] = true
		}
	}
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, 9)
	require.NoError(t, err)
	_, _ = w.Write(a)
	require.NoError(t, w.Close())
	require.Greater(t, z.Len(), len(a))
}

func TestVerify(t *testing.T) {
	buf := make([]byte, 200)
	for _, size := range []int64{0, 1, 99, 100, 101, 1000} {
		data := make([]byte, size)
		fill(data, 7, 0)
		require.NoError(t, verify(iotest.OneByteReader(bytes.NewReader(data)), 7, size, buf))
		require.ErrorIs(t, verify(bytes.NewReader(append(bytes.Clone(data), 0)), 7, size, buf), ErrCorrupt, "too long")
		if size == 0 {
			continue
		}
		require.ErrorIs(t, verify(bytes.NewReader(data[:size-1]), 7, size, buf), ErrCorrupt, "too short")
		require.ErrorIs(t, verify(bytes.NewReader(data), 8, size, buf), ErrCorrupt, "another object")
		for _, i := range []int64{0, size / 2, size - 1} {
			bad := bytes.Clone(data)
			bad[i] ^= 0x10
			require.ErrorIs(t, verify(bytes.NewReader(bad), 7, size, buf), ErrCorrupt, "byte %d", i)
		}
	}
	require.ErrorIs(t, verify(iotest.ErrReader(io.ErrClosedPipe), 7, 10, buf), io.ErrClosedPipe)
}

func TestErrorCodes(t *testing.T) {
	for want, err := range map[string]error{
		"SlowDown": minio.ErrorResponse{Code: "SlowDown", StatusCode: 503}, "HTTP502": minio.ErrorResponse{StatusCode: 502},
		"Corrupt": fmt.Errorf("x: %w", ErrCorrupt), "Timeout": fmt.Errorf("x: %w", context.DeadlineExceeded), "Network": fmt.Errorf("x: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), "Other": errors.New("odd"),
	} {
		require.Equal(t, want, errorCode(err))
	}
}

func TestPercentiles(t *testing.T) {
	a, b := newTally(), newTally()
	for i := 1; i <= 1000; i++ {
		which := a
		if i%2 == 0 {
			which = b
		}
		which.done(time.Duration(i)*time.Millisecond, 10, 1)
	}
	a.done(time.Hour, 0, 0) // beyond the histogram: counted at its end
	a.failed(ErrCorrupt)
	a.merge(b)
	require.Equal(t, int64(1001), a.ops)
	require.Equal(t, int64(10000), a.bytes)
	l := a.summary()
	require.InDelta(t, 500, l.P50, 2)
	require.InDelta(t, 901, l.P90, 2)
	require.InDelta(t, 991, l.P99, 2)
	require.InDelta(t, 600_000, l.Max, 700)
	require.Equal(t, map[string]int64{"Corrupt": 1}, a.errors)

	empty := newTally().summary()
	require.Zero(t, empty, "no operation, no NaN in the JSON")
}

func TestParseStat(t *testing.T) {
	line := func(name, state string) string {
		return "77 (" + name + ") " + state + " 1 77 77 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 1 0 190350 3133440 388 18446744073709551615 1 1"
	}
	for _, name := range []string{"catena", "a b", "x) R 9 9", "((", ""} {
		u, err := parseStat(line(name, "S"))
		require.NoError(t, err)
		require.Equal(t, 4*time.Second, u.cpu)
		require.Equal(t, int64(388*os.Getpagesize()), u.rss)
	}
	for _, bad := range []string{"", "77 catena S", "77 (catena) S 1 2", line("catena", "Z"), strings.Replace(line("c", "S"), " 250 ", " x ", 1)} {
		_, err := parseStat(bad)
		require.Error(t, err, bad)
	}
}

func TestUsageSumsOverProcesses(t *testing.T) {
	root := t.TempDir()
	for _, pid := range []string{"1", "2"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, pid), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, pid, "stat"), []byte(pid+" (x) S 1 1 1 0 -1 0 0 0 0 0 100 0 0 0 20 0 1 0 1 1 10 0"), 0o644))
	}
	u, err := usageBelow(root, []int{1, 2})
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, u.cpu)
	require.Equal(t, int64(20*os.Getpagesize()), u.rss)
	_, err = usageBelow(root, []int{1, 3})
	require.ErrorContains(t, err, "process 3 cannot be observed")
}

func TestMachine(t *testing.T) {
	require.Equal(t, "Intel(R) Xeon(R)", cpuModel("processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nmodel name\t: other\n"))
	require.Equal(t, "CPU part 0xd0c", cpuModel("processor\t: 0\nCPU part\t: 0xd0c\n"))
	require.Equal(t, "unknown", cpuModel(""))
	require.Equal(t, int64(1024<<10), memTotal("MemFree: 3 kB\nMemTotal:   1024 kB\n"))
	m := describeMachine()
	require.Positive(t, m.Cores)
	require.NotEmpty(t, m.Kernel)
}

func result(target, op string, size int64, rate float64) Result {
	return Result{Target: target, Op: op, Size: size, Concurrency: 4, Ops: 10, OpsPerSec: rate, LatencyMS: Latency{P50: 10 / rate, P99: 20 / rate}}
}

func TestCompareMatchesRows(t *testing.T) {
	a := []Result{result("a", "put", 1, 100), result("a", "get", 1, 50), result("a", "head", 1, 10)}
	b := []Result{result("b", "get", 1, 100), result("b", "put", 2, 1), result("b", "put", 1, 300), result("b", "head", 1, 0)}
	b[0].Errors = map[string]int64{"SlowDown": 2}
	got := Compare(a, b, false)
	require.Len(t, got, 3)
	require.InDelta(t, 3, got[0].Rate, 1e-9)
	require.InDelta(t, 1.0/3, got[0].P99, 1e-9)
	require.InDelta(t, 2, got[1].Rate, 1e-9)
	require.Equal(t, int64(2), got[1].ErrorsB)
	require.Zero(t, got[2].Rate, "nothing done: no ratio")
	require.Zero(t, got[0].CPUPerOp, "not measured: no ratio")

	var table bytes.Buffer
	require.NoError(t, WriteRatios(&table, "A", "B", got))
	require.Contains(t, table.String(), "3.00x")
	require.Contains(t, table.String(), "0/2")
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	require.Len(t, lines, 4)
	table.Reset()
	require.NoError(t, WriteResults(&table, b))
	require.Contains(t, table.String(), "SlowDown:2")
}

func TestSidesOfReports(t *testing.T) {
	one := func(name string) Report {
		return Report{Targets: []TargetReport{{Name: name}}, Results: []Result{result(name, "put", 1, 1)}}
	}
	nameA, nameB, a, b, paired, err := Sides(one("x"), one("x"))
	require.NoError(t, err)
	require.Equal(t, "x", nameA)
	require.Equal(t, "x", nameB)
	require.Len(t, a, 1)
	require.Len(t, b, 1)
	require.False(t, paired)
	for _, bad := range [][]Report{{}, {one("x")}, {one("x"), {}}, {one("x"), one("y"), one("z")}} {
		_, _, _, _, _, err = Sides(bad...)
		require.Error(t, err)
	}
}

func TestReportRoundTrip(t *testing.T) {
	rep := newReport(Config{Settings: Defaults(), Targets: []Target{{Name: "a", Endpoint: "h:1", AccessKey: "ACCESS", SecretKey: "hush-hush-77", Pids: []int{3}}}})
	r := result("a", "put", 1, 2)
	r.Server = newCost(2*time.Second, 5, 4, 1<<29)
	r.SliceRates, r.Errors, r.ErrorSamples = []float64{1, 2}, map[string]int64{"X": 1}, map[string]string{"X": "y"}
	rep.Results = []Result{r}
	require.Equal(t, 500_000.0, r.Server.CPUPerOp)
	require.Equal(t, 4.0, r.Server.CPUPerGiB)
	var b bytes.Buffer
	require.NoError(t, rep.Write(&b))
	require.NotContains(t, b.String(), "hush")
	require.NotContains(t, b.String(), "ACCESS")
	again, err := Read(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(rep, again))
}

func TestReadRefusesWhatIsNoReport(t *testing.T) {
	for text, want := range map[string]string{
		``: "not a report", `{}`: `the format is ""`, `[1]`: "not a report", `{"format":"other"}`: `"other"`,
		`{"format":"catena-bench","version":2}`: "version 2, this release reads up to 1", `{"format":"catena-bench"}`: "without a version",
	} {
		_, err := Read(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1000: "1000B", 1024: "1KiB", 1536: "1536B", 16 << 20: "16MiB", 3 << 30: "3GiB"} {
		require.Equal(t, want, FormatSize(n))
	}
}

func BenchmarkFill(b *testing.B) {
	buf := make([]byte, 1<<20)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		fill(buf, 1, 0)
	}
}

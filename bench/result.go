package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Format and Version of the JSON report. A field may be added without a new
// version; a changed meaning is a new one, and an older reader refuses it.
const (
	Format  = "catena-bench"
	Version = 1
)

// Report is the outcome of a run.
type Report struct {
	Format   string         `json:"format"`
	Version  int            `json:"version"`
	Started  time.Time      `json:"started"`
	Machine  Machine        `json:"machine"`
	Settings Settings       `json:"settings"`
	Targets  []TargetReport `json:"targets"`
	Results  []Result       `json:"results"`
}

// TargetReport describes an endpoint, without its keys.
type TargetReport struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	TLS      bool   `json:"tls"`
	// Local: its processes' cost was measured.
	Local bool `json:"local"`
	// IdleRSS is its processes' memory before the run, in bytes; 0 unknown.
	IdleRSS int64 `json:"idle_rss_bytes,omitempty"`
}

// Result is one kind of operation of one phase against one target.
type Result struct {
	Target string `json:"target"`
	// Op is the operation; a mixed load also has mixed.get and so on.
	Op          string `json:"op"`
	Size        int64  `json:"size"`
	Concurrency int    `json:"concurrency"`
	// Ops worked; Bytes are those of objects; Items are keys of listings.
	Ops   int64 `json:"ops"`
	Bytes int64 `json:"bytes"`
	Items int64 `json:"items,omitempty"`
	// Seconds of load; rates are by these.
	Seconds      float64           `json:"seconds"`
	OpsPerSec    float64           `json:"ops_per_second"`
	MiBPerSec    float64           `json:"mib_per_second"`
	ItemsPerSec  float64           `json:"items_per_second,omitempty"`
	LatencyMS    Latency           `json:"latency_ms"`
	SliceRates   []float64         `json:"slice_ops_per_second,omitempty"`
	Errors       map[string]int64  `json:"errors,omitempty"`
	ErrorSamples map[string]string `json:"error_samples,omitempty"`
	Server       *Cost             `json:"server,omitempty"`
	ClientCPU    float64           `json:"client_cpu_seconds,omitempty"`
}

// Cost is what a local server spent on a phase.
type Cost struct {
	CPUSeconds float64 `json:"cpu_seconds"`
	// CPUPerOp is in microseconds, CPUPerGiB in seconds (0 without bytes).
	CPUPerOp  float64 `json:"cpu_us_per_op"`
	CPUPerGiB float64 `json:"cpu_seconds_per_gib,omitempty"`
	// RSS is the most memory seen under the load, in bytes.
	RSS int64 `json:"rss_bytes"`
}

func newReport(cfg Config) Report {
	r := Report{Format: Format, Version: Version, Started: time.Now().UTC(), Machine: describeMachine(), Settings: cfg.Settings}
	for _, t := range cfg.Targets {
		r.Targets = append(r.Targets, TargetReport{Name: t.Name, Endpoint: t.Endpoint, TLS: t.TLS, Local: len(t.Pids) > 0})
	}
	return r
}

// results turns what was measured into rows: the whole, and for a mixed load
// its kinds.
func (r *runner) results(s *side, m *measured, after usage, op string, size int64) []Result {
	total := m.tallies.total()
	whole := r.row(s, op, size, total, m.loaded)
	whole.SliceRates = m.rates
	whole.ClientCPU = m.client.Seconds()
	if len(s.target.Pids) > 0 {
		whole.Server = newCost(after.cpu-m.before.cpu, max(m.peak, after.rss), total.ops, total.bytes)
	}
	out := []Result{whole}
	if op == OpMixed {
		kinds := make([]string, 0, len(m.tallies))
		for k := range m.tallies {
			kinds = append(kinds, k)
		}
		slices.Sort(kinds)
		for _, k := range kinds {
			out = append(out, r.row(s, k, size, m.tallies[k], m.loaded))
		}
	}
	return out
}

func (r *runner) row(s *side, op string, size int64, t *tally, loaded time.Duration) Result {
	sec := max(loaded.Seconds(), 1e-9)
	res := Result{
		Target: s.target.Name, Op: op, Size: size, Concurrency: r.cfg.Settings.Concurrency,
		Ops: t.ops, Bytes: t.bytes, Seconds: sec, OpsPerSec: float64(t.ops) / sec,
		MiBPerSec: float64(t.bytes) / sec / (1 << 20), LatencyMS: t.summary(),
	}
	if op == OpList {
		res.Items, res.ItemsPerSec = t.items, float64(t.items)/sec
	}
	res.Errors, res.ErrorSamples = t.errorsOrNil()
	return res
}

func newCost(cpu time.Duration, rss, ops, bytes int64) *Cost {
	c := &Cost{CPUSeconds: cpu.Seconds(), RSS: rss}
	if ops > 0 {
		c.CPUPerOp = cpu.Seconds() * 1e6 / float64(ops)
	}
	if bytes > 0 {
		c.CPUPerGiB = cpu.Seconds() / (float64(bytes) / (1 << 30))
	}
	return c
}

// Failures counts the operations that did not work, and says whether wrong
// bytes were among the reasons.
func (r Report) Failures() (n int64, corrupt bool) {
	for _, res := range r.Results {
		if strings.HasPrefix(res.Op, OpMixed+".") {
			continue // counted in the whole
		}
		for code, k := range res.Errors {
			n += k
			corrupt = corrupt || code == "Corrupt"
		}
	}
	return n, corrupt
}

// Write gives the report as indented JSON.
func (r Report) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// maxReport bounds a report that is read.
const maxReport = 64 << 20

// Read reads a report and refuses what is none, or is of a newer version.
func Read(r io.Reader) (Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return Report{}, err
	}
	if len(b) > maxReport {
		return Report{}, fmt.Errorf("bench: a report of more than %d bytes", maxReport)
	}
	var rep Report
	if err := json.Unmarshal(b, &rep); err != nil {
		return Report{}, fmt.Errorf("bench: not a report: %w", err)
	}
	switch {
	case rep.Format != Format:
		return Report{}, fmt.Errorf("bench: not a report: the format is %q, not %q", rep.Format, Format)
	case rep.Version > Version:
		return Report{}, fmt.Errorf("bench: a report of version %d, this release reads up to %d", rep.Version, Version)
	case rep.Version < 1:
		return Report{}, errors.New("bench: a report without a version")
	}
	return rep, nil
}

// FormatSize is short: 64KiB.
func FormatSize(n int64) string {
	for _, u := range []struct {
		n int64
		s string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.n && n%u.n == 0 {
			return strconv.FormatInt(n/u.n, 10) + u.s
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

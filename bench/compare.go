package bench

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Ratio is B over A for one operation: of rates more is better, of times and
// CPU less is. A ratio that cannot be told is 0.
type Ratio struct {
	Op          string  `json:"op"`
	Size        int64   `json:"size"`
	Concurrency int     `json:"concurrency"`
	OpsPerSecA  float64 `json:"ops_per_second_a"`
	OpsPerSecB  float64 `json:"ops_per_second_b"`
	Rate        float64 `json:"rate"`
	P50         float64 `json:"p50"`
	P99         float64 `json:"p99"`
	CPUPerOp    float64 `json:"cpu_per_op"`
	RSS         float64 `json:"rss"`
	// SliceLow and SliceHigh are the extremes of the rate's ratio over slices
	// that lay side by side: if 1 lies between them, the difference is noise.
	SliceLow  float64 `json:"slice_low"`
	SliceHigh float64 `json:"slice_high"`
	// ErrorsA and ErrorsB count what failed: a fast failure is no success.
	ErrorsA int64 `json:"errors_a"`
	ErrorsB int64 `json:"errors_b"`
}

// Compare gives the ratios of the rows that both have. paired says that both
// come from one run, whose slices lay side by side.
func Compare(a, b []Result, paired bool) []Ratio {
	var out []Ratio
	for _, x := range a {
		i := slices.IndexFunc(b, func(y Result) bool { return x.Op == y.Op && x.Size == y.Size && x.Concurrency == y.Concurrency })
		if i < 0 {
			continue
		}
		y := b[i]
		r := Ratio{
			Op: x.Op, Size: x.Size, Concurrency: x.Concurrency, OpsPerSecA: x.OpsPerSec, OpsPerSecB: y.OpsPerSec,
			Rate: over(y.OpsPerSec, x.OpsPerSec), P50: over(y.LatencyMS.P50, x.LatencyMS.P50), P99: over(y.LatencyMS.P99, x.LatencyMS.P99),
			ErrorsA: count(x.Errors), ErrorsB: count(y.Errors),
		}
		if x.Server != nil && y.Server != nil {
			r.CPUPerOp = over(y.Server.CPUPerOp, x.Server.CPUPerOp)
			r.RSS = over(float64(y.Server.RSS), float64(x.Server.RSS))
		}
		if paired && len(x.SliceRates) > 1 && len(x.SliceRates) == len(y.SliceRates) {
			r.SliceLow, r.SliceHigh = extremes(x.SliceRates, y.SliceRates)
		}
		out = append(out, r)
	}
	return out
}

func over(b, a float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return b / a
}

func extremes(a, b []float64) (low, high float64) {
	for i := range a {
		q := over(b[i], a[i])
		if i == 0 {
			low, high = q, q
		}
		low, high = min(low, q), max(high, q)
	}
	return low, high
}

func count(errs map[string]int64) (n int64) {
	for _, k := range errs {
		n += k
	}
	return n
}

// Sides gives two result lists to compare, with their names: of one report with
// two targets, or of two reports, of each of which the first target counts.
func Sides(reports ...Report) (nameA, nameB string, a, b []Result, paired bool, err error) {
	switch {
	case len(reports) == 1 && len(reports[0].Targets) == 2:
		r := reports[0]
		nameA, nameB = r.Targets[0].Name, r.Targets[1].Name
		return nameA, nameB, of(r, nameA), of(r, nameB), true, nil
	case len(reports) == 1:
		return "", "", nil, nil, false, errors.New("bench: one report with one endpoint: there is nothing to compare it with")
	case len(reports) == 2 && len(reports[0].Targets) > 0 && len(reports[1].Targets) > 0:
		nameA, nameB = reports[0].Targets[0].Name, reports[1].Targets[0].Name
		return nameA, nameB, of(reports[0], nameA), of(reports[1], nameB), false, nil
	}
	return "", "", nil, nil, false, fmt.Errorf("bench: %d reports cannot be compared", len(reports))
}

func of(r Report, target string) (out []Result) {
	for _, res := range r.Results {
		if res.Target == target {
			out = append(out, res)
		}
	}
	return out
}

// WriteRatios prints a table.
func WriteRatios(w io.Writer, nameA, nameB string, rs []Ratio) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "op\tsize\tops/s %s\tops/s %s\tratio\tslices\tp50\tp99\tCPU/op\tmemory\terrors\t\n", nameA, nameB)
	for _, r := range rs {
		spread := ""
		if r.SliceHigh > 0 {
			spread = fmt.Sprintf("%.2f-%.2f", r.SliceLow, r.SliceHigh)
		}
		errs := ""
		if r.ErrorsA+r.ErrorsB > 0 {
			errs = fmt.Sprintf("%d/%d", r.ErrorsA, r.ErrorsB)
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Op, sizeCell(r.Op, r.Size), r.OpsPerSecA, r.OpsPerSecB,
			times(r.Rate), spread, times(r.P50), times(r.P99), times(r.CPUPerOp), times(r.RSS), errs)
	}
	return t.Flush()
}

func times(f float64) string {
	if f == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", f)
}

func sizeCell(op string, size int64) string {
	if op == OpList {
		return "-"
	}
	return FormatSize(size)
}

// WriteResults prints a table of one run.
func WriteResults(w io.Writer, rs []Result) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "target\top\tsize\tops/s\tMiB/s\tp50 ms\tp90 ms\tp99 ms\tmax ms\tCPU us/op\tCPU s/GiB\tRSS MiB\terrors\t")
	for _, r := range rs {
		cpu, gib, rss := "-", "-", "-"
		if r.Server != nil {
			cpu, rss = fmt.Sprintf("%.0f", r.Server.CPUPerOp), fmt.Sprintf("%d", r.Server.RSS>>20)
			if r.Server.CPUPerGiB > 0 {
				gib = fmt.Sprintf("%.2f", r.Server.CPUPerGiB)
			}
		}
		l := r.LatencyMS
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%s\t%s\t%s\t%s\t\n", r.Target, r.Op, sizeCell(r.Op, r.Size), r.OpsPerSec, r.MiBPerSec,
			l.P50, l.P90, l.P99, l.Max, cpu, gib, rss, errorCell(r.Errors))
	}
	return t.Flush()
}

// errorCell is like "SlowDown:3 Timeout:1".
func errorCell(errs map[string]int64) string {
	var out []string
	for code, n := range errs {
		out = append(out, fmt.Sprintf("%s:%d", code, n))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

package bench

import (
	"maps"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the longest one that a histogram tells apart.
const maxLatency = 10 * time.Minute

// tally is what was counted of one kind of operation.
type tally struct {
	ops, bytes, items int64
	latency           *hdrhistogram.Histogram // microseconds
	errors            map[string]int64
	// sample is one message for each error code.
	sample map[string]string
}

func newTally() *tally {
	return &tally{latency: hdrhistogram.New(1, maxLatency.Microseconds(), 3), errors: map[string]int64{}, sample: map[string]string{}}
}

// done counts one that worked.
func (t *tally) done(took time.Duration, bytes, items int64) {
	t.ops++
	t.bytes += bytes
	t.items += items
	us := min(max(took.Microseconds(), 1), maxLatency.Microseconds())
	_ = t.latency.RecordValue(us) // within range
}

// failed counts one that did not.
func (t *tally) failed(err error) {
	code := errorCode(err)
	t.errors[code]++
	if _, ok := t.sample[code]; !ok {
		t.sample[code] = err.Error()
	}
}

func (t *tally) merge(o *tally) {
	t.ops += o.ops
	t.bytes += o.bytes
	t.items += o.items
	t.latency.Merge(o.latency)
	for code, n := range o.errors {
		t.errors[code] += n
		if _, ok := t.sample[code]; !ok {
			t.sample[code] = o.sample[code]
		}
	}
}

// tallies are kept by kind of operation.
type tallies map[string]*tally

func (ts tallies) of(kind string) *tally {
	if ts[kind] == nil {
		ts[kind] = newTally()
	}
	return ts[kind]
}

func (ts tallies) merge(o tallies) {
	for kind, t := range o {
		ts.of(kind).merge(t)
	}
}

// total sums over the kinds.
func (ts tallies) total() *tally {
	sum := newTally()
	for _, t := range ts {
		sum.merge(t)
	}
	return sum
}

// Latency is in milliseconds.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func (t *tally) summary() Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	h := t.latency
	return Latency{Mean: h.Mean() / 1000, P50: ms(h.ValueAtQuantile(50)), P90: ms(h.ValueAtQuantile(90)), P99: ms(h.ValueAtQuantile(99)), P999: ms(h.ValueAtQuantile(99.9)), Max: ms(h.Max())}
}

func (t *tally) errorsOrNil() (map[string]int64, map[string]string) {
	if len(t.errors) == 0 {
		return nil, nil
	}
	return maps.Clone(t.errors), maps.Clone(t.sample)
}

package chaintest

import (
	"container/heap"
	"fmt"
	"math/rand/v2"

	"catena/chain"
)

// Real is simulated real time, in nanoseconds from the start of the run. No
// replica ever sees it: replicas see their own clocks.
type Real int64

// World is the event queue, the source of chance, and the trace of one run. It
// is used by one goroutine.
type World struct {
	Rand  *rand.Rand
	Trace *Trace
	now   Real
	queue events
	order uint64
	fault error
}

// NewWorld makes a world in which chance follows from the seed.
func NewWorld(seed uint64, trace *Trace) *World {
	return &World{Rand: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)), Trace: trace}
}

// Now is the present moment.
func (w *World) Now() Real { return w.now }

// After runs fn d nanoseconds from now. What is due at the same moment runs in
// the order in which it was asked for.
func (w *World) After(d int64, fn func()) {
	w.order++
	heap.Push(&w.queue, event{at: w.now + Real(max(d, 0)), order: w.order, fn: fn})
}

// Step runs the next event; false when there is none before end, or a check failed.
func (w *World) Step(end Real) bool {
	if w.fault != nil || len(w.queue) == 0 || w.queue[0].at > end {
		return false
	}
	e := heap.Pop(&w.queue).(event)
	w.now = e.at
	e.fn()
	return w.fault == nil
}

// Waiting is the number of events to come.
func (w *World) Waiting() int { return len(w.queue) }

// Run runs events until end, or until a check fails.
func (w *World) Run(end Real) {
	for w.Step(end) {
	}
	if w.fault == nil {
		w.now = max(w.now, end)
	}
}

// Fail records a broken invariant; the first one ends the run.
func (w *World) Fail(format string, args ...any) {
	if w.fault == nil {
		w.fault = fmt.Errorf("at %s: "+format, append([]any{w.now}, args...)...)
	}
}

// Fault is the first broken invariant, or nil.
func (w *World) Fault() error { return w.fault }

// Chance is true with probability p.
func (w *World) Chance(p float64) bool { return p > 0 && w.Rand.Float64() < p }

// Between draws uniformly from [lo, hi].
func (w *World) Between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + w.Rand.Int64N(hi-lo+1)
}

// String gives milliseconds.
func (t Real) String() string {
	return fmt.Sprintf("%.3fms", float64(t)/float64(chain.Millisecond))
}

type event struct {
	at    Real
	order uint64
	fn    func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].order < q[j].order
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

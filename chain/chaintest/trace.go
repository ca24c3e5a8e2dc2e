package chaintest

import (
	"fmt"
	"strings"
)

// Trace is what happened in a run. It always keeps a hash, so that two runs
// can be compared; it keeps words only when asked, because words cost time: a
// failing seed is run again with words on.
type Trace struct {
	hash  uint64
	count uint64
	words bool
	limit int
	lines []string
}

// NewTrace makes a trace that keeps the last limit lines; 0 keeps none.
func NewTrace(limit int) *Trace {
	return &Trace{hash: 14695981039346656037, words: limit > 0, limit: limit}
}

// Note adds numbers to the hash.
func (t *Trace) Note(values ...uint64) {
	h := t.hash
	for _, v := range values {
		h ^= v
		h *= 1099511628211
		h ^= h >> 29
	}
	t.hash = h
	t.count++
}

// Words reports whether Say keeps anything, so that callers can spare the work.
func (t *Trace) Words() bool { return t.words }

// Say keeps a line, if words are on.
func (t *Trace) Say(format string, args ...any) {
	if !t.words {
		return
	}
	if len(t.lines) >= 2*t.limit {
		t.lines = append(t.lines[:0], t.lines[len(t.lines)-t.limit:]...)
	}
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

// Hash is the same for two runs in which the same happened.
func (t *Trace) Hash() uint64 { return t.hash }

// Count is the number of notes.
func (t *Trace) Count() uint64 { return t.count }

// String gives the last lines.
func (t *Trace) String() string {
	return strings.Join(t.lines[max(0, len(t.lines)-t.limit):], "\n")
}

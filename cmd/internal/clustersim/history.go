package clustersim

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// groupKeys is the number of registers of a group; they are the keys of one
// prefix, so that a listing is a read of all of them.
const groupKeys = 3

// registers is the state of a group: the value of each key, 0 for none.
type registers [groupKeys]uint64

// action is what a client asks of a group.
type action uint8

const (
	actPut action = iota
	actPutAbsent
	actPutMatch
	actDelete
	actGet
	actList
)

var actionNames = [...]string{"put", "put if absent", "put if match", "delete", "get", "list"}

// call is one operation, as it was asked.
type call struct {
	do    action
	key   int
	value uint64 // to write
	match uint64 // the value that must be there, of actPutMatch
}

// outcome is how an operation ended.
type outcome uint8

const (
	outOK outcome = iota
	// outRefused: a condition did not hold.
	outRefused
	// outMissing: there was nothing, of a get or a put if match.
	outMissing
	// outUnknown: it may have taken effect, or may yet.
	outUnknown
)

// result is what a client was told.
type result struct {
	out outcome
	// seen is what a get or a list showed; a get in seen[0].
	seen    registers
	existed bool // of a delete
}

// step is the sequential specification of a group.
func step(s registers, c call, r result) (bool, registers) {
	is := s[c.key]
	next := s
	switch c.do {
	case actPut:
		next[c.key] = c.value
		return r.out == outOK || r.out == outUnknown, next
	case actPutAbsent:
		return conditional(s, is == 0, outRefused, c, r)
	case actPutMatch:
		no := outRefused
		if is == 0 {
			no = outMissing
		}
		return conditional(s, is == c.match, no, c, r)
	case actDelete:
		next[c.key] = 0
		return r.out == outUnknown || r.out == outOK && r.existed == (is != 0), next
	case actGet:
		if r.out == outMissing {
			return is == 0, s
		}
		return r.seen[0] == is && is != 0, s
	case actList:
		return r.seen == s, s
	}
	return false, s
}

// conditional is a put under a condition; no is what a refusal says.
func conditional(s registers, holds bool, no outcome, c call, r result) (bool, registers) {
	if holds {
		next := s
		next[c.key] = c.value
		return r.out == outOK || r.out == outUnknown, next
	}
	return r.out == no || r.out == outUnknown, s
}

func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return registers{} },
		Step: func(state, in, out any) (bool, any) {
			return step(state.(registers), in.(call), out.(result))
		},
		DescribeOperation: func(in, out any) string { return describe(in.(call), out.(result)) },
	}
}

func describe(c call, r result) string {
	s := fmt.Sprintf("%s k%d", actionNames[c.do], c.key)
	if c.value != 0 {
		s += fmt.Sprintf(" = %d", c.value)
	}
	if c.match != 0 {
		s += fmt.Sprintf(" if %d", c.match)
	}
	switch r.out {
	case outRefused:
		return s + " -> refused"
	case outMissing:
		return s + " -> missing"
	case outUnknown:
		return s + " -> ?"
	}
	switch c.do {
	case actGet:
		return s + fmt.Sprintf(" -> %d", r.seen[0])
	case actList:
		return s + fmt.Sprintf(" -> %v", r.seen)
	case actDelete:
		return s + fmt.Sprintf(" -> existed %v", r.existed)
	}
	return s + " -> ok"
}

// history is what the clients of one group did and saw.
type history struct {
	prefix string
	mu     sync.Mutex
	ops    []porcupine.Operation
	// unknown counts the operations of which nobody knows the end: the checker's
	// work doubles with each.
	unknown int
}

// ticks orders calls and returns of all clients; real time would have ties.
type ticks struct{ n atomic.Int64 }

func (t *ticks) next() int64 { return t.n.Add(1) }

func (h *history) add(client int, c call, from int64, r result, to int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.out == outUnknown {
		h.unknown++
		to = math.MaxInt64
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: c, Call: from, Output: r, Return: to})
}

func (h *history) size() (ops, unknown int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops), h.unknown
}

// errNotLinearizable is the verdict on a history that no order explains.
var errNotLinearizable = errors.New("clustersim: not linearizable")

// check decides whether some order of the operations, in keeping with real
// time, explains everything that was seen. Not to know is a failure.
func (h *history) check(within time.Duration) error {
	h.mu.Lock()
	ops := append([]porcupine.Operation(nil), h.ops...)
	h.mu.Unlock()
	m := model()
	switch porcupine.CheckOperationsTimeout(m, ops, within) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("clustersim: no verdict on the %d operations of %s in %s", len(ops), h.prefix, within)
	}
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "\n  client %d [%d, %d] %s", op.ClientId, op.Call, op.Return, describe(op.Input.(call), op.Output.(result)))
	}
	return fmt.Errorf("%w: %s:%s", errNotLinearizable, h.prefix, b.String())
}

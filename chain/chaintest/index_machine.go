package chaintest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"

	"catena/chain/index"
)

// The simulated tablet is a handful of registers. Everything is in physical
// rows, so that a snapshot, a replay or a lost delete shows:
//
//	v<key>  the value and the seq that wrote it; absent when deleted
//	s<key>  the seq of the newest change, put or delete
//	o<op>   the answer that the command with this id was given

// opKind is what a command does.
type opKind uint8

const (
	opPut opKind = iota
	opPutAbsent
	opDelete
	opRead
	opKinds
)

var opNames = [...]string{"put", "put-if-absent", "delete", "read"}

func (k opKind) String() string { return opNames[k] }

// command is what a client asks.
type command struct {
	op    uint64
	kind  opKind
	key   int
	value uint64
	// repeat: an earlier try of this command may have been executed.
	repeat bool
}

// answer says what the command did, and the seq of the state that it saw or made.
type answer struct {
	op     uint64
	ok     bool
	exists bool   // what a read, or a refusal, found
	value  uint64 // of what exists
	seq    uint64 // of the newest change of the key that the answer is about
	entry  bool   // the answer was ordered as an entry (or repeats one that was)
}

// rows is one replica's table.
type rows map[string]string

func vKey(key int) string   { return fmt.Sprintf("v%d", key) }
func sKey(key int) string   { return fmt.Sprintf("s%d", key) }
func oKey(op uint64) string { return fmt.Sprintf("o%06d", op) }

func pair(a, b uint64) string {
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:], a)
	binary.LittleEndian.PutUint64(buf[8:], b)
	return string(buf[:])
}

func unpair(s string) (uint64, uint64) {
	return binary.LittleEndian.Uint64([]byte(s[:8])), binary.LittleEndian.Uint64([]byte(s[8:]))
}

// change is what an entry does to one row.
type change struct {
	key, value string
	del        bool
}

func encodeChanges(cs []change) []byte {
	var b []byte
	for _, c := range cs {
		flag := byte(0)
		if c.del {
			flag = 1
		}
		b = append(b, flag, byte(len(c.key)), byte(len(c.value)))
		b = append(b, c.key...)
		b = append(b, c.value...)
	}
	return b
}

func decodeChanges(b []byte) []change {
	var cs []change
	for len(b) > 0 {
		k, v := int(b[1]), int(b[2])
		cs = append(cs, change{del: b[0] == 1, key: string(b[3 : 3+k]), value: string(b[3+k : 3+k+v])})
		b = b[3+k+v:]
	}
	return cs
}

func (r rows) apply(body []byte) {
	for _, c := range decodeChanges(body) {
		if c.del {
			delete(r, c.key)
		} else {
			r[c.key] = c.value
		}
	}
}

// page returns up to n rows from a key on, in order.
func (r rows) page(from []byte, n int) index.Page {
	keys := slices.Collect(maps.Keys(r))
	sort.Strings(keys)
	i := sort.SearchStrings(keys, string(from))
	var p index.Page
	for ; i < len(keys) && len(p.Rows) < n; i++ {
		p.Rows = append(p.Rows, index.Row{Key: []byte(keys[i]), Value: []byte(r[keys[i]])})
	}
	if i < len(keys) {
		p.Next = []byte(keys[i])
	}
	return p
}

// read looks a key up as a reader at the tail does.
func (r rows) read(key int) (answer, error) {
	return readWith(key, func(k string) (string, uint64, bool) { v, ok := r[k]; return v, 0, ok })
}

func readWith(key int, get func(string) (string, uint64, bool)) (answer, error) {
	v, _, exists := get(vKey(key))
	s, _, changed := get(sKey(key))
	var a answer
	if changed {
		a.seq, _ = unpair(s)
	}
	if exists {
		var seq uint64
		a.exists = true
		a.value, seq = unpair(v)
		if seq != a.seq {
			return a, fmt.Errorf("key %d: the value is of entry %d, the newest change of %d", key, seq, a.seq)
		}
	}
	return a, nil
}

// given is what the driver reads for a command.
type given map[string]string

func (r rows) gather(c command) given {
	g := given{}
	for _, k := range []string{vKey(c.key), sKey(c.key), oKey(c.op)} {
		if v, ok := r[k]; ok {
			g[k] = v
		}
	}
	return g
}

// registers implements index.Machine.
type registers struct {
	pending []pendingEntry
	time    int64
	fail    func(format string, args ...any)
}

type pendingEntry struct {
	seq     uint64
	changes []change
}

// lookup finds the newest row, and the seq of the pending entry it is from.
func (m *registers) lookup(g given) func(string) (string, uint64, bool) {
	return func(key string) (string, uint64, bool) {
		for _, p := range slices.Backward(m.pending) {
			for _, c := range p.changes {
				if c.key == key {
					return c.value, p.seq, !c.del
				}
			}
		}
		v, ok := g[key]
		return v, 0, ok
	}
}

// Evaluate implements index.Machine.
func (m *registers) Evaluate(cmd index.Command, g index.Given, at index.Position) index.Verdict {
	c := cmd.(command)
	get := m.lookup(g.(given))
	if done, rests, ok := get(oKey(c.op)); ok {
		return index.Verdict{Answer: decodeAnswer(done), RestsOn: rests}
	}
	state, err := readWith(c.key, get)
	if err != nil {
		m.fail("evaluating at %s/%d: %v", at.Epoch, at.Seq, err)
	}
	_, rests, _ := get(sKey(c.key))
	a := answer{op: c.op, exists: state.exists, value: state.value, seq: state.seq}
	a.ok = c.kind == opPut || c.kind == opPutAbsent && !state.exists || c.kind == opDelete && state.exists
	if !a.ok && !c.repeat {
		return index.Verdict{Answer: a, RestsOn: rests}
	}
	var cs []change
	a.entry = true
	if a.ok {
		a.seq = at.Seq
		if c.kind == opDelete {
			cs = append(cs, change{key: vKey(c.key), del: true})
		} else {
			cs = append(cs, change{key: vKey(c.key), value: pair(c.value, at.Seq)})
		}
		cs = append(cs, change{key: sKey(c.key), value: pair(at.Seq, 0)})
	}
	cs = append(cs, change{key: oKey(c.op), value: encodeAnswer(a)})
	m.time = max(m.time, at.WallMs)
	return index.Verdict{Entry: &index.Entry{Rev: at.Seq, Time: m.time, Body: encodeChanges(cs)}, Answer: a}
}

func encodeAnswer(a answer) string {
	flags := uint64(0)
	for i, b := range []bool{a.ok, a.exists, a.entry} {
		if b {
			flags |= 1 << i
		}
	}
	return pair(a.op, flags) + pair(a.value, a.seq)
}

func decodeAnswer(s string) answer {
	op, flags := unpair(s[:16])
	value, seq := unpair(s[16:])
	return answer{op: op, ok: flags&1 != 0, exists: flags&2 != 0, entry: flags&4 != 0, value: value, seq: seq}
}

// Append implements index.Machine.
func (m *registers) Append(e *index.Entry) error {
	if n := len(m.pending); n > 0 && m.pending[n-1].seq+1 != e.Seq {
		m.fail("machine: entry %d appended after %d", e.Seq, m.pending[n-1].seq)
	}
	m.time = max(m.time, e.Time)
	m.pending = append(m.pending, pendingEntry{e.Seq, decodeChanges(e.Body)})
	return nil
}

// Commit implements index.Machine.
func (m *registers) Commit(seq uint64) {
	n := 0
	for n < len(m.pending) && m.pending[n].seq <= seq {
		n++
	}
	m.pending = append(m.pending[:0:0], m.pending[n:]...)
}

// Truncate implements index.Machine.
func (m *registers) Truncate(seq uint64) {
	for n := len(m.pending); n > 0 && m.pending[n-1].seq > seq; n-- {
		m.pending = m.pending[:n-1]
	}
}

// Reload implements index.Machine.
func (m *registers) Reload(index.Applied) { m.pending = nil }

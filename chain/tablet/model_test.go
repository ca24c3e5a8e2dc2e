package tablet_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"catena/chain"
	. "catena/chain/tablet"
)

// state is what a tablet should hold: a map, and nothing else.
type state struct {
	objects map[string]string            // key -> ETag
	uploads map[string]map[uint32]string // upload (one a key) -> part -> blob/size
	ids     map[string]int               // the upload's id, also of the last one
	seq     uint64                       // of the entry that made it
}

func (s *state) clone(seq uint64) *state {
	c := &state{objects: maps.Clone(s.objects), uploads: map[string]map[uint32]string{}, ids: maps.Clone(s.ids), seq: seq}
	for k, v := range s.uploads {
		c.uploads[k] = maps.Clone(v)
	}
	return c
}

// issued is a command that was sent, and what it was answered.
type issued struct {
	cmd    Command
	answer Answer
	seq    uint64 // of its entry; 0 if it made none
	ok     bool   // it was answered (its entry is committed)
}

// modelMachine runs random commands on a tablet and on a map, with entries that
// stay pending, heads that change and lose them, and repeats.
type modelMachine struct {
	w      *world
	states []*state // one for each entry that is not lost, oldest committed first
	sent   []*issued
	n      int
}

func (m *modelMachine) now() *state { return m.states[len(m.states)-1] }

var modelKeys = []string{"a", "b", "c"}

func TestRandomCommandsAgainstAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &modelMachine{w: newWorld(t)}
		m.states = []*state{{objects: map[string]string{}, uploads: map[string]map[uint32]string{}, ids: map[string]int{}, seq: m.w.Last()}}
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.put, "delete": m.delete, "deleteMany": m.deleteMany, "upload": m.upload, "part": m.part,
			"complete": m.complete, "abort": m.abort, "commit": m.commit, "lose": m.lose, "repeat": m.repeat,
			"time": m.time, "": m.check,
		})
	})
}

// run proposes a command and compares its answer; change says what it does.
func (m *modelMachine) run(rt *rapid.T, c Command, want Status, change func(*state)) {
	before := m.w.Last()
	a, v := m.w.propose(c)
	if a.Status != want {
		rt.Fatalf("%T %q: %s, want %s (%s)", c.Action, c.Key, a.Status, want, a.Detail)
	}
	is := &issued{cmd: c, answer: a}
	if v.Entry == nil && v.RestsOn > before {
		rt.Fatalf("an answer rests on %d, and the last entry is %d", v.RestsOn, before)
	}
	if v.Entry != nil {
		is.seq = v.Entry.Seq
		next := m.now().clone(is.seq)
		if change != nil {
			change(next)
		}
		m.states = append(m.states, next)
	} else if change != nil && want == StatusOK {
		rt.Fatalf("%T changes something and makes no entry", c.Action)
	}
	m.sent = append(m.sent, is)
}

func (m *modelMachine) key(rt *rapid.T) string { return rapid.SampledFrom(modelKeys).Draw(rt, "key") }

func (m *modelMachine) put(rt *rapid.T) {
	key := m.key(rt)
	m.n++
	a := rapid.SampledFrom([]*PutObject{inline(m.n, "x"), inline(m.n, ""), chunked(m.n, 2), chunked(m.n, 18)}).Draw(rt, "put")
	want, etag := StatusOK, m.now().objects[key]
	switch rapid.IntRange(0, 3).Draw(rt, "condition") {
	case 0:
		if a.If.IfAbsent = true; etag != "" {
			want = PreconditionFailed
		}
	case 1:
		if a.If.IfMatch = "*"; etag == "" {
			want = NotFound
		}
	}
	m.run(rt, m.w.cmd(key, a), want, func(s *state) {
		if want == StatusOK {
			s.objects[key] = a.Object.ETag
		}
	})
}

func (m *modelMachine) delete(rt *rapid.T) {
	key := m.key(rt)
	var change func(*state)
	if m.now().objects[key] != "" {
		change = func(s *state) { delete(s.objects, key) }
	}
	m.run(rt, m.w.cmd(key, &DeleteObject{}), StatusOK, change)
}

func (m *modelMachine) deleteMany(rt *rapid.T) {
	keys := rapid.SliceOfN(rapid.SampledFrom(modelKeys), 1, 3).Draw(rt, "keys")
	a := &DeleteMany{}
	any := false
	for _, k := range keys {
		a.Keys = append(a.Keys, DeleteKey{Key: k})
		any = any || m.now().objects[k] != ""
	}
	var change func(*state)
	if any {
		change = func(s *state) {
			for _, k := range keys {
				delete(s.objects, k)
			}
		}
	}
	m.run(rt, m.w.cmd(keys[0], a), StatusOK, change)
}

// uploadOf is the upload that a key has or had last.
func (s *state) uploadOf(key string) int { return 50_000 + s.ids[key] }

func (m *modelMachine) upload(rt *rapid.T) {
	key := m.key(rt)
	if m.now().uploads[key] != nil {
		return
	}
	m.n++
	n := m.n
	m.run(rt, m.w.cmd(key, &CreateUpload{ID: id(50_000 + n)}), StatusOK, func(s *state) {
		s.uploads[key], s.ids[key] = map[uint32]string{}, n
	})
}

func (m *modelMachine) part(rt *rapid.T) {
	key, number := m.key(rt), rapid.IntRange(1, 3).Draw(rt, "number")
	m.n++
	a := part(m.now().uploadOf(key), number, m.n, rapid.SampledFrom([]int{0, 1, 17}).Draw(rt, "chunks"))
	if m.now().uploads[key] == nil {
		m.run(rt, m.w.cmd(key, a), NoSuchUpload, nil)
		return
	}
	m.run(rt, m.w.cmd(key, a), StatusOK, func(s *state) {
		s.uploads[key][uint32(number)] = fmt.Sprintf("%d/%d", m.n, a.Part.Size)
	})
}

func (m *modelMachine) complete(rt *rapid.T) {
	key := m.key(rt)
	parts := m.now().uploads[key]
	if len(parts) == 0 {
		return
	}
	a := complete(m.now().uploadOf(key), 0)
	m.n++
	a.Object.ETag = etag(m.n)
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		if len(a.Parts) > 0 && rapid.Bool().Draw(rt, "skip") {
			continue
		}
		var blob int
		var size int64
		_, err := fmt.Sscanf(parts[n], "%d/%d", &blob, &size)
		require.NoError(m.w.t, err)
		a.Parts = append(a.Parts, NamedPart{Number: n, Blob: id(blob)})
		a.Object.Size += size
	}
	m.run(rt, m.w.cmd(key, a), StatusOK, func(s *state) {
		delete(s.uploads, key)
		s.objects[key] = a.Object.ETag
	})
}

func (m *modelMachine) abort(rt *rapid.T) {
	key := m.key(rt)
	if m.now().uploads[key] == nil {
		m.run(rt, m.w.cmd(key, &Abort{Upload: id(m.now().uploadOf(key))}), NoSuchUpload, nil)
		return
	}
	m.run(rt, m.w.cmd(key, &Abort{Upload: id(m.now().uploadOf(key))}), StatusOK, func(s *state) { delete(s.uploads, key) })
}

func (m *modelMachine) commit(rt *rapid.T) {
	seq := m.w.Applied.Seq + uint64(rapid.IntRange(0, 3).Draw(rt, "entries"))
	require.NoError(m.w.t, m.w.Commit(min(seq, m.w.Last())))
	m.settle()
}

// settle forgets the states before the committed one, and notes who was answered.
func (m *modelMachine) settle() {
	for len(m.states) > 1 && m.states[1].seq <= m.w.Applied.Seq {
		m.states = m.states[1:]
	}
	for _, is := range m.sent {
		is.ok = is.ok || is.seq != 0 && is.seq <= m.w.Applied.Seq
	}
}

// lose is a change of head: some pending entries are gone, the machine is new.
func (m *modelMachine) lose(rt *rapid.T) {
	keep := m.w.Applied.Seq + uint64(rapid.IntRange(0, 2).Draw(rt, "keep"))
	require.NoError(m.w.t, m.w.Lose(keep))
	for len(m.states) > 1 && m.states[len(m.states)-1].seq > keep {
		m.states = m.states[:len(m.states)-1]
	}
	m.sent = slices.DeleteFunc(m.sent, func(is *issued) bool { return is.seq > keep })
}

// repeat sends a command again that has an entry: it is answered as before, and
// nothing happens.
func (m *modelMachine) repeat(rt *rapid.T) {
	var known []*issued
	for _, is := range m.sent {
		if is.seq != 0 && is.answer.Time >= m.w.Applied.Time-Window/2 {
			known = append(known, is)
		}
	}
	if len(known) == 0 {
		return
	}
	is := rapid.SampledFrom(known).Draw(rt, "again")
	c := is.cmd
	c.Repeat = true
	a, v := m.w.propose(c)
	if v.Entry != nil || a.Status != is.answer.Status || a.Rev != is.answer.Rev || a.Existed != is.answer.Existed {
		rt.Fatalf("repeat of %T: %+v, was %+v, entry %v", c.Action, a, is.answer, v.Entry != nil)
	}
	if is.seq > m.w.Applied.Seq && v.RestsOn != is.seq {
		rt.Fatalf("a repeat rests on %d, its entry is %d", v.RestsOn, is.seq)
	}
}

func (m *modelMachine) time(rt *rapid.T) {
	m.w.WallMs += int64(rapid.IntRange(0, 20_000).Draw(rt, "ms"))
}

// check compares the committed rows with the committed state.
func (m *modelMachine) check(rt *rapid.T) {
	s := m.states[0]
	for _, key := range modelKeys {
		r := m.w.ask(key, AskObject{Bytes: true})
		got := ""
		if r.Status == StatusOK {
			got = r.Object.Object.ETag
			total := int64(len(r.Object.Bytes))
			for _, e := range r.Object.Extents {
				total += int64(e.Length)
			}
			for _, p := range r.Object.Resolved {
				total += p.Part.Size
			}
			if total != r.Object.Object.Size {
				rt.Fatalf("%q has %d bytes, its row says %d", key, total, r.Object.Object.Size)
			}
		}
		if got != s.objects[key] {
			rt.Fatalf("%q is %q, want %q", key, got, s.objects[key])
		}
		u := m.w.ask(key, AskUpload{Upload: id(s.uploadOf(key)), Max: 10})
		if (u.Status == StatusOK) != (s.uploads[key] != nil) || u.Status == StatusOK && len(u.Parts) != len(s.uploads[key]) {
			rt.Fatalf("upload of %q: %s with %d parts, want %v", key, u.Status, len(u.Parts), s.uploads[key])
		}
	}
	if n := m.w.rows(kindBody); n > len(modelKeys)*4 {
		rt.Fatalf("%d body rows", n)
	}
}

// TestNothingLeaks: when every object and upload is gone and the workers are
// done, no row is left but the bucket's and the window.
func TestNothingLeaks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &modelMachine{w: newWorld(t)}
		m.states = []*state{{objects: map[string]string{}, uploads: map[string]map[uint32]string{}, ids: map[string]int{}, seq: m.w.Last()}}
		actions := []func(*rapid.T){m.put, m.put, m.delete, m.upload, m.part, m.part, m.complete, m.abort, m.commit, m.lose}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			rapid.SampledFrom(actions).Draw(rt, "action")(rt)
		}
		require.NoError(t, m.w.Commit(m.w.Last()))
		named := map[chain.ChunkID]bool{}
		for _, key := range modelKeys {
			m.w.mustOK(m.w.cmd(key, &DeleteObject{}))
			m.w.do(m.w.cmd(key, &Abort{Upload: id(m.now().uploadOf(key))}))
		}
		for _, c := range m.w.drain() {
			if named[c] {
				rt.Fatalf("chunk %s is removed twice", c)
			}
			named[c] = true
		}
		for kind := byte(0x18); kind < kindOp; kind++ {
			if n := m.w.rows(kind); n != 0 {
				rt.Fatalf("%d rows of kind %#x are left", n, kind)
			}
		}
	})
}

package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/chain/tablet"
)

// The reference model. For each replica it keeps what was asked of the store,
// in order, and how much of that was acknowledged. After a crash the store must
// hold what some prefix of it says, and the prefix has everything acknowledged.

type mop struct {
	kind  recordKind
	entry *index.Entry
	rows  tablet.Rows
	state string
	seq   uint64
	page  map[string]string
	id    chain.ChunkID
	bytes []byte
	ids   []chain.ChunkID
}

// mstate is what a replica holds after some of its operations.
type mstate struct {
	exists   bool
	state    string
	base     uint64            // the position that the last snapshot gave
	baseRows map[string]string // its rows
	entries  []*mop            // the log above base
	chunks   map[chain.ChunkID][]byte
	aside    []maside
}

type maside struct {
	id    chain.ChunkID
	bytes string
}

func (m mstate) clone() mstate {
	m.baseRows, m.chunks, m.aside = maps.Clone(m.baseRows), maps.Clone(m.chunks), slices.Clone(m.aside)
	m.entries = slices.Clone(m.entries)
	return m
}

func (m *mstate) last() uint64 { return m.base + uint64(len(m.entries)) }

// rowsAt gives the rows when everything up to a position is applied.
func (m *mstate) rowsAt(seq uint64) map[string]string {
	rows := maps.Clone(m.baseRows)
	if rows == nil {
		rows = map[string]string{}
	}
	for _, e := range m.entries {
		if e.entry.Seq > seq {
			break
		}
		for _, p := range e.rows.Puts {
			if p.Payload {
				rows[string(p.Key)] = "payload:" + string(e.entry.Payload)
			} else {
				rows[string(p.Key)] = string(p.Value)
			}
		}
		for _, d := range e.rows.Deletes {
			delete(rows, string(d))
		}
	}
	return rows
}

func (m *mstate) apply(o *mop) {
	switch o.kind {
	case recCreate:
		*m = mstate{exists: true, baseRows: map[string]string{}, chunks: map[chain.ChunkID][]byte{}}
	case recDrop:
		*m = mstate{}
	case recState:
		m.state = o.state
	case recEntry:
		m.entries = append(m.entries, o)
	case recTruncate:
		if o.entry == nil && o.seq == 0 { // begin install
			m.base, m.baseRows, m.entries = 0, map[string]string{}, nil
			return
		}
		m.entries = m.entries[:o.seq-m.base]
	case recPage:
		maps.Copy(m.baseRows, o.page)
	case recEndInstall:
		m.base = o.seq
	case recSeal, recClone:
		m.chunks[o.id] = o.bytes
	case recRemove:
		for _, id := range o.ids {
			delete(m.chunks, id)
		}
	case recAside:
		for _, id := range o.ids {
			if b, ok := m.chunks[id]; ok {
				m.aside = append(m.aside, maside{id, string(b)})
			}
			delete(m.chunks, id)
		}
	case recForget:
		if i := slices.Index(m.aside, maside{o.id, string(o.bytes)}); i >= 0 {
			m.aside = slices.Delete(m.aside, i, i+1)
		}
	}
}

type mreplica struct {
	key   Key
	kind  chain.Kind
	base  mstate // what the last recovery found
	ops   []*mop
	acked int // of ops
	// applied is the newest position that Apply was called for since the
	// last recovery or install.
	applied uint64
}

func (r *mreplica) after(n int) mstate {
	m := r.base.clone()
	for _, o := range r.ops[:n] {
		m.apply(o)
	}
	return m
}

type model struct {
	mu       sync.Mutex
	replicas map[Key]*mreplica
}

func newModel() *model { return &model{replicas: map[Key]*mreplica{}} }

// snapshot copies what is known now, for a crash at this moment.
func (m *model) snapshot() *model {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newModel()
	for k, r := range m.replicas {
		d := *r
		d.ops = slices.Clone(r.ops)
		c.replicas[k] = &d
	}
	return c
}

// issue notes an operation before it is given to the store.
func (m *model) issue(r *mreplica, o *mop) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.ops = append(r.ops, o)
}

// ack is the done of the operation of a replica; dones come in order.
func (m *model) ack(t testing.TB, r *mreplica, wg *sync.WaitGroup) func(error) {
	wg.Add(1)
	return func(err error) {
		defer wg.Done()
		if err != nil {
			t.Errorf("replica %s: %v", r.key, err)
			return
		}
		m.mu.Lock()
		r.acked++
		m.mu.Unlock()
	}
}

// verify opens what the model says about a store, and takes what was found as
// the new base of every replica. It fails the test if no prefix fits.
func (m *model) verify(t testing.TB, s *Store) {
	t.Helper()
	found := map[Key]*Recovered{}
	for _, f := range s.Replicas() {
		found[f.Key] = &f
	}
	for k, r := range m.replicas {
		f := found[k]
		delete(found, k)
		var why []string
		ok := false
		for n := len(r.ops); n >= r.acked && !ok; n-- {
			st := r.after(n)
			if err := r.matches(t, s, st, f); err != "" {
				why = append(why, fmt.Sprintf("after %d of %d (%d acknowledged): %s", n, len(r.ops), r.acked, err))
				continue
			}
			ok = true
			r.base, r.ops, r.acked, r.applied = st, nil, 0, 0
			if f != nil {
				r.applied = f.Applied.Seq
			}
		}
		require.True(t, ok, "replica %s matches no prefix:\n%s", k, why)
		if !r.base.exists {
			delete(m.replicas, k)
		}
	}
	require.Empty(t, found, "replicas that nobody made")
}

func (r *mreplica) matches(t testing.TB, s *Store, st mstate, f *Recovered) string {
	if st.exists != (f != nil) {
		return fmt.Sprintf("exists %v, found %v", st.exists, f != nil)
	}
	if f == nil {
		return ""
	}
	if f.Kind != r.kind || string(f.State) != st.state {
		return fmt.Sprintf("state %q, found %q", st.state, f.State)
	}
	if r.kind == chain.KindData {
		return r.chunksMatch(s, st)
	}
	a := f.Applied.Seq
	if a < st.base || a > st.last() {
		return fmt.Sprintf("applied %d is outside the log %d..%d", a, st.base, st.last())
	}
	if a > max(r.applied, st.base) {
		return fmt.Sprintf("applied %d, but only %d was", a, r.applied)
	}
	if got := uint64(len(f.Entries)) + a; got != st.last() {
		return fmt.Sprintf("the log ends at %d, found %d", st.last(), got)
	}
	for i, e := range f.Entries {
		if want := st.entries[a-st.base+uint64(i)].entry; !sameEntry(want, e) {
			return fmt.Sprintf("entry %d differs: want %+v found %+v", want.Seq, want, e)
		}
	}
	for i, e := range f.Retained {
		seq := a - uint64(len(f.Retained)) + uint64(i) + 1
		if seq <= st.base {
			continue // of before a snapshot, or below it
		}
		if want := st.entries[seq-st.base-1].entry; !sameEntry(want, e) {
			return fmt.Sprintf("retained entry %d differs", seq)
		}
	}
	return diffRows(st.rowsAt(a), readRows(t, s, r.key))
}

func sameEntry(a, b *index.Entry) bool {
	return a.Epoch == b.Epoch && a.Seq == b.Seq && a.Digest == b.Digest && a.Rev == b.Rev && a.Time == b.Time && a.OpID == b.OpID &&
		a.PrevEpoch == b.PrevEpoch && a.PrevSeq == b.PrevSeq && bytes.Equal(a.Body, b.Body) && bytes.Equal(a.Payload, b.Payload)
}

func diffRows(want, got map[string]string) string {
	short := func(s string) string { return fmt.Sprintf("%.24q(%d)", s, len(s)) }
	for k, v := range want {
		if got[k] != v {
			return fmt.Sprintf("row %q: want %s found %s", k, short(v), short(got[k]))
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			return fmt.Sprintf("row %q: should not be there, is %s", k, short(v))
		}
	}
	return ""
}

func (r *mreplica) chunksMatch(s *Store, st mstate) string {
	got, more, err := s.List(r.key, chain.ChunkID{}, 1<<20)
	if err != nil || more {
		return fmt.Sprintf("list: %v %v", more, err)
	}
	if len(got) != len(st.chunks) {
		return fmt.Sprintf("%d chunks, found %d", len(st.chunks), len(got))
	}
	for _, c := range got {
		want, ok := st.chunks[c.Header.ID]
		if !ok {
			return fmt.Sprintf("chunk %s should not be there", c.Header.ID)
		}
		b, err := s.ReadChunk(r.key, c.Header.ID, 0, c.Header.Size)
		if err != nil {
			return err.Error()
		}
		var sums data.Sums
		for rest := b; len(rest) > 0; rest = rest[min(len(rest), sumBlock):] {
			sums = append(sums, sum(0, rest[:min(len(rest), sumBlock)]))
		}
		if !bytes.Equal(b, want) || !slices.Equal(sums, c.Sums) {
			return fmt.Sprintf("chunk %s has other bytes or sums", c.Header.ID)
		}
	}
	return r.asideMatch(s, st)
}

func (r *mreplica) asideMatch(s *Store, st mstate) string {
	want := map[maside]int{}
	for _, a := range st.aside {
		want[a]++
	}
	all, err := s.Quarantined()
	if err != nil {
		return err.Error()
	}
	for _, q := range all {
		if q.Key != r.key {
			continue
		}
		b, err := s.ReadQuarantined(q)
		if err != nil {
			return err.Error()
		}
		a := maside{q.Header.ID, string(b)}
		if want[a]--; want[a] < 0 || q.Why != "why" {
			return fmt.Sprintf("chunk %s should not be put aside, because of %q", q.Header.ID, q.Why)
		}
	}
	for a, n := range want {
		if n > 0 {
			return fmt.Sprintf("chunk %s should be put aside", a.id)
		}
	}
	return ""
}

package store

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

var (
	crashSeqs = flag.Int("store.crashes", 500, "number of random crash sequences")
	crashSeed = flag.Uint64("store.seed", 0, "run only this crash sequence")
)

// run drives one store with random operations beside the model.
type run struct {
	t   *testing.T
	rng *rand.Rand
	m   *model
	s   *Store
	wg  sync.WaitGroup
	// next numbers chunks and incarnations; they are never used again.
	next    int
	trace   []string
	verbose bool
}

func (r *run) logf(format string, args ...any) {
	if r.verbose {
		r.t.Logf(format, args...)
	}
}

func (r *run) pick(kind chain.Kind) *mreplica {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	var best *mreplica
	n := 0
	for c := chain.ChainID(1); c <= 4; c++ {
		for inc := range uint64(r.next + 1) {
			if p := r.m.replicas[Key{Chain: c, Incarnation: inc}]; p != nil && p.kind == kind {
				if st := p.after(len(p.ops)); st.exists {
					if n++; r.rng.IntN(n) == 0 {
						best = p
					}
				}
			}
		}
	}
	return best
}

func (r *run) now(p *mreplica) mstate {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	return p.after(len(p.ops))
}

func (r *run) append(p *mreplica, o *mop, recs ...Record) {
	r.m.issue(p, o)
	r.s.Append(r.m.ack(r.t, p, &r.wg), recs...)
}

func (r *run) create(kind chain.Kind) {
	r.next++
	k := Key{Chain: chain.ChainID(1 + r.rng.IntN(2)), Incarnation: uint64(r.next)}
	if kind == chain.KindData {
		k.Chain += 2
	}
	p := &mreplica{key: k, kind: kind}
	r.m.mu.Lock()
	r.m.replicas[k] = p
	r.m.mu.Unlock()
	r.append(p, &mop{kind: recCreate}, CreateReplica(k, kind))
}

func (r *run) entry(p *mreplica) {
	st := r.now(p)
	var rows tablet.Rows
	var payload []byte
	key := func() []byte { return fmt.Appendf(nil, "k%02d", r.rng.IntN(12)) }
	for range 1 + r.rng.IntN(3) {
		if r.rng.IntN(3) == 0 {
			rows.Deletes = append(rows.Deletes, key())
		} else {
			rows.Puts = append(rows.Puts, tablet.Put{Key: key(), Value: fmt.Appendf(nil, "v%d", r.rng.IntN(1000))})
		}
	}
	if r.rng.IntN(2) == 0 {
		payload = chunkBytes(r.rng.IntN(1000), 1+r.rng.IntN(20_000)*r.rng.IntN(3))
		rows.Puts = append(rows.Puts, tablet.Put{Key: append([]byte("body-"), key()...), Payload: true})
	}
	epoch := chain.Epoch{N: 1}
	var prev *index.Entry
	if n := len(st.entries); n > 0 {
		prev = st.entries[n-1].entry
		epoch = prev.Epoch
	}
	if r.rng.IntN(8) == 0 {
		epoch = epoch.Next()
	}
	seq := st.last() + 1
	e := &index.Entry{Epoch: epoch, Seq: seq, PrevSeq: seq - 1, Digest: r.rng.Uint64(), Rev: seq, Time: int64(seq) * 3,
		Body: encodeRows(rows), Payload: payload}
	r.append(p, &mop{kind: recEntry, entry: e, rows: rows}, Entry(p.key, e))
}

func (r *run) applySome(p *mreplica) {
	st := r.now(p)
	for range 1 + r.rng.IntN(4) {
		if p.applied < st.base || p.applied >= st.last() {
			return
		}
		o := st.entries[p.applied-st.base]
		r.m.mu.Lock()
		p.applied++
		r.m.mu.Unlock()
		require.NoError(r.t, r.s.Apply(p.key, o.entry, after(o.entry), o.rows))
	}
}

func (r *run) truncate(p *mreplica) {
	st := r.now(p)
	if p.applied < st.base || p.applied >= st.last() {
		return
	}
	seq := p.applied + uint64(r.rng.IntN(int(st.last()-p.applied)))
	r.append(p, &mop{kind: recTruncate, seq: seq, entry: st.entries[0].entry}, Truncate(p.key, seq, seq+1))
}

// install puts a snapshot into a replica, sometimes only a part of it.
func (r *run) install(p *mreplica) {
	r.append(p, &mop{kind: recTruncate}, BeginInstall(p.key))
	r.wg.Wait()
	r.m.mu.Lock()
	p.applied = 0
	r.m.mu.Unlock()
	for i := range r.rng.IntN(3) {
		o := &mop{kind: recPage, page: map[string]string{}}
		var page index.Page
		for j := range 1 + r.rng.IntN(4) {
			k := fmt.Sprintf("k%02d", i*4+j)
			if r.rng.IntN(3) == 0 {
				b := chunkBytes(j, 1+r.rng.IntN(9000))
				page.Rows = append(page.Rows, index.Row{Key: []byte("body-" + k), Payload: b})
				o.page["body-"+k] = "payload:" + string(b)
			} else {
				page.Rows = append(page.Rows, index.Row{Key: []byte(k), Value: []byte("snap" + k)})
				o.page[k] = "snap" + k
			}
		}
		r.m.issue(p, o)
		r.s.InstallPage(p.key, page, r.m.ack(r.t, p, &r.wg))
		r.wg.Wait()
	}
	if r.rng.IntN(4) == 0 {
		r.append(p, &mop{kind: recTruncate}, BeginInstall(p.key)) // given up, begun again
		r.wg.Wait()
	}
	seq := 100 + r.rng.Uint64N(50)
	r.m.mu.Lock()
	p.ops = append(p.ops, &mop{kind: recEndInstall, seq: seq})
	p.applied = seq
	r.m.mu.Unlock()
	if err := r.s.EndInstall(p.key, index.Applied{Epoch: chain.Epoch{N: 1}, Seq: seq, Rev: seq}); err != nil {
		r.t.Errorf("end install: %v", err)
		return
	}
	r.m.mu.Lock()
	p.acked++
	r.m.mu.Unlock()
}

func (r *run) chunk(p *mreplica) {
	r.next++
	size := 1 + r.rng.IntN(90_000)
	b := chunkBytes(r.next, size)
	id := chunkID(r.next)
	if aside := r.now(p).aside; len(aside) > 0 && r.rng.IntN(2) == 0 {
		r.wg.Wait() // put aside durably: the id may be used again
		if old := aside[r.rng.IntN(len(aside))].id; r.now(p).chunks[old] == nil {
			id = old
		}
	}
	h := data.Header{ID: id, Bucket: chain.BucketID{1}, Key: fmt.Sprint("o", r.next), Stamp: 5, Size: uint32(size)}
	require.NoError(r.t, r.s.Reserve(p.key, h))
	var sums data.Sums
	for off := 0; off < size; {
		if r.rng.IntN(20) == 0 {
			r.s.Release(p.key, h.ID)
			return
		}
		n := min(1+r.rng.IntN(60_000), size-off)
		var err error
		sums, err = r.s.WriteFrame(p.key, h.ID, uint32(off), b[off:off+n])
		require.NoError(r.t, err)
		off += n
	}
	r.m.issue(p, &mop{kind: recSeal, id: h.ID, bytes: b})
	r.s.Seal(p.key, h, sums, r.m.ack(r.t, p, &r.wg))
}

// some gives ids of durable chunks.
func (r *run) some(p *mreplica, n int) (ids []chain.ChunkID) {
	r.wg.Wait()
	st := r.now(p)
	for i := range r.next + 1 {
		if _, ok := st.chunks[chunkID(i)]; ok && r.rng.IntN(3) == 0 && len(ids) < n {
			ids = append(ids, chunkID(i))
		}
	}
	return ids
}

func (r *run) clone(p *mreplica) {
	ids := r.some(p, 1)
	if len(ids) == 0 {
		return
	}
	st := r.now(p)
	old := st.chunks[ids[0]]
	off := r.rng.IntN(len(old))
	size := 1 + r.rng.IntN(len(old)-off)
	r.next++
	h := data.Header{ID: chunkID(r.next), Key: "clone", Size: uint32(size)}
	r.m.issue(p, &mop{kind: recClone, id: h.ID, bytes: old[off : off+size]})
	require.NoError(r.t, r.s.Clone(p.key, h, ids[0], uint32(off), r.m.ack(r.t, p, &r.wg)))
}

func (r *run) remove(p *mreplica) {
	if ids := r.some(p, 3); len(ids) > 0 {
		r.append(p, &mop{kind: recRemove, ids: ids}, Remove(p.key, ids))
	}
}

// aside puts chunks aside, or drops one that was.
func (r *run) aside(p *mreplica) {
	if r.rng.IntN(3) > 0 {
		ids := append(r.some(p, 2), chunkID(0)) // one that is not there
		r.m.issue(p, &mop{kind: recAside, ids: ids})
		r.s.Quarantine(p.key, ids, "why", r.m.ack(r.t, p, &r.wg))
		return
	}
	r.wg.Wait()
	all, err := r.s.Quarantined()
	require.NoError(r.t, err)
	for _, q := range all {
		if q.Key != p.key {
			continue
		}
		b, err := r.s.ReadQuarantined(q)
		require.NoError(r.t, err)
		r.m.issue(p, &mop{kind: recForget, id: q.Header.ID, bytes: b})
		require.NoError(r.t, r.s.DropQuarantined(q))
		r.m.mu.Lock()
		p.acked++
		r.m.mu.Unlock()
		return
	}
}

func (r *run) step() {
	idx, dat := r.pick(chain.KindIndex), r.pick(chain.KindData)
	if idx == nil {
		r.create(chain.KindIndex)
		return
	}
	if dat == nil {
		r.create(chain.KindData)
		return
	}
	switch x := r.rng.IntN(100); {
	case x < 35:
		r.entry(idx)
	case x < 52:
		r.applySome(idx)
	case x < 58:
		p := idx
		if r.rng.IntN(2) == 0 {
			p = dat
		}
		v := fmt.Sprint("state", r.rng.IntN(1000))
		r.append(p, &mop{kind: recState, state: v}, State(p.key, p.kind, []byte(v)))
	case x < 62:
		r.truncate(idx)
	case x < 64:
		r.install(idx)
	case x < 76:
		r.chunk(dat)
	case x < 79:
		r.clone(dat)
	case x < 84:
		r.remove(dat)
	case x < 87:
		r.aside(dat)
	case x < 89:
		p := idx
		if r.rng.IntN(2) == 0 {
			p = dat
		}
		r.wg.Wait()
		r.append(p, &mop{kind: recDrop}, DropReplica(p.key, p.kind))
		r.wg.Wait()
	case x < 91:
		r.create(chain.KindIndex)
	case x < 97:
		require.NoError(r.t, r.s.Maintain())
	default:
		r.wg.Wait()
	}
}

// TestCrashSequences runs random operations, cuts the power at a random call
// of the file system (also while Open recovers), reopens what is left, compares
// it with the model, and goes on from there. Some rounds lose the rows wholly.
func TestCrashSequences(t *testing.T) {
	if *crashSeed != 0 {
		crashSequence(t, *crashSeed, true)
		return
	}
	n := *crashSeqs
	if v, err := strconv.Atoi(os.Getenv("CATENA_STORE_CRASHES")); err == nil {
		n = v
	}
	if testing.Short() {
		n = 60
	}
	var next atomic.Uint64
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for i := next.Add(1); i <= uint64(n) && !t.Failed(); i = next.Add(1) {
				crashSequence(t, i, false)
			}
		})
	}
}

func crashSequence(t *testing.T, seed uint64, verbose bool) {
	defer func() {
		if t.Failed() {
			t.Logf("sequence %d (run it alone with -store.seed=%d)", seed, seed)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 1))
	percent := []int{0, 25, 50, 100}[seed%4]
	r := &run{t: t, rng: rng, m: newModel(), verbose: verbose}
	mem := vfs.NewMem()
	for round := range 4 {
		mem = r.round(mem, percent, round)
		if t.Failed() {
			return
		}
	}
}

// round opens the store, verifies it, works on it, and gives what a crash leaves.
func (r *run) round(mem *vfs.Mem, percent, round int) *vfs.Mem {
	t := r.t
	var crashed *vfs.Mem
	var known *model
	left := int64(1 + r.rng.IntN(25)*r.rng.IntN(25))
	clean := r.rng.IntN(6) == 0
	seed := r.rng.Uint64()
	var mu sync.Mutex
	opened := false
	hook := &vfs.Hook{FS: mem, Before: func(op vfs.Op) error {
		if op.Kind&vfs.OpMutating == 0 || clean {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			r.logf("power cut before %s (open done: %v)", op, opened)
			known = r.m.snapshot()
			crashed = mem.CrashClone(percent, seed)
		}
		return nil
	}}
	lostRows := round > 0 && r.rng.IntN(4) == 0
	if lostRows {
		if there, _ := exists(mem, "d/rows"); there {
			require.NoError(t, mem.RemoveAll("d/rows"))
			require.NoError(t, mem.SyncDir("d"))
		}
	}
	s, err := Open(testConfig(hook))
	require.NoError(t, err)
	r.s = s
	mu.Lock()
	opened = true
	again := crashed
	mu.Unlock()
	r.logf("round %d, rows lost %v, last record %d", round, lostRows, s.completed.Load())
	if again != nil {
		// Power was cut while Open recovered: what is left must still say the same.
		require.NoError(t, s.Close())
		return again
	}
	mu.Lock()
	r.m.verify(t, s)
	mu.Unlock()
	for range 5 + r.rng.IntN(60) {
		mu.Lock()
		done := crashed != nil
		mu.Unlock()
		if done || t.Failed() {
			break
		}
		r.step()
	}
	if clean || r.rng.IntN(2) == 0 {
		r.wg.Wait()
	}
	mu.Lock()
	if crashed == nil && !clean {
		known = r.m.snapshot()
		crashed = mem.CrashClone(percent, seed)
		left = 0
	}
	mu.Unlock()
	r.wg.Wait()
	require.NoError(t, s.Close())
	if clean {
		return mem
	}
	r.m = known
	return crashed
}

package objectd

import (
	"errors"
	"hash/crc32"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd/store"

	"github.com/stretchr/testify/require"
)

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// leasedTail is a tail that answers, with a clock of the test's.
func leasedTail(t *testing.T, h *host) *indexReplica {
	n := h.start()
	n.SetMap(chainsOn(1, 1, on(0), on(1)))
	r := n.lookup(address{indexChain, on(1)}).(*indexReplica)
	for range 100 {
		if r.lease.Load() != nil {
			return r
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("no lease")
	return nil
}

// A read that began under one lease and ended under another may be older than
// what was acknowledged between them.
func TestQueryNeedsOneLeaseBeforeAndAfter(t *testing.T) {
	ask := &tablet.Query{Tablet: 1, Generation: 1, Ask: tablet.AskTime{}}
	e1, e2 := chain.Epoch{N: 1}, chain.Epoch{N: 2}
	for name, c := range map[string]struct {
		before, after *index.Serve // until is 100; the clock says 50
		ok            bool
	}{
		"held throughout":          {before: &index.Serve{Epoch: e1, Until: 100}, after: &index.Serve{Epoch: e1, Until: 100}, ok: true},
		"renewed meanwhile":        {before: &index.Serve{Epoch: e1, Until: 100}, after: &index.Serve{Epoch: e1, Until: 200}, ok: true},
		"none":                     {},
		"lost meanwhile":           {before: &index.Serve{Epoch: e1, Until: 100}},
		"run out meanwhile":        {before: &index.Serve{Epoch: e1, Until: 100}, after: &index.Serve{Epoch: e1, Until: 50}},
		"run out, then renewed":    {before: &index.Serve{Epoch: e1, Until: 50}, after: &index.Serve{Epoch: e1, Until: 200}},
		"got meanwhile":            {after: &index.Serve{Epoch: e1, Until: 100}},
		"another epoch's, later":   {before: &index.Serve{Epoch: e1, Until: 100}, after: &index.Serve{Epoch: e2, Until: 200}},
		"another epoch's, run out": {before: &index.Serve{Epoch: e1, Until: 100}, after: &index.Serve{Epoch: e2, Until: 50}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, 2)
				r := leasedTail(t, h)
				n := h.node
				// Nobody ticks any more: the clock is the query's alone.
				for _, a := range n.all() {
					n.retire(a.base())
				}
				synctest.Wait()
				reads := 0
				h.clock.now = func() chain.Now {
					if reads++; reads == 2 { // the rows are read between the first reading and the second
						r.lease.Store(c.after)
					}
					return chain.Now{Mono: 50}
				}
				r.lease.Store(c.before)
				_, err := n.Query(indexChain, on(1), ask)
				h.clock.now = nil
				if c.ok {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, chain.RefusedNoLease.String())
				}
				h.stop()
			})
		})
	}
}

// After an effect that failed none of the later ones is carried out.
func TestEffectsEndWithTheFirstThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		n.retire(n.lookup(address{indexChain, on(0)}).base())
		n.retire(n.lookup(address{dataChain, on(0)}).base())
		synctest.Wait()
		d := n.disks[disk1(0)]
		to := newMailbox()
		n.cfg.Switch.attach(address{77, on(5)}, to)
		mail := chain.Envelope{Chain: 77, From: on(0), To: on(5)}

		ir, err := newIndexReplica(n, d, store.Recovered{Key: store.Key{Chain: indexChain, Incarnation: 1}, Kind: chain.KindIndex})
		require.NoError(t, err)
		answer := make(chan indexReply, 1)
		ir.waiting[1] = answer
		ir.carryOut([]index.Effect{
			index.Apply{Entry: &index.Entry{Body: []byte{0xff}}}, // rows that nobody can read
			index.Send{Env: mail},
			index.Reply{ID: 1},
		})
		require.True(t, ir.ended.Load())
		require.Equal(t, chain.RefusedUnknown, (<-answer).err.(*chain.Refusal).Kind)

		dr, err := newDataReplica(n, d, store.Recovered{Key: store.Key{Chain: dataChain, Incarnation: 1}, Kind: chain.KindData})
		require.NoError(t, err)
		sealed := make(chan error, 1)
		dr.waiting[1] = sealed
		dr.carryOut([]data.Effect{
			data.WriteFrame{Chunk: chain.ChunkID{Ordinal: 3}, Bytes: []byte{1}}, // of a chunk that has no space
			data.Send{Env: mail},
			data.Reply{ID: 1},
		})
		require.True(t, dr.ended.Load())
		require.Equal(t, chain.RefusedUnknown, (<-sealed).(*chain.Refusal).Kind)

		require.Empty(t, to.items)
		require.NotZero(t, h.master.lost(on(0), indexChain))
		require.NotZero(t, h.master.lost(on(0), dataChain))
		h.stop()
	})
}

// An actor that is held up finds one tick, not one for every moment.
func TestTicksDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 1)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0)))
		for _, c := range []chain.ChainID{indexChain, dataChain} {
			r := n.lookup(address{c, on(0)})
			n.retire(r.base())
			synctest.Wait()
			held := newMailbox() // nobody takes from it
			r.base().box = held
			r.base().ticking.Store(false)
			for range 100 {
				r.tick()
			}
			require.Len(t, held.items, 1)
		}
		require.NoError(t, n.Stop())
	})
}

// What a neighbour waits for is read again until it can be, or the replica ends.
func TestReadsForNeighboursAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := onThree(t)
		a := n.lookup(address{indexChain, on(0)}).base()
		tries := 0
		began := time.Now()
		require.True(t, a.untilRead(func() error {
			if tries++; tries < 4 {
				return &store.Error{Kind: store.ErrDamaged, Op: "test"}
			}
			return nil
		}))
		require.Equal(t, 3*again, time.Since(began))
		require.NotZero(t, h.master.lost(on(0), indexChain), "what it cannot read, another one can")
		done := make(chan bool)
		go func() { done <- a.untilRead(func() error { return errors.New("never") }) }()
		time.Sleep(10 * again)
		a.box.post(storeError{errors.New("ends")})
		require.False(t, <-done)
		b := n.lookup(address{indexChain, on(1)}).base()
		b.beside(func() { b.untilRead(func() error { return errors.New("never") }) })
		h.stop()
	})
}

func TestMailboxKeepsNoMemoryOfABurst(t *testing.T) {
	a := &actor{box: newMailbox()}
	for range 10 * keptItems {
		a.box.post(1)
	}
	handled := 0
	done := make(chan struct{})
	go func() { a.loop(func(any) { handled++ }); close(done) }()
	for handledAll := false; !handledAll; {
		a.box.mu.Lock()
		handledAll = len(a.box.items) == 0
		a.box.mu.Unlock()
	}
	a.box.post(1)
	a.box.close()
	<-done
	require.Equal(t, 10*keptItems+1, handled)
	require.LessOrEqual(t, cap(a.box.items), 10*keptItems)
}

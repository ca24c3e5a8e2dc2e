package objectd

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/objectd/store"
	"catena/objectd/vfs"

	"github.com/stretchr/testify/require"
)

// order sends an empty command to the head until a chain has taken its epoch.
func order(t *testing.T, n *Node, r chain.ReplicaID, op byte) tablet.Answer {
	t.Helper()
	for range 100 {
		a, err := n.Propose(context.Background(), indexChain, r, &tablet.Command{Op: chain.OpID{op}, Tablet: 1, Generation: 1, Action: &tablet.Empty{}})
		if err == nil {
			return a
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the chain orders nothing")
	return tablet.Answer{}
}

// removes waits until a data chain takes requests: its head may still install the
// configuration when the index chain has ordered something.
func removes(t *testing.T, n *Node, head chain.ReplicaID) {
	t.Helper()
	for range 100 {
		if n.RemoveChunks(context.Background(), dataChain, head, []chain.ChunkID{{Ordinal: 1 << 20}}) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the chain takes no requests")
}

// putChunk writes a chunk through the head.
func putChunk(t *testing.T, n *Node, head chain.ReplicaID, e uint64, id byte, content []byte) chain.ChunkID {
	t.Helper()
	ctx := context.Background()
	h := data.Header{ID: chain.ChunkID{Blob: chain.BlobID{id}}, Size: uint32(len(content))}
	for range 100 {
		if err := n.OpenChunk(ctx, dataChain, head, chain.Epoch{N: e}, h); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(t, n.WriteChunk(ctx, dataChain, head, h.ID, 0, content))
	require.NoError(t, n.SealChunk(ctx, dataChain, head, h.ID, data.Sums{crc(content)}))
	return h.ID
}

func TestNodeServesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := onThree(t)
		require.Equal(t, tablet.StatusOK, order(t, n, on(0), 1).Status)
		id := putChunk(t, n, on(0), 1, 7, []byte("content"))
		for i := range 3 {
			b, err := n.ReadChunk(dataChain, on(i), id, 0, 7)
			require.NoError(t, err)
			require.Equal(t, "content", string(b))
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, []ReplicaInfo{{indexChain, 1, chain.Epoch{N: 1}}, {dataChain, 1, chain.Epoch{N: 1}}}, sorted(h.master.info(disk1(1)).Replicas))
		h.stop()
		n = h.start()
		n.SetMap(chainsOn(9, 1, on(0), on(1), on(2)))
		b, err := n.ReadChunk(dataChain, on(2), id, 0, 7)
		require.NoError(t, err)
		require.Equal(t, "content", string(b))
		order(t, n, on(0), 2)
		h.stop()
	})
}

func TestStartNeedsOneDisk(t *testing.T) {
	h := newHost(t, 2)
	h.disks[0].Fail(vfs.OpMutating, nil, 0, true, vfs.ErrIO)
	h.start()
	require.ErrorIs(t, h.master.why(disk1(0)), vfs.ErrIO)
	require.NoError(t, h.master.why(disk1(1)))
	h.stop()
	h.disks[1].Fail(vfs.OpMutating, nil, 0, true, vfs.ErrIO)
	_, err := Start(h.config())
	require.ErrorIs(t, err, vfs.ErrIO)
	_, err = Start(Config{TickEvery: time.Second})
	require.ErrorContains(t, err, "no disks")
	require.ErrorContains(t, err, "no Master")
	require.ErrorContains(t, err, "no Clock")
	require.ErrorContains(t, err, "TickEvery")
}

func TestOlderMapsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 3)
		n := h.start()
		n.SetMap(chainsOn(5, 1, on(0), on(1), on(2)))
		n.SetMap(chainsOn(7, 3, on(1), on(2)))
		n.SetMap(chainsOn(6, 2, on(0), on(2)))
		require.EqualValues(t, 7, n.Map().Version)
		order(t, n, on(1), 1)
		// A newer map may still hold an older configuration of one chain.
		m := chainsOn(8, 3, on(1), on(2))
		m.Chains[indexChain] = chainsOn(0, 2, on(0), on(2)).Chains[indexChain]
		n.SetMap(m)
		order(t, n, on(1), 2)
		h.stop()
	})
}

// A map that came after Stop started replicas on closed stores.
func TestStopIsFinalAndMayBeCalledTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 3)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		h.stop()
		h.stop()
		n.SetMap(chainsOn(2, 2, on(0), on(1), on(2)))
		require.EqualValues(t, 1, n.Map().Version)
		require.Len(t, n.all(), 4)
		kind := func(err error) chain.RefusalKind {
			var r *chain.Refusal
			require.ErrorAs(t, err, &r)
			return r.Kind
		}
		_, err := n.Propose(context.Background(), indexChain, on(0), &tablet.Command{Op: chain.OpID{1}, Action: &tablet.Empty{}})
		require.Equal(t, chain.RefusedFailed, kind(err))
		_, err = n.Query(indexChain, on(1), &tablet.Query{Ask: tablet.AskTime{}})
		require.Equal(t, chain.RefusedFailed, kind(err))
		_, err = n.ReadChunk(dataChain, on(1), chain.ChunkID{}, 0, 1)
		require.Equal(t, chain.RefusedFailed, kind(err))
		require.Equal(t, chain.RefusedFailed, kind(n.ProbeChain(context.Background(), dataChain, on(0), chain.Epoch{N: 1})))
	})
}

// A read in flight met a store that Stop had closed under it.
func TestStopWaitsForReads(t *testing.T) {
	h := newHost(t, 1)
	n := h.start()
	n.SetMap(chainsOn(1, 1, on(0)))
	id := putChunk(t, n, on(0), 1, 7, []byte("content"))
	reading, goOn := make(chan struct{}), make(chan struct{})
	h.disks[0].Fail(vfs.OpRead, func(op vfs.Op) bool {
		if strings.Contains(op.Name, "/seg/") {
			close(reading)
			<-goOn
		}
		return false
	}, 0, false, nil)
	type answer struct {
		b   []byte
		err error
	}
	read := make(chan answer, 1)
	go func() {
		b, err := n.ReadChunk(dataChain, on(0), id, 0, 7)
		read <- answer{b, err}
	}()
	<-reading
	stopped := make(chan error, 1)
	go func() { stopped <- n.Stop() }()
	for life := &n.disks[disk1(0)].life; life.TryRLock(); { // until Stop waits for its turn
		life.RUnlock()
		runtime.Gosched()
	}
	select {
	case <-stopped:
		t.Fatal("stopped under a reader")
	default:
	}
	close(goOn)
	a := <-read
	require.NoError(t, a.err)
	require.Equal(t, "content", string(a.b))
	require.NoError(t, <-stopped)
}

// Requests that wait when their disk fails, or the node stops, are answered: a
// bubble whose goroutines wait for ever fails.
func TestEveryWaiterIsAnswered(t *testing.T) {
	for _, end := range []string{"the node stops", "the disk fails", "the replica ends"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, n := onThree(t)
				order(t, n, on(0), 1)
				removes(t, n, on(0))
				// The tail hears nothing any more, so that requests wait.
				n.cfg.Switch.detach(address{indexChain, on(2)})
				n.cfg.Switch.detach(address{dataChain, on(2)})
				var wg sync.WaitGroup
				kinds := make(chan chain.RefusalKind, 64)
				for i := range 32 {
					wg.Go(func() {
						var err error
						if i%2 == 0 {
							_, err = n.Propose(context.Background(), indexChain, on(0), &tablet.Command{Op: chain.OpID{2, byte(i)}, Tablet: 1, Generation: 1, Action: &tablet.Empty{}})
						} else {
							err = n.RemoveChunks(context.Background(), dataChain, on(0), []chain.ChunkID{{Ordinal: uint32(i)}})
						}
						var r *chain.Refusal
						require.ErrorAs(t, err, &r)
						kinds <- r.Kind
					})
				}
				synctest.Wait()
				require.Empty(t, kinds, "they wait")
				switch end {
				case "the node stops":
					require.NoError(t, n.Stop())
				case "the disk fails":
					n.diskFailed(n.disks[disk1(0)], errors.New("gone"))
				default:
					n.lookup(address{indexChain, on(0)}).base().box.post(storeError{errors.New("cannot")})
					n.lookup(address{dataChain, on(0)}).base().box.post(storeError{errors.New("cannot")})
				}
				wg.Wait()
				close(kinds)
				for k := range kinds {
					require.Equal(t, chain.RefusedUnknown, k, "a request that was taken may have an effect")
				}
				h.stop()
			})
		})
	}
}

// A replica that was made while its disk failed stayed in service.
func TestReplicaMadeWhileItsDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		d := n.disks[disk1(0)]
		r, err := newDataReplica(n, d, store.Recovered{Key: store.Key{Chain: 3, Incarnation: 1}, Kind: chain.KindData})
		require.NoError(t, err)
		n.diskFailed(d, errors.New("gone"))
		n.mapMu.Lock()
		n.launch(r)
		n.mapMu.Unlock()
		require.False(t, r.box.post(data.Tick{}))
		n.cfg.Switch.mu.RLock()
		require.Nil(t, n.cfg.Switch.boxes[r.addr])
		n.cfg.Switch.mu.RUnlock()
		synctest.Wait()
		require.True(t, r.ended.Load())
		require.Zero(t, h.master.lost(on(0), 3), "the disk is lost, not the replica")
		h.stop()
	})
}

// A replica that cannot go on on a good disk stayed a member of its chain for
// ever, which then committed nothing.
func TestReplicaThatEndsTellsTheMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		order(t, n, on(0), 1)
		for _, c := range []chain.ChainID{indexChain, dataChain} {
			n.lookup(address{c, on(0)}).base().box.post(storeError{errors.New("a machine that cannot go on")})
			synctest.Wait()
			require.NotZero(t, h.master.lost(on(0), c))
			before := h.master.lost(on(0), c)
			time.Sleep(3 * time.Second)
			require.GreaterOrEqual(t, h.master.lost(on(0), c), before+2, "again and again")
		}
		require.Empty(t, h.master.info(disk1(0)).Replicas, "it does not count as running")
		require.NotNil(t, h.master.info(disk1(0)).Replicas)
		require.Len(t, h.master.info(disk1(1)).Replicas, 2)
		require.NoError(t, h.master.why(disk1(0)), "the disk works")
		h.stop()
	})
}

// A replica that could not be revived was made anew, empty, as long as its
// chain was in its first configuration.
func TestReplicaThatCannotBeRevivedIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		order(t, n, on(0), 1)
		h.stop()
		cfg := h.config()
		cfg.setDefaults()
		st, err := store.Open(cfg.storeConfig(cfg.Disks[0], nil, nil))
		require.NoError(t, err)
		bad := make(chan error, 2)
		for c, kind := range map[chain.ChainID]chain.Kind{indexChain: chain.KindIndex, dataChain: chain.KindData} {
			st.Append(func(err error) { bad <- err }, store.State(store.Key{Chain: c, Incarnation: 1}, kind, []byte("no state")))
			require.NoError(t, <-bad)
		}
		require.NoError(t, st.Close())
		n = h.start()
		n.SetMap(chainsOn(2, 1, on(0), on(1)))
		for _, c := range []chain.ChainID{indexChain, dataChain} {
			require.Nil(t, n.lookup(address{c, on(0)}))
			require.Equal(t, 1, h.master.lost(on(0), c))
			require.NotNil(t, n.lookup(address{c, on(1)}))
		}
		// The chain goes on without it; a new incarnation joins, and then serves.
		n.SetMap(chainsOn(3, 2, on(1)))
		again := chain.ReplicaID{Store: disk1(0), Incarnation: 2}
		m := chainsOn(4, 3, on(1))
		for id, c := range m.Chains {
			c.Factor, c.Syncing = 2, []chain.ReplicaID{again}
			m.Chains[id] = c
		}
		n.SetMap(m)
		require.NotNil(t, n.lookup(address{indexChain, again}))
		h.stop()
	})
}

// A disk that held nothing when the first map came is made a member also if
// that map is not the first: nothing was ever committed without it. A disk that
// holds other replicas has lost this one.
func TestWhoMayBeginFromNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 3)
		n := h.start()
		n.SetMap(chainsOn(4, 2, on(0), on(1)))
		require.NotNil(t, n.lookup(address{indexChain, on(0)}))
		require.Zero(t, h.master.lost(on(0), indexChain))
		order(t, n, on(0), 1)
		later := chain.ReplicaID{Store: disk1(2), Incarnation: 2}
		n.SetMap(chainsOn(5, 3, on(0), on(1), later))
		require.Nil(t, n.lookup(address{indexChain, later}), "a later incarnation has joined once")
		require.NotZero(t, h.master.lost(later, indexChain))
		h.stop()
		n = h.start()
		m := chainsOn(6, 3, on(0), on(1))
		c := m.Chains[dataChain]
		c.Chain = 9
		m.Chains[9] = c
		n.SetMap(m)
		require.Nil(t, n.lookup(address{9, on(0)}))
		require.NotZero(t, h.master.lost(on(0), 9))
		h.stop()
	})
}

// An old incarnation takes space until the new one, on the same disk, serves.
func TestSupersededIncarnationsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		order(t, n, on(0), 1)
		putChunk(t, n, on(0), 1, 7, []byte("content"))
		n.SetMap(chainsOn(2, 2, on(0)))
		again := chain.ReplicaID{Store: disk1(1), Incarnation: 2}
		joining := chainsOn(3, 3, on(0))
		for id, c := range joining.Chains {
			c.Factor, c.Syncing = 2, []chain.ReplicaID{again}
			joining.Chains[id] = c
		}
		n.SetMap(joining)
		time.Sleep(10 * time.Second)
		require.NotNil(t, n.lookup(address{indexChain, on(1)}), "while the new one only joins")
		n.SetMap(chainsOn(4, 4, on(0), again))
		time.Sleep(time.Second)
		for _, c := range []chain.ChainID{indexChain, dataChain} {
			require.Nil(t, n.lookup(address{c, on(1)}))
			require.NotNil(t, n.lookup(address{c, again}))
		}
		require.Zero(t, h.master.lost(on(1), indexChain))
		h.stop()
		n = h.start()
		for _, rec := range n.disks[disk1(1)].found {
			require.EqualValues(t, 2, rec.Key.Incarnation, "it is not on the disk any more")
		}
		require.Len(t, n.disks[disk1(1)].found, 2)
		h.stop()
	})
}

// A replica in the recoverable set is never dropped, whatever serves.
func TestRecoverableReplicasStay(t *testing.T) {
	c := chainsOn(1, 5, on(0), chain.ReplicaID{Store: disk1(1), Incarnation: 3}).Chains[indexChain]
	require.True(t, superseded(&c, on(1)))
	require.False(t, superseded(&c, on(0)))
	require.False(t, superseded(&c, on(2)))
	c.Recoverable = append(c.Recoverable, on(1))
	require.False(t, superseded(&c, on(1)))
	c.Recoverable, c.Serving, c.Syncing = nil, c.Serving[:1], c.Serving[1:]
	require.False(t, superseded(&c, on(1)), "a joiner has not everything yet")
}

// The free space, the failure and the life of a disk reach the master.
func TestDiskIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		n := h.start()
		time.Sleep(500 * time.Millisecond)
		require.NotZero(t, h.master.tells(disk1(0)), "alive before the first map")
		require.Nil(t, h.master.info(disk1(0)).Replicas, "of replicas nothing is known yet")
		n.SetMap(chainsOn(1, 1, on(0), on(1)))
		order(t, n, on(0), 1)
		before := h.master.tells(disk1(0))
		time.Sleep(10 * time.Second)
		require.InDelta(t, before+10, h.master.tells(disk1(0)), 2, "every second")
		n.diskFailed(n.disks[disk1(0)], errors.New("gone"))
		n.diskFailed(n.disks[disk1(0)], errors.New("once more"))
		require.EqualError(t, h.master.why(disk1(0)), "gone", "the first cause counts")
		before = h.master.tells(disk1(0))
		time.Sleep(3 * time.Second)
		require.Equal(t, before, h.master.tells(disk1(0)), "a failed disk is not alive")
		_, err := n.Query(indexChain, on(0), &tablet.Query{Ask: tablet.AskTime{}})
		require.ErrorContains(t, err, "store failed")
		require.NoError(t, n.disks[disk1(0)].st.Close())
		h.stop()
	})
}

func sorted(in []ReplicaInfo) []ReplicaInfo {
	if len(in) == 2 && in[0].Chain > in[1].Chain {
		in[0], in[1] = in[1], in[0]
	}
	return in
}

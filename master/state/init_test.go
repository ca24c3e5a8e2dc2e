package state

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func fresh(t testing.TB, stores, tablets, data int) *State {
	st := &State{}
	res := st.Apply(1, Command{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1, 2, 3}, Stores: newStores(stores, 1), Tablets: tablets, DataChains: data, Feature: 1}})
	require.NoError(t, res.Err())
	return st
}

func TestANewClusterIsSpreadEvenly(t *testing.T) {
	for stores := 1; stores <= 12; stores++ {
		given := newStores(stores, 1)
		for i := range given { // the disks of one host
			given[i].Domain = [4]string{"", "", "host", fmt.Sprint("d", i)}
		}
		st := &State{}
		require.NoError(t, st.Apply(1, Command{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1}, Stores: given, Tablets: 12, DataChains: 32}}).Err())
		require.EqualValues(t, min(3, stores), st.Factor)
		require.Len(t, st.Tablets, 13)
		require.Len(t, st.Chains, 45)
		for _, kind := range []chain.Kind{chain.KindIndex, chain.KindData} {
			heads, tails, replicas := map[chain.StoreID]int{}, map[chain.StoreID]int{}, map[chain.StoreID]int{}
			for _, c := range st.Chains {
				if c.Config.Kind != kind {
					continue
				}
				heads[c.Config.Head().Store]++
				tails[c.Config.Tail().Store]++
				for _, r := range c.Config.Serving {
					replicas[r.Store]++
				}
				require.Equal(t, c.Config.Serving, c.Config.Settled)
				require.EqualValues(t, min(2, stores), c.Config.MinAck)
			}
			for what, m := range map[string]map[chain.StoreID]int{"heads": heads, "tails": tails, "replicas": replicas} {
				lo, hi := 1<<30, 0
				for _, s := range st.Stores {
					lo, hi = min(lo, m[s.ID]), max(hi, m[s.ID])
				}
				slack := 1
				if what != "heads" {
					slack = 3
				}
				require.LessOrEqual(t, hi-lo, slack, "%s of %s chains on %d stores", what, kind, stores)
			}
		}
	}
}

func TestTabletsCoverEveryKeyOnce(t *testing.T) {
	st := fresh(t, 3, 12, 32)
	m := st.Map()
	require.EqualValues(t, 1, m.Find(chain.OwnerKey(chain.BucketID{}, "bucket/x")).ID, "the system tablet")
	require.EqualValues(t, 1, m.Find(nil).ID)
	counts := map[chain.TabletID]int{}
	for i := range 256 {
		tb := m.Find(chain.OwnerKey(chain.BucketID{0: byte(i), 15: 1}, "key"))
		require.True(t, tb.Contains(chain.OwnerKey(chain.BucketID{0: byte(i), 15: 1}, "key")))
		counts[tb.ID]++
	}
	require.NotContains(t, counts, chain.TabletID(1), "bucketID 0 only")
	require.Len(t, counts, 12)
	for id, n := range counts {
		require.InDelta(t, 256.0/12, n, 2, "tablet %d", id)
	}
	require.Equal(t, "5555555555555555"+"0000000000000000", hex.EncodeToString(m.Tablets[5].Start))
}

func TestReplicasAreInDifferentDomains(t *testing.T) {
	st := &State{}
	var stores []NewStore
	for i := range 12 { // 2 zones, 3 racks each, 2 disks on one host each
		stores = append(stores, NewStore{ID: sid(i + 1), Incarnation: 1, Domain: [4]string{fmt.Sprint("z", i/6), fmt.Sprint("r", i/2%3), "h", fmt.Sprint("d", i%2)}})
	}
	require.NoError(t, st.Apply(1, Command{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1}, Stores: stores, Tablets: 12, DataChains: 60}}).Err())
	for _, c := range st.Chains {
		racks := map[string]bool{}
		zones := map[string]bool{}
		for _, r := range c.Config.Serving {
			d := st.Store(r.Store).Domain
			zones[d[0]] = true
			racks[d[0]+d[1]] = true
		}
		require.Len(t, zones, 2)
		require.Len(t, racks, 3)
	}
}

func TestDisksOfOneDeviceAreAllowed(t *testing.T) {
	st := &State{}
	stores := []NewStore{{ID: sid(1)}, {ID: sid(2)}, {ID: sid(3)}}
	require.NoError(t, st.Apply(1, Command{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1}, Stores: stores, Tablets: 1, DataChains: 1}}).Err())
	require.Len(t, st.Chains[0].Config.Serving, 3)
}

// TestGoldenSnapshot: a release must read what an older one wrote.
func TestGoldenSnapshot(t *testing.T) {
	st := fresh(t, 4, 2, 2)
	s := &sim{t: t, st: st, index: 1, now: 1, obs: map[chain.StoreID]Health{}, has: map[holding]int{}, acked: map[chain.ChainID]int{}, path: map[chain.ChainID]onPath{}, lose: func(int) int { return 0 }}
	for _, x := range st.Stores {
		s.obs[x.ID] = Health{Alive: true, Incarnation: 1}
	}
	s.obs[sid(1)] = Health{Broken: true, Since: 1, Reason: "EIO"}
	s.obs[sid(3)] = Health{Since: 1, Reason: "silent"}
	for range 3 {
		s.round(s.reports(), 100)
	}
	got, err := s.st.EncodeSnapshot()
	require.NoError(t, err)
	const name = "testdata/state-v1.golden"
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	back, err := DecodeSnapshot(want)
	require.NoError(t, err)
	again, err := back.EncodeSnapshot()
	require.NoError(t, err)
	require.Equal(t, string(want), string(again))
}

// TestGoldenCommands: the log of an older release must mean the same.
func TestGoldenCommands(t *testing.T) {
	cmds := []Command{
		{Op: chain.OpID{1}, Init: &Init{Cluster: chain.ClusterID{1}, Stores: newStores(1, 1), Tablets: 12, DataChains: 32, Factor: 1, Feature: 1}},
		{Op: chain.OpID{2}, AddStore: &AddStore{Store: newStores(1, 2)[0]}},
		{Op: chain.OpID{3}, SetStore: &SetStoreState{ID: sid(1), Expect: 1, State: 2, Broken: true, Incarnation: 2, Reason: "EIO"}},
		{Op: chain.OpID{4}, Replace: &ReplaceStore{Old: sid(1), Store: newStores(1, 3)[0]}},
		{Op: chain.OpID{5}, Change: &ChangeChain{Chain: 1, Expect: chain.Epoch{Recovery: 1, N: 2}, Kind: ChangePromote, Replicas: []chain.ReplicaID{rep(1, 2)}, Reported: chain.Epoch{Recovery: 1, N: 2}, Reason: "in sync"}},
		{Op: chain.OpID{6}, Change: &ChangeChain{Chain: 1, Kind: ChangeRemove, Replicas: []chain.ReplicaID{rep(1, 2)}, Void: true, Choice: true}},
		{Op: chain.OpID{7}, Change: &ChangeChain{Chain: 1, Kind: ChangeResize, Factor: 3, MinAck: 2}},
		{Op: chain.OpID{8}, Factor: &SetFactor{Expect: 1, Factor: 3}},
		{Op: chain.OpID{9}, Feature: &SetFeature{Level: 2}},
	}
	got, err := Encode(cmds)
	require.NoError(t, err)
	const name = "testdata/entry-v1.golden"
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	back, err := Decode(want)
	require.NoError(t, err)
	require.Equal(t, cmds, back)
}

func TestWhatAReleaseDoesNotKnowStopsIt(t *testing.T) {
	for _, b := range []string{
		``, `{}`, `{"v":2,"commands":[]}`, `{"v":1,"commands":[]}`, `{"v":1,"commands":null}`, `[1]`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000"}]}`,
		`{"v":1,"commands":[{"op":"00000000000000000000000000000000","set_feature":{"level":2}}]}`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000","set_feature":{"level":2},"set_factor":{"expect":1,"factor":2}}]}`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000","set_feature":{"level":2,"new_field":1}}]}`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000","split_tablet":{}}]}`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000","change_chain":{"chain":1,"expect":{"recovery":0,"n":1},"kind":"split"}}]}`,
		`{"v":1,"commands":[{"op":"01","set_feature":{"level":2}}]}`,
		`{"v":1,"commands":[{"op":"01000000000000000000000000000000","set_feature":{"level":2}}]} trailing`,
	} {
		_, err := Decode([]byte(b))
		require.ErrorIs(t, err, ErrUnknownCommand, b)
	}
	_, err := Decode(make([]byte, MaxEntry+1))
	require.ErrorIs(t, err, ErrUnknownCommand)
	_, err = Encode(nil)
	require.Error(t, err)
}

func TestADamagedSnapshotIsRefused(t *testing.T) {
	good, err := fresh(t, 3, 2, 2).EncodeSnapshot()
	require.NoError(t, err)
	for i := range good {
		b := append([]byte{}, good...)
		b[i] ^= 0x04
		_, err := DecodeSnapshot(b)
		require.ErrorIs(t, err, ErrSnapshot, "byte %d", i)
	}
	for i := range good {
		_, err := DecodeSnapshot(good[:i])
		require.ErrorIs(t, err, ErrSnapshot, "length %d", i)
	}
}

func FuzzDecode(f *testing.F) {
	b, err := Encode([]Command{{Op: chain.OpID{1}, Factor: &SetFactor{Expect: 1, Factor: 2}}})
	require.NoError(f, err)
	f.Add(b)
	golden, err := os.ReadFile("testdata/entry-v1.golden")
	require.NoError(f, err)
	f.Add(golden)
	f.Fuzz(func(t *testing.T, b []byte) {
		cmds, err := Decode(b)
		if err != nil {
			require.True(t, errors.Is(err, ErrUnknownCommand))
			return
		}
		again, err := Encode(cmds)
		require.NoError(t, err)
		back, err := Decode(again)
		require.NoError(t, err)
		require.Equal(t, cmds, back)
		// Whatever it says, the state stays whole.
		st := fresh(t, 3, 1, 1)
		for i, c := range cmds {
			st.Apply(uint64(i+2), c)
			require.NoError(t, st.Check())
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	b, err := fresh(f, 3, 1, 1).EncodeSnapshot()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would keep the fuzzer out: make it right.
		if i := len(snapshotMagic) + 1; len(b) > i {
			b = fmt.Appendf(nil, "%s crc32c=%08x len=%d\n%s", snapshotMagic, checksum(b[i:]), len(b)-i, b[i:])
		}
		st, err := DecodeSnapshot(b)
		if err == nil {
			require.NoError(t, st.Check())
		}
	})
}

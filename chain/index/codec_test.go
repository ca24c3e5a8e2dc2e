package index

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"catena/chain"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

func fullState() State {
	c := conf(5, 1, 2, 3)
	c.Epoch.Recovery = 2
	c.Syncing = []chain.ReplicaID{rid(9)}
	at := Applied{Epoch: chain.Epoch{Recovery: 1, N: 4}, Seq: 7, Digest: 1 << 63, Rev: 9, Time: -3}
	return State{
		Config: c, WaitedOut: chain.Epoch{Recovery: 2, N: 5}, CommitPath: rid(9), Installing: true,
		SnapshotFrom: []byte("next"), SnapshotAt: at, SnapshotMax: 12, Boot: 3,
	}
}

func TestStateRoundTrip(t *testing.T) {
	empty := fullState()
	empty.SnapshotFrom = []byte{}
	for _, s := range []State{fullState(), empty, {Config: conf(1, 1, 2)}} {
		got, err := UnmarshalState(MarshalState(s))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s, got))
	}
}

func TestEntryRoundTrip(t *testing.T) {
	for _, payload := range [][]byte{nil, {}, []byte("bytes")} {
		e := &Entry{
			Epoch: chain.Epoch{Recovery: 1, N: 2}, Seq: 3, PrevEpoch: chain.Epoch{N: 1}, PrevSeq: 2, Digest: 77,
			Rev: 4, Time: 5, OpID: chain.OpID{6}, Body: []byte("rows"), Payload: payload,
		}
		got, err := UnmarshalEntry(MarshalEntry(e), payload)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(e, got))
		require.Equal(t, e.DigestAfter(), got.DigestAfter())
	}
}

func TestRecordsRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	state := MarshalState(fullState())
	entry := MarshalEntry(&Entry{Epoch: chain.Epoch{N: 1}, Seq: 1, Body: []byte("b")})
	uint := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	later := append(bytes.Clone(state), uint(500, 1)...)
	got, err := UnmarshalState(later)
	require.NoError(t, err, "a field of a later release is skipped")
	require.Empty(t, cmp.Diff(fullState(), got))

	for name, b := range map[string][]byte{
		"version":      append(bytes.Clone(state), uint(stateVersion, 2)...),
		"incompatible": append(bytes.Clone(state), uint(stateIncompat, 1)...),
		"cut":          state[:len(state)-1],
		"wire type":    append(bytes.Clone(state), uint(stateSnapshotAt, 1)...),
		"length":       append(bytes.Clone(state), 0x2a, 3, 1, 2, 3),
		"long key":     protowire.AppendBytes(protowire.AppendTag(nil, stateSnapshotFrom, protowire.BytesType), make([]byte, maxKey+1)),
	} {
		_, err := UnmarshalState(b)
		require.ErrorIs(t, err, ErrCodec, name)
	}
	for name, f := range map[string]func() (*Entry, error){
		"payload missing": func() (*Entry, error) {
			return UnmarshalEntry(append(bytes.Clone(entry), uint(entryPayload, 4)...), nil)
		},
		"payload extra": func() (*Entry, error) { return UnmarshalEntry(entry, []byte("x")) },
		"no position":   func() (*Entry, error) { return UnmarshalEntry(uint(entryRev, 1), nil) },
		"cut":           func() (*Entry, error) { return UnmarshalEntry(entry[:len(entry)-1], nil) },
	} {
		_, err := f()
		require.ErrorIs(t, err, ErrCodec, name)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(MarshalState(fullState()))
	f.Add(MarshalEntry(&Entry{Seq: 1, Body: []byte("b")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := UnmarshalState(b); err == nil {
			again, err := UnmarshalState(MarshalState(s))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(s, again))
		}
		if e, err := UnmarshalEntry(b, nil); err == nil {
			again, err := UnmarshalEntry(MarshalEntry(e), nil)
			require.NoError(t, err)
			require.Equal(t, e.DigestAfter(), again.DigestAfter())
		}
	})
}

func TestDamagedRecordsNeverPanic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	state := MarshalState(fullState())
	for range 20000 {
		b := bytes.Clone(state)
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		_, _ = UnmarshalState(b[:rng.IntN(len(b)+1)])
		_, _ = UnmarshalEntry(b, nil)
	}
}

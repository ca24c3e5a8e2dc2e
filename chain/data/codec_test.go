package data

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"catena/chain"
)

func someState() State {
	c := config(3, []int{1, 2, 3}, 4)
	c.Epoch.Recovery, c.Prev.Recovery = 1, 1
	return State{
		Config: c, Boot: 9, CommitPath: rid(4), Feed: FeedID{Source: rid(3), Boot: 2, N: 7},
		SyncedTo: chain.ChunkID{Blob: chain.BlobID{5}, Ordinal: 6}, SyncDone: true,
	}
}

func TestStateSurvivesEncoding(t *testing.T) {
	for _, s := range []State{someState(), {Boot: 1}, {Config: config(1, []int{1}), Boot: 2, SyncedTo: cid(3)}} {
		got, err := UnmarshalState(MarshalState(&s))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(s, got))
	}
}

func TestRecordsSurviveEncoding(t *testing.T) {
	h := header(300, 3*BlockSize+1)
	h.Key = strings.Repeat("k", MaxKey)
	gotH, err := UnmarshalHeader(MarshalHeader(&h))
	require.NoError(t, err)
	require.Equal(t, h, gotH)
	s := SealRecord{Header: h, Sums: Sums{1, 2, 3, 1<<32 - 1}}
	gotS, err := UnmarshalSeal(MarshalSeal(&s))
	require.NoError(t, err)
	require.Equal(t, s, gotS)
	c := CloneRecord{Header: h, Old: cid(4), Offset: 77}
	gotC, err := UnmarshalClone(MarshalClone(&c))
	require.NoError(t, err)
	require.Equal(t, c, gotC)
	m := RemoveRecord{Chunks: []chain.ChunkID{cid(1), {Blob: chain.BlobID{1}, Ordinal: 1<<32 - 1}}}
	gotM, err := UnmarshalRemove(MarshalRemove(&m))
	require.NoError(t, err)
	require.Equal(t, m, gotM)
}

// The bytes of version 1. If this fails, an older store can no longer be read:
// raise the version or keep the encoding.
func TestEncodingIsVersionOne(t *testing.T) {
	s := someState()
	h := Header{ID: chain.ChunkID{Blob: chain.BlobID{1}, Ordinal: 2}, Bucket: chain.BucketID{3}, Key: "k", Stamp: 4, Size: 5}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"header": {MarshalHeader(&h), "01000a140100000000000000000000000000000000000002121003000000000000000000000000000000" + "1a016b20042805"},
		"seal":   {MarshalSeal(&SealRecord{h, Sums{0x01020304}}), "01000a2f0a140100000000000000000000000000000000000002121003000000000000000000000000000000" + "1a016b20042805" + "120404030201"},
		"clone":  {MarshalClone(&CloneRecord{h, chain.ChunkID{Blob: chain.BlobID{9}}, 8}), "01000a2f0a140100000000000000000000000000000000000002121003000000000000000000000000000000" + "1a016b20042805" + "1214" + "0900000000000000000000000000000000000000" + "1808"},
		"remove": {MarshalRemove(&RemoveRecord{[]chain.ChunkID{{Blob: chain.BlobID{9}, Ordinal: 1}}}), "01000a140900000000000000000000000000000000000001"},
	} {
		require.Equal(t, c.want, hex.EncodeToString(c.got), name)
	}
	golden, err := os.ReadFile("testdata/state_v1.hex")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(golden)), hex.EncodeToString(MarshalState(&s)))
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	h := header(1, 10)
	b := protowire.AppendVarint(protowire.AppendTag(MarshalHeader(&h), 99, protowire.VarintType), 5)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 98, protowire.Fixed64Type), 5)
	got, err := UnmarshalHeader(b)
	require.NoError(t, err)
	require.Equal(t, h, got)
}

func TestBadEncodingsAreRefused(t *testing.T) {
	h, big := header(1, 10), header(1, 10)
	big.Size = chain.MaxChunk + 1
	long := header(1, 10)
	long.Key = strings.Repeat("k", MaxKey+1)
	none := Header{Size: 1}
	many := RemoveRecord{Chunks: make([]chain.ChunkID, maxIDs+1)}
	for name, c := range map[string]struct {
		err error
		is  error
	}{
		"empty":             {second(UnmarshalHeader(nil)), ErrMalformed},
		"newer version":     {second(UnmarshalHeader(append([]byte{2, 0}, MarshalHeader(&h)[2:]...))), ErrTooNew},
		"unknown flag":      {second(UnmarshalState([]byte{1, 0x80})), ErrTooNew},
		"cut":               {second(UnmarshalHeader(MarshalHeader(&h)[:20])), ErrMalformed},
		"too large":         {second(UnmarshalHeader(MarshalHeader(&big))), ErrMalformed},
		"long key":          {second(UnmarshalHeader(MarshalHeader(&long))), ErrMalformed},
		"no id":             {second(UnmarshalHeader(MarshalHeader(&none))), ErrMalformed},
		"no sums":           {second(UnmarshalSeal(MarshalSeal(&SealRecord{Header: h}))), ErrMalformed},
		"too many sums":     {second(UnmarshalSeal(MarshalSeal(&SealRecord{Header: h, Sums: make(Sums, 200)}))), ErrMalformed},
		"clone of no chunk": {second(UnmarshalClone(MarshalClone(&CloneRecord{Header: h}))), ErrMalformed},
		"clone past 8 MiB":  {second(UnmarshalClone(MarshalClone(&CloneRecord{Header: h, Old: cid(2), Offset: chain.MaxChunk - 5}))), ErrMalformed},
		"empty removal":     {second(UnmarshalRemove(MarshalRemove(&RemoveRecord{}))), ErrMalformed},
		"endless removal":   {second(UnmarshalRemove(MarshalRemove(&many))), ErrMalformed},
		"state of no start": {second(UnmarshalState(MarshalState(&State{}))), ErrMalformed},
		"bad configuration": {second(UnmarshalState(MarshalState(&State{Boot: 1, Config: chain.Config{Epoch: chain.Epoch{N: 1}}}))), ErrMalformed},
	} {
		require.ErrorIs(t, c.err, c.is, name)
	}
}

func second[T any](_ T, err error) error { return err }

// Whatever the bytes are, a decoder gives an error or something that it gives
// back unchanged.
func FuzzDecoders(f *testing.F) {
	s, h := someState(), header(1, BlockSize+1)
	f.Add(MarshalState(&s))
	f.Add(MarshalHeader(&h))
	f.Add(MarshalSeal(&SealRecord{h, Sums{1, 2}}))
	f.Add(MarshalClone(&CloneRecord{h, cid(2), 3}))
	f.Add(MarshalRemove(&RemoveRecord{[]chain.ChunkID{cid(1)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := UnmarshalState(b); err == nil {
			again, err := UnmarshalState(MarshalState(&s))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(s, again))
		}
		if h, err := UnmarshalHeader(b); err == nil {
			again, err := UnmarshalHeader(MarshalHeader(&h))
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
		if s, err := UnmarshalSeal(b); err == nil {
			again, err := UnmarshalSeal(MarshalSeal(&s))
			require.NoError(t, err)
			require.Equal(t, s, again)
		}
		if c, err := UnmarshalClone(b); err == nil {
			again, err := UnmarshalClone(MarshalClone(&c))
			require.NoError(t, err)
			require.Equal(t, c, again)
		}
		if m, err := UnmarshalRemove(b); err == nil {
			again, err := UnmarshalRemove(MarshalRemove(&m))
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
	})
}

func TestConfigReportsEverythingWrong(t *testing.T) {
	_, err := New(Config{MaxOpen: -1, Copies: -2, PageSize: maxPage + 1, MaxRemove: maxIDs + 1, Recovered: Recovered{State: &State{}}})
	for _, want := range []string{"no Chain", "no identity", "MaxOpen is -1", "Copies is -2", "PageSize", "MaxRemove", "no start"} {
		require.ErrorContains(t, err, want)
	}
}

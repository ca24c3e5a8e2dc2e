package main

import (
	"testing"

	"catena/chain"
	"catena/chain/data"

	"github.com/stretchr/testify/require"
)

// A chunk that only one replica holds is listed, and none is skipped where the
// replicas' pages end at different ids.
func TestMergeHeaders(t *testing.T) {
	id := func(n byte) chain.ChunkID { return chain.ChunkID{Blob: chain.BlobID{n}} }
	page := func(ns ...byte) (out []data.Header) {
		for _, n := range ns {
			out = append(out, data.Header{ID: id(n)})
		}
		return out
	}
	got := mergeHeaders([][]data.Header{page(1, 3), page(1, 2, 3, 4), page(1, 3, 5)}, []chain.ChunkID{id(4), id(5)})
	require.Equal(t, page(1, 2, 3, 4), got)
	require.Equal(t, page(1, 2), mergeHeaders([][]data.Header{page(1, 2), page(2)}, nil))
	require.Empty(t, mergeHeaders(nil, nil))
}

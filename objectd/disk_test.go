package objectd

import (
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// A directory that lost its store's files but kept its identity came back
// empty, was believed in the chains' first configuration, and good copies were
// filled from it.
func TestADiskThatLostItsFilesBeginsNothingButJoiners(t *testing.T) {
	id := chain.ReplicaID{Store: chain.StoreID{1}, Incarnation: firstIncarnation}
	first := chain.Config{Chain: 1, Epoch: chain.Epoch{N: 1}, Serving: []chain.ReplicaID{id}}
	later := chain.Config{Chain: 1, Epoch: chain.Epoch{N: 3}, Prev: chain.Epoch{N: 2}, Serving: []chain.ReplicaID{id}}
	joining := chain.Config{Chain: 1, Epoch: chain.Epoch{N: 3}, Prev: chain.Epoch{N: 2}, Syncing: []chain.ReplicaID{id}}
	tests := []struct {
		name string
		d    *disk
		c    chain.Config
		want bool
	}{
		{"a first configuration", &disk{}, first, true},
		{"a first configuration on a disk that lost its files", &disk{blank: true, lost: true}, first, false},
		{"a later configuration", &disk{}, later, false},
		{"a later configuration on a blank disk", &disk{blank: true}, later, true},
		{"a later configuration on a disk that lost its files", &disk{blank: true, lost: true}, later, false},
		{"a joiner on a disk that lost its files", &disk{blank: true, lost: true}, joining, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.d.mayBegin(&tt.c, id))
		})
	}
}

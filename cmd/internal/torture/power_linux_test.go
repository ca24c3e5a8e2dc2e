package torture

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// One round has both kinds of loss; two have both for the leader's disk, which
// is a round's first, and for a follower's, its second.
func TestKindsOfLoss(t *testing.T) {
	require.NotEqual(t, truncated(1), truncated(2), "in the first round")
	require.NotEqual(t, truncated(4), truncated(5), "in the second round")
	require.NotEqual(t, truncated(1), truncated(4), "the leader's")
	require.NotEqual(t, truncated(2), truncated(5), "a follower's")
}

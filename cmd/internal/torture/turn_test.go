package torture

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever leads after each loss, a round begins with the leader's directory,
// goes on with a follower's, and takes each once.
func TestARoundTakesTheLeaderAndAFollower(t *testing.T) {
	var round func(left []int, taken []int, roles []string)
	round = func(left []int, taken []int, roles []string) {
		if len(left) == 0 {
			require.Equal(t, []string{"leader", "follower"}, roles[:2])
			require.ElementsMatch(t, []int{0, 1, 2}, taken)
			return
		}
		for leader := range 3 {
			at, role := pick(left, leader, len(taken))
			require.Equal(t, role == "leader", left[at] == leader)
			round(slices.Delete(slices.Clone(left), at, at+1), append(slices.Clone(taken), left[at]), append(slices.Clone(roles), role))
		}
	}
	round([]int{0, 1, 2}, nil, nil)
}

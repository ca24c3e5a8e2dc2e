package rule

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheZeroSetHoldsEveryRule(t *testing.T) {
	var all Set
	none := Without(None)
	for r := None; r < count; r++ {
		require.True(t, all.Holds(r), "rule %d", r)
		require.True(t, none.Holds(r), "rule %d", r)
	}
}

func TestWithoutLeavesOutTheNamedRulesOnly(t *testing.T) {
	s := Without(EpochCheck, ReviewAtStart)
	for r := None; r < count; r++ {
		require.Equal(t, r != EpochCheck && r != ReviewAtStart, s.Holds(r), "rule %d", r)
	}
}

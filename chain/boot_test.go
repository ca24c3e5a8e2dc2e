package chain_test

import (
	"math"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

func TestBootNumbersAreNotUsedTwice(t *testing.T) {
	const now = 1_800_000_000_000
	require.EqualValues(t, 1_800_000_000, chain.NextBoot(0, now))
	require.EqualValues(t, 1_800_000_001, chain.NextBoot(1_800_000_000, now), "twice in one second")
	require.EqualValues(t, 1_800_000_002, chain.NextBoot(1_800_000_001, now-3600_000), "a clock that was set back")
	require.Greater(t, chain.NextBoot(7, now+5000), chain.NextBoot(1_800_000_000, now), "a counter that was rolled back")
	for _, wild := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		require.EqualValues(t, 8, chain.NextBoot(7, wild), "a clock that cannot be")
	}
}

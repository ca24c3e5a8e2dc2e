package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClocksGoForward(t *testing.T) {
	a := System{}.Now()
	b := System{}.Now()
	require.GreaterOrEqual(t, b.Mono, a.Mono)
	require.InDelta(t, float64(time.Now().UnixMilli()), float64(b.WallMs), 5000)
}

package clustersim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A disk comes back as an older image of itself: it is head, middle and tail of
// some chains, and the masters still call its replicas Serving. The two other
// disks have everything that was acknowledged, so nothing is lost, at once and
// when the disk has been brought up again.
func TestDiskComesBackAsOlderImage(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 11))
	for round := range rounds(t, 2) {
		for victim := range 3 {
			t.Run(fmt.Sprintf("%d-%d", round, victim), func(t *testing.T) {
				s := rng.Uint64()
				bubble(t, func(t *testing.T) { comesBackOlder(t, victim, s) })
			})
		}
	}
}

func comesBackOlder(t *testing.T, victim int, s uint64) {
	rng := rand.New(rand.NewPCG(s, 1))
	ctx := bounded(t)
	c := build(t, Config{})
	l, w := begin(t, c, s)
	for range 2 {
		d := c.Disks()[victim]
		stop := under(c.Process(), l, w)
		time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		image := c.Image(d)
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		if rng.IntN(2) == 0 {
			// The image may be of a life before the last.
			stop()
			require.NoError(t, c.Stop())
			require.NoError(t, c.Start(ctx))
			stop = under(c.Process(), l, w)
			time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		}
		if rng.IntN(2) == 0 {
			stop()
			require.NoError(t, c.Stop())
		} else {
			require.NoError(t, c.PowerCut(100, rng.Uint64()))
			stop()
		}
		time.Sleep(2 * time.Second) // restoring an image takes its time
		require.NoError(t, c.RollBack(d, image))
		require.NoError(t, c.Start(ctx))
		p := c.Process()
		require.NoError(t, l.Verify(ctx, p), "at once")
		stop = under(p, l, w)
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		stop()
		settle(t, c, l, w)
	}
	// Whatever it lacked it has now: the two others are lost, one after the other.
	for i := range 3 {
		if i == victim {
			continue
		}
		require.NoError(t, c.Stop())
		_, err := c.Replace(c.Disks()[i])
		require.NoError(t, err)
		require.NoError(t, c.Start(ctx))
		settle(t, c, l, w)
	}
	finish(t, c, l, w)
}

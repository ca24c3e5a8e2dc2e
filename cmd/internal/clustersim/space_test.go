package clustersim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"catena/chain"
	"catena/chain/tablet"

	"github.com/stretchr/testify/require"
)

// After a crash a disk has room for little: its rows open, and its log, which
// begins a new segment, finds no space for it. Its chains waited for it as long
// as it had none, reads too. They go on without it after a while; once there is
// room it is one of them again, with all that it had.
func TestDiskWithoutRoomForItsLog(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 12))
	for victim := range 3 {
		t.Run(fmt.Sprint(victim), func(t *testing.T) {
			s := rng.Uint64()
			bubble(t, func(t *testing.T) {
				ctx := bounded(t)
				c := build(t, Config{})
				l, w := begin(t, c, s)
				stop := under(c.Process(), l, w)
				time.Sleep(time.Second)
				require.NoError(t, c.Kill())
				stop()
				d := c.Disks()[victim]
				d.Fill(256 << 10) // a quarter of a segment
				began := time.Now()
				require.NoError(t, c.Start(ctx))
				t.Logf("serves after %s", time.Since(began))
				require.Less(t, time.Since(began), time.Minute)
				p := c.Process()
				require.NoError(t, l.Verify(ctx, p))
				require.NoError(t, p.WaitWriting(ctx))
				// Files that it has already take some of the log, with entries that a full
				// store takes; with no room for its rows none of them is free again.
				d.Fill(0)
				stop = under(p, l, w)
				starve(t, p)
				require.NoError(t, p.WaitWriting(ctx))
				d.Fill(-1)
				time.Sleep(time.Second)
				stop()
				require.NoError(t, l.Verify(ctx, p))
				require.Zero(t, d.Hits(), "nothing has failed on it")
				for back := time.Now(); p.Masters.Status().BelowFactor > 0; time.Sleep(time.Second) {
					require.Less(t, time.Since(back), 5*time.Minute, "it joins its chains again")
				}
				// A master's voter on it that found no room is back after a restart.
				require.NoError(t, c.Stop())
				require.NoError(t, c.Start(ctx))
				finish(t, c, l, w)
			})
		})
	}
}

// starve writes generations of a bucket that nobody uses, until a disk has no
// room for them.
func starve(t *testing.T, p *Process) {
	t.Helper()
	learned := int64(0)
	began := time.Now()
	for gen := uint64(1); p.Masters.Status().BelowFactor == 0; gen++ {
		require.Less(t, time.Since(began), 5*time.Minute, "a disk without room shows")
		cmd := tablet.Command{
			Learned: learned, Stamp: max(learned, 1), Bucket: chain.BucketID{0xEE},
			Action: &tablet.SetBucket{Row: tablet.BucketRow{Generation: gen}},
		}
		binary.BigEndian.PutUint64(cmd.Op[:], gen)
		ctx, cancel := context.WithTimeout(p.Context(), time.Second)
		a, err := p.Client.Do(ctx, cmd.Owner(), cmd)
		cancel()
		if err == nil {
			learned = a.Time
		}
		time.Sleep(time.Millisecond)
	}
}

// A disk is full for a while, and creates are refused. When there is room again
// they are taken within seconds, on chains too where nothing else happens.
func TestRoomComesBackOnAQuietStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx := bounded(t)
		c := build(t, Config{})
		l, w := begin(t, c, seed(t))
		p := c.Process()
		for _, d := range c.Disks() {
			d.Fill(0)
			time.Sleep(2 * time.Second)
			refused := 0
			for range 40 {
				if !l.Write(ctx, p) {
					refused++
				}
			}
			require.NotZero(t, refused, "disk %s is full", d.Name)
			d.Fill(-1)
			time.Sleep(3 * time.Second)
			for range 40 {
				require.True(t, l.Write(ctx, p), "disk %s has room again", d.Name)
			}
		}
		finish(t, c, l, w)
	})
}

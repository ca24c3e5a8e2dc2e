package chaintest

import "catena/chain"

// Clock is what one process reads: it runs at its own rate, has its own zero,
// and its wall time is off.
type Clock struct {
	w *World
	// rate is ticks per real tick, near 1.
	rate float64
	// zero is the reading at the start of the run; since a reboot, at real time boot.
	zero chain.Instant
	boot Real
	// wallOff is how many milliseconds the wall clock is ahead.
	wallOff int64
}

// NewClock makes a clock whose rate is off by at most drift.
func NewClock(w *World, drift float64) *Clock {
	return &Clock{
		w: w, rate: 1 + drift*(2*w.Rand.Float64()-1),
		zero: chain.Instant(w.Between(1, 1000*chain.Second)), wallOff: w.Between(-50, 50),
	}
}

// Now reads the clock.
func (c *Clock) Now() chain.Now {
	real := c.w.Now()
	return chain.Now{
		Mono:   c.zero + chain.Instant(float64(real-c.boot)*c.rate),
		WallMs: 1_700_000_000_000 + int64(real)/chain.Millisecond + c.wallOff,
	}
}

// Reboot starts the clock again from near zero, as a boot-time clock does.
func (c *Clock) Reboot() {
	c.boot = c.w.Now()
	c.zero = chain.Instant(c.w.Between(1, chain.Second))
}

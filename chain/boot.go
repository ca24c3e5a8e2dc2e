package chain

// maxClockBoot keeps clocks that are off by a century from using the numbers up:
// machines pack a boot number into 32 bits.
const maxClockBoot = 1<<32 - 1<<28

// NextBoot is the number of a start of a replica, after the start that its disk
// remembers: one above it, and not below the wall clock's seconds. The clock is
// there for a disk that comes back as an older image of itself: its counter says
// too little, and a counter alone would give out numbers for the second time.
// What is promised: numbers grow on a disk that forgets nothing, whatever the
// clock says; and with a clock that was not set back they grow past those that a
// disk has forgotten, if it started less than once a second.
func NextBoot(last uint64, wallMs int64) uint64 {
	next := last + 1
	if s := wallMs / 1000; s > 0 && s < maxClockBoot {
		next = max(next, uint64(s))
	}
	return next
}

package clock

import "golang.org/x/sys/unix"

// boottime is CLOCK_BOOTTIME: Go's monotonic clock stops while the machine is
// suspended, and a resumed tail would take its old lease for valid.
func boottime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock: CLOCK_BOOTTIME: " + err.Error()) // in every kernel since 2.6.39
	}
	return ts.Nano()
}

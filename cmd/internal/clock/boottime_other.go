//go:build !linux

package clock

import "golang.org/x/sys/unix"

// boottime is CLOCK_MONOTONIC, which on darwin counts suspend.
func boottime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("clock: CLOCK_MONOTONIC: " + err.Error())
	}
	return ts.Nano()
}

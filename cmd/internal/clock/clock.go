package clock

import (
	"time"

	"catena/chain"
)

// System is the machine's clock.
type System struct{}

// Now reads both clocks.
func (System) Now() chain.Now {
	return chain.Now{Mono: chain.Instant(boottime()), WallMs: time.Now().UnixMilli()}
}

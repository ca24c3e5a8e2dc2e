package index

import (
	"errors"
	"fmt"

	"catena/chain"
)

// Config is what a replica is made from. Zero limits take their defaults. Times
// are in nanoseconds, but for those whose names end in Ms.
type Config struct {
	Chain chain.ChainID
	Self  chain.ReplicaID
	// Machine gives the log its meaning; it has the rows at Recovered.Applied.
	Machine   Machine
	Recovered Recovered

	// Window and WindowBytes bound what is ordered and not committed, and four
	// times Window the answers that wait without an entry; a command beyond is
	// refused as busy. Defaults 256 and 4 MiB.
	Window      int
	WindowBytes int64
	// BatchBytes bounds the entries of one message. Default 1 MiB.
	BatchBytes int
	// RetainEntries and RetainBytes bound the log kept in memory for a neighbour
	// that comes back: while it is longer, pending entries counted, applied ones
	// are forgotten, the oldest first. Defaults 1024 and 1 MiB.
	RetainEntries int
	RetainBytes   int64
	// JoinEntries and JoinBytes bound what is kept for a joiner that is behind,
	// and what a joiner holds while a snapshot is not complete. A joiner that
	// needs more starts its snapshot again. Defaults 65536 and 64 MiB.
	JoinEntries int
	JoinBytes   int64

	// Lease is L: a granter waits this long, a holder uses nine tenths. Default 1 s.
	Lease int64
	// TickEvery is how often the driver ticks, and so the pace at which what
	// was lost is sent again. Default 100 ms.
	TickEvery int64
	// RepeatEvery is how often a report is repeated while it is true. Default 500 ms.
	RepeatEvery int64
	// UnreachableAfter is the silence after which a neighbour that owes an
	// answer is reported. Default 2 s.
	UnreachableAfter int64
	// StartedMs is the wall clock at this start, in milliseconds since 1970: the
	// start's number is not below its seconds. 0: only the disk's counter counts.
	StartedMs int64
	// ClockSlackMs is how far ahead of its own clock a replica lets an entry's
	// time jump, in milliseconds. Default 5000.
	ClockSlackMs int64
}

// maxWindow bounds Window so that the marks of a Welcome stay small.
const maxWindow = 4096

// WithDefaults fills what is zero.
func (c Config) WithDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def64 := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Window, 256)
	def64(&c.WindowBytes, 4<<20)
	def(&c.BatchBytes, 1<<20)
	def(&c.RetainEntries, 1024)
	def64(&c.RetainBytes, 1<<20)
	def(&c.JoinEntries, 65536)
	def64(&c.JoinBytes, 64<<20)
	def64(&c.Lease, chain.Second)
	def64(&c.TickEvery, 100*chain.Millisecond)
	def64(&c.RepeatEvery, 500*chain.Millisecond)
	def64(&c.UnreachableAfter, 2*chain.Second)
	def64(&c.ClockSlackMs, 5000)
	return c
}

// Validate reports every problem of a configuration with its defaults filled in.
func (c *Config) Validate() error {
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("chain/index: "+format, args...))
		}
	}
	bad(c.Chain != 0, "no chain id")
	bad(!c.Self.Store.IsZero() && c.Self.Incarnation != 0, "replica %s without identity", c.Self)
	bad(c.Machine != nil, "no machine")
	bad(c.Window > 0 && c.Window <= maxWindow, "window of %d entries, want 1 to %d", c.Window, maxWindow)
	bad(c.WindowBytes > 0, "window of %d bytes", c.WindowBytes)
	bad(c.BatchBytes > 0, "batch of %d bytes", c.BatchBytes)
	bad(c.RetainEntries >= 0 && c.RetainBytes >= 0, "retain %d entries, %d bytes", c.RetainEntries, c.RetainBytes)
	bad(c.JoinEntries >= c.Window, "join_entries %d below the window %d", c.JoinEntries, c.Window)
	bad(c.JoinBytes >= c.WindowBytes, "join_bytes %d below the window %d", c.JoinBytes, c.WindowBytes)
	bad(c.Lease > 0, "lease of %d ns", c.Lease)
	bad(c.TickEvery > 0 && c.TickEvery*4 <= c.Lease, "tick_every %d ns, want at most a quarter of the lease", c.TickEvery)
	bad(c.RepeatEvery > 0, "repeat_every %d ns", c.RepeatEvery)
	bad(c.UnreachableAfter > 0, "unreachable_after %d ns", c.UnreachableAfter)
	bad(c.ClockSlackMs > 0, "clock_slack %d ms", c.ClockSlackMs)
	return errors.Join(errs...)
}

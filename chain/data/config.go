package data

import (
	"errors"
	"fmt"

	"catena/chain"
)

// Config is what a replica needs. Zero values are replaced by the defaults
// given. Durations are nanoseconds of the driver's monotonic clock.
type Config struct {
	Self      chain.ReplicaID
	Chain     chain.ChainID
	Recovered Recovered

	// MaxOpen bounds the chunks that are open or being sealed at a head. 256.
	MaxOpen int
	// MaxRequests bounds the clones, removals and probes in flight at a head. 1024.
	MaxRequests int
	// MaxRemove bounds the ids of one removal. 1024.
	MaxRemove int
	// ChunkInflight is how many bytes of one chunk may be unacknowledged by the
	// next replica before its Frame replies wait. 2 MiB.
	ChunkInflight int
	// ReplicaInflight is how many bytes of all chunks may be on their way to
	// the tail before Frame replies wait. 32 MiB.
	ReplicaInflight int

	// AbandonAfter ends an open chunk of which the caller sends nothing. 60 s.
	AbandonAfter int64
	// FinishWithin ends an operation that waits for the chain. 10 s.
	FinishWithin int64
	// ResendAfter is when an unacknowledged message is sent again. 200 ms.
	ResendAfter int64
	// ReportEvery is how often a report is repeated while it is true. 1 s.
	ReportEvery int64
	// UnreachableAfter is how long a silent neighbour is waited for before it
	// is reported. 3 s.
	UnreachableAfter int64
	// TickEvery is how often the driver ticks. 50 ms.
	TickEvery int64

	// PageSize is how many chunks a page of a joiner's scan lists. 128.
	PageSize int
	// Copies is how many chunks a joiner copies at a time. 4.
	Copies int
	// MaxReads bounds the chunks that a replica reads for others at a time. 8.
	MaxReads int
	// MaxOwed bounds what a source remembers for a joiner that does not
	// confirm; beyond it the joiner's scan starts anew. 65536.
	MaxOwed int
}

func (c *Config) setDefaults() {
	num := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	dur := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	num(&c.MaxOpen, 256)
	num(&c.MaxRequests, 1024)
	num(&c.MaxRemove, 1024)
	num(&c.ChunkInflight, 2<<20)
	num(&c.ReplicaInflight, 32<<20)
	dur(&c.AbandonAfter, 60*chain.Second)
	dur(&c.FinishWithin, 10*chain.Second)
	dur(&c.ResendAfter, 200*chain.Millisecond)
	dur(&c.ReportEvery, chain.Second)
	dur(&c.UnreachableAfter, 3*chain.Second)
	dur(&c.TickEvery, 50*chain.Millisecond)
	num(&c.PageSize, 128)
	num(&c.Copies, 4)
	num(&c.MaxReads, 8)
	num(&c.MaxOwed, 1<<16)
}

// Validate reports everything that is wrong. It does not set defaults.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("data chain %d config: "+format, append([]any{c.Chain}, args...)...))
	}
	if c.Chain == 0 {
		bad("no Chain")
	}
	if c.Self.Store.IsZero() || c.Self.Incarnation == 0 {
		bad("Self %s has no identity", c.Self)
	}
	if s := c.Recovered.State; s != nil && s.Boot == 0 {
		bad("a recovered state of no start")
	}
	if s := c.Recovered.State; s != nil && !s.Config.Epoch.IsZero() && s.Config.Chain != c.Chain {
		bad("a recovered state of chain %d", s.Config.Chain)
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxOpen", int64(c.MaxOpen)}, {"MaxRequests", int64(c.MaxRequests)}, {"MaxRemove", int64(c.MaxRemove)},
		{"ChunkInflight", int64(c.ChunkInflight)}, {"ReplicaInflight", int64(c.ReplicaInflight)},
		{"AbandonAfter", c.AbandonAfter}, {"FinishWithin", c.FinishWithin}, {"ResendAfter", c.ResendAfter},
		{"ReportEvery", c.ReportEvery}, {"UnreachableAfter", c.UnreachableAfter}, {"TickEvery", c.TickEvery},
		{"PageSize", int64(c.PageSize)}, {"Copies", int64(c.Copies)}, {"MaxReads", int64(c.MaxReads)}, {"MaxOwed", int64(c.MaxOwed)},
	} {
		if f.value < 0 {
			bad("%s is %d", f.name, f.value)
		}
	}
	if c.MaxRemove > maxIDs {
		bad("MaxRemove %d is above %d", c.MaxRemove, maxIDs)
	}
	if c.PageSize > maxPage {
		bad("PageSize %d is above %d", c.PageSize, maxPage)
	}
	return errors.Join(errs...)
}

// maxIDs and maxPage bound what one message or record may name.
const (
	maxIDs  = 4096
	maxPage = 1024
)

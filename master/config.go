package master

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"catena/chain"
	"catena/master/raftlog"
	"catena/master/state"

	"github.com/prometheus/client_golang/prometheus"
)

// MaxVoters is how many directories hold a voter.
const MaxVoters = 3

// Dir is one directory of this process that holds, or may hold, a voter.
type Dir struct {
	// Store is the store in the same directory; its id is the voter's Raft id.
	Store chain.StoreID
	// FS is the voter's own folder (DIR/raft).
	FS raftlog.FS
}

// Timing is in durations of the process's clock; zero fields get defaults.
type Timing struct {
	// Heartbeat is after which silence of a leader followers elect another one
	// by themselves; 1 s. A leader that is known to be dead is not waited for.
	Heartbeat time.Duration
	// Tick is the pace of the driver when nothing happens; 250 ms.
	Tick time.Duration
	// Apply bounds the wait for one command's commit; 5 s.
	Apply time.Duration
	// SilentAfter: a store that has not said StoreAlive for so long counts as
	// absent. 0 means that stores of this process need not repeat it.
	SilentAfter time.Duration
	// StartGrace: a recorded store that nobody spoke of for so long after the
	// leader began counts as absent; 10 s.
	StartGrace time.Duration
	// StallAfter: a voter whose disk has not answered a write for so long is
	// dead; 15 s.
	StallAfter time.Duration
}

// Config is what a Server needs.
type Config struct {
	// Cluster is the identity that the log must have. Required.
	Cluster chain.ClusterID
	// Dirs are the directories of this process. Required.
	Dirs []Dir
	// Recorded are the stores recorded as holding a voter. If all of them are
	// here and none has ever voted, they are bootstrapped. Required.
	Recorded []chain.StoreID
	// Stores are the stores with which the cluster is made, in order.
	Stores []state.NewStore
	// Tablets and DataChains of a new cluster; 12 and 32.
	Tablets, DataChains int
	// Factor of a new cluster; 0 is min(3, number of stores).
	Factor uint8
	// Limits of the planner; nil for the defaults.
	Limits *state.Limits
	Timing Timing
	// Now is a clock that counts suspend; the process's monotonic one when nil.
	Now func() chain.Instant
	// OnVoters is told, outside of locks, each time the set of voters has
	// changed, and once after the start; after an error it is told again. May be
	// nil. It may take long: nothing but catena_master_voters_missing waits for it.
	OnVoters func([]chain.StoreID) error
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

// Validate reports everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	bad := func(cond bool, format string, args ...any) {
		if cond {
			errs = append(errs, fmt.Errorf("master: "+format, args...))
		}
	}
	bad(c.Cluster.IsZero(), "no cluster id")
	bad(len(c.Dirs) == 0, "no directories")
	bad(len(c.Recorded) == 0 || len(c.Recorded) > MaxVoters, "%d recorded voters, 1 to %d", len(c.Recorded), MaxVoters)
	seen := map[chain.StoreID]bool{}
	for _, d := range c.Dirs {
		bad(d.Store.IsZero() || d.FS == nil, "a directory without store or file system")
		bad(seen[d.Store], "store %s twice", d.Store)
		seen[d.Store] = true
	}
	bad(c.Tablets < 0 || c.DataChains < 0, "a negative number of chains")
	t := c.Timing
	for _, d := range []time.Duration{t.Heartbeat, t.Tick, t.Apply, t.SilentAfter, t.StartGrace, t.StallAfter} {
		bad(d < 0, "a negative duration")
	}
	return errors.Join(errs...)
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Timing.Heartbeat, time.Second)
	def(&c.Timing.Tick, 250*time.Millisecond)
	def(&c.Timing.Apply, 5*time.Second)
	def(&c.Timing.StartGrace, 10*time.Second)
	def(&c.Timing.StallAfter, 15*time.Second)
	if c.Tablets == 0 {
		c.Tablets = 12
	}
	if c.DataChains == 0 {
		c.DataChains = 32
	}
	if c.Limits == nil {
		l := state.DefaultLimits()
		c.Limits = &l
	}
	if c.Now == nil {
		start := time.Now()
		c.Now = func() chain.Instant { return chain.Instant(time.Since(start)) }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

package objectd

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"catena/chain"
	"catena/objectd/store"
	"catena/objectd/vfs"

	"github.com/prometheus/client_golang/prometheus"
)

// Clock gives the time that the machines are stepped with.
type Clock interface{ Now() chain.Now }

// Master is what a node tells the master. Calls return at once; a lost report
// is repeated by the machine that made it.
type Master interface {
	Report(chain.Report)
	// StoreAlive says that a disk works, and what runs on it. It is repeated
	// every second, and sent at once when a replica has persisted an epoch.
	StoreAlive(id chain.StoreID, info DiskInfo)
	// StoreStarved takes StoreAlive's place while a disk, which is not broken, has
	// had no room for its log for a while: nothing on it is acknowledged, or read,
	// until there is. It is also the last word of one that ended for want of room.
	StoreStarved(id chain.StoreID, reason string)
	// StoreFailed says that a disk of this node has ended, and why.
	StoreFailed(id chain.StoreID, err error)
}

// DiskInfo is what a working disk says of itself.
type DiskInfo struct {
	// Full: it has reached its soft limit.
	Full bool
	// Replicas that run on it; nil until the first map.
	Replicas []ReplicaInfo
}

// ReplicaInfo is one running replica and the newest epoch it has persisted.
type ReplicaInfo struct {
	Chain       chain.ChainID
	Incarnation uint64
	Epoch       chain.Epoch
}

// DiskConfig is one disk of the node.
type DiskConfig struct {
	ID  chain.StoreID
	FS  vfs.FS
	Dir string
	// Lost: this disk held a store before, and its files are gone. What the
	// masters believe to serve here is filled again, never begun anew.
	Lost bool
}

// Config is what a node needs.
type Config struct {
	Disks  []DiskConfig
	Master Master
	// Switch connects the replicas of this process; nil makes one.
	Switch *Switch
	Clock  Clock
	// SegmentSize is for new stores; 0 is the store's default.
	SegmentSize int64
	// ScanFor is how long one page of a scan may take; 200 ms when 0.
	ScanFor time.Duration
	// StallAfter is how long a disk may leave writes unanswered before it counts as
	// failed or, if it only lacks space, as starved; in whole seconds, 15 s when 0.
	StallAfter time.Duration
	// CacheBytes is the block cache that all disks share; 64 MiB when 0.
	CacheBytes int64
	// TickEvery is the pace at which machines see time pass; 100 ms when 0, at
	// most 250 ms: a quarter of a read lease.
	TickEvery time.Duration
	Logger    *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() {
	if c.Switch == nil {
		c.Switch = NewSwitch()
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 64 << 20
	}
	if c.ScanFor == 0 {
		c.ScanFor = 200 * time.Millisecond
	}
	if c.StallAfter == 0 {
		c.StallAfter = 15 * time.Second
	}
	if c.TickEvery == 0 {
		c.TickEvery = 100 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Disks) == 0 {
		errs = append(errs, errors.New("objectd config: no disks"))
	}
	seen := map[chain.StoreID]bool{}
	for i, d := range c.Disks {
		if d.ID.IsZero() || d.FS == nil || d.Dir == "" {
			errs = append(errs, fmt.Errorf("objectd config: disk %d lacks an id, a file system or a folder", i))
		}
		if seen[d.ID] {
			errs = append(errs, fmt.Errorf("objectd config: store %s twice", d.ID))
		}
		seen[d.ID] = true
	}
	if c.Master == nil {
		errs = append(errs, errors.New("objectd config: no Master"))
	}
	if c.Clock == nil {
		errs = append(errs, errors.New("objectd config: no Clock"))
	}
	if c.ScanFor < 0 {
		errs = append(errs, fmt.Errorf("objectd config: ScanFor is %s", c.ScanFor))
	}
	if c.StallAfter < 0 {
		errs = append(errs, fmt.Errorf("objectd config: StallAfter is %s", c.StallAfter))
	}
	if c.TickEvery < 0 || c.TickEvery > 250*time.Millisecond {
		errs = append(errs, fmt.Errorf("objectd config: TickEvery is %s, want up to 250ms", c.TickEvery))
	}
	return errors.Join(errs...)
}

func (c *Config) storeConfig(d DiskConfig, cache *store.Cache, onFail func(error)) store.Config {
	return store.Config{
		FS: d.FS, Dir: d.Dir, StoreID: d.ID, SegmentSize: c.SegmentSize, Cache: cache,
		DecodeRows: decodeRows, OnFail: onFail,
		Logger: c.Logger.With("store", d.ID.String()), Registerer: c.Registerer,
	}
}

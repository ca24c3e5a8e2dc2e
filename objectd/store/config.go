package store

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"

	"catena/chain"
	"catena/chain/tablet"
	"catena/objectd/vfs"
)

// Sizes of segments.
const (
	DefaultSegmentSize = 64 << 20
	MinSegmentSize     = 256 << 10
	MaxSegmentSize     = 1 << 30
)

// Config is what a store needs. The zero value of a field without a comment
// that says otherwise is not allowed.
type Config struct {
	// FS holds Dir. Dir is made if it does not exist.
	FS  vfs.FS
	Dir string
	// StoreID is checked against the directory's identity, and written into an
	// empty directory. See Identity to learn a directory's id first.
	StoreID chain.StoreID
	// SegmentSize is used for an empty directory; later the recorded one counts. 0: 64 MiB.
	SegmentSize int64
	// Cache is shared by the stores of a process; nil: a small one of its own.
	Cache *Cache
	// MemTableBytes is the size of one memtable of rows. 0: 16 MiB.
	MemTableBytes int64
	// RowPayloadBytes is the longest payload that is kept in the rows themselves. 0: 512.
	RowPayloadBytes int
	// ReserveBytes is the space that creates leave alone, so that deletes and
	// compaction have room. 0: 2 % of the file system, 64 MiB to 1 GiB.
	ReserveBytes int64
	// ReplayBytes of log make a flush of the rows worth while: it bounds what a
	// restart reads. 0: 64 MiB.
	ReplayBytes int64
	// RetainBytes bounds Recovered.Retained of all replicas together. 0: 8 MiB.
	RetainBytes int64
	// DecodeRows gives the rows of an entry's body; needed to rebuild lost rows.
	DecodeRows func(body []byte) (tablet.Rows, error)
	// OnFail is called once, in a goroutine of its own, when the store ends. May be nil.
	OnFail func(error)
	// Logger and Registerer may be nil. Metrics carry the label store; the Logger
	// names the store already, nothing is added to its lines.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is used for metrics and for how old a reading of free space may be. nil: time.Now.
	Now func() time.Time

	// forwardFrom is how many ended segments there must be before live records
	// are written forward; tests make it small. 0: 4.
	forwardFrom int
}

// Cache holds blocks of rows in memory, for all stores of a process.
type Cache struct{ c *pebble.Cache }

// NewCache makes a cache of about this many bytes. Close it after the stores.
func NewCache(bytes int64) *Cache { return &Cache{c: pebble.NewCache(bytes)} }

// Close gives the memory back.
func (c *Cache) Close() { c.c.Unref() }

func (c *Config) setDefaults() {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.SegmentSize, DefaultSegmentSize)
	def(&c.MemTableBytes, 16<<20)
	def(&c.ReplayBytes, 64<<20)
	def(&c.RetainBytes, 8<<20)
	if c.RowPayloadBytes == 0 {
		c.RowPayloadBytes = 512
	}
	if c.forwardFrom == 0 {
		c.forwardFrom = 4
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Validate reports everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("store config: "+format, args...)) }
	if c.FS == nil {
		bad("no FS")
	}
	if c.Dir == "" {
		bad("no Dir")
	}
	if c.StoreID.IsZero() {
		bad("no StoreID")
	}
	if c.DecodeRows == nil {
		bad("no DecodeRows")
	}
	if s := c.SegmentSize; s != 0 && (s < MinSegmentSize || s > MaxSegmentSize || s%vfs.BlockSize != 0) {
		bad("SegmentSize %d is not a multiple of %d from %d to %d", s, vfs.BlockSize, MinSegmentSize, MaxSegmentSize)
	}
	if c.RowPayloadBytes < 0 || c.RowPayloadBytes > 64<<10 {
		bad("RowPayloadBytes %d is not from 0 to 65536", c.RowPayloadBytes)
	}
	if c.MemTableBytes < 0 || c.ReserveBytes < 0 || c.ReplayBytes < 0 || c.RetainBytes < 0 {
		bad("a negative size")
	}
	return errors.Join(errs...)
}

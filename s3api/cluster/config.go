package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"catena/chain"
	"catena/chain/tablet"
)

// Config says what a Cluster works with. Zero values stand for the defaults.
type Config struct {
	Index  Index
	Chunks Chunks
	Logger *slog.Logger
	// Now is the wall clock, for the age of learned times and upload ids only.
	Now func() time.Time
	// Random gives ids; crypto/rand.Reader.
	Random io.Reader
	// Inline is the largest body that is put into the entry; 64 KiB, and never more.
	Inline int
	// ChunkSize is the size of a body's chunks but the last; 8 MiB, and never more.
	ChunkSize int
	// Inflight is how many chunks of one body are written at once; 3.
	Inflight int
	// HoldBudget is how many bytes, over all requests, are held so that a failed
	// chunk can be written again; 256 MiB. A chunk that finds no room is not
	// held: its failure fails the request.
	HoldBudget int64
	// WriteTimeout is how long a chunk is tried, on one chain after the other; 30 s.
	WriteTimeout time.Duration
	// CommandTimeout bounds one command, and one query, with all their tries; 30 s.
	CommandTimeout time.Duration
	// ReadPiece is how much of a chunk is read at once; 1 MiB.
	ReadPiece int
	// CopyParallel is how many clones of one copy run at once; 8.
	CopyParallel int
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	def(&c.Inline, tablet.MaxInline)
	def(&c.ChunkSize, chain.MaxChunk)
	def(&c.Inflight, 3)
	def(&c.HoldBudget, 256<<20)
	def(&c.WriteTimeout, 30*time.Second)
	def(&c.CommandTimeout, 30*time.Second)
	def(&c.ReadPiece, 1<<20)
	def(&c.CopyParallel, 8)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports every problem of a configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("cluster: "+format, args...))
		}
	}
	bad(c.Index != nil, "no Index")
	bad(c.Chunks != nil, "no Chunks")
	bad(c.Inline > 0 && c.Inline <= tablet.MaxInline, "inline limit %d is not in 1..%d", c.Inline, tablet.MaxInline)
	bad(c.ChunkSize > 0 && c.ChunkSize <= chain.MaxChunk, "chunk size %d is not in 1..%d", c.ChunkSize, chain.MaxChunk)
	bad(c.Inflight > 0 && c.CopyParallel > 0, "inflight %d and copy parallelism %d must be positive", c.Inflight, c.CopyParallel)
	bad(c.HoldBudget > 0, "hold budget %d must be positive", c.HoldBudget)
	bad(c.WriteTimeout > 0 && c.CommandTimeout > 0, "timeouts must be positive")
	bad(c.ReadPiece > 0 && c.ReadPiece <= chain.MaxChunk, "read piece %d is not in 1..%d", c.ReadPiece, chain.MaxChunk)
	return errors.Join(errs...)
}

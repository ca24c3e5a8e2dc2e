package gc

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

// Index reaches tablets; objectd/client has it. See s3api/cluster.Index for the
// rules of first tries and repeats.
type Index interface {
	Do(ctx context.Context, owner []byte, cmd tablet.Command) (tablet.Answer, error)
	Query(ctx context.Context, owner []byte, q tablet.Query) (tablet.Result, error)
}

// Chunks removes chunks from a data chain. It succeeds, also for chunks that
// are not there, only when the removal is durable on every Serving replica.
type Chunks interface {
	Remove(ctx context.Context, c chain.ChainID, ids []chain.ChunkID) error
}

// Lister lists the sealed chunks of a Serving replica of a data chain, in
// order, after one; for the scan for orphans.
type Lister interface {
	ListChunks(ctx context.Context, c chain.ChainID, after chain.ChunkID, max int) (headers []data.Header, more bool, err error)
}

// Config says what a Worker works on. Zero values stand for the defaults.
type Config struct {
	Index  Index
	Chunks Chunks
	// Tablets gives the tablets that are this worker's share: those whose tail
	// is on this node. Two workers with one tablet do no harm, only work twice.
	Tablets func() []chain.Tablet
	// Lister and DataChains are for the scan for orphans, and DataChains gives
	// this worker's share of the chains. No scan without them.
	Lister     Lister
	DataChains func() []chain.ChainID
	// Grace is how long a dropped chunk stays for readers of the old row; 15 min.
	// It is compared with this node's clock.
	Grace time.Duration
	// Every is the pause between two passes over the release rows; 1 min.
	Every time.Duration
	// OrphansEvery is the pause between two scans for orphans; 6 h.
	OrphansEvery time.Duration
	// Parallel is how many release rows are worked on at once; 8.
	Parallel int
	// Now is the wall clock; Random gives opIDs.
	Now      func() time.Time
	Random   io.Reader
	Logger   *slog.Logger
	Registry prometheus.Registerer // nil for none
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c Config) withDefaults() Config {
	def(&c.Grace, 15*time.Minute)
	def(&c.Every, time.Minute)
	def(&c.OrphansEvery, 6*time.Hour)
	def(&c.Parallel, 8)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports every problem.
func (c Config) Validate() error {
	var errs []error
	bad := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("gc: "+text))
		}
	}
	bad(c.Index != nil, "no Index")
	bad(c.Chunks != nil, "no Chunks")
	bad(c.Tablets != nil, "no Tablets")
	bad((c.Lister == nil) == (c.DataChains == nil), "Lister and DataChains go together")
	bad(c.Grace >= 0 && c.Every >= 0 && c.OrphansEvery >= 0 && c.Parallel >= 0, "negative durations or parallelism")
	return errors.Join(errs...)
}

// metrics are counted by a Worker.
type metrics struct {
	chunks, releases, failures, orphans prometheus.Counter
	oldest                              prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "catena", Subsystem: "gc", Name: name, Help: help})
	}
	m := &metrics{
		chunks:   counter("chunks_removed_total", "Chunks of dropped layouts that were removed."),
		releases: counter("releases_done_total", "Release rows that were worked off."),
		failures: counter("failures_total", "Release rows and orphans that failed; they are tried again."),
		orphans:  counter("orphans_removed_total", "Chunks that no command ever named and that were removed."),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "catena", Subsystem: "gc", Name: "release_age_seconds",
			Help: "Age of the oldest release row that was due and not worked off in the last pass."}),
	}
	if r != nil {
		r.MustRegister(m.chunks, m.releases, m.failures, m.orphans, m.oldest)
	}
	return m
}

package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a store counts. All carry the label store.
type metrics struct {
	records, batches, logBytes, chunkBytes, damaged prometheus.Counter
	syncSeconds, commitSeconds                      prometheus.Histogram
	failed                                          prometheus.Gauge
	all                                             []prometheus.Collector
	reg                                             prometheus.Registerer
	shown                                           bool
}

// newMetrics makes them; register shows them, when the store is open.
func newMetrics(reg prometheus.Registerer, store string, s *Store) *metrics {
	labels := prometheus.Labels{"store": store}
	m := &metrics{reg: reg}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "catena", Subsystem: "store", Name: name, Help: help, ConstLabels: labels})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "catena", Subsystem: "store", Name: name, Help: help, ConstLabels: labels})
		m.all = append(m.all, g)
		return g
	}
	histogram := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "catena", Subsystem: "store", Name: name, Help: help,
			ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(25e-6, 2, 18)})
		m.all = append(m.all, h)
		return h
	}
	m.records = counter("records_total", "Records made durable.")
	m.batches = counter("batches_total", "Groups of records that shared a sync.")
	m.logBytes = counter("log_bytes_total", "Bytes written to record segments, padding included.")
	m.chunkBytes = counter("chunk_bytes_total", "Bytes of chunks written.")
	m.damaged = counter("damaged_reads_total", "Reads whose bytes did not match their checksum.")
	m.syncSeconds = histogram("sync_seconds", "Time of one sync of the log.")
	m.commitSeconds = histogram("commit_seconds", "Time to write and sync one group of records.")
	m.failed = gauge("failed", "1 when the store has ended after a failed write or sync.")
	now := func(name, help string, value func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "catena", Subsystem: "store", Name: name, Help: help, ConstLabels: labels}, value))
	}
	now("free_bytes", "Space left for creates; at 0 and below they are refused, and the store takes no new copies.", func() float64 { return float64(s.Free()) })
	now("log_waits_for_space", "1 while the log waits for room to write what was accepted, removals too. Creates are refused long before (free_bytes).", func() float64 {
		if s.Starving() {
			return 1
		}
		return 0
	})
	ofSpace := func(pick func(sp *space) float64) func() float64 {
		return func() float64 {
			s.space.mu.Lock()
			defer s.space.mu.Unlock()
			return pick(s.space)
		}
	}
	now("chunks", "Sealed chunks.", ofSpace(func(sp *space) float64 { return float64(sp.chunks) }))
	now("chunk_live_bytes", "Bytes of sealed chunks and of those put aside; of clones once.", ofSpace(func(sp *space) float64 { return float64(sp.bytes) }))
	now("quarantined_chunks", "Chunks that were put aside, for people to look at and to drop.", ofSpace(func(sp *space) float64 { return float64(sp.aside) }))
	now("damaged_chunks", "Chunks found damaged by a read, of which no good copy was fetched yet.", func() float64 { return float64(s.damaged.count()) })
	for kind, name := range map[segKind]string{segRecord: "record", segChunk: "chunk", segFree: "free"} {
		now(name+"_segments", "Segment files of this kind.", func() float64 { n, _ := s.segs.count(); return float64(n[kind]) })
	}
	now("segment_bytes", "Length of all segment files.", func() float64 { _, b := s.segs.count(); return float64(b) })
	return m
}

func (m *metrics) register() error {
	if m.reg == nil {
		return nil
	}
	for i, c := range m.all {
		if err := m.reg.Register(c); err != nil {
			for _, done := range m.all[:i] {
				m.reg.Unregister(done)
			}
			return err
		}
	}
	m.shown = true
	return nil
}

func (m *metrics) wrote(records int, d time.Duration) {
	m.records.Add(float64(records))
	m.batches.Inc()
	m.commitSeconds.Observe(d.Seconds())
}

// close takes the metrics out of the registry, so that the store can be opened again.
func (m *metrics) close() {
	if !m.shown {
		return
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}

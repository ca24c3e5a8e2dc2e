package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a store counts. All carry the label store.
type metrics struct {
	records, batches, logBytes, chunkBytes, damaged prometheus.Counter
	syncSeconds, commitSeconds                      prometheus.Histogram
	failed, full                                    prometheus.Gauge
	all                                             []prometheus.Collector
	reg                                             prometheus.Registerer
}

func newMetrics(reg prometheus.Registerer, store string, s *Store) (*metrics, error) {
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
	m.full = gauge("full", "1 when a segment could not be made for want of space.")
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "catena", Subsystem: "store", Name: "free_bytes",
		Help: "Space left for creates.", ConstLabels: labels}, func() float64 { return float64(s.Free()) })
	m.all = append(m.all, free)
	if reg == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := reg.Register(c); err != nil {
			m.all = m.all[:i]
			m.close()
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) wrote(records int, d time.Duration) {
	m.records.Add(float64(records))
	m.batches.Inc()
	m.commitSeconds.Observe(d.Seconds())
}

// close takes the metrics out of the registry, so that the store can be opened again.
func (m *metrics) close() {
	if m.reg == nil {
		return
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}

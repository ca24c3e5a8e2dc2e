package s3api

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"catena/s3api/edge"
)

// metrics is what the gateway counts. Labels are operations, statuses and
// error codes of fixed sets: nothing that a client can make up.
type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	firstByte *prometheus.HistogramVec
	received  prometheus.Counter
	sent      prometheus.Counter
	active    prometheus.Gauge
	conns     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	buckets := prometheus.ExponentialBuckets(0.0005, 2, 17) // 0.5 ms to 33 s
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "catena_s3_requests_total",
			Help: "S3 requests answered, by operation, status and error code (empty for success)."}, []string{"operation", "status", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "catena_s3_request_seconds",
			Help: "From the complete head of a request to the end of its answer.", Buckets: buckets}, []string{"operation"}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "catena_s3_first_byte_seconds",
			Help: "From the complete head of a request to the begin of its answer.", Buckets: buckets}, []string{"operation"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "catena_s3_received_bytes_total", Help: "Bytes of request bodies."}),
		sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: "catena_s3_sent_bytes_total", Help: "Bytes of response bodies."}),
		active:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "catena_s3_active_requests", Help: "S3 requests in progress."}),
		conns:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "catena_s3_connections", Help: "Open S3 connections."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.firstByte, m.received, m.sent, m.active, m.conns} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Observer gives what edge.Config.Observer needs; it feeds the metrics of the
// Registerer.
func (a *API) Observer() edge.Observer { return a.metrics }

// RequestStarted implements edge.Observer.
func (m *metrics) RequestStarted() { m.active.Inc() }

// RequestDone implements edge.Observer.
func (m *metrics) RequestDone(ev edge.Event) {
	m.active.Dec()
	op := ev.Op.String()
	m.requests.WithLabelValues(op, strconv.Itoa(ev.Status), ev.Code).Inc()
	m.seconds.WithLabelValues(op).Observe(ev.Total.Seconds())
	m.firstByte.WithLabelValues(op).Observe(ev.FirstByte.Seconds())
	m.received.Add(float64(ev.Received))
	m.sent.Add(float64(ev.Sent))
}

// ConnOpened implements edge.Observer.
func (m *metrics) ConnOpened() { m.conns.Inc() }

// ConnClosed implements edge.Observer.
func (m *metrics) ConnClosed() { m.conns.Dec() }

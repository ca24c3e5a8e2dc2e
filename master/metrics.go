package master

import (
	"fmt"
	"math"

	"catena/chain"
	"catena/master/state"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are listeners: nothing decides by them.
type metrics struct {
	reg     prometheus.Registerer
	all     []prometheus.Collector
	changes *prometheus.CounterVec
	said    *prometheus.CounterVec
	refused prometheus.Counter
	deaths  prometheus.Counter
}

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{reg: s.cfg.Registerer}
	m.addGauges(s)
	m.addCounters()
	if m.reg == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := m.reg.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister()
			return nil, fmt.Errorf("master: metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) addGauges(s *Server) {
	gauge := func(name, help string, f func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("catena_master_chains_below_factor",
		"Chains that lack a settled member on a live store which has confirmed the newest epoch. NaN while no map is known.", s.belowFactor)
	gauge("catena_master_chains", "Chains of the cluster.", func() float64 {
		return s.count(func(st *state.State) int { return len(st.Chains) })
	})
	gauge("catena_master_chains_unwritable", "Chains of which fewer than min_ack members can serve.", func() float64 {
		return s.count(func(st *state.State) int { return len(st.Unwritable(s.obs.confirm())) })
	})
	gauge("catena_master_chains_syncing", "Chains with a joiner.", func() float64 { return s.count(syncing) })
	gauge("catena_master_leader", "1 if a voter of this process leads.", func() float64 {
		if s.leader() == nil {
			return 0
		}
		return 1
	})
	gauge("catena_master_voters", "Voters of this process that live.", func() float64 { return float64(len(s.liveVoters())) })
	gauge("catena_master_voters_missing",
		"Voters that are wanted (one a directory, up to three) and do not yet vote, hold all that was committed, "+
			"and stand in the record that a start goes by. NaN while nobody leads.", s.votersMissing)
	gauge("catena_master_map_version", "Version of the newest map published; 0 before the first.", func() float64 {
		if cm := s.Map(); cm != nil {
			return float64(cm.Version)
		}
		return 0
	})
}

func (m *metrics) addCounters() {
	counter := func(name, help string) prometheus.CounterOpts { return prometheus.CounterOpts{Name: name, Help: help} }
	m.changes = prometheus.NewCounterVec(counter("catena_master_changes_total",
		"Commands that the driver had committed, by kind."), []string{"kind"})
	m.said = prometheus.NewCounterVec(counter("catena_master_reports_total", "Reports of replicas, by kind."), []string{"kind"})
	m.refused = prometheus.NewCounter(counter("catena_master_changes_failed_total",
		"Commands of the driver that were refused, or whose outcome is unknown."))
	m.deaths = prometheus.NewCounter(counter("catena_master_voter_deaths_total",
		"Voters that died of an I/O error or a hanging disk."))
	m.all = append(m.all, m.changes, m.said, m.refused, m.deaths)
}

func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.all {
		m.reg.Unregister(c)
	}
}

func (m *metrics) change(c state.Command) {
	kind := "store"
	if c.Change != nil {
		kind = string(c.Change.Kind)
	}
	m.changes.WithLabelValues(kind).Inc()
}

var reportNames = [...]string{"unknown", "in_sync", "settled", "diverged", "unreachable", "behind", "clock"}

func (m *metrics) reports(k chain.ReportKind) prometheus.Counter {
	if int(k) >= len(reportNames) {
		k = 0
	}
	return m.said.WithLabelValues(reportNames[k])
}

// count counts over the newest state; 0 while there is none.
func (s *Server) count(f func(*state.State) int) float64 {
	st := s.newest()
	if st == nil {
		return 0
	}
	return float64(f(st))
}

func syncing(st *state.State) (n int) {
	for _, c := range st.Chains {
		n += len(c.Config.Syncing)
	}
	return n
}

// belowFactor counts the chains of which the replicas themselves do not say
// that all is well.
func (s *Server) belowFactor() float64 {
	st := s.newest()
	if st == nil || s.Map() == nil {
		return math.NaN()
	}
	return float64(len(st.BelowFactor(s.obs.confirm())))
}

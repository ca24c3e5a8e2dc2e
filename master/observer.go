package master

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"catena/chain"
	"catena/master/state"
)

// StoreInfo is what a store says of itself while it is well.
type StoreInfo struct {
	// Incarnation is the store's own; a store that failed counts as back only
	// with a higher one.
	Incarnation uint64
	// Full: it has reached its soft limit, and takes no joiner.
	Full bool
	// Replicas are those that run on it, with the newest epoch each has
	// persisted. Only what is named here counts as confirmed; nil changes nothing.
	Replicas []ReplicaInfo
}

// ReplicaInfo is one running replica.
type ReplicaInfo struct {
	Chain       chain.ChainID
	Incarnation uint64
	Epoch       chain.Epoch
}

type replicaKey struct {
	chain   chain.ChainID
	replica chain.ReplicaID
}

// flapWindow is how long the loss of a store is remembered against it.
const flapWindow = 10 * time.Minute

// seen is what was heard of one store.
type seen struct {
	health state.Health
	// heard is when the store was spoken of last.
	heard chain.Instant
	// answered: it has said StoreAlive in this process, so the beginning of an
	// absence was seen. A store that was lost before is gone for longer than that.
	answered bool
	// losses are the instants at which it was lost of late.
	losses []chain.Instant
}

// observer keeps what is known by hearsay. It outlives changes of leader, and
// is lost with the process.
type observer struct {
	cfg  Config
	wake func()

	mu     sync.Mutex
	stores map[chain.StoreID]*seen
	// reports are the newest of each kind, by chain, replica and sender.
	reports   map[reportKey]chain.Report
	installed map[replicaKey]chain.Epoch
	offers    []state.Offer
	// ledSince is when the present leader began; zero without one.
	ledSince chain.Instant
}

type reportKey struct {
	kind  chain.ReportKind
	chain chain.ChainID
	of    chain.ReplicaID
	from  chain.ReplicaID
}

func newObserver(cfg Config, wake func()) *observer {
	return &observer{
		cfg: cfg, wake: wake, stores: map[chain.StoreID]*seen{},
		reports: map[reportKey]chain.Report{}, installed: map[replicaKey]chain.Epoch{},
	}
}

// store finds or makes the record of a store. The caller holds mu.
func (o *observer) store(id chain.StoreID) *seen {
	s := o.stores[id]
	if s == nil {
		s = &seen{}
		o.stores[id] = s
	}
	s.heard = o.cfg.Now()
	return s
}

// turn changes whether a store is alive. The caller holds mu.
func (o *observer) turn(s *seen, alive bool) {
	if s.health.Alive == alive && s.health.Since != 0 {
		return
	}
	now := o.cfg.Now()
	if s.health.Alive && !alive {
		s.losses = append(s.losses, now)
	}
	s.losses = slices.DeleteFunc(s.losses, func(t chain.Instant) bool { return int64(now-t) > int64(flapWindow) })
	s.health.Alive, s.health.Since, s.health.Flaps = alive, max(now, 1), len(s.losses)
}

// Report takes what a replica tells.
func (s *Server) Report(r chain.Report) {
	o := s.obs
	o.mu.Lock()
	k := reportKey{r.Kind, r.Chain, r.Replica, r.From}
	old, known := o.reports[k]
	news := !known || old.Epoch.Less(r.Epoch)
	if news {
		o.reports[k] = r
	}
	o.mu.Unlock()
	s.met.reports(r.Kind).Inc()
	if news {
		s.wake()
	}
}

// StoreAlive says that a store is well. Call it when it has been opened, when
// its replicas change or have installed an epoch, and, if Timing.SilentAfter is
// set, more often than that.
func (s *Server) StoreAlive(id chain.StoreID, info StoreInfo) {
	o := s.obs
	o.mu.Lock()
	st := o.store(id)
	if st.health.Broken && info.Incarnation <= st.health.Incarnation {
		o.mu.Unlock()
		return // a store that failed does not come back as the same
	}
	news := !st.health.Alive || st.health.Full != info.Full
	o.turn(st, true)
	st.answered = true
	st.health.Broken, st.health.Reason = false, ""
	st.health.Full, st.health.Incarnation = info.Full, max(info.Incarnation, 1)
	if info.Replicas != nil {
		o.install(id, info.Replicas)
	}
	o.mu.Unlock()
	if news {
		s.wake()
	}
}

// install replaces what is known of a store's replicas. The caller holds mu.
func (o *observer) install(id chain.StoreID, replicas []ReplicaInfo) {
	for k := range o.installed {
		if k.replica.Store == id {
			delete(o.installed, k)
		}
	}
	for _, r := range replicas {
		o.installed[replicaKey{r.Chain, chain.ReplicaID{Store: id, Incarnation: r.Incarnation}}] = r.Epoch
	}
}

// StoreFailed says that a store had an I/O error and is gone for this process.
// A voter in the same directory ends with it.
func (s *Server) StoreFailed(id chain.StoreID, err error) {
	reason := "I/O error"
	if err != nil {
		reason = err.Error()
	}
	s.lose(id, true, reason)
	s.mu.Lock()
	v := s.voters[id]
	s.mu.Unlock()
	if v != nil {
		v.log.Kill(fmt.Errorf("its store failed: %s", reason))
	}
}

// StoreMissing says that a store's directory is not there, or cannot be used at
// this start. It may come back as it was.
func (s *Server) StoreMissing(id chain.StoreID, reason string) { s.lose(id, false, reason) }

func (s *Server) lose(id chain.StoreID, broken bool, reason string) {
	o := s.obs
	o.mu.Lock()
	st := o.store(id)
	news := st.health.Alive || st.health.Since == 0 || broken && !st.health.Broken
	o.turn(st, false)
	st.health.Broken = st.health.Broken || broken
	st.health.Reason = reason
	if news { // a store without room says so every second
		o.install(id, nil)
	}
	o.mu.Unlock()
	if news {
		s.wake()
	}
}

// Offer says that a store, which has been opened, wants to be taken in, in the
// place of another one or, with a zero id, beside the others.
func (s *Server) Offer(n state.NewStore, replaces chain.StoreID) {
	o := s.obs
	o.mu.Lock()
	o.offers = slices.DeleteFunc(o.offers, func(f state.Offer) bool { return f.Store.ID == n.ID })
	o.offers = append(o.offers, state.Offer{Store: n, Replaces: replaces})
	o.mu.Unlock()
	s.wake()
}

// led says that a leader began, or with false that there is none.
func (o *observer) led(yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ledSince = 0
	if yes {
		o.ledSince = max(o.cfg.Now(), 1)
	}
}

// observed gives what the planner is told, and forgets what is out of date.
func (o *observer) observed(st *state.State) state.Observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.cfg.Now()
	obs := state.Observed{Now: now, Stores: map[chain.StoreID]state.Health{}, Limits: *o.cfg.Limits}
	for id, s := range o.stores {
		if d := o.cfg.Timing.SilentAfter; d > 0 && s.health.Alive && int64(now-s.heard) > int64(d) {
			o.turn(s, false)
			s.health.Reason = "silent"
		}
		obs.Stores[id] = s.health
	}
	for _, s := range st.Stores {
		if _, known := obs.Stores[s.ID]; !known && o.ledSince != 0 && int64(now-o.ledSince) > int64(o.cfg.Timing.StartGrace) {
			obs.Stores[s.ID] = state.Health{Since: o.ledSince, Reason: "not heard of since the start"}
		}
	}
	o.prune(st)
	for _, r := range o.reports {
		obs.Reports = append(obs.Reports, r)
	}
	obs.Offers = slices.Clone(o.offers)
	return obs
}

// prune forgets reports that can no longer matter. The caller holds mu.
func (o *observer) prune(st *state.State) {
	for k, r := range o.reports {
		c := st.Chain(k.chain)
		if c == nil || !c.Config.Member(k.of) ||
			k.kind == chain.ReportSettled && c.Config.IsSettled(k.of) ||
			(k.kind == chain.ReportInSync || k.kind == chain.ReportBehind || k.from != k.of) && r.Epoch.Less(c.Config.Epoch) {
			delete(o.reports, k)
		}
	}
	o.offers = slices.DeleteFunc(o.offers, func(f state.Offer) bool { return st.Store(f.Store.ID) != nil })
}

// answered reports whether a store has ever said in this process that it is well.
func (o *observer) answered(id chain.StoreID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stores[id]
	return s != nil && s.answered
}

// down reports that a store cannot serve now.
func (o *observer) down(id chain.StoreID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.stores[id]
	return s == nil || !s.health.Alive || s.health.Broken
}

// epoch is the newest epoch that a replica is known to have persisted.
func (o *observer) epoch(c chain.ChainID, r chain.ReplicaID) chain.Epoch {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.installed[replicaKey{c, r}]
}

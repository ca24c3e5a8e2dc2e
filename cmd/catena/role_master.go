package main

import (
	"errors"

	"catena/chain"
	"catena/chain/tablet"
	"catena/master"
	"catena/objectd"
)

// errNoMap is why a server is not ready whose masters have no state yet.
var errNoMap = errors.New("no map is known yet")

// masterLink is what the stores tell the masters of the same process.
type masterLink struct{ r *role }

// Report implements objectd.Master.
func (l masterLink) Report(rep chain.Report) { l.r.masters.Report(rep) }

// StoreAlive implements objectd.Master.
func (l masterLink) StoreAlive(id chain.StoreID, info objectd.DiskInfo) {
	rec := l.r.Identity.Record()
	s, ok := rec.Find(id)
	if !ok {
		return
	}
	out := master.StoreInfo{Incarnation: s.Incarnation, Full: info.Full}
	if info.Replicas != nil {
		out.Replicas = make([]master.ReplicaInfo, 0, len(info.Replicas))
	}
	for _, ri := range info.Replicas {
		out.Replicas = append(out.Replicas, master.ReplicaInfo{Chain: ri.Chain, Incarnation: ri.Incarnation, Epoch: ri.Epoch})
	}
	l.r.masters.StoreAlive(id, out)
}

// StoreStarved implements objectd.Master. To the masters the store is away, and
// not broken: its chains go on without it, and it joins them again as it is.
func (l masterLink) StoreStarved(id chain.StoreID, reason string) {
	l.r.masters.StoreMissing(id, reason)
}

// StoreFailed implements objectd.Master. The masters hear it first: failover
// must not wait for identity files. Then the DIR takes no updates any more, and
// the store comes back, if it does, as a new incarnation.
func (l masterLink) StoreFailed(id chain.StoreID, err error) {
	l.r.masters.StoreFailed(id, err)
	l.r.Identity.MarkDead(id)
	if _, rerr := l.r.Identity.Renew(id); rerr != nil {
		l.r.Log.Error("a failed store's new incarnation cannot be recorded", "store", id.String(), "err", rerr)
	}
}

// asks puts a question that touches no row to the tail of a tablet.
func (r *role) asks(t *chain.Tablet, c *chain.Config) error {
	q := tablet.Query{Tablet: t.ID, Generation: t.Generation, Ask: tablet.AskTime{}}
	if len(t.Start) >= len(q.Bucket) {
		copy(q.Bucket[:], t.Start)
	}
	_, err := r.node.Query(c.Chain, c.Tail(), &q)
	return err
}

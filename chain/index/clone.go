package index

import (
	"maps"
	"slices"
)

// Clone makes an exact copy of the replica that shares nothing with it that is
// ever changed; m is the copy's machine, itself a copy. Entries, messages,
// configurations' lists and bytes are shared, because they are never changed
// once they are made. Effects returned by the last Step are not copied.
//
// A small-scope explorer keeps a replica for each state that it has seen; a
// driver has no use for this.
func (r *Replica) Clone(m Machine) *Replica {
	n := *r
	n.machine, n.cfg.Machine = m, m
	n.out = nil
	n.log.recs = slices.Clone(r.log.recs)
	n.writes = slices.Clone(r.writes)
	n.grants = slices.Clone(r.grants)
	n.down, n.join = cloneOf(r.down), cloneOf(r.join)
	n.suspect = cloneOf(r.suspect)
	n.proposed = slices.Clone(r.proposed)
	n.waiters = slices.Clone(r.waiters)
	n.reports.told = maps.Clone(r.reports.told)
	return &n
}

func cloneOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

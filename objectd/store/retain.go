package store

import (
	"cmp"
	"slices"

	"catena/chain/index"
)

// retain keeps an applied entry for a neighbour that rejoins, within the bound;
// the oldest of all replicas go first.
func (rp *replayer) retain(r *Record) {
	rp.s.own(r)
	rep := r.rep
	if n := len(rep.retained); n > 0 && rep.retained[n-1].entry.Seq+1 != r.entry.Seq {
		rep.retained = nil
	}
	rep.retained = append(rep.retained, pendingEntry{no: r.no, at: r.at, entry: r.entry})
	rp.retained += entrySize(r.entry)
	if rp.retained > 2*rp.s.cfg.RetainBytes {
		rp.retained = rp.s.trimRetained()
	}
}

// entrySize is about what an entry takes in memory.
func entrySize(e *index.Entry) int64 { return int64(len(e.Body)+len(e.Payload)) + 200 }

// trimRetained drops the oldest retained entries beyond RetainBytes and gives
// what is left.
func (s *Store) trimRetained() int64 {
	var all []pendingEntry
	for _, r := range s.replicas {
		all = append(all, r.retained...)
	}
	slices.SortFunc(all, func(a, b pendingEntry) int { return cmp.Compare(b.no, a.no) })
	var left int64
	oldest := uint64(0)
	for _, p := range all {
		n := entrySize(p.entry)
		if left+n > s.cfg.RetainBytes {
			oldest = p.no + 1
			break
		}
		left += n
	}
	for _, r := range s.replicas {
		i := 0
		for i < len(r.retained) && r.retained[i].no < oldest {
			i++
		}
		r.retained = slices.Clone(r.retained[i:])
	}
	return left
}

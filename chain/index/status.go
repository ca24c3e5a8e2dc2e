package index

import "catena/chain"

// Status is what a person or a metric may want to know of a replica.
type Status struct {
	Config  chain.Config
	Active  bool
	Agreed  bool
	Last    Mark
	Durable uint64
	Applied Applied
	// LeaseUntil is the end of the read lease held, on this replica's clock.
	LeaseUntil chain.Instant
	// Installing: a snapshot is half installed. CommitPath: the joiner that
	// this tail has put on the commit path.
	Installing bool
	CommitPath chain.ReplicaID
	// JoinerLag is the number of entries that the joiner has not on disk.
	JoinerLag uint64
	Stopped   string
}

// Status returns where the replica stands.
func (r *Replica) Status() Status {
	s := Status{
		Config: r.state.Config, Active: r.phase == phaseActive, Agreed: r.agreed,
		Last: r.log.last(), Durable: r.durable, Applied: r.applied,
		LeaseUntil: r.lease.until, Installing: r.state.Installing,
		CommitPath: r.state.CommitPath, Stopped: r.stopped,
	}
	if r.join != nil {
		s.JoinerLag = s.Last.Seq - min(s.Last.Seq, r.join.durable)
	}
	return s
}

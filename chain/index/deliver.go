package index

import (
	"catena/chain"
	"catena/chain/internal/rule"
)

// This file decides which messages are acted on.

// deliver sorts out messages that are not for this replica, this epoch or this moment.
func (r *Replica) deliver(env *chain.Envelope) {
	msg, ok := env.Msg.(Message)
	if !ok || env.Chain != r.cfg.Chain || env.To != r.cfg.Self || env.From == r.cfg.Self {
		return
	}
	if n, ok := msg.(*Newer); ok {
		r.configure(&n.Config)
		return
	}
	if h, ok := msg.(*Hello); ok && r.state.Config.Epoch.Less(h.Config.Epoch) {
		r.configure(&h.Config)
	}
	epoch := msg.MsgEpoch()
	switch {
	case !r.rules.Holds(rule.EpochCheck) && r.phase == phaseActive:
		r.dispatch(env.From, msg)
	case epoch.Less(r.state.Config.Epoch):
		r.tellNewer(env.From)
	case r.state.Config.Epoch.Less(epoch):
		if !r.toldEpoch {
			r.toldEpoch = true
			r.send(env.From, &Ask{Epoch: r.state.Config.Epoch})
		}
	case r.phase != phaseActive:
		r.hold(env.From, msg)
	default:
		r.dispatch(env.From, msg)
	}
}

// tellNewer helps a replica that missed a configuration: only one that this
// replica has on disk is passed on.
func (r *Replica) tellNewer(to chain.ReplicaID) {
	if r.toldEpoch || r.phase == phasePersisting {
		return
	}
	r.toldEpoch = true
	r.send(to, &Newer{Config: r.state.Config})
}

// hold keeps the messages of this epoch whose loss would cost a tick.
func (r *Replica) hold(from chain.ReplicaID, msg Message) {
	switch m := msg.(type) {
	case *Hello:
		r.holdHello(from, m)
	case *LeaseRequest:
		if from == r.state.Config.Succ(r.cfg.Self) {
			r.lease.waitsForLease = m
		}
	}
}

// dispatch acts on a message of the present epoch. Each handler checks that its
// message may come from that sender: an ack from the successor only, and so on.
func (r *Replica) dispatch(from chain.ReplicaID, msg Message) {
	switch m := msg.(type) {
	case *Hello:
		r.onHello(from, m)
	case *Welcome:
		r.onWelcome(from, m)
	case *Append:
		r.onAppend(from, m)
	case *Ack:
		r.onAck(from, m)
	case *Reset:
		r.onReset(from, m)
	case *Fetch:
		r.onFetch(from, m)
	case *Fetched:
		r.onFetched(from, m)
	case *Resume:
		r.onResume(from, m)
	case *Offer:
		r.onOffer(from, m)
	case *PageRequest:
		r.onPageRequest(from, m)
	case *PageReply:
		r.onPageReply(from, m)
	case *LeaseRequest:
		r.onLeaseRequest(from, m)
	case *LeaseGrant:
		r.onLeaseGrant(from, m)
	case *HandBack:
		r.onHandBack(from, m)
	case *Suspect:
		r.onSuspect(from, m)
	case *Opinion:
		r.onOpinion(from, m)
	}
}

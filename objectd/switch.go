package objectd

import (
	"sync"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/index"
)

// address names the mailbox of one replica.
type address struct {
	chain   chain.ChainID
	replica chain.ReplicaID
}

// Switch carries envelopes between the replicas of one process: a mailbox
// each. An envelope for a replica that is not here is dropped, as a network would.
type Switch struct {
	mu    sync.RWMutex
	boxes map[address]*mailbox
}

// NewSwitch returns an empty switch; nodes that share it can talk.
func NewSwitch() *Switch { return &Switch{boxes: map[address]*mailbox{}} }

func (s *Switch) attach(a address, m *mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boxes[a] = m
}

func (s *Switch) detach(a address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.boxes, a)
}

// send posts an envelope as the event that its receiver's machine knows.
func (s *Switch) send(env chain.Envelope, kind chain.Kind) {
	s.mu.RLock()
	box := s.boxes[address{env.Chain, env.To}]
	s.mu.RUnlock()
	if box == nil {
		return
	}
	if kind == chain.KindIndex {
		box.post(index.Deliver{Env: env})
		return
	}
	box.post(data.Deliver{Env: env})
}

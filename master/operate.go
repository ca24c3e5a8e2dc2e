package master

import (
	"context"

	"catena/chain"
	"catena/master/state"
)

// This file is what operators ask of the masters. A refusal is a
// *state.RefusedError; ErrNoLeader says that it can be asked again.

// look gives the newest state and what is observed beside it.
func (s *Server) look() (*state.State, state.Observed, error) {
	st := s.newest()
	if st == nil || st.Cluster.IsZero() {
		return nil, state.Observed{}, ErrNoLeader
	}
	return st, s.obs.observed(st), nil
}

// confirm is what the stores and replicas say of themselves.
func (o *observer) confirm() state.Confirm { return state.Confirm{Installed: o.epoch, Down: o.down} }

// LookAtFactor says what a change of the factor would do, and whether it is
// refused now. It changes nothing.
func (s *Server) LookAtFactor(to uint8) (state.FactorChange, error) {
	st, obs, err := s.look()
	if err != nil {
		return state.FactorChange{}, err
	}
	c, err := state.LookAtFactor(st, obs, to)
	if err != nil {
		return c, &state.RefusedError{Reason: err.Error()}
	}
	return c, nil
}

// SetFactor changes the number of replicas wanted; the chains follow, one member
// at a time. Ask LookAtFactor first: more than there are stores is accepted here,
// and then waits for them.
func (s *Server) SetFactor(ctx context.Context, factor uint8) error {
	st := s.newest()
	if st == nil {
		return ErrNoLeader
	}
	err := s.do(ctx, state.Command{Factor: &state.SetFactor{Expect: st.Factor, Factor: factor}})
	s.wake()
	return err
}

// Force is an operator's order to start a chain from a replica that may lack
// acknowledged writes.
type Force struct {
	Chain chain.ChainID
	// Expect is the epoch that the operator saw: in another one it is refused.
	Expect  chain.Epoch
	Replica chain.ReplicaID
	// Reason is kept for ever. Required.
	Reason string
}

// Force starts a dead chain from a replica that may lack acknowledged writes.
// It is refused while somebody that holds all of them can serve.
func (s *Server) Force(ctx context.Context, f Force) error {
	st, obs, err := s.look()
	if err != nil {
		return err
	}
	if err := state.CanForce(st, obs, f.Chain, f.Replica); err != nil {
		return &state.RefusedError{Reason: err.Error()}
	}
	if f.Reason == "" {
		return &state.RefusedError{Reason: "a forced start needs a reason, which is kept"}
	}
	err = s.do(ctx, state.Command{Change: &state.ChangeChain{
		Chain: f.Chain, Expect: f.Expect, Kind: state.ChangeForce, Replicas: []chain.ReplicaID{f.Replica}, Reason: f.Reason,
	}})
	s.wake()
	return err
}

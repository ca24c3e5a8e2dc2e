package main

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"sync/atomic"

	"catena/chain"
	"catena/cmd/internal/admin"
	"catena/master"
	"catena/master/state"
)

// operator is what the admin API shows and commands: the masters of this
// process, whichever of them leads. It exists before the role does.
type operator struct {
	role atomic.Pointer[role]
	// measuring is the question of the disks for their space that is under way.
	measuring atomic.Bool
}

// begin gives it the role, when masters and stores are at work.
func (o *operator) begin(r *role) { o.role.Store(r) }

// Status implements admin.Cluster.
func (o *operator) Status(context.Context) (admin.Status, error) {
	r := o.role.Load()
	if r == nil {
		return admin.Status{}, admin.ErrUnavailable
	}
	st := r.masters.Status()
	out := admin.Status{
		Software: versionLine(), Cluster: st.Cluster.String(), VotersWanted: st.VotersWanted, VotersReady: st.VotersReady,
		MapVersion: st.Version, Factor: int(st.Factor), Tablets: st.Tablets, DataChains: st.DataChains,
		Chains: st.Chains, Below: st.BelowFactor, Above: st.AboveFactor, Unwritable: st.Unwritable,
		Masters: []admin.Master{}, Trouble: []admin.Chain{}, Plan: planLines(st.Plan), Forced: []admin.Forced{},
	}
	if host, err := os.Hostname(); err == nil {
		out.Host = host
	}
	if !st.Leader.IsZero() {
		out.Leader = st.Leader.String()
	}
	for _, v := range st.Voters {
		out.Masters = append(out.Masters, admin.Master{Store: v.Store.String(), Role: v.Role, Reason: v.Reason})
	}
	out.Stores = r.storesFor(st.Stores, o.measure(r), st.BelowFactor == 0)
	out.Space = admin.Total(out.Stores)
	for i := range st.Below {
		out.Trouble = append(out.Trouble, chainFor(&st.Below[i]))
	}
	for _, f := range st.Forced {
		out.Forced = append(out.Forced, admin.Forced{Chain: f.Chain, Epoch: f.Epoch, Replica: admin.Replica(f.Replica), Reason: f.Reason})
	}
	return out, nil
}

// planLines takes the plan apart; nothing to change is no line.
func planLines(plan string) []string {
	if plan == state.Describe(nil) {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(plan, "\n"), "\n")
}

func chainFor(c *master.ChainStatus) admin.Chain {
	cfg := &c.Config
	out := admin.Chain{
		ID: cfg.Chain, Kind: cfg.Kind.String(), Epoch: cfg.Epoch, Factor: int(cfg.Factor), MinAck: int(cfg.MinAck),
		Serving: replicas(cfg.Serving), Settled: replicas(cfg.Settled), Syncing: replicas(cfg.Syncing),
		Recoverable: replicas(cfg.Recoverable), Former: []admin.Replica{}, Unwritable: c.Unwritable, Next: c.Next,
	}
	for _, f := range c.Former {
		out.Former = append(out.Former, admin.Replica(f.Replica))
	}
	return out
}

func replicas(ids []chain.ReplicaID) []admin.Replica {
	out := make([]admin.Replica, len(ids))
	for i, id := range ids {
		out[i] = admin.Replica(id)
	}
	return out
}

// LookAtFactor implements admin.Cluster.
func (o *operator) LookAtFactor(to int) (admin.FactorChange, error) {
	r := o.role.Load()
	if r == nil {
		return admin.FactorChange{}, admin.ErrUnavailable
	}
	// What does not fit is refused as too large, not cut down to what fits.
	c, err := r.masters.LookAtFactor(uint8(min(max(to, 0), math.MaxUint8)))
	if err != nil {
		return admin.FactorChange{}, operatorError(err)
	}
	return admin.FactorChange{From: int(c.From), To: int(c.To), MinAck: int(c.MinAck), Grow: c.Grow, Shrink: c.Shrink}, nil
}

// SetFactor implements admin.Cluster.
func (o *operator) SetFactor(ctx context.Context, to int) error {
	r := o.role.Load()
	if r == nil || to < 1 || to > state.MaxFactor {
		return admin.ErrUnavailable
	}
	return operatorError(r.masters.SetFactor(ctx, uint8(to)))
}

// Force implements admin.Cluster.
func (o *operator) Force(ctx context.Context, f admin.ForceRequest) error {
	r := o.role.Load()
	if r == nil {
		return admin.ErrUnavailable
	}
	return operatorError(r.masters.Force(ctx, master.Force{
		Chain: f.Chain, Expect: f.Epoch, Replica: chain.ReplicaID(f.Replica), Reason: f.Reason,
	}))
}

// operatorError puts the masters' errors into the API's words.
func operatorError(err error) error {
	var refused *state.RefusedError
	switch {
	case errors.As(err, &refused):
		return &admin.Refusal{Reason: refused.Reason}
	case errors.Is(err, master.ErrNoLeader):
		return errors.Join(admin.ErrUnavailable, err)
	}
	return err
}

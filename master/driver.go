package master

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"catena/master/state"
)

// drive is the driver: wherever the leader is, it brings what is observed and
// what the log says together.
func (s *Server) drive() {
	t := time.NewTicker(s.cfg.Timing.Tick)
	defer t.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-t.C:
		case <-s.wakeup:
		}
		v := s.leader()
		if !s.takeUp(v) {
			continue
		}
		s.reconcile(v)
		s.voting(v)
	}
}

// takeUp makes sure that the leader has applied everything committed before
// it, and that the cluster is there.
func (s *Server) takeUp(v *voter) bool {
	if v == nil {
		if s.takenUp != nil {
			s.takenUp = nil
			s.obs.led(false)
		}
		return false
	}
	if s.takenUp == v {
		return true
	}
	if err := s.wait(v, v.raft.Barrier(s.cfg.Timing.Apply)); err != nil {
		s.cfg.Logger.Debug("the leader is not ready", "store", short(v.store), "err", err)
		return false
	}
	if err := s.found(v); err != nil {
		s.cannotServe(err)
		return false
	}
	s.takenUp = v
	s.obs.led(true)
	s.cfg.Logger.Info("a master leads", "store", v.store.String(), "version", v.fsm.version())
	s.pub.openNow()
	s.readyOnce.Do(func() { close(s.ready) })
	return true
}

// cannotServe remembers an end from which only people help: the log is another
// cluster's, or the cluster cannot be made as asked.
func (s *Server) cannotServe(err error) {
	var refused *state.RefusedError
	if !errors.As(err, &refused) && !errors.Is(err, errForeign) {
		s.cfg.Logger.Debug("the leader is not ready", "err", err)
		return
	}
	s.fatalOnce.Do(func() {
		s.cfg.Logger.Error("the master cannot serve", "err", err)
		s.fatalErr.Store(&err)
		close(s.fatal)
	})
}

// errForeign says that the log belongs to another cluster.
var errForeign = errors.New("master: the log is of another cluster")

// found makes the cluster, or sees that it is the right one.
func (s *Server) found(v *voter) error {
	st := v.fsm.state()
	if st.Cluster.IsZero() {
		sum := sha256.Sum256([]byte("init " + s.cfg.Cluster.String()))
		cmd := state.Command{Init: &state.Init{
			Cluster: s.cfg.Cluster, Stores: s.cfg.Stores, Tablets: s.cfg.Tablets, DataChains: s.cfg.DataChains, Factor: s.cfg.Factor,
		}}
		copy(cmd.Op[:], sum[:])
		if err := s.applyAll(v, []state.Command{cmd})[0]; err != nil {
			return err
		}
		st = v.fsm.state()
	}
	if st.Cluster != s.cfg.Cluster {
		return fmt.Errorf("%w: %s, not %s", errForeign, st.Cluster, s.cfg.Cluster)
	}
	return nil
}

// maxRounds bounds the rounds of one reconciliation; the next tick goes on.
const maxRounds = 16

// reconcile plans and applies until nothing is left to do.
func (s *Server) reconcile(v *voter) {
	for range maxRounds {
		st := v.fsm.state()
		cmds := state.Next(st, s.obs.observed(st))
		if len(cmds) == 0 {
			return
		}
		done := 0
		for i, err := range s.applyAll(v, cmds) {
			if err != nil {
				s.notMade(cmds[i], err)
				continue
			}
			done++
			s.cfg.Logger.Info("changed", "what", cmds[i].String())
			s.met.change(cmds[i])
		}
		if done == 0 {
			return
		}
	}
}

// future is what the library answers with.
type future interface{ Error() error }

// wait waits for a future, but not longer than the voter lives, and not for
// ever: the library does not answer what a dead or stopped server has queued.
func (s *Server) wait(v *voter, f future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	t := time.NewTimer(s.cfg.Timing.Apply)
	defer t.Stop()
	select {
	case err := <-done:
		if err == nil && v.isDead() {
			return errVoterDead
		}
		return err
	case <-v.dead:
		return errVoterDead
	case <-s.stopping:
		return ErrNoLeader
	case <-t.C:
		return errors.New("master: no answer in time, the outcome is unknown")
	}
}

// batch is how many commands the driver puts into one log entry.
const batch = 256

// applyAll sends commands, in order, and gives the end of each. An error that
// is not a refusal leaves the outcome unknown: the same command may be sent
// again, since its op id takes effect once.
func (s *Server) applyAll(v *voter, cmds []state.Command) []error {
	var errs []error
	for part := range slices.Chunk(cmds, batch) {
		results, err := s.applyEntry(v, part)
		for i := range part {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, results[i].Err())
		}
	}
	return errs
}

func (s *Server) applyEntry(v *voter, cmds []state.Command) ([]state.Result, error) {
	b, err := state.Encode(cmds)
	if err != nil {
		return nil, err
	}
	f := v.raft.Apply(b, s.cfg.Timing.Apply)
	if err := s.wait(v, f); err != nil {
		return nil, err
	}
	o, ok := f.Response().(outcome)
	switch {
	case !ok:
		return nil, fmt.Errorf("master: an answer of type %T", f.Response())
	case o.err != nil:
		return nil, o.err
	case len(o.results) != len(cmds):
		return nil, fmt.Errorf("master: %d answers to %d commands", len(o.results), len(cmds))
	}
	return o.results, nil
}

// notMade notes a change that failed. Refused is harmless: the world moved on,
// and the next round plans anew. Otherwise the outcome is unknown, and whoever
// leads next sees in the state what became of it.
func (s *Server) notMade(cmd state.Command, err error) {
	s.met.refused.Inc()
	level := slog.LevelWarn
	if refused := (*state.RefusedError)(nil); errors.As(err, &refused) {
		level = slog.LevelDebug
	}
	s.cfg.Logger.Log(context.Background(), level, "a change was not made", "change", cmd.String(), "err", err)
}

// do carries out one command on an operator's word, at whatever voter leads.
// An unknown outcome is tried again with the same op id.
func (s *Server) do(ctx context.Context, cmd state.Command) error {
	_, _ = rand.Read(cmd.Op[:]) // never fails
	var last error
	for {
		if v := s.leader(); v != nil {
			err := s.applyAll(v, []state.Command{cmd})[0]
			var refused *state.RefusedError
			if err == nil || errors.As(err, &refused) {
				return err
			}
			last = err
		}
		t := time.NewTimer(s.cfg.Timing.Tick)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%w: the outcome is unknown: %w (last try: %v)", ErrNoLeader, ctx.Err(), last)
		case <-s.stopping:
			t.Stop()
			return ErrNoLeader
		case <-t.C:
		}
	}
}

// Plan says, for people, what the driver would do next.
func (s *Server) Plan() string {
	st, obs, err := s.look()
	if err != nil {
		return "no master has its state\n"
	}
	return state.Describe(state.Next(st, obs))
}

package master

import (
	"fmt"
	"io"
	"sync"

	"catena/master/state"

	"github.com/hashicorp/raft"
)

// fsm applies the committed log of one voter to its state.
type fsm struct {
	v *voter
	// applied is told, without locks, after each change.
	applied func()

	mu sync.Mutex
	st *state.State
}

var _ raft.FSM = (*fsm)(nil)

func newFSM(v *voter, applied func()) *fsm { return &fsm{v: v, applied: applied, st: &state.State{}} }

// outcome is what Apply answers.
type outcome struct {
	// results are one for each command of the entry.
	results []state.Result
	err     error
}

// Apply implements raft.FSM.
func (f *fsm) Apply(l *raft.Log) any {
	// A dead voter answers the library from memory: what a single voter then
	// commits alone was never on a disk, and must not be seen.
	if f.v.isDead() {
		return outcome{err: errVoterDead}
	}
	cmds, err := state.Decode(l.Data)
	if err != nil {
		// Going on without it would make another state than the other voters'.
		f.v.log.Kill(fmt.Errorf("log index %d: %w", l.Index, err))
		return outcome{err: err}
	}
	results := make([]state.Result, len(cmds))
	f.mu.Lock()
	for i, c := range cmds {
		results[i] = f.st.Apply(l.Index, c)
	}
	f.mu.Unlock()
	f.applied()
	return outcome{results: results}
}

// state gives a copy that is never changed.
func (f *fsm) state() *state.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st.Clone()
}

// version is cheaper than state.
func (f *fsm) version() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st.Version
}

// Snapshot implements raft.FSM: the encoding happens in Persist.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return fsmSnapshot{f.state()}, nil }

// Restore implements raft.FSM.
func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, state.MaxSnapshot+1))
	if err != nil {
		return fmt.Errorf("master: snapshot: %w", err)
	}
	st, err := state.DecodeSnapshot(b)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.st = st
	f.mu.Unlock()
	f.applied()
	return nil
}

type fsmSnapshot struct{ st *state.State }

// Persist implements raft.FSMSnapshot.
func (s fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	b, err := s.st.EncodeSnapshot()
	if err == nil {
		_, err = sink.Write(b)
	}
	if err != nil {
		_ = sink.Cancel() // the first error says more
		return err
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot.
func (fsmSnapshot) Release() {}

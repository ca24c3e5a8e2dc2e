package master

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"catena/chain"
	"catena/master/raftlog"

	"github.com/hashicorp/raft"
)

// voter is one Raft server of this process.
type voter struct {
	store chain.StoreID
	log   *raftlog.Store
	trans *raftlog.Transport
	fsm   *fsm
	raft  *raft.Raft
	// dead is closed when the voter is dead or was stopped: nothing it still
	// says counts, and nobody waits for it.
	dead chan struct{}
	// ended says that guard has dealt with it.
	ended atomic.Bool
}

func serverID(id chain.StoreID) raft.ServerID        { return raft.ServerID(id.String()) }
func serverAddr(id chain.StoreID) raft.ServerAddress { return raft.ServerAddress(id.String()) }

// isDead reports whether the voter counts no more.
func (v *voter) isDead() bool {
	select {
	case <-v.dead:
		return true
	default:
		return false
	}
}

// votes reports whether the voter has a vote by the configuration that it knows.
func (v *voter) votes() bool {
	f := v.raft.GetConfiguration()
	if f.Error() != nil {
		return false
	}
	for _, sv := range f.Configuration().Servers {
		if sv.ID == serverID(v.store) {
			return sv.Suffrage == raft.Voter
		}
	}
	return false
}

// lastEntry tells how far the voter's log reaches, as elections compare it.
func (v *voter) lastEntry() (term, index uint64) {
	stats := v.raft.Stats()
	term, _ = strconv.ParseUint(stats["last_log_term"], 10, 64) // 0 if the library should rename it
	return term, v.raft.LastIndex()
}

// openVoter opens a directory's files. The voter does not run yet.
func (s *Server) openVoter(d Dir) (*voter, error) {
	v := &voter{store: d.Store, dead: make(chan struct{})}
	v.trans = s.hub.Attach(serverAddr(d.Store))
	log, err := raftlog.Open(raftlog.Config{
		FS: d.FS, Voter: d.Store.String(),
		// Called before the failing write returns to the library: from here on
		// no other voter hears of it.
		OnDead: func(error) {
			v.trans.Cut()
			close(v.dead)
			s.wakeGuard()
		},
	})
	if err != nil {
		_ = v.trans.Close() // never fails
		return nil, fmt.Errorf("master: voter %s: %w", d.Store, err)
	}
	v.log = log
	v.fsm = newFSM(v, s.applied)
	return v, nil
}

// raftConfig is the library's configuration of one voter.
func (s *Server) raftConfig(v *voter) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = serverID(v.store)
	c.HeartbeatTimeout = s.cfg.Timing.Heartbeat
	c.ElectionTimeout = s.cfg.Timing.Heartbeat
	c.LeaderLeaseTimeout = s.cfg.Timing.Heartbeat
	// Only how soon followers apply rests on it, and the leader does not wait for that.
	c.CommitTimeout = s.cfg.Timing.Heartbeat / 5
	c.SnapshotThreshold = 256
	c.TrailingLogs = 128
	c.NoLegacyTelemetry = true
	c.Logger = raftlog.NewLogger(s.cfg.Logger.With("voter", short(v.store)), s.cfg.Now)
	return c
}

func short(id chain.StoreID) string { return id.String()[:8] }

// pristine reports that the voter has at most been bootstrapped: it never voted
// and holds nothing but the first configuration.
func (v *voter) pristine() (bool, error) {
	last, err := v.log.LastIndex()
	if err != nil {
		return false, err
	}
	term, err := v.log.GetUint64([]byte("CurrentTerm"))
	if err != nil && err.Error() != "not found" {
		return false, err
	}
	snaps, err := v.log.Snapshots().List()
	return last <= 1 && term <= 1 && len(snaps) == 0, err
}

// blank reports that the voter holds nothing at all. No recorded voter does once
// any has run: the first configuration is on every disk before that.
func (v *voter) blank() (bool, error) {
	last, err := v.log.LastIndex()
	if err != nil || last > 0 {
		return false, err
	}
	snaps, err := v.log.Snapshots().List()
	return len(snaps) == 0, err
}

// bootstrap writes the first configuration, unless it is there.
func (s *Server) bootstrap(v *voter, voters []chain.StoreID) error {
	var c raft.Configuration
	for _, id := range voters {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: serverID(id), Address: serverAddr(id)})
	}
	err := raft.BootstrapCluster(s.raftConfig(v), v.log, v.log, v.log.Snapshots(), v.trans, c)
	if err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("master: voter %s: %w", v.store, err)
	}
	if err := v.log.Dead(); err != nil {
		return fmt.Errorf("master: voter %s: %w", v.store, err)
	}
	return nil
}

// run starts the library on the voter.
func (s *Server) run(v *voter) error {
	conf := s.raftConfig(v)
	notify := make(chan bool, 8)
	conf.NotifyCh = notify
	r, err := raft.NewRaft(conf, v.fsm, v.log, v.log, v.log.Snapshots(), v.trans)
	if err != nil {
		return fmt.Errorf("master: voter %s: %w", v.store, err)
	}
	v.raft = r
	s.tasks.Go(func() {
		for {
			select {
			case <-notify: // drained, or the library blocks on it
				s.wake()
			case <-v.dead:
				return
			}
		}
	})
	return nil
}

// stop ends a voter that lives, or clears up behind one that is dead. It does
// not wait: the library may hang in a disk that does not answer.
func (v *voter) stop() {
	if v.ended.Swap(true) {
		return
	}
	v.log.Kill(errStopped)
	if v.raft == nil {
		_ = v.log.Close() // nothing is unsynced
		return
	}
	done := v.raft.Shutdown()
	go func() {
		_ = done.Error()    // the library has no other answer than nil
		_ = v.log.Close()   // nothing is unsynced
		_ = v.trans.Close() // never fails
	}()
}

// errStopped is the end of a voter that was stopped, not of its disk.
var errStopped = errors.New("stopped")

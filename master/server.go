package master

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"catena/chain"
	"catena/master/raftlog"
	"catena/master/state"

	"github.com/hashicorp/raft"
)

// Errors of commands whose outcome is not known, or that cannot be sent.
var (
	// ErrNoLeader: no voter of this process leads now.
	ErrNoLeader  = errors.New("master: no leader")
	errVoterDead = errors.New("master: the voter is dead")
)

// Server is the masters of one process. All methods are safe for concurrent
// use. Report, StoreAlive, StoreFailed, StoreMissing and Offer return at once.
type Server struct {
	cfg Config
	hub *raftlog.Hub
	obs *observer
	pub *publisher
	met *metrics

	wakeup, guardWake chan struct{}
	stopping          chan struct{}
	tasks             sync.WaitGroup
	closing           sync.Once
	// ready is closed when a leader has made or found the cluster.
	ready     chan struct{}
	readyOnce sync.Once
	// fatalErr is why this server can never be ready; set before fatal is closed.
	fatalErr  atomic.Pointer[error]
	fatal     chan struct{}
	fatalOnce sync.Once

	mu sync.Mutex
	// voters that run or have died in this process, by store.
	voters map[chain.StoreID]*voter
	// unusable are directories that cannot hold a voter, and why.
	unusable map[chain.StoreID]error
	// takenUp is the voter whose leadership the driver has taken up; the driver's
	// alone.
	takenUp *voter
	// announced are the voters that OnVoters was given last, or is given next; the
	// driver's alone. toRecord holds at most one list, the newest.
	announced []chain.StoreID
	toRecord  chan []chain.StoreID
	// recorded is the list that OnVoters has carried out; nil before the first, and
	// after one that it could not.
	recorded atomic.Pointer[[]chain.StoreID]
	// recordFailed: OnVoters could not carry out the list, and is to be given it again.
	recordFailed atomic.Bool
	// recorderDone is closed when recordVoters has ended.
	recorderDone chan struct{}
	// committedNow is what was committed at the driver's last turn, committedBefore
	// at the one before: a voter that has that much has caught up.
	committedNow, committedBefore atomic.Uint64
}

// Start opens the voters, bootstraps them on the very first start, and begins.
// It fails when no majority of the recorded voters can run.
func Start(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg.withDefaults(), voters: map[chain.StoreID]*voter{}, unusable: map[chain.StoreID]error{},
		wakeup: make(chan struct{}, 1), guardWake: make(chan struct{}, 1), stopping: make(chan struct{}),
		ready: make(chan struct{}), fatal: make(chan struct{}),
		toRecord: make(chan []chain.StoreID, 1), recorderDone: make(chan struct{}),
	}
	s.hub = &raftlog.Hub{Timeout: 2 * s.cfg.Timing.Heartbeat}
	s.obs = newObserver(s.cfg, s.wake)
	s.pub = newPublisher(s.newest)
	met, err := newMetrics(s)
	if err != nil {
		return nil, err
	}
	s.met = met
	if err := s.startVoters(); err != nil {
		for _, v := range s.voters {
			v.stop()
		}
		s.met.unregister()
		return nil, err
	}
	s.tasks.Go(s.guard)
	s.tasks.Go(s.drive)
	go s.recordVoters()
	s.tasks.Go(func() { s.pub.run(s.stopping) })
	s.elect()
	return s, nil
}

// startVoters runs the voter of every directory that has one's files, and those
// of a first start.
func (s *Server) startVoters() error {
	fresh, err := s.openVoters()
	if err != nil {
		return err
	}
	running := 0
	for _, id := range s.cfg.Recorded {
		if s.voters[id] != nil {
			running++
		}
	}
	if 2*running <= len(s.cfg.Recorded) {
		errs := []error{fmt.Errorf("master: only %d of the %d recorded voters can run, a majority is needed", running, len(s.cfg.Recorded))}
		for _, id := range s.cfg.Recorded {
			if err := s.unusable[id]; err != nil {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	if fresh {
		for _, id := range s.cfg.Recorded {
			if err := s.bootstrap(s.voters[id], s.cfg.Recorded); err != nil {
				return err
			}
		}
	}
	for _, v := range s.voters {
		if err := s.run(v); err != nil {
			return err
		}
	}
	return nil
}

// openVoters opens the directories with files. If all recorded voters are here
// and none has ever voted, nothing was ever committed: this is a first start, or
// one that was cut short, and those without files get them. Otherwise a
// recorded voter without files, or with nothing in them, has lost its votes and
// must not vote again.
func (s *Server) openVoters() (fresh bool, err error) {
	empty, fresh, err := s.openThoseWithFiles()
	if err != nil {
		return false, err
	}
	here := func(id chain.StoreID) bool {
		return s.unusable[id] == nil && slices.ContainsFunc(s.cfg.Dirs, func(d Dir) bool { return d.Store == id })
	}
	for _, id := range s.cfg.Recorded {
		fresh = fresh && here(id)
	}
	for _, d := range empty {
		switch recorded := slices.Contains(s.cfg.Recorded, d.Store); {
		case recorded && fresh:
			v, err := s.openVoter(d)
			if err != nil {
				return false, err
			}
			s.voters[d.Store] = v
		case recorded:
			s.unusable[d.Store] = fmt.Errorf("master: voter %s has lost its files", d.Store)
		}
	}
	if fresh {
		return true, nil
	}
	return false, s.dropBlank()
}

// dropBlank leaves out the recorded voters whose files are there and hold nothing
// any more, a log that was cut off for one: they have lost their votes too.
func (s *Server) dropBlank() error {
	for _, id := range s.cfg.Recorded {
		v := s.voters[id]
		if v == nil {
			continue
		}
		blank, err := v.blank()
		if err != nil {
			return err
		}
		if !blank {
			continue
		}
		s.unusable[id] = fmt.Errorf("master: voter %s has lost its records: its log holds nothing", id)
		s.cfg.Logger.Error("a master's files cannot be used", "store", id.String(), "err", s.unusable[id])
		delete(s.voters, id)
		v.stop()
	}
	return nil
}

// openThoseWithFiles gives the directories that have none, and whether those that
// have some could all be used and have never voted.
func (s *Server) openThoseWithFiles() (empty []Dir, pristine bool, err error) {
	pristine = true
	for _, d := range s.cfg.Dirs {
		has, err := raftlog.Exists(d.FS)
		if err != nil {
			s.unusable[d.Store] = fmt.Errorf("master: voter %s: %w", d.Store, err)
			continue
		}
		if !has {
			empty = append(empty, d)
			continue
		}
		v, err := s.openVoter(d)
		if err != nil {
			s.cfg.Logger.Error("a master's files cannot be used", "store", d.Store.String(), "err", err)
			s.unusable[d.Store] = err
			pristine = false
			continue
		}
		s.voters[d.Store] = v
		p, err := v.pristine()
		if err != nil {
			return nil, false, err
		}
		pristine = pristine && p
	}
	return empty, pristine, nil
}

// Close stops everything. What was committed is on disk.
func (s *Server) Close() error {
	s.closing.Do(func() {
		close(s.stopping)
		s.mu.Lock()
		toStop := slices.Collect(maps.Values(s.voters))
		s.mu.Unlock()
		for _, v := range toStop {
			s.shutDown(v)
		}
		s.tasks.Wait()
		s.awaitRecorder()
		s.met.unregister()
	})
	return nil
}

// awaitRecorder waits for OnVoters, which may be writing, but not for ever: its
// disk may not answer.
func (s *Server) awaitRecorder() {
	t := time.NewTimer(s.cfg.Timing.Apply)
	defer t.Stop()
	select {
	case <-s.recorderDone:
	case <-t.C:
		s.cfg.Logger.Warn("the list of voters is still being recorded; it is not waited for")
	}
}

// shutDown stops a voter and waits for a bounded time.
func (s *Server) shutDown(v *voter) {
	if v.isDead() || v.raft == nil {
		v.stop()
		return
	}
	v.ended.Store(true)
	done := make(chan struct{})
	f := v.raft.Shutdown()
	go func() {
		_ = f.Error() // the library has no other answer than nil
		close(done)
	}()
	t := time.NewTimer(s.cfg.Timing.Apply)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		s.cfg.Logger.Warn("a master's voter does not stop", "store", v.store.String())
	}
	v.log.Kill(errStopped) // ends the drain of notify; nothing is unsynced
	if err := v.log.Close(); err != nil {
		s.cfg.Logger.Warn("closing a master's log", "store", v.store.String(), "err", err)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Server) wake()      { signal(s.wakeup) }
func (s *Server) wakeGuard() { signal(s.guardWake) }

// applied is told after each change of any voter's state.
func (s *Server) applied() { s.pub.changed() }

// liveVoters gives the voters that run and count.
func (s *Server) liveVoters() []*voter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*voter
	for _, d := range s.cfg.Dirs {
		if v := s.voters[d.Store]; v != nil && v.raft != nil && !v.isDead() && !v.ended.Load() {
			out = append(out, v)
		}
	}
	return out
}

// leader gives the voter that leads; nil if none of this process does.
func (s *Server) leader() *voter {
	for _, v := range s.liveVoters() {
		if v.raft.State() == raft.Leader {
			return v
		}
	}
	return nil
}

// newest gives the newest state that is known: that of a voter that counts, or
// the one published last, which is newer while followers lag behind a leader
// that died. It is nil before there is one.
func (s *Server) newest() *state.State {
	var best *voter
	last := s.pub.last.Load()
	version := uint64(0)
	if last != nil {
		version = last.Version
	}
	for _, v := range s.liveVoters() {
		if n := v.fsm.version(); n > version {
			best, version = v, n
		}
	}
	if best == nil {
		return last
	}
	return best.fsm.state()
}

// elect asks the voter with the longest log to stand at once. Raft's rules
// decide; this only saves the time in which followers would wait for a leader.
func (s *Server) elect() {
	var best *voter
	var term, index uint64
	for _, v := range s.liveVoters() {
		if t, i := v.lastEntry(); v.votes() && (best == nil || t > term || t == term && i > index) {
			best, term, index = v, t, i
		}
	}
	if best == nil || s.leader() != nil {
		return
	}
	s.tasks.Go(func() {
		if err := s.hub.Nudge(serverAddr(best.store)); err != nil {
			s.cfg.Logger.Debug("asking a voter to stand for election", "voter", short(best.store), "err", err)
		}
	})
}

// guard watches over the voters: a dead one is shut down, and if it led, the
// others are told to elect at once.
func (s *Server) guard() {
	t := time.NewTicker(s.cfg.Timing.Tick)
	defer t.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-t.C:
		case <-s.guardWake:
		}
		for _, v := range s.liveVoters() {
			if busy := v.log.Busy(); busy > s.cfg.Timing.StallAfter {
				v.log.Kill(fmt.Errorf("its disk has not answered a write for %s", busy.Round(time.Second)))
			}
		}
		s.retireDead()
	}
}

// retireDead clears up behind the voters that died.
func (s *Server) retireDead() {
	s.mu.Lock()
	var dead []*voter
	for _, v := range s.voters {
		if v.isDead() && !v.ended.Load() {
			dead = append(dead, v)
		}
	}
	s.mu.Unlock()
	for _, v := range dead {
		led := v.raft != nil && v.raft.State() == raft.Leader
		s.cfg.Logger.Error("a master's voter is dead", "store", v.store.String(), "led", led, "err", v.log.Dead())
		s.met.deaths.Inc()
		v.stop()
	}
	if len(dead) > 0 {
		s.elect()
		s.wake()
	}
}

// WaitReady waits until a leader has made or found the cluster.
func (s *Server) WaitReady(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.stopping:
		return ErrNoLeader
	case <-s.fatal:
		return *s.fatalErr.Load()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNoLeader, ctx.Err())
	}
}

package clustertest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"catena/chain"
	"catena/chain/tablet"
	"catena/chain/tablet/tablettest"
	"catena/s3api/cluster"
)

// Config says what to make. Zero values stand for the defaults.
type Config struct {
	// Cuts are the owner keys at which tablets begin, beside the first; one cut
	// at bucketID 80... by default. The system's tablet is always one of its own.
	Cuts [][]byte
	// Chains is the number of data chains; 4.
	Chains int
	// Now is every clock; time.Now.
	Now func() time.Time
}

// Fate is what happens to one try of a command on its way.
type Fate uint8

// The fates.
const (
	Arrives      Fate = iota
	RequestLost       // it never arrives, and nobody knows
	AnswerLost        // it is executed, and nobody knows
	Delayed           // as RequestLost, but it arrives at DeliverLate
	Refused           // a replica refuses it: nothing was done
	SplitsBefore      // its tablet is split at its key, then it arrives with the old map
)

// Memory is the chains. Set its hooks before use; they are called with no lock held.
type Memory struct {
	cfg Config
	// Fate, if set, decides about each try.
	Fate func(tablet.Command) Fate
	// OnQuery, if set, is called before each query; an error is a lost tail.
	OnQuery func(tablet.Query) error

	mu      sync.Mutex
	tablets []*tablettest.Replica // by start
	nextID  chain.TabletID
	late    []tablet.Command
	// Commands counts tries that arrived, by action.
	commands map[string]int

	chunks chunkStore
}

var _ cluster.Index = (*Memory)(nil)

// New returns empty tablets and chains.
func New(cfg Config) *Memory {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Chains == 0 {
		cfg.Chains = 4
	}
	if cfg.Cuts == nil {
		cfg.Cuts = [][]byte{append([]byte{0x80}, make([]byte, 15)...)}
	}
	m := &Memory{cfg: cfg, commands: map[string]int{}}
	system := make([]byte, 16)
	system[15] = 1
	start := []byte{}
	for _, end := range append([][]byte{system}, append(cfg.Cuts, nil)...) {
		m.nextID++
		t := chain.Tablet{ID: m.nextID, Chain: chain.ChainID(m.nextID), Generation: 1, Start: start, End: end}
		m.tablets = append(m.tablets, tablettest.NewReplica(t, cfg.Now().UnixMilli()))
		start = end
	}
	m.chunks.init(cfg.Chains)
	return m
}

// NewBackend returns a backend over new chains.
func NewBackend(cfg Config, opts ...func(*cluster.Config)) (*cluster.Cluster, *Memory) {
	m := New(cfg)
	c := cluster.Config{Index: m, Chunks: m, Now: m.cfg.Now}
	for _, o := range opts {
		o(&c)
	}
	b, err := cluster.New(c)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return b, m
}

func (m *Memory) find(owner []byte) int {
	for i := len(m.tablets) - 1; i >= 0; i-- {
		if m.tablets[i].Tablet.Contains(owner) {
			return i
		}
	}
	panic("clustertest: a key without a tablet")
}

// Split divides the tablet that owns the key there.
func (m *Memory) Split(at []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.split(at)
}

func (m *Memory) split(at []byte) {
	i := m.find(at)
	if bytes.Equal(m.tablets[i].Tablet.Start, at) {
		return
	}
	m.nextID++
	left, right, err := m.tablets[i].Split(at, m.nextID)
	if err != nil {
		panic(err)
	}
	m.tablets = append(m.tablets[:i], append([]*tablettest.Replica{left, right}, m.tablets[i+1:]...)...)
}

// Do implements cluster.Index.
func (m *Memory) Do(ctx context.Context, owner []byte, cmd tablet.Command) (tablet.Answer, error) {
	var tries tablet.Tries
	for ctx.Err() == nil {
		c := tries.Next(cmd)
		fate := Arrives
		if m.Fate != nil {
			fate = m.Fate(c)
		}
		a, err := m.try(owner, c, fate)
		if err != nil {
			tries.Failed(err)
			if fate == Refused {
				time.Sleep(time.Millisecond) // as a client backs off
			}
			continue
		}
		if a.Status == tablet.RefusedTablet {
			continue
		}
		if !tries.Final(c, &a) {
			return a, &chain.Refusal{Kind: chain.RefusedUnknown, Detail: a.Status.String()}
		}
		return a, nil
	}
	kind := chain.RefusedNotReady
	if tries.Sent || cmd.Repeat {
		kind = chain.RefusedUnknown
	}
	return tablet.Answer{}, &chain.Refusal{Kind: kind, Detail: ctx.Err().Error()}
}

func (m *Memory) try(owner []byte, c tablet.Command, fate Fate) (tablet.Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &m.tablets[m.find(owner)].Tablet
	c.Tablet, c.Generation = t.ID, t.Generation
	switch fate {
	case SplitsBefore:
		m.split(owner)
	case RequestLost:
		return tablet.Answer{}, errLost
	case Delayed:
		m.late = append(m.late, c)
		return tablet.Answer{}, errLost
	case Refused:
		return tablet.Answer{}, &chain.Refusal{Kind: chain.RefusedNotReady}
	}
	a, err := m.arrive(owner, c)
	if err == nil && fate == AnswerLost {
		err = errLost
	}
	return a, err
}

var errLost = fmt.Errorf("clustertest: lost")

// arrive evaluates a command at the head of the tablet that it names, or of the
// one that owns the key now.
func (m *Memory) arrive(owner []byte, c tablet.Command) (tablet.Answer, error) {
	m.commands[fmt.Sprintf("%T", c.Action)[len("*tablet."):]]++
	wire, err := tablet.DecodeCommand(tablet.EncodeCommand(&c))
	if err != nil {
		return tablet.Answer{}, err
	}
	r := m.tablets[m.find(owner)]
	r.WallMs = m.cfg.Now().UnixMilli()
	a, err := r.Do(*wire)
	if err != nil {
		panic(err) // rows in memory are never damaged
	}
	return tablet.DecodeAnswer(tablet.EncodeAnswer(&a))
}

// DeliverLate lets the delayed tries arrive, and gives their answers.
func (m *Memory) DeliverLate() (answers []tablet.Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.late {
		a, err := m.arrive(c.Owner(), c)
		if err != nil {
			panic(err)
		}
		answers = append(answers, a)
	}
	m.late = nil
	return answers
}

// Query implements cluster.Index.
func (m *Memory) Query(ctx context.Context, owner []byte, q tablet.Query) (tablet.Result, error) {
	if m.OnQuery != nil {
		if err := m.OnQuery(q); err != nil {
			return tablet.Result{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return tablet.Result{}, &chain.Refusal{Kind: chain.RefusedNoLease, Detail: err.Error()}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.tablets[m.find(owner)]
	q.Tablet, q.Generation = r.Tablet.ID, r.Tablet.Generation
	res, err := r.Query(q)
	if err != nil {
		panic(err)
	}
	return res, nil
}

// Arrived is how many tries of a kind of action ("PutObject") were evaluated.
func (m *Memory) Arrived(action string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commands[action]
}

// Tablets gives the tablets as they are now, by start.
func (m *Memory) Tablets() (ts []chain.Tablet) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.tablets {
		ts = append(ts, r.Tablet)
	}
	return ts
}

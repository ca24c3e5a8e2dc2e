package index

import (
	"fmt"
	"testing"

	"catena/chain"

	"github.com/stretchr/testify/require"
)

// pipe is a chain of replicas without faults: effects are carried out at once,
// messages are delivered in order, disks sync when told to.
type pipe struct {
	t       testing.TB
	now     chain.Now
	r       map[chain.ReplicaID]*Replica
	m       map[chain.ReplicaID]*words
	queue   []chain.Envelope
	tokens  map[chain.ReplicaID]uint64
	autoAck bool // disks sync by themselves
	replies map[uint64]Reply
	serve   map[chain.ReplicaID]Serve
	reports []chain.Report
	stops   map[chain.ReplicaID]string
	sent    []chain.Envelope
	drop    func(chain.Envelope) bool
}

func rid(n byte) chain.ReplicaID {
	return chain.ReplicaID{Store: chain.StoreID{n}, Incarnation: 1}
}

func conf(n uint64, serving ...byte) chain.Config {
	c := chain.Config{Chain: 7, Kind: chain.KindIndex, Epoch: chain.Epoch{N: n}, Prev: chain.Epoch{N: n - 1}, Factor: 3, MinAck: 2}
	for _, s := range serving {
		c.Serving = append(c.Serving, rid(s))
	}
	c.Settled = c.Serving
	c.Recoverable = c.Serving
	return c
}

func newPipe(t testing.TB, ids ...byte) *pipe {
	p := &pipe{
		t: t, now: chain.Now{Mono: 1000, WallMs: 1}, autoAck: true,
		r: map[chain.ReplicaID]*Replica{}, m: map[chain.ReplicaID]*words{}, tokens: map[chain.ReplicaID]uint64{},
		replies: map[uint64]Reply{}, serve: map[chain.ReplicaID]Serve{}, stops: map[chain.ReplicaID]string{},
	}
	for _, id := range ids {
		p.add(rid(id), Recovered{})
	}
	return p
}

func (p *pipe) add(id chain.ReplicaID, rec Recovered) {
	p.m[id] = &words{}
	r, effects, err := New(Config{Chain: 7, Self: id, Machine: p.m[id], Recovered: rec})
	require.NoError(p.t, err)
	p.r[id] = r
	p.carry(id, effects)
}

func (p *pipe) step(id chain.ReplicaID, ev Event) {
	p.carry(id, p.r[id].Step(p.now, ev))
}

func (p *pipe) carry(id chain.ReplicaID, effects []Effect) {
	token := uint64(0)
	for _, e := range effects {
		switch e := e.(type) {
		case PersistEntry:
			token = e.Token
		case PersistState:
			token = e.Token
		case PersistTruncate:
			token = e.Token
		case BeginInstall:
			token = e.Token
		case Send:
			p.sent = append(p.sent, e.Env)
			if p.drop == nil || !p.drop(e.Env) {
				p.queue = append(p.queue, e.Env)
			}
		case Reply:
			p.replies[e.ID] = e
		case Serve:
			p.serve[id] = e
		case Report:
			p.reports = append(p.reports, e.Report)
		case Stop:
			p.stops[id] = e.Reason
		case Apply:
			p.m[id].rows = append(p.m[id].rows, string(e.Entry.Body))
		}
	}
	if token == 0 {
		return
	}
	p.tokens[id] = token
	if p.autoAck {
		p.sync(id)
	}
}

// sync tells a replica that all that it wrote is on disk.
func (p *pipe) sync(id chain.ReplicaID) {
	if t := p.tokens[id]; t != 0 {
		p.tokens[id] = 0
		p.step(id, Durable{Token: t})
	}
}

// run delivers until nothing is in flight.
func (p *pipe) run() {
	for n := 0; len(p.queue) > 0; n++ {
		require.Less(p.t, n, 100000, "messages without end")
		env := p.queue[0]
		p.queue = p.queue[1:]
		if _, ok := p.r[env.To]; ok {
			p.step(env.To, Deliver{Env: env})
		}
	}
}

func (p *pipe) configure(c chain.Config, ids ...byte) {
	for _, id := range ids {
		p.step(rid(id), Configure{Config: c})
	}
	p.run()
}

// pass lets time go by in ticks.
func (p *pipe) pass(d int64) {
	for end := p.now.Mono.Add(d); p.now.Mono < end; {
		p.now.Mono = p.now.Mono.Add(100 * chain.Millisecond)
		p.now.WallMs += 100
		for i := byte(1); i < 10; i++ {
			if _, ok := p.r[rid(i)]; ok {
				p.step(rid(i), Tick{})
			}
		}
		p.run()
	}
}

// words is a machine whose commands are words to append; a word twice is refused.
type words struct {
	rows    []string
	pending []*Entry
}

func (w *words) Evaluate(cmd Command, _ Given, at Position) Verdict {
	word := cmd.(string)
	for _, e := range w.pending {
		if string(e.Body) == word {
			return Verdict{Answer: "twice", RestsOn: e.Seq}
		}
	}
	for _, row := range w.rows {
		if row == word {
			return Verdict{Answer: "twice"}
		}
	}
	return Verdict{Entry: &Entry{Rev: at.Seq, Time: at.WallMs, Body: []byte(word)}, Answer: "ok"}
}

func (w *words) Append(e *Entry) error {
	if string(e.Body) == "unknown kind" {
		return fmt.Errorf("unknown kind")
	}
	w.pending = append(w.pending, e)
	return nil
}

func (w *words) Commit(seq uint64) {
	for len(w.pending) > 0 && w.pending[0].Seq <= seq {
		w.pending = w.pending[1:]
	}
}

func (w *words) Truncate(seq uint64) {
	for n := len(w.pending); n > 0 && w.pending[n-1].Seq > seq; n-- {
		w.pending = w.pending[:n-1]
	}
}

func (w *words) Reload(Applied) { w.pending = nil }

package chaintest

import (
	"errors"

	"catena/chain"
	"catena/chain/index"
)

// call is one operation of a client, over all its tries.
type call struct {
	client  int
	cmd     command
	began   Real
	ended   Real
	out     answer
	done    bool // answered; otherwise the outcome is unknown
	nothing bool // every try was refused: it certainly did nothing
	tries   int
	// unknown: some try may have been executed.
	unknown bool
	// floor is the newest change of the key that somebody had been told of when
	// the call began: its answer must not be older.
	floor uint64
}

// try is one request on its way.
type try struct {
	call    *call
	repeat  bool
	barrier bool
	node    int
	over    bool // answered, or given up
}

// client does one call after the other.
type client struct {
	c       *indexCluster
	id      int
	current *call
}

func (cl *client) next() {
	c := cl.c
	if c.quiet && c.callsLeft <= 0 {
		return
	}
	c.callsLeft--
	c.lastOp++
	cmd := command{op: c.lastOp, key: c.w.Rand.IntN(c.opt.Keys), value: c.lastOp}
	switch n := c.w.Rand.IntN(10); {
	case n < 4:
		cmd.kind = opRead
	case n < 7:
		cmd.kind = opPut
	case n < 9:
		cmd.kind = opPutAbsent
	default:
		cmd.kind = opDelete
	}
	if cmd.kind == opPutAbsent && c.w.Chance(0.3) {
		cmd.kind = opDelete
	}
	k := &call{client: cl.id, cmd: cmd, began: c.w.Now(), floor: c.check_.floor[cmd.key]}
	cl.current = k
	c.calls = append(c.calls, k)
	c.w.Trace.Say("%s client %d: %s key %d value %d (op %d)", c.w.Now(), cl.id, cmd.kind, cmd.key, cmd.value, cmd.op)
	cl.try(k)
}

// try sends the call to the member that some configuration, often the newest,
// says is the right one.
func (cl *client) try(k *call) {
	c := cl.c
	cfg := c.route()
	to := cfg.Head()
	if k.cmd.kind == opRead {
		to = cfg.Tail()
	}
	k.tries++
	t := &try{call: k, repeat: k.unknown, node: NodeOf(to)}
	arrived := false
	c.net.Carry(ClientNode, t.node, func() {
		if arrived { // the transport delivers a try at most once
			return
		}
		arrived = true
		cl.arrive(t, to)
	})
	c.w.After(c.w.Between(c.opt.Timeout/2, c.opt.Timeout), func() { cl.timeout(t) })
}

// route is the configuration that a client believes in: clients that read and
// write through the one before show what an old head or tail still answers.
func (c *indexCluster) route() chain.Config {
	h := c.master.History
	switch n := c.w.Rand.IntN(100); {
	case n < 35:
		return h[max(0, len(h)-1-c.w.Rand.IntN(4))]
	case n < 40:
		return h[c.w.Rand.IntN(len(h))]
	}
	return c.master.Config
}

func (cl *client) arrive(t *try, to chain.ReplicaID) {
	c := cl.c
	p := c.procs[to]
	if p == nil || p.r == nil {
		return
	}
	p.whenAwake(p.gen, func() {
		if t.call.cmd.kind == opRead {
			cl.read(p, t)
			return
		}
		p.propose(t)
		if c.w.Chance(0.05) {
			p.propose(&try{call: t.call, barrier: true, node: t.node})
		}
	})
}

// read reads the row, and tests the lease before and after: sometimes long after.
func (cl *client) read(p *indexProc, t *try) {
	c := cl.c
	epoch, gen := p.serve.Epoch, p.gen
	if !p.mayAnswer(epoch) {
		cl.refused(p, t)
		return
	}
	a, err := p.rows.read(t.call.cmd.key)
	slow := int64(0)
	if c.w.Chance(0.2) {
		slow = c.w.Between(0, c.opt.Index.Lease)
	}
	c.w.After(slow, func() {
		p.whenAwake(gen, func() {
			if !p.mayAnswer(epoch) {
				cl.refused(p, t)
				return
			}
			if err != nil {
				c.w.Fail("replica %s serves a broken row: %v", p.id, err)
			}
			c.checkRead(p, t.call, a)
			c.net.Carry(p.n.id, ClientNode, func() { cl.answered(t, a) })
		})
	})
}

func (cl *client) refused(p *indexProc, t *try) {
	cl.c.net.Carry(p.n.id, ClientNode, func() { cl.again(t) })
}

func (cl *client) answered(t *try, a answer) {
	if t.over || t.call != cl.current {
		return
	}
	t.over = true
	k := t.call
	k.done, k.out = true, a
	cl.finish(k)
}

func (cl *client) finish(k *call) {
	c := cl.c
	k.ended = c.w.Now()
	if k.done {
		c.checkAnswer(k)
	}
	c.w.Trace.Say("%s client %d: op %d ends: done %v %+v", c.w.Now(), cl.id, k.cmd.op, k.done, k.out)
	c.w.Trace.Note(2, k.cmd.op, k.out.seq, uint64(c.w.Now()))
	cl.current = nil
	c.w.After(c.w.Between(0, c.opt.Think), cl.next)
}

// again tries once more after a refusal, which promises that nothing was done.
func (cl *client) again(t *try) {
	k := t.call
	if t.over || k != cl.current {
		return
	}
	t.over = true
	if k.tries >= cl.c.opt.Tries {
		k.nothing = !k.unknown
		cl.finish(k)
		return
	}
	cl.c.w.After(cl.c.w.Between(chain.Millisecond, cl.c.opt.Timeout/4), func() {
		if k == cl.current {
			cl.try(k)
		}
	})
}

// timeout gives up on a try, or on the call: its outcome is unknown.
func (cl *client) timeout(t *try) {
	k := t.call
	if t.over || k != cl.current {
		return
	}
	k.unknown = true
	cl.again(t)
}

// onReply carries a replica's reply back to the client.
func (c *indexCluster) onReply(p *indexProc, t *try, e index.Reply) {
	if t.barrier {
		return
	}
	cl := c.clients[t.call.client]
	if e.Err == nil {
		a := e.Answer.(answer)
		c.checkReply(p, t.call, a)
		c.net.Carry(p.n.id, ClientNode, func() { cl.answered(t, a) })
		return
	}
	var refusal *chain.Refusal
	if !errors.As(e.Err, &refusal) {
		c.w.Fail("replica %s answers with %v", p.id, e.Err)
		return
	}
	c.refusals[refusal.Kind]++
	c.net.Carry(p.n.id, ClientNode, func() {
		if refusal.Kind == chain.RefusedUnknown && !t.over && t.call == cl.current {
			t.call.unknown = true
		}
		cl.again(t)
	})
}

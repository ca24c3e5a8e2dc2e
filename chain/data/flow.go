package data

import "catena/chain"

// How operations travel: down the chain by feedDown and forward, and what
// comes back up.

// feedDown sends an operation's first message to the next replica. The tail
// feeds a joiner only after it promised to (MsgFeed), and one that is not on
// the commit path only while it keeps up; what it misses is owed to it.
func (r *Replica) feedDown(o *op, body Body) {
	if r.down == nil {
		return
	}
	if r.isTail() {
		if r.pauseFeed(); r.feed == nil || !r.feed.started {
			return
		}
		if !r.required() && r.down.outstanding() > r.conf.ReplicaInflight/2 {
			return
		}
		r.feed.ops[o.n] = o.makes()
	}
	o.fed = true
	r.send(r.down, o, body)
}

// forward sends a further message of an operation that the next replica has.
func (r *Replica) forward(o *op, body Body) {
	if o.fed && r.isTail() && !r.required() && r.down.outstanding() > r.conf.ReplicaInflight {
		r.unfeed(o)
	}
	if o.fed {
		r.send(r.down, o, body)
	}
}

// handle takes one body of the ordered stream.
func (r *Replica) handle(l *link, body Body) {
	if l == r.up {
		r.handleFromAbove(body)
		return
	}
	switch m := body.(type) {
	case MsgOpened:
		if o := r.ops[m.Op]; o != nil && o.fed {
			o.downOpened, o.active = true, r.now
			r.checkOpened(o)
		}
	case MsgDone:
		r.handleDone(m.Op)
	case MsgFailed:
		r.handleFailed(m)
	case MsgJoin:
		r.handleJoin(m)
	case MsgScanned:
		r.handleScanned(m)
	case MsgOweDone:
		r.handleOweDone(m)
	}
}

func (r *Replica) handleFromAbove(body Body) {
	if n := begins(body); n != 0 && r.required() && r.stuck(r.down) {
		r.send(r.up, nil, MsgFailed{Op: n, Kind: chain.RefusedNotReady, Detail: "no answer from " + r.down.peer.String()})
		return
	}
	switch m := body.(type) {
	case MsgOpen:
		r.handleOpen(m)
	case MsgFrame:
		r.up.taken += uint64(len(m.Bytes))
		r.handleFrame(m)
	case MsgSkip:
		r.up.taken += uint64(m.Bytes)
	case MsgSeal:
		r.handleSeal(m)
	case MsgAbort:
		if o := r.byUp[m.Op]; o != nil {
			r.fail(o, chain.RefusedGone, "given up above", tellDown)
		}
	case MsgClone:
		r.handleClone(m)
	case MsgRemove:
		r.handleRemove(m)
	case MsgProbe:
		r.handleProbe(m)
	case MsgFeed:
		r.handleFeed(m)
	case MsgOwe:
		r.handleOwe(m)
	}
}

// begins gives the number of the operation that a body begins; 0 for others.
func begins(body Body) uint64 {
	switch m := body.(type) {
	case MsgOpen:
		return m.Op
	case MsgClone:
		return m.Op
	case MsgRemove:
		return m.Op
	case MsgProbe:
		return m.Op
	}
	return 0
}

func (r *Replica) handleDone(n uint64) {
	if r.isTail() {
		r.feedDone(n)
	}
	if o := r.ops[n]; o != nil && o.fed {
		o.downDone, o.active = true, r.now
		r.checkDone(o)
	}
}

func (r *Replica) handleFailed(m MsgFailed) {
	o := r.ops[m.Op]
	if r.isTail() {
		r.feedFailed(m, o)
		return
	}
	if o != nil {
		r.fail(o, m.Kind, m.Detail, tellBoth)
	}
}

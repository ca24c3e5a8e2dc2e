package chaintest

import "catena/chain"

// NetOptions say how bad the network is. Times are in nanoseconds.
type NetOptions struct {
	MinDelay, MaxDelay int64
	// Loss, Dup and Late are probabilities of a message being lost, delivered
	// twice, and delayed by up to LateBy.
	Loss, Dup, Late float64
	LateBy          int64
	// InOrder keeps the messages of a pair in order, as one connection does.
	InOrder bool
}

// Nodes that are not stores: the master, and the clients, whom no cut reaches:
// they talk to old heads and tails that everyone else has given up.
const (
	MasterNode = 0
	ClientNode = -1
)

// Net carries envelopes between nodes. A node is where a store is; its number
// is the first byte of the store id.
type Net struct {
	w       *World
	opt     NetOptions
	deliver func(chain.Envelope)
	// cut[a][b]: nothing gets from a to b.
	cut  map[[2]int]bool
	clog map[[2]int]Real // held until then
	last map[[2]int]Real
	// Quiet: no loss, repetition or long delay any more, and no slow links.
	Quiet bool
}

// NewNet makes a network that hands over by calling deliver.
func NewNet(w *World, opt NetOptions, deliver func(chain.Envelope)) *Net {
	return &Net{w: w, opt: opt, deliver: deliver, cut: map[[2]int]bool{}, clog: map[[2]int]Real{}, last: map[[2]int]Real{}}
}

// NodeOf is the node on which a replica lives.
func NodeOf(r chain.ReplicaID) int { return int(r.Store[0]) }

// Send puts an envelope on its way.
func (n *Net) Send(env chain.Envelope) {
	n.Carry(NodeOf(env.From), NodeOf(env.To), func() { n.deliver(env) })
}

// Carry brings anything from node a to node b with this network's faults:
// arrive is called zero, one or two times.
func (n *Net) Carry(a, b int, arrive func()) {
	if n.cut[[2]int{a, b}] || !n.Quiet && n.w.Chance(n.opt.Loss) {
		return
	}
	n.w.After(n.delay(a, b), arrive)
	if !n.Quiet && n.w.Chance(n.opt.Dup) {
		n.w.After(n.delay(a, b), arrive)
	}
}

func (n *Net) delay(a, b int) int64 {
	longest := n.opt.MaxDelay
	if n.Quiet {
		longest = min(longest, 20*chain.Millisecond)
	}
	d := n.w.Between(n.opt.MinDelay, longest)
	if !n.Quiet && n.w.Chance(n.opt.Late) {
		d += n.w.Between(0, n.opt.LateBy)
	}
	pair := [2]int{a, b}
	if until := n.clog[pair]; until > n.w.Now() {
		d += int64(until - n.w.Now())
	}
	if n.opt.InOrder {
		at := max(n.w.Now()+Real(d), n.last[pair])
		n.last[pair] = at
		d = int64(at - n.w.Now())
	}
	return d
}

// Cut stops what goes from a to b from now on (what is in flight arrives).
func (n *Net) Cut(a, b int, on bool) {
	if on {
		n.cut[[2]int{a, b}] = true
	} else {
		delete(n.cut, [2]int{a, b})
	}
}

// Reaches reports whether anything gets from a to b.
func (n *Net) Reaches(a, b int) bool { return !n.cut[[2]int{a, b}] }

// Clog holds everything from a to b for d nanoseconds; it arrives afterwards, at once.
func (n *Net) Clog(a, b int, d int64) { n.clog[[2]int{a, b}] = n.w.Now() + Real(d) }

// Heal removes every cut and clog.
func (n *Net) Heal() {
	clear(n.cut)
	clear(n.clog)
}

// Swizzle cuts a random subset of nodes off from everyone, one after the
// other, and heals them one after the other in another order, within d.
func (n *Net) Swizzle(nodes []int, d int64) {
	w := n.w
	var chosen []int
	for _, a := range nodes {
		if w.Chance(0.5) {
			chosen = append(chosen, a)
		}
	}
	set := func(a int, on bool) func() {
		return func() {
			for _, b := range append([]int{MasterNode}, nodes...) {
				if a != b {
					n.Cut(a, b, on)
					n.Cut(b, a, on)
				}
			}
		}
	}
	for _, a := range chosen {
		w.After(w.Between(0, d/2), set(a, true))
		w.After(w.Between(d/2, d), set(a, false))
	}
}

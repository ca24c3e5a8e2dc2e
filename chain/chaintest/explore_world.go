package chaintest

import (
	"fmt"
	"maps"
	"slices"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/internal/rule"
)

const (
	maxReplicas = 4
	maxFlight   = 24
	maxOps      = 6
)

// world is one state: numbers into the explorer's tables, and what is under way.
type world struct {
	nodes         [maxReplicas]uint32
	master, known uint32
	// now is in twentieths of a lease since the beginning.
	now                                    uint8
	crashes, strays, ticks, issued, drains uint8
	// reports of this epoch that the master has and did not act on: a bit for
	// each replica in sync, and above it for each settled.
	reports uint8
	// flight are messages under way, sorted by place, and in each link in order.
	flying uint8
	flight [maxFlight]flying
}

// flying is a message under way: its place, which is its link or astray, and
// its number.
type flying uint32

func (f flying) place() uint8 { return uint8(f >> 24) }
func (f flying) msg() uint32  { return uint32(f) & (1<<24 - 1) }

// flyingTo makes a message under way.
func flyingTo(place uint8, msg uint32) flying {
	if msg >= 1<<24 {
		panic("chaintest: the scope has too many different messages")
	}
	return flying(uint32(place)<<24 | msg)
}

// astray is the place of messages that may arrive at any time.
const astray = maxReplicas * maxReplicas

func link(from, to int) uint8 { return uint8(from*maxReplicas + to) }

// xmsg is a message with its addresses.
type xmsg struct {
	from, to int
	epoch    chain.Epoch
	hello    bool // it brings its configuration
	env      chain.Envelope
}

// known is what the invariants know: the log that anybody has applied, what
// clients were told, and who answered reads.
type known struct {
	committed []*index.Entry
	floor     uint64
	tails     map[chain.Epoch]chain.ReplicaID
	calls     [maxOps]called
}

// called is a client's command that reached a head.
type called struct {
	begun, ended bool
	floor        uint64 // until it ended
}

func newExplorer(s Scope, rules rule.Set) *explorer {
	x := &explorer{
		scope: s, rules: rules, seen: map[index.Hash]struct{}{}, nodeIDs: map[index.Hash]uint32{}, msgIDs: map[index.Hash]uint32{},
		masterIDs: map[index.Hash]uint32{}, knownIDs: map[index.Hash]uint32{}, entries: map[entryKey]*index.Entry{}, steps: map[stepKey]*xstep{}, planned: map[planKey]uint32{},
	}
	w := NewWorld(0, NewTrace(0))
	x.bench = &indexCluster{w: w, rules: rules, procs: map[chain.ReplicaID]*indexProc{}, refusals: map[chain.RefusalKind]int{}}
	return x
}

// begin makes the first state: everyone has the first configuration, and
// nothing is under way.
func (x *explorer) begin() (world, error) {
	var w world
	var first []chain.ReplicaID
	for i := range x.scope.Replicas {
		w.nodes[i] = x.addNode(x.newNode(i), clockAt(0))
		if i < x.scope.Serving {
			first = append(first, letterID(i))
		}
	}
	w.master = x.addMaster(NewMaster(NewChain(chain.KindIndex, max(3, len(first)), x.scope.MinAck, first...), x.rules))
	w.known = x.addKnown(&known{tails: map[chain.Epoch]chain.ReplicaID{}})
	for i := range x.scope.Serving {
		if err := x.doAll(&w, action{kind: actLearn, a: uint8(i)}); err != nil {
			return w, err
		}
	}
	err := x.rest(&w)
	for i := 0; i < x.scope.Warm && err == nil; i++ {
		if err = x.doAll(&w, action{kind: actPropose}); err == nil {
			err = x.rest(&w)
		}
	}
	return w, err
}

// rest lets everything that is under way come to an end, in a fixed order.
func (x *explorer) rest(w *world) error {
	for range 1000 {
		acts := slices.DeleteFunc(x.choices(w, nil), func(a action) bool { return a.kind != actDeliver && a.kind != actSync })
		if len(acts) == 0 {
			return nil
		}
		if err := x.doAll(w, acts[0]); err != nil {
			return err
		}
	}
	return fmt.Errorf("a new chain does not come to rest")
}

func (x *explorer) doAll(w *world, a action) error {
	n, err := x.after(w, a)
	*w = n
	return err
}

func letterID(i int) chain.ReplicaID { return replicaID(i+1, 1) }
func letterOf(r chain.ReplicaID) int { return NodeOf(r) - 1 }
func letter(i int) string            { return string(rune('A' + i)) }

// hash is the state's fingerprint.
func (x *explorer) hash(w *world) index.Hash {
	var h index.Hash
	for i := range x.scope.Replicas {
		h.Add(uint64(w.nodes[i]))
	}
	h.Add(uint64(w.master)<<32 | uint64(w.known))
	h.Add(uint64(w.drains)<<48 | uint64(w.now)<<40 | uint64(w.crashes)<<32 | uint64(w.strays)<<24 | uint64(w.ticks)<<16 | uint64(w.issued)<<8 | uint64(w.reports))
	for _, f := range w.flight[:w.flying] {
		h.Add(uint64(f))
	}
	return h
}

// put adds a message to a place: last of its link, or, astray, in order of number.
func (w *world) put(place uint8, msg uint32, most int) {
	at, n, first := 0, 0, -1
	for i, f := range w.flight[:w.flying] {
		if f.place() == place {
			if first < 0 {
				first = i
			}
			n++
		}
		if f.place() < place || f.place() == place && (place != astray || f.msg() < msg) {
			at = i + 1
		}
	}
	if place != astray && n > 0 && w.flight[at-1].msg() == msg {
		return // the same again adds nothing to the one before it
	}
	if place != astray && n >= most {
		w.take(first)
		at--
	}
	if int(w.flying) == maxFlight {
		panic("chaintest: the scope has too many messages under way")
	}
	copy(w.flight[at+1:w.flying+1], w.flight[at:w.flying])
	w.flight[at] = flyingTo(place, msg)
	w.flying++
}

// take removes the i-th message.
func (w *world) take(i int) flying {
	f := w.flight[i]
	copy(w.flight[i:], w.flight[i+1:w.flying])
	w.flying--
	w.flight[w.flying] = 0
	return f
}

// outdate forgets messages to a replica that are of older epochs than it has:
// it would only say that there is a newer one, and it may learn of that anyway.
func (x *explorer) outdate(w *world, to int) {
	for i := int(w.flying) - 1; i >= 0; i-- {
		if m := x.msgs[w.flight[i].msg()]; m.to == to && x.outdated(w, m) {
			w.take(i)
		}
	}
}

func (x *explorer) outdated(w *world, m *xmsg) bool {
	return m.epoch.Less(x.nodes[w.nodes[m.to]].epoch) && x.rules.Holds(rule.EpochCheck)
}

// dropTo forgets what is under way to a replica whose process ends.
func (w *world) dropTo(to int) {
	for i := int(w.flying) - 1; i >= 0; i-- {
		if p := w.flight[i].place(); p != astray && int(p)%maxReplicas == to {
			w.take(i)
		}
	}
}

func intern[T any](table *[]T, ids map[index.Hash]uint32, h index.Hash, v T) uint32 {
	if id, ok := ids[h]; ok {
		return id
	}
	id := uint32(len(*table))
	*table = append(*table, v)
	ids[h] = id
	return id
}

func (x *explorer) addNode(n *xnode, now chain.Now) uint32 {
	return intern(&x.nodes, x.nodeIDs, x.fingerprint(n, now), n)
}

func (x *explorer) addMsg(env chain.Envelope) (uint32, *xmsg) {
	msg := env.Msg.(index.Message)
	m := &xmsg{from: letterOf(env.From), to: letterOf(env.To), epoch: msg.MsgEpoch(), env: env}
	_, m.hello = msg.(*index.Hello)
	var h index.Hash
	h.Add(uint64(link(m.from, m.to)))
	index.FingerprintMessage(&h, msg)
	id := intern(&x.msgs, x.msgIDs, h, m)
	return id, x.msgs[id]
}

func (x *explorer) addMaster(m *Master) uint32 {
	var h index.Hash
	for i := range m.History {
		h.AddString(string(index.MarshalConfig(m.History[i])))
	}
	return intern(&x.masters, x.masterIDs, h, m)
}

func (x *explorer) addKnown(k *known) uint32 {
	var h index.Hash
	h.Add(uint64(len(k.committed)))
	for _, e := range k.committed {
		h.Add(e.DigestAfter())
	}
	h.Add(k.floor)
	for n := range uint64(16) {
		if r, ok := k.tails[chain.Epoch{N: n}]; ok {
			h.Add(n<<8 | uint64(letterOf(r)))
		}
	}
	for _, c := range k.calls {
		flags := uint64(boolBit(c.begun)) | uint64(boolBit(c.ended))<<1
		h.Add(flags<<32 | c.floor)
	}
	return intern(&x.knowns, x.knownIDs, h, k)
}

func boolBit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (k *known) clone() *known {
	n := *k
	n.committed = slices.Clip(k.committed)
	n.tails = maps.Clone(k.tails)
	return &n
}

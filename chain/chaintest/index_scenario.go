package chaintest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/internal/rule"
)

// A scenario is a story told in commands, each followed by what the replicas
// did. Nothing happens by itself: messages wait until they are delivered, disks
// until they are synced, clocks until time passes.
//
//	chain A B C         a new chain of these replicas, min_ack 2 (chain min-ack=1 A ...)
//	remove|join|promote|settle|restart X   a change in the master's log
//	tell A B            these replicas learn the newest configuration
//	put A k=v | put-absent A k=v | delete A k    a command at a replica
//	read C k            a read at a replica
//	deliver A->B [drop] [latest] [Type]   one message, the oldest unless said otherwise
//	deliver all         everything that is not held, until nothing waits
//	hold A->B           what A sends B waits, also for "run"; release A->B
//	cut A B | heal      nothing passes between A and anyone (but those named after it)
//	sync A | sync all   the disks finish
//	run                 deliver and sync until nothing happens (held messages wait)
//	pass 500ms          time passes, in ticks, with "run" after each
//	crash A | start A   the process ends, losing what was not synced; and starts again
//	image A | rollback A   keep what A's disk has; and, after a crash, put that in the disk's place
//	drain A             an orderly stop begins
//	status              where everyone stands
type stage struct {
	out     strings.Builder
	rules   rule.Set
	now     int64
	names   []string
	actors  map[string]*actor
	master  *Master
	queue   []chain.Envelope
	held    map[string]bool
	cut     map[string]bool
	lastOp  uint64
	waiting map[uint64]string
}

// actor is one replica on the stage.
type actor struct {
	name    string
	id      chain.ReplicaID
	s       *stage
	r       *index.Replica
	recs    []diskRecord
	tokens  []uint64 // of recs, 0 for a page
	pages   []uint64
	synced  int
	image   int // what was synced when the image was taken
	durable durableLog
	rows    rows
	applied index.Applied
	serve   index.Serve
	machine *registers
}

// RunScenario runs one command after the other and returns the story: each
// command, and what it led to.
func RunScenario(commands []string) []string { return runScenario(commands, rule.Set{}) }

func runScenario(commands []string, rules rule.Set) []string {
	s := &stage{
		rules: rules, now: 1000 * chain.Second, actors: map[string]*actor{}, held: map[string]bool{},
		cut: map[string]bool{}, waiting: map[uint64]string{},
	}
	var out []string
	for _, line := range commands {
		s.out.Reset()
		if err := s.do(strings.Fields(line)); err != nil {
			s.say("error: %v", err)
		}
		out = append(out, s.out.String())
	}
	return out
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) do(f []string) error {
	if len(f) == 0 {
		return nil
	}
	switch cmd, args := f[0], f[1:]; cmd {
	case "chain":
		return s.newChain(args)
	case "remove", "join", "promote", "settle", "restart":
		return s.change(cmd, args[0])
	case "tell":
		return s.each(args, func(a *actor) { a.step(index.Configure{Config: s.master.Config}) })
	case "put", "put-absent", "delete":
		return s.command(cmd, args)
	case "read":
		return s.each(args[:1], func(a *actor) { a.read(args[1]) })
	case "deliver":
		return s.deliver(args)
	case "hold", "release":
		s.held[args[0]] = cmd == "hold"
	case "cut":
		return s.cutOff(args)
	case "heal":
		clear(s.cut)
	case "sync":
		return s.each(args, func(a *actor) { a.sync() })
	case "run":
		s.deliverAll(true)
	case "pass":
		return s.pass(args[0])
	case "crash":
		return s.each(args, func(a *actor) { a.crash() })
	case "start":
		return s.each(args, func(a *actor) { a.start() })
	case "image":
		return s.each(args, func(a *actor) { a.image = a.synced })
	case "rollback":
		return s.each(args, func(a *actor) { a.rollBack() })
	case "drain":
		return s.each(args, func(a *actor) { a.step(index.Drain{}) })
	case "status":
		return s.each([]string{"all"}, func(a *actor) { a.status() })
	default:
		return fmt.Errorf("unknown command %q", cmd)
	}
	return nil
}

func (s *stage) each(names []string, fn func(*actor)) error {
	if len(names) == 1 && names[0] == "all" {
		names = s.names
	}
	for _, n := range names {
		a, ok := s.actors[n]
		if !ok {
			return fmt.Errorf("nobody is called %q", n)
		}
		fn(a)
	}
	return nil
}

// actor finds or makes the replica of a name; the n-th name lives on node n.
func (s *stage) actor(name string) *actor {
	if a, ok := s.actors[name]; ok {
		return a
	}
	s.names = append(s.names, name)
	a := &actor{name: name, s: s, id: replicaID(len(s.names), 1)}
	s.actors[name] = a
	a.start()
	return a
}

func (s *stage) newChain(args []string) error {
	minAck := 2
	var first []chain.ReplicaID
	for _, arg := range args {
		if v, ok := strings.CutPrefix(arg, "min-ack="); ok {
			minAck, _ = strconv.Atoi(v)
			continue
		}
		first = append(first, s.actor(arg).id)
	}
	s.master = NewMaster(NewChain(chain.KindIndex, max(3, len(first)), minAck, first...), s.rules)
	s.sayConfig()
	return nil
}

// change makes one change in the master's log, if its rules allow it.
func (s *stage) change(cmd, name string) error {
	r := s.actor(name).id
	m := s.master
	var ok bool
	switch cmd {
	case "remove":
		ok = m.Remove(r)
	case "join":
		ok = m.Join(r)
	case "promote":
		ok = m.Promote(m.Config.Epoch, r)
	case "settle":
		ok = m.Settle(m.Config.Epoch, r)
	case "restart":
		ok = m.Restart(r)
	}
	if !ok {
		s.say("the master refuses")
		return nil
	}
	s.sayConfig()
	return nil
}

func (s *stage) sayConfig() {
	c := &s.master.Config
	s.say("epoch %s: serving %s, syncing %s, settled %s, recoverable %s", c.Epoch, s.list(c.Serving), s.list(c.Syncing), s.list(c.Settled), s.list(c.Recoverable))
}

func (s *stage) list(ids []chain.ReplicaID) string {
	var names []string
	for _, id := range ids {
		names = append(names, s.name(id))
	}
	return "[" + strings.Join(names, " ") + "]"
}

func (s *stage) name(id chain.ReplicaID) string {
	if n := NodeOf(id); n > 0 && n <= len(s.names) {
		return s.names[n-1]
	}
	return "-"
}

// command proposes at a replica; keys are x, y, z; values are numbers.
func (s *stage) command(kind string, args []string) error {
	key, value, _ := strings.Cut(args[1], "=")
	v, _ := strconv.ParseUint(value, 10, 64)
	s.lastOp++
	kinds := map[string]opKind{"put": opPut, "put-absent": opPutAbsent, "delete": opDelete}
	c := command{op: s.lastOp, kind: kinds[kind], key: int(key[0]), value: v}
	s.waiting[s.lastOp] = strings.Join(append([]string{kind}, args[1:]...), " ")
	return s.each(args[:1], func(a *actor) {
		a.step(index.Propose{ID: s.lastOp, Command: c, Given: a.rows.gather(c)})
	})
}

func (s *stage) deliver(args []string) error {
	if args[0] == "all" {
		s.deliverAll(false)
		return nil
	}
	drop, latest, kind := slices.Contains(args, "drop"), slices.Contains(args, "latest"), ""
	if n := len(args) - 1; n > 0 && args[n] != "drop" && args[n] != "latest" {
		kind = args[n]
	}
	at := -1
	for i, env := range s.queue {
		if s.name(env.From)+"->"+s.name(env.To) == args[0] && strings.HasSuffix(fmt.Sprintf("%T", env.Msg), kind) && (at < 0 || latest) {
			at = i
		}
	}
	if at < 0 {
		s.say("nothing waits")
		return nil
	}
	env := s.queue[at]
	s.queue = slices.Delete(s.queue, at, at+1)
	if drop {
		s.say("lost: %s", s.message(env))
		return nil
	}
	s.say("%s", s.message(env))
	s.hand(env)
	return nil
}

func (s *stage) hand(env chain.Envelope) {
	if a := s.actors[s.name(env.To)]; a != nil && a.r != nil {
		a.step(index.Deliver{Env: env})
	}
}

// deliverAll delivers what is not held, until nothing is left.
func (s *stage) deliverAll(sync bool) {
	for n := 0; n < 10000; n++ {
		i := slices.IndexFunc(s.queue, func(e chain.Envelope) bool { return !s.held[s.name(e.From)+"->"+s.name(e.To)] })
		if i >= 0 {
			env := s.queue[i]
			s.queue = slices.Delete(s.queue, i, i+1)
			s.hand(env)
			continue
		}
		if !sync || !s.syncAny() {
			return
		}
	}
	s.say("no end of messages")
}

func (s *stage) syncAny() bool {
	for _, n := range s.names {
		if a := s.actors[n]; a.r != nil && a.synced < len(a.recs) {
			a.sync()
			return true
		}
	}
	return false
}

func (s *stage) cutOff(args []string) error {
	if err := s.each(args, func(*actor) {}); err != nil {
		return err
	}
	for _, n := range s.names {
		if !slices.Contains(args, n) {
			for _, a := range args {
				s.cut[a+"->"+n], s.cut[n+"->"+a] = true, true
			}
		}
	}
	return nil
}

func (s *stage) pass(d string) error {
	ms, err := strconv.ParseInt(strings.TrimSuffix(d, "ms"), 10, 64)
	if err != nil {
		return err
	}
	for end := s.now + ms*chain.Millisecond; s.now < end; {
		s.now += 50 * chain.Millisecond
		for _, n := range s.names {
			if a := s.actors[n]; a.r != nil {
				a.step(index.Tick{})
			}
		}
		s.deliverAll(true)
	}
	return nil
}

// message describes a message with names for numbers.
func (s *stage) message(env chain.Envelope) string {
	who := s.name(env.From) + "->" + s.name(env.To)
	switch m := env.Msg.(type) {
	case *index.Append:
		var es []string
		for _, e := range m.Entries {
			es = append(es, fmt.Sprintf("%s/%d", e.Epoch, e.Seq))
		}
		return fmt.Sprintf("%s Append %v durable %d", who, es, m.Durable)
	case *index.Ack:
		return fmt.Sprintf("%s Ack received %d committed %d", who, m.Received, m.Committed)
	case *index.Welcome:
		return fmt.Sprintf("%s Welcome, log ends at %s/%d", who, m.Marks[len(m.Marks)-1].Epoch, m.Marks[len(m.Marks)-1].Seq)
	case *index.Resume:
		return fmt.Sprintf("%s Resume at %s/%d", who, m.At.Epoch, m.At.Seq)
	}
	return who + " " + strings.TrimPrefix(fmt.Sprintf("%T", env.Msg), "*index.")
}

package chaintest

import (
	"fmt"
	"slices"
)

// calmRounds is how many ticks of a quarter of a lease a chain has to become
// whole when nothing goes wrong any more: waits take four, and what was lost is
// sent again at every tick.
const calmRounds = 12

// calm lets nothing go wrong from w on, and the master change nothing: everyone
// learns the newest configuration, messages arrive, disks finish, time passes.
// Then the chain must be whole. It returns what was done, for a story.
func (x *explorer) calm(w world) ([]action, error) {
	var done []action
	do := func(a action) error {
		done = append(done, a)
		return x.doAll(&w, a)
	}
	for range calmRounds {
		for n := 0; ; n++ {
			acts := slices.DeleteFunc(x.choices(&w, nil), func(a action) bool { return !x.isCalm(&w, a) })
			if len(acts) == 0 {
				break
			}
			if n > 1000 {
				return done, fmt.Errorf("messages without end")
			}
			if err := do(acts[0]); err != nil {
				return done, err
			}
		}
		if err := do(action{actPass, 0, 5}); err != nil {
			return done, err
		}
	}
	return done, x.whole(&w)
}

// isCalm: the action is one by which everything goes well.
func (x *explorer) isCalm(w *world, a action) bool {
	switch a.kind {
	case actDeliver:
		return a.a != astray
	case actLearn:
		return int(a.b) == len(x.masters[w.master].History)-1
	}
	return a.kind == actSync || a.kind == actPage
}

// whole reports what is wrong with a chain that had time.
func (x *explorer) whole(w *world) error {
	cfg := &x.masters[w.master].Config
	head := x.nodes[w.nodes[letterOf(cfg.Head())]].r.Status()
	for _, r := range cfg.Serving {
		n := x.nodes[w.nodes[letterOf(r)]]
		st := n.r.Status()
		if !st.Active || !st.Agreed || st.Config.Epoch != cfg.Epoch {
			return fmt.Errorf("in calm, %s stays in epoch %s, active %v, agreed %v; the newest is %s", letter(n.at), st.Config.Epoch, st.Active, st.Agreed, cfg.Epoch)
		}
		if cfg.Writable() && (st.Applied.Seq != st.Last.Seq || st.Last != head.Last) {
			return fmt.Errorf("in calm, %s has applied %d of %d, and the head's log ends at %d", letter(n.at), st.Applied.Seq, st.Last.Seq, head.Last.Seq)
		}
		if cfg.Writable() && r == cfg.Tail() && w.drains == 0 && n.serve.Until <= clockAt(w.now).Mono {
			return fmt.Errorf("in calm, the tail %s answers no reads", letter(n.at))
		}
	}
	for _, r := range cfg.Syncing {
		if w.reports&(1<<letterOf(r)) == 0 {
			return fmt.Errorf("in calm, the joiner %s is not reported in sync", letter(letterOf(r)))
		}
	}
	return nil
}

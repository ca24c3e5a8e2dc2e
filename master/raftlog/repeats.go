package raftlog

import (
	"fmt"
	"sync"

	"catena/chain"

	"github.com/hashicorp/go-hclog"
)

// Bounds of what is remembered: lines, and bytes of each name or error in them.
const (
	maxRepeats = 256
	maxKeyPart = 200
)

// repeats keeps the library from saying the same over and over.
type repeats struct {
	now func() chain.Instant

	mu sync.Mutex
	// lines are those that were said of late. Guarded by mu.
	lines map[string]*repeated
}

// repeated is one line: when it was said last, and how often it was withheld
// since then.
type repeated struct {
	said     chain.Instant
	withheld int
}

// say reports whether a line is to be said now, and how many were withheld
// since it was said last.
func (r *repeats) say(key string) (said bool, withheld int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	l := r.lines[key]
	if l != nil && int64(now-l.said) < int64(repeatAfter) {
		l.withheld++
		return false, 0
	}
	if l == nil {
		if len(r.lines) >= maxRepeats {
			clear(r.lines)
		}
		l = &repeated{}
		r.lines[key] = l
	}
	withheld = l.withheld
	l.said, l.withheld = now, 0
	return true, withheld
}

// repeatable gives what makes a line the same as another; false if it is always
// to be said. The library names a peer by different keys.
func repeatable(level hclog.Level, msg string, args []any) (key string, ok bool) {
	key, ofPeer := msg, false
	for i := 0; i+1 < len(args); i += 2 {
		switch name, _ := args[i].(string); {
		case name == "peer" || name == "server-id" || name == "target" || name == "candidate" || name == "from":
			ofPeer = true
		case name != "error" || level < hclog.Error:
			continue
		}
		value := fmt.Sprint(args[i+1])
		key += "\x00" + value[:min(len(value), maxKeyPart)]
	}
	return key, level == hclog.Warn || level >= hclog.Error && ofPeer
}

package chaintest

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// The last word on linearizability: the whole history, key by key, against a
// register.

type registerState struct {
	exists bool
	value  uint64
}

type registerOutput struct {
	answer
	unknown bool
}

var registerModel = porcupine.Model{
	Init: func() any { return registerState{} },
	Step: func(state, input, output any) (bool, any) {
		s, cmd, out := state.(registerState), input.(command), output.(registerOutput)
		switch cmd.kind {
		case opRead:
			return out.exists == s.exists && (!s.exists || out.value == s.value), s
		case opPut:
			return true, registerState{true, cmd.value}
		case opPutAbsent:
			if !s.exists {
				return out.unknown || out.ok, registerState{true, cmd.value}
			}
			return out.unknown || !out.ok && out.value == s.value, s
		default:
			return out.unknown || out.ok == s.exists, registerState{}
		}
	},
	Equal: func(a, b any) bool { return a == b },
}

// linearizable checks every key's history. An undecided check is a failure.
func (c *indexCluster) linearizable() error {
	byKey := make([][]porcupine.Operation, c.opt.Keys)
	for _, k := range c.calls {
		if !k.done && c.check_.applied[k.cmd.op] == 0 {
			continue // it had no effect that anybody could see, and never will
		}
		op := porcupine.Operation{
			ClientId: k.client, Input: k.cmd, Call: int64(k.began),
			Output: registerOutput{k.out, !k.done}, Return: int64(k.ended),
		}
		if !k.done {
			// Nobody was told, but it was committed: it took effect just when the
			// tail applied it. (With only its begin known, a dozen such puts that
			// are committed together would have too many orders to try.)
			op.Call = int64(c.check_.applied[k.cmd.op])
			op.Return = op.Call
			// A client goes on after it gave up: to the checker it is another one.
			op.ClientId = 1000 + int(k.cmd.op)
		}
		byKey[k.cmd.key] = append(byKey[k.cmd.key], op)
	}
	for key, ops := range byKey {
		switch porcupine.CheckOperationsTimeout(registerModel, ops, 10*time.Second) {
		case porcupine.Illegal:
			return fmt.Errorf("the history of key %d is not linearizable", key)
		case porcupine.Unknown:
			return fmt.Errorf("the history of key %d was not decided", key)
		}
	}
	return nil
}

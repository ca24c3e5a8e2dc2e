package state

import (
	"fmt"
	"strings"

	"catena/chain"
)

// String says in one line, for people, what the command does.
func (c Command) String() string {
	switch {
	case c.Init != nil:
		return fmt.Sprintf("make cluster %s with %d stores, %d tablets, %d data chains", c.Init.Cluster, len(c.Init.Stores), c.Init.Tablets, c.Init.DataChains)
	case c.AddStore != nil:
		return fmt.Sprintf("add store %s", c.AddStore.Store.ID)
	case c.Replace != nil:
		return fmt.Sprintf("put store %s in the place of %s", c.Replace.Store.ID, c.Replace.Old)
	case c.SetStore != nil:
		return c.SetStore.String()
	case c.Change != nil:
		return c.Change.String()
	case c.Factor != nil:
		return fmt.Sprintf("set the factor from %d to %d", c.Factor.Expect, c.Factor.Factor)
	case c.Feature != nil:
		return fmt.Sprintf("raise the feature level to %d", c.Feature.Level)
	}
	return "nothing"
}

// String says what becomes of the store.
func (s *SetStoreState) String() string {
	what := "is live again"
	if s.State == chain.StoreFailed {
		what = "has failed"
		if s.Broken {
			what = "has failed by an I/O error"
		}
	}
	return because(fmt.Sprintf("store %s %s", s.ID, what), s.Reason)
}

// String says what becomes of the chain.
func (c *ChangeChain) String() string {
	names := make([]string, len(c.Replicas))
	for i, r := range c.Replicas {
		names[i] = r.String()
	}
	who := strings.Join(names, ", ")
	var what string
	switch c.Kind {
	case ChangeRemove:
		what = "remove " + who
	case ChangeJoin:
		what = "fill " + who
	case ChangeDrop:
		what = "stop filling " + who
	case ChangePromote:
		what = "let " + who + " serve"
	case ChangeSettle:
		what = who + " has settled"
	case ChangeRestart:
		what = "restart from " + who
	case ChangeForce:
		what = "FORCE a restart from " + who + ", which may lack acknowledged writes"
	case ChangeResize:
		what = fmt.Sprintf("want %d members, commit with %d", c.Factor, c.MinAck)
	}
	return because(fmt.Sprintf("chain %d after epoch %s: %s", c.Chain, c.Expect, what), c.Reason)
}

func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + " (" + why + ")"
}

// Describe is a plan as text, one line per change, in order.
func Describe(cmds []Command) string {
	if len(cmds) == 0 {
		return "nothing to change\n"
	}
	var b strings.Builder
	for _, c := range cmds {
		b.WriteString(c.String())
		b.WriteByte('\n')
	}
	return b.String()
}

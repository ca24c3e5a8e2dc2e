package state

import "fmt"

// FactorChange says, before it is made, what another factor will do.
type FactorChange struct {
	From, To uint8
	// MinAck is the number of members below which a chain will take no writes.
	MinAck uint8
	// Grow and Shrink count the chains that will gain or lose members.
	Grow, Shrink int
	// Live is how many stores can hold a member now.
	Live int
}

// LookAtFactor says what a change of the factor will do, or why it is refused:
// chains never have more members than there are stores that live.
func LookAtFactor(st *State, obs Observed, to uint8) (FactorChange, error) {
	f := FactorChange{From: st.Factor, To: to, MinAck: minAck(max(to, 1))}
	for _, s := range st.Stores {
		if obs.up(st, s.ID) {
			f.Live++
		}
	}
	for _, c := range st.Chains {
		switch n := len(c.Config.Serving); {
		case n < int(to):
			f.Grow++
		case n > int(to):
			f.Shrink++
		}
	}
	switch {
	case to < 1 || to > MaxFactor:
		return f, fmt.Errorf("a factor of %d is not between 1 and %d", to, MaxFactor)
	case int(to) > f.Live && to > st.Factor:
		return f, fmt.Errorf("a factor of %d needs %d stores that live, and there are %d: add directories, or put empty ones in the place of lost ones, first", to, to, f.Live)
	}
	return f, nil
}

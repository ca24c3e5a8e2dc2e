package chaintest

import (
	"strings"
	"testing"

	"catena/chain/internal/mutant"

	"github.com/stretchr/testify/require"
)

func TestExplore(t *testing.T) {
	for _, s := range Scopes {
		t.Run(s.Name, func(t *testing.T) {
			res := Explore(s, ExploreOptions{States: 300000})
			t.Log(res)
			require.NoError(t, res.Err, strings.Join(res.Story, "\n"))
		})
	}
}

func TestExploreMutants(t *testing.T) {
	two := Scope{Name: "two", Serving: 2, Replicas: 2, MinAck: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Strays: 1, Link: 3}
	three1 := Scope{Name: "three-1", Serving: 3, Replicas: 3, MinAck: 2, Epochs: 1, Ops: []opKind{opPut, opPut}, Crashes: 2, Link: 3}
	three := Scope{Name: "three", Serving: 3, Replicas: 3, MinAck: 2, Epochs: 2, Ops: []opKind{opPut}, Ticks: 1, Pass: []int{21}, Link: 3, Remove: "ABC"}
	for _, m := range []struct {
		name string
		rule mutant.Rule
		s    Scope
	}{
		{"ack before sync", mutant.AckBeforeSync, two},
		{"durable prefix", mutant.NoDurablePrefix, two},
		{"commit before all", mutant.CommitBeforeAll, two},
		{"stream rule", mutant.NoStreamRule, two},
		{"hello before agreed", mutant.HelloBeforeAgreed, three1},
		{"order before hello", mutant.OrderBeforeHello, two},
		{"no wait out", mutant.NoWaitOut, three},
		{"read without lease", mutant.ReadWithoutLease, three},
		{"apply uncommitted", mutant.ApplyUncommitted, two},
		{"no epoch check", mutant.NoEpochCheck, three},
	} {
		t.Run(m.name, func(t *testing.T) {
			res := Explore(m.s, ExploreOptions{States: 3000000, off: mutant.Without(m.rule)})
			t.Log(res)
			if res.Err != nil {
				t.Log("\n" + strings.Join(res.Story, "\n"))
			}
			if res.Err == nil {
				t.Fail()
			}
		})
	}
}

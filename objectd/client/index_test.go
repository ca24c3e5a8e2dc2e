package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/tablet"

	"github.com/stretchr/testify/require"
)

func newClient(t *testing.T, n Node) *Client {
	c, err := New(Config{Node: n})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func kindOf(t *testing.T, err error) chain.RefusalKind {
	t.Helper()
	var r *chain.Refusal
	require.ErrorAs(t, err, &r)
	return r.Kind
}

// try is what happens to one try of a command.
type try struct {
	err    error         // the head's
	status tablet.Status // of its answer
	lost   bool          // no answer comes
}

// What a try may say of the next one, and of the end.
func TestTriesAreMarked(t *testing.T) {
	lost, ok := try{lost: true}, try{status: tablet.StatusOK}
	refused := func(k chain.RefusalKind) try { return try{err: refusal(k)} }
	for name, c := range map[string]struct {
		repeat bool // the caller's word
		tries  []try
		// repeats is how each try was marked; the last outcome of tries goes on for ever.
		repeats []bool
		status  tablet.Status
		kind    chain.RefusalKind
	}{
		"answered at once":                 {tries: []try{ok}, repeats: []bool{false}, status: tablet.StatusOK},
		"a refused try leaves a first one": {tries: []try{refused(chain.RefusedNotHead), refused(chain.RefusedBusy), ok}, repeats: []bool{false, false, false}, status: tablet.StatusOK},
		"a lost try makes repeats":         {tries: []try{lost, ok}, repeats: []bool{false, true}, status: tablet.StatusOK},
		"an unknown one does too":          {tries: []try{refused(chain.RefusedUnknown), refused(chain.RefusedNotReady), ok}, repeats: []bool{false, true, true}, status: tablet.StatusOK},
		"the caller may say so":            {repeat: true, tries: []try{ok}, repeats: []bool{true}, status: tablet.StatusOK},
		"another tablet: asked again":      {tries: []try{{status: tablet.RefusedTablet}, ok}, repeats: []bool{false, false}, status: tablet.StatusOK},
		"a first try's refusal is told":    {tries: []try{{status: tablet.RefusedLearned}}, repeats: []bool{false}, status: tablet.RefusedLearned},
		"a repeat's is not":                {tries: []try{lost, {status: tablet.RefusedLearned}}, repeats: []bool{false, true}, kind: chain.RefusedUnknown},
		"negative answers are final":       {tries: []try{lost, {status: tablet.PreconditionFailed}}, repeats: []bool{false, true}, status: tablet.PreconditionFailed},
		"full is final":                    {tries: []try{refused(chain.RefusedFull)}, repeats: []bool{false}, kind: chain.RefusedFull},
		"full is not after a lost one":     {tries: []try{lost, refused(chain.RefusedFull)}, kind: chain.RefusedUnknown},
		"invalid is final":                 {tries: []try{refused(chain.RefusedInvalid)}, repeats: []bool{false}, kind: chain.RefusedInvalid},
		"refused to the end":               {tries: []try{refused(chain.RefusedBelowMinAck)}, kind: chain.RefusedBelowMinAck},
		"lost to the end":                  {tries: []try{lost}, kind: chain.RefusedUnknown},
		"lost once, then refused":          {tries: []try{lost, refused(chain.RefusedNotReady)}, kind: chain.RefusedUnknown},
		"a repeat that is always refused":  {repeat: true, tries: []try{refused(chain.RefusedNotReady)}, kind: chain.RefusedUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var repeats []bool
				n := &fakeNode{m: cmap()}
				n.propose = func(ctx context.Context, r chain.ReplicaID, cmd *tablet.Command) (tablet.Answer, error) {
					require.Equal(t, replica(1), r, "commands go to the head")
					require.Equal(t, chain.TabletID(7), cmd.Tablet)
					require.EqualValues(t, 4, cmd.Generation)
					require.Equal(t, chain.OpID{9}, cmd.Op, "one opID over all tries")
					now := c.tries[min(len(repeats), len(c.tries)-1)]
					repeats = append(repeats, cmd.Repeat)
					if now.lost {
						<-ctx.Done()
						return tablet.Answer{}, ctx.Err()
					}
					return tablet.Answer{Status: now.status}, now.err
				}
				began := time.Now()
				a, err := newClient(t, n).Do(context.Background(), nil, tablet.Command{Op: chain.OpID{9}, Repeat: c.repeat, Action: &tablet.Empty{}})
				if c.kind != 0 {
					require.Equal(t, c.kind, kindOf(t, err))
				} else {
					require.NoError(t, err)
					require.Equal(t, c.status, a.Status)
				}
				if c.repeats != nil {
					require.Equal(t, c.repeats, repeats)
				}
				require.LessOrEqual(t, time.Since(began), 15*time.Second, "a call without a deadline ends")
			})
		})
	}
}

// A command's deadline is the caller's, when he has one.
func TestDoEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		n.propose = func(context.Context, chain.ReplicaID, *tablet.Command) (tablet.Answer, error) {
			return tablet.Answer{}, refusal(chain.RefusedNotReady)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		began := time.Now()
		_, err := newClient(t, n).Do(ctx, nil, tablet.Command{Op: chain.OpID{9}})
		require.Equal(t, chain.RefusedNotReady, kindOf(t, err))
		require.Equal(t, 40*time.Second, time.Since(began))
	})
}

// Routing follows the map as it is at each try.
func TestDoFollowsTheMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{}
		var asked []chain.ReplicaID
		n.propose = func(_ context.Context, r chain.ReplicaID, _ *tablet.Command) (tablet.Answer, error) {
			asked = append(asked, r)
			if len(asked) == 1 {
				m := cmap()
				c := config(1, chain.KindIndex, 3)
				c.Serving = c.Serving[1:]
				c.Epoch.N++
				m.Version, m.Chains[1] = 2, c
				n.setMap(m)
				return tablet.Answer{}, refusal(chain.RefusedFailed)
			}
			return tablet.Answer{Status: tablet.StatusOK}, nil
		}
		go func() { time.Sleep(time.Second); n.setMap(cmap()) }()
		a, err := newClient(t, n).Do(context.Background(), nil, tablet.Command{Op: chain.OpID{9}})
		require.NoError(t, err, "before the first map it waits")
		require.Equal(t, tablet.StatusOK, a.Status)
		require.Equal(t, []chain.ReplicaID{replica(1), replica(2)}, asked)
	})
}

func TestQueryAsksTheTailUntilItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		tries := 0
		n.query = func(r chain.ReplicaID, q *tablet.Query) (tablet.Result, error) {
			require.Equal(t, replica(3), r)
			require.Equal(t, chain.TabletID(7), q.Tablet)
			switch tries++; tries {
			case 1:
				return tablet.Result{}, refusal(chain.RefusedNoLease)
			case 2:
				return tablet.Result{Status: tablet.RefusedTablet}, nil
			}
			return tablet.Result{Status: tablet.NotFound}, nil
		}
		res, err := newClient(t, n).Query(context.Background(), nil, tablet.Query{})
		require.NoError(t, err)
		require.Equal(t, tablet.NotFound, res.Status)
		require.Equal(t, 3, tries)
	})
}

func TestQueryEndsWithTheLastRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNode{m: cmap()}
		n.query = func(chain.ReplicaID, *tablet.Query) (tablet.Result, error) {
			return tablet.Result{}, refusal(chain.RefusedNoLease)
		}
		_, err := newClient(t, n).Query(context.Background(), nil, tablet.Query{})
		require.Equal(t, chain.RefusedNoLease, kindOf(t, err))
		n.m = nil
		_, err = newClient(t, n).Query(context.Background(), nil, tablet.Query{})
		require.Equal(t, chain.RefusedNotReady, kindOf(t, err))
	})
}

func TestConfigNeedsANode(t *testing.T) {
	_, err := New(Config{})
	require.Error(t, err)
	require.False(t, errors.Is(err, context.Canceled))
}

package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/harness"
	"catena/cmd/internal/workload"
)

// A build without one rule is caught only by a server that broke its word.
func TestWhatCatchesABuild(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("round 1: torture: after filling it again: %w", err) }
	for name, c := range map[string]struct {
		err    error
		caught bool
	}{
		"lost":                       {wrap(fmt.Errorf("%w: LOST k", workload.ErrContradiction)), true},
		"not answered":               {wrap(fmt.Errorf("%w: list", workload.ErrUnanswered)), true},
		"lost beside an end":         {wrap(errors.Join(context.Canceled, workload.ErrContradiction)), true},
		"passed":                     {nil, false},
		"nothing tested":             {Result{Rounds: 3}.tested(), false},
		"end of the run":             {wrap(context.Canceled), false},
		"time is over":               {wrap(context.DeadlineExceeded), false},
		"server ended":               {wrap(harness.ErrEnded), false},
		"anything that was not that": {wrap(errors.New("Service is unable to handle request.")), false},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := audited("running", "a_tag", c.err, &out, &errOut)
			require.Equal(t, c.caught, code == 0)
			require.Equal(t, c.caught, out.Len() > 0)
			require.Equal(t, c.caught, errOut.Len() == 0)
		})
	}
}

func TestARunThatDidNothingDoesNotPass(t *testing.T) {
	require.NoError(t, Result{Rounds: 1, Acked: 1, Keys: 1}.tested())
	require.Error(t, Result{Acked: 1, Keys: 1}.tested())
	require.Error(t, Result{Rounds: 1, Keys: 1}.tested())
	require.Error(t, Result{Rounds: 1, Acked: 1}.tested())
	modes := []Mode{{Name: "kill", Rounds: 1, Run: func(context.Context, Config, int) (Result, error) {
		t.Error("a negative number of rounds is run")
		return Result{}, nil
	}}}
	require.Equal(t, 2, Main([]string{"-rounds", "-1"}, io.Discard, io.Discard, modes))
}

// The time limit begins no round, and forgives none what it found.
func TestTheLimitEndsARunBetweenRounds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	past, none := Config{Until: time.Unix(1, 0)}, Config{}
	require.False(t, past.goesOn(ctx))
	require.True(t, none.goesOn(ctx))
	cancel()
	require.False(t, none.goesOn(ctx))
}

func TestOneLostStoreIsNoExcuse(t *testing.T) {
	live := admin.Store{State: "live", Alive: true}
	silent := admin.Store{State: "live"}
	failed, absent, replaced := admin.Store{State: "failed"}, admin.Store{State: "absent"}, admin.Store{State: "replaced"}
	full := admin.Store{State: "live", Alive: true, Full: true}
	for name, c := range map[string]struct {
		stores  []admin.Store
		excused bool
	}{
		"all":                 {[]admin.Store{live, live, live}, false},
		"one failed":          {[]admin.Store{live, failed, live}, false},
		"one absent":          {[]admin.Store{absent, live, live}, false},
		"one replaced":        {[]admin.Store{replaced, replaced, live, live, live}, false},
		"two failed":          {[]admin.Store{live, failed, failed}, true},
		"one failed, a slow":  {[]admin.Store{live, failed, silent}, true},
		"one is without room": {[]admin.Store{live, full, live}, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.excused, excuse(c.stores) != nil)
		})
	}
}

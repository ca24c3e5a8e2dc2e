package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"catena/cmd/internal/admin"
	"catena/cmd/internal/workload"
)

// audited turns the verdict around for a build without one rule: it is caught
// when the server broke its word, by lost, wrong or invented data, or by not
// answering for what it acknowledged while it was able to (see
// workload.ErrUnanswered for why a store without its rows may be silent).
// Everything else proves nothing about the rule: a server that did not start, a
// full disk, the end of the run, a chain that is not filled in time.
func audited(mode, tag string, err error, out, errOut io.Writer) int {
	if !caught(err) {
		fmt.Fprintf(errOut, "%s: the build with %s was not caught: %v\n", mode, tag, err)
		return 1
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	fmt.Fprintf(out, "%s: the build with %s is caught: %s\n", mode, tag, first)
	return 0
}

func caught(err error) bool {
	return errors.Is(err, workload.ErrContradiction) || errors.Is(err, workload.ErrUnanswered)
}

// tested reports what a run without a finding lacks to mean anything.
func (r Result) tested() error {
	switch {
	case r.Rounds == 0:
		return errors.New("torture: no round was completed: nothing was tested")
	case r.Acked == 0 || r.Keys == 0:
		return errors.New("torture: no write was acknowledged: nothing was tested")
	}
	return nil
}

// able gives the server's excuse for not answering, nil if it has none: the
// process lives, answers /healthz and its status, and has all its directories
// but for the one that it must bear to lose.
func (r *run) able(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-r.srv.Done():
		return errors.New("the server has ended")
	default:
	}
	code, _, err := r.srv.AdminGet(ctx, "/healthz")
	if err != nil {
		return fmt.Errorf("/healthz does not answer: %w", err)
	}
	if code != http.StatusOK {
		return fmt.Errorf("/healthz says %d", code)
	}
	st, err := r.status(ctx)
	if err != nil {
		return fmt.Errorf("it does not tell its status: %w", err)
	}
	return excuse(st.Stores)
}

// excuse is more than one lost store: a run takes one away at a time, so the
// surroundings took the rest. A store without space is none, and answers so.
func excuse(stores []admin.Store) error {
	lost := 0
	for _, s := range stores {
		// The place of a replaced one was filled.
		if s.State != "replaced" && !s.Serves() {
			lost++
		}
	}
	if lost > 1 {
		return fmt.Errorf("%d stores are lost at once", lost)
	}
	return nil
}

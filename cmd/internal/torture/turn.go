package torture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"catena/cmd/internal/admin"
)

// inTurn calls lose for each directory, `rounds` times over, until the
// run's time is over: first for the one whose master leads, then for what is
// left, the leader again if it is among them. n counts from 1; role is leader or
// follower.
func (r *run) inTurn(ctx context.Context, rounds int, lose func(n, dir int, role string) error) error {
	for n := 0; n < rounds*len(r.dirs); {
		left := make([]int, len(r.dirs))
		for i := range left {
			left[i] = i
		}
		for len(left) > 0 {
			if !r.goesOn(ctx) {
				return ctx.Err()
			}
			leader, err := r.leader(ctx)
			if err != nil {
				return err
			}
			at, role := slices.Index(left, leader), "leader"
			if at < 0 {
				at, role = 0, "follower"
			}
			n++
			if err := lose(n, left[at], role); err != nil {
				return err
			}
			left = slices.Delete(left, at, at+1)
			r.res.Rounds = n
			if role == "leader" {
				r.res.Leaders++
			}
		}
	}
	return nil
}

// leader is the index of the directory whose master leads.
func (r *run) leader(ctx context.Context) (int, error) {
	st, err := r.status(ctx)
	if err != nil {
		return 0, fmt.Errorf("torture: who leads: %w", err)
	}
	for _, s := range st.Stores {
		if s.ID == st.Leader {
			if i := slices.Index(r.dirs, s.Path); i >= 0 {
				return i, nil
			}
		}
	}
	return 0, fmt.Errorf("torture: no directory of %v has the leader %q", r.dirs, st.Leader)
}

func (r *run) status(ctx context.Context) (admin.Status, error) {
	c := admin.Client{Addr: r.srv.Admin, Access: r.srv.AccessKey, Secret: r.srv.SecretKey, Now: time.Now}
	return c.Status(ctx)
}

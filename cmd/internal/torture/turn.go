package torture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"catena/cmd/internal/admin"
)

// inTurn calls lose for each directory, `rounds` times over, in the order of
// pick, until the run's time is over. n counts from 1; role is leader or
// follower, as it was just before.
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
			at, role := pick(left, leader, len(r.dirs)-len(left))
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

// pick chooses which of a round's directories goes next, after gone others: the
// one whose master leads and one whose master follows by turns, and what is
// left when there is none of the kind. Of three directories, the first is
// always the leader's and the second always a follower's.
func pick(left []int, leader, gone int) (at int, role string) {
	at = slices.IndexFunc(left, func(dir int) bool { return (dir == leader) == (gone%2 == 0) })
	at = max(at, 0)
	if left[at] == leader {
		return at, "leader"
	}
	return at, "follower"
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

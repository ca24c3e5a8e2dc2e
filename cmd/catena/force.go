package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"catena/chain"
	"catena/cmd/internal/admin"
)

func forceCommand(env environment) *cobra.Command {
	var o *operating
	var reason string
	var accept bool
	c := &cobra.Command{
		Use:   "force CHAIN REPLICA --reason TEXT --i-accept-data-loss",
		Short: "Last resort: start a dead chain from a replica that may lack acknowledged writes",
		Long: "When everybody that holds every acknowledged write of a chain is lost for good, start it from another replica. What only the\n" +
			"lost ones had is lost, for ever. It is refused while one of them can serve. CHAIN and REPLICA (STORE/INCARNATION; of the store\n" +
			"the first 8 digits do) are those of `catena status --chains`. Who did it, when, and why is logged and kept for ever." + operatingHelp,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(fmt.Errorf("force: a chain and a replica are wanted; see %s --help", c.CommandPath()))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			in, err := forceRequest(args[0], reason, accept)
			if err != nil {
				return usage(err)
			}
			return o.ask(c.Context(), func(ctx context.Context, cl admin.Client) error {
				return force(ctx, env, cl, in, args[1])
			})
		},
	}
	o = addOperating(c, env)
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence that is kept for ever")
	c.Flags().BoolVar(&accept, "i-accept-data-loss", false, "say that acknowledged writes may be lost")
	return c
}

// forceRequest reports everything that is wrong with what was said. Replica and
// epoch are still to be found.
func forceRequest(id, reason string, accept bool) (admin.ForceRequest, error) {
	n, err := strconv.ParseUint(id, 10, 64)
	var errs []error
	if err != nil || n == 0 {
		errs = append(errs, fmt.Errorf("force: %q is not a chain's number", id))
	}
	if strings.TrimSpace(reason) == "" {
		errs = append(errs, errors.New("force: --reason is needed: it is kept for ever"))
	}
	if !accept {
		errs = append(errs, errors.New("force: a forced start may lose acknowledged writes for ever; "+
			"say --i-accept-data-loss if that is meant"))
	}
	return admin.ForceRequest{Chain: chain.ChainID(n), Reason: reason, AcceptDataLoss: accept}, errors.Join(errs...)
}

// force names the replica and the epoch that are seen now: if the chain moves on
// meanwhile, nothing is forced.
func force(ctx context.Context, env environment, cl admin.Client, in admin.ForceRequest, replica string) error {
	st, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	c, err := troubled(st, in.Chain)
	if err != nil {
		return err
	}
	if in.Replica, err = findReplica(c, replica); err != nil {
		return err
	}
	in.Epoch = c.Epoch
	out, err := cl.Force(ctx, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "chain %d starts from %s after epoch %s\nrecorded: %s\n", in.Chain, in.Replica, in.Epoch, out.Recorded)
	return nil
}

func troubled(st admin.Status, id chain.ChainID) (*admin.Chain, error) {
	for i := range st.Trouble {
		if st.Trouble[i].ID == id {
			return &st.Trouble[i], nil
		}
	}
	return nil, &admin.Refusal{Reason: fmt.Sprintf("chain %d is as it should be, or there is none", id)}
}

// findReplica takes the whole id or the first digits of its store.
func findReplica(c *admin.Chain, text string) (admin.Replica, error) {
	store, inc, ok := strings.Cut(text, "/")
	var found []admin.Replica
	var names []string
	for _, r := range c.Known() {
		names = append(names, r.String())
		if ok && len(store) >= 8 && strings.HasPrefix(r.Store.String(), store) && inc == fmt.Sprint(r.Incarnation) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return admin.Replica{}, usage(fmt.Errorf("force: chain %d knows no replica %q (STORE/INCARNATION); it knows %s",
			c.ID, text, strings.Join(names, ", ")))
	}
	return admin.Replica{}, usage(fmt.Errorf("force: %q names several replicas of chain %d: give the whole id", text, c.ID))
}

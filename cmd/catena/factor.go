package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"catena/cmd/internal/admin"
)

func factorCommand(env environment) *cobra.Command {
	f := &factorFlags{env: env}
	c := &cobra.Command{
		Use: "factor [N]", Short: "Show or change how many copies a running server keeps of everything",
		Long: "Without N, print the factor. With N, say what will happen and change it; the chains follow, one member at a time, while\n" +
			"reads and writes go on. N is at least 1 and at most the number of stores that live (and 9). The factor is kept in the\n" +
			"masters' log; a new cluster has min(3, number of directories)." + operatingHelp,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("factor: one number is wanted; see %s --help", c.CommandPath()))
			}
			return nil
		},
		RunE: f.run,
	}
	f.o = addOperating(c, env)
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would happen")
	c.Flags().BoolVar(&f.accept, "i-accept-data-loss", false, "needed for 1: a lost disk then loses what is on it")
	c.Flags().DurationVar(&f.wait, "wait", 0, "wait so long for all chains to follow; the exit code is 1 if they have not")
	return c
}

type factorFlags struct {
	env            environment
	o              *operating
	dryRun, accept bool
	wait           time.Duration
}

func (f *factorFlags) run(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return f.o.ask(c.Context(), func(ctx context.Context, cl admin.Client) error {
			st, err := cl.Status(ctx)
			if err == nil {
				fmt.Fprintln(f.env.stdout, st.Factor)
			}
			return err
		})
	}
	to, err := strconv.Atoi(args[0])
	if err != nil || to < 1 {
		return usage(fmt.Errorf("factor: %q is not a number of copies, 1 or more", args[0]))
	}
	err = f.o.ask(c.Context(), func(ctx context.Context, cl admin.Client) error { return f.change(ctx, cl, to) })
	if err != nil || f.dryRun || f.wait <= 0 {
		return err
	}
	return f.follow(c.Context(), to)
}

// change looks first, so that what was said is what is done: a factor that has
// changed meanwhile is refused.
func (f *factorFlags) change(ctx context.Context, cl admin.Client, to int) error {
	st, err := cl.Status(ctx)
	if err != nil {
		return err
	}
	in := admin.FactorRequest{From: st.Factor, To: to, DryRun: true}
	look, err := cl.Factor(ctx, in)
	if err != nil {
		return err
	}
	fmt.Fprintf(f.env.stdout, "factor %d to %d\n", look.From, look.To)
	for _, line := range look.Effects {
		fmt.Fprintln(f.env.stdout, line)
	}
	if f.dryRun || look.From == look.To {
		return nil
	}
	in.DryRun, in.AcceptDataLoss = false, f.accept
	if _, err := cl.Factor(ctx, in); err != nil {
		return err
	}
	fmt.Fprintln(f.env.stdout, "changed; the chains follow: watch `catena status`")
	return nil
}

// follow polls until no chain has fewer or more members than wanted.
func (f *factorFlags) follow(ctx context.Context, to int) error {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		var st admin.Status
		err := f.o.ask(ctx, func(ctx context.Context, cl admin.Client) (err error) { st, err = cl.Status(ctx); return err })
		if err == nil && st.Factor != to {
			return fmt.Errorf("the factor was changed again, to %d", st.Factor)
		}
		if err == nil && st.Below+st.Above == 0 {
			fmt.Fprintf(f.env.stdout, "all %d chains have %d members\n", st.Chains, to)
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err
			}
			return fmt.Errorf("after %s, %d chains have fewer members than wanted and %d more; they go on", f.wait, st.Below, st.Above)
		case <-t.C:
		}
	}
}

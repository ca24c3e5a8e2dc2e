package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"catena/cmd/internal/lifecycle"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitForced = 3
)

func main() {
	env := environment{
		stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		stdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())), stderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	os.Exit(run(context.Background(), env, os.Args[1:]))
}

// environment is what a command has of the world, so that tests can give another.
type environment struct {
	stdout, stderr                     io.Writer
	environ                            []string
	stdoutIsTerminal, stderrIsTerminal bool
	// args is the command line without the program; set by run.
	args []string
}

// usageError is a mistake of the command line or of a setting.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage marks an error as a mistake of the caller; nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

// run executes a command line and gives the exit code.
func run(ctx context.Context, env environment, args []string) int {
	env.args = args
	root := newRoot(env)
	root.SetArgs(args)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	err := root.ExecuteContext(ctx)
	var bad *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, lifecycle.ErrForced):
		return exitForced
	case errors.As(err, &bad):
		fmt.Fprintf(env.stderr, "catena: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(env.stderr, "catena: %v\n", err)
	return exitFailed
}

func newRoot(env environment) *cobra.Command {
	root := &cobra.Command{
		Use: "catena", Short: "An S3-compatible object store on replicated chains",
		SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q; see catena --help", args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see %s --help", err, c.CommandPath()))
	})
	root.AddCommand(
		serverCommand(env), configCommand(env), keysCommand(env), healthcheckCommand(env),
		statusCommand(env), factorCommand(env), forceCommand(env), versionCommand(env), benchCommand(env),
	)
	return root
}

// atLeast wants n arguments, with a sentence that says of what.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(fmt.Errorf("%s: %s; see %s --help", c.Name(), what, c.CommandPath()))
		}
		return nil
	}
}

// none wants no arguments.
func none(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes no arguments, %q is one; see %s --help", c.Name(), args[0], c.CommandPath()))
	}
	return nil
}

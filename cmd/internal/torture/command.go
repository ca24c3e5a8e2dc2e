package torture

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"catena/cmd/internal/campaign"
	"catena/cmd/internal/harness"
)

// Mode is one kind of run.
type Mode struct {
	// Name is the mode's and the campaign's.
	Name, Campaign string
	// Rounds is the default number.
	Rounds int
	Run    func(ctx context.Context, cfg Config, rounds int) (Result, error)
}

// underTest are the packages whose change makes earlier slices void.
var underTest = []string{"chain", "master", "objectd", "s3api", "cmd/catena"}

// Main is the body of the torture commands: flags, one run, one campaign line.
// It returns the exit code.
func Main(args []string, out, errOut io.Writer, modes []Mode) int {
	fs := flag.NewFlagSet("torture", flag.ContinueOnError)
	fs.SetOutput(errOut)
	mode := fs.String("mode", modes[0].Name, "what to do: "+names(modes))
	rounds := fs.Int("rounds", 0, "rounds (0: the mode's default)")
	limit := fs.Duration("limit", 0, "begin no round after this time, as a slice (0: no limit)")
	work := fs.String("work", "", "folder for data on a real disk (default: a new temporary one)")
	seed := fs.Uint64("seed", uint64(time.Now().UnixNano()), "seed of the writers")
	record := fs.Bool("record", false, "append a line to "+campaign.File)
	log := fs.String("log", "", "file for the server's output")
	mutant := fs.String("mutant", "", "build tag of a server without one rule: the run must find that it breaks its word")
	within := fs.Duration("restart-within", 3*time.Second, "longest restart allowed")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	m, err := find(modes, *mode)
	if err != nil {
		fmt.Fprintln(errOut, err)
		return 2
	}
	if *rounds < 0 {
		fmt.Fprintf(errOut, "torture: -rounds %d is negative\n", *rounds)
		return 2
	}
	if *rounds == 0 {
		*rounds = m.Rounds
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg := Config{Seed: *seed, Writers: 8, Keys: 40, RestartWithin: *within, Out: out, ServerLog: io.Discard, Work: *work, Mutant: *mutant}
	if *log != "" {
		f, err := os.OpenFile(*log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			fmt.Fprintln(errOut, err)
			return 2
		}
		defer f.Close()
		cfg.ServerLog = f
	}
	res, err := slice(ctx, m, cfg, *rounds, *limit, *record && *mutant == "")
	if *mutant != "" {
		return audited(m.Name, *mutant, err, out, errOut)
	}
	if err != nil {
		fmt.Fprintf(errOut, "%s: seed %d: %v\n", m.Name, *seed, err)
		return 1
	}
	fmt.Fprintf(out, "%s: %d rounds, %d acknowledged, %d refused or unknown, %d keys, slowest restart %s, seed %d: pass\n",
		m.Name, res.Rounds, res.Acked, res.Refused, res.Keys, res.SlowestRestart.Round(time.Millisecond), *seed)
	return 0
}

func slice(ctx context.Context, m Mode, cfg Config, rounds int, limit time.Duration, record bool) (Result, error) {
	root, err := harness.Root()
	if err != nil {
		return Result{}, err
	}
	if cfg.Work == "" {
		if cfg.Work, err = os.MkdirTemp("", "catena-torture"); err != nil {
			return Result{}, err
		}
		defer os.RemoveAll(cfg.Work)
	}
	if cfg.Binary, err = harness.Build(ctx, cfg.Work, cfg.Mutant); err != nil {
		return Result{}, err
	}
	s, err := campaign.Begin(root, m.Campaign, underTest...)
	if err != nil {
		return Result{}, err
	}
	if limit > 0 {
		cfg.Until = time.Now().Add(limit)
	}
	res, err := m.Run(ctx, cfg, rounds)
	if err == nil {
		err = res.tested()
	}
	// A slice that a signal broke off says nothing.
	if record && ctx.Err() == nil {
		if rerr := s.End(res.Rounds, res.Detail(), err); rerr != nil {
			return res, rerr
		}
	}
	return res, err
}

func names(modes []Mode) string {
	out := ""
	for i, m := range modes {
		if i > 0 {
			out += ", "
		}
		out += m.Name
	}
	return out
}

func find(modes []Mode, name string) (Mode, error) {
	for _, m := range modes {
		if m.Name == name {
			return m, nil
		}
	}
	return Mode{}, fmt.Errorf("torture: no mode %q; there are: %s", name, names(modes))
}

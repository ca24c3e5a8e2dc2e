package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"catena/chain/chaintest"
	"catena/cmd/internal/campaign"
	"catena/cmd/internal/harness"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are what the command was told.
type options struct {
	kind    string
	seed    uint64
	seeds   uint64
	minutes float64
	workers int
	record  bool
	trace   bool
	scope   string
	states  int
}

// kinds are the simulations: each runs one seed and says how to see it again.
var kinds = map[string]struct {
	campaign string
	folders  []string
	run      func(seed uint64) (summary, trace string, err error)
}{
	"index": {"sim", []string{"chain"}, func(seed uint64) (string, string, error) {
		r := chaintest.RunIndex(seed, chaintest.IndexOptions{})
		return r.String(), r.Trace, r.Err
	}},
	"data": {"sim-data", []string{"chain"}, func(seed uint64) (string, string, error) {
		r := chaintest.RunData(seed, chaintest.DataOptions{})
		return fmt.Sprintf("seed %d: %v", seed, r.Err), "", r.Err
	}},
}

func run(args []string, out, errOut io.Writer) int {
	var o options
	fs := flag.NewFlagSet("sim", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.StringVar(&o.kind, "kind", "index", "which chains: index or data; or explore, all states of small index chains")
	fs.Uint64Var(&o.seed, "seed", 0, "run this one seed")
	fs.Uint64Var(&o.seeds, "seeds", 0, "how many seeds (0: until -minutes are over)")
	fs.Float64Var(&o.minutes, "minutes", 10, "how long")
	fs.IntVar(&o.workers, "workers", 2, "how many at once")
	fs.BoolVar(&o.record, "record", false, "append a line to "+campaign.File)
	fs.BoolVar(&o.trace, "trace", false, "with -seed: print the trace")
	fs.StringVar(&o.scope, "scope", "", "with -kind explore: only this scope")
	fs.IntVar(&o.states, "states", 10_000_000, "with -kind explore: cut a scope at so many states")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if o.kind == "explore" && o.states > 0 && o.minutes > 0 {
		return ended(explore(o, out), errOut)
	}
	k, ok := kinds[o.kind]
	if !ok || o.workers < 1 || o.minutes <= 0 {
		fmt.Fprintln(errOut, "sim: -kind is index, data or explore; -workers, -minutes and -states are positive")
		return 2
	}
	if o.seed != 0 {
		summary, trace, err := k.run(o.seed)
		if o.trace {
			fmt.Fprintln(out, trace)
		}
		fmt.Fprintln(out, summary)
		if err != nil {
			return 1
		}
		return 0
	}
	return ended(slice(o, out), errOut)
}

// ended says what went wrong, and returns the exit code.
func ended(err error, errOut io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(errOut, "sim:", err)
	return 1
}

// slice runs seeds from where the recorded ones of this code ended.
func slice(o options, out io.Writer) error {
	k := kinds[o.kind]
	root, err := harness.Root()
	if err != nil {
		return err
	}
	hash, err := campaign.Hash(root, k.folders...)
	if err != nil {
		return err
	}
	done, _, err := campaign.Sum(root, k.campaign, hash)
	if err != nil {
		return err
	}
	s, err := campaign.Begin(root, k.campaign, k.folders...)
	if err != nil {
		return err
	}
	n, verdict := seeds(o, uint64(done)+1, k.run)
	fmt.Fprintf(out, "%s: seeds %d to %d\n", o.kind, done+1, uint64(done)+n)
	if o.record {
		if err := s.End(int(n), map[string]any{"first_seed": done + 1}, verdict); err != nil {
			return err
		}
	}
	return verdict
}

// seeds runs seeds on several workers and returns how many passed from the
// first on, and the violation with the lowest seed.
func seeds(o options, first uint64, one func(uint64) (string, string, error)) (uint64, error) {
	end := time.Now().Add(time.Duration(o.minutes * float64(time.Minute)))
	var next atomic.Uint64
	next.Store(first)
	var mu sync.Mutex
	var bad error
	badSeed := ^uint64(0)
	var wg sync.WaitGroup
	for range o.workers {
		wg.Go(func() {
			for {
				mu.Lock()
				stop := bad != nil || time.Now().After(end)
				mu.Unlock()
				if stop {
					return
				}
				seed := next.Add(1) - 1
				if o.seeds > 0 && seed >= first+o.seeds {
					return
				}
				if summary, _, err := one(seed); err != nil {
					mu.Lock()
					if seed < badSeed {
						badSeed, bad = seed, fmt.Errorf("%s", summary)
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	n := next.Load() - first
	if o.seeds > 0 {
		n = min(n, o.seeds)
	}
	if bad != nil {
		n = badSeed - first
	}
	return n, bad
}

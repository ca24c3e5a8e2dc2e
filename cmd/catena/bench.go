package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"catena/bench"
	"catena/cmd/internal/config"
)

// benchFlags are what `catena bench` was told.
type benchFlags struct {
	set                               bench.Settings
	endpoint, against                 string
	access, secretFile                string
	againstAccess, againstSecretFile  string
	tls, insecure                     bool
	sizes                             []string
	multipartSize, partSize, jsonPath string
	pids, againstPids                 []int
	quiet                             bool
}

func benchCommand(env environment) *cobra.Command {
	b := &benchFlags{set: bench.Defaults()}
	c := &cobra.Command{
		Use: "bench --endpoint HOST:PORT", Short: "Load an S3 endpoint, or compare two, and report rates, latencies and the server's CPU time",
		Long: "Load an S3 endpoint with unique, incompressible, verified data.\n" +
			"Keys come from CATENA_BENCH_ACCESS_KEY and CATENA_BENCH_SECRET_KEY, else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n" +
			"(for --against: CATENA_BENCH_AGAINST_..., else the same keys). With --against both are loaded in turns, in one run.\n" +
			"The exit code is 1 when any operation failed.",
		Args: none,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), env) },
	}
	b.addFlags(c)
	c.AddCommand(benchCompareCommand(env))
	return c
}

func (b *benchFlags) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&b.endpoint, "endpoint", "127.0.0.1:9000", "`host:port` or URL of the endpoint")
	f.StringVar(&b.against, "against", "", "`host:port` or URL of a second endpoint, loaded in turns with the first")
	f.StringVar(&b.access, "access-key", "", "access key of --endpoint")
	f.StringVar(&b.secretFile, "secret-key-file", "", "`file` that holds the secret key of --endpoint")
	f.StringVar(&b.againstAccess, "against-access-key", "", "access key of --against")
	f.StringVar(&b.againstSecretFile, "against-secret-key-file", "", "`file` that holds the secret key of --against")
	f.BoolVar(&b.tls, "tls", false, "use https (or write https:// before the endpoint)")
	f.BoolVar(&b.insecure, "insecure", false, "do not verify certificates")
	f.StringVar(&b.set.Bucket, "bucket", b.set.Bucket, "bucket; made, and removed again, when it does not exist")
	f.StringSliceVar(&b.set.Ops, "ops", b.set.Ops, "`operations` to run, in this order")
	f.StringSliceVar(&b.sizes, "size", []string{"4KiB", "64KiB", "1MiB", "16MiB"}, "object `sizes`")
	f.IntVar(&b.set.Concurrency, "concurrency", b.set.Concurrency, "operations at once")
	f.DurationVar(&b.set.Duration, "duration", b.set.Duration, "`time` of each operation and size, per endpoint")
	f.IntVar(&b.set.Objects, "objects", 0, "operations of each kind and size, per endpoint, in place of --duration")
	f.DurationVar(&b.set.Warmup, "warmup", b.set.Warmup, "unmeasured `time` before each operation (with --duration)")
	f.DurationVar(&b.set.Slice, "slice", b.set.Slice, "with --against, `time` of one endpoint's turn")
	f.IntVar(&b.set.Prepare, "prepare", b.set.Prepare, "objects of a size that exist before reads and deletes")
	f.IntVar(&b.set.ListKeys, "list-keys", b.set.ListKeys, "keys of the listing")
	f.StringVar(&b.multipartSize, "multipart-size", "64MiB", "size of a multipart upload")
	f.StringVar(&b.partSize, "part-size", "8MiB", "size of its parts")
	f.BoolVar(&b.set.UnsignedPayload, "unsigned-payload", false, "leave bodies out of the signature")
	f.DurationVar(&b.set.Timeout, "timeout", b.set.Timeout, "longest `time` of one operation")
	f.Uint64Var(&b.set.Seed, "seed", b.set.Seed, "seed of data and choices")
	f.BoolVar(&b.set.Keep, "keep", false, "leave the objects there")
	f.IntSliceVar(&b.pids, "server-pid", nil, "`pid` of the endpoint's server on this machine, for CPU and memory; several allowed")
	f.IntSliceVar(&b.againstPids, "against-pid", nil, "the same for --against")
	f.StringVar(&b.jsonPath, "json", "", "write the report to this `file` (- for standard output, in place of the table)")
	f.BoolVar(&b.quiet, "quiet", false, "no progress line")
}

func (b *benchFlags) run(ctx context.Context, env environment) error {
	targets, err := b.prepare(env)
	if err != nil {
		return usage(err)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal then ends at once
	p := &progressLine{env: env, on: env.stderrIsTerminal && !b.quiet}
	rep, runErr := bench.Run(ctx, bench.Config{Settings: b.set, Targets: targets, Run: runName(), Progress: p.show, Result: p.result})
	p.clear()
	if err := b.report(env, rep); err != nil {
		return errors.Join(runErr, err)
	}
	if n, corrupt := rep.Failures(); runErr == nil && corrupt {
		return fmt.Errorf("the endpoint gave wrong data (%d operations failed)", n)
	} else if runErr == nil && n > 0 {
		return fmt.Errorf("%d operations failed", n)
	}
	return runErr
}

// prepare reads the flags' texts and finds the keys.
func (b *benchFlags) prepare(env environment) ([]bench.Target, error) {
	var errs []error
	size := func(name, text string) int64 {
		var s config.Size
		if err := s.Set(text); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %q is not valid: %w", name, text, err))
		}
		return int64(s)
	}
	b.set.Sizes = nil
	for _, text := range b.sizes {
		b.set.Sizes = append(b.set.Sizes, size("size", text))
	}
	b.set.MultipartSize, b.set.PartSize = size("multipart-size", b.multipartSize), size("part-size", b.partSize)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	first, err := b.target(env, b.endpoint, b.access, b.secretFile, []string{"CATENA_BENCH_", "AWS_"})
	if err != nil {
		return nil, err
	}
	first.Pids = b.pids
	targets := []bench.Target{first}
	if b.against != "" {
		second, err := b.target(env, b.against, b.againstAccess, b.againstSecretFile, []string{"CATENA_BENCH_AGAINST_", "CATENA_BENCH_", "AWS_"})
		if err != nil {
			return nil, err
		}
		second.Pids = b.againstPids
		targets = append(targets, second)
	} else if len(b.againstPids) > 0 {
		return nil, errors.New("--against-pid without --against")
	}
	return targets, b.set.Validate()
}

// target makes an endpoint of its address and keys.
func (b *benchFlags) target(env environment, address, access, secretFile string, prefixes []string) (bench.Target, error) {
	t := bench.Target{Endpoint: address, TLS: b.tls, Insecure: b.insecure}
	if strings.Contains(address, "://") {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.User != nil {
			return t, fmt.Errorf("endpoint %q is not of the form http://host:port or https://host:port", address)
		}
		t.Endpoint, t.TLS = u.Host, u.Scheme == "https"
	}
	t.Name = t.Endpoint
	t.AccessKey, t.SecretKey = access, ""
	if secretFile != "" {
		b, err := os.ReadFile(secretFile)
		if err != nil {
			return t, err
		}
		t.SecretKey = strings.TrimRight(string(b), "\r\n")
	}
	for _, p := range prefixes {
		a, s := lookup(env.environ, p+"ACCESS_KEY"), lookup(env.environ, p+"SECRET_KEY")
		if p == "AWS_" {
			a, s = lookup(env.environ, "AWS_ACCESS_KEY_ID"), lookup(env.environ, "AWS_SECRET_ACCESS_KEY")
		}
		if t.AccessKey == "" {
			t.AccessKey = a
		}
		if t.SecretKey == "" {
			t.SecretKey = s
		}
	}
	if t.AccessKey == "" || t.SecretKey == "" {
		return t, fmt.Errorf("endpoint %s: no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`eval $(catena keys DIR)`)", t.Endpoint)
	}
	return t, nil
}

func lookup(environ []string, name string) string {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// report writes JSON and tables.
func (b *benchFlags) report(env environment, rep bench.Report) error {
	if len(rep.Results) == 0 {
		return nil
	}
	if b.jsonPath == "-" {
		return rep.Write(env.stdout)
	}
	m := rep.Machine
	fmt.Fprintf(env.stdout, "%s, %d cores, %s %s, %s; concurrency %d\n", m.CPU, m.Cores, m.OS, m.Kernel, m.Go, rep.Settings.Concurrency)
	for _, t := range rep.Targets {
		if t.IdleRSS > 0 {
			fmt.Fprintf(env.stdout, "%s: %d MiB before the run\n", t.Name, t.IdleRSS>>20)
		}
	}
	if err := bench.WriteResults(env.stdout, rep.Results); err != nil {
		return err
	}
	if len(rep.Targets) == 2 {
		if err := writeComparison(env, rep); err != nil {
			return err
		}
	}
	if b.jsonPath == "" {
		return nil
	}
	f, err := os.Create(b.jsonPath)
	if err != nil {
		return err
	}
	return errors.Join(rep.Write(f), f.Close())
}

func writeComparison(env environment, reports ...bench.Report) error {
	nameA, nameB, x, y, paired, err := bench.Sides(reports...)
	if err != nil {
		return err
	}
	ratios := bench.Compare(x, y, paired)
	if len(ratios) == 0 {
		return errors.New("the reports have no operation in common")
	}
	fmt.Fprintf(env.stdout, "\nratios are B/A: A is %s, B is %s\n", nameA, nameB)
	return bench.WriteRatios(env.stdout, "A", "B", ratios)
}

func benchCompareCommand(env environment) *cobra.Command {
	return &cobra.Command{
		Use: "compare A.json [B.json]", Short: "Print the ratios of two reports, or of the two endpoints in one",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage(errors.New("compare: name one report with two endpoints, or two reports"))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var reports []bench.Report
			for _, path := range args {
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				rep, err := bench.Read(f)
				if err = errors.Join(err, f.Close()); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				reports = append(reports, rep)
			}
			return writeComparison(env, reports...)
		},
	}
}

// progressLine is one line of standard error that is written over, on a
// terminal only.
type progressLine struct {
	env environment
	on  bool
	mu  sync.Mutex
	// width is how much of the line was written. Guarded by mu.
	width int
}

func (p *progressLine) show(s bench.Progress) {
	if !p.on {
		return
	}
	line := fmt.Sprintf("%s  %s %s %s  %.0fs", s.Target, s.Stage, s.Op, bench.FormatSize(s.Size), s.Elapsed.Seconds())
	if sec := s.Elapsed.Seconds(); sec > 0 && s.Done > 0 {
		line += fmt.Sprintf("  %.0f ops/s  %.1f MiB/s", float64(s.Done)/sec, float64(s.Bytes)/sec/(1<<20))
	}
	if s.Errors > 0 {
		line += fmt.Sprintf("  %d errors", s.Errors)
	}
	p.write(line)
}

// result leaves each result standing as a line above the progress.
func (p *progressLine) result(r bench.Result) {
	if !p.on {
		return
	}
	p.write(fmt.Sprintf("%s  %s %s  %.1f ops/s  p50 %.2f ms  p99 %.2f ms",
		r.Target, r.Op, bench.FormatSize(r.Size), r.OpsPerSec, r.LatencyMS.P50, r.LatencyMS.P99))
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.env.stderr)
	p.width = 0
}

func (p *progressLine) write(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.env.stderr, "\r%-*s", p.width, line)
	p.width = len(line)
}

func (p *progressLine) clear() {
	if p.on {
		p.write("")
		fmt.Fprint(p.env.stderr, "\r")
	}
}

// runName tells this run's keys from others'.
func runName() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

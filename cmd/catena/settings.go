package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"catena/cmd/internal/config"
)

// settings are the flags of a command that uses package config.
type settings struct {
	env   environment
	flags *config.Flags
	file  string
	// show is told what is in effect also when the command line is wrong; may be nil.
	show func(config.Loaded) error
}

// addSettings gives a command the flags of all settings, or of those named.
func addSettings(c *cobra.Command, env environment, only ...string) *settings {
	s := &settings{env: env}
	flags, specs := config.NewFlags(only...)
	s.flags = flags
	for _, spec := range specs {
		f := c.Flags().VarPF(spec.Value, spec.Name, "", spec.Usage)
		if spec.Bool {
			f.NoOptDefVal = "true"
		}
	}
	c.Flags().StringVar(&s.file, "config", "", "YAML `file` with settings [$"+config.ConfigEnv+"]")
	c.Flags().SortFlags = false
	c.SetFlagErrorFunc(s.flagErrors)
	return s
}

// flagErrors reports everything that is wrong with a command line, and with
// environment and file besides: the library stops at the first unknown flag.
func (s *settings) flagErrors(c *cobra.Command, first error) error {
	known, problems := s.splitFlags(c)
	if len(problems) == 0 {
		problems = append(problems, first)
	}
	for i, p := range problems {
		problems[i] = fmt.Errorf("%w; see %s --help", p, c.CommandPath())
	}
	s.flags.Reset()
	if err := c.Flags().Parse(known); err == nil {
		l, err := s.load(c.Flags().Args())
		problems = append(problems, err)
		if s.show != nil {
			problems = append(problems, s.show(l))
		}
	}
	return usage(errors.Join(problems...))
}

// splitFlags takes the flags that the command does not have out of its
// arguments. What follows such a flag counts as an argument.
//
// It stands beside pflag's parser because pflag (1.0.10) has no way to name all
// of them: its parse ends at the first, with an error that has the name but not
// the place, so that the rest cannot be parsed; and with ParseErrorsAllowlist.
// UnknownFlags it drops them without a word, and the argument after each too,
// which here is a directory more often than a value.
func (s *settings) splitFlags(c *cobra.Command) (known []string, problems []error) {
	args := s.env.args[slices.Index(s.env.args, c.Name())+1:]
	for i := 0; i < len(args); i++ {
		a := args[i]
		name, isLong := strings.CutPrefix(a, "--")
		name, _, hasValue := strings.Cut(name, "=")
		switch f := c.Flags().Lookup(name); {
		case a == "--":
			return append(known, args[i:]...), problems
		case !isLong && len(a) > 1 && a[0] == '-' && a != "-h":
			problems = append(problems, fmt.Errorf("unknown flag: %s", a))
		case !isLong:
			known = append(known, a)
		case f == nil:
			problems = append(problems, fmt.Errorf("unknown flag: --%s", name))
		case f.NoOptDefVal != "" || hasValue:
			known = append(known, a)
		case i+1 == len(args):
			problems = append(problems, fmt.Errorf("flag needs an argument: --%s", name))
		default:
			known = append(known, a, args[i+1])
			i++
		}
	}
	return known, problems
}

// load layers flags, environment, file and defaults.
func (s *settings) load(dirs []string) (config.Loaded, error) {
	return config.Load(config.Input{Flags: s.flags, Dirs: dirs, File: s.file, Environ: s.env.environ})
}

// newLogger logs to standard error: readable on a terminal, JSON otherwise.
func newLogger(env environment, c config.Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("log-level: %w", err)
	}
	if c.LogFormat == "json" || c.LogFormat == "auto" && !env.stderrIsTerminal {
		return slog.New(slog.NewJSONHandler(env.stderr, &slog.HandlerOptions{Level: level})), nil
	}
	return slog.New(tint.NewHandler(env.stderr, &tint.Options{Level: level, NoColor: !env.stderrIsTerminal, TimeFormat: "15:04:05.000"})), nil
}

func configCommand(env environment) *cobra.Command {
	var s *settings
	c := &cobra.Command{
		Use: "config [DIR...]", Short: "Print the settings in effect, where each comes from, and every problem",
		Long: "Print the settings that `catena server` would use with the same flags, environment and file:\n" +
			"a YAML file that --config accepts, each line with its source, secrets masked.\n" +
			"Problems go to standard error, all at once, and the exit code is 2.",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := s.load(args)
			if perr := s.show(l); perr != nil {
				return perr
			}
			return usage(err)
		},
	}
	s = addSettings(c, env)
	s.show = func(l config.Loaded) error {
		for _, w := range l.Warnings {
			fmt.Fprintln(env.stderr, "warning:", w)
		}
		return l.Print(env.stdout)
	}
	return c
}

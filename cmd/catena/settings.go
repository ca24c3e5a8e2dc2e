package main

import (
	"fmt"
	"log/slog"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"catena/cmd/internal/config"
)

// settings are the flags of a command that uses package config.
type settings struct {
	env   environment
	flags *config.Flags
	file  string
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
	return s
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
			"a YAML file that --config accepts, each line with its source, secrets masked.\nProblems go to standard error, all at once, and the exit code is 2.",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := s.load(args)
			if perr := l.Print(env.stdout); perr != nil {
				return perr
			}
			for _, w := range l.Warnings {
				fmt.Fprintln(env.stderr, "warning:", w)
			}
			return usage(err)
		},
	}
	s = addSettings(c, env)
	return c
}

package raftlog

import (
	"context"
	"io"
	"log"
	"log/slog"
	"slices"
	"time"

	"catena/chain"

	"github.com/hashicorp/go-hclog"
)

// repeatAfter is how long the same line of the library is not said again: it
// reports an absent voter at every heartbeat.
const repeatAfter = time.Minute

// Logger gives the Raft library a slog logger. Its levels go down by one step:
// what is an error for one voter is a warning for the process.
//
// A warning that was said of the same peer less than repeatAfter ago is counted
// and not said; the next one that is said tells how many were withheld, under
// "repeated". An error is withheld only if it is of a peer and the same in its
// text too: what goes wrong in this voter itself is always said.
type Logger struct {
	out     *slog.Logger
	name    string
	args    []any
	repeats *repeats
}

var _ hclog.Logger = (*Logger)(nil)

// NewLogger returns the adapter. The clock may have any beginning.
func NewLogger(out *slog.Logger, now func() chain.Instant) *Logger {
	return &Logger{out: out, repeats: &repeats{now: now, lines: map[string]*repeated{}}}
}

func slogLevel(l hclog.Level) slog.Level {
	switch {
	case l >= hclog.Error:
		return slog.LevelWarn
	case l == hclog.Warn:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Log implements hclog.Logger.
func (l *Logger) Log(level hclog.Level, msg string, args ...any) {
	to := slogLevel(level)
	if !l.out.Enabled(context.Background(), to) {
		return
	}
	line := apart(args)
	if key, ok := repeatable(level, msg, slices.Concat(l.args, args)); ok {
		said, withheld := l.repeats.say(key)
		if !said {
			return
		}
		if withheld > 0 {
			line = append(line, "repeated", withheld)
		}
	}
	l.out.Log(context.Background(), to, msg, line...)
}

// apart renames the library's keys that a line has already: the library says how
// long it did not reach a voter under "time", and a JSON object with two of a
// name is read differently by every program.
func apart(args []any) []any {
	out := slices.Clone(args)
	for i := 0; i < len(out); i += 2 {
		switch key, _ := out[i].(string); key {
		case slog.TimeKey, slog.LevelKey, slog.MessageKey, slog.SourceKey, "voter":
			out[i] = "raft_" + key
		}
	}
	return out
}

// Trace implements hclog.Logger.
func (l *Logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug implements hclog.Logger.
func (l *Logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info implements hclog.Logger.
func (l *Logger) Info(msg string, args ...any) { l.Log(hclog.Info, msg, args...) }

// Warn implements hclog.Logger.
func (l *Logger) Warn(msg string, args ...any) { l.Log(hclog.Warn, msg, args...) }

// Error implements hclog.Logger.
func (l *Logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

// IsTrace implements hclog.Logger.
func (l *Logger) IsTrace() bool { return false }

// IsDebug implements hclog.Logger.
func (l *Logger) IsDebug() bool { return l.out.Enabled(context.Background(), slog.LevelDebug) }

// IsInfo implements hclog.Logger.
func (l *Logger) IsInfo() bool { return l.IsDebug() }

// IsWarn implements hclog.Logger.
func (l *Logger) IsWarn() bool { return l.out.Enabled(context.Background(), slog.LevelInfo) }

// IsError implements hclog.Logger.
func (l *Logger) IsError() bool { return l.out.Enabled(context.Background(), slog.LevelWarn) }

// ImpliedArgs implements hclog.Logger.
func (l *Logger) ImpliedArgs() []any { return l.args }

// With implements hclog.Logger.
func (l *Logger) With(args ...any) hclog.Logger {
	c := *l
	c.out, c.args = l.out.With(apart(args)...), append(append([]any{}, l.args...), args...)
	return &c
}

// Name implements hclog.Logger.
func (l *Logger) Name() string { return l.name }

// Named implements hclog.Logger.
func (l *Logger) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

// ResetNamed implements hclog.Logger.
func (l *Logger) ResetNamed(name string) hclog.Logger {
	c := *l
	c.name = name
	return &c
}

// SetLevel implements hclog.Logger: the level is slog's affair.
func (l *Logger) SetLevel(hclog.Level) {}

// GetLevel implements hclog.Logger.
func (l *Logger) GetLevel() hclog.Level {
	if l.IsDebug() {
		return hclog.Debug
	}
	return hclog.Warn
}

// StandardLogger implements hclog.Logger.
func (l *Logger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.out.Handler(), slog.LevelDebug)
}

// StandardWriter implements hclog.Logger.
func (l *Logger) StandardWriter(o *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(o).Writer()
}

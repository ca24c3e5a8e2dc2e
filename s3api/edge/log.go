package edge

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"catena/s3api/s3err"
)

// log writes one line for the request. A line never has a header, a query or a body, in
// which secrets could be.
func (ex *exchange) log(ev Event) {
	level := ex.srv.level(ev)
	l := ex.srv.cfg.Logger
	if !l.Enabled(ex.ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", ex.id), slog.String("method", ex.h.Method), slog.String("op", ev.Op.String()),
		slog.Int("status", ev.Status), slog.Int64("received", ev.Received), slog.Int64("sent", ev.Sent),
		slog.Duration("total", ev.Total),
	}
	if ex.peer.ip.IsValid() { // a pipe has no address
		attrs = append(attrs, slog.String("remote", ex.peer.ip.String()))
	}
	if ex.route != nil {
		attrs = append(attrs, slog.String("bucket", ex.route.Bucket), slog.String("key", ex.route.Key))
	}
	if ex.req != nil {
		attrs = append(attrs, slog.String("access_key", ex.req.Principal.AccessKey))
	}
	if ev.Code != "" {
		attrs = append(attrs, slog.String("code", ev.Code))
	}
	if ex.err != nil {
		attrs = append(attrs, slog.String("error", ex.err.Error()))
	}
	if ex.writeErr != nil {
		attrs = append(attrs, slog.String("write_error", ex.writeErr.Error()))
	}
	l.LogAttrs(ex.ctx, level, "request", attrs...)
}

// level is error for what we did wrong, warn for what we could not do now, and debug for
// all that a client did, well or badly: a stranger must not be able to fill the log.
func (s *Server) level(ev Event) slog.Level {
	switch {
	case ev.Status < 500, ev.Status == http.StatusNotImplemented, ev.Status == http.StatusHTTPVersionNotSupported:
		return slog.LevelDebug
	case ev.Code == string(s3err.SlowDown):
		// One line a second says it; a line for each would add to the load.
		now := time.Now().Unix()
		if s.slowDownLogged.Swap(now) == now {
			return slog.LevelDebug
		}
		return slog.LevelWarn
	case ev.Status == http.StatusServiceUnavailable, ev.Status == http.StatusInsufficientStorage:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// LogHandler adds the id of the request that a line's context belongs to, for the loggers of
// the packages that serve requests.
func LogHandler(h slog.Handler) slog.Handler { return idHandler{h} }

type idHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h idHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h idHandler) WithAttrs(a []slog.Attr) slog.Handler { return idHandler{h.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (h idHandler) WithGroup(name string) slog.Handler { return idHandler{h.Handler.WithGroup(name)} }

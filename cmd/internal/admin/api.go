package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"catena/s3api/sigv4"
)

// Bounds of the API.
const (
	maxBody   = 64 << 10
	maxReason = 500
	// apiTimeout bounds one answer.
	apiTimeout = 30 * time.Second
	// maxBusy requests are worked on at once.
	maxBusy = 4
)

// Cluster is what the API shows and commands. Its methods may be called from any
// goroutine. An error is a *Refusal, ErrUnavailable, or something unforeseen.
type Cluster interface {
	Status(context.Context) (Status, error)
	// LookAtFactor says what a factor will do, without Effects.
	LookAtFactor(to int) (FactorChange, error)
	// SetFactor makes it.
	SetFactor(ctx context.Context, to int) error
	// Force starts a chain from a replica that may lack acknowledged writes.
	Force(context.Context, ForceRequest) error
}

// ErrUnavailable says that nobody can answer now, and that a later try may do.
var ErrUnavailable = errors.New("no master leads now: try again in a moment")

// Refusal is an answer of no, and why.
type Refusal struct{ Reason string }

// Error implements error.
func (r *Refusal) Error() string { return r.Reason }

// APIConfig is what the API needs; every field is required.
type APIConfig struct {
	Cluster     Cluster
	Credentials sigv4.CredentialStore
	Now         func() time.Time
	Log         *slog.Logger
}

// API is the part of the admin listener below /v1/: it shows and commands the
// cluster, for whoever signs with the cluster's keys.
type API struct {
	cfg  APIConfig
	sigs signatures
	once once
	busy chan struct{}
}

// NewAPI checks the configuration.
func NewAPI(cfg APIConfig) (*API, error) {
	if cfg.Cluster == nil || cfg.Log == nil {
		return nil, errors.New("admin: the API lacks a cluster or a log")
	}
	sigs, err := newSignatures(cfg.Credentials, cfg.Now)
	if err != nil {
		return nil, err
	}
	return &API{cfg: cfg, sigs: sigs, once: once{seen: map[[32]byte]time.Time{}}, busy: make(chan struct{}, maxBusy)}, nil
}

// problem is an error with its place in HTTP.
type problem struct {
	status int
	Problem
}

func (p *problem) Error() string { return p.Message }

func fail(status int, code, format string, args ...any) error {
	return &problem{status, Problem{code, fmt.Sprintf(format, args...)}}
}

// ServeHTTP implements http.Handler. Nothing is parsed, and no path is told from
// another, before the signature is good.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), apiTimeout)
	defer cancel()
	out, err := a.serve(ctx, r)
	status := http.StatusOK
	if err != nil {
		p := a.problemOf(err)
		status, out = p.status, p.Problem
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "AWS4-HMAC-SHA256")
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		a.cfg.Log.Error("an admin answer cannot be encoded", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client is gone
}

func (a *API) serve(ctx context.Context, r *http.Request) (any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "bad_request", "the body cannot be read: %v", err)
	}
	if len(body) > maxBody {
		return nil, fail(http.StatusRequestEntityTooLarge, "too_large", "the body is over %d bytes", maxBody)
	}
	access, err := a.sigs.check(r, body)
	if err != nil {
		return nil, fail(http.StatusUnauthorized, "unauthorized", "%v", err)
	}
	if r.Method != http.MethodGet {
		if err := a.once.first(r, access, body, a.cfg.Now()); err != nil {
			return nil, &Refusal{err.Error()}
		}
	}
	select {
	case a.busy <- struct{}{}:
		defer func() { <-a.busy }()
	case <-ctx.Done():
		return nil, ErrUnavailable
	}
	routes := map[string]map[string]func(context.Context, string, []byte) (any, error){
		PathStatus: {"GET": a.status},
		PathFactor: {"POST": a.factor, "PUT": a.factor},
		PathForce:  {"POST": a.force},
	}
	methods, ok := routes[r.URL.Path]
	if !ok {
		return nil, fail(http.StatusNotFound, "not_found", "there is nothing at %.100q; there are %s, %s and %s",
			r.URL.Path, PathStatus, PathFactor, PathForce)
	}
	handle, ok := methods[r.Method]
	if !ok {
		return nil, fail(http.StatusMethodNotAllowed, "method_not_allowed", "%s does not take %.20s", r.URL.Path, r.Method)
	}
	return handle(ctx, access, body)
}

func (a *API) problemOf(err error) *problem {
	var p *problem
	var no *Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &no):
		return &problem{http.StatusConflict, Problem{"refused", no.Reason}}
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return &problem{http.StatusServiceUnavailable, Problem{"unavailable", err.Error()}}
	}
	a.cfg.Log.Error("an admin request failed", "err", err)
	return &problem{http.StatusInternalServerError, Problem{"internal", err.Error()}}
}

// strict reads a body that is exactly one JSON object of the known fields.
func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fail(http.StatusBadRequest, "bad_request", "the body is not the JSON that is wanted: %s",
			strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fail(http.StatusBadRequest, "bad_request", "the body has something after the JSON object")
	}
	return nil
}

func (a *API) status(ctx context.Context, _ string, body []byte) (any, error) {
	if len(body) > 0 {
		return nil, fail(http.StatusBadRequest, "bad_request", "%s takes no body", PathStatus)
	}
	return a.cfg.Cluster.Status(ctx)
}

func (a *API) factor(ctx context.Context, access string, body []byte) (any, error) {
	var in FactorRequest
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	if in.From < 1 || in.To < 1 {
		return nil, fail(http.StatusBadRequest, "bad_request", "from and to are needed, and are at least 1")
	}
	c, err := a.cfg.Cluster.LookAtFactor(in.To)
	if err != nil {
		return nil, err
	}
	if c.From != in.From {
		return nil, &Refusal{fmt.Sprintf("the factor is %d now, not %d: look again", c.From, in.From)}
	}
	c.Effects = effects(c)
	switch {
	case in.DryRun, c.From == c.To:
		return c, nil
	case c.To == 1 && !in.AcceptDataLoss:
		return nil, &Refusal{"with a factor of 1 whatever is on a disk is lost with it: that has to be accepted (--i-accept-data-loss)"}
	}
	a.cfg.Log.Warn("an operator changes the factor", "from", c.From, "to", c.To, "access_key", access)
	if err := a.cfg.Cluster.SetFactor(ctx, in.To); err != nil {
		return nil, err
	}
	c.Changed = true
	return c, nil
}

// effects says in sentences what a factor will do.
func effects(c FactorChange) []string {
	if c.From == c.To {
		return []string{fmt.Sprintf("The factor is %d already.", c.To)}
	}
	var out []string
	if c.Grow > 0 {
		out = append(out, fmt.Sprintf("%d chains grow, one member at a time: a new member is filled from the last one, and serves "+
			"when it has everything. Reads and writes go on. It takes disk space for every copy.", c.Grow))
	}
	if c.Shrink > 0 {
		out = append(out, fmt.Sprintf("%d chains shrink, one member at a time, down to %d. Reads and writes go on; "+
			"a copy that is dropped is gone.", c.Shrink, c.To))
	}
	switch c.To {
	case 1:
		out = append(out, "Every object then has a single copy: a lost disk loses what is on it, for good.")
	case 2:
		out = append(out, "Every object then has two copies: losing one disk loses nothing, "+
			"but chains with a member on it take no writes until another disk takes its place.")
	default:
		out = append(out, fmt.Sprintf("Every object then has %d copies. A write is acknowledged when all members that serve have "+
			"synced it; a chain with fewer than %d takes no writes.", c.To, c.MinAck))
	}
	return out
}

func (a *API) force(ctx context.Context, access string, body []byte) (any, error) {
	var in ForceRequest
	if err := strict(body, &in); err != nil {
		return nil, err
	}
	switch {
	case in.Chain == 0 || in.Epoch.IsZero() || in.Replica == Replica{}:
		return nil, fail(http.StatusBadRequest, "bad_request", "chain, epoch and replica are needed")
	case !in.AcceptDataLoss:
		return nil, &Refusal{"a forced start may lose acknowledged writes: that has to be accepted (--i-accept-data-loss)"}
	}
	if err := checkReason(in.Reason); err != nil {
		return nil, err
	}
	in.Reason = fmt.Sprintf("%s (by %s, %s)", strings.TrimSpace(in.Reason), access, a.cfg.Now().UTC().Format(time.RFC3339))
	log := a.cfg.Log.With("chain", in.Chain, "epoch", in.Epoch.String(), "replica", in.Replica.String(),
		"reason", in.Reason, "access_key", access)
	log.Warn("an operator orders a forced start, which may lose acknowledged writes")
	if err := a.cfg.Cluster.Force(ctx, in); err != nil {
		log.Warn("the forced start was not made", "err", err)
		return nil, err
	}
	log.Warn("the forced start was made and is recorded for ever")
	return ForceAnswer{Recorded: in.Reason}, nil
}

// checkReason wants a sentence that can be kept and shown.
func checkReason(s string) error {
	bad := func(why string) error { return fail(http.StatusBadRequest, "bad_request", "the reason %s", why) }
	switch {
	case strings.TrimSpace(s) == "":
		return bad("is missing; it is kept for ever")
	case len(s) > maxReason:
		return bad(fmt.Sprintf("has %d bytes, at most %d", len(s), maxReason))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return bad("has characters that cannot be printed")
	}
	return nil
}

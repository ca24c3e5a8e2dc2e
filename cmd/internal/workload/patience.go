package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
)

// ErrContradiction is in every error of Verify that says the store has lost,
// changed or invented data, as opposed to not answering.
var ErrContradiction = errors.New("workload: contradicts what was acknowledged")

// ErrUnanswered is in every error of Verify that says the store was able to
// answer for what it has acknowledged, and did not, however often it was asked.
//
// It is a broken promise of its own. A tail without its rows need not lie: it
// has no row of the bucket either, so every question about a key is refused
// there. The gateway then carries the bucket's row from its record to the
// tablet, whose head still has it in that generation and writes nothing, and
// after eight such tries answers 503. That goes on for ever if the record's
// tablet kept its rows (a log that reaches back to the start fills a joiner
// without a snapshot); otherwise the bucket itself is soon absent.
var ErrUnanswered = errors.New("workload: does not answer for what was acknowledged")

// ask puts one question until it has an answer; a refusal that is no silence is
// one, in err. late says that the first try had none, which is a failure too.
//
// Only silence that lasts as long as the patience, which is two tries at least,
// from a server that was able to answer (Config.Able), is ErrUnanswered. One such
// verdict is enough: other questions are asked only once from then on.
func (l *Load) ask(ctx context.Context, what string, question func(context.Context) error) (late, err error) {
	begin := time.Now()
	first := l.try(ctx, question)
	err = first
	for silent(ctx, err) && !l.gaveUp.Load() {
		if waited := time.Since(begin); waited >= l.cfg.Patience {
			return nil, l.unanswered(ctx, what, waited, err)
		}
		select {
		case <-ctx.Done():
			return nil, failed(what, errors.Join(first, ctx.Err()))
		case <-time.After(min(500*time.Millisecond, l.cfg.Patience/4)):
		}
		err = l.try(ctx, question)
		late = fmt.Errorf("workload: %s: answered only after %s: %w", what, time.Since(begin).Round(time.Millisecond), first)
	}
	if err != nil {
		err = failed(what, err)
	}
	return late, err
}

// try bounds one try: a server that hangs is asked again within the patience.
func (l *Load) try(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Patience/2)
	defer cancel()
	return question(ctx)
}

func (l *Load) unanswered(ctx context.Context, what string, waited time.Duration, last error) error {
	if excuse := l.cfg.Able(ctx); excuse != nil {
		return failed(what, fmt.Errorf("no answer for %s: %w; but %w", waited.Round(time.Second), last, excuse))
	}
	l.gaveUp.Store(true)
	return fmt.Errorf("%w: %s, for %s: %w", ErrUnanswered, what, waited.Round(time.Second), last)
}

// silent reports whether a try had no answer for which the server is to blame:
// it failed, refused, hung or broke off. A full disk, a rate limit, an answer
// below 500, a connection that could not be made, and the caller's end say
// nothing about what it has stored.
func silent(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	if resp, ok := response(err); ok {
		return resp.StatusCode >= http.StatusInternalServerError && resp.StatusCode != http.StatusInsufficientStorage && resp.Code != "SlowDown"
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	var transport net.Error // the end of a try's time too
	return errors.As(err, &transport) || errors.Is(err, io.ErrUnexpectedEOF)
}

// response is the server's answer in an error, if there was one.
func response(err error) (resp minio.ErrorResponse, ok bool) {
	ok = errors.As(err, &resp) && resp.StatusCode != 0
	return resp, ok
}

// failed names what did not succeed. A bucket that is not there was lost: nobody
// removes it.
func failed(what string, err error) error {
	if resp, ok := response(err); ok && resp.Code == minio.NoSuchBucket {
		return fmt.Errorf("%w: LOST the bucket, seen at %s: %w", ErrContradiction, what, err)
	}
	return fmt.Errorf("workload: %s: %w", what, err)
}

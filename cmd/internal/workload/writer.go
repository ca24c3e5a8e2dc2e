package workload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config says what to write where.
type Config struct {
	// Endpoint is host:port; Secure for https without verification (loopback).
	Endpoint             string
	Secure               bool
	Transport            http.RoundTripper
	AccessKey, SecretKey string
	Bucket               string
	Writers              int
	// KeysPerWriter bounds the keys that a writer uses over and over.
	KeysPerWriter int
	// MaxSize bounds a body; most are small. Multipart is used above 5 MiB.
	MaxSize int64
	Seed    uint64
	// Idle waits until the server has no request in progress. Required by Verify.
	Idle func(context.Context) error
	// Able gives the server's excuse for not answering: it does not live, or more
	// was taken from it than it must bear; nil if it has none. Without it, nothing
	// is ErrUnanswered.
	Able func(context.Context) error
	// Patience is how long Verify goes on asking what the server does not answer,
	// before that counts as ErrUnanswered; one try has half of it. 40 s when 0.
	Patience time.Duration
}

// Load is a set of writers with what they know. Its methods are called one at a time.
type Load struct {
	cfg     Config
	client  *minio.Client
	core    minio.Core
	writers []*writer
	// gaveUp is set by the first ErrUnanswered of a Verify.
	gaveUp atomic.Bool
}

type writer struct {
	prefix string
	rng    *rand.Rand
	next   uint64
	// keys maps each key to the states that it may have; the first is the
	// newest acknowledged one. Invariant: never empty.
	keys  map[string][]Version
	acked int
	// refused counts operations that failed with a known or unknown outcome.
	refused int
}

// New makes a load. It does not talk to the server yet.
func New(cfg Config) (*Load, error) {
	if cfg.Patience == 0 {
		cfg.Patience = 40 * time.Second
	}
	if cfg.Able == nil {
		cfg.Able = func(context.Context) error { return errors.New("nobody knows whether the server was able to") }
	}
	c, err := minio.New(cfg.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""), Secure: cfg.Secure,
		Transport: cfg.Transport, Region: "us-east-1", MaxRetries: 1,
	})
	if err != nil {
		return nil, err
	}
	l := &Load{cfg: cfg, client: c, core: minio.Core{Client: c}}
	for i := range cfg.Writers {
		l.writers = append(l.writers, &writer{
			prefix: fmt.Sprintf("w%02d/", i),
			rng:    rand.New(rand.NewPCG(cfg.Seed, uint64(i))),
			next:   uint64(i)<<40 + 1,
			keys:   map[string][]Version{},
		})
	}
	return l, nil
}

// MakeBucket makes the bucket if it is not there.
func (l *Load) MakeBucket(ctx context.Context) error {
	err := l.client.MakeBucket(ctx, l.cfg.Bucket, minio.MakeBucketOptions{})
	if code := minio.ToErrorResponse(err).Code; code == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return err
}

// Run lets all writers work until ctx ends. An operation that is cut off has
// an unknown outcome.
func (l *Load) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, w := range l.writers {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.step(ctx, w)
			}
		})
	}
	wg.Wait()
}

// Acked is the number of acknowledged operations so far.
func (l *Load) Acked() int {
	n := 0
	for _, w := range l.writers {
		n += w.acked
	}
	return n
}

// Refused is the number of operations that were not acknowledged.
func (l *Load) Refused() int {
	n := 0
	for _, w := range l.writers {
		n += w.refused
	}
	return n
}

func (l *Load) step(ctx context.Context, w *writer) {
	key := fmt.Sprintf("%sk%04d", w.prefix, w.rng.IntN(l.cfg.KeysPerWriter))
	switch n := w.rng.IntN(100); {
	case n < 15:
		err := l.client.RemoveObject(ctx, l.cfg.Bucket, key, minio.RemoveObjectOptions{})
		w.note(key, Version{}, err)
	case n < 25:
		l.copy(ctx, w, key)
	default:
		v := w.version(l.cfg.MaxSize)
		err := l.put(ctx, key, v)
		w.note(key, v, err)
	}
}

// version draws a body: mostly inline sizes, some of several chunks.
func (w *writer) version(maxSize int64) Version {
	w.next++
	size := int64(w.rng.IntN(16 << 10))
	switch n := w.rng.IntN(100); {
	case n < 3:
		size = w.rng.Int64N(maxSize)
	case n < 15:
		size = w.rng.Int64N(min(maxSize, 512<<10))
	}
	return Version{Seed: w.next, Size: max(size, 8)}
}

func (l *Load) put(ctx context.Context, key string, v Version) error {
	_, err := l.client.PutObject(ctx, l.cfg.Bucket, key, bytes.NewReader(v.Bytes()), v.Size,
		minio.PutObjectOptions{PartSize: 5 << 20, DisableMultipart: v.Size <= 5<<20})
	return err
}

// copy copies another key of the same writer whose state is certain.
func (l *Load) copy(ctx context.Context, w *writer, key string) {
	for src, states := range w.keys {
		if src == key || len(states) != 1 || states[0].Absent() {
			continue
		}
		_, err := l.client.CopyObject(ctx,
			minio.CopyDestOptions{Bucket: l.cfg.Bucket, Object: key}, minio.CopySrcOptions{Bucket: l.cfg.Bucket, Object: src})
		w.note(key, states[0], err)
		return
	}
}

// note records an operation's outcome: an answer below 500 is certain.
func (w *writer) note(key string, v Version, err error) {
	states := w.keys[key]
	if states == nil {
		states = []Version{{}}
	}
	var resp minio.ErrorResponse
	switch {
	case err == nil:
		w.acked++
		w.keys[key] = []Version{v}
	case errors.As(err, &resp) && resp.StatusCode >= 400 && resp.StatusCode < 500:
		w.refused++
		w.keys[key] = states
	default:
		w.refused++
		w.keys[key] = append(states, v)
	}
}

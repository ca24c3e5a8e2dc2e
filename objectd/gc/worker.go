package gc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"catena/chain"
	"catena/chain/tablet"
)

// Worker works off release rows, and looks for orphans. Its methods are for one
// goroutine.
type Worker struct {
	cfg Config
	m   *metrics
}

// New returns a Worker; Run starts it.
func New(cfg Config) (*Worker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Worker{cfg: cfg, m: newMetrics(cfg.Registry)}, nil
}

// Run works until ctx ends. Trouble is logged and tried again at the next pass.
func (w *Worker) Run(ctx context.Context) {
	passes, orphans := time.NewTicker(w.cfg.Every), time.NewTicker(w.cfg.OrphansEvery)
	defer passes.Stop()
	defer orphans.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-passes.C:
			if s, err := w.Pass(ctx); err != nil && ctx.Err() == nil {
				w.cfg.Logger.WarnContext(ctx, "release rows were not all worked off", "done", s.Releases, "chunks", s.Chunks, "error", err)
			}
		case <-orphans.C:
			if n, err := w.Orphans(ctx); err != nil && ctx.Err() == nil {
				w.cfg.Logger.WarnContext(ctx, "the scan for orphans did not end", "removed", n, "error", err)
			}
		}
	}
}

// Stats is what one pass did.
type Stats struct {
	Releases, Chunks int
}

// Pass works off every release row that is due, in all tablets. What fails is
// passed over and reported at the end.
func (w *Worker) Pass(ctx context.Context) (Stats, error) {
	var s Stats
	var errs []error
	now := w.cfg.Now()
	p := &pass{w: w, before: now.Add(-w.cfg.Grace).UnixMilli()}
	for _, t := range w.cfg.Tablets() {
		errs = append(errs, p.tablet(ctx, t.Start, t.End))
	}
	w.m.oldest.Set(0)
	if p.oldest != 0 {
		w.m.oldest.Set(now.Sub(time.UnixMilli(p.oldest)).Seconds())
	}
	s.Releases, s.Chunks = p.releases, p.chunks
	return s, errors.Join(errs...)
}

// pass is one pass.
type pass struct {
	w                *Worker
	before           int64
	releases, chunks int
	oldest           int64 // time of the oldest row that failed
}

// pageSize is how many release rows share one removal from each chain.
const pageSize = 128

// place splits an owner key; one that is shorter than a bucketID means the
// first key from there on.
func place(owner []byte) (b chain.BucketID, key string) {
	n := copy(b[:], owner)
	return b, string(owner[n:])
}

// tablet works off the range of a tablet; if it was split meanwhile, by the
// ranges that answer.
func (p *pass) tablet(ctx context.Context, start, end []byte) error {
	var errs []error
	var after []byte
	for ctx.Err() == nil {
		b, key := place(start)
		q := tablet.Query{Bucket: b, Key: key, Ask: tablet.AskReleases{After: after, Before: p.before, Max: pageSize}}
		res, err := p.w.cfg.Index.Query(ctx, q.Owner(), q)
		if err == nil && res.Status != tablet.StatusOK {
			err = fmt.Errorf("gc: release rows: %s", res.Status)
		}
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if len(res.Releases.Items) > 0 {
			errs = append(errs, p.page(ctx, res.Releases.Items, res.Time))
		}
		if res.Releases.More {
			after = res.Releases.Next
			continue
		}
		if len(res.End) == 0 || len(end) > 0 && bytes.Compare(res.End, end) >= 0 {
			break
		}
		start, after = res.End, nil
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// job is one release row being worked off.
type job struct {
	item tablet.ReleaseItem
	work *tablet.ReleaseWork
	time int64 // learned from the tablet
	err  error
}

// page works off some release rows together: what they stand for is asked, the
// chunks are removed with one call a chain, and the tablet is told.
func (p *pass) page(ctx context.Context, items []tablet.ReleaseItem, time int64) error {
	jobs := make([]*job, len(items))
	for i := range items {
		jobs[i] = &job{item: items[i], time: time}
	}
	var errs []error
	for len(jobs) > 0 && ctx.Err() == nil {
		p.w.parallel(len(jobs), func(i int) { jobs[i].err = p.w.ask(ctx, jobs[i]) })
		p.remove(ctx, jobs)
		p.w.parallel(len(jobs), func(i int) {
			if j := jobs[i]; j.err == nil && j.work != nil {
				j.err = p.w.done(ctx, j)
			}
		})
		var left []*job
		for _, j := range jobs {
			switch {
			case j.err != nil:
				errs = append(errs, p.failed(j))
			case j.work != nil && j.work.Last:
				p.releases++
				p.w.m.releases.Inc()
			case j.work != nil:
				left = append(left, j) // an upload with more parts than one entry may delete
			}
		}
		jobs = left
	}
	return errors.Join(errs...)
}

func (p *pass) failed(j *job) error {
	p.w.m.failures.Inc()
	if p.oldest == 0 || j.item.Release.Time < p.oldest {
		p.oldest = j.item.Release.Time
	}
	return fmt.Errorf("gc: release of %s/%q: %w", j.item.Bucket, j.item.Key, j.err)
}

// parallel calls fn for 0..n-1, some at once.
func (w *Worker) parallel(n int, fn func(i int)) {
	slots := make(chan struct{}, w.cfg.Parallel)
	for i := range n {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			fn(i)
		}()
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}

// ask reads what the release row stands for now; no work if it is gone.
func (w *Worker) ask(ctx context.Context, j *job) error {
	j.work = nil
	q := tablet.Query{Bucket: j.item.Bucket, Key: j.item.Key, Ask: tablet.AskRelease{Release: j.item.Row}}
	res, err := w.cfg.Index.Query(ctx, q.Owner(), q)
	switch {
	case err != nil:
		return err
	case res.Status == tablet.NotFound:
		return nil
	case res.Status != tablet.StatusOK:
		return fmt.Errorf("the tablet answers %s", res.Status)
	}
	j.work, j.time = res.Work, res.Time
	return nil
}

// remove removes the chunks of all jobs, chain by chain. A chain that fails
// fails the jobs that have chunks there.
func (p *pass) remove(ctx context.Context, jobs []*job) {
	byChain := map[chain.ChainID][]chain.ChunkID{}
	for _, j := range jobs {
		if j.err != nil || j.work == nil {
			continue
		}
		for _, e := range j.work.Extents {
			byChain[e.Chain] = append(byChain[e.Chain], e.Chunk)
		}
	}
	failed := map[chain.ChainID]error{}
	for c, ids := range byChain {
		for len(ids) > 0 && failed[c] == nil {
			n := min(len(ids), maxRemove)
			if err := p.w.cfg.Chunks.Remove(ctx, c, ids[:n]); err != nil {
				failed[c] = fmt.Errorf("chain %d: %w", c, err)
				break
			}
			p.chunks += n
			p.w.m.chunks.Add(float64(n))
			ids = ids[n:]
		}
	}
	for _, j := range jobs {
		if j.err != nil || j.work == nil {
			continue
		}
		for _, e := range j.work.Extents {
			if err := failed[e.Chain]; err != nil {
				j.err = err
			}
		}
	}
}

// maxRemove bounds the chunks of one removal.
const maxRemove = 1000

// done tells the tablet that the chunks are gone.
func (w *Worker) done(ctx context.Context, j *job) error {
	_, err := w.command(ctx, tablet.Command{
		Bucket: j.item.Bucket, Key: j.item.Key, Learned: j.time,
		Action: &tablet.ReleaseDone{Release: j.item.Row, Parts: j.work.Parts, Last: j.work.Last},
	})
	return err
}

// maxSends bounds the tries of a command whose learned time is refused.
const maxSends = 5

// command sends a command until it is answered. An unknown outcome is an
// error: everything that a worker does may be done again.
func (w *Worker) command(ctx context.Context, cmd tablet.Command) (tablet.Answer, error) {
	if _, err := io.ReadFull(w.cfg.Random, cmd.Op[:]); err != nil {
		return tablet.Answer{}, err
	}
	for range maxSends {
		a, err := w.cfg.Index.Do(ctx, cmd.Owner(), cmd)
		switch {
		case err != nil:
			return a, err
		case a.Status == tablet.RefusedLearned:
			cmd.Learned = a.Time
		case a.Status != tablet.StatusOK:
			return a, fmt.Errorf("the tablet answers %s: %s", a.Status, a.Detail)
		default:
			return a, nil
		}
	}
	return tablet.Answer{}, errors.New("the tablet's time went on faster than the command")
}

package gc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
)

// listPage is how many chunks of a chain are listed at once.
const listPage = 1000

// Orphans looks once through this worker's data chains for chunks that no row
// names, and removes them. A chunk is looked at only when its stamp is older
// than the time in which a command could still name it, by this node's clock;
// whether that is so is decided by the tablet's time.
func (w *Worker) Orphans(ctx context.Context) (removed int, err error) {
	if w.cfg.Lister == nil {
		return 0, nil
	}
	var errs []error
	for _, c := range w.cfg.DataChains() {
		n, err := w.orphansOf(ctx, c)
		removed += n
		if err != nil {
			errs = append(errs, fmt.Errorf("gc: orphans of chain %d: %w", c, err))
		}
	}
	return removed, errors.Join(errs...)
}

// homeOf is the row that owns a chunk.
type homeOf struct {
	bucket chain.BucketID
	key    string
}

func (w *Worker) orphansOf(ctx context.Context, c chain.ChainID) (removed int, err error) {
	var after chain.ChunkID
	var errs []error
	for more := true; more && ctx.Err() == nil; {
		var page []data.Header
		if page, more, err = w.cfg.Lister.ListChunks(ctx, c, after, listPage); err != nil {
			return removed, errors.Join(append(errs, err)...)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].ID
		for home, group := range w.old(page) {
			n, err := w.judge(ctx, c, home, group)
			removed += n
			if err != nil {
				w.m.failures.Inc()
				errs = append(errs, err)
			}
		}
	}
	return removed, errors.Join(append(errs, ctx.Err())...)
}

// old groups the chunks that are old enough by their homes.
func (w *Worker) old(page []data.Header) map[homeOf][]data.Header {
	limit := w.cfg.Now().UnixMilli() - tablet.StampAge
	homes := map[homeOf][]data.Header{}
	for _, h := range page {
		if h.Stamp < limit && !h.Bucket.IsZero() {
			home := homeOf{h.Bucket, h.Key}
			homes[home] = append(homes[home], h)
		}
	}
	return homes
}

// judge asks the owner of some chunks, and removes those that nothing names.
func (w *Worker) judge(ctx context.Context, c chain.ChainID, home homeOf, group []data.Header) (int, error) {
	ask := tablet.AskReferenced{}
	for _, h := range group {
		ask.Chunks = append(ask.Chunks, h.ID)
		ask.Stamp = max(ask.Stamp, h.Stamp)
	}
	res, err := w.referenced(ctx, home, ask)
	if err != nil || len(res.Unreferenced) == 0 {
		return 0, err
	}
	if err := w.cfg.Chunks.Remove(ctx, c, res.Unreferenced); err != nil {
		return 0, err
	}
	w.m.orphans.Add(float64(len(res.Unreferenced)))
	w.cfg.Logger.InfoContext(ctx, "orphans removed", "chain", c, "bucket", home.bucket, "chunks", len(res.Unreferenced),
		"stamp", time.UnixMilli(ask.Stamp).UTC())
	return len(res.Unreferenced), nil
}

// referenced asks at the tail; if the tablet has been idle too long to answer,
// it orders an empty entry first.
func (w *Worker) referenced(ctx context.Context, home homeOf, ask tablet.AskReferenced) (tablet.Result, error) {
	q := tablet.Query{Bucket: home.bucket, Key: home.key, Ask: ask}
	for try := range 2 {
		res, err := w.cfg.Index.Query(ctx, q.Owner(), q)
		switch {
		case err != nil:
			return res, err
		case res.Status == tablet.StatusOK:
			return res, nil
		case res.Status != tablet.RefusedTime:
			return res, fmt.Errorf("the tablet answers %s", res.Status)
		}
		if try == 0 {
			_, err := w.command(ctx, tablet.Command{Bucket: home.bucket, Key: home.key, Learned: res.Time, Action: &tablet.Empty{}})
			if err != nil {
				return res, err
			}
		}
	}
	return tablet.Result{}, nil // the tablet's clock is behind: not now
}

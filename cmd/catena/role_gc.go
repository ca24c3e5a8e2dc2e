package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"catena/chain"
	"catena/chain/data"
	"catena/cmd/internal/lifecycle"
	"catena/objectd/gc"
)

// gcEvery is the longest pause between two passes over the release rows.
const gcEvery = time.Minute

// addWorkers adds the removal of chunks that no row names any more.
func (r *role) addWorkers() {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	r.Group.Add(lifecycle.Part{
		Name: "removal",
		Start: func(context.Context) error {
			w, err := gc.New(gc.Config{
				Index: r.client, Chunks: r.client, Lister: lister{r}, Tablets: r.tablets, DataChains: r.dataChains,
				Grace: r.Config.ReleaseGrace, Every: min(r.Config.ReleaseGrace, gcEvery), Logger: r.Log, Registry: r.Metrics,
			})
			if err != nil {
				return err
			}
			running.Go(func() { w.Run(ctx) })
			return nil
		},
		Stop: func(context.Context) error {
			cancel()
			running.Wait()
			return nil
		},
	})
}

// tablets are this process's share: all of them, since all tails are here.
func (r *role) tablets() []chain.Tablet {
	if m := r.node.Map(); m != nil {
		return m.Tablets
	}
	return nil
}

func (r *role) dataChains() []chain.ChainID {
	m := r.node.Map()
	if m == nil {
		return nil
	}
	var out []chain.ChainID
	for _, id := range slices.Sorted(maps.Keys(m.Chains)) {
		if c := m.Chains[id]; c.Kind == chain.KindData {
			out = append(out, id)
		}
	}
	return out
}

// lister lists a chain's chunks on all its replicas: a seal that failed half
// way leaves its chunk on some of them only.
type lister struct{ r *role }

// ListChunks implements gc.Lister.
func (l lister) ListChunks(_ context.Context, c chain.ChainID, after chain.ChunkID, max int) ([]data.Header, bool, error) {
	m := l.r.node.Map()
	if m == nil {
		return nil, false, errNoMap
	}
	var pages [][]data.Header
	var ends []chain.ChunkID // where the pages that have more after them end
	for _, id := range m.Chains[c].Serving {
		page, more, err := l.r.node.ListChunks(c, id, after, max)
		if err != nil {
			return nil, false, err
		}
		pages = append(pages, page)
		if more && len(page) > 0 {
			ends = append(ends, page[len(page)-1].ID)
		}
	}
	return mergeHeaders(pages, ends), len(ends) > 0, nil
}

// mergeHeaders is the union of the pages up to the first end: what lies behind
// it, some replica has not listed yet.
func mergeHeaders(pages [][]data.Header, ends []chain.ChunkID) []data.Header {
	all := slices.Concat(pages...)
	if len(ends) > 0 {
		end := slices.MinFunc(ends, chain.ChunkID.Compare)
		all = slices.DeleteFunc(all, func(h data.Header) bool { return h.ID.Compare(end) > 0 })
	}
	slices.SortFunc(all, func(a, b data.Header) int { return a.ID.Compare(b.ID) })
	return slices.CompactFunc(all, func(a, b data.Header) bool { return a.ID == b.ID })
}

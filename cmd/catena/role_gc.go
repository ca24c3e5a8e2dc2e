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

// lister lists a chain's chunks at its tail.
type lister struct{ r *role }

// ListChunks implements gc.Lister.
func (l lister) ListChunks(_ context.Context, c chain.ChainID, after chain.ChunkID, max int) ([]data.Header, bool, error) {
	m := l.r.node.Map()
	if m == nil {
		return nil, false, errNoMap
	}
	cfg := m.Chains[c]
	return l.r.node.ListChunks(c, cfg.Tail(), after, max)
}

package clustersim

import (
	"context"
	"fmt"
	"time"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"
	"catena/objectd"
)

// contents is everything that a replica holds.
type contents struct {
	replica chain.ReplicaID
	applied index.Applied
	items   []objectd.Item
}

// Same checks that all Serving replicas of every tablet hold the same rows, and
// those of every data chain each chunk that an object of these buckets refers
// to, byte for byte. A chunk of a write that was not acknowledged may be on some
// replicas and not on others: the search for orphans removes it. Nothing may be
// written meanwhile; what is on its way down the chains is waited for.
func (p *Process) Same(ctx context.Context, buckets ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.poll(ctx, "replicas are the same", 250*time.Millisecond, func() error {
		need := map[chain.ChainID][]string{}
		for _, b := range buckets {
			if err := p.referenced(ctx, b, need); err != nil {
				return err
			}
		}
		for id, cfg := range p.Node.Map().Chains {
			if err := p.sameChain(&cfg, need[id]); err != nil {
				return fmt.Errorf("%s chain %d: %w", cfg.Kind, id, err)
			}
		}
		return nil
	})
}

// referenced adds the chunks that the objects of a bucket are made of.
func (p *Process) referenced(ctx context.Context, bucket string, need map[chain.ChainID][]string) error {
	q := tablet.Query{Key: tablet.BucketRecordPrefix + bucket, Ask: tablet.AskRecord{}}
	rec, err := p.Client.Query(ctx, q.Owner(), q)
	if err != nil || rec.Record == nil {
		return fmt.Errorf("bucket %s: %s: %w", bucket, rec.Status, err)
	}
	all, err := p.List(ctx, bucket, "")
	if err != nil {
		return err
	}
	for _, o := range all {
		q := tablet.Query{Bucket: rec.Record.ID, BucketGen: rec.Record.Generation, Key: o.Key, Ask: tablet.AskObject{Bytes: true}}
		res, err := p.Client.Query(ctx, q.Owner(), q)
		if err != nil || res.Object == nil {
			return fmt.Errorf("object %s: %s: %w", o.Key, res.Status, err)
		}
		for _, e := range res.Object.Extents {
			need[e.Chain] = append(need[e.Chain], e.Chunk.String())
		}
	}
	return nil
}

func (p *Process) sameChain(cfg *chain.Config, need []string) error {
	var all []contents
	for _, r := range cfg.Serving {
		c := contents{replica: r}
		var err error
		c.applied, err = p.Node.Inspect(cfg.Chain, r, func(it objectd.Item) bool {
			c.items = append(c.items, it)
			return true
		})
		if err != nil {
			return fmt.Errorf("replica %s: %w", r, err)
		}
		all = append(all, c)
	}
	for i := range all[1:] {
		differ := differ
		if cfg.Kind == chain.KindData {
			differ = contradict
		}
		if d := differ(&all[0], &all[1+i]); d != "" {
			return fmt.Errorf("replicas %s and %s: %s", all[0].replica, all[1+i].replica, d)
		}
	}
	for i := range all {
		has := map[string]bool{}
		for _, it := range all[i].items {
			has[it.Name] = true
		}
		for _, name := range need {
			if !has[name] {
				return fmt.Errorf("replica %s lacks chunk %s, of which an object is made", all[i].replica, name)
			}
		}
	}
	return nil
}

// differ compares two replicas of a tablet.
func differ(a, b *contents) string {
	if a.applied != b.applied {
		return fmt.Sprintf("applied %+v and %+v", a.applied, b.applied)
	}
	for i := range max(len(a.items), len(b.items)) {
		switch {
		case i >= len(a.items):
			return fmt.Sprintf("only the second has %q", b.items[i].Name)
		case i >= len(b.items):
			return fmt.Sprintf("only the first has %q", a.items[i].Name)
		case a.items[i].Name != b.items[i].Name:
			return fmt.Sprintf("item %d is %q and %q", i, a.items[i].Name, b.items[i].Name)
		case a.items[i].Sum != b.items[i].Sum:
			return fmt.Sprintf("%q differs", a.items[i].Name)
		}
	}
	return ""
}

// contradict compares what two replicas of a data chain both have.
func contradict(a, b *contents) string {
	sums := map[string]uint64{}
	for _, it := range a.items {
		sums[it.Name] = it.Sum
	}
	for _, it := range b.items {
		if sum, both := sums[it.Name]; both && sum != it.Sum {
			return fmt.Sprintf("chunk %s differs", it.Name)
		}
	}
	return ""
}

// Items counts what the tails of all chains of a kind hold.
func (p *Process) Items(kind chain.Kind) (n int, err error) {
	for id, cfg := range p.Node.Map().Chains {
		if cfg.Kind != kind {
			continue
		}
		if _, err := p.Node.Inspect(id, cfg.Tail(), func(objectd.Item) bool { n++; return true }); err != nil {
			return n, err
		}
	}
	return n, nil
}

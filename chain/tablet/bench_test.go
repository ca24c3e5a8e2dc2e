package tablet_test

import (
	"testing"

	"catena/chain"
	. "catena/chain/tablet"
	"catena/chain/tablet/tablettest"
)

// BenchmarkPut evaluates, appends and commits an inline put of 4 KiB.
func BenchmarkPut(b *testing.B) {
	r := tablettest.NewReplica(whole, t0)
	w := &world{Replica: r}
	if _, err := r.Do(w.cmd("", &SetBucket{Row: BucketRow{Generation: 1}})); err != nil {
		b.Fatal(err)
	}
	put := inline(1, string(make([]byte, 4096)))
	put.Object.Meta = Meta{Owner: "owner", Headers: []Pair{{"Content-Type", "application/octet-stream"}}}
	b.ReportAllocs()
	for b.Loop() {
		c := w.cmd("some/key/of/usual/length", put)
		g, err := r.Machine.Gather(&c, r.Rows)
		if err != nil {
			b.Fatal(err)
		}
		_ = g
		if a, err := r.Do(c); err != nil || a.Status != StatusOK {
			b.Fatal(a, err)
		}
		r.WallMs++
	}
}

// BenchmarkList reads a page of 1,000 rows.
func BenchmarkList(b *testing.B) {
	r := tablettest.NewReplica(whole, t0)
	w := &world{Replica: r}
	if _, err := r.Do(w.cmd("", &SetBucket{Row: BucketRow{Generation: 1}})); err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := r.Do(w.cmd("key/"+etag(i), inline(i+1, "x"))); err != nil {
			b.Fatal(err)
		}
	}
	q := Query{Tablet: whole.ID, Generation: whole.Generation, Bucket: bucket, BucketGen: 1, Ask: AskList{Max: 1000}}
	b.ReportAllocs()
	for b.Loop() {
		if res, err := Run(&q, View{Tablet: chain.Tablet(whole), Applied: r.Applied}, r.Rows); err != nil || len(res.List.Items) != 1000 {
			b.Fatal(err)
		}
	}
}

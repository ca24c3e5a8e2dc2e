package objectd

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"catena/chain"
	"catena/chain/index"
	"catena/chain/tablet"

	"github.com/stretchr/testify/require"
)

// A page of a scan ends after ScanFor, truncated; the pages together have
// everything.
func TestScanEndsByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, 2)
		r := leasedTail(t, h)
		n := h.node
		const keys = 200
		propose := func(i int, key string, a tablet.Action) {
			t.Helper()
			c := &tablet.Command{Op: chain.OpID{1, byte(i >> 8), byte(i)}, Tablet: 1, Generation: 1, Bucket: chain.BucketID{7}, BucketGen: 1, Key: key, Stamp: 1, Action: a}
			q := &tablet.Query{Tablet: 1, Generation: 1, Ask: tablet.AskTime{}}
			now, err := n.Query(indexChain, on(1), q)
			require.NoError(t, err)
			c.Learned, c.Stamp = now.Time, max(now.Time, 1)
			got, err := n.Propose(context.Background(), indexChain, on(0), c)
			require.NoError(t, err)
			require.Equal(t, tablet.StatusOK, got.Status, got.Detail)
		}
		order(t, n, on(0), 99)
		propose(0, "", &tablet.SetBucket{Row: tablet.BucketRow{Generation: 1}})
		for i := range keys {
			propose(i+1, fmt.Sprintf("k%03d", i), &tablet.PutObject{Object: tablet.Object{ETag: fmt.Sprintf("%032x", i), VersionID: tablet.NullVersion}})
		}
		for _, a := range n.all() {
			n.retire(a.base())
		}
		synctest.Wait() // the clock is the queries' alone now

		var now chain.Instant
		h.clock.now = func() chain.Now {
			now += chain.Instant(n.cfg.ScanFor / 4)
			return chain.Now{Mono: now}
		}
		r.lease.Store(&index.Serve{Epoch: chain.Epoch{N: 1}, Until: 1 << 62})
		total, pages := 0, 0
		for ask := (tablet.AskList{Max: 1000}); ; pages++ {
			res, err := n.Query(indexChain, on(1), &tablet.Query{Tablet: 1, Generation: 1, Bucket: chain.BucketID{7}, BucketGen: 1, Ask: ask})
			require.NoError(t, err)
			require.Equal(t, tablet.StatusOK, res.Status)
			if total += len(res.List.Items); !res.List.More {
				break
			}
			require.Len(t, res.List.Items, 4*16, "four questions a page, each after 16 rows")
			ask.After = res.List.Next
		}
		require.Equal(t, keys, total)
		require.Equal(t, 3, pages)
		require.Equal(t, 200*time.Millisecond, n.cfg.ScanFor, "the default")
		h.clock.now = nil
		h.stop()
	})
}

package tablet_test

import (
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"catena/chain"
	. "catena/chain/tablet"
)

// naive lists keys as S3 does: everything behind After, rolled up.
func naive(keys []string, a AskList) (items []string) {
	seen := map[string]bool{}
	for _, k := range keys {
		if !strings.HasPrefix(k, a.Prefix) {
			continue
		}
		it := k
		if a.Delimiter != "" {
			if i := strings.Index(k[len(a.Prefix):], a.Delimiter); i >= 0 {
				it = k[:len(a.Prefix)+i+len(a.Delimiter)]
			}
		}
		if k <= a.After || it != k && it == a.After || seen[it] {
			continue
		}
		seen[it] = true
		items = append(items, it)
	}
	return items
}

// The least key behind a common prefix is listed, and whatever begins with it.
func TestListGoesOnRightBehindACommonPrefix(t *testing.T) {
	w := newWorld(t)
	keys := []string{"a/x", "a/y", "a0", "a0b", "a1"}
	for i, k := range keys {
		w.mustOK(w.cmd(k, inline(i+1, "x")))
	}
	var got []string
	for _, it := range w.ask("", AskList{Delimiter: "/", Max: 10}).List.Items {
		got = append(got, it.Key)
	}
	require.Equal(t, []string{"a/", "a0", "a0b", "a1"}, got)
}

func TestListAgainstNaive(t *testing.T) {
	// 0 follows /: where a listing goes on behind a common prefix.
	chars := []string{"a", "b", "/", "0", "\xff", "\x00", "-", "//"}
	word := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(chars), 1, 5).Draw(t, "word"), "")
	})
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		keys := rapid.SliceOfNDistinct(word, 0, 30, rapid.ID[string]).Draw(rt, "keys")
		for i, k := range keys {
			w.mustOK(w.cmd(k, inline(i+1, "x")))
		}
		// A neighbour's keys must not be seen.
		for _, other := range []chain.BucketID{{0xAF, 0xFF}, {0xB0, 0, 1}} {
			c := w.cmd("", &SetBucket{Row: BucketRow{Generation: 1}})
			c.Bucket = other
			w.mustOK(c)
			c = w.cmd("a", inline(1, "x"))
			c.Bucket = other
			w.mustOK(c)
		}
		sort.Strings(keys)
		ask := AskList{Max: rapid.IntRange(1, 8).Draw(rt, "max"), MaxSteps: rapid.SampledFrom([]int{0, 1, 3}).Draw(rt, "steps")}
		if rapid.Bool().Draw(rt, "p") {
			ask.Prefix = word.Draw(rt, "prefix")
		}
		if rapid.Bool().Draw(rt, "d") {
			ask.Delimiter = rapid.SampledFrom([]string{"/", "a", "//", "\xff"}).Draw(rt, "delimiter")
		}
		if rapid.Bool().Draw(rt, "m") {
			ask.After = word.Draw(rt, "after")
		}
		want := naive(keys, ask)
		tablets := []*world{w}
		if rapid.Bool().Draw(rt, "stop") {
			w.Stop = func() bool { return rapid.Bool().Draw(rt, "now") }
		}
		if rapid.Bool().Draw(rt, "split") {
			at := chain.OwnerKey(bucket, word.Draw(rt, "at"))
			l, r, err := w.Split(at, 8)
			require.NoError(t, err)
			tablets = []*world{{t: t, Replica: l}, {t: t, Replica: r}}
		}
		if diff := cmp.Diff(want, pages(rt, tablets, ask)); diff != "" {
			rt.Fatalf("%+v of %q: %s", ask, keys, diff)
		}
	})
}

// pages lists everything, page by page and tablet by tablet, as a gateway does.
func pages(t *rapid.T, tablets []*world, ask AskList) (items []string) {
	for i := 0; i < len(tablets); {
		w := tablets[i]
		key := ""
		if i > 0 {
			key = string(w.Tablet.Start[16:])
		}
		r := w.ask(key, ask)
		if len(r.List.Items) > ask.Max {
			t.Fatalf("%d items in a page of %d", len(r.List.Items), ask.Max)
		}
		for _, it := range r.List.Items {
			items = append(items, it.Key)
		}
		switch {
		case r.List.More:
			ask.After = r.List.Next
		case r.List.Done:
			return items
		default:
			if n := len(r.List.Items); n > 0 {
				ask.After = r.List.Items[n-1].Key
			}
			i++
		}
		if len(items) > 1000 {
			t.Fatal("the listing does not end")
		}
	}
	return items
}

func TestListSeeksOverCommonPrefixes(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.mustOK(w.cmd("dir/"+string(rune('a'+i%26))+etag(i), inline(i+1, "")))
	}
	w.mustOK(w.cmd("z", inline(999, "")))
	r := w.ask("", AskList{Delimiter: "/", Max: 10, MaxSteps: 5})
	require.False(t, r.List.More, "two steps, not 300")
	require.Len(t, r.List.Items, 2)
	require.Equal(t, "dir/", r.List.Items[0].Key)
	require.Nil(t, r.List.Items[0].Object)
}

func TestUploadsArePaged(t *testing.T) {
	w := newWorld(t)
	type up struct {
		key string
		id  int
	}
	all := []up{{"a", 1}, {"a", 2}, {"a/x", 3}, {"a/y", 4}, {"b", 5}, {"b", 6}, {"b", 7}}
	for _, u := range all {
		w.upload(u.key, u.id)
	}
	for limit := 1; limit <= 8; limit++ {
		var got []up
		ask := AskUploads{Max: limit}
		for {
			r := w.ask("", ask)
			for _, it := range r.Uploads.Items {
				got = append(got, up{it.Key, int(it.ID[15])})
			}
			if !r.Uploads.More {
				break
			}
			ask.AfterKey, ask.AfterID = r.Uploads.NextKey, r.Uploads.NextID
		}
		require.Equal(t, all, got, "pages of %d", limit)
	}
	r := w.ask("", AskUploads{Max: 10, Delimiter: "/", AfterKey: "a"})
	require.Len(t, r.Uploads.Items, 4)
	require.Equal(t, "a/", r.Uploads.Items[0].Key)
	require.Nil(t, r.Uploads.Items[0].Upload)
	r = w.ask("", AskUploads{Max: 10, Delimiter: "/", AfterKey: "a/"})
	require.Len(t, r.Uploads.Items, 3)
	r = w.ask("", AskUploads{Max: 10, Prefix: "a/"})
	require.Len(t, r.Uploads.Items, 2)
}

// The driver ends a scan by time: every kind of page then ends early, says so,
// and the pages together still have everything, once.
func TestScansStopWhenToldTo(t *testing.T) {
	w := newWorld(t)
	const n = 100
	for i := range n {
		name := string([]byte{'a' + byte(i/26), 'a' + byte(i%26)})
		w.mustOK(w.cmd(name, inline(i+1, "x")))
		w.mustOK(w.cmd(name, inline(i+1, "y"))) // releases the first body's blob
		w.mustOK(w.cmd(name+"/in", chunked(i+1, 1)))
		w.mustOK(w.cmd(name+"/in", chunked(n+i+1, 1)))
		w.upload(name, i+1)
		w.mustOK(w.cmd("bucket/"+name, &SetRecord{New: record(id(i+1), RecordActive, 1)}))
	}
	asked := 0
	w.Stop = func() bool { asked++; return true }
	// scan gives how many items come in how many pages.
	scan := func(next func() (items int, more bool)) (items, pages int) {
		for more := true; more && pages <= 4*n; pages++ {
			var got int
			got, more = next()
			items += got
		}
		return items, pages
	}
	for name, test := range map[string]struct {
		want int
		next func() (int, bool)
	}{
		"list": {2 * n, func() func() (int, bool) {
			ask := AskList{Max: 1000}
			return func() (int, bool) {
				l := w.ask("", ask).List
				ask.After = l.Next
				return len(l.Items), l.More
			}
		}()},
		"list with a delimiter": {2 * n, func() func() (int, bool) {
			ask := AskList{Max: 1000, Delimiter: "/"}
			return func() (int, bool) {
				l := w.ask("", ask).List
				ask.After = l.Next
				return len(l.Items), l.More
			}
		}()},
		"uploads": {n, func() func() (int, bool) {
			ask := AskUploads{Max: 1000}
			return func() (int, bool) {
				u := w.ask("", ask).Uploads
				ask.AfterKey, ask.AfterID = u.NextKey, u.NextID
				return len(u.Items), u.More
			}
		}()},
		"records": {n, func() func() (int, bool) {
			ask := AskRecords{Max: 1000}
			return func() (int, bool) {
				r, err := w.Query(Query{Tablet: w.Tablet.ID, Generation: w.Tablet.Generation, Key: "bucket/", Ask: ask})
				require.NoError(t, err)
				ask.After = r.Records.Next
				return len(r.Records.Records), r.Records.More
			}
		}()},
		"releases": {n, func() func() (int, bool) {
			ask := AskReleases{Max: 1000, Before: w.Applied.Time}
			return func() (int, bool) {
				r := w.ask("", ask).Releases
				ask.After = r.Next
				return len(r.Items), r.More
			}
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			items, pages := scan(test.next)
			require.Equal(t, test.want, items)
			require.InDelta(t, test.want/16, pages, 2, "one page each 16 rows")
			require.GreaterOrEqual(t, asked, pages-1)
		})
	}
}

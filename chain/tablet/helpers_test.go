package tablet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/index"
	. "catena/chain/tablet"
	"catena/chain/tablet/tablettest"
)

const day = int64(StampAge)

// t0 is the clock at the start of every test, in milliseconds.
const t0 = int64(1_700_000_000_000)

var bucket = chain.BucketID{0xB0}

// whole is a tablet that owns every key.
var whole = chain.Tablet{ID: 7, Chain: 70, Generation: 3}

func id(n int) (v chain.ID128) {
	binary.BigEndian.PutUint64(v[:], 0x1D)
	binary.BigEndian.PutUint64(v[8:], uint64(n))
	return v
}

// world is a tablet and a caller that has learned its newest committed time.
type world struct {
	t *testing.T
	*tablettest.Replica
	ops int
}

// newWorld has a tablet with an open bucket of generation 1.
func newWorld(t *testing.T) *world {
	w := &world{t: t, Replica: tablettest.NewReplica(whole, t0)}
	w.mustOK(w.cmd("", &SetBucket{Row: BucketRow{Generation: 1}}))
	return w
}

func (w *world) cmd(key string, a Action) Command {
	w.ops++
	c := Command{
		Op: id(1_000_000 + w.ops), Learned: w.Applied.Time, Tablet: w.Tablet.ID, Generation: w.Tablet.Generation,
		Bucket: bucket, BucketGen: 1, Key: key, Action: a,
	}
	switch a.(type) {
	case *PutObject, *PutPart:
		c.Stamp = max(w.Applied.Time, 1)
	case *SetRecord:
		c.Bucket = chain.BucketID{}
	}
	return c
}

func (w *world) do(c Command) Answer {
	w.t.Helper()
	a, err := w.Do(c)
	require.NoError(w.t, err)
	return a
}

func (w *world) mustOK(c Command) Answer {
	w.t.Helper()
	a := w.do(c)
	require.Equal(w.t, StatusOK, a.Status, "%T: %s", c.Action, a.Detail)
	return a
}

func (w *world) propose(c Command) (Answer, index.Verdict) {
	w.t.Helper()
	v, err := w.Propose(c)
	require.NoError(w.t, err)
	return v.Answer.(Answer), v
}

func (w *world) ask(key string, a Ask) Result {
	w.t.Helper()
	r, err := w.Query(Query{Tablet: w.Tablet.ID, Generation: w.Tablet.Generation, Bucket: bucket, BucketGen: 1, Key: key, Ask: a})
	require.NoError(w.t, err)
	return r
}

// rows counts the rows of a kind.
func (w *world) rows(kind byte) (n int) {
	require.NoError(w.t, w.Rows.Scan([]byte{kind}, []byte{kind + 1}, func(_, _ []byte) bool { n++; return true }))
	return n
}

const (
	kindCurrent, kindBody, kindUpload, kindPart, kindManifest, kindRelease, kindOp = 0x20, 0x30, 0x40, 0x48, 0x50, 0x58, 0x70
)

func etag(n int) string { return fmt.Sprintf("%032x", n) }

// inline is a put of a small body.
func inline(n int, body string) *PutObject {
	a := &PutObject{Object: Object{Size: int64(len(body)), ETag: etag(n), VersionID: NullVersion}, Bytes: []byte(body)}
	if body != "" {
		a.Object.Layout = Layout{Kind: LayoutInline, Blob: id(n)}
	}
	return a
}

func extents(blob, n int, length uint32) (es []Extent) {
	for i := range n {
		es = append(es, Extent{Chain: chain.ChainID(i%3 + 1), Chunk: chain.ChunkID{Blob: id(blob), Ordinal: uint32(i)}, Length: length})
	}
	return es
}

// chunked is a put of n chunks of 1 MiB.
func chunked(blob, n int) *PutObject {
	es := extents(blob, n, 1<<20)
	a := &PutObject{Object: Object{Size: int64(n) << 20, ETag: etag(blob), VersionID: NullVersion}}
	if n <= MaxRowExtents {
		a.Object.Layout = Layout{Kind: LayoutExtents, Extents: es}
	} else {
		a.Object.Layout = Layout{Kind: LayoutManifest, Blob: id(blob)}
		a.Manifest = &Manifest{Extents: es}
	}
	return a
}

// part is a part of n chunks of 1 MiB; n = 0 is 5 inline bytes.
func part(upload, number, blob, n int) *PutPart {
	a := &PutPart{Upload: id(upload), Part: Part{Number: uint32(number), Blob: id(blob), Size: int64(n) << 20, MD5: id(blob)}}
	switch {
	case n == 0:
		a.Part.Size, a.Bytes = 5, []byte("bytes")
		a.Part.Layout = Layout{Kind: LayoutInline, Blob: id(blob)}
	case n <= MaxRowExtents:
		a.Part.Layout = Layout{Kind: LayoutExtents, Extents: extents(blob, n, 1<<20)}
	default:
		a.Part.Layout = Layout{Kind: LayoutManifest, Blob: id(blob)}
		a.Manifest = &Manifest{Extents: extents(blob, n, 1<<20)}
	}
	return a
}

func complete(upload int, size int64, parts ...int) *Complete {
	a := &Complete{Upload: id(upload), Object: Object{Size: size, ETag: etag(upload) + "-1", VersionID: NullVersion}}
	for i := 0; i < len(parts); i += 2 {
		a.Parts = append(a.Parts, NamedPart{Number: uint32(parts[i]), Blob: id(parts[i+1])})
	}
	return a
}

func (w *world) upload(key string, upload int) {
	w.t.Helper()
	w.mustOK(w.cmd(key, &CreateUpload{ID: id(upload)}))
}

// body reads an object's inline bytes; "" and false if there is none.
func (w *world) body(key string) (string, bool) {
	w.t.Helper()
	r := w.ask(key, AskObject{Bytes: true})
	if r.Status == NotFound {
		return "", false
	}
	require.Equal(w.t, StatusOK, r.Status)
	return string(r.Object.Bytes), true
}

// drain does the worker's job on every release row and gives the chunks it removed.
func (w *world) drain() (removed []chain.ChunkID) {
	w.t.Helper()
	for range 100 {
		r := w.ask("", AskReleases{Before: w.Applied.Time, Max: 1})
		if len(r.Releases.Items) == 0 {
			return removed
		}
		it := r.Releases.Items[0]
		for last := false; !last; {
			work := w.ask(it.Key, AskRelease{Release: it.Row})
			require.Equal(w.t, StatusOK, work.Status)
			for _, e := range work.Work.Extents {
				removed = append(removed, e.Chunk)
			}
			last = work.Work.Last
			w.mustOK(w.cmd(it.Key, &ReleaseDone{Release: it.Row, Parts: work.Work.Parts, Last: last}))
		}
	}
	w.t.Fatal("release rows do not end")
	return nil
}

func sameBytes(t *testing.T, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Fatalf("%d bytes differ from the %d expected", len(got), len(want))
	}
}

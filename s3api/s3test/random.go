package s3test

import (
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/s3api/checksum"
	"catena/s3api/objects"
	"catena/s3api/s3test/model"
)

// testRandom runs a seeded sequence of operations on the endpoint and on the model, and
// compares every answer. What comes next depends on the seed and on the
// model only, so one seed is one sequence.
func testRandom(t *testing.T, s *suite) {
	t.Logf("seed %d, %d operations", s.Seed, s.Ops)
	s.randomRun(t, s.Seed, s.Ops)
}

// walk is one run. The model holds a bucket "m"; the endpoint's has its own name.
type walk struct {
	s       *suite
	rng     *rand.Rand
	m       *model.Model
	bucket  string
	etags   []string // seen so far, for conditions
	uploads []*walkUpload
	trace   []string
}

type walkUpload struct {
	key, here, there string                 // ids in the model and at the endpoint
	completed        []objects.CompletePart // what its completion listed
}

const modelBucket = "m"

// randomRun returns the trace of the run: what was asked, and what the model said.
func (s *suite) randomRun(t testing.TB, seed uint64, ops int) []string {
	w := &walk{s: s, rng: rand.New(rand.NewPCG(seed, 1)), m: model.New(model.Config{}), bucket: s.bucket(t)}
	_, err := w.m.CreateBucket(context.Background(), objects.Bucket{Name: modelBucket})
	require.NoError(t, err)
	steps := []struct {
		weight int
		do     func(testing.TB)
	}{{30, w.put}, {20, w.get}, {10, w.delete}, {4, w.deleteMany}, {12, w.copy}, {12, w.list}, {6, w.start}, {14, w.part}, {4, w.partCopy},
		{8, w.finish}, {2, w.abort}, {4, w.parts}}
	total := 0
	for _, st := range steps {
		total += st.weight
	}
	for range ops {
		n := w.rng.IntN(total)
		for _, st := range steps {
			if n -= st.weight; n < 0 {
				st.do(t)
				break
			}
		}
		if t.Failed() {
			break
		}
	}
	w.compareAll(t)
	return w.trace
}

func (w *walk) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// history tells the last steps when an answer differs.
func (w *walk) history() string {
	return "after:\n" + strings.Join(w.trace[max(0, len(w.trace)-12):], "\n")
}

func (w *walk) key() string {
	keys := []string{"a", "a/", "a/b", "a/b/c", "a/c", "ab", "b", "b/a", "b/b/b", "c", "ü", "z z"}
	return keys[w.rng.IntN(len(keys))]
}

func (w *walk) data() []byte {
	sizes := []int{0, 1, 100, 4096, 65_536, 70_000, 300_000}
	return pattern(sizes[w.rng.IntN(len(sizes))], byte(w.rng.IntN(4)))
}

// condition draws the condition of a write, in both forms.
func (w *walk) condition() (objects.Condition, []string) {
	etag := "0123456789abcdef0123456789abcdef"
	if len(w.etags) > 0 {
		etag = w.etags[w.rng.IntN(len(w.etags))]
	}
	switch w.rng.IntN(8) {
	case 0:
		return objects.Condition{IfNoneMatch: "*"}, []string{"If-None-Match", "*"}
	case 1:
		return objects.Condition{IfMatch: etag}, []string{"If-Match", `"` + etag + `"`}
	case 2:
		return objects.Condition{IfMatch: "*"}, []string{"If-Match", "*"}
	case 3:
		return objects.Condition{IfNoneMatch: etag}, []string{"If-None-Match", `"` + etag + `"`}
	}
	return objects.Condition{}, nil
}

// expect asserts that the endpoint answered as the model did, and says whether that
// was success.
func (w *walk) expect(t testing.TB, what string, err error, a answer) bool {
	t.Helper()
	status, code := 200, ""
	if err != nil {
		status, code = wanted(err)
	}
	w.note("%s -> %d %s", what, status, code)
	got := a.status
	if got == 204 || got == 206 {
		got = 200
	}
	require.Equal(t, status, got, "%s: %s\n%s", what, a.body, w.history())
	require.Equal(t, code, a.code, "%s: %s\n%s", what, a.body, w.history())
	return err == nil
}

// wanted is the S3 answer of a kind; said here a second time, so that it is tested.
func wanted(err error) (int, string) {
	switch objects.KindOf(err) {
	case objects.KindNoSuchKey:
		return 404, "NoSuchKey"
	case objects.KindNoSuchUpload:
		return 404, "NoSuchUpload"
	case objects.KindPrecondition:
		return 412, "PreconditionFailed"
	case objects.KindInvalidPart:
		return 400, "InvalidPart"
	case objects.KindEntityTooSmall:
		return 400, "EntityTooSmall"
	case objects.KindInvalidRange:
		return 416, "InvalidRange"
	}
	return 500, err.Error()
}

// memory is a body of bytes for the model.
type memory struct {
	io.Reader
	data []byte
}

func bodyOf(data []byte) objects.Body { return &memory{strings.NewReader(string(data)), data} }

func (b *memory) Size() int64 { return int64(len(b.data)) }

func (b *memory) Finish() (objects.Digests, error) {
	h := checksum.NewHasher(checksum.CRC64NVME)
	h.Write(b.data)
	return objects.Digests{Size: b.Size(), MD5: md5.Sum(b.data),
		Checksum: objects.Checksum{Algorithm: objects.CRC64NVME, Type: objects.FullObject, Value: h.Value().Base64()}}, nil
}

func (w *walk) put(t testing.TB) {
	key, data, user := w.key(), w.data(), itoa(w.rng.IntN(100))
	cond, header := w.condition()
	info, err := w.m.Put(context.Background(), objects.Put{Bucket: modelBucket, Key: key, If: cond,
		Meta: objects.Meta{User: map[string]string{"n": user}}}, bodyOf(data))
	a := w.s.send(t, call{method: "PUT", bucket: w.bucket, key: key, body: data, header: h(append(header, "x-amz-meta-n", user)...)})
	if w.expect(t, fmt.Sprintf("put %q %d bytes %v", key, len(data), cond), err, a) {
		require.Equal(t, info.ETag, a.etag())
		w.etags = append(w.etags, info.ETag)
	}
}

func (w *walk) get(t testing.TB) {
	key, method, ranged := w.key(), []string{"GET", "HEAD"}[w.rng.IntN(2)], w.rng.IntN(3) == 0
	from, n := w.rng.Int64N(1000), 1+w.rng.Int64N(100_000)
	obj, err := w.m.Get(context.Background(), modelBucket, key)
	var want []byte
	header := h()
	if err == nil {
		info := obj.Info()
		n, from = min(n, info.Size-from), min(from, max(info.Size-1, 0))
		if ranged = ranged && n > 0; !ranged {
			from, n = 0, info.Size
		}
		r, rangeErr := obj.Range(context.Background(), from, n)
		require.NoError(t, rangeErr)
		want, _ = io.ReadAll(r)
	}
	if ranged {
		header["Range"] = "bytes=" + itoa(from) + "-" + itoa(from+n-1)
	}
	a := w.s.send(t, call{method: method, bucket: w.bucket, key: key, header: header})
	if method == "HEAD" && err != nil {
		_, a.code = wanted(err)
	}
	if !w.expect(t, fmt.Sprintf("%s %q %d+%d", method, key, from, n), err, a) {
		return
	}
	require.Equal(t, obj.Info().ETag, a.etag(), w.history())
	require.Equal(t, obj.Info().Meta.User["n"], a.header.Get("x-amz-meta-n"), w.history())
	require.Equal(t, itoa(len(want)), a.header.Get("Content-Length"))
	if method == "GET" {
		require.Equal(t, md5Hex(want), md5Hex(a.body), w.history())
	}
}

func (w *walk) delete(t testing.TB) {
	key := w.key()
	cond, header := w.condition()
	if cond.IfNoneMatch != "" { // deletes have none
		cond, header = objects.Condition{}, nil
	}
	_, err := w.m.Delete(context.Background(), objects.Delete{Bucket: modelBucket, Key: key, If: cond})
	a := w.s.send(t, call{method: "DELETE", bucket: w.bucket, key: key, header: h(header...)})
	w.expect(t, fmt.Sprintf("delete %q %v", key, cond), err, a)
}

func (w *walk) deleteMany(t testing.TB) {
	var keys []objects.Delete
	for range 1 + w.rng.IntN(4) {
		keys = append(keys, objects.Delete{Key: w.key()})
	}
	_, err := w.m.DeleteMany(context.Background(), modelBucket, keys)
	var list []deleteKey
	for _, k := range keys {
		list = append(list, deleteKey{Key: k.Key})
	}
	a := w.s.send(t, w.s.deleteCall(w.bucket, deleteBody(t, false, list...)))
	if w.expect(t, fmt.Sprintf("delete %v", list), err, a) {
		require.Len(t, parse[deleteDoc](t, a).Deleted, len(keys))
	}
}

func (w *walk) copy(t testing.TB) {
	from, to, replace := w.key(), w.key(), w.rng.IntN(3) == 0
	replace = replace || from == to
	cond, header := w.condition()
	c := objects.Copy{SourceBucket: modelBucket, SourceKey: from, Bucket: modelBucket, Key: to, If: cond, ReplaceMeta: replace}
	if replace {
		user := itoa(w.rng.IntN(100))
		c.Meta.User = map[string]string{"n": user}
		header = append(header, "x-amz-metadata-directive", "REPLACE", "x-amz-meta-n", user)
	}
	info, err := w.m.Copy(context.Background(), c)
	a := w.s.send(t, copyCall(w.bucket, to, w.bucket+"/"+escape(from), header...))
	if w.expect(t, fmt.Sprintf("copy %q to %q %v", from, to, cond), err, a) {
		require.Equal(t, `"`+info.ETag+`"`, parse[copyDoc](t, a).ETag, w.history())
		w.etags = append(w.etags, info.ETag)
	}
}

func (w *walk) list(t testing.TB) {
	pick := func(of ...string) string { return of[w.rng.IntN(len(of))] }
	r := objects.List{Bucket: modelBucket, Prefix: pick("", "", "a", "a/", "b/", "q"), Delimiter: pick("", "/", "b"),
		After: pick("", "a", "a/b", "a/", "b"), Max: 1 + w.rng.IntN(12)}
	page, err := w.m.List(context.Background(), r)
	query, after := "list-type=2&", "start-after"
	if w.rng.IntN(2) == 0 {
		query, after = "", "marker"
	}
	query += "prefix=" + escape(r.Prefix) + "&delimiter=" + escape(r.Delimiter) + "&max-keys=" + itoa(r.Max) + "&" + after + "=" + escape(r.After)
	a := w.s.send(t, call{method: "GET", bucket: w.bucket, query: query})
	if !w.expect(t, "list "+query, err, a) {
		return
	}
	doc, keys := parse[listDoc](t, a), []string{}
	for i, o := range page.Objects {
		keys = append(keys, o.Key)
		require.Equal(t, `"`+o.ETag+`"`, doc.Contents[i].ETag, w.history())
		require.Equal(t, o.Size, doc.Contents[i].Size, w.history())
	}
	require.Equal(t, keys, doc.keys(), w.history())
	require.Equal(t, append([]string{}, page.Prefixes...), doc.CommonPrefixes.all(), w.history())
	require.Equal(t, page.Next != "", doc.IsTruncated, w.history())
}

// compareAll reads everything at the end.
func (w *walk) compareAll(t testing.TB) {
	page, err := w.m.List(context.Background(), objects.List{Bucket: modelBucket, Max: 1000})
	require.NoError(t, err)
	doc := w.s.listing(t, w.bucket, "list-type=2")
	require.Len(t, doc.Contents, len(page.Objects), w.history())
	for i, o := range page.Objects {
		require.Equal(t, o.Key, doc.Contents[i].Key)
		obj, err := w.m.Get(context.Background(), modelBucket, o.Key)
		require.NoError(t, err)
		r, err := obj.Range(context.Background(), 0, o.Size)
		require.NoError(t, err)
		want, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, md5Hex(want), md5Hex(w.s.get(t, w.bucket, o.Key).body), "%q\n%s", o.Key, w.history())
	}
}

package cluster_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"catena/chain/tablet"
	"catena/s3api/cluster/clustertest"
	"catena/s3api/objects"
	"catena/s3api/s3test/model"
)

// TestRandomAgainstModel runs the same random operations on the backend, whose
// tablets are split and whose tries are lost at random, and on the model.
func TestRandomAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		d := newDuel(t, seed)
		for range 250 {
			d.step()
		}
		d.compareAll()
	}
}

type duel struct {
	t       *testing.T
	rnd     *rand.Rand
	f       *fixture
	m       *model.Model
	uploads []pair
}

type pair struct{ key, real, model string }

func newDuel(t *testing.T, seed uint64) *duel {
	d := &duel{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), f: newFixture(t), m: model.New(model.Config{})}
	_, err := d.m.CreateBucket(ctx, objects.Bucket{Name: "b", Owner: "me"})
	require.NoError(t, err)
	if seed%3 > 0 {
		d.f.mem.Fate = func(tablet.Command) clustertest.Fate {
			switch d.rnd.IntN(12) {
			case 0:
				return clustertest.RequestLost
			case 1:
				return clustertest.AnswerLost
			case 2:
				return clustertest.Refused
			case 3:
				return clustertest.SplitsBefore
			}
			return clustertest.Arrives
		}
	}
	return d
}

var duelKeys = []string{"a", "a/1", "a/2", "a/b/3", "b", "c/", "c/x", "d\x00e", "é"}

func (d *duel) key() string { return duelKeys[d.rnd.IntN(len(duelKeys))] }
func (d *duel) data() []byte {
	return noise(d.rnd.Uint64(), []int{0, 10, 1000, 1001, 250_000}[d.rnd.IntN(5)])
}

var ignore = cmp.Options{
	cmpopts.IgnoreTypes(time.Time{}), cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(objects.Upload{}, "ID"), cmpopts.IgnoreFields(objects.UploadPage{}, "NextUpload"),
}

// agree compares two answers and their errors.
func (d *duel) agree(what string, real, mod any, realErr, modErr error) {
	d.t.Helper()
	if (realErr == nil) != (modErr == nil) || realErr != nil && objects.KindOf(realErr) != objects.KindOf(modErr) {
		d.t.Fatalf("%s: %v, the model says %v", what, realErr, modErr)
	}
	if realErr != nil {
		return
	}
	if diff := cmp.Diff(mod, real, ignore); diff != "" {
		d.t.Fatalf("%s: %s", what, diff)
	}
}

func (d *duel) condition(key string) (c objects.Condition) {
	info, err := d.m.Head(ctx, "b", key)
	switch d.rnd.IntN(8) {
	case 0:
		c.IfNoneMatch = "*"
	case 1:
		c.IfMatch = "*"
	case 2:
		if c.IfMatch = "00000000000000000000000000000000"; err == nil {
			c.IfMatch = info.ETag
		}
	case 3:
		if err == nil {
			c.IfNoneMatch = info.ETag
		}
	case 4:
		n := int64(d.rnd.IntN(2) * 1000)
		c.IfSize = &n
	}
	return c
}

func (d *duel) step() {
	d.t.Helper()
	key := d.key()
	switch d.rnd.IntN(13) {
	case 0, 1, 2:
		data, cond := d.data(), d.condition(key)
		meta := objects.Meta{Owner: "me", User: map[string]string{"n": key}, Headers: objects.Headers{ContentType: "text/x"}}
		p := objects.Put{Bucket: "b", Key: key, Meta: meta, If: cond}
		a, aerr := d.f.Put(ctx, p, newBody(data))
		b, berr := d.m.Put(ctx, p, newBody(data))
		d.agree("put "+key, a, b, aerr, berr)
	case 3:
		del := objects.Delete{Bucket: "b", Key: key, If: d.condition(key)}
		a, aerr := d.f.Delete(ctx, del)
		b, berr := d.m.Delete(ctx, del)
		d.agree("delete "+key, a, b, aerr, berr)
	case 4:
		var dels []objects.Delete
		for range d.rnd.IntN(4) + 1 {
			k := d.key()
			dels = append(dels, objects.Delete{Key: k, If: d.condition(k)})
		}
		a, aerr := d.f.DeleteMany(ctx, "b", dels)
		b, berr := d.m.DeleteMany(ctx, "b", dels)
		d.agree("delete many", kinds(a), kinds(b), aerr, berr)
	case 5:
		q := objects.Copy{SourceBucket: "b", SourceKey: d.key(), Bucket: "b", Key: key, If: d.condition(key), Owner: "you"}
		if d.rnd.IntN(2) == 0 {
			q.Checksum = objects.SHA256
		}
		if d.rnd.IntN(2) == 0 {
			q.ReplaceMeta, q.Meta = true, objects.Meta{StorageClass: "X"}
		}
		a, aerr := d.f.Copy(ctx, q)
		b, berr := d.m.Copy(ctx, q)
		d.agree("copy to "+key, a, b, aerr, berr)
	case 6:
		d.list()
	case 7, 8:
		d.get(key)
	case 9:
		u := objects.CreateUpload{Bucket: "b", Key: key}
		if d.rnd.IntN(2) == 0 {
			u.Algorithm, u.ChecksumType = objects.CRC64NVME, objects.FullObject
		}
		a, aerr := d.f.CreateUpload(ctx, u)
		b, berr := d.m.CreateUpload(ctx, u)
		d.agree("create upload "+key, a, b, aerr, berr)
		d.uploads = append(d.uploads, pair{key, a.ID, b.ID})
	default:
		d.uploadStep()
	}
}

func kinds(errs []error) (ks []string) {
	for _, err := range errs {
		k := "ok"
		if err != nil {
			k = objects.KindOf(err).String()
		}
		ks = append(ks, k)
	}
	return ks
}

func (d *duel) uploadStep() {
	d.t.Helper()
	if len(d.uploads) == 0 {
		return
	}
	u := d.uploads[d.rnd.IntN(len(d.uploads))]
	n := d.rnd.IntN(3) + 1
	switch d.rnd.IntN(6) {
	case 0, 1:
		data := d.data()
		a, aerr := d.f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: u.key, UploadID: u.real, Number: n}, newBody(data))
		b, berr := d.m.PutPart(ctx, objects.PutPart{Bucket: "b", Key: u.key, UploadID: u.model, Number: n}, newBody(data))
		d.agree("put part", a, b, aerr, berr)
	case 2:
		q := objects.CopyPart{SourceBucket: "b", SourceKey: d.key(), Offset: int64(d.rnd.IntN(2) * 500), Length: int64(d.rnd.IntN(4)*60_000 - 1)}
		if q.Length < 0 {
			q.Offset = 0
		}
		q.PutPart = objects.PutPart{Bucket: "b", Key: u.key, UploadID: u.real, Number: n}
		a, aerr := d.f.CopyPart(ctx, q)
		q.UploadID = u.model
		b, berr := d.m.CopyPart(ctx, q)
		d.agree("copy part", a, b, aerr, berr)
	case 3:
		a, aerr := d.f.ListParts(ctx, objects.ListParts{Bucket: "b", Key: u.key, UploadID: u.real, Max: 2})
		b, berr := d.m.ListParts(ctx, objects.ListParts{Bucket: "b", Key: u.key, UploadID: u.model, Max: 2})
		d.agree("list parts", a, b, aerr, berr)
	case 4:
		if d.rnd.IntN(3) == 0 {
			aerr := d.f.Abort(ctx, "b", u.key, u.real)
			berr := d.m.Abort(ctx, "b", u.key, u.model)
			d.agree("abort", nil, nil, aerr, berr)
		}
	default:
		page, err := d.m.ListParts(ctx, objects.ListParts{Bucket: "b", Key: u.key, UploadID: u.model, Max: 9})
		q := objects.Complete{Bucket: "b", Key: u.key, Size: -1, If: d.condition(u.key), Parts: []objects.CompletePart{{Number: 1, ETag: etagOf(nil)}}}
		if err == nil && len(page.Parts) > 0 {
			// Parts are smaller than 5 MiB: one of them only.
			p := page.Parts[d.rnd.IntN(len(page.Parts))]
			q.Parts = []objects.CompletePart{{Number: p.Number, ETag: p.ETag}}
		}
		q.UploadID = u.real
		a, aerr := d.f.Complete(ctx, q)
		q.UploadID = u.model
		b, berr := d.m.Complete(ctx, q)
		d.agree("complete", a, b, aerr, berr)
	}
}

func (d *duel) list() {
	d.t.Helper()
	l := objects.List{Bucket: "b", Max: d.rnd.IntN(6) + 1, Prefix: []string{"", "", "a", "a/", "c/"}[d.rnd.IntN(5)]}
	if d.rnd.IntN(2) == 0 {
		l.Delimiter = "/"
	}
	for range 20 {
		a, aerr := d.f.List(ctx, l)
		b, berr := d.m.List(ctx, l)
		for i := range b.Objects {
			b.Objects[i].PartInfos = nil // a listing needs none
		}
		d.agree("list", a, b, aerr, berr)
		if l.After = a.Next; l.After == "" {
			break
		}
	}
	q := objects.ListUploads{Bucket: "b", Prefix: l.Prefix, Delimiter: l.Delimiter, Max: 1000}
	a, aerr := d.f.ListUploads(ctx, q)
	b, berr := d.m.ListUploads(ctx, q)
	d.agree("list uploads", a, b, aerr, berr)
}

func (d *duel) get(key string) {
	d.t.Helper()
	a, aerr := d.f.Head(ctx, "b", key)
	b, berr := d.m.Head(ctx, "b", key)
	d.agree("head "+key, a, b, aerr, berr)
	if aerr != nil {
		return
	}
	off := d.rnd.Int64N(a.Size + 1)
	n := d.rnd.Int64N(a.Size - off + 1)
	got, err := readRange(d.f, key, off, n)
	require.NoError(d.t, err)
	want, err := readRange(d.m, key, off, n)
	require.NoError(d.t, err)
	if string(got) != string(want) {
		d.t.Fatalf("%s [%d,%d) differs", key, off, off+n)
	}
}

func readRange(b objects.Backend, key string, off, n int64) ([]byte, error) {
	o, err := b.Get(ctx, "b", key)
	if err != nil {
		return nil, err
	}
	r, err := o.Range(ctx, off, n)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close(), o.Close())
}

func (d *duel) compareAll() {
	d.t.Helper()
	for _, k := range duelKeys {
		d.get(k)
	}
	if n := d.f.mem.Open(); n != 0 {
		d.t.Fatalf("%d chunks are left open", n)
	}
}

package cluster_test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"catena/chain"
	"catena/chain/data"
	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/cluster/clustertest"
	"catena/s3api/objects"
)

const fiveMiB = 5 << 20

func TestMultipart(t *testing.T) {
	f := newFixture(t)
	a, b, c := noise(1, fiveMiB), noise(2, fiveMiB+1), noise(3, 77)
	id, parts := f.upload("k", a, b, c)
	written := f.mem.Written()
	info, err := f.complete("k", id, parts)
	require.NoError(t, err)
	require.Equal(t, written, f.mem.Written(), "a completion copies nothing")
	sums := md5.Sum(bytes.Join([][]byte{md5Of(a), md5Of(b), md5Of(c)}, nil))
	require.Equal(t, fmt.Sprintf("%x-3", sums), info.ETag)
	all := bytes.Join([][]byte{a, b, c}, nil)
	require.Equal(t, sumOf(checksum.CRC64NVME, all), info.Checksum)
	f.same("k", all)
	require.True(t, bytes.Equal(all[fiveMiB-10:fiveMiB+10], f.read("k", fiveMiB-10, 20)))
	require.True(t, bytes.Equal(all[len(all)-80:], f.read("k", int64(len(all)-80), 80)))

	again, err := f.complete("k", id, parts)
	require.NoError(t, err, "a client whose answer was lost repeats")
	require.Equal(t, info, again)
	head, err := f.Head(ctx, "b", "k")
	require.NoError(t, err)
	require.Equal(t, info, head)
	f.put("k", []byte("x"))
	_, err = f.complete("k", id, parts)
	f.kind(objects.KindNoSuchUpload, err)
}

func md5Of(b []byte) []byte { s := md5.Sum(b); return s[:] }

func TestManyParts(t *testing.T) {
	f := newFixture(t, func(c *clusterConfig) { c.ChunkSize = 8 << 20 })
	part := noise(1, fiveMiB)
	u, err := f.CreateUpload(ctx, objects.CreateUpload{Bucket: "b", Key: "k"})
	require.NoError(t, err)
	var parts []objects.CompletePart
	for i := range 20 {
		part[0] = byte(i)
		p, err := f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: "k", UploadID: u.ID, Number: 3*i + 1}, newBody(bytes.Clone(part)))
		require.NoError(t, err)
		parts = append(parts, objects.CompletePart{Number: p.Number, ETag: p.ETag})
	}
	info, err := f.complete("k", u.ID, parts)
	require.NoError(t, err)
	require.Len(t, info.PartInfos, 20)
	require.Equal(t, 58, info.PartInfos[19].Number)
	for i := range 20 {
		got := f.read("k", int64(i)*fiveMiB, 1)
		require.Equal(t, byte(i), got[0])
	}
	// A copy keeps the parts, and moves no bytes.
	written := f.mem.Written()
	copied, err := f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "k", Bucket: "b", Key: "l"})
	require.NoError(t, err)
	require.Equal(t, written, f.mem.Written())
	require.Equal(t, info.ETag, copied.ETag)
	require.Equal(t, info.PartInfos, copied.PartInfos)
	require.Equal(t, f.read("k", 19*fiveMiB-5, 10), f.read("l", 19*fiveMiB-5, 10))
}

// A repeat is known by its parts, also where the row does not hold them.
func TestCompleteAgainWithOtherParts(t *testing.T) {
	for _, n := range []int{2, 18} {
		t.Run(fmt.Sprint(n, " parts"), func(t *testing.T) {
			f := newFixture(t)
			bodies := make([][]byte, n)
			for i := range bodies {
				bodies[i] = noise(1, fiveMiB)
			}
			id, parts := f.upload("k", bodies...)
			info, err := f.complete("k", id, parts)
			require.NoError(t, err)
			change := func(change func([]objects.CompletePart) []objects.CompletePart) error {
				_, err := f.complete("k", id, change(slices.Clone(parts)))
				return err
			}
			for name, other := range map[string]func(ps []objects.CompletePart) []objects.CompletePart{
				"one less":       func(ps []objects.CompletePart) []objects.CompletePart { return ps[1:] },
				"none":           func(ps []objects.CompletePart) []objects.CompletePart { return nil },
				"another number": func(ps []objects.CompletePart) []objects.CompletePart { ps[n-1].Number++; return ps },
				"another ETag":   func(ps []objects.CompletePart) []objects.CompletePart { ps[0].ETag = etagOf(nil); return ps },
				"no ETag":        func(ps []objects.CompletePart) []objects.CompletePart { ps[0].ETag = "x"; return ps },
				"short ETag":     func(ps []objects.CompletePart) []objects.CompletePart { ps[0].ETag = ps[0].ETag[:30]; return ps },
			} {
				err := change(other)
				require.Error(t, err, name)
				f.kind(objects.KindInvalidPart, err)
			}
			q := objects.Complete{Bucket: "b", Key: "k", UploadID: id, Parts: parts, Size: 1}
			_, err = f.Complete(ctx, q)
			f.kind(objects.KindBadSize, err)
			q.Size, q.Checksum = info.Size, sumOf(checksum.CRC64NVME, []byte("other"))
			_, err = f.Complete(ctx, q)
			f.kind(objects.KindBadChecksum, err)
			q.Checksum = info.Checksum
			again, err := f.Complete(ctx, q)
			require.NoError(t, err)
			require.Equal(t, info, again)
		})
	}
}

func TestCompleteErrors(t *testing.T) {
	f := newFixture(t)
	id, parts := f.upload("k", noise(1, fiveMiB), noise(2, 100), noise(3, 100))
	done := func(ps ...objects.CompletePart) error {
		_, err := f.complete("k", id, ps)
		return err
	}
	other := parts[1]
	other.ETag = parts[0].ETag
	f.kind(objects.KindInvalidPart, done(parts[0], other))
	f.kind(objects.KindInvalidPart, done(objects.CompletePart{Number: 9, ETag: parts[0].ETag}))
	f.kind(objects.KindInvalidPart, done())
	f.kind(objects.KindInvalidPartOrder, done(parts[1], parts[0]))
	f.kind(objects.KindInvalidPartOrder, done(parts[0], parts[0]))
	f.kind(objects.KindEntityTooSmall, done(parts[0], parts[1], parts[2]))
	other = parts[1]
	other.Checksum = sumOf(checksum.CRC64NVME, []byte("other"))
	f.kind(objects.KindInvalidPart, done(parts[0], other))

	q := objects.Complete{Bucket: "b", Key: "k", UploadID: id, Parts: parts[:2], Size: 1}
	_, err := f.Complete(ctx, q)
	f.kind(objects.KindBadSize, err)
	q.Size, q.Checksum = -1, sumOf(checksum.CRC64NVME, []byte("other"))
	_, err = f.Complete(ctx, q)
	f.kind(objects.KindBadChecksum, err)
	q.Checksum, q.If.IfMatch = objects.Checksum{}, "*"
	_, err = f.Complete(ctx, q)
	f.kind(objects.KindNoSuchKey, err)
	for _, bad := range []string{"", "x", "00000000000000000000000000000000", "0123456789abcdef0123456789abcdef"} {
		_, err = f.complete("k", bad, parts)
		f.kind(objects.KindNoSuchUpload, err)
		f.kind(objects.KindNoSuchUpload, f.Abort(ctx, "b", "k", bad))
		_, err = f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: "k", UploadID: bad, Number: 1}, newBody(nil))
		f.kind(objects.KindNoSuchUpload, err)
	}
	_, err = f.complete("other", id, parts[:2])
	f.kind(objects.KindNoSuchUpload, err)
	require.NoError(t, done(parts[:2]...))
}

func TestPartWrittenWhileCompleting(t *testing.T) {
	f := newFixture(t)
	id, parts := f.upload("k", []byte("one"))
	raced := false
	f.mem.Fate = func(c tablet.Command) clustertest.Fate {
		if _, ok := c.Action.(*tablet.Complete); ok && !raced {
			raced = true
			_, err := f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: "k", UploadID: id, Number: 1}, newBody([]byte("two")))
			require.NoError(t, err)
		}
		return clustertest.Arrives
	}
	_, err := f.complete("k", id, parts)
	f.kind(objects.KindInvalidPart, err) // the one that the client listed is gone

	raced = false
	parts[0].ETag = etagOf([]byte("two"))
	_, err = f.complete("k", id, parts) // written again with the same bytes
	require.NoError(t, err)
	f.same("k", []byte("two"))
}

func TestChecksumsOfParts(t *testing.T) {
	for _, c := range []struct {
		alg  checksum.Algorithm
		typ  objects.ChecksumType
		want objects.ChecksumType
	}{
		{checksum.CRC32, objects.FullObject, objects.FullObject}, {checksum.CRC32, "", objects.Composite},
		{checksum.CRC32C, objects.FullObject, objects.FullObject}, {checksum.SHA256, objects.Composite, objects.Composite},
		{checksum.CRC64NVME, "", objects.FullObject},
	} {
		f := newFixture(t)
		u, err := f.CreateUpload(ctx, objects.CreateUpload{Bucket: "b", Key: "k", Algorithm: objects.Algorithm(c.alg.String()), ChecksumType: c.typ})
		require.NoError(t, err)
		require.Equal(t, c.want, u.ChecksumType)
		data := [][]byte{noise(1, fiveMiB), noise(2, 100)}
		var parts []objects.CompletePart
		var sums []checksum.Part
		for i, d := range data {
			b := newBody(d)
			b.alg = c.alg
			p, err := f.PutPart(ctx, objects.PutPart{Bucket: "b", Key: "k", UploadID: u.ID, Number: i + 1}, b)
			require.NoError(t, err)
			require.Equal(t, sumOf(c.alg, d), p.Checksum)
			parts = append(parts, objects.CompletePart{Number: i + 1, ETag: p.ETag, Checksum: p.Checksum})
			v, err := checksum.Parse(c.alg, p.Checksum.Value)
			require.NoError(t, err)
			sums = append(sums, checksum.Part{Sum: v.Sum, Length: p.Size})
		}
		info, err := f.complete("k", u.ID, parts)
		require.NoError(t, err)
		typ, _ := checksum.ParseType(string(c.want))
		want, err := checksum.OfParts(c.alg, typ, sums)
		require.NoError(t, err)
		require.Equal(t, want.Base64(), info.Checksum.Value)
		require.Equal(t, c.want, info.Checksum.Type)
		require.Equal(t, parts[1].Checksum, info.PartInfos[1].Checksum)
		if c.want == objects.FullObject {
			require.Equal(t, sumOf(c.alg, bytes.Join(data, nil)).Value, info.Checksum.Value)
		}
	}
}

func TestCopyMovesNoBytes(t *testing.T) {
	f := newFixture(t)
	want := noise(1, 350_000)
	src, err := f.Put(ctx, objects.Put{Bucket: "b", Key: "src", Meta: objects.Meta{Owner: "me", User: map[string]string{"a": "1"}}}, newBody(want))
	require.NoError(t, err)
	_, err = f.CreateBucket(ctx, objects.Bucket{Name: "to"})
	require.NoError(t, err)
	written := f.mem.Written()
	info, err := f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "src", Bucket: "to", Key: "dst", Owner: "you"})
	require.NoError(t, err)
	require.Equal(t, written, f.mem.Written())
	require.Equal(t, src.ETag, info.ETag)
	require.Equal(t, src.Checksum, info.Checksum)
	require.Equal(t, "you", info.Meta.Owner)
	require.Equal(t, src.Meta.User, info.Meta.User)
	ids := f.mem.ChunkIDs()
	require.Len(t, ids, 8, "no two rows share a chunk")
	homes := map[string]int{}
	for _, id := range ids {
		homes[f.mem.Header(id).Key]++
	}
	require.Equal(t, map[string]int{"src": 4, "dst": 4}, homes, "a clone's home is its destination")

	// Onto itself, with other metadata.
	info, err = f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "src", Bucket: "b", Key: "src", ReplaceMeta: true, Meta: objects.Meta{StorageClass: "X"}})
	require.NoError(t, err)
	require.Equal(t, "X", info.Meta.StorageClass)
	require.Empty(t, info.Meta.User)
	require.Equal(t, written, f.mem.Written())
	f.same("src", want)

	// Another algorithm: read, and not written.
	info, err = f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "src", Bucket: "b", Key: "sum", Checksum: objects.SHA1})
	require.NoError(t, err)
	require.Equal(t, sumOf(checksum.SHA1, want), info.Checksum)
	require.Equal(t, written, f.mem.Written())
}

func TestCopyErrors(t *testing.T) {
	f := newFixture(t)
	f.put("src", []byte("x"))
	q := objects.Copy{SourceBucket: "b", SourceKey: "none", Bucket: "b", Key: "dst"}
	_, err := f.Copy(ctx, q)
	f.kind(objects.KindNoSuchKey, err)
	require.ErrorContains(t, err, "none", "the error names the source")
	q.SourceBucket = "nobucket"
	_, err = f.Copy(ctx, q)
	f.kind(objects.KindNoSuchBucket, err)
	require.ErrorContains(t, err, "nobucket")
	q.SourceBucket, q.SourceKey, q.Bucket = "b", "src", "nobucket"
	_, err = f.Copy(ctx, q)
	f.kind(objects.KindNoSuchBucket, err)
	q.Bucket, q.Source.IfMatch = "b", "no"
	_, err = f.Copy(ctx, q)
	f.kind(objects.KindPrecondition, err)
	q.Source.IfMatch, q.If.IfMatch = "", "*"
	_, err = f.Copy(ctx, q)
	f.kind(objects.KindNoSuchKey, err)
	f.put("big", noise(1, 5000))
	q.SourceKey, q.If.IfMatch, q.MaxSize = "big", "", 4999
	_, err = f.Copy(ctx, q)
	f.kind(objects.KindTooLarge, err)
}

func TestCopyStartsAgainWhenTheSourceIsGone(t *testing.T) {
	f := newFixture(t)
	f.put("src", noise(1, 350_000))
	old := f.mem.ChunkIDs()
	want := noise(2, 250_000)
	var raced atomic.Bool
	f.mem.SetFault(func(s clustertest.Step, _ chain.ChainID, h data.Header) (error, bool) {
		if s == clustertest.StepClone && raced.CompareAndSwap(false, true) {
			f.put("src", want)
			for _, id := range old {
				f.mem.RemoveChunk(id)
			}
		}
		return nil, false
	})
	_, err := f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "src", Bucket: "b", Key: "dst"})
	require.NoError(t, err)
	f.same("dst", want)
}

func TestFailedClonesAreTriedUnderNewIds(t *testing.T) {
	f := newFixture(t)
	want := noise(1, 350_000)
	f.put("src", want)
	var n atomic.Int32
	f.mem.SetFault(func(s clustertest.Step, _ chain.ChainID, h data.Header) (error, bool) {
		if s == clustertest.StepClone && n.Add(1) <= 3 {
			return &chain.Refusal{Kind: chain.RefusedUnknown}, false
		}
		return nil, false
	})
	_, err := f.Copy(ctx, objects.Copy{SourceBucket: "b", SourceKey: "src", Bucket: "b", Key: "dst"})
	require.NoError(t, err) // the chains in memory panic on an id that is used twice
	f.same("dst", want)
}

func TestCopyPart(t *testing.T) {
	f := newFixture(t)
	src := noise(1, fiveMiB+350_000)
	f.put("src", src)
	u, err := f.CreateUpload(ctx, objects.CreateUpload{Bucket: "b", Key: "k"})
	require.NoError(t, err)
	written := f.mem.Written()
	ranges := [][2]int64{{123, fiveMiB}, {0, -1}, {99_990, 20}}
	var parts []objects.CompletePart
	var all []byte
	for i, r := range ranges {
		p, err := f.CopyPart(ctx, objects.CopyPart{
			PutPart:      objects.PutPart{Bucket: "b", Key: "k", UploadID: u.ID, Number: i + 1},
			SourceBucket: "b", SourceKey: "src", Offset: r[0], Length: r[1],
		})
		require.NoError(t, err)
		n := r[1]
		if n < 0 {
			n = int64(len(src))
		}
		piece := src[r[0] : r[0]+n]
		require.Equal(t, etagOf(piece), p.ETag)
		require.Equal(t, sumOf(checksum.CRC64NVME, piece), p.Checksum)
		all = append(all, piece...)
		parts = append(parts, objects.CompletePart{Number: i + 1, ETag: p.ETag})
	}
	require.Equal(t, written, f.mem.Written(), "ranges are read to hash them, and cloned")
	info, err := f.complete("k", u.ID, parts)
	require.NoError(t, err)
	require.Equal(t, sumOf(checksum.CRC64NVME, all).Value, info.Checksum.Value)
	f.same("k", all)

	q := objects.CopyPart{PutPart: objects.PutPart{Bucket: "b", Key: "k", UploadID: u.ID, Number: 1}, SourceBucket: "b", SourceKey: "src", Length: -1}
	_, err = f.CopyPart(ctx, q)
	f.kind(objects.KindNoSuchUpload, err)
	id, _ := f.upload("k")
	q.UploadID, q.Offset, q.Length = id, int64(len(src)), 1
	_, err = f.CopyPart(ctx, q)
	f.kind(objects.KindInvalidRange, err)
	q.Offset, q.Length, q.MaxSize = 0, 100, 99
	_, err = f.CopyPart(ctx, q)
	f.kind(objects.KindTooLarge, err)
}

func TestUploadsAreListedInTheOrderTheyWereStarted(t *testing.T) {
	f := newFixture(t)
	var want []string
	for range 5 {
		id, _ := f.upload("k")
		want = append(want, id)
	}
	f.mem.Split(owner(f.bucketID(), "l"))
	id, _ := f.upload("z")
	want = append(want, id)
	var got []string
	q := objects.ListUploads{Bucket: "b", Max: 2}
	for {
		page, err := f.ListUploads(ctx, q)
		require.NoError(t, err)
		for _, u := range page.Uploads {
			got = append(got, u.ID)
		}
		if !page.Truncated {
			break
		}
		q.AfterKey, q.AfterUpload = page.NextKey, page.NextUpload
	}
	require.Equal(t, want, got)
}

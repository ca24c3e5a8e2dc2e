package cluster

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/objects"
)

// The limits of S3 for multipart objects.
const (
	minPart   = 5 << 20
	maxObject = 5 << 40
)

// maxCompletions bounds how often a completion looks at its parts again because
// one was written meanwhile.
const maxCompletions = 4

// Complete implements objects.Backend: the parts are compared here with what the
// client listed, and at the head with what was compared. It copies nothing.
func (c *Cluster) Complete(ctx context.Context, q objects.Complete) (objects.Info, error) {
	r := c.request("complete", q.Bucket, q.Key)
	if _, err := r.lookup(ctx); err != nil {
		return objects.Info{}, err
	}
	id, err := r.uploadID(q.UploadID)
	if err != nil {
		return objects.Info{}, err
	}
	for range maxCompletions {
		res, ref, err := r.upload(ctx, id, 0, tablet.MaxParts)
		if objects.KindOf(err) == objects.KindNoSuchUpload && err != nil {
			return r.completedBefore(ctx, id, q, err)
		}
		if err != nil {
			return objects.Info{}, err
		}
		act, err := r.completion(id, &res, q)
		if err != nil {
			return objects.Info{}, err
		}
		a, err := r.command(ctx, ref, 0, act)
		if err != nil {
			return objects.Info{}, err
		}
		switch a.Status {
		case tablet.PartChanged, tablet.SizeDiffers:
			continue // a part was written meanwhile: what the client listed may be gone
		case tablet.NoSuchUpload:
			return r.completedBefore(ctx, id, q, r.negative(a, q.If))
		}
		if err := r.negative(a, q.If); err != nil {
			return objects.Info{}, err
		}
		return r.completed(act, &res, a), nil
	}
	return objects.Info{}, r.fail(objects.KindConflict, "the parts keep changing", nil)
}

// completed describes the object that a completion made.
func (r *request) completed(act *tablet.Complete, res *tablet.Result, a tablet.Answer) objects.Info {
	o := act.Object
	o.Rev, o.Modified, o.VersionID, o.Parts = a.Rev, a.Modified, a.VersionID, uint32(len(act.Parts))
	byNumber := partsByNumber(res.Parts)
	parts := make([]tablet.PartSize, len(act.Parts))
	for i, n := range act.Parts {
		p := byNumber[n.Number].Part
		parts[i] = tablet.PartSize{Number: n.Number, Size: p.Size}
		if res.Upload.Algorithm != 0 {
			parts[i].Sum = p.Checksum.Sum
		}
	}
	return infoOfRow(r.bucket, r.key, &o, parts)
}

// completion validates the parts that the client listed and makes the command.
func (r *request) completion(id chain.ID128, res *tablet.Result, q objects.Complete) (*tablet.Complete, error) {
	parts, err := r.listed(res, q)
	if err != nil {
		return nil, err
	}
	act := &tablet.Complete{Upload: id, If: conditionToRow(q.If), Object: tablet.Object{VersionID: tablet.NullVersion, Meta: res.Upload.Meta}}
	md5s := md5.New()
	for _, p := range parts {
		act.Parts = append(act.Parts, tablet.NamedPart{Number: p.Number, Blob: p.Blob})
		act.Object.Size += p.Size
		md5s.Write(p.MD5[:])
	}
	act.Object.ETag = multipartETag(md5s, len(parts))
	switch {
	case q.Size >= 0 && q.Size != act.Object.Size:
		return nil, r.fail(objects.KindBadSize, "", nil)
	case act.Object.Size > maxObject:
		return nil, r.fail(objects.KindTooLarge, "", nil)
	}
	sum, err := r.checksumOf(res.Upload, parts)
	if err != nil {
		return nil, err
	}
	if sum.Algorithm != 0 {
		act.Object.Checksums = []tablet.Checksum{sum}
	}
	if want := checksumToRow(q.Checksum); want.Algorithm != 0 && !sameSum(want, sum) {
		return nil, r.fail(objects.KindBadChecksum, "", nil)
	}
	return act, nil
}

// listed finds the parts that the client named, in S3's order of errors.
func (r *request) listed(res *tablet.Result, q objects.Complete) ([]*tablet.Part, error) {
	have := partsByNumber(res.Parts)
	var parts []*tablet.Part
	last := 0
	for _, n := range q.Parts {
		detail := fmt.Sprintf("part %d", n.Number)
		if n.Number <= last {
			return nil, r.fail(objects.KindInvalidPartOrder, detail, nil)
		}
		last = n.Number
		found, ok := have[uint32(n.Number)]
		p := found.Part
		if !ok || hex.EncodeToString(p.MD5[:]) != n.ETag || n.Checksum.Value != "" && checksumOfRow(&p.Checksum).Value != n.Checksum.Value {
			return nil, r.fail(objects.KindInvalidPart, detail, nil)
		}
		parts = append(parts, &p)
	}
	if len(parts) == 0 {
		return nil, r.fail(objects.KindInvalidPart, "no parts", nil)
	}
	for _, p := range parts[:len(parts)-1] {
		if p.Size < minPart {
			return nil, r.fail(objects.KindEntityTooSmall, fmt.Sprintf("part %d", p.Number), nil)
		}
	}
	return parts, nil
}

// checksumOf makes the object's checksum of its parts': of the algorithm and
// type that the upload named, else FULL_OBJECT CRC64NVME. Parts of an unnamed
// upload that lack it make an object without a checksum.
func (r *request) checksumOf(u *tablet.Upload, parts []*tablet.Part) (tablet.Checksum, error) {
	a, t := checksum.Algorithm(u.Algorithm), checksum.Type(u.ChecksumType)
	if a == checksum.None {
		a, t = checksum.CRC64NVME, checksum.FullObject
	}
	sums := make([]checksum.Part, len(parts))
	for i, p := range parts {
		if p.Checksum.Algorithm != uint8(a) {
			if u.Algorithm == 0 {
				return tablet.Checksum{}, nil
			}
			return tablet.Checksum{}, r.fail(objects.KindInvalidPart, fmt.Sprintf("part %d has no %s", p.Number, a), nil)
		}
		sums[i] = checksum.Part{Sum: p.Checksum.Sum, Length: p.Size}
	}
	v, err := checksum.OfParts(a, t, sums)
	if err != nil {
		return tablet.Checksum{}, r.fail(objects.KindInternal, "", err)
	}
	return tablet.Checksum{Algorithm: uint8(v.Algorithm), Type: uint8(v.Type), Sum: v.Sum, Parts: uint32(v.Parts)}, nil
}

package cluster

import (
	"context"
	"encoding/hex"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/checksum"
	"catena/s3api/objects"
)

func uploadOfRow(bucket, key string, id chain.ID128, u *tablet.Upload) objects.Upload {
	return objects.Upload{
		Bucket: bucket, Key: key, ID: idText(id), Initiated: millis(u.Initiated), Meta: metaOfRow(&u.Meta),
		Algorithm:    objects.Algorithm(checksum.Algorithm(u.Algorithm).String()),
		ChecksumType: objects.ChecksumType(checksum.Type(u.ChecksumType).String()),
	}
}

func partOfRow(p *tablet.Part) objects.Part {
	return objects.Part{
		Number: int(p.Number), Size: p.Size, ETag: hex.EncodeToString(p.MD5[:]), Modified: millis(p.Modified), Checksum: checksumOfRow(&p.Checksum),
	}
}

// uploadID parses the public id. One that was never made by us names nothing.
func (r *request) uploadID(text string) (chain.ID128, error) {
	id, err := chain.ParseID128(text)
	if err != nil || id.IsZero() {
		return id, r.fail(objects.KindNoSuchUpload, "", nil)
	}
	return id, nil
}

// CreateUpload implements objects.Backend.
func (c *Cluster) CreateUpload(ctx context.Context, u objects.CreateUpload) (objects.Upload, error) {
	r := c.request("create upload", u.Bucket, u.Key)
	ref, err := r.lookup(ctx)
	if err != nil {
		return objects.Upload{}, err
	}
	id, err := c.newUploadID()
	if err != nil {
		return objects.Upload{}, r.fail(objects.KindInternal, "", err)
	}
	t, _ := checksum.ParseType(string(u.ChecksumType))
	row := tablet.Upload{Meta: metaToRow(u.Meta), Algorithm: uint8(algorithm(u.Algorithm)), ChecksumType: uint8(t)}
	if row.Algorithm != 0 && row.ChecksumType == 0 {
		row.ChecksumType = uint8(checksum.Algorithm(row.Algorithm).DefaultType())
	}
	a, err := r.command(ctx, ref, 0, &tablet.CreateUpload{ID: id, Upload: row})
	if err != nil {
		return objects.Upload{}, err
	}
	row.Initiated = a.Modified
	return uploadOfRow(u.Bucket, u.Key, id, &row), r.negative(a, objects.Condition{})
}

// upload reads an upload's row, and up to max parts after a number.
func (r *request) upload(ctx context.Context, id chain.ID128, after uint32, max int) (tablet.Result, bucketRef, error) {
	res, ref, err := r.query(ctx, tablet.Query{Key: r.key, Ask: tablet.AskUpload{Upload: id, After: after, Max: max}})
	if err == nil {
		err = r.status(res.Status, objects.Condition{})
	}
	return res, ref, err
}

// Upload implements objects.Backend.
func (c *Cluster) Upload(ctx context.Context, bucket, key, uploadID string) (objects.Upload, error) {
	r := c.request("upload", bucket, key)
	if _, err := r.lookup(ctx); err != nil {
		return objects.Upload{}, err
	}
	id, err := r.uploadID(uploadID)
	if err != nil {
		return objects.Upload{}, err
	}
	res, _, err := r.upload(ctx, id, 0, 0)
	if err != nil {
		return objects.Upload{}, err
	}
	return uploadOfRow(bucket, key, id, res.Upload), nil
}

// PutPart implements objects.Backend.
func (c *Cluster) PutPart(ctx context.Context, p objects.PutPart, body objects.Body) (objects.Part, error) {
	r := c.request("put part", p.Bucket, p.Key)
	ref, err := r.lookup(ctx)
	if err != nil {
		return objects.Part{}, err
	}
	id, err := r.uploadID(p.UploadID)
	if err != nil {
		return objects.Part{}, err
	}
	// Looked at before the body is read; the command decides.
	if _, ref, err = r.upload(ctx, id, 0, 0); err != nil {
		return objects.Part{}, err
	}
	b, digests, err := r.receive(ctx, ref.id, body)
	if err != nil {
		return objects.Part{}, err
	}
	return r.putPart(ctx, ref, id, p.Number, b, digests)
}

// putPart sends the command of a part whose bytes are stored.
func (r *request) putPart(ctx context.Context, ref bucketRef, id chain.ID128, number int, b *blob, d objects.Digests) (objects.Part, error) {
	act := &tablet.PutPart{
		Upload: id, Bytes: b.bytes,
		Part: tablet.Part{Number: uint32(number), Blob: b.id, Size: b.size, MD5: d.MD5, Checksum: checksumToRow(d.Checksum)},
	}
	act.Part.Layout, act.Manifest = b.layout(nil)
	a, err := r.command(ctx, ref, b.stamp, act)
	if err != nil {
		return objects.Part{}, err
	}
	act.Part.Modified = a.Modified
	return partOfRow(&act.Part), r.negative(a, objects.Condition{})
}

// Abort implements objects.Backend.
func (c *Cluster) Abort(ctx context.Context, bucket, key, uploadID string) error {
	r := c.request("abort", bucket, key)
	ref, err := r.lookup(ctx)
	if err != nil {
		return err
	}
	id, err := r.uploadID(uploadID)
	if err != nil {
		return err
	}
	a, err := r.command(ctx, ref, 0, &tablet.Abort{Upload: id})
	if err != nil {
		return err
	}
	return r.negative(a, objects.Condition{})
}

// ListParts implements objects.Backend.
func (c *Cluster) ListParts(ctx context.Context, l objects.ListParts) (objects.PartPage, error) {
	r := c.request("list parts", l.Bucket, l.Key)
	if _, err := r.lookup(ctx); err != nil {
		return objects.PartPage{}, err
	}
	id, err := r.uploadID(l.UploadID)
	if err != nil {
		return objects.PartPage{}, err
	}
	res, _, err := r.upload(ctx, id, uint32(min(max(l.After, 0), tablet.MaxParts)), l.Max)
	if err != nil {
		return objects.PartPage{}, err
	}
	page := objects.PartPage{Upload: uploadOfRow(l.Bucket, l.Key, id, res.Upload)}
	for i := range res.Parts {
		page.Parts = append(page.Parts, partOfRow(&res.Parts[i].Part))
	}
	if n := len(page.Parts); res.More && n > 0 {
		page.Next = page.Parts[n-1].Number
	}
	return page, nil
}

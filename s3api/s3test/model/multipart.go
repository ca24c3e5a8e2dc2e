package model

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"catena/s3api/checksum"
	"catena/s3api/objects"
)

const (
	minPart   = 5 << 20
	maxObject = 5 << 40
)

// sum is the checksum of data, FULL_OBJECT.
func sum(a objects.Algorithm, data []byte) objects.Checksum {
	algorithm, ok := checksum.ParseAlgorithm(string(a))
	if !ok {
		algorithm = checksum.CRC64NVME
	}
	h := checksum.NewHasher(algorithm)
	h.Write(data)
	return objects.Checksum{Algorithm: objects.Algorithm(algorithm.String()), Type: objects.FullObject, Value: h.Value().Base64()}
}

func (m *Model) upload(name, key, id string) (*bucket, *upload, error) {
	b, err := m.bucket(name)
	if err != nil {
		return nil, nil, err
	}
	u := b.uploads[id]
	if u == nil || u.Key != key {
		return b, nil, fail(objects.KindNoSuchUpload, name, key, "")
	}
	return b, u, nil
}

// CreateUpload implements objects.Backend.
func (m *Model) CreateUpload(_ context.Context, r objects.CreateUpload) (objects.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return objects.Upload{}, err
	}
	m.uploads++
	u := &upload{parts: map[int]*part{}, Upload: objects.Upload{Bucket: r.Bucket, Key: r.Key, ID: fmt.Sprintf("%032x", m.uploads),
		Initiated: m.now(), Meta: cloneMeta(r.Meta), Algorithm: r.Algorithm, ChecksumType: r.ChecksumType}}
	b.uploads[u.ID] = u
	return u.Upload, nil
}

// Upload implements objects.Backend.
func (m *Model) Upload(_ context.Context, bucket, key, id string) (objects.Upload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, u, err := m.upload(bucket, key, id)
	if err != nil {
		return objects.Upload{}, err
	}
	return u.Upload, nil
}

// PutPart implements objects.Backend.
func (m *Model) PutPart(ctx context.Context, r objects.PutPart, body objects.Body) (objects.Part, error) {
	if _, err := m.Upload(ctx, r.Bucket, r.Key, r.UploadID); err != nil {
		return objects.Part{}, err
	}
	data, d, err := readAll(body)
	if err != nil {
		return objects.Part{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.storePart(r, &part{data: data, Part: objects.Part{Size: d.Size, ETag: hex.EncodeToString(d.MD5[:]), Checksum: d.Checksum}})
}

func (m *Model) storePart(r objects.PutPart, p *part) (objects.Part, error) {
	_, u, err := m.upload(r.Bucket, r.Key, r.UploadID)
	if err != nil {
		return objects.Part{}, err
	}
	p.Number, p.Modified = r.Number, m.now()
	u.parts[r.Number] = p
	return p.Part, nil
}

// CopyPart implements objects.Backend.
func (m *Model) CopyPart(_ context.Context, r objects.CopyPart) (objects.Part, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, u, err := m.upload(r.Bucket, r.Key, r.UploadID)
	if err != nil {
		return objects.Part{}, err
	}
	_, src, err := m.object(r.SourceBucket, r.SourceKey)
	if err != nil {
		return objects.Part{}, err
	}
	if !r.Source.Holds(src.info.ETag, src.info.Modified) {
		return objects.Part{}, fail(objects.KindPrecondition, r.SourceBucket, r.SourceKey, "")
	}
	if r.Length < 0 {
		r.Length = src.info.Size
	}
	if r.Offset+r.Length > src.info.Size {
		return objects.Part{}, fail(objects.KindInvalidRange, r.SourceBucket, r.SourceKey, "")
	}
	if r.MaxSize > 0 && r.Length > r.MaxSize {
		return objects.Part{}, fail(objects.KindTooLarge, r.SourceBucket, r.SourceKey, "")
	}
	data := src.data[r.Offset : r.Offset+r.Length]
	return m.storePart(r.PutPart, &part{data: data, Part: objects.Part{Size: r.Length, ETag: etagOf(data), Checksum: sum(u.Algorithm, data)}})
}

// Complete implements objects.Backend.
func (m *Model) Complete(_ context.Context, r objects.Complete) (objects.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, u, err := m.upload(r.Bucket, r.Key, r.UploadID)
	if b == nil {
		return objects.Info{}, err
	}
	old := b.objects[r.Key]
	if u == nil {
		if old == nil || old.upload != r.UploadID {
			return objects.Info{}, err
		}
		return old.info, repeated(old, r)
	}
	parts, err := chosen(u, r)
	if err != nil {
		return objects.Info{}, err
	}
	if err := check(r.If, old, r.Bucket, r.Key); err != nil {
		return objects.Info{}, err
	}
	o, err := assemble(u, parts, r)
	if err != nil {
		return objects.Info{}, err
	}
	delete(b.uploads, r.UploadID)
	return m.store(b, r.Key, o), nil
}

// repeated compares a completion with the one that made the object, by what the
// object keeps of the parts.
func repeated(o *object, r objects.Complete) error {
	if len(r.Parts) != len(o.named) {
		return fail(objects.KindInvalidPart, r.Bucket, r.Key, "completed with other parts")
	}
	for i, p := range r.Parts {
		kept := o.info.PartInfos[i].Checksum
		other := kept.Value != "" && p.Checksum.Value != "" && p.Checksum.Value != kept.Value
		if p.Number != o.named[i].Number || p.ETag != o.named[i].ETag || other {
			return fail(objects.KindInvalidPart, r.Bucket, r.Key, fmt.Sprintf("part %d", p.Number))
		}
	}
	if r.Size >= 0 && r.Size != o.info.Size {
		return fail(objects.KindBadSize, r.Bucket, r.Key, "")
	}
	return nil
}

// chosen finds the parts that a completion names.
func chosen(u *upload, r objects.Complete) ([]*part, error) {
	var parts []*part
	for i, c := range r.Parts {
		p := u.parts[c.Number]
		detail := fmt.Sprintf("part %d", c.Number)
		switch {
		case i > 0 && c.Number <= r.Parts[i-1].Number:
			return nil, fail(objects.KindInvalidPartOrder, r.Bucket, r.Key, detail)
		case p == nil || p.ETag != c.ETag || c.Checksum.Value != "" && c.Checksum.Value != p.Checksum.Value:
			return nil, fail(objects.KindInvalidPart, r.Bucket, r.Key, detail)
		}
		parts = append(parts, p)
	}
	for _, p := range parts[:len(parts)-1] {
		if p.Size < minPart {
			return nil, fail(objects.KindEntityTooSmall, r.Bucket, r.Key, fmt.Sprintf("part %d", p.Number))
		}
	}
	return parts, nil
}

func assemble(u *upload, parts []*part, r objects.Complete) (*object, error) {
	o := &object{upload: r.UploadID, named: r.Parts, info: objects.Info{Meta: u.Meta, Parts: len(parts)}}
	md5s := md5.New()
	for _, p := range parts {
		o.data = append(o.data, p.data...)
		digest, _ := hex.DecodeString(p.ETag)
		md5s.Write(digest)
		info := objects.PartInfo{Number: p.Number, Size: p.Size}
		if u.Algorithm != "" {
			info.Checksum = p.Checksum
		}
		o.info.PartInfos = append(o.info.PartInfos, info)
	}
	o.info.Size = int64(len(o.data))
	o.info.ETag = fmt.Sprintf("%x-%d", md5s.Sum(nil), len(parts))
	switch {
	case r.Size >= 0 && r.Size != o.info.Size:
		return nil, fail(objects.KindBadSize, r.Bucket, r.Key, "")
	case o.info.Size > maxObject:
		return nil, fail(objects.KindTooLarge, r.Bucket, r.Key, "")
	}
	o.info.Checksum = sum(u.Algorithm, o.data)
	if u.ChecksumType == objects.Composite {
		o.info.Checksum = composite(u.Algorithm, parts)
	}
	if r.Checksum.Value != "" && r.Checksum.Value != o.info.Checksum.Value {
		return nil, fail(objects.KindBadChecksum, r.Bucket, r.Key, "")
	}
	return o, nil
}

func composite(a objects.Algorithm, parts []*part) objects.Checksum {
	algorithm, _ := checksum.ParseAlgorithm(string(a))
	h := checksum.NewHasher(algorithm)
	for _, p := range parts {
		v, _ := checksum.Parse(algorithm, p.Checksum.Value)
		h.Write(v.Sum)
	}
	return objects.Checksum{Algorithm: a, Type: objects.Composite, Value: h.Value().Base64()}
}

// Abort implements objects.Backend.
func (m *Model) Abort(_ context.Context, bucket, key, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, _, err := m.upload(bucket, key, id)
	if err == nil {
		delete(b.uploads, id)
	}
	return err
}

// ListParts implements objects.Backend.
func (m *Model) ListParts(_ context.Context, r objects.ListParts) (objects.PartPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, u, err := m.upload(r.Bucket, r.Key, r.UploadID)
	if err != nil {
		return objects.PartPage{}, err
	}
	page := objects.PartPage{Upload: u.Upload}
	for _, n := range sortedParts(u) {
		if n <= r.After {
			continue
		}
		if len(page.Parts) == r.Max {
			page.Next = page.Parts[r.Max-1].Number
			break
		}
		page.Parts = append(page.Parts, u.parts[n].Part)
	}
	return page, nil
}

// ListUploads implements objects.Backend.
func (m *Model) ListUploads(_ context.Context, r objects.ListUploads) (objects.UploadPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return objects.UploadPage{}, err
	}
	var all []*upload
	for _, u := range b.uploads {
		if strings.HasPrefix(u.Key, r.Prefix) && (u.Key > r.AfterKey || u.Key == r.AfterKey && r.AfterUpload != "" && u.ID > r.AfterUpload) {
			all = append(all, u)
		}
	}
	slices.SortFunc(all, func(x, y *upload) int {
		return strings.Compare(x.Key+"\x00"+x.ID, y.Key+"\x00"+y.ID)
	})
	var page objects.UploadPage
	last := r.AfterKey
	for _, u := range all {
		cp, common := commonPrefix(u.Key, r.Prefix, r.Delimiter)
		if common && cp == last {
			continue
		}
		if len(page.Uploads)+len(page.Prefixes) == r.Max {
			page.Truncated = true
			break
		}
		if common {
			page.Prefixes, last = append(page.Prefixes, cp), cp
			page.NextKey, page.NextUpload = cp, ""
		} else {
			page.Uploads, last = append(page.Uploads, u.Upload), u.Key
			page.NextKey, page.NextUpload = u.Key, u.ID
		}
	}
	if !page.Truncated {
		page.NextKey, page.NextUpload = "", ""
	}
	return page, nil
}

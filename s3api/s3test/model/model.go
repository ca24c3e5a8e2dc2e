package model

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"catena/s3api/objects"
)

// Config configures a Model.
type Config struct {
	Now func() time.Time // default: time.Now
	// MaxSteps ends a page of List after so many keys stepped over, as a store does that
	// bounds its scans. Default 0: no bound.
	MaxSteps int
}

// Model is the Backend.
type Model struct {
	cfg     Config
	mu      sync.Mutex
	buckets map[string]*bucket
	uploads int // made so far
}

type bucket struct {
	objects.Bucket
	objects map[string]*object
	uploads map[string]*upload
}

type object struct {
	info objects.Info
	data []byte
	// upload is the id of the upload that made it, and named the parts that its
	// completion listed.
	upload string
	named  []objects.CompletePart
}

type upload struct {
	objects.Upload
	parts map[int]*part
}

type part struct {
	objects.Part
	data []byte
}

var _ objects.Backend = (*Model)(nil)

// New makes an empty Model.
func New(cfg Config) *Model {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Model{cfg: cfg, buckets: map[string]*bucket{}}
}

func fail(kind objects.Kind, bucket, key, detail string) error {
	return &objects.Error{Kind: kind, Op: "model", Bucket: bucket, Key: key, Detail: detail}
}

func (m *Model) now() time.Time { return m.cfg.Now().UTC().Truncate(time.Millisecond) }

func (m *Model) bucket(name string) (*bucket, error) {
	b := m.buckets[name]
	if b == nil {
		return nil, fail(objects.KindNoSuchBucket, name, "", "")
	}
	return b, nil
}

func (m *Model) object(name, key string) (*bucket, *object, error) {
	b, err := m.bucket(name)
	if err != nil {
		return nil, nil, err
	}
	o := b.objects[key]
	if o == nil {
		return b, nil, fail(objects.KindNoSuchKey, name, key, "")
	}
	return b, o, nil
}

// CreateBucket implements objects.Backend.
func (m *Model) CreateBucket(_ context.Context, n objects.Bucket) (objects.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.buckets[n.Name]; b != nil {
		return b.Bucket, fail(objects.KindBucketExists, n.Name, "", "")
	}
	m.buckets[n.Name] = &bucket{Bucket: n, objects: map[string]*object{}, uploads: map[string]*upload{}}
	return n, nil
}

// Bucket implements objects.Backend.
func (m *Model) Bucket(_ context.Context, name string) (objects.Bucket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(name)
	if err != nil {
		return objects.Bucket{}, err
	}
	return b.Bucket, nil
}

// DeleteBucket implements objects.Backend.
func (m *Model) DeleteBucket(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(name)
	if err != nil {
		return err
	}
	if len(b.objects)+len(b.uploads) > 0 {
		return fail(objects.KindBucketNotEmpty, name, "", "")
	}
	delete(m.buckets, name)
	return nil
}

// ListBuckets implements objects.Backend.
func (m *Model) ListBuckets(_ context.Context, r objects.ListBuckets) (objects.BucketPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page objects.BucketPage
	for _, name := range slices.Sorted(maps.Keys(m.buckets)) {
		b := m.buckets[name]
		if b.Owner != r.Owner || !strings.HasPrefix(name, r.Prefix) || name <= r.After {
			continue
		}
		if len(page.Buckets) == r.Max {
			page.Next = page.Buckets[r.Max-1].Name
			break
		}
		page.Buckets = append(page.Buckets, b.Bucket)
	}
	return page, nil
}

// readAll takes the whole body and its digests. The lock is not held: a client may be slow.
func readAll(body objects.Body) ([]byte, objects.Digests, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, objects.Digests{}, err
	}
	d, err := body.Finish()
	if err == nil && d.Size != int64(len(data)) {
		err = fmt.Errorf("model: the body has %d bytes and says %d", len(data), d.Size)
	}
	return data, d, err
}

// Put implements objects.Backend.
func (m *Model) Put(ctx context.Context, r objects.Put, body objects.Body) (objects.Info, error) {
	if _, err := m.Bucket(ctx, r.Bucket); err != nil {
		return objects.Info{}, err // before the body is read, as a store does
	}
	data, d, err := readAll(body)
	if err != nil {
		return objects.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return objects.Info{}, err
	}
	if err := check(r.If, b.objects[r.Key], r.Bucket, r.Key); err != nil {
		return objects.Info{}, err
	}
	o := &object{data: data, info: objects.Info{Size: d.Size, ETag: hex.EncodeToString(d.MD5[:]), Meta: cloneMeta(r.Meta), Checksum: d.Checksum}}
	return m.store(b, r.Key, o), nil
}

func (m *Model) store(b *bucket, key string, o *object) objects.Info {
	o.info.Bucket, o.info.Key, o.info.VersionID, o.info.Modified = b.Name, key, "null", m.now()
	b.objects[key] = o
	return o.info
}

func cloneMeta(m objects.Meta) objects.Meta {
	m.User = maps.Clone(m.User)
	return m
}

// check evaluates the condition of a write against the object that is there, or nil.
func check(c objects.Condition, o *object, bucket, key string) error {
	if o == nil {
		if c.IfMatch != "" || c.IfSize != nil || c.IfModified != nil {
			return fail(objects.KindNoSuchKey, bucket, key, "")
		}
		return nil
	}
	switch {
	case c.IfMatch != "" && c.IfMatch != "*" && c.IfMatch != o.info.ETag:
		return fail(objects.KindPrecondition, bucket, key, "If-Match")
	case c.IfNoneMatch == "*" || c.IfNoneMatch != "" && c.IfNoneMatch == o.info.ETag:
		return fail(objects.KindPrecondition, bucket, key, "If-None-Match")
	case c.IfSize != nil && *c.IfSize != o.info.Size:
		return fail(objects.KindPrecondition, bucket, key, "x-amz-if-match-size")
	case c.IfModified != nil && c.IfModified.Unix() != o.info.Modified.Unix():
		return fail(objects.KindPrecondition, bucket, key, "x-amz-if-match-last-modified-time")
	}
	return nil
}

// Head implements objects.Backend.
func (m *Model) Head(_ context.Context, bucket, key string) (objects.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, o, err := m.object(bucket, key)
	if err != nil {
		return objects.Info{}, err
	}
	return o.info, nil
}

// Get implements objects.Backend. The object stays as it was while it is read.
func (m *Model) Get(_ context.Context, bucket, key string) (objects.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, o, err := m.object(bucket, key)
	if err != nil {
		return nil, err
	}
	return opened{o}, nil
}

type opened struct{ o *object }

func (r opened) Info() objects.Info { return r.o.info }
func (r opened) Close() error       { return nil }

func (r opened) Range(_ context.Context, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off+n > int64(len(r.o.data)) {
		return nil, fail(objects.KindInvalidRange, r.o.info.Bucket, r.o.info.Key, "")
	}
	return io.NopCloser(strings.NewReader(string(r.o.data[off : off+n]))), nil
}

// Delete implements objects.Backend.
func (m *Model) Delete(_ context.Context, r objects.Delete) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return false, err
	}
	o := b.objects[r.Key]
	if err := check(r.If, o, r.Bucket, r.Key); err != nil {
		return false, err
	}
	delete(b.objects, r.Key)
	return o != nil, nil
}

// DeleteMany implements objects.Backend.
func (m *Model) DeleteMany(ctx context.Context, bucket string, keys []objects.Delete) ([]error, error) {
	if _, err := m.Bucket(ctx, bucket); err != nil {
		return nil, err
	}
	errs := make([]error, len(keys))
	for i, k := range keys {
		k.Bucket = bucket
		_, errs[i] = m.Delete(ctx, k)
	}
	return errs, nil
}

// Copy implements objects.Backend.
func (m *Model) Copy(_ context.Context, r objects.Copy) (objects.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, src, err := m.object(r.SourceBucket, r.SourceKey)
	if err != nil {
		return objects.Info{}, err
	}
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return objects.Info{}, err
	}
	if !r.Source.Holds(src.info.ETag, src.info.Modified) {
		return objects.Info{}, fail(objects.KindPrecondition, r.SourceBucket, r.SourceKey, "")
	}
	if r.MaxSize > 0 && src.info.Size > r.MaxSize {
		return objects.Info{}, fail(objects.KindTooLarge, r.SourceBucket, r.SourceKey, "")
	}
	if err := check(r.If, b.objects[r.Key], r.Bucket, r.Key); err != nil {
		return objects.Info{}, err
	}
	dst := &object{data: src.data, info: src.info}
	if r.ReplaceMeta {
		dst.info.Meta = r.Meta
	}
	dst.info.Meta = cloneMeta(dst.info.Meta)
	dst.info.Meta.Owner = r.Owner
	if r.Checksum != "" && r.Checksum != src.info.Checksum.Algorithm {
		dst.info.Checksum = sum(r.Checksum, src.data)
		dst.info.PartInfos = slices.Clone(src.info.PartInfos)
		for i := range dst.info.PartInfos {
			dst.info.PartInfos[i].Checksum = objects.Checksum{}
		}
	}
	return m.store(b, r.Key, dst), nil
}

// List implements objects.Backend.
func (m *Model) List(_ context.Context, r objects.List) (objects.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.bucket(r.Bucket)
	if err != nil {
		return objects.Page{}, err
	}
	var page objects.Page
	steps, place := 0, "" // place is where the next page would go on
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		cp, common := commonPrefix(key, r.Prefix, r.Delimiter)
		if !strings.HasPrefix(key, r.Prefix) || key <= r.After || common && (cp == r.After || cp == place) {
			continue
		}
		if steps++; len(page.Objects)+len(page.Prefixes) == r.Max || m.cfg.MaxSteps > 0 && steps > m.cfg.MaxSteps {
			page.Next = place
			break
		}
		if common {
			page.Prefixes = append(page.Prefixes, cp)
			place = cp
		} else {
			page.Objects = append(page.Objects, b.objects[key].info)
			place = key
		}
	}
	return page, nil
}

// commonPrefix gives the prefix under which a listing rolls a key up.
func commonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

func sortedParts(u *upload) []int {
	numbers := make([]int, 0, len(u.parts))
	for n := range u.parts {
		numbers = append(numbers, n)
	}
	sort.Ints(numbers)
	return numbers
}

func etagOf(data []byte) string {
	d := md5.Sum(data)
	return hex.EncodeToString(d[:])
}

package edge

import (
	"context"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"catena/s3api/body"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"
)

// memory is a handler with objects in a map: as much of S3 as the tests of the front
// need.
type memory struct {
	mu      sync.Mutex
	buckets map[string]map[string]object
}

type object struct {
	data []byte
	etag string
	enc  string
}

func newMemory() *memory { return &memory{buckets: map[string]map[string]object{}} }

func (m *memory) handle(_ context.Context, req *Request) (*Response, error) {
	switch req.Key {
	case "panic":
		panic("asked to")
	case "fail":
		return nil, io.ErrClosedPipe
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	objects, ok := m.buckets[req.Bucket]
	if req.Op == route.CreateBucket {
		if ok {
			return nil, s3err.New(s3err.BucketAlreadyOwnedByYou)
		}
		if _, err := req.Body.Finish(); err != nil {
			return nil, err
		}
		m.buckets[req.Bucket] = map[string]object{}
		return (&Response{}).Set("Location", "/"+req.Bucket), nil
	}
	if !ok {
		return nil, s3err.New(s3err.NoSuchBucket)
	}
	if req.Version.Kind == route.ByID {
		return nil, s3err.New(s3err.NoSuchVersion)
	}
	switch req.Op {
	case route.DeleteBucket:
		if len(objects) > 0 {
			return nil, s3err.New(s3err.BucketNotEmpty)
		}
		delete(m.buckets, req.Bucket)
		return NoContent(204), nil
	case route.HeadBucket:
		return &Response{}, nil
	case route.ListObjects, route.ListObjectsV2:
		return list(req, objects)
	case route.PutObject:
		return put(req, objects)
	case route.GetObject, route.HeadObject:
		return get(req, objects)
	case route.DeleteObject:
		delete(objects, req.Key)
		return NoContent(204), nil
	}
	return nil, s3err.New(s3err.NotImplemented)
}

func put(req *Request, objects map[string]object) (*Response, error) {
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	d, err := req.Body.Finish()
	if err != nil {
		return nil, err
	}
	o := object{data, hex.EncodeToString(d.MD5[:]), body.StripAWSChunked(req.Header.Get("content-encoding"))}
	objects[req.Key] = o
	return (&Response{}).Set("ETag", `"`+o.etag+`"`), nil
}

func get(req *Request, objects map[string]object) (*Response, error) {
	o, ok := objects[req.Key]
	if !ok {
		return nil, s3err.New(s3err.NoSuchKey).With("Key", req.Key)
	}
	r := (&Response{Length: int64(len(o.data))}).Set("ETag", `"`+o.etag+`"`).SetTime("Last-Modified", time.Unix(1e9, 0))
	if o.enc != "" {
		r.Set("Content-Encoding", o.enc)
	}
	if req.Op == route.GetObject {
		r.Stream = ReaderStream(strings.NewReader(string(o.data)), 1000)
	}
	return r, nil
}

func list(req *Request, objects map[string]object) (*Response, error) {
	after := ""
	if token, ok := req.Query.Lookup("continuation-token"); ok {
		raw, err := hex.DecodeString(token)
		bucket, key, found := strings.Cut(string(raw), "/")
		if err != nil || !found || bucket != req.Bucket {
			return nil, s3err.InvalidArg("continuation-token", token, "The continuation token provided is incorrect")
		}
		after = key
	}
	var keys []string
	for k := range objects {
		if strings.HasPrefix(k, req.Query.Get("prefix")) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	next := ""
	if len(keys) > req.MaxKeys {
		keys = keys[:req.MaxKeys]
		next = hex.EncodeToString([]byte(req.Bucket + "/" + keys[len(keys)-1]))
	}
	var found []s3xml.Object
	for _, k := range keys {
		found = append(found, s3xml.Object{Key: k, LastModified: time.Unix(0, 0), ETag: objects[k].etag, Size: int64(len(objects[k].data))})
	}
	if req.Op == route.ListObjects {
		return XML(200, (&s3xml.ListObjects{Name: req.Bucket, MaxKeys: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: next != "", Objects: found}).AppendXML(nil)), nil
	}
	return XML(200, (&s3xml.ListObjectsV2{Name: req.Bucket, MaxKeys: req.MaxKeys, EncodingURL: req.EncodingURL, IsTruncated: next != "", NextContinuationToken: next, Objects: found}).AppendXML(nil)), nil
}

package clustersim

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"catena/s3api/objects"
)

// body is an objects.Body over bytes in memory.
type body struct {
	bytes.Reader
	digests objects.Digests
}

func newBody(b []byte) *body {
	r := &body{digests: objects.Digests{Size: int64(len(b)), MD5: md5.Sum(b)}}
	r.Reset(b)
	return r
}

// Finish implements objects.Body.
func (b *body) Finish() (objects.Digests, error) { return b.digests, nil }

// stride is the length of the pieces in which a content names itself.
const stride = 64

// Content makes size bytes that name themselves in every 64: the value, the
// position, and a seed. Bytes of two contents are told apart anywhere.
func Content(value uint64, size int) []byte {
	b := make([]byte, (size+stride-1)/stride*stride)
	for at := 0; at < len(b); at += stride {
		p := b[at : at+stride]
		binary.BigEndian.PutUint64(p, value)
		binary.BigEndian.PutUint64(p[8:], uint64(at))
		x := value*0x9e3779b97f4a7c15 + uint64(at)
		for i := 16; i < stride; i += 8 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			binary.BigEndian.PutUint64(p[i:], x)
		}
	}
	return b[:size]
}

// ETag is the ETag of a content.
func ETag(content []byte) string {
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:])
}

// Put stores a content as one object.
func (p *Process) Put(ctx context.Context, bucket, key string, content []byte, cond objects.Condition) (objects.Info, error) {
	return p.Backend.Put(ctx, objects.Put{Bucket: bucket, Key: key, If: cond}, newBody(content))
}

// Get reads a whole object.
func (p *Process) Get(ctx context.Context, bucket, key string) (objects.Info, []byte, error) {
	o, err := p.Backend.Get(ctx, bucket, key)
	if err != nil {
		return objects.Info{}, nil, err
	}
	defer o.Close()
	info := o.Info()
	r, err := o.Range(ctx, 0, info.Size)
	if err != nil {
		return info, nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err == nil && int64(len(b)) != info.Size {
		err = fmt.Errorf("clustersim: %d bytes of an object of %d", len(b), info.Size)
	}
	return info, b, err
}

// List gives all objects under a prefix, page by page.
func (p *Process) List(ctx context.Context, bucket, prefix string) (all []objects.Info, err error) {
	for after := ""; ; {
		page, err := p.Backend.List(ctx, objects.List{Bucket: bucket, Prefix: prefix, After: after, Max: 1000})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Objects...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

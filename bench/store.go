package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Object is one object that a run has written.
type Object struct {
	Key  string
	Seed uint64
	Size int64
}

// Page is one page of a listing.
type Page struct {
	Keys []string
	// Next continues the listing; empty at its end.
	Next string
}

// Store is what a run needs of an endpoint: whole operations, each checked.
type Store interface {
	// EnsureBucket makes the bucket if it is not there, and says if it did.
	EnsureBucket(ctx context.Context) (made bool, err error)
	RemoveBucket(ctx context.Context) error
	Put(ctx context.Context, o Object) error
	// Get reads it whole and compares every byte; ErrCorrupt if one differs.
	Get(ctx context.Context, o Object, buf []byte) error
	// Head checks the size.
	Head(ctx context.Context, o Object) error
	Delete(ctx context.Context, key string) error
	DeleteMany(ctx context.Context, keys []string) error
	List(ctx context.Context, prefix, token string) (Page, error)
	// Multipart uploads in parts, one after the other.
	Multipart(ctx context.Context, o Object, partSize int64) error
}

// errorCode names an error for the count: S3's code, or what kept it away.
func errorCode(err error) string {
	var s3 minio.ErrorResponse
	var netErr net.Error
	switch {
	case errors.Is(err, ErrCorrupt):
		return "Corrupt"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout():
		return "Timeout"
	case errors.As(err, &s3) && s3.Code != "":
		return s3.Code
	case errors.As(err, &s3):
		return fmt.Sprintf("HTTP%d", s3.StatusCode)
	case errors.As(err, &netErr) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "Network"
	}
	return "Other"
}

// s3Store is a Store over minio-go.
type s3Store struct {
	c        minio.Core
	bucket   string
	unsigned bool
}

// newS3Store connects to a target. Nothing is retried: an error is a result.
func newS3Store(t Target, s Settings) (*s3Store, error) {
	tr := &http.Transport{
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		// As many idle connections as workers, or each request would dial anew.
		MaxIdleConns: 2 * s.Concurrency, MaxIdleConnsPerHost: 2 * s.Concurrency,
		IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: s.Timeout,
		DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12},
	}
	core, err := minio.NewCore(t.Endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(t.AccessKey, t.SecretKey, ""), Secure: t.TLS, Transport: tr,
		Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint %s: %w", t.Endpoint, err)
	}
	return &s3Store{c: *core, bucket: s.Bucket, unsigned: s.UnsignedPayload}, nil
}

func (s *s3Store) EnsureBucket(ctx context.Context) (bool, error) {
	ok, err := s.c.BucketExists(ctx, s.bucket)
	if err != nil || ok {
		return false, err
	}
	return true, s.c.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{})
}

func (s *s3Store) RemoveBucket(ctx context.Context) error { return s.c.RemoveBucket(ctx, s.bucket) }

func (s *s3Store) Put(ctx context.Context, o Object) error {
	info, err := s.c.Client.PutObject(ctx, s.bucket, o.Key, &content{seed: o.Seed, size: o.Size}, o.Size,
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, DisableContentSha256: s.unsigned})
	if err == nil && info.ETag == "" {
		return errors.New("bench: the answer to a PUT has no ETag")
	}
	return err
}

func (s *s3Store) Get(ctx context.Context, o Object, buf []byte) error {
	body, _, _, err := s.c.GetObject(ctx, s.bucket, o.Key, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer body.Close()
	return verify(body, o.Seed, o.Size, buf)
}

func (s *s3Store) Head(ctx context.Context, o Object) error {
	info, err := s.c.StatObject(ctx, s.bucket, o.Key, minio.StatObjectOptions{})
	if err == nil && info.Size != o.Size {
		return fmt.Errorf("%w: HEAD says %d bytes, written were %d", ErrCorrupt, info.Size, o.Size)
	}
	return err
}

func (s *s3Store) Delete(ctx context.Context, key string) error {
	return s.c.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
}

func (s *s3Store) DeleteMany(ctx context.Context, keys []string) error {
	in := make(chan minio.ObjectInfo, len(keys))
	for _, k := range keys {
		in <- minio.ObjectInfo{Key: k}
	}
	close(in)
	var first error
	for e := range s.c.RemoveObjects(ctx, s.bucket, in, minio.RemoveObjectsOptions{}) {
		if first == nil {
			first = e.Err
		}
	}
	return first
}

// List asks for one page. minio-go's call takes no context; the transport's
// timeout bounds it.
func (s *s3Store) List(_ context.Context, prefix, token string) (Page, error) {
	res, err := s.c.ListObjectsV2(s.bucket, prefix, "", token, "", 1000)
	if err != nil {
		return Page{}, err
	}
	p := Page{Keys: make([]string, len(res.Contents))}
	for i, o := range res.Contents {
		p.Keys[i] = o.Key
	}
	if res.IsTruncated {
		if res.NextContinuationToken == "" {
			return Page{}, errors.New("bench: a truncated page has no token")
		}
		p.Next = res.NextContinuationToken
	}
	return p, nil
}

func (s *s3Store) Multipart(ctx context.Context, o Object, partSize int64) error {
	id, err := s.c.NewMultipartUpload(ctx, s.bucket, o.Key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	if err != nil {
		return err
	}
	var parts []minio.CompletePart
	for off := int64(0); off < o.Size; off += partSize {
		n := min(partSize, o.Size-off)
		body := io.NewSectionReader(&content{seed: o.Seed, size: o.Size}, off, n)
		p, err := s.c.PutObjectPart(ctx, s.bucket, o.Key, id, len(parts)+1, body, n, minio.PutObjectPartOptions{DisableContentSha256: s.unsigned})
		if err != nil {
			// The error that counts is the first; what is left is the server's to expire.
			_ = s.c.AbortMultipartUpload(ctx, s.bucket, o.Key, id)
			return err
		}
		parts = append(parts, minio.CompletePart{PartNumber: len(parts) + 1, ETag: p.ETag})
	}
	_, err = s.c.CompleteMultipartUpload(ctx, s.bucket, o.Key, id, parts, minio.PutObjectOptions{})
	return err
}

// keysOf is used by the clean-up: what a prefix holds, page by page.
func keysOf(ctx context.Context, s Store, prefix string, each func([]string) error) error {
	for token := ""; ; {
		p, err := s.List(ctx, prefix, token)
		if err != nil {
			return err
		}
		if len(p.Keys) > 0 {
			if err := each(p.Keys); err != nil {
				return err
			}
		}
		if token = p.Next; token == "" {
			return nil
		}
	}
}

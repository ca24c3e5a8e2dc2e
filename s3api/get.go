package s3api

import (
	"context"
	"errors"
	"io"

	"catena/s3api/edge"
	"catena/s3api/objects"
	"catena/s3api/route"
)

func (a *API) headObject(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := a.noVersion(ctx, req); err != nil {
		return nil, err
	}
	info, err := a.backend.Head(ctx, req.Bucket, req.Key)
	if err != nil {
		return nil, a.fail(req, err)
	}
	r, s, err := describe(req, &info)
	if err != nil || r.Status == 304 {
		return r, err
	}
	r.Length = s.n
	return r, nil
}

func (a *API) getObject(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	if err := a.noVersion(ctx, req); err != nil {
		return nil, err
	}
	obj, err := a.backend.Get(ctx, req.Bucket, req.Key)
	if err != nil {
		return nil, a.fail(req, err)
	}
	info := obj.Info()
	r, s, err := describe(req, &info)
	if err != nil || r.Status == 304 || s.n == 0 {
		obj.Close()
		return r, err
	}
	body, err := obj.Range(ctx, s.off, s.n)
	if err != nil {
		obj.Close()
		return nil, a.fail(req, err)
	}
	if s.n <= a.cfg.WholeRead {
		r.Body, err = readWhole(body, s.n)
		body.Close()
		obj.Close()
		if err != nil {
			return nil, a.fail(req, err)
		}
		return r, nil
	}
	r.Length = s.n
	r.Stream = &objectStream{api: a, req: req, obj: obj, body: body, left: s.n}
	return r, nil
}

// describe makes the head of the answer to GET and HEAD: everything but the bytes.
func describe(req *edge.Request, info *objects.Info) (*edge.Response, span, error) {
	notModified, err := checkRead(req, info)
	if err != nil {
		return nil, span{}, err
	}
	r := (&edge.Response{}).Set("ETag", quoted(info.ETag)).SetTime("Last-Modified", info.Modified)
	if req.Version.Kind == route.NullVersion {
		r.Set("x-amz-version-id", "null")
	}
	if notModified {
		return cacheHeaders(r, info), span{}, nil
	}
	s, err := spanOf(req, info)
	if err != nil {
		return nil, s, err
	}
	r.Set("Accept-Ranges", "bytes")
	setMeta(r, info.Meta)
	if s.partial {
		r.Status = 206
		r.Set("Content-Range", s.contentRange(info.Size))
	}
	if s.part > 0 && len(info.PartInfos) > 0 {
		r.SetInt("x-amz-mp-parts-count", int64(len(info.PartInfos)))
	}
	if lower(req.Header.Get("x-amz-checksum-mode")) == "enabled" {
		checksumHeaders(r, s, info)
	}
	return r, s, overrides(req, r)
}

// cacheHeaders makes the answer 304, which repeats what a cache keeps (RFC 9110 15.4.5).
func cacheHeaders(r *edge.Response, info *objects.Info) *edge.Response {
	r.Status = 304
	if v := info.Meta.Headers.CacheControl; v != "" {
		r.Set("Cache-Control", v)
	}
	if v := info.Meta.Headers.Expires; v != "" {
		r.Set("Expires", v)
	}
	return r
}

// checksumHeaders adds the checksum of exactly the bytes that are sent: of the object, or of
// the part. An arbitrary range has none; SDKs would check it against the wrong bytes.
func checksumHeaders(r *edge.Response, s span, info *objects.Info) {
	whole := shown(info.Checksum, info.Parts)
	switch {
	case s.part > 0 && len(info.PartInfos) > 0:
		setChecksum(r, shownPart(info.PartInfos[s.part-1].Checksum), whole.Type.String())
	case !s.partial || s.part > 0:
		setChecksum(r, whole, whole.Type.String())
	}
}

func readWhole(r io.Reader, n int64) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, short(err)
	}
	return b, nil
}

var errShort = errors.New("s3api: the object ended before its size")

func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errShort
	}
	return err
}

// framer is a reader that can give its bytes without a copy. Frames stay valid until the
// next call.
type framer interface{ Next() ([]byte, error) }

// objectStream gives exactly the bytes promised, or an error.
type objectStream struct {
	api   *API
	req   *edge.Request
	obj   objects.Object
	body  io.ReadCloser
	frame *[]byte
	left  int64
}

// Next implements edge.Stream.
func (s *objectStream) Next() ([]byte, error) {
	if s.left == 0 {
		return nil, io.EOF
	}
	b, err := s.read()
	if err != nil {
		return nil, s.api.fail(s.req, short(err))
	}
	s.left -= int64(len(b))
	return b, nil
}

func (s *objectStream) read() ([]byte, error) {
	if f, ok := s.body.(framer); ok {
		for {
			b, err := f.Next()
			if int64(len(b)) > s.left {
				b = b[:s.left]
			}
			if len(b) > 0 || err != nil {
				return b, err
			}
		}
	}
	if s.frame == nil {
		s.frame = s.api.frames.Get().(*[]byte)
	}
	b := (*s.frame)[:min(int64(len(*s.frame)), s.left)]
	_, err := io.ReadFull(s.body, b)
	return b, err
}

// Close implements edge.Stream.
func (s *objectStream) Close() error {
	if s.frame != nil {
		s.api.frames.Put(s.frame)
		s.frame = nil
	}
	return errors.Join(s.body.Close(), s.obj.Close())
}

package edge

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/s3xml"

	"github.com/valyala/fasthttp"
)

// errorResponse renders an error. Anything that is no *s3err.Error is a 500.
func (ex *exchange) errorResponse(err error) *Response {
	e := s3err.From(err)
	ex.code, ex.err = string(e.Code), err
	resp := &Response{Status: e.Status, Close: e.Close}
	if e.Status != http.StatusNotModified && e.Status != http.StatusNoContent {
		resource := ex.h.Target
		if ex.route != nil {
			resource = ex.route.Path
		} else if i := strings.IndexByte(resource, '?'); i >= 0 {
			resource = resource[:i] // a query may have a signature in it
		}
		resp.Body = s3xml.AppendError(nil, e, resource, ex.id)
		resp.Set("Content-Type", "application/xml")
	}
	for _, f := range e.Headers {
		resp.Set(f.Name, f.Value)
	}
	if ex.route != nil && ex.route.Bucket != "" && ex.srv.cfg.Region != "" {
		resp.Set("x-amz-bucket-region", ex.srv.cfg.Region)
	}
	return resp
}

// write hands the answer to fasthttp, which sends it after serve returned.
func (ex *exchange) write(ctx *fasthttp.RequestCtx, resp *Response) {
	if resp == nil {
		resp = ex.errorResponse(errors.New("edge: the handler returned neither a response nor an error"))
	}
	var stream *frames
	if resp.Stream != nil {
		var err error
		if stream, err = ex.openStream(resp); err != nil {
			resp = ex.errorResponse(err)
			stream = nil
		}
	}
	if bad := badHeader(resp); bad != "" {
		if stream != nil {
			stream.Close()
			stream = nil
		}
		resp = ex.errorResponse(fmt.Errorf("edge: the response header %s has a bad name or value", bad))
	}
	if resp.Status == 0 {
		resp.Status = http.StatusOK
	}
	ex.status = resp.Status
	out := &ctx.Response
	out.Header.DisableNormalizing()
	out.SetStatusCode(resp.Status)
	out.Header.Set("x-amz-request-id", ex.id)
	out.Header.Set("x-amz-id-2", ex.id)
	out.Header.SetServer(ex.srv.cfg.ServerName)
	if ex.route != nil && ex.route.Op == route.HeadBucket {
		out.Header.Set("x-amz-bucket-region", ex.srv.cfg.Region) // the handler may know better
	}
	for _, h := range resp.Header {
		out.Header.Set(h.Name, h.Value)
	}
	switch {
	case ex.h.Method == "HEAD":
		out.SkipBody = true
		if len(resp.Body) == 0 && resp.Status != http.StatusNoContent && resp.Status != http.StatusNotModified {
			out.Header.SetContentLength(int(resp.Length))
		}
		if stream != nil {
			stream.Close()
		}
	case stream != nil:
		out.SetBodyStream(stream, int(resp.Length))
	default:
		ex.sent = int64(len(resp.Body))
		out.SetBodyRaw(resp.Body)
	}
	if ex.mustClose(resp) {
		ex.c.noMore = true
		ctx.SetConnectionClose()
	}
}

// mustClose decides whether the connection can be used again. What is left of a small body
// is drained after the answer (conn.next), so a slow client does not hold up its own answer.
// How much is left of a chunked body is not known, and the answer must say now if it closes.
func (ex *exchange) mustClose(resp *Response) bool {
	w := ex.c.wire
	return resp.Close || !ex.h.KeepAlive || ex.c.headErr != nil || ex.srv.stopping.Load() ||
		(w.err != nil && w.err != io.EOF) || // where the body ends is not known
		(ex.h.Expect100 && !ex.expectSent) || // nor whether the client will send it
		w.unread() < 0 || w.unread() > ex.srv.cfg.MaxDrain
}

func badHeader(resp *Response) string {
	for _, h := range resp.Header {
		if h.Name == "" || !validHeaderValue(h.Value) || strings.ContainsAny(h.Name, " :\r\n\t") {
			return h.Name
		}
	}
	return ""
}

// openStream reads the first frame, so that an object that can't be read is an error
// answer and not a broken one.
func (ex *exchange) openStream(resp *Response) (_ *frames, err error) {
	f := &frames{ex: ex, s: resp.Stream, length: resp.Length}
	if ex.h.Method == "HEAD" {
		return f, nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = s3err.New(s3err.InternalError).Closing().WithCause(fmt.Errorf("panic in a stream: %v\n%s", v, debug.Stack()))
		}
		if err != nil {
			f.Close()
		}
	}()
	f.first, err = f.s.Next()
	if err == io.EOF {
		err = nil
		if f.length != 0 {
			err = fmt.Errorf("edge: a stream of %d bytes is empty", f.length)
		}
	}
	return f, err
}

// frames is the body stream that fasthttp writes.
type frames struct {
	ex     *exchange
	s      Stream
	first  []byte
	length int64
	closed bool
}

// SupportsBodyWriteTo lets fasthttp take whole frames without copying them.
func (f *frames) SupportsBodyWriteTo() bool { return true }

// WriteTo sends the frames. An error ends the connection before Content-Length is reached,
// so a client never takes half an object for a whole one.
func (f *frames) WriteTo(w io.Writer) (n int64, err error) {
	defer func() {
		f.ex.sent = n
		if err != nil && f.ex.writeErr == nil {
			f.ex.writeErr = err
		}
	}()
	for frame := f.first; ; {
		if n += int64(len(frame)); n > f.length {
			return n - int64(len(frame)), fmt.Errorf("edge: a stream has more than its %d bytes", f.length)
		}
		if len(frame) > 0 {
			if _, err = w.Write(frame); err != nil {
				return n, err
			}
		}
		if n == f.length {
			return n, nil
		}
		if frame, err = f.s.Next(); err != nil {
			return n, fmt.Errorf("edge: a stream failed after %d of %d bytes: %w", n, f.length, err)
		}
	}
}

// Read is what io.Reader asks for; fasthttp uses WriteTo.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.first) == 0 {
		var err error
		if f.first, err = f.s.Next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.first)
	f.first = f.first[n:]
	return n, nil
}

// Close ends the stream once.
func (f *frames) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	return f.s.Close()
}

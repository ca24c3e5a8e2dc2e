package edge

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// Stream gives the bytes of a response body in verified frames.
type Stream interface {
	// Next returns the next frame, which stays valid until the following call of
	// Next or Close, and io.EOF (with no bytes) after the last one. Bytes are
	// verified before they are returned: they go to the client as they are.
	Next() ([]byte, error)
	// Close is called exactly once, after the last Next.
	Close() error
}

// Response is what a handler answers. Set either Body, or Stream with Length. The answer
// to HEAD has neither: only Length, which is then the Content-Length.
type Response struct {
	Status int // 0 is 200
	Header []Header
	Body   []byte
	Stream Stream
	// Length is the exact number of bytes of Stream, or of the body that HEAD
	// leaves out.
	Length int64
	// Close asks that the connection is closed afterwards.
	Close bool
}

// Header is one response header; the name is sent as written here.
type Header struct{ Name, Value string }

// Set adds a header, or replaces the one with this name. It returns the response.
// Content-Length, Connection and x-amz-request-id are the server's own. A value with
// control bytes makes the answer a 500: check what you reflect.
func (r *Response) Set(name, value string) *Response {
	for i := range r.Header {
		if r.Header[i].Name == name {
			r.Header[i].Value = value
			return r
		}
	}
	r.Header = append(r.Header, Header{name, value})
	return r
}

// Get returns the value of a header set on the response, or "".
func (r *Response) Get(name string) string {
	for i := range r.Header {
		if r.Header[i].Name == name {
			return r.Header[i].Value
		}
	}
	return ""
}

// SetTime sets a header to t in the form of RFC 9110 (whole seconds, GMT).
func (r *Response) SetTime(name string, t time.Time) *Response {
	return r.Set(name, t.UTC().Format(http.TimeFormat))
}

// SetInt sets a header to a number.
func (r *Response) SetInt(name string, n int64) *Response {
	return r.Set(name, strconv.FormatInt(n, 10))
}

// NoContent is an empty answer with a status, 204 for deletes.
func NoContent(status int) *Response { return &Response{Status: status} }

// XML is an answer with an XML document.
func XML(status int, doc []byte) *Response {
	r := &Response{Status: status, Body: doc}
	return r.Set("Content-Type", "application/xml")
}

// ReaderStream makes a Stream of a reader whose bytes are already verified. frame
// is the size of the buffer, 256 KiB if it is 0. If r is an io.Closer it is closed.
func ReaderStream(r io.Reader, frame int) Stream {
	if frame <= 0 {
		frame = 256 << 10
	}
	return &readerStream{r: r, size: frame}
}

type readerStream struct {
	r    io.Reader
	buf  []byte
	size int
	err  error
}

func (s *readerStream) Next() ([]byte, error) {
	if s.buf == nil {
		s.buf = make([]byte, s.size)
	}
	for s.err == nil {
		var n int
		n, s.err = s.r.Read(s.buf)
		if n > 0 {
			return s.buf[:n], nil
		}
	}
	return nil, s.err
}

func (s *readerStream) Close() error {
	if c, ok := s.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

package head

import "catena/s3api/s3err"

// No length was given, or the body is chunked.
const UnknownLength = -1

// Head is a request head that passed every check of this package.
type Head struct {
	Method string
	// Target is the request target as sent: origin form, or with an absolute
	// form the part from the path on.
	Target string
	// Host is the Host header (with port), which every request has exactly once.
	Host string
	// HTTP10 says that the version is 1.0.
	HTTP10 bool
	Fields Fields

	// ContentLength is the Content-Length, or UnknownLength when there is none.
	ContentLength int64
	// Chunked says that Transfer-Encoding is exactly "chunked"; then there is no
	// Content-Length. Never set on HTTP/1.0.
	Chunked bool
	// Expect100 says that the client waits for "100 Continue". Never on HTTP/1.0,
	// where the header has no meaning.
	Expect100 bool
	// KeepAlive says that the client would send another request.
	KeepAlive bool
}

// HasBody says that framing announces body bytes (RFC 9112 section 6).
func (h *Head) HasBody() bool { return h.Chunked || h.ContentLength > 0 }

// Limits bound one head. Zero fields have the defaults.
type Limits struct {
	MaxRequestLine int // bytes of the request line without CRLF; default 16 KiB
	MaxFields      int // bytes of all header lines; default 8 KiB (Amazon's limit)
	MaxFieldCount  int // header lines; default 200
}

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	if l.MaxRequestLine <= 0 {
		l.MaxRequestLine = 16 << 10
	}
	if l.MaxFields <= 0 {
		l.MaxFields = 8 << 10
	}
	if l.MaxFieldCount <= 0 {
		l.MaxFieldCount = 200
	}
	return l
}

// errors of framing always close: where the next request begins is not known.
func bad(message string) *s3err.Error {
	return s3err.Newf(s3err.BadRequest, message).Closing()
}

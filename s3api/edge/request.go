package edge

import (
	"context"
	"net/netip"
	"time"

	"catena/s3api/body"
	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/sigv4"
)

// Handler answers one request. Errors that are *s3err.Error are sent as they are; any
// other error is logged and answered 500 InternalError. A Response is not used after an
// error. The context ends when the answer is written or the server is closed.
type Handler func(ctx context.Context, req *Request) (*Response, error)

// Request is a request whose framing, route and signature were checked. Nothing in it
// points into a connection's buffer, so it may be kept, but Body must not be
// used after the handler returned. Handlers must not change it.
type Request struct {
	// Request has Method, Op, Bucket, Key, Query, Version, UploadID, PartNumber, ...
	*route.Request

	RequestID string
	// Start is when the head was complete, by the server's clock.
	Start  time.Time
	Header head.Fields // names in lower case
	// Principal is who the request acts for; anonymous is explicit.
	Principal sigv4.Principal
	Auth      sigv4.AuthKind
	// Body is never nil; without a body its length is 0.
	Body     *body.Reader
	RemoteIP netip.Addr
	// TLS says that the client spoke TLS to us or to a trusted proxy.
	TLS  bool
	Host string
}

type requestIDKey struct{}

// RequestID gives the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// ContextWithRequestID returns ctx with a request id, for tests and for work that a
// request left behind.
func ContextWithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

package edge

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"catena/s3api/body"
	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"

	"github.com/valyala/fasthttp"
)

// exchange is one request and its answer, from the complete head to the last byte
// written.
type exchange struct {
	srv    *Server
	c      *conn
	h      *head.Head
	id     string
	start  time.Time
	req    *Request // nil until the request is authenticated
	route  *route.Request
	ctx    context.Context
	cancel context.CancelFunc
	peer   peer
	slot   bool // holds a slot of the server

	expectSent bool
	status     int
	code       string
	err        error // the cause, for the log
	sent       int64
	firstByte  time.Duration
	writeErr   error
}

// serve is fasthttp's handler: fasthttp has read one constant head, the real one is in
// the connection.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		panic("edge: a connection that did not come from our listener")
	}
	ex := &exchange{srv: s, c: c, h: c.head, id: s.ids.next(), start: time.Now()}
	ex.peer = peer{ip: addrOf(c.remote), tls: c.isTLS} // of a refused head, nothing more is known
	c.exchange = ex
	c.wire = newWire(c, c.head)
	s.cfg.Observer.RequestStarted()
	base := context.WithValue(s.ctx, requestIDKey{}, ex.id)
	ex.ctx, ex.cancel = context.WithCancel(base)
	defer func() {
		if v := recover(); v != nil { // of the writer; run has its own
			s.cfg.Logger.Error("panic while answering a request", "request_id", ex.id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			ctx.Response.Reset()
			ctx.SetStatusCode(500)
			ctx.SetConnectionClose()
			c.noMore = true
		}
	}()
	resp, err := ex.run()
	if err != nil {
		resp = ex.errorResponse(err)
	}
	ex.write(ctx, resp)
}

// run takes the request through its checks to the handler.
func (ex *exchange) run() (resp *Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			ex.srv.cfg.Logger.ErrorContext(ex.ctx, "panic while serving a request", "request_id", ex.id,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			resp, err = nil, s3err.New(s3err.InternalError).Closing().WithCause(fmt.Errorf("panic: %v", v))
		}
	}()
	if ex.c.headErr != nil {
		return nil, ex.c.headErr
	}
	ex.peer = ex.srv.peerOf(ex.c, ex.h)
	if err := ex.takeSlot(); err != nil {
		return nil, err
	}
	res, err := ex.authenticate()
	if err != nil {
		return nil, err
	}
	if err := ex.admit(res); err != nil {
		return nil, err
	}
	if ex.h.Expect100 {
		ex.expectSent = true
		if _, err := ex.c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, s3err.New(s3err.IncompleteBody).Closing().WithCause(err)
		}
	}
	if !takesBody(ex.route.Op) {
		if _, err := ex.req.Body.Finish(); err != nil {
			return nil, err
		}
	}
	return ex.srv.cfg.Handler(ex.ctx, ex.req)
}

// takeSlot waits a little for one of the slots of requests in progress.
func (ex *exchange) takeSlot() error {
	s := ex.srv
	select {
	case s.slots <- struct{}{}:
		ex.slot = true
		return nil
	default:
	}
	t := time.NewTimer(s.cfg.QueueWait)
	defer t.Stop()
	select {
	case s.slots <- struct{}{}:
		ex.slot = true
		return nil
	case <-t.C:
	case <-s.ctx.Done():
	}
	return s3err.New(s3err.SlowDown).WithHeader("Retry-After", "1")
}

// authenticate parses the route and verifies the signature, each time from the same
// parse. Behind a trusted proxy that names another host, both names are tried.
func (ex *exchange) authenticate() (res *sigv4.Result, err error) {
	for _, host := range ex.peer.hosts {
		ex.route, err = route.Parse(route.Input{
			Method: ex.h.Method, Target: ex.h.Target, Host: host, Domains: ex.srv.cfg.Domains,
			CopySource: ex.h.Fields.Has("x-amz-copy-source"),
			Form:       strings.HasPrefix(strings.ToLower(ex.h.Fields.Get("content-type")), "multipart/form-data"),
		})
		if err != nil {
			continue
		}
		res, err = ex.srv.verifier.Verify(&sigv4.Request{
			Route: ex.route, Headers: ex.h.Fields, Host: host, ContentLength: ex.h.ContentLength,
		})
		if err == nil {
			return res, nil
		}
	}
	return nil, err
}

// takeFromQuery makes header lines of the headers in a presigned query.
func (ex *exchange) takeFromQuery(fields head.Fields) error {
	if len(fields) == 0 {
		return nil
	}
	if fields.Has("x-amz-copy-source") { // the route was chosen without it
		return s3err.Newf(s3err.NotImplemented, "The copy source must be a header.").With("Header", "x-amz-copy-source")
	}
	h := *ex.h
	h.Fields = append(slices.Clone(h.Fields), fields...)
	ex.h = &h
	return nil
}

// admit makes the Request, after the checks that need no handler.
func (ex *exchange) admit(res *sigv4.Result) error {
	if err := ex.takeFromQuery(res.FromQuery); err != nil {
		return err
	}
	if err := ex.refuseRepeated(); err != nil {
		return err
	}
	if err := ex.checkPayloadKind(res); err != nil {
		return err
	}
	if ex.route.Op.Support() == route.NotBuilt {
		return s3err.Newf(s3err.NotImplemented, "The operation "+ex.route.Op.String()+" is not implemented.")
	}
	if err := checkOverrides(ex.route); err != nil {
		return err
	}
	ex.req = &Request{
		Request: ex.route, RequestID: ex.id, Start: ex.start, Header: ex.h.Fields,
		Principal: res.Principal, Auth: res.Kind, RemoteIP: ex.peer.ip, TLS: ex.peer.tls, Host: ex.h.Host,
	}
	if err := ex.srv.cfg.Authorize(ex.ctx, ex.req); err != nil {
		return err
	}
	return ex.openBody(res)
}

func (ex *exchange) openBody(res *sigv4.Result) error {
	lim := body.Limits{MaxLength: ex.srv.cfg.MaxXMLBody, TooLarge: s3err.MaxMessageLengthExceeded}
	switch op := ex.route.Op; {
	case op == route.PutObject || op == route.UploadPart:
		if !ex.h.Chunked && ex.h.ContentLength < 0 {
			return s3err.New(s3err.MissingContentLength)
		}
		lim = body.Limits{MaxLength: ex.srv.cfg.MaxObjectSize}
	case !takesBody(op):
		if ex.h.HasBody() {
			return s3err.New(s3err.UnexpectedContent)
		}
		lim.ObjectChecksum = true
	case op == route.CompleteMultipartUpload:
		lim.ObjectChecksum = true
	}
	spec, err := body.SpecOf(ex.h, res, lim)
	if err != nil {
		return err
	}
	ex.req.Body = body.New(ex.c.wire, spec)
	if !takesBody(ex.route.Op) {
		ex.req.Body.WithoutMD5()
	}
	return nil
}

// takesBody says which of the built operations have a body.
func takesBody(op route.Operation) bool {
	switch op {
	case route.PutObject, route.UploadPart, route.CompleteMultipartUpload, route.DeleteObjects, route.CreateBucket:
		return true
	}
	return false
}

// checkPayloadKind refuses streaming bodies where there is no object in them, and unsigned
// bodies where they are not wanted.
func (ex *exchange) checkPayloadKind(res *sigv4.Result) error {
	op := ex.route.Op
	if res.Payload.Kind.Streaming() && op != route.PutObject && op != route.UploadPart {
		return s3err.Newf(s3err.InvalidRequest, "A streaming payload is not allowed for this operation.")
	}
	unsigned := res.Payload.Kind == sigv4.PayloadUnsigned || res.Payload.Kind == sigv4.PayloadUnsignedTrailer
	if ex.srv.cfg.RequireSignedPayload && unsigned && ex.h.HasBody() && !ex.peer.tls && res.Kind != sigv4.AuthAnonymous {
		return s3err.Newf(s3err.InvalidRequest, "An unsigned payload is only accepted over TLS.")
	}
	return nil
}

// refuseRepeated refuses a header that comes twice and of which a handler reads one: two
// readers might choose different ones.
func (ex *exchange) refuseRepeated() error {
	f := ex.h.Fields
	for i := 1; i < len(f); i++ {
		if !singleton(f[i].Name) {
			continue
		}
		for j := range i {
			if f[j].Name == f[i].Name {
				return s3err.Newf(s3err.InvalidArgument, "The header "+f[i].Name+" was given more than once.").With("ArgumentName", f[i].Name)
			}
		}
	}
	return nil
}

func singleton(name string) bool {
	switch name {
	case "content-type", "content-disposition", "range", "if-match", "if-none-match", "if-modified-since",
		"if-unmodified-since", "expires":
		return true
	}
	return strings.HasPrefix(name, "x-amz-") && !strings.HasPrefix(name, "x-amz-meta-") &&
		!strings.HasPrefix(name, "x-amz-checksum-")
}

// checkOverrides refuses a response-* parameter that could break a header apart.
func checkOverrides(r *route.Request) error {
	for _, p := range r.Query {
		if strings.HasPrefix(p.Name, "response-") && !validHeaderValue(p.Value) {
			return s3err.Newf(s3err.InvalidArgument, "A response header must not have control characters.").With("ArgumentName", p.Name)
		}
	}
	return nil
}

func validHeaderValue(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// firstWrite is called before the first byte of the answer is written.
func (ex *exchange) firstWrite() {
	if ex.firstByte == 0 && ex.status != 0 {
		ex.firstByte = time.Since(ex.start)
	}
}

// end is called when the answer was written or could not be.
func (ex *exchange) end() {
	ex.cancel()
	if ex.slot {
		<-ex.srv.slots
	}
	ev := Event{
		RequestID: ex.id, Status: ex.status, Code: ex.code, Sent: ex.sent,
		FirstByte: ex.firstByte, Total: time.Since(ex.start),
	}
	if ex.route != nil {
		ev.Op = ex.route.Op
	}
	if ex.c.wire != nil {
		ev.Received = ex.c.wire.received
	}
	ex.srv.cfg.Observer.RequestDone(ev)
	ex.log(ev)
}

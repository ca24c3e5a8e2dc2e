// Package edge is the HTTP server of the S3 API: connections, request heads, limits,
// deadlines, authentication, and the one wrapper that writes every answer.
//
// Words: the head is read and judged by our own parser (edge/head) in a
// net.Conn below fasthttp; what fasthttp parses is a constant head that we
// hand to it, so no byte of a client reaches its parser. fasthttp runs the connections
// and writes the responses. A request is refused at the first of: framing, route,
// signature, operation not built, authorisation, handler.
//
// Promises:
//   - A Handler gets one immutable, authenticated *Request and returns
//     (*Response, error); it cannot write an answer itself, and cannot get a body or a
//     principal in another way.
//   - After every answer the rest of the body is drained (up to 64 KiB) or the
//     connection is closed, so body bytes are never executed as a request.
//   - Every answer has x-amz-request-id; so has the context of the handler (RequestID).
//   - A panic of a handler is 500 InternalError and a closed connection.
//   - The status of a streamed answer is sent only after its first frame was read; a
//     stream that fails later closes the connection before Content-Length is reached.
//   - Every read and write on a connection has a deadline.
package edge

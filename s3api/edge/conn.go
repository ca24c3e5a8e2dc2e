package edge

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/s3err"
)

// writePiece is the most that one write deadline has to do.
const writePiece = 256 << 10

// conn sits between a client's connection and fasthttp. It reads and judges every
// head itself; what fasthttp reads from it is one constant head for each request, so a
// request that fasthttp runs is a request that conn has parsed. The body stays here
// too, in wire. Everything but state and raw belongs to the connection's goroutine.
type conn struct {
	raw    net.Conn // TCP, or TLS over it
	srv    *Server
	isTLS  bool
	remote net.Addr

	// first holds what was read while the connection was idle, so that an
	// idle connection has no buffer.
	first [256]byte
	// buf holds what was read and not used: buf[r:w]. nil when there is nothing.
	buf  *[]byte
	r, w int

	handshaken bool
	requests   int
	state      atomic.Int32 // connIdle or connActive
	closed     bool

	synthetic string     // what fasthttp has still to read of the constant head
	head      *head.Head // of the current request; never nil while one runs
	headErr   error      // why the head was refused
	wire      *wire      // the body of the current request, nil before the first
	exchange  *exchange  // the current request, until its answer is written
	noMore    bool       // the connection ends after the current answer
	broken    bool       // a write failed: nobody is listening
}

const (
	connIdle int32 = iota
	connActive
)

// The heads that fasthttp sees. It takes from them only whether an answer has a body
// and which version to answer in; whether to close is decided by us.
const (
	synthGet    = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	synthHead   = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	synthGet10  = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
	synthHead10 = "HEAD / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
)

func syntheticHead(h *head.Head) string {
	switch {
	case h.HTTP10 && h.Method == "HEAD":
		return synthHead10
	case h.HTTP10:
		return synthGet10
	case h.Method == "HEAD":
		return synthHead
	}
	return synthGet
}

// Read is called by fasthttp when it wants the next request: the answer to the one before
// is written and flushed by then, because nothing is ever left in its buffer.
func (c *conn) Read(p []byte) (int, error) {
	if c.synthetic == "" {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.synthetic)
	c.synthetic = c.synthetic[n:]
	return n, nil
}

// next ends the request before and gets the next head. Its only error is io.EOF, upon
// which fasthttp closes the connection without a word.
func (c *conn) next() error {
	c.endExchange()
	if c.noMore || (c.wire != nil && !c.wire.drain(c.srv.cfg.MaxDrain)) {
		return io.EOF
	}
	c.wire = nil
	c.releaseIfEmpty()
	if err := c.readHead(); err != nil {
		return io.EOF
	}
	c.requests++
	c.state.Store(connActive)
	c.synthetic = syntheticHead(c.head)
	return nil
}

// readHead fills head and headErr. It returns an error if there is no request to
// answer: the client closed, or sent nothing in time.
func (c *conn) readHead() (err error) {
	c.head, c.headErr = &head.Head{ContentLength: head.UnknownLength}, nil
	defer func() {
		if v := recover(); v != nil {
			c.srv.cfg.Logger.Error("panic while reading a request head", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			c.headErr, err = s3err.New(s3err.InternalError).Closing(), nil
		}
	}()
	if c.w == c.r {
		if err := c.waitFirst(); err != nil {
			return err
		}
	}
	c.raw.SetReadDeadline(time.Now().Add(c.srv.cfg.HeadTimeout))
	for scanned := 0; ; {
		unread := (*c.buf)[c.r:c.w]
		n, err := head.FindEnd(unread, scanned, c.srv.cfg.Head)
		if err != nil {
			c.headErr = err
			return nil
		}
		if n > 0 {
			c.head, c.headErr = head.Parse(unread[:n], c.srv.cfg.Head)
			c.r += n
			return nil
		}
		scanned = len(unread)
		if err := c.fill(); err != nil {
			c.headErr = headReadError(err)
			return nil
		}
	}
}

func headReadError(err error) error {
	if os.IsTimeout(err) {
		return s3err.New(s3err.RequestTimeout).Closing()
	}
	return s3err.Newf(s3err.BadRequest, "The request head is not complete.").Closing().WithCause(err)
}

// waitFirst waits for the first bytes of a request without holding a buffer.
func (c *conn) waitFirst() error {
	c.state.Store(connIdle)
	if c.srv.stopping.Load() {
		return io.EOF
	}
	wait := c.srv.cfg.IdleTimeout
	if c.requests == 0 {
		wait = c.srv.cfg.HeadTimeout
	}
	deadline := time.Now().Add(wait)
	if !c.handshaken {
		c.handshaken = true
		if t, ok := c.raw.(*tls.Conn); ok {
			t.SetDeadline(deadline)
			if err := t.HandshakeContext(context.Background()); err != nil {
				return err
			}
		}
	}
	c.raw.SetReadDeadline(deadline)
	n, err := c.raw.Read(c.first[:])
	if n == 0 {
		return err
	}
	c.state.Store(connActive)
	c.acquire()
	c.w = copy(*c.buf, c.first[:n])
	return nil
}

func (c *conn) acquire() {
	if c.buf == nil {
		c.buf = c.srv.buffers.Get().(*[]byte)
		c.r, c.w = 0, 0
	}
}

func (c *conn) releaseIfEmpty() {
	if c.buf != nil && c.r == c.w {
		c.srv.buffers.Put(c.buf)
		c.buf = nil
		c.r, c.w = 0, 0
	}
}

// fill reads more into buf, which is larger than any head. The caller set a deadline.
func (c *conn) fill() error {
	c.acquire()
	if c.r > 0 {
		c.w = copy(*c.buf, (*c.buf)[c.r:c.w])
		c.r = 0
	}
	if c.w == len(*c.buf) {
		return io.ErrShortBuffer
	}
	n, err := c.raw.Read((*c.buf)[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// Write sends an answer, with a deadline for every piece.
func (c *conn) Write(p []byte) (n int, err error) {
	if c.exchange != nil {
		c.exchange.firstWrite()
	}
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), writePiece)]
		c.raw.SetWriteDeadline(time.Now().Add(c.srv.cfg.WriteTimeout))
		var m int
		m, err = c.raw.Write(piece)
		n += m
		p = p[m:]
	}
	if err != nil {
		c.noMore, c.broken = true, true
		if c.exchange != nil {
			c.exchange.writeErr = err
		}
	}
	return n, err
}

func (c *conn) endExchange() {
	if ex := c.exchange; ex != nil {
		c.exchange = nil
		ex.end()
	}
}

// Close is called at the end of the connection's life, by its goroutine alone: fasthttp's
// own shutdown, which closes connections from elsewhere, is not used.
func (c *conn) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	c.endExchange()
	if c.mayHaveInput() {
		c.lingeringClose()
	}
	err := c.raw.Close()
	if c.buf != nil {
		c.srv.buffers.Put(c.buf)
		c.buf = nil
	}
	c.srv.forget(c)
	return err
}

// mayHaveInput says that we answered, and that the client may still be sending.
func (c *conn) mayHaveInput() bool {
	if c.requests == 0 || c.broken {
		return false
	}
	return c.headErr != nil || c.r < c.w || (c.wire != nil && !c.wire.ended)
}

// lingeringClose ends our side and reads on for a moment: closing with unread input would
// send a reset, which can destroy the answer before the client has read it.
func (c *conn) lingeringClose() {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.raw.SetReadDeadline(time.Now().Add(c.srv.cfg.LingerTimeout))
	c.acquire()
	for {
		if _, err := c.raw.Read(*c.buf); err != nil {
			return
		}
	}
}

// closeHard ends the connection from outside of its goroutine.
func (c *conn) closeHard() { c.raw.Close() }

func (c *conn) LocalAddr() net.Addr                { return c.raw.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr               { return c.remote }
func (c *conn) SetDeadline(t time.Time) error      { return c.raw.SetDeadline(t) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.raw.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

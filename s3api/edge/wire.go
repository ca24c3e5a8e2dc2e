package edge

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/s3err"
)

// Bounds of the chunked transfer coding.
const (
	maxWireChunkLine = 256     // a size and, rarely, an extension
	maxWireTrailer   = 4 << 10 // all trailer fields, which are read and dropped
)

// wire reads the body of one request from its connection with transfer framing taken
// off. It gives io.EOF exactly where the body ends. Its other errors are *s3err.Error,
// and after one the connection can't be used again, for where the next request begins is not
// known.
type wire struct {
	c        *conn
	chunked  bool
	left     int64 // of the body, or of the current chunk
	inChunk  bool  // the chunk's end is still to be read
	ended    bool
	err      error
	received int64
	began    time.Time
	deadline time.Time // zero: rolling
}

func newWire(c *conn, h *head.Head) *wire {
	return &wire{c: c, chunked: h.Chunked, left: max(h.ContentLength, 0), ended: !h.HasBody()}
}

// unread says how many bytes of the body are not read, or -1 if that is not known.
func (w *wire) unread() int64 {
	switch {
	case w.ended:
		return 0
	case w.chunked:
		return -1
	}
	return w.left
}

// Read gives body bytes.
func (w *wire) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.left == 0 && w.chunked && !w.ended {
		w.err = w.nextChunk()
		if w.err != nil {
			return 0, w.err
		}
	}
	if w.left == 0 {
		w.ended = true
		return 0, io.EOF
	}
	n, err := w.read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	w.received += int64(n)
	w.ended = w.left == 0 && !w.chunked
	if n == 0 && err != nil {
		w.err = err
		return 0, err
	}
	return n, nil
}

// read takes what is buffered, and else reads the connection straight into p.
func (w *wire) read(p []byte) (int, error) {
	c := w.c
	if c.r < c.w {
		n := copy(p, (*c.buf)[c.r:c.w])
		c.r += n
		return n, nil
	}
	if err := w.arm(); err != nil {
		return 0, err
	}
	n, err := c.raw.Read(p)
	return n, wireError(err)
}

// arm sets the deadline of the next read and checks the average rate.
func (w *wire) arm() error {
	now := time.Now()
	if w.began.IsZero() {
		w.began = now
	}
	if rate, d := w.c.srv.cfg.MinBodyRate, now.Sub(w.began); rate > 0 && d > time.Minute &&
		w.received < rate*int64(d/time.Second) {
		return s3err.New(s3err.RequestTimeout).Closing().WithCause(errors.New("edge: the body is sent too slowly"))
	}
	deadline := w.deadline
	if deadline.IsZero() {
		deadline = now.Add(w.c.srv.cfg.BodyTimeout)
	}
	w.c.raw.SetReadDeadline(deadline)
	return nil
}

func wireError(err error) error {
	switch {
	case err == nil:
		return nil
	case os.IsTimeout(err):
		return s3err.New(s3err.RequestTimeout).Closing()
	}
	return s3err.New(s3err.IncompleteBody).Closing().WithCause(err)
}

func badChunk(why string) error {
	return s3err.New(s3err.IncompleteBody).Closing().WithCause(errors.New("edge: " + why))
}

// nextChunk reads the end of the chunk before and the line of the next. The last one
// is followed by trailer fields and an empty line.
func (w *wire) nextChunk() error {
	if w.inChunk {
		line, err := w.line(2)
		if err != nil || len(line) > 0 {
			return errors.Join(err, badChunk("a chunk does not end with CRLF"))
		}
		w.inChunk = false
	}
	line, err := w.line(maxWireChunkLine)
	if err != nil {
		return err
	}
	size, ok := chunkSize(line)
	if !ok {
		return badChunk("the size of a chunk is malformed")
	}
	w.left, w.inChunk = size, size > 0
	if size > 0 {
		return nil
	}
	for total := 0; ; {
		line, err := w.line(maxWireTrailer - total)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			w.ended = true
			return nil
		}
		total += len(line) + 2
	}
}

// chunkSize reads up to 15 hex digits, and passes over an extension.
func chunkSize(line []byte) (n int64, ok bool) {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

// line reads a line of at most max bytes, which ends with CRLF and has no other
// control byte; the CRLF is taken off. The bytes are valid until the next read.
func (w *wire) line(max int) ([]byte, error) {
	c := w.c
	for scanned := 0; ; {
		var have []byte
		if c.buf != nil {
			have = (*c.buf)[c.r:c.w]
		}
		if i := bytes.IndexByte(have[scanned:], '\n'); i >= 0 {
			i += scanned
			c.r += i + 1
			if i+1 > max || i == 0 || have[i-1] != '\r' || hasControl(have[:i-1]) {
				return nil, badChunk("a line is too long or malformed")
			}
			return have[:i-1], nil
		}
		if scanned = len(have); scanned >= max {
			return nil, badChunk("a line is too long")
		}
		if err := w.arm(); err != nil {
			return nil, err
		}
		if err := c.fill(); err != nil {
			return nil, wireError(err)
		}
	}
}

func hasControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// drain reads what is left of the body, at most limit bytes and not for long, and reports
// whether the next request begins there.
func (w *wire) drain(limit int64) bool {
	if w.err != nil && w.err != io.EOF {
		return false
	}
	if w.ended {
		return true
	}
	if w.left > limit {
		return false
	}
	w.deadline = time.Now().Add(w.c.srv.cfg.LingerTimeout)
	var scratch [4 << 10]byte
	for limit >= 0 {
		n, err := w.Read(scratch[:])
		if err == io.EOF {
			return true
		}
		if err != nil {
			return false
		}
		limit -= int64(n)
	}
	return false
}

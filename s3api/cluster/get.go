package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"

	"catena/chain/tablet"
	"catena/s3api/objects"
)

func errUnexpected(s tablet.Status) error { return fmt.Errorf("unexpected answer: %s", s) }

// Head implements objects.Backend.
func (c *Cluster) Head(ctx context.Context, bucket, key string) (objects.Info, error) {
	r := c.request("head", bucket, key)
	res, _, err := r.object(ctx, false)
	if err != nil {
		return objects.Info{}, err
	}
	return infoOfRow(bucket, key, &res.Object, res.Parts), nil
}

// object reads the current row.
func (r *request) object(ctx context.Context, withBytes bool) (*tablet.ObjectResult, bucketRef, error) {
	res, ref, err := r.query(ctx, tablet.Query{Key: r.key, Ask: tablet.AskObject{Bytes: withBytes}})
	if err != nil {
		return nil, ref, err
	}
	if res.Status != tablet.StatusOK {
		return nil, ref, r.status(res.Status, objects.Condition{})
	}
	return res.Object, ref, nil
}

// Get implements objects.Backend.
func (c *Cluster) Get(ctx context.Context, bucket, key string) (objects.Object, error) {
	r := c.request("get", bucket, key)
	res, ref, err := r.object(ctx, true)
	if err != nil {
		return nil, err
	}
	return &object{r: r, ref: ref, row: res}, nil
}

// object is an object that is being read.
type object struct {
	r   *request
	ref bucketRef
	row *tablet.ObjectResult
}

// Info implements objects.Object.
func (o *object) Info() objects.Info {
	return infoOfRow(o.r.bucket, o.r.key, &o.row.Object, o.row.Parts)
}

// Close implements objects.Object.
func (o *object) Close() error { return nil }

// Range implements objects.Object. The first piece is read before it returns,
// so that trouble is known before a head is sent.
func (o *object) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off > o.row.Object.Size-n {
		return nil, o.r.fail(objects.KindInvalidRange, "", nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	rd := &reader{o: o, ctx: ctx, cancel: cancel, pos: off, left: n, ahead: make(chan piece, 1)}
	rd.places = placesOf(o.r, o.ref, o.row, off)
	rd.start()
	if n > 0 {
		if err := rd.advance(); err != nil {
			rd.Close()
			return nil, err
		}
	}
	return rd, nil
}

// reader gives a range of an object, one piece of a chunk after the other; the
// next one is being read meanwhile.
type reader struct {
	o      *object
	ctx    context.Context
	cancel context.CancelFunc
	places places
	// pos and left are those of the next piece to be fetched. The fetching
	// goroutine owns them and places while it runs.
	pos, left int64
	ahead     chan piece
	running   bool
	cur       []byte
	err       error
}

type piece struct {
	bytes []byte
	err   error
}

// start fetches the next piece in the background.
func (r *reader) start() {
	if r.left == 0 {
		return
	}
	r.running = true
	go func() {
		b, err := r.fetch()
		r.ahead <- piece{b, err}
	}()
}

// advance waits for the piece that is being fetched, and starts the next.
func (r *reader) advance() error {
	if !r.running {
		return io.EOF
	}
	p := <-r.ahead
	r.running = false
	if p.err != nil {
		r.err = p.err
		return p.err
	}
	r.cur = p.bytes
	r.start()
	return nil
}

func (r *reader) fetch() ([]byte, error) {
	for range maxRereads {
		b, err := r.places.read(r.ctx, min(r.left, int64(r.o.r.c.cfg.ReadPiece)))
		if err == nil {
			r.pos += int64(len(b))
			r.left -= int64(len(b))
			return b, nil
		}
		if !refusedGone(err) && !errors.Is(err, errRowGone) {
			return nil, r.o.r.readError(err)
		}
		if err := r.reread(err); err != nil {
			return nil, err
		}
	}
	return nil, r.o.r.fail(objects.KindUnavailable, "", errMoving)
}

// maxRereads bounds how often one piece is looked for after its row has changed.
const maxRereads = 3

var (
	errMoving   = errors.New("the object's bytes keep moving")
	errRowGone  = errors.New("a part row is gone")
	errReplaced = errors.New("the object was replaced while it was read")
	errDangling = errors.New("the row names bytes that are gone")
)

// reread reads the row again after its bytes were not where it said. The same
// revision in another layout goes on at the same place; another one is another
// object, of which nothing may be mixed in.
func (r *reader) reread(cause error) error {
	row, ref, err := r.o.r.object(r.ctx, true)
	switch {
	case objects.KindOf(err) == objects.KindNoSuchKey && err != nil, err == nil && row.Object.Rev != r.o.row.Object.Rev:
		return r.o.r.fail(objects.KindUnavailable, "", errors.Join(errReplaced, cause))
	case err != nil:
		return err
	case row.Object.LayoutGen == r.o.row.Object.LayoutGen:
		return r.o.r.fail(objects.KindInternal, "", errors.Join(errDangling, cause))
	}
	r.o.row, r.o.ref = row, ref
	r.places = placesOf(r.o.r, ref, row, r.pos)
	return nil
}

func (r *request) readError(err error) error {
	var e *objects.Error
	if errors.As(err, &e) {
		return err
	}
	return r.chainError(err, false)
}

// Next gives the next bytes without a copy; they are not to be changed.
func (r *reader) Next() ([]byte, error) {
	for len(r.cur) == 0 {
		if r.err != nil {
			return nil, r.err
		}
		if err := r.advance(); err != nil {
			return nil, err
		}
	}
	b := r.cur
	r.cur = nil
	return b, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := r.Next()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	r.cur = b[n:]
	return n, nil
}

// Close implements io.Closer. It waits for the read that is under way.
func (r *reader) Close() error {
	r.cancel()
	if r.running {
		<-r.ahead
		r.running = false
	}
	r.cur, r.err = nil, io.ErrClosedPipe
	return nil
}

// places walks over the bytes of an object, wherever they are.
type places interface {
	// read gives the next bytes, at most max and at least one. The caller stops
	// at the object's end.
	read(ctx context.Context, max int64) ([]byte, error)
}

// placesOf begins at an offset.
func placesOf(r *request, ref bucketRef, row *tablet.ObjectResult, off int64) places {
	switch row.Object.Layout.Kind {
	case tablet.LayoutInline:
		return inlineAt(row.Bytes, off)
	case tablet.LayoutExtents, tablet.LayoutManifest:
		return &extentPlaces{c: r.c, extents: row.Extents, skip: off}
	case tablet.LayoutUpload:
		return &partPlaces{r: r, ref: ref, row: row, skip: off}
	}
	return &extentPlaces{c: r.c}
}

// inlinePlaces are bytes that came with the row.
type inlinePlaces struct{ left []byte }

func inlineAt(b []byte, off int64) *inlinePlaces {
	return &inlinePlaces{b[min(off, int64(len(b))):]}
}

func (p *inlinePlaces) read(_ context.Context, max int64) ([]byte, error) {
	if len(p.left) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	n := min(max, int64(len(p.left)))
	b := p.left[:n:n]
	p.left = p.left[n:]
	return b, nil
}

// extentPlaces are extents in order; skip bytes are still to be stepped over.
type extentPlaces struct {
	c       *Cluster
	extents []tablet.Extent
	skip    int64
}

func (p *extentPlaces) read(ctx context.Context, max int64) ([]byte, error) {
	for len(p.extents) > 0 && p.skip >= int64(p.extents[0].Length) {
		p.skip -= int64(p.extents[0].Length)
		p.extents = p.extents[1:]
	}
	if len(p.extents) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	e := p.extents[0]
	n := min(max, int64(e.Length)-p.skip, int64(p.c.cfg.ReadPiece))
	b, err := p.c.chunks.Read(ctx, e, uint32(p.skip), uint32(n))
	if err == nil && int64(len(b)) != n {
		err = fmt.Errorf("read of %s: %d bytes, want %d", e.Chunk, len(b), n)
	}
	if err != nil {
		return nil, err
	}
	p.skip += n
	return b, nil
}

// partPlaces are the parts of a completed upload. Part rows that did not come
// with the object are asked for some at a time.
type partPlaces struct {
	r    *request
	ref  bucketRef
	row  *tablet.ObjectResult
	next int // index of the next part in row.Parts
	skip int64
	cur  places
	left int64 // of cur
	// batch are part rows by number.
	batch map[uint32]tablet.PartResult
}

// partBatch is how many part rows are asked for at once.
const partBatch = 16

func (p *partPlaces) read(ctx context.Context, max int64) ([]byte, error) {
	for p.left == 0 {
		if p.next >= len(p.row.Parts) {
			return nil, io.ErrUnexpectedEOF
		}
		size := p.row.Parts[p.next].Size
		if p.skip >= size {
			p.skip -= size
			p.next++
			continue
		}
		part, err := p.part(ctx, p.next)
		if err != nil {
			return nil, err
		}
		p.cur, p.left = p.open(part), size-p.skip
		p.next, p.skip = p.next+1, 0
	}
	b, err := p.cur.read(ctx, min(max, p.left))
	p.left -= int64(len(b))
	if err != nil {
		p.left = 0
	}
	return b, err
}

func (p *partPlaces) open(part tablet.PartResult) places {
	if part.Part.Layout.Kind == tablet.LayoutInline {
		return inlineAt(part.Bytes, p.skip)
	}
	return &extentPlaces{c: p.r.c, extents: part.Extents, skip: p.skip}
}

// part gives the row of the i-th part.
func (p *partPlaces) part(ctx context.Context, i int) (tablet.PartResult, error) {
	number := p.row.Parts[i].Number
	if p.batch == nil {
		p.batch = partsByNumber(p.row.Resolved)
	}
	if part, ok := p.batch[number]; ok {
		return part, nil
	}
	var numbers []uint32
	for _, s := range p.row.Parts[i:min(i+partBatch, len(p.row.Parts))] {
		numbers = append(numbers, s.Number)
	}
	res, _, err := p.r.queryIn(ctx, p.ref, tablet.Query{Key: p.r.key, Ask: tablet.AskParts{Upload: p.row.Object.Layout.Upload, Numbers: numbers}})
	if err != nil {
		return tablet.PartResult{}, err
	}
	p.batch = partsByNumber(res.Parts)
	if part, ok := p.batch[number]; ok {
		return part, nil
	}
	return tablet.PartResult{}, errRowGone
}

func partsByNumber(ps []tablet.PartResult) map[uint32]tablet.PartResult {
	m := make(map[uint32]tablet.PartResult, len(ps))
	for _, p := range ps {
		m[p.Part.Number] = p
	}
	return m
}

package store

import (
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"catena/chain"
	"catena/chain/index"
)

// pins keeps segments from being reused under a reader. A reader pins the
// generation in which it began; what is retired in a generation is reused when
// no reader of it or an older one is left.
type pins struct {
	mu    sync.Mutex
	gen   uint64
	count map[uint64]int
}

func (p *pins) pin() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[p.gen]++
	return p.gen
}

func (p *pins) unpin(gen uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[gen]--; p.count[gen] == 0 {
		delete(p.count, gen)
	}
}

// retire begins a new generation and gives the one that ended.
func (p *pins) retire() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gen++
	return p.gen - 1
}

// clear reports whether no reader of gen or an older generation is left.
func (p *pins) clear(gen uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for g := range p.count {
		if g <= gen {
			return false
		}
	}
	return true
}

// Reader implements tablet.Reader over one consistent state of the rows. It is
// for one goroutine.
type Reader struct {
	s       *Store
	key     Key
	snap    *pebble.Snapshot
	gen     uint64
	applied index.Applied
	buf     []byte
}

// Reader reads the rows of an index replica as they are now, and stays there.
// Close it soon: it holds segments back from reuse.
func (s *Store) Reader(k Key) (*Reader, error) {
	if _, err := s.replica("read", k, chain.KindIndex); err != nil {
		return nil, err
	}
	r := &Reader{s: s, key: k, gen: s.pins.pin(), buf: replicaKey(k, subRows)}
	r.snap = s.rows.db.NewSnapshot()
	v, closer, err := r.snap.Get(metaKey(k, metaApplied))
	if errors.Is(err, pebble.ErrNotFound) {
		return r, nil
	}
	if err == nil {
		r.applied, err = decodeApplied(v)
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return nil, errors.Join(s.readError("read", k, err), r.Close())
	}
	return r, nil
}

// readError says which replica an error of reading the rows is about.
func (s *Store) readError(op string, k Key, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Kind: ErrDamaged, Op: op, Key: k, Err: err}
}

// Applied is the position of the rows that this reader sees.
func (r *Reader) Applied() index.Applied { return r.applied }

// get gives a row; value is a copy.
func (r *Reader) get(key []byte) (h rowHead, value []byte, ok bool, err error) {
	if r.s.failure.ended.Load() {
		return h, nil, false, r.s.Failed()
	}
	r.buf = append(r.buf[:prefixLen], key...)
	v, closer, err := r.snap.Get(r.buf)
	if errors.Is(err, pebble.ErrNotFound) {
		return h, nil, false, nil
	}
	if err != nil {
		return h, nil, false, r.s.readError("get", r.key, err)
	}
	h, rest, err := parseRowHead(v)
	value = slices.Clone(rest)
	if err = errors.Join(err, closer.Close()); err != nil {
		return h, nil, false, r.s.readError("get", r.key, err)
	}
	return h, value, true, nil
}

// Get implements tablet.Reader. The value of a body row is empty.
func (r *Reader) Get(key []byte) (value []byte, ok bool, err error) {
	h, v, ok, err := r.get(key)
	if h.tag != tagValue {
		v = nil
	}
	return v, ok, err
}

// Payload implements tablet.Reader.
func (r *Reader) Payload(key []byte) (bytes []byte, ok bool, err error) {
	h, v, ok, err := r.get(key)
	if err != nil || !ok {
		return nil, false, err
	}
	b, err := r.s.payload(r.key, h, v)
	return b, err == nil, err
}

// payload gives the bytes of a body row from its value.
func (s *Store) payload(k Key, h rowHead, v []byte) ([]byte, error) {
	switch h.tag {
	case tagPayload:
		return v, nil
	case tagPlace:
		p, err := parsePlace(v, h.inc)
		if err != nil {
			return nil, err
		}
		return s.readPlace(k, p)
	}
	return nil, &Error{Kind: ErrInvalid, Op: "read payload", Key: k, Detail: "the row has no payload"}
}

// readPlace reads and verifies a piece of a record segment.
func (s *Store) readPlace(k Key, p place) ([]byte, error) {
	damaged := func(why string, err error) error {
		s.metrics.damaged.Inc()
		return &Error{Kind: ErrDamaged, Op: "read payload", Key: k, Detail: segName(p.slot) + ": " + why, Err: err}
	}
	g := s.segs.get(p.slot, p.inc)
	if g == nil {
		return nil, damaged("the segment has another use now", nil)
	}
	b := make([]byte, p.n)
	if _, err := g.file.ReadAt(b, p.off); err != nil && err != io.EOF {
		return nil, damaged("unreadable", err)
	}
	if sum(seed(p.inc, uint64(p.off)), b) != p.crc {
		return nil, damaged("checksum", nil)
	}
	return b, nil
}

// Scan implements tablet.Reader. An empty to is the end of all rows.
func (r *Reader) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	return r.scan(from, to, func(key []byte, h rowHead, v []byte) (bool, error) {
		if h.tag != tagValue {
			v = nil
		}
		return fn(key, v), nil
	})
}

func (r *Reader) scan(from, to []byte, fn func(key []byte, h rowHead, v []byte) (bool, error)) error {
	if r.s.failure.ended.Load() {
		return r.s.Failed()
	}
	opts := &pebble.IterOptions{LowerBound: append(replicaKey(r.key, subRows), from...)}
	if len(to) > 0 {
		opts.UpperBound = append(replicaKey(r.key, subRows), to...)
	} else {
		opts.UpperBound = replicaKey(r.key, subRows+1)
	}
	it, err := r.snap.NewIter(opts)
	if err != nil {
		return r.s.readError("scan", r.key, err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var h rowHead
		var v []byte
		if h, v, err = parseRowHead(it.Value()); err == nil {
			var more bool
			if more, err = fn(it.Key()[prefixLen:], h, v); !more {
				break
			}
		}
	}
	if err = errors.Join(err, it.Error(), it.Close()); err != nil {
		return r.s.readError("scan", r.key, err)
	}
	return nil
}

// Close releases the reader.
func (r *Reader) Close() error {
	if r.snap == nil {
		return nil
	}
	err := r.snap.Close()
	r.snap = nil
	r.s.pins.unpin(r.gen)
	return err
}

// ReadPage reads the committed rows of an index replica from a key on (nil:
// the first), payload bytes included, for a snapshot. A page has at least one
// row unless there is none, and otherwise at most maxRows and about maxBytes.
func (s *Store) ReadPage(k Key, from []byte, maxRows, maxBytes int) (index.Page, error) {
	r, err := s.Reader(k)
	if err != nil {
		return index.Page{}, err
	}
	var page index.Page
	size := 0
	err = r.scan(from, nil, func(key []byte, h rowHead, v []byte) (bool, error) {
		if len(page.Rows) >= maxRows || size >= maxBytes && len(page.Rows) > 0 {
			page.Next = slices.Clone(key)
			return false, nil
		}
		row := index.Row{Key: slices.Clone(key)}
		if h.tag == tagValue {
			row.Value = slices.Clone(v)
		} else {
			b, err := s.payload(k, h, slices.Clone(v))
			if err != nil {
				return false, err
			}
			if row.Payload = b; b == nil {
				row.Payload = []byte{}
			}
		}
		size += len(row.Key) + len(row.Value) + len(row.Payload)
		page.Rows = append(page.Rows, row)
		return true, nil
	})
	return page, errors.Join(err, r.Close())
}

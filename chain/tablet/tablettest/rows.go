package tablettest

import (
	"bytes"
	"slices"
	"sort"

	"catena/chain/tablet"
)

// Rows are the committed rows of a replica. It is a tablet.Reader. Not safe for
// concurrent use.
type Rows struct {
	keys   [][]byte
	values map[string]row
	// Fail, if set, is asked before each access and makes it fail.
	Fail func() error
}

type row struct {
	value   []byte
	payload bool
}

var _ tablet.Reader = (*Rows)(nil)

// NewRows returns no rows.
func NewRows() *Rows { return &Rows{values: map[string]row{}} }

// Clone copies the rows, as a snapshot does.
func (s *Rows) Clone() *Rows {
	c := &Rows{keys: slices.Clone(s.keys), values: make(map[string]row, len(s.values))}
	for k, v := range s.values {
		c.values[k] = v
	}
	return c
}

// Len is the number of rows.
func (s *Rows) Len() int { return len(s.keys) }

func (s *Rows) find(key []byte) int {
	return sort.Search(len(s.keys), func(i int) bool { return bytes.Compare(s.keys[i], key) >= 0 })
}

// Put writes a row.
func (s *Rows) Put(key, value []byte, payload bool) {
	if _, ok := s.values[string(key)]; !ok {
		s.keys = slices.Insert(s.keys, s.find(key), bytes.Clone(key))
	}
	s.values[string(key)] = row{bytes.Clone(value), payload}
}

// Delete removes a row.
func (s *Rows) Delete(key []byte) {
	if _, ok := s.values[string(key)]; ok {
		i := s.find(key)
		s.keys = slices.Delete(s.keys, i, i+1)
		delete(s.values, string(key))
	}
}

// Apply is what a driver does with a committed entry.
func (s *Rows) Apply(body, payload []byte) error {
	r, err := tablet.DecodeRows(body)
	if err != nil {
		return err
	}
	for _, p := range r.Puts {
		if p.Payload {
			s.Put(p.Key, payload, true)
		} else {
			s.Put(p.Key, p.Value, false)
		}
	}
	for _, d := range r.Deletes {
		s.Delete(d)
	}
	return nil
}

func (s *Rows) check() error {
	if s.Fail != nil {
		return s.Fail()
	}
	return nil
}

// Get implements tablet.Reader.
func (s *Rows) Get(key []byte) ([]byte, bool, error) {
	v, ok := s.values[string(key)]
	if !ok || v.payload {
		return nil, false, s.check()
	}
	return v.value, true, s.check()
}

// Payload implements tablet.Reader.
func (s *Rows) Payload(key []byte) ([]byte, bool, error) {
	v, ok := s.values[string(key)]
	if !ok || !v.payload {
		return nil, false, s.check()
	}
	return v.value, true, s.check()
}

// Scan implements tablet.Reader. It hands out buffers that it scribbles over
// afterwards, as a store's iterator does.
func (s *Rows) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	var key, value []byte
	for i := s.find(from); i < len(s.keys); i++ {
		if to != nil && bytes.Compare(s.keys[i], to) >= 0 {
			break
		}
		v := s.values[string(s.keys[i])]
		key, value = append(key[:0], s.keys[i]...), value[:0]
		if !v.payload {
			value = append(value, v.value...)
		}
		if !fn(key, value) {
			break
		}
	}
	for i := range key {
		key[i] = 0xEE
	}
	for i := range value {
		value[i] = 0xEE
	}
	return s.check()
}

package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// FirstIndex implements raft.LogStore.
func (s *Store) FirstIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logs) == 0 {
		return 0, nil
	}
	return s.logs[0].Index, nil
}

// LastIndex implements raft.LogStore.
func (s *Store) LastIndex() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logs) == 0 {
		return 0, nil
	}
	return s.logs[len(s.logs)-1].Index, nil
}

// GetLog implements raft.LogStore.
func (s *Store) GetLog(index uint64, out *raft.Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.logs) == 0 || index < s.logs[0].Index || index > s.logs[len(s.logs)-1].Index {
		return raft.ErrLogNotFound
	}
	*out = *s.logs[index-s.logs[0].Index]
	return nil
}

// StoreLog implements raft.LogStore.
func (s *Store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore: synced when it returns, or the voter is dead.
func (s *Store) StoreLogs(ls []*raft.Log) error {
	if len(ls) == 0 {
		return nil
	}
	rs := make([]record, 0, len(ls))
	for i, l := range ls {
		if i > 0 && l.Index != ls[i-1].Index+1 {
			return fmt.Errorf("raftlog: entry %d does not follow %d", l.Index, ls[i-1].Index)
		}
		p := encodeEntry(l)
		if len(p) > maxPayload {
			return fmt.Errorf("raftlog: an entry of %d bytes", len(p))
		}
		rs = append(rs, record{kind: kindEntry, payload: p})
	}
	return s.change(func() ([]record, error) {
		if !s.follows(ls[0].Index) {
			return nil, fmt.Errorf("raftlog: entry %d does not follow the log", ls[0].Index)
		}
		for _, l := range ls {
			c := *l
			s.logs = append(s.logs, &c)
		}
		return rs, nil
	})
}

// DeleteRange implements raft.LogStore: a prefix, a suffix, or all.
func (s *Store) DeleteRange(lo, hi uint64) error {
	return s.change(func() ([]record, error) {
		if len(s.logs) == 0 || lo > hi {
			return nil, nil
		}
		first, last := s.logs[0].Index, s.logs[len(s.logs)-1].Index
		switch {
		case lo <= first:
			s.cutTo(hi)
			return []record{{kind: kindPrefix, payload: binary.LittleEndian.AppendUint64(nil, hi)}}, nil
		case hi >= last:
			s.cutFrom(lo)
			return []record{{kind: kindTruncate, payload: binary.LittleEndian.AppendUint64(nil, lo)}}, nil
		}
		return nil, fmt.Errorf("raftlog: entries %d to %d are inside the log (%d to %d)", lo, hi, first, last)
	})
}

// IsMonotonic implements raft.MonotonicLogStore: there are no gaps.
func (s *Store) IsMonotonic() bool { return true }

// Set implements raft.StableStore.
func (s *Store) Set(key, val []byte) error {
	v := append([]byte{}, val...)
	return s.change(func() ([]record, error) {
		s.stable[string(key)] = v
		return []record{{kind: kindStable, payload: encodePair(string(key), v)}}, nil
	})
}

// errNotFound is the text that the Raft library looks for.
var errNotFound = errors.New("not found")

// Get implements raft.StableStore.
func (s *Store) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.stable[string(key)]
	if !ok {
		return nil, errNotFound
	}
	return append([]byte{}, v...), nil
}

// SetUint64 implements raft.StableStore.
func (s *Store) SetUint64(key []byte, val uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, val))
}

// GetUint64 implements raft.StableStore.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	v, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("raftlog: %q is no number", key)
	}
	return binary.BigEndian.Uint64(v), nil
}

// entryFixed is the size of an entry without data and extensions.
const entryFixed = 8 + 8 + 8 + 4 + 1

func encodeEntry(l *raft.Log) []byte {
	b := make([]byte, 0, entryFixed+len(l.Extensions)+len(l.Data))
	b = binary.LittleEndian.AppendUint64(b, l.Index)
	b = binary.LittleEndian.AppendUint64(b, l.Term)
	at := int64(0)
	if !l.AppendedAt.IsZero() {
		at = l.AppendedAt.UnixNano()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.Extensions)))
	b = append(b, byte(l.Type))
	b = append(b, l.Extensions...)
	return append(b, l.Data...)
}

func decodeEntry(b []byte) (*raft.Log, bool) {
	if len(b) < entryFixed {
		return nil, false
	}
	l := &raft.Log{Index: binary.LittleEndian.Uint64(b), Term: binary.LittleEndian.Uint64(b[8:]), Type: raft.LogType(b[28])}
	if at := int64(binary.LittleEndian.Uint64(b[16:])); at != 0 {
		l.AppendedAt = time.Unix(0, at)
	}
	ext := binary.LittleEndian.Uint32(b[24:])
	rest := b[entryFixed:]
	if uint64(ext) > uint64(len(rest)) {
		return nil, false
	}
	if ext > 0 {
		l.Extensions = append([]byte{}, rest[:ext]...)
	}
	if data := rest[ext:]; len(data) > 0 {
		l.Data = append([]byte{}, data...)
	}
	return l, true
}

func encodePair(k string, v []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(k)))
	b = append(b, k...)
	return append(b, v...)
}

func decodePair(b []byte) (string, []byte, bool) {
	if len(b) < 4 {
		return "", nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return "", nil, false
	}
	return string(b[4 : 4+n]), append([]byte{}, b[4+n:]...), true
}

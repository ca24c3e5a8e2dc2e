package tablet

import (
	"catena/chain"
	"catena/chain/index"
)

// Config says which tablet a machine serves.
type Config struct {
	Tablet chain.Tablet
	// MaxOps bounds the opID set while the last time is ahead of the clock
	// (then time advances 1 ms an entry); 0 for 1<<20.
	MaxOps int
}

// Machine is the index.Machine of a tablet: the overlay of pending rows, the
// last rev and time, and the opID window. Followers keep it too: they may
// become head. It is used by one replica's goroutine only.
//
// It understands commands of type *Command, and answers with Answer values.
type Machine struct {
	cfg Config
	// committed is the newest committed entry's time; it may be told to callers.
	committed int64
	// rev and time are those of the last entry of the log, pending included.
	rev  uint64
	time int64
	// overlay has the newest pending image of each row.
	// Invariant: it is what the entries in pending do, in order.
	overlay map[string]image
	pending []pendingEntry
	ops     window
}

// image is a pending row.
type image struct {
	seq     uint64
	value   []byte
	deleted bool
}

// pendingEntry is an entry of the log that is not known to be committed.
type pendingEntry struct {
	seq, rev uint64
	time     int64
	rows     Rows
	mark     undo
}

var _ index.Machine = (*Machine)(nil)

// NewMachine returns a machine without rows; Load it before use.
func NewMachine(cfg Config) *Machine {
	if cfg.MaxOps == 0 {
		cfg.MaxOps = 1 << 20
	}
	return &Machine{cfg: cfg, overlay: map[string]image{}, ops: newWindow()}
}

// Load takes the opID window from the rows, and rev and time from their
// position. Call it after open, and after a snapshot was installed (before the
// replica is stepped again). Pending entries are forgotten: the replica hands
// in its log by Append.
func (m *Machine) Load(r Reader, applied index.Applied) error {
	m.ops = newWindow()
	var bad error
	err := r.Scan([]byte{byte(kindOp)}, []byte{byte(kindOp) + 1}, func(key, _ []byte) bool {
		var k rowKey
		if k, bad = parseRowKey(key); bad != nil {
			return false
		}
		m.ops.put(k.id, k.time, 0)
		return true
	})
	if err == nil {
		err = bad
	}
	m.Reload(applied)
	return err
}

// Reload implements index.Machine; the driver has called Load before.
func (m *Machine) Reload(applied index.Applied) {
	clear(m.overlay)
	m.pending = nil
	m.rev, m.time, m.committed = applied.Rev, applied.Time, applied.Time
}

// Append implements index.Machine.
func (m *Machine) Append(e *index.Entry) error {
	rows, err := DecodeRows(e.Body)
	if err != nil {
		return err
	}
	p := pendingEntry{seq: e.Seq, rev: m.rev, time: m.time, rows: rows}
	m.cover(&p)
	for i := range rows.Puts {
		if rowKind(rows.Puts[i].Key[0]) == kindOp {
			k, _ := parseRowKey(rows.Puts[i].Key)
			before, replaced := m.ops.put(k.id, k.time, e.Seq)
			p.mark.put(before, replaced, k.id)
		}
	}
	for _, d := range rows.Deletes {
		if rowKind(d[0]) == kindOp {
			k, _ := parseRowKey(d)
			p.mark.dropped = append(p.mark.dropped, m.ops.drop(k.id, k.time)...)
		}
	}
	m.rev, m.time = max(m.rev, e.Rev), max(m.time, e.Time)
	m.pending = append(m.pending, p)
	return nil
}

// cover lays an entry's rows over the older ones.
func (m *Machine) cover(p *pendingEntry) {
	for i := range p.rows.Puts {
		put := &p.rows.Puts[i]
		m.overlay[string(put.Key)] = image{seq: p.seq, value: put.Value}
	}
	for _, d := range p.rows.Deletes {
		m.overlay[string(d)] = image{seq: p.seq, deleted: true}
	}
}

// Commit implements index.Machine.
func (m *Machine) Commit(seq uint64) {
	n := 0
	for ; n < len(m.pending) && m.pending[n].seq <= seq; n++ {
		p := &m.pending[n]
		for i := range p.rows.Puts {
			m.uncover(p.rows.Puts[i].Key, p.seq)
		}
		for _, d := range p.rows.Deletes {
			m.uncover(d, p.seq)
		}
		m.ops.commit(&p.mark)
		p.rows = Rows{}
		m.committed = m.time
		if n+1 < len(m.pending) {
			m.committed = m.pending[n+1].time
		}
	}
	m.pending = m.pending[n:]
	if len(m.pending) == 0 {
		m.pending = nil
	}
}

// uncover drops a row's image if no later entry wrote it.
func (m *Machine) uncover(key []byte, seq uint64) {
	if im, ok := m.overlay[string(key)]; ok && im.seq <= seq {
		delete(m.overlay, string(key))
	}
}

// Truncate implements index.Machine.
func (m *Machine) Truncate(seq uint64) {
	for n := len(m.pending); n > 0 && m.pending[n-1].seq > seq; n-- {
		p := &m.pending[n-1]
		m.ops.undo(&p.mark)
		m.rev, m.time = p.rev, p.time
		m.pending = m.pending[:n-1]
	}
	clear(m.overlay)
	for i := range m.pending {
		m.cover(&m.pending[i])
	}
}

// lastPending is the seq of the newest pending entry, 0 if there is none.
func (m *Machine) lastPending() uint64 {
	if n := len(m.pending); n > 0 {
		return m.pending[n-1].seq
	}
	return 0
}

// Pending is the number of entries that are not known to be committed.
func (m *Machine) Pending() int { return len(m.pending) }

// Touches reports whether a pending entry touches what a query reads; below
// MinAck such a query is refused.
func (m *Machine) Touches(q *Query) bool {
	for key := range m.overlay {
		k, err := parseRowKey([]byte(key))
		if err != nil || q.reads(&k) {
			return true
		}
	}
	return false
}

// reads reports whether a query may look at a row.
func (q *Query) reads(k *rowKey) bool {
	if k.kind == kindOp || k.bucket != q.Bucket {
		return false
	}
	switch q.Ask.(type) {
	case AskTime:
		return false
	case AskBucket:
		return k.kind == kindBucket
	case AskObject, AskParts, AskUpload, AskRecord, AskReferenced:
		return k.kind == kindBucket || k.key == q.Key
	}
	return true
}

package index

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// digestOf extends the digest of a log by one entry. Two logs with the same
// digest at a position are taken to be the same up to it.
func digestOf(before uint64, e *Entry) uint64 {
	var b [104]byte
	le := binary.LittleEndian
	le.PutUint64(b[0:], before)
	le.PutUint32(b[8:], e.Epoch.Recovery)
	le.PutUint64(b[12:], e.Epoch.N)
	le.PutUint64(b[20:], e.Seq)
	le.PutUint32(b[28:], e.PrevEpoch.Recovery)
	le.PutUint64(b[32:], e.PrevEpoch.N)
	le.PutUint64(b[40:], e.PrevSeq)
	le.PutUint64(b[48:], e.Rev)
	le.PutUint64(b[56:], uint64(e.Time))
	copy(b[64:], e.OpID[:])
	le.PutUint64(b[80:], xxhash.Sum64(e.Body))
	le.PutUint64(b[88:], xxhash.Sum64(e.Payload))
	le.PutUint32(b[96:], uint32(len(e.Body)))
	le.PutUint32(b[100:], uint32(len(e.Payload)))
	return xxhash.Sum64(b[:])
}

// DigestAfter is the digest of the log up to and including the entry.
func (e *Entry) DigestAfter() uint64 { return digestOf(e.Digest, e) }

// record is an entry with the digest of the log up to and including it.
type record struct {
	e      *Entry
	digest uint64
}

// log is the part of a replica's log that is in memory: everything that is not
// applied, and some of what is.
type log struct {
	// base is the position just before recs[0].
	base Mark
	// Invariant: recs[i].e.Seq == base.Seq+1+i, and each follows the one before.
	recs  []record
	bytes int64
}

// last is the end of the log.
func (l *log) last() Mark {
	if len(l.recs) == 0 {
		return l.base
	}
	return l.recs[len(l.recs)-1].mark()
}

// applied is the position of rows to which the log was applied up to here.
func (r *record) applied() Applied {
	return Applied{Epoch: r.e.Epoch, Seq: r.e.Seq, Digest: r.digest, Rev: r.e.Rev, Time: r.e.Time}
}

func (r *record) mark() Mark { return Mark{Epoch: r.e.Epoch, Seq: r.e.Seq, Digest: r.digest} }

// mark returns the mark at seq; false if that is outside of what is in memory.
func (l *log) mark(seq uint64) (Mark, bool) {
	switch {
	case seq == l.base.Seq:
		return l.base, true
	case seq < l.base.Seq || seq > l.last().Seq:
		return Mark{}, false
	}
	return l.recs[seq-l.base.Seq-1].mark(), true
}

// at returns the record at seq, which must be in memory.
func (l *log) at(seq uint64) *record { return &l.recs[seq-l.base.Seq-1] }

// follows reports whether e comes directly after the end of the log.
func (l *log) follows(e *Entry) bool {
	end := l.last()
	return e.Seq == end.Seq+1 && e.PrevSeq == end.Seq && e.PrevEpoch == end.Epoch
}

// append adds an entry that follows and whose digest was compared.
func (l *log) append(e *Entry) {
	l.recs = append(l.recs, record{e: e, digest: digestOf(l.last().Digest, e)})
	l.bytes += int64(e.Size())
}

// truncate forgets the entries above seq.
func (l *log) truncate(seq uint64) {
	keep := int(seq - l.base.Seq)
	for _, r := range l.recs[keep:] {
		l.bytes -= int64(r.e.Size())
	}
	clear(l.recs[keep:])
	l.recs = l.recs[:keep]
}

// reset starts an empty log at a position.
func (l *log) reset(base Mark) { *l = log{base: base} }

// trim forgets entries up to and including seq.
func (l *log) trim(seq uint64) {
	n := int(seq - l.base.Seq)
	if n <= 0 {
		return
	}
	for _, r := range l.recs[:n] {
		l.bytes -= int64(r.e.Size())
	}
	l.base = l.recs[n-1].mark()
	if n == len(l.recs) {
		l.recs = l.recs[:0:0]
		return
	}
	// Copy now and then, so that the array does not keep what was forgotten.
	if rest := l.recs[n:]; cap(rest) > 4*len(rest)+64 {
		l.recs = slices.Clone(rest)
	} else {
		clear(l.recs[:n])
		l.recs = rest
	}
}

// size is the bytes of the entries from a position to the end.
func (l *log) size(from uint64) int64 {
	var n int64
	for seq := max(from, l.base.Seq+1); seq <= l.last().Seq; seq++ {
		n += int64(l.at(seq).e.Size())
	}
	return n
}

// batch returns entries from seq on, at most max bytes but at least one.
func (l *log) batch(from, to uint64, maxBytes int) []*Entry {
	var out []*Entry
	n := 0
	for seq := from; seq <= to; seq++ {
		e := l.at(seq).e
		if n += e.Size(); n > maxBytes && len(out) > 0 {
			break
		}
		out = append(out, e)
	}
	return out
}

// recoverLog builds the log from what the store found, and checks that it is one.
func recoverLog(base Mark, older, entries []*Entry) (log, error) {
	var l log
	l.base = base
	if len(older) > 0 {
		first := older[0]
		l.base = Mark{Epoch: first.PrevEpoch, Seq: first.PrevSeq, Digest: first.Digest}
	}
	for _, e := range slices.Concat(older, entries) {
		if !l.follows(e) {
			return log{}, fmt.Errorf("entry %s/%d does not follow %s/%d", e.Epoch, e.Seq, l.last().Epoch, l.last().Seq)
		}
		if e.Digest != l.last().Digest {
			return log{}, fmt.Errorf("entry %s/%d: digest of the log before it is %x, want %x", e.Epoch, e.Seq, l.last().Digest, e.Digest)
		}
		l.append(e)
	}
	if m, ok := l.mark(base.Seq); !ok || m != base {
		return log{}, fmt.Errorf("the log does not pass through the applied position %s/%d", base.Epoch, base.Seq)
	}
	return l, nil
}

// markOf is the position that rows have reached.
func markOf(a Applied) Mark { return Mark{Epoch: a.Epoch, Seq: a.Seq, Digest: a.Digest} }

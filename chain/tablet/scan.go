package tablet

import (
	"bytes"
	"strings"

	"catena/chain"
)

// after gives the least user key that a scan may return: behind After, which is
// a key or, when it ends a common prefix, everything under it.
func after(prefix, delimiter, marker string) string {
	if marker == "" {
		return prefix
	}
	from := marker + "\x00"
	if isCommonPrefix(prefix, delimiter, marker) {
		from = successor(marker)
		if from == "" {
			from = strings.Repeat("\xff", MaxKey+1) // behind every key
		}
	}
	return max(from, prefix)
}

// commonPrefix gives the prefix that a key is rolled up to.
func commonPrefix(prefix, delimiter, key string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

func isCommonPrefix(prefix, delimiter, s string) bool {
	if !strings.HasPrefix(s, prefix) {
		return false
	}
	cp, ok := commonPrefix(prefix, delimiter, s)
	return ok && cp == s
}

// keySpan is the owner range of the keys of the query's bucket in [from, the end
// of prefix); an empty end is that of the bucket.
func (x *reading) keySpan(k rowKind, from, prefix string) (lo, hi []byte, last bool) {
	b := x.q.Bucket
	_, end := bucketSpan(b)
	if s := successor(prefix); s != "" {
		end = chain.OwnerKey(b, s)
	}
	lo, hi = span(k, &x.v.Tablet, chain.OwnerKey(b, max(from, x.q.Key)), end)
	tabletEnd := x.v.Tablet.End
	last = len(tabletEnd) == 0 || len(end) > 0 && bytes.Compare(end, tabletEnd) <= 0
	return lo, hi, last
}

// stopEvery is how many rows lie between two questions to View.Stop: few, since
// on a slow disk each may cost a seek.
const stopEvery = 16

// budget bounds a scan, by rows stepped over and by what the driver says.
type budget struct {
	steps int
	stop  func() bool
}

func (x *reading) budget(steps int) budget {
	if steps <= 0 {
		steps = DefaultSteps
	}
	return budget{steps: steps, stop: x.v.Stop}
}

// spent counts one row and reports whether the page ends behind it.
func (b *budget) spent() bool {
	b.steps--
	return b.steps <= 0 || b.stop != nil && b.steps%stopEvery == 0 && b.stop()
}

// walk scans rows of one kind in key order and rolls keys up to common prefixes,
// each of which costs one seek. item reports whether the page takes more; keep
// is false for rows that are stepped over.
type walk struct {
	x                 *reading
	kind              rowKind
	prefix, delimiter string
	lo, hi            []byte
	budget            budget
	// Results: why it stopped.
	full bool
	last []byte // the row at which the budget was spent
}

func (w *walk) run(common func(cp string) bool, item func(k *rowKey, value []byte) bool) {
	for !w.full && w.last == nil && w.x.err == nil {
		jump := ""
		var bad error
		err := w.x.r.Scan(w.lo, w.hi, func(key, value []byte) bool {
			var k rowKey
			if k, bad = parseRowKey(key); bad != nil {
				return false
			}
			if cp, ok := commonPrefix(w.prefix, w.delimiter, k.key); ok {
				w.full = !common(cp)
				jump = cp
				return false
			}
			if w.full = !item(&k, value); w.full {
				return false
			}
			if w.budget.spent() {
				w.last = bytes.Clone(key)
				return false
			}
			return true
		})
		w.x.fail(err, bad)
		if jump == "" || w.full {
			return
		}
		next := successor(jump)
		if next == "" {
			return // nothing in the bucket is behind it
		}
		if w.budget.spent() {
			w.last = []byte{} // the page's last item is the prefix itself
			return
		}
		if lo := bound(w.kind, chain.OwnerKey(w.x.q.Bucket, next)); bytes.Compare(lo, w.lo) > 0 {
			w.lo = lo
		}
		if bytes.Compare(w.lo, w.hi) >= 0 {
			return
		}
	}
}

func (x *reading) walk(kind rowKind, prefix, delimiter, from string, steps int) (*walk, bool) {
	lo, hi, last := x.keySpan(kind, from, prefix)
	w := &walk{x: x, kind: kind, prefix: prefix, delimiter: delimiter, lo: lo, hi: hi, budget: x.budget(steps)}
	return w, last
}

// list answers AskList. One page is atomic: the rows do not change under it.
func (x *reading) list(a AskList) {
	out := &ListResult{}
	x.res.List = out
	limit := min(a.Max, MaxPage+1)
	w, last := x.walk(kindCurrent, a.Prefix, a.Delimiter, after(a.Prefix, a.Delimiter, a.After), a.MaxSteps)
	out.Done = last
	if bytes.Compare(w.lo, w.hi) >= 0 {
		return
	}
	add := func(it ListItem) bool {
		if len(out.Items) >= limit {
			return false
		}
		out.Items = append(out.Items, it)
		out.Next = it.Key
		return true
	}
	w.run(func(cp string) bool { return add(ListItem{Key: cp}) }, func(k *rowKey, value []byte) bool {
		o, err := decObject(value)
		x.fail(err)
		if err != nil {
			return false
		}
		if o.DeleteMarker {
			out.Next = k.key
			return true
		}
		return add(ListItem{Key: k.key, Object: o})
	})
	out.More = w.full || w.last != nil
	if !out.More {
		out.Next = ""
	}
}

// uploads answers AskUploads.
func (x *reading) uploads(a AskUploads) {
	out := &UploadsResult{}
	x.res.Uploads = out
	limit := min(a.Max, MaxPage+1)
	from := after(a.Prefix, a.Delimiter, a.AfterKey)
	if !a.AfterID.IsZero() {
		from = max(a.AfterKey, a.Prefix)
	}
	w, last := x.walk(kindUpload, a.Prefix, a.Delimiter, from, a.MaxSteps)
	out.Done = last
	if !a.AfterID.IsZero() {
		if lo := append(uploadKey(x.q.Bucket, a.AfterKey, a.AfterID), 0); bytes.Compare(lo, w.lo) > 0 {
			w.lo = lo
		}
	}
	if bytes.Compare(w.lo, w.hi) >= 0 {
		return
	}
	add := func(it UploadItem) bool {
		if len(out.Items) >= limit {
			return false
		}
		out.Items = append(out.Items, it)
		out.NextKey, out.NextID = it.Key, it.ID
		return true
	}
	w.run(func(cp string) bool { return add(UploadItem{Key: cp}) }, func(k *rowKey, value []byte) bool {
		u, err := decUpload(value)
		x.fail(err)
		return err == nil && add(UploadItem{Key: k.key, ID: k.id, Upload: u})
	})
	out.More = w.full || w.last != nil
	if !out.More {
		out.NextKey, out.NextID = "", chain.ID128{}
	}
}

// records answers AskRecords.
func (x *reading) records(a AskRecords) {
	out := &RecordsResult{}
	x.res.Records = out
	limit := min(a.Max, MaxPage+1)
	full := BucketRecordPrefix + a.Prefix
	from := full
	if a.After != "" {
		from = max(from, BucketRecordPrefix+a.After+"\x00")
	}
	left := x.budget(0)
	var bad error
	err := x.r.Scan(recordKey(from), prefixEnd(recordKey(full)), func(key, value []byte) bool {
		var r *Record
		if r, bad = decRecord(value); bad != nil {
			return false
		}
		if out.More = len(out.Records) >= limit; out.More {
			return false
		}
		out.Next = string(key[1+16+len(BucketRecordPrefix):])
		if a.Owner == "" || r.Owner == a.Owner {
			out.Records = append(out.Records, NamedRecord{Name: out.Next, Record: *r})
		}
		out.More = left.spent()
		return !out.More
	})
	x.fail(err, bad)
	if !out.More {
		out.Next = ""
	}
}

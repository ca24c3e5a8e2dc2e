package tablet

import (
	"catena/chain"
	"catena/chain/index"
)

// maxExpired is how many old op rows an entry deletes: more than the one it
// puts, so that the window shrinks again after a burst.
const maxExpired = 3

// Evaluate implements index.Machine. The order of tests: malformed, owner,
// known opID, learned time, stamp, bucket, and then the action's own.
func (m *Machine) Evaluate(cmd index.Command, given index.Given, at index.Position) index.Verdict {
	c, ok := cmd.(*Command)
	g, gok := given.(*Given)
	if !ok || !gok {
		return m.refuse(Answer{Status: RefusedInvalid, Detail: "not a tablet's command"}, 0)
	}
	if detail := c.check(); detail != "" {
		return m.refuse(Answer{Status: RefusedInvalid, Detail: detail}, 0)
	}
	if !m.owns(c) {
		return m.refuse(Answer{Status: RefusedTablet}, 0)
	}
	if mark, ok := m.ops.known(c.Op, m.time); ok {
		return m.again(c, g, mark)
	}
	// A refusal that tells T is told only when the entry that has T is committed.
	if c.Learned > m.time || c.Learned < m.time-MaxLearnedAge {
		return m.refuse(Answer{Status: RefusedLearned, Speaker: Speaker{Time: m.time}}, m.lastPending())
	}
	if c.Stamp != 0 && c.Stamp < m.time-StampAge {
		return m.refuse(Answer{Status: RefusedStamp, Speaker: Speaker{Time: m.time}}, m.lastPending())
	}
	return m.ordered(c, g, at)
}

// owns reports whether the command is for this tablet, in this generation.
func (m *Machine) owns(c *Command) bool {
	t := &m.cfg.Tablet
	return c.Tablet == t.ID && c.Generation == t.Generation && t.Contains(c.Owner())
}

func (m *Machine) speaker(time int64) Speaker {
	t := &m.cfg.Tablet
	return Speaker{Tablet: t.ID, Generation: t.Generation, Start: t.Start, End: t.End, Time: time}
}

// refuse answers without an entry.
func (m *Machine) refuse(a Answer, restsOn uint64) index.Verdict {
	time := a.Time
	if time == 0 {
		time = m.committed
	}
	a.Speaker = m.speaker(time)
	return index.Verdict{Answer: a, RestsOn: restsOn}
}

// again answers a command whose opID is known as it was answered before; while
// that entry is pending, the answer waits for it.
func (m *Machine) again(c *Command, g *Given, mark opMark) index.Verdict {
	key := opKey(mark.time, c.Op)
	v, restsOn := g.rows[string(key)], uint64(0)
	if im, ok := m.overlay[string(key)]; ok {
		v, restsOn = im.value, im.seq
	}
	a, err := DecodeAnswer(v)
	if err != nil {
		return m.refuse(Answer{Status: RefusedInvalid, Detail: "op row: " + err.Error()}, restsOn)
	}
	a.Speaker = m.speaker(mark.time)
	return index.Verdict{Answer: a, RestsOn: restsOn}
}

// ordered evaluates the action to an entry, or to an answer without one.
func (m *Machine) ordered(c *Command, g *Given, at index.Position) index.Verdict {
	x := &eval{m: m, c: c, g: g, rev: m.rev + 1, wall: at.WallMs, time: max(at.WallMs, m.time)}
	if at.WallMs < m.time && len(m.ops.marks) >= m.cfg.MaxOps {
		x.time = m.time + 1
	}
	a := x.action()
	if x.broken != "" {
		return m.refuse(Answer{Status: RefusedInvalid, Detail: x.broken}, x.restsOn)
	}
	_, empty := c.Action.(*Empty)
	if a.Status.Refused() || len(x.rows.Puts)+len(x.rows.Deletes) == 0 && !empty && !c.Repeat {
		return m.refuse(a, x.restsOn)
	}
	x.rows.Puts = append(x.rows.Puts, Put{Key: opKey(x.time, c.Op), Value: EncodeAnswer(&a)})
	x.rows.Deletes = append(x.rows.Deletes, m.ops.expired(x.time, maxExpired)...)
	a.Speaker = m.speaker(x.time)
	return index.Verdict{
		Entry:  &index.Entry{Rev: x.rev, Time: x.time, OpID: c.Op, Body: encodeRows(&x.rows), Payload: x.payload},
		Answer: a,
	}
}

// eval is one evaluation: the rows read through the overlay, and those written.
type eval struct {
	m          *Machine
	c          *Command
	g          *Given
	rev        uint64
	wall, time int64
	rows       Rows
	written    map[string][]byte // rows written by this evaluation, nil for deleted
	payload    []byte
	restsOn    uint64
	released   uint16
	broken     string // damage, or a row that was not gathered
}

func (x *eval) action() Answer {
	if a, ok := x.bucket(); !ok {
		return a
	}
	switch a := x.c.Action.(type) {
	case *PutObject:
		return x.putObject(a)
	case *DeleteObject:
		existed, s := x.deleteObject(x.c.Key, &a.If)
		return Answer{Status: s, Existed: existed}
	case *DeleteMany:
		return x.deleteMany(a)
	case *CreateUpload:
		return x.createUpload(a)
	case *PutPart:
		return x.putPart(a)
	case *Complete:
		return x.complete(a)
	case *Abort:
		return x.abort(a)
	case *ReleaseDone:
		return x.releaseDone(a)
	case *SetRecord:
		return x.setRecord(a)
	case *SetBucket:
		return x.setBucket(a)
	}
	return Answer{Status: StatusOK} // Empty
}

// bucket tests the generation that the command was made with. A row in this
// tablet that is older is refused too: the caller carries the record's here.
func (x *eval) bucket() (Answer, bool) {
	switch x.c.Action.(type) {
	case *SetBucket, *SetRecord, *ReleaseDone, *Empty:
		return Answer{}, true
	}
	row := x.bucketRow()
	if row == nil || row.Closed || row.Generation != x.c.BucketGen {
		return Answer{Status: RefusedBucket, Bucket: row}, false
	}
	return Answer{}, true
}

func (x *eval) bucketRow() *BucketRow { return load(x, bucketKey(x.c.Bucket), decBucketRow) }

// get reads a row: as written here, as pending, as committed.
func (x *eval) get(key []byte) []byte {
	if v, ok := x.written[string(key)]; ok {
		return v
	}
	if im, ok := x.m.overlay[string(key)]; ok {
		x.restsOn = max(x.restsOn, im.seq)
		return im.value
	}
	v, ok := x.g.rows[string(key)]
	if !ok {
		x.broken = "a row was not gathered"
	}
	return v
}

// load reads and decodes a row; nil if there is none.
func load[T any](x *eval, key []byte, dec func([]byte) (*T, error)) *T {
	v := x.get(key)
	if v == nil {
		return nil
	}
	t, err := dec(v)
	if err != nil {
		x.broken = err.Error()
		return nil
	}
	return t
}

func (x *eval) put(key, value []byte) {
	x.rows.Puts = append(x.rows.Puts, Put{Key: key, Value: value})
	x.note(key, value)
}

func (x *eval) body(key, bytes []byte) {
	x.rows.Puts = append(x.rows.Puts, Put{Key: key, Payload: true})
	x.payload = bytes
}

func (x *eval) delete(key []byte) {
	x.rows.Deletes = append(x.rows.Deletes, key)
	x.note(key, nil)
}

func (x *eval) note(key, value []byte) {
	if x.written == nil {
		x.written = map[string][]byte{}
	}
	x.written[string(key)] = value
}

// drop releases a layout: a body row goes at once (readers of it read the row
// again), chunks by a release row.
func (x *eval) drop(key string, l *Layout) {
	switch l.Kind {
	case LayoutEmpty:
	case LayoutInline:
		x.delete(bodyKey(x.c.Bucket, key, l.Blob))
	default:
		x.release(key, &Release{Layout: *l})
	}
}

func (x *eval) release(key string, r *Release) {
	r.Time = x.time
	x.put(releaseKey(x.c.Bucket, key, x.rev, x.released), encRelease(r))
	x.released++
}

// holds tests a condition on the current object, nil for none.
func (c *Condition) holds(o *Object) Status {
	switch {
	case c.IfAbsent && o != nil:
		return PreconditionFailed
	case o == nil:
		if c.IfMatch != "" || c.IfSize != nil || c.IfModified != nil || c.IfRev != 0 {
			return NotFound
		}
		return StatusOK
	case c.IfMatch != "" && c.IfMatch != "*" && c.IfMatch != o.ETag,
		c.IfNotETag != "" && c.IfNotETag == o.ETag,
		c.IfSize != nil && *c.IfSize != o.Size,
		c.IfModified != nil && floorSecond(*c.IfModified) != floorSecond(o.Modified),
		c.IfRev != 0 && c.IfRev != o.Rev:
		return PreconditionFailed
	}
	return StatusOK
}

func floorSecond(ms int64) int64 { return ms - (ms%1000+1000)%1000 }

// current reads the current object of a key; a delete marker is none.
func (x *eval) current(key string) *Object {
	o := load(x, currentKey(x.c.Bucket, key), decObject)
	if o != nil && o.DeleteMarker {
		return nil
	}
	return o
}

// write makes the current row of the command's key.
func (x *eval) write(o *Object, old *Object) Answer {
	o.Rev, o.VersionID, o.DeleteMarker = x.rev, NullVersion, false
	if o.Modified == 0 {
		o.Modified = x.wall
	}
	x.put(currentKey(x.c.Bucket, x.c.Key), encObject(o))
	x.rows.Bytes += o.Size
	x.rows.Objects++
	if old != nil {
		x.forget(x.c.Key, old)
	}
	return Answer{Status: StatusOK, Rev: o.Rev, Modified: o.Modified, VersionID: o.VersionID, Existed: old != nil}
}

// forget drops an object's layout and takes it off the counters.
func (x *eval) forget(key string, old *Object) {
	x.drop(key, &old.Layout)
	x.rows.Objects--
	x.rows.Bytes -= old.Size
}

func (x *eval) setRecord(a *SetRecord) Answer {
	key := recordKey(x.c.Key)
	cur := load(x, key, decRecord)
	if x.broken == "" && cur.Version() != a.Old {
		return Answer{Status: CompareFailed, Record: cur}
	}
	if a.New == nil {
		if cur != nil {
			x.delete(key)
		}
		return Answer{Status: StatusOK}
	}
	r := *a.New
	if r.Created == 0 {
		r.Created = x.wall
	}
	x.put(key, encRecord(&r))
	return Answer{Status: StatusOK, Record: &r}
}

func (x *eval) setBucket(a *SetBucket) Answer {
	cur := x.bucketRow()
	switch {
	case cur != nil && cur.Generation > a.Row.Generation:
		return Answer{Status: NewerBucket, Bucket: cur}
	case cur != nil && cur.Generation == a.Row.Generation:
		return Answer{Status: StatusOK}
	case a.Row.Closed && x.occupied():
		return Answer{Status: NotEmpty}
	}
	x.put(bucketKey(x.c.Bucket), encBucketRow(&a.Row))
	return Answer{Status: StatusOK}
}

// occupied reports whether the tablet holds an object, version or upload of the
// bucket, pending ones included and pending deletes excluded.
func (x *eval) occupied() bool {
	if x.g.live {
		return true
	}
	for key, im := range x.m.overlay {
		k, err := parseRowKey([]byte(key))
		if err != nil || im.deleted || k.bucket != x.c.Bucket {
			continue
		}
		switch k.kind {
		case kindCurrent, kindVersion, kindUpload:
			x.restsOn = max(x.restsOn, im.seq)
			return true
		}
	}
	return false
}

// contains reports whether a key of the command's bucket lies in the tablet.
func (x *eval) contains(key string) bool {
	return x.m.cfg.Tablet.Contains(chain.OwnerKey(x.c.Bucket, key))
}

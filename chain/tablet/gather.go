package tablet

import (
	"fmt"

	"catena/chain"
	"catena/chain/index"
)

// Given is what Gather read for one command. Rows that were asked for and are
// absent are there as nil.
type Given struct {
	rows map[string][]byte
	// parts are the committed part rows of the command's upload, if needed.
	parts map[uint32][]byte
	// live says that the bucket has a committed row in this tablet that no
	// pending entry deletes.
	live bool
}

type gatherer struct {
	m   *Machine
	r   Reader
	g   *Given
	err error
}

// Gather reads the committed rows that a command (a *Command) needs, at most
// MaxParts of them and a few. The driver calls it in the replica's goroutine at
// the moment of the Propose that carries the Given: what it reads is laid under
// the overlay, so no entry may be applied in between.
func (m *Machine) Gather(cmd index.Command, r Reader) (index.Given, error) {
	c, ok := cmd.(*Command)
	if !ok {
		return nil, fmt.Errorf("tablet: gather for a %T", cmd)
	}
	x := &gatherer{m: m, r: r, g: &Given{rows: make(map[string][]byte, 4)}}
	if c.check() != "" || !m.owns(c) {
		return x.g, nil // refused without a look at the rows
	}
	if mark, ok := m.ops.known(c.Op, m.time); ok {
		x.get(opKey(mark.time, c.Op))
		return x.g, x.err
	}
	x.action(c)
	return x.g, x.err
}

func (x *gatherer) get(key []byte) []byte {
	if x.err != nil {
		return nil
	}
	if im, ok := x.m.overlay[string(key)]; ok {
		return im.value // Evaluate finds it in the overlay too
	}
	v, ok, err := x.r.Get(key)
	if err != nil {
		x.err = err
		return nil
	}
	if !ok {
		v = nil
	}
	x.g.rows[string(key)] = v
	return v
}

func (x *gatherer) action(c *Command) {
	x.get(bucketKey(c.Bucket))
	switch a := c.Action.(type) {
	case *PutObject, *DeleteObject:
		x.get(currentKey(c.Bucket, c.Key))
	case *DeleteMany:
		for i := range a.Keys {
			if x.m.cfg.Tablet.Contains(chain.OwnerKey(c.Bucket, a.Keys[i].Key)) {
				x.get(currentKey(c.Bucket, a.Keys[i].Key))
			}
		}
	case *CreateUpload:
		x.get(uploadKey(c.Bucket, c.Key, a.ID))
	case *PutPart:
		x.get(uploadKey(c.Bucket, c.Key, a.Upload))
		x.get(partKey(c.Bucket, c.Key, a.Upload, a.Part.Number))
	case *Complete:
		x.get(currentKey(c.Bucket, c.Key))
		if x.get(uploadKey(c.Bucket, c.Key, a.Upload)) != nil {
			x.parts(c, a.Upload, MaxParts)
		}
	case *Abort:
		x.get(uploadKey(c.Bucket, c.Key, a.Upload))
		x.parts(c, a.Upload, 1)
	case *ReleaseDone:
		x.release(c, a)
	case *SetRecord:
		x.get(recordKey(c.Key))
	case *SetBucket:
		if a.Row.Closed {
			x.g.live = x.anyLive(c.Bucket)
		}
	}
}

// parts reads up to max part rows of an upload that no pending entry deletes.
func (x *gatherer) parts(c *Command, upload chain.ID128, max int) {
	if x.err != nil {
		return
	}
	x.g.parts = map[uint32][]byte{}
	prefix := partPrefix(c.Bucket, c.Key, upload)
	var bad error
	err := x.r.Scan(prefix, prefixEnd(prefix), func(key, value []byte) bool {
		if im, ok := x.m.overlay[string(key)]; ok && im.deleted {
			return true
		}
		var k rowKey
		if k, bad = parseRowKey(key); bad != nil {
			return false
		}
		x.g.parts[k.number] = append([]byte(nil), value...)
		return len(x.g.parts) < max
	})
	x.fail(err, bad)
}

func (x *gatherer) fail(errs ...error) {
	for _, err := range errs {
		if x.err == nil {
			x.err = err
		}
	}
}

// release reads a release row, and of an upload that it took over the manifest
// and the parts.
func (x *gatherer) release(c *Command, a *ReleaseDone) {
	v := x.get(a.Release)
	if v == nil || x.err != nil {
		return
	}
	rel, err := decRelease(v)
	if err != nil {
		x.fail(err)
		return
	}
	if rel.Layout.Kind == LayoutUpload {
		x.get(manifestKey(c.Bucket, c.Key, rel.Layout.Upload))
		x.parts(c, rel.Layout.Upload, MaxParts)
	}
}

// anyLive looks for a committed object, version or upload of the bucket that no
// pending entry deletes.
func (x *gatherer) anyLive(bucket chain.BucketID) (live bool) {
	from, to := bucketSpan(bucket)
	for _, k := range []rowKind{kindCurrent, kindVersion, kindUpload} {
		lo, hi := span(k, &x.m.cfg.Tablet, from, to)
		err := x.r.Scan(lo, hi, func(key, _ []byte) bool {
			im, ok := x.m.overlay[string(key)]
			live = !ok || !im.deleted
			return !live
		})
		x.fail(err)
		if live || x.err != nil {
			return live
		}
	}
	return false
}

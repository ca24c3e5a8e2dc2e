package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// Put implements objects.Backend: chunks first, then the body's digests are
// verified, then one command.
func (c *Cluster) Put(ctx context.Context, p objects.Put, body objects.Body) (objects.Info, error) {
	r := c.request("put", p.Bucket, p.Key)
	ref, err := r.lookup(ctx)
	if err != nil {
		return objects.Info{}, err
	}
	b, digests, err := r.receive(ctx, ref.id, body)
	if err != nil {
		return objects.Info{}, err
	}
	act := &tablet.PutObject{
		Object: tablet.Object{
			VersionID: tablet.NullVersion, Size: b.size, ETag: hex.EncodeToString(digests.MD5[:]),
			Checksums: checksumsToRow(digests.Checksum, 0), Meta: metaToRow(p.Meta),
		},
		Bytes: b.bytes, If: conditionToRow(p.If),
	}
	act.Object.Layout, act.Manifest = b.layout(nil)
	opts, err := r.identity(ctx, ref, p)
	if err != nil {
		r.discard(ctx, b)
		return objects.Info{}, err
	}
	return r.put(ctx, ref, b.stamp, act, p.If, opts...)
}

// put sends the command of an object whose bytes are stored.
func (r *request) put(ctx context.Context, ref bucketRef, stamp int64, act *tablet.PutObject, cond objects.Condition, opts ...commandOption) (objects.Info, error) {
	a, err := r.command(ctx, ref, stamp, act, opts...)
	if err != nil {
		return objects.Info{}, err
	}
	if err := r.negative(a, cond); err != nil {
		return objects.Info{}, err
	}
	o := act.Object
	o.Rev, o.Modified, o.VersionID = a.Rev, a.Modified, a.VersionID
	parts := o.PartSizes
	if act.Manifest != nil && act.Manifest.Parts != nil {
		parts = act.Manifest.Parts
	}
	return infoOfRow(r.bucket, r.key, &o, parts), nil
}

// receive stores a body and verifies it. Nothing may be named before this
// returned nil. Errors of the body itself come through unchanged.
func (r *request) receive(ctx context.Context, bucket chain.BucketID, body objects.Body) (*blob, objects.Digests, error) {
	b, err := r.store(ctx, bucket, body, body.Size())
	if err != nil {
		return nil, objects.Digests{}, err
	}
	digests, err := body.Finish()
	if err == nil && digests.Size != b.size {
		err = r.fail(objects.KindInternal, "", errBodySize)
	}
	if err != nil {
		r.discard(ctx, b)
		return nil, digests, err
	}
	return b, digests, nil
}

// identity makes the opID of a conditional write from the client's own name for
// the request, so that an SDK's repeat is answered with its own success. Such a
// command is always a repeat: another gateway may have sent it. As a repeat
// that is refused has an unknown outcome, the tablet's time is learned before,
// unless what is known is new.
func (r *request) identity(ctx context.Context, ref bucketRef, p objects.Put) ([]commandOption, error) {
	if p.Token == "" || p.If == (objects.Condition{}) {
		return nil, nil
	}
	if !r.fresh(r.c.times.lookup(chain.OwnerKey(ref.id, r.key)), maxStampAge/120) {
		if _, err := r.read(ctx, tablet.Query{Bucket: ref.id, Key: r.key, Ask: tablet.AskTime{}}); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256([]byte(p.Token + "\x00" + string(ref.id[:]) + r.key))
	return []commandOption{func(c *tablet.Command) {
		copy(c.Op[:], sum[:])
		c.Repeat = true
	}}, nil
}

// Delete implements objects.Backend.
func (c *Cluster) Delete(ctx context.Context, d objects.Delete) (bool, error) {
	r := c.request("delete", d.Bucket, d.Key)
	ref, err := r.lookup(ctx)
	if err != nil {
		return false, err
	}
	a, err := r.command(ctx, ref, 0, &tablet.DeleteObject{If: conditionToRow(d.If)})
	if err != nil {
		return false, err
	}
	return a.Existed, r.negative(a, d.If)
}

// DeleteMany implements objects.Backend: one command for each tablet that holds
// some of the keys. Transient trouble fails the whole call; deleting again is harmless.
func (c *Cluster) DeleteMany(ctx context.Context, bucket string, keys []objects.Delete) ([]error, error) {
	r := c.request("delete many", bucket, "")
	ref, err := r.lookup(ctx)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(keys))
	left := make([]int, len(keys))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		n := min(len(left), tablet.MaxDeleteKeys)
		rest, err := r.deleteSome(ctx, ref, keys, left[:n], errs)
		if err != nil {
			return nil, err
		}
		left = append(rest, left[n:]...)
	}
	return errs, nil
}

// deleteSome deletes those of the keys that lie in the tablet of the first, and
// gives the others back.
func (r *request) deleteSome(ctx context.Context, ref bucketRef, keys []objects.Delete, which []int, errs []error) (rest []int, err error) {
	r.key = keys[which[0]].Key
	act := &tablet.DeleteMany{}
	for _, i := range which {
		act.Keys = append(act.Keys, tablet.DeleteKey{Key: keys[i].Key, If: conditionToRow(keys[i].If)})
	}
	a, err := r.command(ctx, ref, 0, act)
	if err != nil {
		return nil, err
	}
	if a.Status != tablet.StatusOK || len(a.Keys) != len(which) || a.Keys[0].Status == tablet.RefusedTablet {
		return nil, r.fail(objects.KindInternal, "", errUnexpected(a.Status))
	}
	for n, i := range which {
		if a.Keys[n].Status == tablet.RefusedTablet {
			rest = append(rest, i)
			continue
		}
		one := &request{c: r.c, op: r.op, bucket: r.bucket, key: keys[i].Key}
		errs[i] = one.status(a.Keys[n].Status, keys[i].If)
	}
	return rest, nil
}

package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"catena/chain"
	"catena/chain/tablet"
	"catena/s3api/objects"
)

// Cluster is the objects.Backend over chains. It is safe for concurrent use and
// keeps nothing but caches: which buckets exist, and tablet times.
type Cluster struct {
	cfg     Config
	index   Index
	chunks  Chunks
	times   times
	buckets bucketCache
	hold    budget
}

var _ objects.Backend = (*Cluster)(nil)

// New returns a Cluster.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Cluster{cfg: cfg, index: cfg.Index, chunks: cfg.Chunks, buckets: newBucketCache()}
	c.hold.free = cfg.HoldBudget
	return c, nil
}

// newID draws 128 random bits.
func (c *Cluster) newID() (id chain.ID128, err error) {
	if _, err = io.ReadFull(c.cfg.Random, id[:]); err != nil {
		return id, fmt.Errorf("cluster: random ids: %w", err)
	}
	return id, nil
}

// newUploadID begins with the time, so that uploads of one key are listed in the
// order in which they were started; 80 random bits follow.
func (c *Cluster) newUploadID() (chain.ID128, error) {
	id, err := c.newID()
	if err != nil {
		return id, err
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(c.cfg.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	return id, nil
}

// request is one operation on one key, for the errors that it ends with.
type request struct {
	c           *Cluster
	op          string
	bucket, key string
}

func (c *Cluster) request(op, bucket, key string) *request {
	return &request{c: c, op: op, bucket: bucket, key: key}
}

// command carries an action to the head of the key's tablet. stamp is the least
// of its chunks'. It follows the bucket's generation, but never to another
// bucket of the same name: chunks and uploads belong to ref's.
func (r *request) command(ctx context.Context, ref bucketRef, stamp int64, a tablet.Action, opts ...commandOption) (tablet.Answer, error) {
	cmd := tablet.Command{Bucket: ref.id, Key: r.key, Stamp: stamp, Action: a}
	for _, o := range opts {
		o(&cmd)
	}
	var ans tablet.Answer
	err := r.inBucket(ctx, ref, func(ref bucketRef) (*tablet.BucketRow, bool, error) {
		cmd.BucketGen = ref.gen
		var err error
		ans, err = r.send(ctx, cmd)
		return ans.Bucket, ans.Status == tablet.RefusedBucket, err
	})
	return ans, err
}

type commandOption func(*tablet.Command)

// maxSends bounds how often a refused first try is made again with a newer time.
const maxSends = 5

// send makes the tries of one command until it is answered; the statuses of
// malformed commands and old stamps become errors here.
func (r *request) send(ctx context.Context, cmd tablet.Command) (tablet.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.cfg.CommandTimeout)
	defer cancel()
	owner := cmd.Owner()
	if cmd.Op.IsZero() {
		id, err := r.c.newID()
		if err != nil {
			return tablet.Answer{}, r.fail(objects.KindInternal, "", err)
		}
		cmd.Op = id
	}
	if r.c.times.lookup(owner) == 0 {
		// A first try without a time would be refused and told; a repeat of it, if
		// it is lost, would have an unknown outcome.
		if _, err := r.read(ctx, tablet.Query{Bucket: cmd.Bucket, Key: cmd.Key, Ask: tablet.AskTime{}}); err != nil {
			return tablet.Answer{}, err
		}
	}
	for range maxSends {
		cmd.Learned = r.c.times.lookup(owner)
		a, err := r.c.index.Do(ctx, owner, cmd)
		if err != nil {
			return a, r.chainError(err, true)
		}
		r.c.times.learn(a.Speaker)
		switch a.Status {
		case tablet.RefusedLearned:
			continue // nothing was done; the answer told the newer time
		case tablet.RefusedStamp:
			return a, r.fail(objects.KindUnavailable, "the request took longer than a day", nil)
		case tablet.RefusedInvalid:
			return a, r.fail(objects.KindInternal, "", fmt.Errorf("the tablet refused a command as malformed: %s", a.Detail))
		}
		return a, nil
	}
	return tablet.Answer{}, r.fail(objects.KindUnavailable, "", fmt.Errorf("the tablet's time went on faster than the command"))
}

// query reads at the tail of the key's tablet, in the bucket's newest generation.
func (r *request) query(ctx context.Context, q tablet.Query) (tablet.Result, bucketRef, error) {
	var res tablet.Result
	ref, err := r.lookup(ctx)
	if err != nil {
		return res, ref, err
	}
	return r.queryIn(ctx, ref, q)
}

// queryIn is query for a bucket that was looked up. A bucket of the same name
// that was made meanwhile is followed: a read pins nothing.
func (r *request) queryIn(ctx context.Context, ref bucketRef, q tablet.Query) (tablet.Result, bucketRef, error) {
	var res tablet.Result
	for range maxBucketTries {
		q.Bucket, q.BucketGen = ref.id, ref.gen
		var err error
		if res, err = r.read(ctx, q); err != nil {
			return res, ref, err
		}
		if res.Status != tablet.RefusedBucket {
			return res, ref, nil
		}
		if ref, err = r.reconcile(ctx, ref, res.Bucket); err != nil {
			return res, ref, err
		}
	}
	return res, ref, r.fail(objects.KindUnavailable, "", errBucketChanges)
}

// read asks once, without looking at the bucket.
func (r *request) read(ctx context.Context, q tablet.Query) (tablet.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, r.c.cfg.CommandTimeout)
	defer cancel()
	res, err := r.c.index.Query(ctx, q.Owner(), q)
	if err != nil {
		return res, r.chainError(err, false)
	}
	r.c.times.learn(res.Speaker)
	if res.Status == tablet.RefusedInvalid {
		return res, r.fail(objects.KindInternal, "", fmt.Errorf("the tablet refused a query as malformed: %s", res.Detail))
	}
	return res, nil
}

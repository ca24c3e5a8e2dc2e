package clustersim

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"catena/s3api/objects"
)

// WorkloadConfig says how much load there is. Zero values stand for the defaults.
type WorkloadConfig struct {
	Bucket string // "histories"
	// Groups is how many groups of registers are in use at once, Clients how
	// many clients each has; 3 and 3.
	Groups, Clients int
	// MaxOps and MaxUnknown are the ends of a group: another one, of new keys,
	// takes its place. They bound the checker's work; 200 and 4.
	MaxOps, MaxUnknown int
	// Sizes are those of the objects written, in bytes, at least 16: no two of them
	// may have the same bytes; up to 200 KiB.
	Sizes []int
	// Pause is the time between two bursts of a client; 50 ms. All clients begin
	// theirs at the same instants, or in a bubble no two of them would ever meet.
	Pause time.Duration
	// Burst is how many operations a client makes without a pause; 3.
	Burst int
	// OpTimeout bounds one operation; 5 s. A write that takes longer has an
	// unknown outcome.
	OpTimeout time.Duration
	// Seed makes the choices; the order of what happens is not made by it.
	Seed uint64
	// CheckWithin bounds the checker's time for one group; 60 s.
	CheckWithin time.Duration
}

func (c *WorkloadConfig) setDefaults() {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Groups, 3)
	def(&c.Clients, 3)
	def(&c.MaxOps, 200)
	def(&c.MaxUnknown, 4)
	def(&c.Burst, 3)
	dur(&c.Pause, 50*time.Millisecond)
	dur(&c.OpTimeout, 5*time.Second)
	dur(&c.CheckWithin, 60*time.Second)
	if c.Bucket == "" {
		c.Bucket = "histories"
	}
	if c.Sizes == nil {
		c.Sizes = []int{16, 100, 5000, 16 << 10, 17 << 10, 100_000, 200 << 10}
	}
}

// Workload is the clients and what they saw. It outlives processes: each Run
// is against one of them.
type Workload struct {
	cfg    WorkloadConfig
	ticks  ticks
	values atomic.Uint64
	// etags tells the value of an ETag.
	etags sync.Map

	mu     sync.Mutex
	groups []*history // in use
	done   []*history
	names  int
	failed []error
	counts Counts
}

// Counts is what a workload did.
type Counts struct {
	Writes, Reads, Lists int
	// Unknown outcomes, and Refused: operations of which the store promised that
	// they did nothing, and reads that had no answer.
	Unknown, Refused int
	// Groups that were checked.
	Groups int
}

// NewWorkload makes a workload; its bucket is made by the first Run.
func NewWorkload(cfg WorkloadConfig) *Workload {
	cfg.setDefaults()
	w := &Workload{cfg: cfg}
	for range cfg.Groups {
		w.groups = append(w.groups, w.newGroup())
	}
	return w
}

// newGroup names new keys. The caller holds mu, or is New.
func (w *Workload) newGroup() *history {
	w.names++
	return &history{prefix: fmt.Sprintf("group%04d/", w.names)}
}

// Bucket is where the registers are.
func (w *Workload) Bucket() string { return w.cfg.Bucket }

// Prepare makes the bucket, if it is not there.
func (w *Workload) Prepare(ctx context.Context, p *Process) error {
	_, err := p.Backend.CreateBucket(ctx, objects.Bucket{Name: w.cfg.Bucket, Owner: "clustersim", Created: time.Now()})
	if err != nil && objects.KindOf(err) != objects.KindBucketExists {
		return err
	}
	return nil
}

// Run lets all clients work on a process until ctx ends or the process does.
// What is under way when ctx ends is ended in peace.
func (w *Workload) Run(ctx context.Context, p *Process) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.Context(), cancel)()
	var wg sync.WaitGroup
	for g := range w.cfg.Groups {
		for c := range w.cfg.Clients {
			wg.Go(func() {
				(&worker{w: w, p: p, slot: g, client: c, rng: rand.New(rand.NewPCG(w.cfg.Seed, uint64(w.ticks.next())))}).run(ctx)
			})
		}
	}
	wg.Wait()
}

// group gives the group of a slot, a new one when the old one has reached its end.
func (w *Workload) group(slot int) *history {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.groups[slot]
	if ops, unknown := h.size(); ops >= w.cfg.MaxOps || unknown >= w.cfg.MaxUnknown {
		w.done = append(w.done, h)
		h = w.newGroup()
		w.groups[slot] = h
	}
	return h
}

// Check reads every group a last time, and decides about all histories. The
// clients must have ended.
func (w *Workload) Check(ctx context.Context, p *Process) error {
	w.mu.Lock()
	all := append(append([]*history(nil), w.done...), w.groups...)
	w.mu.Unlock()
	errs := w.failed
	for i, h := range all {
		r := &worker{w: w, p: p, client: 1000 + i, rng: rand.New(rand.NewPCG(w.cfg.Seed, uint64(i)))}
		r.one(ctx, h, call{do: actList})
		for key := range groupKeys {
			r.one(ctx, h, call{do: actGet, key: key})
		}
		errs = append(errs, h.check(w.cfg.CheckWithin))
	}
	w.mu.Lock()
	w.counts.Groups = len(all)
	w.mu.Unlock()
	return errors.Join(errs...)
}

// Counts tells what was done so far.
func (w *Workload) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

func (w *Workload) count(f func(*Counts)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.counts)
}

// violation notes what no history is needed for.
func (w *Workload) violation(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.failed) < 20 {
		w.failed = append(w.failed, fmt.Errorf("clustersim: "+format, args...))
	}
}

// worker is one client.
type worker struct {
	w      *Workload
	p      *Process
	slot   int
	client int
	rng    *rand.Rand
	// known is what the client saw last of each key, for conditional puts.
	known  registers
	prefix string
}

func (r *worker) run(ctx context.Context) {
	for ctx.Err() == nil && r.p.Alive() {
		for range r.w.cfg.Burst {
			h := r.w.group(r.slot)
			if h.prefix != r.prefix {
				r.prefix, r.known = h.prefix, registers{}
			}
			r.one(r.p.Context(), h, r.choose())
		}
		nap(ctx, r.w.cfg.Pause)
	}
}

// nap waits for the next multiple of pause.
func nap(ctx context.Context, pause time.Duration) {
	t := time.NewTimer(pause - time.Duration(time.Now().UnixNano())%pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (r *worker) choose() call {
	c := call{key: r.rng.IntN(groupKeys)}
	switch n := r.rng.IntN(100); {
	case n < 25:
		c.do = actPut
	case n < 35:
		c.do = actPutAbsent
	case n < 50 && r.known[c.key] != 0:
		c.do, c.match = actPutMatch, r.known[c.key]
	case n < 60:
		c.do = actDelete
	case n < 85:
		c.do = actGet
	default:
		c.do = actList
	}
	if c.do <= actPutMatch {
		c.value = r.w.values.Add(1)
	}
	return c
}

// one makes an operation and records it.
func (r *worker) one(ctx context.Context, h *history, c call) {
	ctx, cancel := context.WithTimeout(ctx, r.w.cfg.OpTimeout)
	defer cancel()
	from := r.w.ticks.next()
	res, err := r.do(ctx, h, c)
	to := r.w.ticks.next()
	write := c.do <= actDelete
	if !r.p.Alive() {
		// What the process said after its end was never heard.
		res, err = result{out: outUnknown}, nil
	}
	switch {
	case err != nil, !write && res.out == outUnknown:
		r.w.count(func(n *Counts) { n.Refused++ })
		return
	case res.out == outUnknown:
		r.w.count(func(n *Counts) { n.Unknown++ })
	case write:
		r.w.count(func(n *Counts) { n.Writes++ })
	case c.do == actList:
		r.w.count(func(n *Counts) { n.Lists++ })
	default:
		r.w.count(func(n *Counts) { n.Reads++ })
	}
	h.add(r.client, c, from, res, to)
}

// do gives an error for an operation that promises that it did nothing.
func (r *worker) do(ctx context.Context, h *history, c call) (result, error) {
	name := fmt.Sprintf("%sk%d", h.prefix, c.key)
	switch c.do {
	case actGet:
		return r.get(ctx, name, c)
	case actList:
		return r.list(ctx, h)
	case actDelete:
		existed, err := r.p.Backend.Delete(ctx, objects.Delete{Bucket: r.w.cfg.Bucket, Key: name})
		if err != nil {
			return r.refused(c, err)
		}
		r.known[c.key] = 0
		return result{existed: existed}, nil
	}
	content := Content(c.value, r.w.cfg.Sizes[int(c.value)%len(r.w.cfg.Sizes)])
	r.w.etags.Store(ETag(content), c.value)
	var cond objects.Condition
	switch c.do {
	case actPutAbsent:
		cond.IfNoneMatch = "*"
	case actPutMatch:
		cond.IfMatch = ETag(Content(c.match, r.w.cfg.Sizes[int(c.match)%len(r.w.cfg.Sizes)]))
	}
	if _, err := r.p.Put(ctx, r.w.cfg.Bucket, name, content, cond); err != nil {
		return r.refused(c, err)
	}
	r.known[c.key] = c.value
	return result{}, nil
}

// refused sorts the error of a write.
func (r *worker) refused(c call, err error) (result, error) {
	switch k := objects.KindOf(err); k {
	case objects.KindPrecondition:
		return result{out: outRefused}, nil
	case objects.KindNoSuchKey:
		return result{out: outMissing}, nil
	case objects.KindUnavailable, objects.KindSlowDown, objects.KindFull:
		return result{}, err
	case objects.KindUnknown:
		return result{out: outUnknown}, nil
	default:
		if r.p.Alive() {
			r.w.violation("%s of k%d ended with %v: %w", actionNames[c.do], c.key, k, err)
		}
		return result{out: outUnknown}, nil
	}
}

func (r *worker) get(ctx context.Context, name string, c call) (result, error) {
	info, b, err := r.p.Get(ctx, r.w.cfg.Bucket, name)
	switch k := objects.KindOf(err); {
	case err == nil:
	case k == objects.KindNoSuchKey:
		return result{out: outMissing}, nil
	case k == objects.KindUnavailable, ctx.Err() != nil, !r.p.Alive():
		return result{}, err
	default:
		r.w.violation("get of %s ended with %v: %w", name, k, err)
		return result{}, err
	}
	v, err := r.valueOf(b)
	if err != nil {
		r.w.violation("get of %s: %w", name, err)
		return result{}, err
	}
	if info.ETag != ETag(b) {
		r.w.violation("get of %s: ETag %s over bytes of %s", name, info.ETag, ETag(b))
	}
	r.known[c.key] = v
	return result{seen: registers{v}}, nil
}

// valueOf reads back which value these bytes are, all of them.
func (r *worker) valueOf(b []byte) (uint64, error) {
	if v, ok := r.w.etags.Load(ETag(b)); ok {
		if v := v.(uint64); bytes.Equal(b, Content(v, len(b))) {
			return v, nil
		}
	}
	var head uint64
	if len(b) >= 8 {
		head = binary.BigEndian.Uint64(b)
	}
	return 0, fmt.Errorf("%d bytes that nobody wrote, beginning with value %d", len(b), head)
}

func (r *worker) list(ctx context.Context, h *history) (result, error) {
	all, err := r.p.List(ctx, r.w.cfg.Bucket, h.prefix)
	if err != nil {
		if k := objects.KindOf(err); k != objects.KindUnavailable && ctx.Err() == nil && r.p.Alive() {
			r.w.violation("list of %s ended with %v: %w", h.prefix, k, err)
		}
		return result{}, err
	}
	var res result
	for _, o := range all {
		var key int
		if _, err := fmt.Sscanf(o.Key, h.prefix+"k%d", &key); err != nil || key < 0 || key >= groupKeys {
			r.w.violation("list of %s shows the key %q", h.prefix, o.Key)
			continue
		}
		v, ok := r.w.etags.Load(o.ETag)
		if !ok {
			r.w.violation("list of %s shows %q with an ETag that nobody wrote", h.prefix, o.Key)
			continue
		}
		res.seen[key] = v.(uint64)
	}
	return res, nil
}

package chaintest

// DiskOptions say how long a sync takes, in nanoseconds.
type DiskOptions struct {
	MinSync, MaxSync int64
	// Slow is the probability of a sync that takes up to SlowBy longer.
	Slow   float64
	SlowBy int64
}

// Disk is an append-only log of records with group commit: what is appended
// while a sync runs is covered by the next one. A crash keeps what was synced
// and, of the rest, a prefix of random length (the bytes may have got there).
type Disk[T any] struct {
	w       *World
	opt     DiskOptions
	recs    []T
	synced  int
	waiting []func()
	syncing bool
	gen     int
	onSync  func(from, to int)
}

// NewDisk makes an empty disk. onSync, which may be nil, learns what became durable.
func NewDisk[T any](w *World, opt DiskOptions, onSync func(from, to int)) *Disk[T] {
	return &Disk[T]{w: w, opt: opt, onSync: onSync}
}

// Append writes a record; done is called when it is durable, unless the
// process crashes before.
func (d *Disk[T]) Append(rec T, done func()) {
	d.recs = append(d.recs, rec)
	d.waiting = append(d.waiting, done)
	d.start()
}

func (d *Disk[T]) start() {
	if d.syncing || d.synced == len(d.recs) {
		return
	}
	d.syncing = true
	gen, upTo := d.gen, len(d.recs)
	delay := d.w.Between(d.opt.MinSync, d.opt.MaxSync)
	if d.w.Chance(d.opt.Slow) {
		delay += d.w.Between(0, d.opt.SlowBy)
	}
	d.w.After(delay, func() {
		if gen != d.gen {
			return
		}
		d.syncing = false
		d.syncTo(upTo)
		d.start()
	})
}

func (d *Disk[T]) syncTo(upTo int) {
	from := d.synced
	n := upTo - from
	dones := d.waiting[:n:n]
	d.waiting = d.waiting[n:]
	d.synced = upTo
	if d.onSync != nil {
		d.onSync(from, upTo)
	}
	for _, done := range dones {
		if done != nil {
			done()
		}
	}
}

// Crash forgets what was not durable, callbacks included, and keeps by chance
// some of what was on its way.
func (d *Disk[T]) Crash() {
	keep := d.synced
	if rest := len(d.recs) - d.synced; rest > 0 && d.w.Chance(0.5) {
		keep += d.w.Rand.IntN(rest + 1)
	}
	d.gen++
	d.recs = d.recs[:keep]
	d.waiting = nil
	d.syncing = false
	if d.onSync != nil && keep > d.synced {
		d.onSync(d.synced, keep)
	}
	d.synced = keep
}

// Rollback makes the disk what it was when the first n records were durable.
func (d *Disk[T]) Rollback(n int) {
	d.gen++
	d.recs, d.waiting, d.synced, d.syncing = d.recs[:n], nil, n, false
}

// Wipe makes the disk empty: another one is in its place.
func (d *Disk[T]) Wipe() {
	d.gen++
	d.recs, d.waiting, d.synced, d.syncing = nil, nil, 0, false
}

// Records are what was appended and not lost, in order.
func (d *Disk[T]) Records() []T { return d.recs }

// Synced is how many of them are durable.
func (d *Disk[T]) Synced() int { return d.synced }

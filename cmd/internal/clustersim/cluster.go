package clustersim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"catena/chain"
	"catena/master"
	"catena/master/state"
	"catena/objectd/vfs"
)

// Config says what to build. Zero values stand for the defaults.
type Config struct {
	// Disks is the number of disks; 3.
	Disks int
	// Tablets, beside the system's, and DataChains; 3 and 4: few, so that each
	// is busy.
	Tablets, DataChains int
	// Factor of the chains; 0 is min(3, Disks).
	Factor uint8
	// SegmentSize of the stores, in bytes; 1 MiB.
	SegmentSize int64
	// ChunkSize and Inline of the gateway, in bytes: larger objects are cut into
	// chunks, and smaller ones go into the entry. 128 KiB and 16 KiB.
	ChunkSize, Inline int
	// CommandTimeout and WriteTimeout bound the gateway's requests; 10 s.
	CommandTimeout, WriteTimeout time.Duration
	// Timing of the masters and Limits of their planner; the server's by default.
	Timing master.Timing
	Limits *state.Limits
	// Logger may be nil.
	Logger *slog.Logger
}

func (c *Config) setDefaults() {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Disks, 3)
	def(&c.Tablets, 3)
	def(&c.DataChains, 4)
	def(&c.ChunkSize, 128<<10)
	def(&c.Inline, 16<<10)
	if c.SegmentSize == 0 {
		c.SegmentSize = 1 << 20
	}
	if c.CommandTimeout == 0 {
		c.CommandTimeout = 10 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Validate reports everything that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if c.Disks < 0 || c.Tablets < 0 || c.DataChains < 0 || c.ChunkSize < 0 || c.Inline < 0 {
		errs = append(errs, errors.New("clustersim: a negative number"))
	}
	if int(c.Factor) > c.Disks && c.Disks > 0 {
		errs = append(errs, fmt.Errorf("clustersim: a factor of %d with %d disks", c.Factor, c.Disks))
	}
	return errors.Join(errs...)
}

// Errors of the operations on the machine.
var (
	errRuns    = errors.New("clustersim: the process runs")
	errStopped = errors.New("clustersim: no process runs")
)

// Cluster is the machine. Its methods that start, stop and change it are for
// one goroutine.
type Cluster struct {
	cfg   Config
	id    chain.ClusterID
	power *power
	proc  *Process
	nextN uint64

	// mu guards what the identity files of a server keep: the voters, and the
	// disks with their incarnations.
	mu     sync.Mutex
	voters []chain.StoreID
	disks  []*Disk
	// gone are the stores of which no disk is left, with the reason.
	gone map[chain.StoreID]string
}

// New builds a machine with empty disks. Nothing runs yet.
func New(cfg Config) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	c := &Cluster{cfg: cfg, id: chain.ClusterID{0xc1}, power: &power{}, gone: map[chain.StoreID]string{}}
	for range cfg.Disks {
		c.disks = append(c.disks, c.newDisk(""))
	}
	for _, d := range c.disks[:min(len(c.disks), master.MaxVoters)] {
		c.voters = append(c.voters, d.ID)
	}
	return c, nil
}

// newDisk makes an empty disk; without a name it gets a new one.
func (c *Cluster) newDisk(name string) *Disk {
	c.nextN++
	if name == "" {
		name = fmt.Sprintf("/d%d", c.nextN)
	}
	d := &Disk{Name: name, incarnation: 1}
	binary.BigEndian.PutUint64(d.ID[:], 0xd15c_0000_0000_0000|c.nextN<<32)
	m := vfs.NewMem()
	if err := errors.Join(m.MkdirAll(d.Name), m.SyncDir("/")); err != nil {
		panic(err) // an empty memory takes a directory
	}
	d.plug(m, c.power)
	return d
}

// Disks are those that are plugged in, in order.
func (c *Cluster) Disks() []*Disk {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.disks), func(d *Disk) bool { return d.out })
}

// Disk finds the disk of a store; nil if it is not plugged in.
func (c *Cluster) Disk(id chain.StoreID) *Disk {
	for _, d := range c.Disks() {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// Process is what runs now; nil if nothing does.
func (c *Cluster) Process() *Process { return c.proc }

// Start starts the process on the disks that are plugged in, and returns when
// its masters have a leader and every tablet's tail answers.
func (c *Cluster) Start(ctx context.Context) error {
	if c.proc != nil {
		return errRuns
	}
	p, err := c.start()
	if err != nil {
		return err
	}
	c.proc = p
	return p.WaitServing(ctx)
}

// Stop stops the process in order, as SIGTERM does.
func (c *Cluster) Stop() error {
	p := c.proc
	if p == nil {
		return errStopped
	}
	c.proc = nil
	p.alive.Store(false)
	err := p.stop()
	for _, d := range c.Disks() {
		if d.fault.Hits() > 0 {
			// What a failed store leaves open is closed by the end of its process.
			old := d.mem
			d.plug(old.CrashClone(100, 0), c.power)
			old.Wipe()
		}
	}
	return err
}

// Kill ends the process as SIGKILL does: what it wrote is in the disks' files,
// synced or not, and nothing else is done.
func (c *Cluster) Kill() error { return c.PowerCut(100, 0) }

// PowerCut ends the process and takes the power from all disks at one instant.
// Of what was not synced, percent in a hundred blocks and directory entries
// survive, as the seed says.
func (c *Cluster) PowerCut(percent int, seed uint64) error {
	if c.proc == nil {
		return errStopped
	}
	c.cut(c.proc, percent, seed)
	return c.Bury()
}

// PowerCutAfter is PowerCut just before the n-th call, from 1, that changes any
// disk from now on: in the midst of whatever is under way. The process is dead
// then (Process.Context ends); Bury makes room for the next.
func (c *Cluster) PowerCutAfter(n, percent int, seed uint64) error {
	p := c.proc
	if p == nil {
		return errStopped
	}
	c.power.cut = func() { c.cut(p, percent, seed) }
	c.power.left.Store(int64(n))
	return nil
}

// cut takes a picture of all disks between two calls. What the process does to
// its disks from here on is not in it.
func (c *Cluster) cut(p *Process, percent int, seed uint64) {
	c.power.mu.Lock()
	defer c.power.mu.Unlock()
	if !p.alive.Swap(false) {
		return
	}
	for i, d := range p.used {
		d.picture = d.mem.CrashClone(percent, seed+uint64(i)*0x9e3779b97f4a7c15)
	}
	p.cancel()
}

// Bury clears up behind a process that was killed or lost its power: what still
// runs of it ends on disks that nobody will see.
func (c *Cluster) Bury() error {
	p := c.proc
	if p == nil {
		return errStopped
	}
	if p.Alive() {
		return errRuns
	}
	c.proc = nil
	_ = p.stop() // its errors are those of disks that are no more
	c.power = &power{}
	for _, d := range p.used {
		old := d.mem
		d.plug(d.picture, c.power)
		old.Wipe() // a store that failed refers to it for ever
		d.picture = nil
	}
	return nil
}

// Close gives the memory of all disks back. Nothing runs any more.
func (c *Cluster) Close() error {
	if c.proc != nil {
		return errRuns
	}
	for _, d := range c.disks {
		d.mem.Wipe()
	}
	return nil
}

// PullOut takes a disk away while nothing runs.
func (c *Cluster) PullOut(d *Disk) error {
	if c.proc != nil {
		return errRuns
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.out = true
	c.gone[d.ID] = "its directory does not exist"
	return nil
}

// PutBack plugs in again a disk that was pulled out, as it was.
func (c *Cluster) PutBack(d *Disk) error {
	if c.proc != nil {
		return errRuns
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d.out = false
	delete(c.gone, d.ID)
	return nil
}

// Replace puts an empty disk in the place of one, while nothing runs. The old
// disk is never used again.
func (c *Cluster) Replace(old *Disk) (*Disk, error) {
	if c.proc != nil {
		return nil, errRuns
	}
	d := c.newDisk(old.Name)
	d.Replaces = old.ID
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.disks, old)
	if i < 0 {
		return nil, fmt.Errorf("clustersim: disk %s was replaced before", old.Name)
	}
	c.disks[i] = d
	old.mem.Wipe()
	c.gone[old.ID] = "replaced"
	return d, nil
}

// AddDisk plugs in an empty disk beside the others, while nothing runs.
func (c *Cluster) AddDisk() (*Disk, error) {
	if c.proc != nil {
		return nil, errRuns
	}
	d := c.newDisk("")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disks = append(c.disks, d)
	return d, nil
}

func (d *Disk) newStore() state.NewStore {
	return state.NewStore{ID: d.ID, Incarnation: d.incarnation, Domain: [4]string{"", "", "host", d.Name}}
}

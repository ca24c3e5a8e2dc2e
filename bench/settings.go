package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The operations, in the order in which they are best run.
const (
	OpPut       = "put"
	OpGet       = "get"
	OpHead      = "head"
	OpDelete    = "delete"
	OpList      = "list"
	OpMultipart = "multipart"
	OpMixed     = "mixed"
)

// AllOps gives every operation.
func AllOps() []string {
	return []string{OpPut, OpGet, OpHead, OpList, OpMixed, OpMultipart, OpDelete}
}

// sized reports whether an operation is run once for each size.
func sized(op string) bool { return op != OpList && op != OpMultipart }

// Target is one endpoint under test.
type Target struct {
	// Name is short and unique: it marks the rows of the report.
	Name string
	// Endpoint is host:port.
	Endpoint string
	// TLS speaks https; Insecure does not verify the certificate.
	TLS, Insecure        bool
	AccessKey, SecretKey string
	// Pids are the server's processes on this machine; none when it is remote.
	Pids []int
}

// Settings say what is run. They are part of the report.
type Settings struct {
	Ops         []string `json:"ops"`
	Sizes       []int64  `json:"sizes"`
	Concurrency int      `json:"concurrency"`
	// Duration of a phase per target; used when Objects is 0.
	Duration time.Duration `json:"duration_ns"`
	// Objects is the number of operations of a phase per target.
	Objects int `json:"objects,omitempty"`
	// Slice is about how long one target is loaded before the other's turn.
	Slice time.Duration `json:"slice_ns"`
	// Warmup is run before each phase of a duration, and not measured.
	Warmup time.Duration `json:"warmup_ns"`
	// Prepare is how many objects of a size exist before they are read or
	// deleted (bounded by PrepareBytes). Deletes by duration end with them.
	Prepare int `json:"prepare"`
	// ListKeys is how many keys the listing walks over.
	ListKeys int `json:"list_keys"`
	// MultipartSize and PartSize shape the multipart uploads, in bytes.
	MultipartSize int64 `json:"multipart_size"`
	PartSize      int64 `json:"part_size"`
	// UnsignedPayload leaves the body out of the signature.
	UnsignedPayload bool `json:"unsigned_payload"`
	// Bucket is made when it does not exist.
	Bucket string `json:"bucket"`
	// Keep leaves the objects there.
	Keep bool `json:"keep,omitempty"`
	// Timeout of one operation.
	Timeout time.Duration `json:"timeout_ns"`
	// Seed of the data and of every random choice.
	Seed uint64 `json:"seed"`
}

// PrepareBytes bounds the bytes that are prepared for one size and target.
const PrepareBytes = 1 << 30

// Defaults are sensible for a first look.
func Defaults() Settings {
	return Settings{
		Ops: AllOps(), Sizes: []int64{4 << 10, 64 << 10, 1 << 20, 16 << 20}, Concurrency: 16,
		Duration: 10 * time.Second, Slice: 2 * time.Second, Warmup: time.Second,
		Prepare: 2000, ListKeys: 20000, MultipartSize: 64 << 20, PartSize: 8 << 20,
		Bucket: "catena-bench", Timeout: time.Minute, Seed: 1,
	}
}

// Validate reports every problem at once.
func (s Settings) Validate() error {
	var errs []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	add(len(s.Ops) == 0, "no operation is named")
	for i, op := range s.Ops {
		add(!slices.Contains(AllOps(), op), "operation %q is none of %v", op, AllOps())
		add(slices.Contains(s.Ops[:i], op), "operation %q is named twice", op)
	}
	add(len(s.Sizes) == 0, "no size is named")
	for i, n := range s.Sizes {
		add(n < 0 || n > 5<<30, "size %d is not between 0 and 5 GiB", n)
		add(slices.Contains(s.Sizes[:i], n), "size %d is named twice", n)
	}
	add(s.Concurrency < 1 || s.Concurrency > 4096, "concurrency %d is not between 1 and 4096", s.Concurrency)
	add(s.Objects < 0, "objects %d is negative", s.Objects)
	add(s.Objects == 0 && s.Duration <= 0, "duration %s is not above 0", s.Duration)
	add(s.Slice <= 0, "slice %s is not above 0", s.Slice)
	add(s.Warmup < 0, "warmup %s is negative", s.Warmup)
	add(s.Prepare < 1, "prepare %d is below 1", s.Prepare)
	add(s.ListKeys < 1 || s.ListKeys > 10_000_000, "list keys %d is not between 1 and 10,000,000", s.ListKeys)
	add(s.PartSize < 5<<20 || s.PartSize > 5<<30, "part size %d is not between 5 MiB and 5 GiB", s.PartSize)
	add(s.MultipartSize < 1 || s.PartSize > 0 && s.MultipartSize > 10000*s.PartSize, "multipart size %d does not fit into 10,000 parts", s.MultipartSize)
	add(s.Bucket == "", "no bucket is named")
	add(s.Timeout <= 0, "timeout %s is not above 0", s.Timeout)
	return errors.Join(errs...)
}

// checkTargets reports every problem of the targets.
func checkTargets(ts []Target) error {
	var errs []error
	if len(ts) < 1 || len(ts) > 2 {
		errs = append(errs, fmt.Errorf("%d endpoints, want one or two", len(ts)))
	}
	for i, t := range ts {
		if t.Endpoint == "" || t.Name == "" {
			errs = append(errs, fmt.Errorf("endpoint %d has no address or no name", i+1))
		}
		if i > 0 && t.Name == ts[0].Name {
			errs = append(errs, fmt.Errorf("both endpoints are called %q", t.Name))
		}
	}
	return errors.Join(errs...)
}

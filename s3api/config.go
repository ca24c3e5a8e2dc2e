package s3api

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catena/s3api/objects"
)

// Config configures an API. Backend is required.
type Config struct {
	Backend objects.Backend

	Logger     *slog.Logger          // default: discards
	Registerer prometheus.Registerer // default: no metrics
	Clock      func() time.Time      // default: time.Now

	// Region is the region that this store says it is in; a bucket that was made
	// without a LocationConstraint is in it. Default us-east-1. As at Amazon, only in
	// us-east-1 does making one's own bucket again succeed.
	Region string
	// OwnerName gives the display name of an account by its canonical id. Default:
	// the id itself; the one who asks is always shown by the name of the principal.
	OwnerName func(id string) string
	// TokenKey is mixed into continuation tokens. It must be the same in all gateways
	// of a cluster, or a client whose next page is served by another gateway gets
	// InvalidArgument. Default: a constant, which protects against mistakes only;
	// a forged token shows nothing that start-after would not.
	TokenKey []byte

	// MaxListRounds bounds the pages that one listing asks of the Backend
	// before it ends early and truncated, MaxListTime the time. Defaults 64, 10 s.
	MaxListRounds int
	MaxListTime   time.Duration
	// WholeRead is up to how many bytes an object is read whole before it is
	// answered, instead of streamed. Default 64 KiB.
	WholeRead int64
	// FrameSize is the size of the frames of a streamed answer. Default 256 KiB.
	FrameSize int
}

// MaxSource is the largest source of one copy, as at Amazon.
const maxCopySource = 5 << 30

// WithDefaults fills the zero fields.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if c.OwnerName == nil {
		c.OwnerName = func(id string) string { return id }
	}
	if c.MaxListRounds == 0 {
		c.MaxListRounds = 64
	}
	if c.MaxListTime == 0 {
		c.MaxListTime = 10 * time.Second
	}
	if c.WholeRead == 0 {
		c.WholeRead = 64 << 10
	}
	if c.FrameSize == 0 {
		c.FrameSize = 256 << 10
	}
	return c
}

// Validate reports every problem of a Config that has its defaults.
func (c Config) Validate() error {
	var errs []error
	if c.Backend == nil {
		errs = append(errs, errors.New("s3api: Backend is missing"))
	}
	if !validRegion(c.Region) {
		errs = append(errs, errors.New("s3api: Region "+c.Region+" is not the name of a region"))
	}
	if c.MaxListRounds < 0 || c.MaxListTime < 0 {
		errs = append(errs, errors.New("s3api: MaxListRounds and MaxListTime must not be negative"))
	}
	if c.WholeRead < 0 || c.WholeRead > 64<<20 || c.FrameSize < 0 || c.FrameSize > 64<<20 {
		errs = append(errs, errors.New("s3api: WholeRead and FrameSize must be between 0 and 64 MiB"))
	}
	return errors.Join(errs...)
}

// defaultRegion is the region whose buckets have an empty LocationConstraint.
const defaultRegion = "us-east-1"

package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/sigv4"
)

// Config configures a Server. Handler and Credentials are required.
type Config struct {
	Handler     Handler
	Credentials sigv4.CredentialStore
	// Authorize decides whether the principal may do the operation, after the
	// signature and before the handler. Default: anonymous is refused.
	Authorize func(ctx context.Context, req *Request) error

	Logger   *slog.Logger     // default: discards
	Observer Observer         // default: none
	Now      func() time.Time // default: time.Now

	// Domains are the base domains of virtual-host style.
	Domains []string
	// TrustedProxies are the peers whose X-Forwarded-For, -Proto and -Host count.
	TrustedProxies []netip.Prefix
	// Region is sent as x-amz-bucket-region. Default us-east-1.
	Region string
	// RequireSignedPayload refuses UNSIGNED-PAYLOAD over plain HTTP.
	RequireSignedPayload bool
	// RefuseSigV2 refuses presigned URLs of Signature Version 2.
	RefuseSigV2 bool
	// ServerName is the Server header. Default "Catena".
	ServerName string

	Head head.Limits
	// MaxObjectSize bounds the body of PutObject and UploadPart. Default 5 GiB.
	MaxObjectSize int64
	// MaxXMLBody bounds the body of every other operation. Default 4 MiB.
	MaxXMLBody int64
	// MaxDrain is how much of an unread body is read to keep a connection. Default 64 KiB.
	MaxDrain int64

	// MaxConns bounds open connections, MaxRequests requests in progress. More wait
	// for QueueWait and are then answered 503 SlowDown. Defaults 8192, 1024, 100 ms.
	MaxConns    int
	MaxRequests int
	QueueWait   time.Duration
	// MaxConnsPerIP bounds the connections of one peer address. Default 0: no bound.
	MaxConnsPerIP int

	// HeadTimeout is the time for a TLS handshake and a whole head. Default 10 s.
	HeadTimeout time.Duration
	// IdleTimeout is how long a kept connection may wait. Default 60 s.
	IdleTimeout time.Duration
	// BodyTimeout is how long a body may stall. Default 30 s.
	BodyTimeout time.Duration
	// WriteTimeout is how long a write of up to 256 KiB may take. Default 30 s.
	WriteTimeout time.Duration
	// MinBodyRate is the bytes per second that a body must have on average after
	// its first minute. Default 1024; negative: none.
	MinBodyRate int64
	// LingerTimeout is how long a connection that we close with unread input keeps
	// reading, so that the client sees the answer instead of a reset. Default 5 s.
	LingerTimeout time.Duration
}

// WithDefaults fills the zero fields.
func (c Config) WithDefaults() Config {
	if c.Authorize == nil {
		c.Authorize = DenyAnonymous
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observer == nil {
		c.Observer = noObserver{}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	def(&c.Region, "us-east-1")
	def(&c.ServerName, "Catena")
	c.Head = c.Head.WithDefaults()
	def(&c.MaxObjectSize, 5<<30)
	def(&c.MaxXMLBody, 4<<20)
	def(&c.MaxDrain, 64<<10)
	def(&c.MaxConns, 8192)
	def(&c.MaxRequests, 1024)
	def(&c.QueueWait, 100*time.Millisecond)
	def(&c.HeadTimeout, 10*time.Second)
	def(&c.IdleTimeout, 60*time.Second)
	def(&c.BodyTimeout, 30*time.Second)
	def(&c.WriteTimeout, 30*time.Second)
	def(&c.MinBodyRate, 1024)
	def(&c.LingerTimeout, 5*time.Second)
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports every problem of a Config that has its defaults.
func (c Config) Validate() error {
	var errs []error
	bad := func(cond bool, msg string) {
		if cond {
			errs = append(errs, errors.New("edge: "+msg))
		}
	}
	bad(c.Handler == nil, "Handler is missing")
	bad(c.Credentials == nil, "Credentials is missing")
	for _, d := range c.Domains {
		bad(d == "" || d != strings.ToLower(d) || strings.ContainsAny(d, "/:* "),
			"domain "+d+" must be a lower-case host name without port")
	}
	bad(c.MaxObjectSize < 0 || c.MaxXMLBody < 0 || c.MaxDrain < 0, "size limits must not be negative")
	bad(c.MaxConns < 0 || c.MaxRequests < 0 || c.MaxConnsPerIP < 0, "connection limits must not be negative")
	bad(c.HeadTimeout < 0 || c.IdleTimeout < 0 || c.BodyTimeout < 0 || c.WriteTimeout < 0 ||
		c.LingerTimeout < 0 || c.QueueWait < 0, "timeouts must not be negative")
	return errors.Join(errs...)
}

// Observer is told what happens, for metrics. Calls come from many goroutines.
type Observer interface {
	// RequestStarted is called when a head is complete or refused.
	RequestStarted()
	// RequestDone is called after the answer was written (or failed to be).
	RequestDone(ev Event)
	// ConnOpened and ConnClosed count connections.
	ConnOpened()
	ConnClosed()
}

// Event is one finished request.
type Event struct {
	RequestID string
	Op        route.Operation // None when the route was not known
	Status    int
	Code      string // S3 error code, "" for success
	// Received and Sent are body bytes on the wire.
	Received, Sent int64
	// FirstByte is from the complete head to the begin of the answer, Total to its end.
	FirstByte, Total time.Duration
}

type noObserver struct{}

func (noObserver) RequestStarted()   {}
func (noObserver) RequestDone(Event) {}
func (noObserver) ConnOpened()       {}
func (noObserver) ConnClosed()       {}

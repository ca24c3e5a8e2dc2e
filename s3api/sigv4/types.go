package sigv4

import (
	"errors"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
)

// Principal is who a request acts for.
type Principal struct {
	// Anonymous is set for a request without any credential; then all else is empty.
	Anonymous bool
	AccessKey string
	// ID is the canonical id of the account, DisplayName its name: Owner in XML.
	ID          string
	DisplayName string
}

// Credential is what belongs to an access key.
type Credential struct {
	SecretKey string
	Principal Principal
}

// CredentialStore finds credentials. Lookup is called for every signed request, from
// many goroutines, and must not block on the network.
type CredentialStore interface {
	Lookup(accessKey string) (Credential, bool)
}

// AuthKind is how a request was authenticated.
type AuthKind uint8

// The kinds.
const (
	AuthAnonymous AuthKind = iota
	AuthHeader
	AuthPresigned
	AuthPresignedV2
)

// String gives a word for logs and metrics.
func (k AuthKind) String() string {
	switch k {
	case AuthHeader:
		return "header"
	case AuthPresigned:
		return "presigned"
	case AuthPresignedV2:
		return "presigned-v2"
	}
	return "anonymous"
}

// PayloadKind is what x-amz-content-sha256 says about the body.
type PayloadKind uint8

// The kinds.
const (
	// PayloadUnsigned is UNSIGNED-PAYLOAD, or a presigned or anonymous request.
	PayloadUnsigned PayloadKind = iota
	// PayloadHash is the SHA-256 of the whole body.
	PayloadHash
	// PayloadStreaming is STREAMING-AWS4-HMAC-SHA256-PAYLOAD.
	PayloadStreaming
	// PayloadStreamingTrailer is STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER.
	PayloadStreamingTrailer
	// PayloadUnsignedTrailer is STREAMING-UNSIGNED-PAYLOAD-TRAILER.
	PayloadUnsignedTrailer
)

// Streaming reports whether the body is announced as aws-chunked by this kind.
func (k PayloadKind) Streaming() bool { return k >= PayloadStreaming }

// SignedChunks reports whether every chunk has a signature.
func (k PayloadKind) SignedChunks() bool {
	return k == PayloadStreaming || k == PayloadStreamingTrailer
}

// Payload is the parsed x-amz-content-sha256.
type Payload struct {
	Kind   PayloadKind
	SHA256 [32]byte // of PayloadHash
}

// Request is what Verify looks at.
type Request struct {
	Route   *route.Request // method, raw path, decoded path, query
	Headers head.Fields
	// Host is what the client signed as its host: the Host header, or what a trusted
	// proxy says that it was.
	Host string
	// ContentLength is used when the client signed content-length.
	ContentLength int64
}

// Result is a verified request.
type Result struct {
	Principal Principal
	Kind      AuthKind
	Payload   Payload
	// Chunks verifies the chunk signatures of a streaming body; nil unless
	// Payload.Kind.SignedChunks().
	Chunks *ChunkVerifier
	// FromQuery are headers that a presigned query has instead of header lines, signed
	// like these. A request has to be taken as if they were lines of its head.
	FromQuery head.Fields
}

// Config configures a Verifier.
type Config struct {
	Store CredentialStore
	Now   func() time.Time
	// MaxSkew is how far the client's clock may be off. Default 15 min.
	MaxSkew time.Duration
	// RefuseSigV2 refuses presigned URLs of Signature Version 2 with 400 InvalidRequest.
	RefuseSigV2 bool
	// Service is the one that the scope of a signature must name. Default s3.
	Service string
	// CacheSize bounds the cached signing keys. Default 1024.
	CacheSize int
}

// WithDefaults fills the zero fields.
func (c Config) WithDefaults() Config {
	if c.MaxSkew == 0 {
		c.MaxSkew = 15 * time.Minute
	}
	if c.Service == "" {
		c.Service = service
	}
	if c.CacheSize == 0 {
		c.CacheSize = 1024
	}
	return c
}

// Validate reports every problem.
func (c Config) Validate() error {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("sigv4: Store is missing"))
	}
	if c.Now == nil {
		errs = append(errs, errors.New("sigv4: Now is missing"))
	}
	if c.MaxSkew < 0 || c.CacheSize < 0 {
		errs = append(errs, errors.New("sigv4: MaxSkew and CacheSize must not be negative"))
	}
	return errors.Join(errs...)
}

package sigv4

import "errors"

// Verifier verifies requests. It is safe for concurrent use.
type Verifier struct{ cfg Config }

// New makes a Verifier.
func New(cfg Config) (*Verifier, error) {
	cfg = cfg.WithDefaults()
	return &Verifier{cfg: cfg}, cfg.Validate()
}

// Verify authenticates a request. Errors are *s3err.Error.
func (v *Verifier) Verify(r *Request) (*Result, error) {
	return nil, errors.New("sigv4: being written")
}

// ChunkVerifier checks the chain of chunk signatures of one body.
type ChunkVerifier struct{}

package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

// Client asks a server's API, signing each request.
type Client struct {
	// Addr is the admin address as the server has it, wildcards allowed.
	Addr string
	// TLS uses https when set.
	TLS            *tls.Config
	Access, Secret string
	Now            func() time.Time
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Status asks for it.
func (c Client) Status(ctx context.Context) (out Status, err error) {
	return out, c.call(ctx, http.MethodGet, PathStatus, nil, &out)
}

// StatusJSON asks for it and gives the answer as it came: also what this release
// does not know.
func (c Client) StatusJSON(ctx context.Context) (out json.RawMessage, err error) {
	return out, c.call(ctx, http.MethodGet, PathStatus, nil, &out)
}

// Factor looks at or changes the factor.
func (c Client) Factor(ctx context.Context, in FactorRequest) (out FactorChange, err error) {
	return out, c.call(ctx, http.MethodPost, PathFactor, in, &out)
}

// Force starts a chain from a replica that may lack acknowledged writes.
func (c Client) Force(ctx context.Context, in ForceRequest) (out ForceAnswer, err error) {
	return out, c.call(ctx, http.MethodPost, PathForce, in, &out)
}

// call sends one request. An answer of no is a *Refusal.
func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+dialable(c.Addr)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	c.sign(req, path, body)
	tr := &http.Transport{TLSClientConfig: c.TLS, DisableKeepAlives: true}
	res, err := tr.RoundTrip(req) // no redirects: what is signed is for this server
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(answer, out)
	}
	return answerError(res.StatusCode, answer)
}

func answerError(status int, answer []byte) error {
	var p Problem
	if json.Unmarshal(answer, &p) != nil || p.Code == "" {
		return fmt.Errorf("%d %s: %.200s", status, http.StatusText(status), strings.TrimSpace(string(answer)))
	}
	switch p.Code {
	case "refused":
		return &Refusal{p.Message}
	case "unavailable":
		return fmt.Errorf("%w (%s)", ErrUnavailable, p.Message)
	case "unauthorized":
		return errors.New("the server does not accept the keys: " + p.Message)
	}
	return errors.New(p.Message)
}

func (c Client) sign(req *http.Request, path string, body []byte) {
	sum := sha256.Sum256(body)
	unsigned := sigv4.Unsigned{
		Method: req.Method, Target: path, Host: req.URL.Host, Fields: head.Fields{{Name: nonceHeader, Value: rand.Text()}},
	}
	if len(body) > 0 {
		unsigned.Fields = append(unsigned.Fields, head.Field{Name: "content-type", Value: "application/json"})
	}
	s := sigv4.Signer{AccessKey: c.Access, SecretKey: c.Secret, Service: Service, Time: c.Now()}
	fields, _ := s.Header(unsigned, hex.EncodeToString(sum[:]))
	for _, f := range fields {
		req.Header.Set(f.Name, f.Value)
	}
}

package badinput

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/sigv4"
)

// Target is the endpoint to test. Addr and the keys are required.
type Target struct {
	Addr                 string // host:port
	AccessKey, SecretKey string
	Region               string // default us-east-1
	// TLS is the client's side; nil for plain HTTP.
	TLS *tls.Config
	// Domain is the server's base domain of virtual-host style; "" leaves row 39 out.
	Domain string
	// BodyTimeout is the server's deadline for a stalled body; 0 leaves row 18 out.
	BodyTimeout time.Duration
	// Now is the server's clock. Default time.Now.
	Now func() time.Time
}

const patience = 15 * time.Second // for every answer; the catalogue allows 10 s

type suite struct {
	Target
	bucket, other string // two buckets; the probe is in the first
}

const probeBody = "the probe's own bytes"

// Run runs every row against the target.
func Run(t *testing.T, target Target) {
	t.Helper()
	s := &suite{Target: target}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Region == "" {
		s.Region = "us-east-1"
	}
	var b [6]byte
	rand.Read(b[:])
	s.bucket = "badinput-" + hex.EncodeToString(b[:])
	s.other = s.bucket + "-c"
	for _, bucket := range []string{s.bucket, s.other} {
		s.must(t, s.request("PUT", "/"+bucket, nil), 200)
	}
	s.must(t, s.request("PUT", "/"+s.bucket+"/probe", []byte(probeBody)), 200)
	defer s.cleanUp(t)
	t.Run("framing", s.framing)
	t.Run("keys", s.keys)
	t.Run("signatures", s.signatures)
	t.Run("presigned", s.presigned)
	t.Run("streaming", s.streaming)
}

func (s *suite) cleanUp(t *testing.T) {
	for _, bucket := range []string{s.bucket, s.other} {
		for _, key := range s.list(t, bucket, "") {
			s.must(t, s.request("DELETE", "/"+bucket+"/"+encode(key), nil), 204)
		}
		s.must(t, s.request("DELETE", "/"+bucket, nil), 204)
	}
}

// path is a target in the first bucket.
func (s *suite) path(key string) string { return "/" + s.bucket + "/" + key }

// encode percent-encodes a key as SDKs do.
func encode(key string) string {
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// req is a request under construction. Zero fields have what a client would send.
type req struct {
	method, target, host string
	version              string // default HTTP/1.1
	fields               head.Fields
	body                 []byte
	payload              string // x-amz-content-sha256; default the body's hash
	length               string // Content-Length; default the body's, "-" is none
	signer               sigv4.Signer
	anonymous            bool
	// tamper changes the signed fields before they are sent.
	tamper func(head.Fields) head.Fields
	// chunks, if set, makes the body from the signer of its chunks.
	chunks func(*sigv4.ChunkSigner) []byte
}

// request makes a request that is right.
func (s *suite) request(method, target string, body []byte) *req {
	return &req{method: method, target: target, host: s.Addr, version: "HTTP/1.1", body: body, signer: s.signer()}
}

func (s *suite) signer() sigv4.Signer {
	return sigv4.Signer{AccessKey: s.AccessKey, SecretKey: s.SecretKey, Region: s.Region, Time: s.Now()}
}

func (r *req) with(name, value string) *req {
	r.fields = append(r.fields, head.Field{Name: name, Value: value})
	return r
}

func (r *req) but(change func(*req)) *req {
	change(r)
	return r
}

// bytes signs the request and writes it down.
func (r *req) bytes() []byte {
	fields := r.fields
	if !r.anonymous {
		payload := r.payload
		if payload == "" {
			sum := sha256.Sum256(r.body)
			payload = hex.EncodeToString(sum[:])
		}
		var chunks *sigv4.ChunkSigner
		fields, chunks = r.signer.Header(sigv4.Unsigned{Method: r.method, Target: r.target, Host: r.host, Fields: fields}, payload)
		if r.chunks != nil {
			r.body = r.chunks(chunks)
		}
	}
	if r.tamper != nil {
		fields = r.tamper(fields)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", r.method, r.target, r.version, r.host)
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	switch {
	case r.length == "-":
	case r.length != "":
		fmt.Fprintf(&b, "Content-Length: %s\r\n", r.length)
	case len(r.body) > 0 || r.method == "PUT" || r.method == "POST":
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	b.Write(r.body)
	return b.Bytes()
}

// answer is one response.
type answer struct {
	status int
	code   string
	header http.Header
	body   string
	close  bool
}

// client is one connection.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func (s *suite) dial(t *testing.T) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr, patience)
	if err == nil && s.TLS != nil {
		conn := tls.Client(c, s.TLS)
		conn.SetDeadline(time.Now().Add(patience))
		c, err = conn, conn.Handshake()
	}
	if err != nil {
		t.Fatalf("the server does not accept connections: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, bufio.NewReader(c)}
}

// send writes beside the reading, for the server may answer and close before it has all.
func (c *client) send(b []byte) {
	go func() {
		c.conn.SetWriteDeadline(time.Now().Add(patience))
		c.conn.Write(b)
	}()
}

// read reads one response; method is of the request it answers.
func (c *client) read(method string) (answer, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body), close: resp.Close}
	if resp.StatusCode >= 300 && len(body) > 0 {
		var e struct{ Code string }
		if xmlErr := xml.Unmarshal(body, &e); xmlErr != nil {
			return a, fmt.Errorf("the error document does not parse: %w: %q", xmlErr, body)
		}
		a.code = e.Code
	}
	if resp.StatusCode != 100 && resp.Header.Get("x-amz-request-id") == "" {
		return a, errors.New("the answer has no x-amz-request-id")
	}
	return a, err
}

// atEnd checks that the server closes and sends nothing more.
func (c *client) atEnd() error {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(c.r)
	var timeout net.Error
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%d more bytes came: %.200q", len(rest), rest)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the connection was not closed")
	}
	return nil
}

// must sends a request on a new connection and wants a status.
func (s *suite) must(t *testing.T, r *req, status int) answer {
	t.Helper()
	c := s.dial(t)
	defer c.conn.Close()
	c.send(r.bytes())
	a, err := c.read(r.method)
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.target, err)
	}
	if a.status != status {
		t.Fatalf("%s %s: status %d %s, want %d: %s", r.method, r.target, a.status, a.code, status, a.body)
	}
	return a
}

// probe checks that a connection gives the right answer to the next request.
func (s *suite) probe(c *client) error {
	c.send(s.request("GET", s.path("probe"), nil).bytes())
	a, err := c.read("GET")
	if err != nil {
		return fmt.Errorf("the next request: %w", err)
	}
	if a.status != 200 || a.body != probeBody {
		return fmt.Errorf("the next request was answered %d %q", a.status, a.body)
	}
	return nil
}

// want is what an answer must be.
type want struct {
	status []int
	code   []string // any of; nil: any
	close  bool     // the connection must be closed
}

func is(status int, code ...string) want { return want{status: []int{status}, code: code} }

func (w want) closed() want { w.close = true; return w }

func (w want) check(a answer) error {
	ok := false
	for _, st := range w.status {
		ok = ok || a.status == st
	}
	if !ok {
		return fmt.Errorf("status %d %s, want %v %v: %s", a.status, a.code, w.status, w.code, a.body)
	}
	for _, code := range w.code {
		if a.code == code {
			return nil
		}
	}
	if len(w.code) > 0 {
		return fmt.Errorf("code %q with status %d, want %v: %s", a.code, a.status, w.code, a.body)
	}
	return nil
}

// row runs one case: bytes on a new connection, the answer, then the connection, then the
// server.
func (s *suite) row(t *testing.T, n int, name string, raw []byte, w want) {
	t.Helper()
	t.Run(strconv.Itoa(n)+" "+name, func(t *testing.T) {
		c := s.dial(t)
		method, _, _ := strings.Cut(string(raw[:min(len(raw), 8)]), " ")
		c.send(raw)
		a, err := c.read(method)
		if err == nil {
			err = w.check(a)
		}
		if err == nil {
			err = s.afterwards(c, a, w)
		}
		if err != nil {
			t.Fatal(err)
		}
		s.alive(t)
	})
}

// afterwards checks the connection behind an answer.
func (s *suite) afterwards(c *client, a answer, w want) error {
	if w.close && !a.close {
		return errors.New("the answer has no Connection: close")
	}
	if a.close {
		return c.atEnd()
	}
	return s.probe(c)
}

func (s *suite) alive(t *testing.T) {
	t.Helper()
	if err := s.probe(s.dial(t)); err != nil {
		t.Fatalf("the server afterwards: %v", err)
	}
}

// list gives all keys of a bucket with a prefix, through encoding-type=url.
func (s *suite) list(t *testing.T, bucket, prefix string) (keys []string) {
	t.Helper()
	a := s.must(t, s.request("GET", "/"+bucket+"?encoding-type=url&list-type=2&prefix="+encodeQuery(prefix), nil), 200)
	var l struct{ Contents []struct{ Key string } }
	if err := xml.Unmarshal([]byte(a.body), &l); err != nil {
		t.Fatalf("the list does not parse: %v", err)
	}
	for _, o := range l.Contents {
		keys = append(keys, decode(t, o.Key))
	}
	return keys
}

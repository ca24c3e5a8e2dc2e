package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"

	"github.com/stretchr/testify/require"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func code(err error) string {
	var e *s3err.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	if err != nil {
		return "?" + err.Error()
	}
	return ""
}

type store struct{}

type put struct {
	head   *head.Head
	result *sigv4.Result
	signer *sigv4.ChunkSigner
}

func newPut(t testing.TB, payload string, length int, fields ...head.Field) put {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := sigv4.Signer{AccessKey: accessKey, SecretKey: secretKey, Time: now}
	f, chunks := s.Header(sigv4.Unsigned{Method: "PUT", Target: "/bkt/k", Host: "h", Fields: fields}, payload)
	return verified(t, now, "/bkt/k", "h", f, length, chunks)
}

func verified(t testing.TB, now time.Time, target, host string, f head.Fields, length int, chunks *sigv4.ChunkSigner) put {
	t.Helper()
	v, err := sigv4.New(sigv4.Config{Store: store{}, Now: func() time.Time { return now }})
	require.NoError(t, err)
	rt, err := route.Parse(route.Input{Method: "PUT", Target: target, Host: host})
	require.NoError(t, err)
	res, err := v.Verify(&sigv4.Request{Route: rt, Headers: f, Host: host})
	require.NoError(t, err)
	return put{&head.Head{Method: "PUT", Fields: f, ContentLength: int64(length)}, res, chunks}
}

var limits = Limits{MaxLength: 1 << 30}

func (p put) run(wire io.Reader) (payload []byte, d Digests, err error) {
	spec, err := SpecOf(p.head, p.result, limits)
	if err != nil {
		return nil, d, err
	}
	if spec.Chunks != nil { // a fresh chain for every run
		c := *spec.Chunks
		spec.Chunks = &c
	}
	r := New(wire, spec)
	payload, err = io.ReadAll(r)
	if err != nil {
		return nil, d, err
	}
	d, err = r.Finish()
	return payload, d, err
}

func field(name, value string) head.Field { return head.Field{Name: name, Value: value} }

func decoded(n int) head.Field { return field("x-amz-decoded-content-length", fmt.Sprint(n)) }

func sumOf(a checksum.Algorithm, b []byte) string {
	h := checksum.NewHasher(a)
	h.Write(b)
	return h.Value().Text()
}

func frame(sign *sigv4.ChunkSigner, chunks [][]byte, trailer string, signTrailer bool) []byte {
	var b bytes.Buffer
	for _, c := range append(chunks, nil) {
		fmt.Fprintf(&b, "%x", len(c))
		if sign != nil {
			b.WriteString(";chunk-signature=" + sign.Chunk(c))
		}
		b.WriteString("\r\n")
		b.Write(c)
		if len(c) > 0 {
			b.WriteString("\r\n")
		}
	}
	if trailer != "" {
		b.WriteString(trailer + "\r\n")
	}
	if signTrailer {
		b.WriteString("x-amz-trailer-signature:" + sign.Trailer(trailer+"\n") + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

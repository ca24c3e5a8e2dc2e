package body

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"catena/s3api/checksum"
	"catena/s3api/edge/head"

	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"
)

func TestMinioStreams(t *testing.T) {
	now := time.Now().UTC()
	for _, data := range [][]byte{both, small, bytes.Repeat(big, 20)} {
		trailer := func() http.Header { return http.Header{"X-Amz-Checksum-Crc32c": {sumOf(checksum.CRC32C, data)}} }
		for name, sign := range map[string]func(*http.Request) *http.Request{
			"signed": func(r *http.Request) *http.Request {
				return signer.StreamingSignV4(r, accessKey, secretKey, "", "us-east-1", int64(len(data)), now, sha{sha256.New()})
			},
			"signed trailer": func(r *http.Request) *http.Request {
				r.Trailer = trailer()
				return signer.StreamingSignV4(r, accessKey, secretKey, "", "us-east-1", int64(len(data)), now, sha{sha256.New()})
			},
			"unsigned trailer": func(r *http.Request) *http.Request {
				r.Header.Set("X-Amz-Content-Sha256", unsignedTrailer)
				r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(data)))
				r.ContentLength = int64(len(data))
				return signer.SignV4Trailer(*r, accessKey, secretKey, "", "us-east-1", trailer())
			},
		} {
			t.Run(name, func(t *testing.T) {
				r, err := http.NewRequest("PUT", "http://h/bkt/k", io.NopCloser(bytes.NewReader(data)))
				require.NoError(t, err)
				r = sign(r)
				var f head.Fields
				for k, vs := range r.Header {
					f = append(f, head.Field{Name: strings.ToLower(k), Value: vs[0]})
				}
				p := verified(t, now, "/bkt/k", "h", f, int(r.ContentLength), nil)
				got, d, err := p.run(r.Body)
				require.NoError(t, err)
				require.Equal(t, data, got)
				require.Equal(t, name != "signed", d.FromClient)
			})
		}
	}
}

type sha struct {
	h interface {
		io.Writer
		Sum([]byte) []byte
		Reset()
		Size() int
		BlockSize() int
	}
}

func (s sha) Write(p []byte) (int, error) { return s.h.Write(p) }

func (s sha) Sum(b []byte) []byte { return s.h.Sum(b) }

func (s sha) Reset() { s.h.Reset() }

func (s sha) Size() int { return s.h.Size() }

func (s sha) BlockSize() int { return s.h.BlockSize() }

func (s sha) Close() {}

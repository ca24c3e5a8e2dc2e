package s3test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
	"github.com/stretchr/testify/require"
)

func itoa[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// call is one request.
type call struct {
	method, bucket, key string
	query               string // as sent
	header              map[string]string
	body                []byte
	// reader sends a body in pieces, unsigned; size is its length.
	reader    io.Reader
	size      int64
	anonymous bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // of an error document
}

func (a answer) text() string { return string(a.body) }

func (a answer) etag() string { return strings.Trim(a.header.Get("ETag"), `"`) }

func (s *suite) request(t testing.TB, c call) *http.Request {
	t.Helper()
	u := *s.base
	u.Path = "/" + c.bucket
	if c.key != "" || c.bucket == "" {
		u.Path = strings.TrimSuffix("/"+c.bucket, "/") + "/" + c.key
	}
	u.RawPath = s3utils.EncodePath(u.Path)
	u.RawQuery = c.query
	var body io.Reader = bytes.NewReader(c.body)
	hash := hex.EncodeToString(sum256(c.body))
	if c.reader != nil {
		body, hash = c.reader, "UNSIGNED-PAYLOAD"
	}
	req, err := http.NewRequest(c.method, u.String(), body)
	require.NoError(t, err)
	if c.reader != nil {
		req.ContentLength = c.size
	}
	if !c.anonymous {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	if c.anonymous {
		return req
	}
	return signer.SignV4(*req, s.AccessKey, s.SecretKey, "", s.Region)
}

// send makes the request, whatever the answer.
func (s *suite) send(t testing.TB, c call) answer {
	t.Helper()
	return s.do(t, s.request(t, c))
}

func (s *suite) do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := s.http.Do(req)
	require.NoError(t, err, "%s %s", req.Method, req.URL)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err, "%s %s: the body of the answer", req.Method, req.URL)
	a := answer{status: resp.StatusCode, header: resp.Header, body: body}
	require.NotEmpty(t, resp.Header.Get("x-amz-request-id"), "every answer has a request id")
	if a.status >= 400 && len(body) > 0 {
		var doc struct {
			XMLName   xml.Name `xml:"Error"`
			Code      string
			RequestId string
		}
		require.NoError(t, xml.Unmarshal(body, &doc), "an error is an XML document: %q", body)
		require.Equal(t, resp.Header.Get("x-amz-request-id"), doc.RequestId, "the document has the id of the header")
		a.code = doc.Code
	}
	return a
}

// ok makes a request that must succeed.
func (s *suite) ok(t testing.TB, c call) answer {
	t.Helper()
	a := s.send(t, c)
	require.Less(t, a.status, 300, "%s %s/%s?%s: %s", c.method, c.bucket, c.key, c.query, a.body)
	return a
}

// fails makes a request that must be refused with a status and a code ("" for a HEAD).
func (s *suite) fails(t testing.TB, c call, status int, code string) answer {
	t.Helper()
	a := s.send(t, c)
	require.Equal(t, status, a.status, "%s %s/%s?%s: %s", c.method, c.bucket, c.key, c.query, a.body)
	require.Equal(t, code, a.code, "%s %s/%s?%s: %s", c.method, c.bucket, c.key, c.query, a.body)
	return a
}

func (s *suite) put(t testing.TB, bucket, key, body string, header ...string) answer {
	t.Helper()
	return s.ok(t, call{method: "PUT", bucket: bucket, key: key, body: []byte(body), header: h(header...)})
}

func (s *suite) get(t testing.TB, bucket, key string, header ...string) answer {
	t.Helper()
	return s.ok(t, call{method: "GET", bucket: bucket, key: key, header: h(header...)})
}

func (s *suite) head(t testing.TB, bucket, key string, header ...string) answer {
	t.Helper()
	return s.ok(t, call{method: "HEAD", bucket: bucket, key: key, header: h(header...)})
}

func (s *suite) puts(t testing.TB, bucket string, keys ...string) {
	t.Helper()
	for _, k := range keys {
		s.put(t, bucket, k, "content of "+k)
	}
}

// h makes a header of name, value, name, value, ...
func h(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

func parse[T any](t testing.TB, a answer) T {
	t.Helper()
	var doc T
	require.NotContains(t, string(a.body), "xmlns:", "documents have no namespace prefixes")
	require.NoError(t, xml.Unmarshal(a.body, &doc), "%s", a.body)
	return doc
}

func sum256(b []byte) []byte { d := sha256.Sum256(b); return d[:] }

func md5Hex(b []byte) string { d := md5.Sum(b); return hex.EncodeToString(d[:]) }

func md5Base64(b []byte) string { d := md5.Sum(b); return base64.StdEncoding.EncodeToString(d[:]) }

// pattern makes n bytes that differ from place to place and from seed to seed.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// The documents, as a client reads them.
type (
	entry struct {
		Key, ETag, StorageClass, LastModified string
		Size                                  int64
		Owner                                 *struct{ ID, DisplayName string }
		VersionId                             string
		IsLatest                              bool
		ChecksumAlgorithm, ChecksumType       string
	}
	prefixes []struct{ Prefix string }
	listDoc  struct {
		Name, Prefix, Marker, NextMarker, Delimiter, EncodingType string
		StartAfter, ContinuationToken, NextContinuationToken      string
		MaxKeys                                                   int
		KeyCount                                                  *int
		IsTruncated                                               bool
		Contents                                                  []entry
		CommonPrefixes                                            prefixes
	}
	versionsDoc struct {
		IsTruncated                        bool
		Version                            []entry
		CommonPrefixes                     prefixes
		NextKeyMarker, NextVersionIdMarker string
	}
	bucketsDoc struct {
		Buckets struct {
			Bucket []struct{ Name, CreationDate, BucketRegion string }
		}
		Owner             struct{ ID, DisplayName string }
		ContinuationToken string
	}
	initiateDoc struct{ Bucket, Key, UploadId string }
	sums        struct {
		ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256, ChecksumType string
	}
	completeDoc struct {
		Location, Bucket, Key, ETag string
		sums
	}
	copyDoc struct {
		ETag, LastModified string
		sums
	}
	uploadsDoc struct {
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string
		Uploads                           []struct {
			Key, Initiated, ChecksumAlgorithm, ChecksumType string
			UploadID                                        string `xml:"UploadId"`
		} `xml:"Upload"`
		CommonPrefixes prefixes
	}
	partsDoc struct {
		IsTruncated                            bool
		PartNumberMarker, NextPartNumberMarker int
		MaxParts                               int
		ChecksumAlgorithm, ChecksumType        string
		Part                                   []struct {
			PartNumber   int
			ETag         string
			LastModified string
			Size         int64
			sums
		}
	}
	deleteDoc struct {
		Deleted []struct{ Key, VersionId string }
		Error   []struct{ Key, Code, VersionId string }
	}
	attributesDoc struct {
		ETag, StorageClass string
		ObjectSize         *int64
		Checksum           *struct{ sums }
		ObjectParts        *struct {
			TotalPartsCount                        int `xml:"PartsCount"`
			PartNumberMarker, NextPartNumberMarker int
			MaxParts                               int
			IsTruncated                            bool
			Part                                   []struct {
				PartNumber int
				Size       int64
				sums
			}
		}
	}
)

func (d listDoc) keys() []string {
	out := []string{}
	for _, o := range d.Contents {
		out = append(out, o.Key)
	}
	return out
}

func (p prefixes) all() []string {
	out := []string{}
	for _, x := range p {
		out = append(out, x.Prefix)
	}
	return out
}

package bench

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeS3 is the little of S3 that the plumbing needs, in memory.
type fakeS3 struct {
	t  *testing.T
	mu sync.Mutex
	// buckets hold objects by key.
	buckets map[string]map[string][]byte
	uploads map[string]map[int][]byte
	// interfere may answer in place of the fake; nil does nothing.
	interfere func(w http.ResponseWriter, r *http.Request) bool
	signed    int // PUTs with a streaming signature
	deletes   int
}

func startFake(t *testing.T) (*fakeS3, Target) {
	f := &fakeS3{t: t, buckets: map[string]map[string][]byte{}, uploads: map[string]map[int][]byte{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, Target{Name: "a", Endpoint: strings.TrimPrefix(srv.URL, "http://"), AccessKey: "ACCESS", SecretKey: "secret-77"}
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := f.body(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.interfere != nil && f.interfere(w, r) {
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key == "" {
		f.bucket(w, r, bucket, body)
		return
	}
	f.object(w, r, f.buckets[bucket], key, body)
}

func (f *fakeS3) bucket(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	b, ok := f.buckets[name]
	switch {
	case r.Method == "PUT":
		f.buckets[name] = map[string][]byte{}
	case !ok:
		fail(w, 404, "NoSuchBucket")
	case r.Method == "DELETE" && len(b) > 0:
		fail(w, 409, "BucketNotEmpty")
	case r.Method == "DELETE":
		delete(f.buckets, name)
		w.WriteHeader(204)
	case r.Method == "POST":
		var req struct{ Object []struct{ Key string } }
		require.NoError(f.t, xml.Unmarshal(body, &req))
		f.deletes++
		for _, o := range req.Object {
			delete(b, o.Key)
		}
		fmt.Fprint(w, `<DeleteResult></DeleteResult>`)
	case r.Method == "GET":
		f.list(w, r, b)
	}
}

func (f *fakeS3) list(w http.ResponseWriter, r *http.Request, b map[string][]byte) {
	q := r.URL.Query()
	var keys []string
	for k := range b {
		if strings.HasPrefix(k, q.Get("prefix")) && k > q.Get("continuation-token") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	n, _ := strconv.Atoi(q.Get("max-keys"))
	more := len(keys) > n
	if more {
		keys = keys[:n]
	}
	fmt.Fprintf(w, `<ListBucketResult><IsTruncated>%v</IsTruncated>`, more)
	if more {
		fmt.Fprintf(w, `<NextContinuationToken>%s</NextContinuationToken>`, keys[n-1])
	}
	for _, k := range keys {
		fmt.Fprintf(w, `<Contents><Key>%s</Key><Size>%d</Size></Contents>`, k, len(b[k]))
	}
	fmt.Fprint(w, `</ListBucketResult>`)
}

func (f *fakeS3) object(w http.ResponseWriter, r *http.Request, b map[string][]byte, key string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	data, ok := b[key]
	switch {
	case r.Method == "POST" && q.Has("uploads"):
		f.uploads["u-"+key] = map[int][]byte{}
		fmt.Fprintf(w, `<InitiateMultipartUploadResult><UploadId>u-%s</UploadId></InitiateMultipartUploadResult>`, key)
	case r.Method == "POST":
		for i := 1; i <= len(f.uploads[id]); i++ {
			data = append(data, f.uploads[id][i]...)
		}
		b[key] = data
		delete(f.uploads, id)
		fmt.Fprint(w, `<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><ETag>"x-2"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == "PUT" && id != "":
		n, _ := strconv.Atoi(q.Get("partNumber"))
		f.uploads[id][n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == "PUT":
		b[key] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == "DELETE":
		delete(b, key)
		w.WriteHeader(204)
	case !ok:
		fail(w, 404, "NoSuchKey")
	default:
		w.Header().Set("ETag", etag(data))
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Header().Set("Last-Modified", "Mon, 01 Jun 2026 12:00:00 GMT")
		_, _ = w.Write(data)
	}
}

// body unwraps aws-chunked.
func (f *fakeS3) body(r *http.Request) []byte {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		b, err := io.ReadAll(r.Body)
		require.NoError(f.t, err)
		return b
	}
	f.mu.Lock()
	f.signed++
	f.mu.Unlock()
	var out bytes.Buffer
	br := bufio.NewReader(r.Body)
	for {
		line, err := br.ReadString('\n')
		require.NoError(f.t, err)
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		require.NoError(f.t, err)
		if n == 0 {
			_, _ = io.Copy(io.Discard, br)
			return out.Bytes()
		}
		_, err = io.CopyN(&out, br, n)
		require.NoError(f.t, err)
		_, err = br.Discard(2)
		require.NoError(f.t, err)
	}
}

func etag(b []byte) string {
	sum := md5.Sum(b)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, code)
}

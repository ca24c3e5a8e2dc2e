package workload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// fakeS3 is a store in memory, reached without a network: tests may use a
// synctest bubble's time. Each fault is asked before a request is served.
type fakeS3 struct {
	mu      sync.Mutex
	objects map[string][]byte
	// fault gives the status of an answer of its own for the n-th request (from
	// 1), or one of the faults below; 0 serves the request.
	fault func(n int, r *http.Request) int
	// seen is what was asked, as "GET key"; a listing has no key.
	seen []string
}

const (
	hangs       = -1 - iota
	breaks      // before the answer
	cutsShort   // in the middle of the body
	unreachable // no connection can be made
	slowDown    // over a limit of requests
	noBucket
)

func (f *fakeS3) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/torture"), "/")
	f.seen = append(f.seen, r.Method+" "+key)
	w := httptest.NewRecorder()
	status := f.fault(len(f.seen), r)
	switch status {
	case hangs:
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return nil, r.Context().Err()
	case breaks:
		return nil, io.ErrUnexpectedEOF
	case unreachable:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	case slowDown:
		refuse(w, http.StatusServiceUnavailable, "SlowDown")
	case noBucket:
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	case 0, cutsShort:
		f.serve(w, r, key)
	default:
		w.WriteHeader(status)
	}
	resp := w.Result()
	resp.Request = r
	if status == cutsShort {
		resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 10), iotest.ErrReader(io.ErrUnexpectedEOF)))
	}
	return resp, nil
}

func refuse(w *httptest.ResponseRecorder, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
}

func (f *fakeS3) serve(w *httptest.ResponseRecorder, r *http.Request, key string) {
	body, ok := f.objects[key]
	switch {
	case r.Method == http.MethodPut:
		b, _ := io.ReadAll(r.Body)
		f.objects[key] = b
		w.Header().Set("ETag", `"0"`)
	case r.Method == http.MethodDelete:
		delete(f.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case key == "":
		var rows bytes.Buffer
		for k, b := range f.objects {
			fmt.Fprintf(&rows, "<Contents><Key>%s</Key><Size>%d</Size></Contents>", k, len(b))
		}
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>false</IsTruncated>%s</ListBucketResult>", rows.String())
	case !ok:
		refuse(w, http.StatusNotFound, "NoSuchKey")
	default:
		w.Header().Set("ETag", `"0"`)
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 12:00:00 GMT")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}
}

// loadOf is a load whose one writer knows the keys a and b, as acknowledged and
// stored, and c, of which a deletion has an unknown outcome.
func loadOf(t *testing.T, able error) (*Load, *fakeS3) {
	f := &fakeS3{objects: map[string][]byte{}, fault: func(int, *http.Request) int { return 0 }}
	l, err := New(Config{
		Endpoint: "store", AccessKey: "a", SecretKey: "s", Bucket: "torture", Writers: 1, KeysPerWriter: 1, Transport: f,
		Idle: func(context.Context) error { return nil },
		Able: func(context.Context) error { return able },
	})
	require.NoError(t, err)
	for i, key := range []string{"a", "b", "c"} {
		v := Version{Seed: uint64(i + 1), Size: 100}
		l.writers[0].keys[key] = []Version{v}
		f.objects[key] = v.Bytes()
	}
	l.writers[0].keys["c"] = append(l.writers[0].keys["c"], Version{})
	return l, f
}

package s3test

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hooked calls hook once, when half of the bytes were read.
type hooked struct {
	data []byte
	half int
	hook func()
}

func (r *hooked) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	if r.hook != nil && len(r.data) <= r.half {
		r.hook()
		r.hook = nil
	}
	n := copy(p[:min(len(p), 64<<10)], r.data)
	r.data = r.data[n:]
	return n, nil
}

func slowPut(bucket, key string, data []byte, hook func(), header ...string) call {
	return call{method: "PUT", bucket: bucket, key: key, size: int64(len(data)), header: h(header...),
		reader: &hooked{data: data, half: len(data) / 2, hook: hook}}
}

func uniform(n int, c byte) []byte { return bytes.Repeat([]byte{c}, n) }

// isAll asserts that an object is n times one byte, and returns the byte.
func (s *suite) isAll(t testing.TB, b, key string, n int) byte {
	t.Helper()
	body := s.get(t, b, key).body
	require.Len(t, body, n)
	require.Equal(t, n, bytes.Count(body, body[:1]), "bytes of one write only")
	return body[0]
}

func testAtomic(t *testing.T, s *suite) {
	b := s.bucket(t)
	for _, n := range []int{1 << 20, 8 << 20} {
		t.Run("a write shows whole or not at all, "+itoa(n), func(t *testing.T) {
			s.ok(t, slowPut(b, "k", uniform(n, 'A'), nil))
			s.ok(t, slowPut(b, "k", uniform(n, 'B'), func() { require.Equal(t, byte('A'), s.isAll(t, b, "k", n)) }))
			require.Equal(t, byte('B'), s.isAll(t, b, "k", n))
		})
		t.Run("of two writes the one that ends last stays, "+itoa(n), func(t *testing.T) {
			s.ok(t, slowPut(b, "k", uniform(n, 'C'), func() { s.ok(t, slowPut(b, "k", uniform(n, 'D'), nil)) }))
			require.Equal(t, byte('C'), s.isAll(t, b, "k", n))
		})
		t.Run("a condition holds at the end of the write, "+itoa(n), func(t *testing.T) {
			etag := s.head(t, b, "k").header.Get("ETag")
			s.fails(t, slowPut(b, "k", uniform(n, 'E'), func() { s.ok(t, slowPut(b, "k", uniform(n, 'F'), nil, "If-Match", etag)) }, "If-Match", etag),
				412, "PreconditionFailed")
			require.Equal(t, byte('F'), s.isAll(t, b, "k", n))
		})
		t.Run("a read gives one version, "+itoa(n), func(t *testing.T) {
			s.ok(t, slowPut(b, "k", uniform(n, 'G'), nil))
			resp, err := s.http.Do(s.request(t, call{method: "GET", bucket: b, key: "k"}))
			require.NoError(t, err)
			defer resp.Body.Close()
			first := make([]byte, 1000)
			_, err = io.ReadFull(resp.Body, first)
			require.NoError(t, err)
			s.ok(t, slowPut(b, "k", uniform(n, 'H'), nil))
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, n, len(first)+len(rest))
			require.Equal(t, n, bytes.Count(append(first, rest...), []byte{'G'}))
			require.Equal(t, byte('H'), s.isAll(t, b, "k", n))
		})
	}
	t.Run("a bucket that goes during the write", func(t *testing.T) {
		gone := s.name()
		s.ok(t, call{method: "PUT", bucket: gone})
		s.fails(t, slowPut(gone, "k", uniform(1<<20, 'A'), func() { s.ok(t, call{method: "DELETE", bucket: gone}) }), 404, "NoSuchBucket")
	})
	t.Run("one of many creates", func(t *testing.T) {
		won := s.race(t, 16, func(i int) int {
			return s.send(t, call{method: "PUT", bucket: b, key: "once", body: uniform(100, byte('a'+i)), header: h("If-None-Match", "*")}).status
		})
		require.Equal(t, 1, won[200], "%v", won)
		require.Equal(t, 16, won[200]+won[412]+won[409], "%v", won)
		s.isAll(t, b, "once", 100)
	})
	t.Run("many writers of one key", func(t *testing.T) {
		s.race(t, 16, func(i int) int {
			return s.ok(t, call{method: "PUT", bucket: b, key: "hot", body: uniform(100_000, byte('a'+i))}).status
		})
		s.isAll(t, b, "hot", 100_000)
	})
	t.Run("half a body is nothing", func(t *testing.T) {
		s.put(t, b, "half", "old")
		req := s.request(t, call{method: "PUT", bucket: b, key: "half", reader: bytes.NewReader(uniform(1000, 'x')), size: 2000})
		resp, err := s.http.Do(req)
		if err == nil {
			require.GreaterOrEqual(t, resp.StatusCode, 400)
			resp.Body.Close()
		}
		require.Equal(t, "old", s.get(t, b, "half").text())
	})
	t.Run("read your writes, and their times", func(t *testing.T) {
		for i := range 50 {
			v := itoa(i)
			s.put(t, b, "ryw", v)
			require.Equal(t, v, s.get(t, b, "ryw").text())
			o := s.listing(t, b, "list-type=2&prefix=ryw").Contents[0]
			require.Equal(t, `"`+md5Hex([]byte(v))+`"`, o.ETag)
			at, err := time.Parse(time.RFC3339, o.LastModified)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
		}
	})
}

// race runs n calls at once and counts their results.
func (s *suite) race(t testing.TB, n int, do func(i int) int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	count := map[int]int{}
	for i := range n {
		wg.Go(func() {
			r := do(i)
			mu.Lock()
			defer mu.Unlock()
			count[r]++
		})
	}
	wg.Wait()
	return count
}

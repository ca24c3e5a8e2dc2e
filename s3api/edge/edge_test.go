package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"

	"github.com/stretchr/testify/require"
)

func TestAPanicIsA500AndTheProcessLives(t *testing.T) {
	var log logBuffer
	addr, _ := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	c := dial(t, addr)
	resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/panic", ""))
	require.Equal(t, 500, resp.StatusCode)
	require.Contains(t, body, "<Code>InternalError</Code>")
	require.NotContains(t, body, "asked to")
	require.True(t, resp.Close)
	c.atEnd(t)
	require.Contains(t, log.String(), "asked to")
	require.Contains(t, log.String(), resp.Header.Get("x-amz-request-id"))
	resp, _ = dial(t, addr).do(t, "HEAD", signed("HEAD", addr, "/bkt", ""))
	require.Equal(t, 404, resp.StatusCode)
}

func TestUnknownErrorsAre500WithoutTheCause(t *testing.T) {
	var log logBuffer
	addr, _ := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Handler: only(nil, errors.New("disk sda is on fire"))})
	c := dial(t, addr)
	for range 2 {
		resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 500, resp.StatusCode)
		require.NotContains(t, body, "sda")
		require.False(t, resp.Close)
	}
	require.Contains(t, log.String(), "sda")
	for _, r := range []Handler{only(nil, nil), only((&Response{}).Set("X-A", "b\r\nX-B: c"), nil), only((&Response{}).Set("X A", "b"), nil)} {
		addr, _ := start(t, Config{Handler: r})
		resp, _ := dial(t, addr).do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 500, resp.StatusCode)
		require.Empty(t, resp.Header.Get("X-B"))
	}
}

func TestHeadAnswers(t *testing.T) {
	addr, _ := start(t, Config{Handler: func(_ context.Context, req *Request) (*Response, error) {
		if req.Key == "k" {
			return (&Response{Length: 1 << 40}).Set("ETag", `"e"`).Set("x-amz-meta-A", "b"), nil
		}
		return nil, s3err.New(s3err.NoSuchKey)
	}})
	c := dial(t, addr)
	for range 2 { // the connection stays right
		_, err := io.WriteString(c, signed("HEAD", addr, "/bkt/k", ""))
		require.NoError(t, err)
		resp, err := http.ReadResponse(c.r, &http.Request{Method: "HEAD"})
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, int64(1<<40), resp.ContentLength)
		resp, body := c.do(t, "HEAD", signed("HEAD", addr, "/bkt/absent", ""))
		require.Equal(t, 404, resp.StatusCode)
		require.Empty(t, body)
	}
	resp, _ := c.do(t, "HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	require.Equal(t, 400, resp.StatusCode)
	c.atEnd(t)
}

func TestHeaderNamesAreSentAsWritten(t *testing.T) {
	addr, _ := start(t, Config{Handler: only((&Response{}).Set("ETag", `"e"`).Set("x-amz-meta-FooBar", "v").SetInt("x-n", 7).SetTime("Last-Modified", time.Unix(1e9, 0)), nil)})
	c := dial(t, addr)
	io.WriteString(c, signed("GET", addr, "/bkt/k", "", "Connection: close"))
	raw, err := io.ReadAll(c)
	require.NoError(t, err)
	for _, want := range []string{"HTTP/1.1 200 OK\r\n", "\r\nETag: \"e\"\r\n", "\r\nx-amz-meta-FooBar: v\r\n", "\r\nx-n: 7\r\n", "\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\n", "\r\nServer: Catena\r\n", "\r\nx-amz-request-id: ", "\r\nContent-Length: 0\r\n", "\r\nConnection: close\r\n"} {
		require.Contains(t, string(raw), want)
	}
	require.NotContains(t, string(raw), "Content-Type")
}

func TestNotModifiedHasNoBody(t *testing.T) {
	addr, _ := start(t, Config{Handler: only(nil, s3err.New(s3err.NotModified).WithHeader("ETag", `"e"`))})
	c := dial(t, addr)
	for range 2 {
		resp, body := c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
		require.Equal(t, 304, resp.StatusCode)
		require.Equal(t, `"e"`, resp.Header.Get("ETag"))
		require.Empty(t, body)
	}
}

func TestStreams(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 300<<10)
	for _, c := range []struct {
		name   string
		stream *stream
		length int64
		status int
		whole  bool
	}{
		{"good", &stream{frames: [][]byte{big, []byte("y"), {}, []byte("z")}}, int64(len(big) + 2), 200, true},
		{"empty", &stream{err: io.EOF}, 0, 200, true},
		{"first frame fails", &stream{err: errors.New("bad checksum")}, 5, 500, true},
		{"first frame is a refusal", &stream{err: s3err.New(s3err.SlowDown)}, 5, 503, true},
		{"empty but has a length", &stream{err: io.EOF}, 5, 500, true},
		{"later frame fails", &stream{frames: [][]byte{big}, err: errors.New("bad checksum")}, int64(len(big) + 2), 200, false},
		{"too short", &stream{frames: [][]byte{big}, err: io.EOF}, int64(len(big) + 2), 200, false},
		{"too long", &stream{frames: [][]byte{[]byte("abc"), []byte("def")}}, 5, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			obs := &observer{done: make(chan Event, 9)}
			addr, _ := start(t, Config{Handler: only(&Response{Stream: c.stream, Length: c.length}, nil), Observer: obs})
			conn := dial(t, addr)
			io.WriteString(conn, signed("GET", addr, "/bkt/k", ""))
			resp, err := http.ReadResponse(conn.r, nil)
			if c.whole || err == nil { // a small broken answer may not be sent at all
				require.NoError(t, err)
				require.Equal(t, c.status, resp.StatusCode)
				body, err := io.ReadAll(resp.Body)
				if !c.whole {
					require.Error(t, err, "half a body looks whole: %d of %d", len(body), c.length)
				} else {
					require.NoError(t, err)
				}
				if c.whole && c.status == 200 {
					require.EqualValues(t, c.length, len(body))
				}
			}
			ev := <-obs.done
			require.Equal(t, c.status, ev.Status)
			require.Equal(t, 1, c.stream.closed)
		})
	}
}

func TestObserverSeesBytes(t *testing.T) {
	obs := &observer{done: make(chan Event, 9)}
	addr, _ := start(t, Config{Observer: obs})
	c := dial(t, addr)
	c.do(t, "PUT", signed("PUT", addr, "/bkt", ""))
	c.do(t, "PUT", signed("PUT", addr, "/bkt/k", "12345"))
	c.do(t, "GET", signed("GET", addr, "/bkt/k", ""))
	_, body := c.do(t, "GET", signed("GET", addr, "/bkt/absent", ""))
	c.Close()
	<-obs.done
	ev := <-obs.done
	require.Equal(t, route.PutObject, ev.Op)
	require.EqualValues(t, 5, ev.Received)
	ev = <-obs.done
	require.EqualValues(t, 5, ev.Sent)
	require.Equal(t, "", ev.Code)
	require.NotZero(t, ev.FirstByte)
	require.GreaterOrEqual(t, ev.Total, ev.FirstByte)
	ev = <-obs.done
	require.Equal(t, "NoSuchKey", ev.Code)
	require.EqualValues(t, len(body), ev.Sent)
}

func TestHTTP10(t *testing.T) {
	addr, _ := start(t, Config{})
	c := dial(t, addr)
	keep := strings.Replace(signed("GET", addr, "/bkt/k", "", "Connection: keep-alive"), "HTTP/1.1", "HTTP/1.0", 1)
	for range 2 {
		resp, _ := c.do(t, "GET", keep)
		require.Equal(t, 404, resp.StatusCode)
		require.Equal(t, "keep-alive", resp.Header.Get("Connection"))
	}
	resp, _ := c.do(t, "GET", strings.Replace(signed("GET", addr, "/bkt/k", ""), "HTTP/1.1", "HTTP/1.0", 1))
	require.Equal(t, 404, resp.StatusCode)
	require.True(t, resp.Close)
	c.atEnd(t)
}

func TestNotBuiltIsSaidAfterTheSignature(t *testing.T) {
	addr, _ := start(t, Config{})
	c := dial(t, addr)
	resp, body := c.do(t, "PUT", signed("PUT", addr, "/bkt?policy=", "{}"))
	require.Equal(t, 501, resp.StatusCode)
	require.Contains(t, body, "<Code>NotImplemented</Code>")
	resp, _ = c.do(t, "PUT", signed("PUT", addr, "/bkt?policy=", "{}", "x-amz-acl: private"))
	require.Equal(t, 403, resp.StatusCode)
	resp, _ = c.do(t, "GET", signed("GET", addr, "/bkt/k", "abc"))
	require.Equal(t, 400, resp.StatusCode, "UnexpectedContent")
}

func TestLogsHaveNoSecrets(t *testing.T) {
	var log logBuffer
	addr, srv := start(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), LingerTimeout: 10 * time.Millisecond})
	c := dial(t, addr)
	raw := signed("GET", addr, "/bkt/k?prefix=queryvalue", "", "Cookie: cookievalue")
	c.do(t, "GET", raw)
	c.do(t, "GET", strings.Replace(raw, "Signature=", "Signature=0", 1))
	target := sigv4.Signer{AccessKey: testKey, SecretKey: testSecret, Time: time.Now()}.Presign(sigv4.Unsigned{Method: "GET", Target: "/bkt/k", Host: addr}, time.Hour)
	c.do(t, "GET", "GET "+target+" HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	c.do(t, "GET", "GET "+target+" HTTP/1.1\r\nHost: "+addr+"\r\nHost: b\r\n\r\n")
	require.NoError(t, srv.Shutdown(context.Background()))
	require.Contains(t, log.String(), `"request_id"`)
	signature := raw[strings.Index(raw, "Signature=")+10:][:64]
	for _, secret := range []string{testSecret, signature, target[len(target)-64:], "cookievalue", "queryvalue"} {
		require.NotContains(t, log.String(), secret)
	}
}

package badinput

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"catena/s3api/edge/head"
)

const unsigned = "UNSIGNED-PAYLOAD"

// put is a good PUT that every row of this file spoils in its own way.
func (s *suite) put(key string, body string) *req {
	return s.request("PUT", s.path(key), []byte(body))
}

// insert puts lines behind the request line of a request in bytes.
func insert(raw []byte, lines string) []byte {
	i := bytes.Index(raw, []byte("\r\n")) + 2
	return append(append(append([]byte{}, raw[:i]...), lines...), raw[i:]...)
}

func replace(raw []byte, old, with string) []byte {
	if !bytes.Contains(raw, []byte(old)) {
		panic("badinput: nothing to replace: " + old)
	}
	return bytes.Replace(raw, []byte(old), []byte(with), 1)
}

// framing is rows 1 to 25.
func (s *suite) framing(t *testing.T) {
	s.lengths(t)
	s.heads(t)
	s.smuggling(t)
	s.chunkedCoding(t)
	s.interrupted(t)
	s.expectations(t)
	s.methodsAndPipeline(t)
}

func (s *suite) lengths(t *testing.T) {
	bad := is(400, "BadRequest").closed()
	put := func() []byte { return s.put("framing", "abc").bytes() }
	s.row(t, 1, "length and chunked", insert(put(), "Transfer-Encoding: chunked\r\n"), bad)
	s.row(t, 2, "same length twice", insert(put(), "Content-Length: 3\r\n"), bad)
	s.row(t, 2, "two lengths", insert(put(), "Content-Length: 4\r\n"), bad)
	for _, v := range []string{"-1", "+3", "3 3", "3, 3", "0x10", "9223372036854775808", "", "abc"} {
		s.row(t, 3, "length "+v, replace(put(), "Content-Length: 3", "Content-Length: "+v), bad)
	}
	for _, v := range []string{"chunked, identity", "xchunked", "identity", "chunked\r\nTransfer-Encoding: chunked", "gzip, chunked", "\"chunked\""} {
		s.row(t, 4, "coding "+v, replace(put(), "Content-Length: 3", "Transfer-Encoding: "+v), bad)
	}
	s.row(t, 5, "chunked in HTTP/1.0", replace(replace(put(), "Content-Length: 3", "Transfer-Encoding: chunked"), "HTTP/1.1", "HTTP/1.0"), bad)
}

func (s *suite) heads(t *testing.T) {
	get := func() []byte { return s.request("GET", s.path("probe"), nil).bytes() }
	bad := is(400, "BadRequest").closed()
	version := want{status: []int{505, 400}, close: true}
	for _, v := range []string{"HTTP/9.9", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 x", "FOO"} {
		s.row(t, 6, "version "+v, replace(get(), "HTTP/1.1", v), version)
	}
	s.row(t, 6, "preface of HTTP/2", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), version)
	host := "Host: " + s.Addr + "\r\n"
	s.row(t, 7, "no host", replace(get(), host, ""), bad)
	s.row(t, 7, "two hosts", insert(get(), host), bad)
	for _, v := range []string{"a b", "u@h", "h:99999", "h:", "", "[::1", "h/x", "a,b"} {
		s.row(t, 7, "host "+v, replace(get(), host, "Host: "+v+"\r\n"), bad)
	}
	s.row(t, 8, "absolute form of another host", replace(get(), "GET /", "GET http://evil.example/"), bad)
	s.row(t, 8, "absolute form of the host", replace(get(), "GET /", "GET http://"+s.Addr+"/"), is(200))
	s.row(t, 9, "folded line", insert(get(), "X-A: b\r\n c\r\n"), bad)
	s.row(t, 9, "folded first line", insert(get(), " X-A: b\r\n"), bad)
	for name, line := range map[string]string{"space before colon": "X-A : b", "NUL": "X-A: b\x00c", "control": "X-A: b\x01c", "DEL": "X-A: b\x7fc",
		"bare CR": "X-A: b\rc", "no name": ": b", "no colon": "X-A", "name with bracket": "X[A: b"} {
		s.row(t, 10, name, insert(get(), line+"\r\n"), bad)
	}
	s.row(t, 11, "bare LF everywhere", bytes.ReplaceAll(get(), []byte("\r\n"), []byte("\n")), bad)
	s.row(t, 11, "one bare LF", insert(get(), "X-A: b\n"), bad)
	s.row(t, 12, "headers of 9 KiB", insert(get(), "X-A: "+strings.Repeat("x", 9<<10)+"\r\n"), is(400, "RequestHeaderSectionTooLarge").closed())
	s.row(t, 12, "endless header", append(get()[:bytes.IndexByte(get(), '\n')+1], "X-A: "+strings.Repeat("x", 64<<10)...), is(400, "RequestHeaderSectionTooLarge").closed())
	s.row(t, 13, "request line of 17 KiB", replace(get(), "/probe", "/"+strings.Repeat("x", 17<<10)), want{status: []int{414, 400}, close: true})
}

// smuggling is rows 14 and 15: a body that looks like a request is answered 403 and must
// not be executed.
func (s *suite) smuggling(t *testing.T) {
	smuggled := string(s.request("DELETE", s.path("probe"), nil).bytes())
	for _, size := range []int{0, 10 << 10, 300 << 10} {
		body := strings.Repeat("x", size) + smuggled
		wrong := s.put("framing", body).but(func(r *req) { r.signer.SecretKey = "wrong" })
		s.row(t, 14, fmt.Sprintf("length, %d bytes before", size), wrong.bytes(), is(403, "SignatureDoesNotMatch"))

		chunked := s.put("framing", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)).but(func(r *req) {
			r.signer.SecretKey, r.payload, r.length = "wrong", unsigned, "-"
		}).with("transfer-encoding", "chunked")
		s.row(t, 15, fmt.Sprintf("chunked, %d bytes before", size), chunked.bytes(), is(403, "SignatureDoesNotMatch"))
	}
}

func (s *suite) chunkedCoding(t *testing.T) {
	chunked := func(body string) []byte {
		return s.put("framing-chunked", body).but(func(r *req) { r.payload, r.length = unsigned, "-" }).
			with("transfer-encoding", "chunked").bytes()
	}
	for name, size := range map[string]string{"huge": "ffffffffffffffff", "larger": "fffffffffffffffff", "negative": "-1", "prefixed": "0x5", "empty": "",
		"plus": "+5", "leading zeros": strings.Repeat("0", 4<<10) + "5", "long extension": "5;" + strings.Repeat("x", 4<<10), "space": " 5"} {
		s.row(t, 16, name, chunked(size+"\r\nabcde\r\n0\r\n\r\n"), is(400, "IncompleteBody").closed())
	}
	s.row(t, 16, "chunk longer than its size", chunked("3\r\nabcde\r\n0\r\n\r\n"), is(400, "IncompleteBody").closed())
	s.row(t, 16, "bare LF", chunked("5\nabcde\n0\n\n"), is(400, "IncompleteBody").closed())
	s.row(t, 16, "good chunks", chunked("5;a=b\r\nabcde\r\n3\r\nfgh\r\n0\r\nX-Trailer: y\r\n\r\n"), is(200))
	t.Run("16 good chunks are the object", func(t *testing.T) {
		if a := s.must(t, s.request("GET", s.path("framing-chunked"), nil), 200); a.body != "abcdefgh" {
			t.Fatalf("the object is %q", a.body)
		}
	})
}

// interrupted is rows 17 and 18.
func (s *suite) interrupted(t *testing.T) {
	s.must(t, s.put("interrupted", "old"), 200)
	intact := func(t *testing.T) {
		t.Helper()
		if a := s.must(t, s.request("GET", s.path("interrupted"), nil), 200); a.body != "old" {
			t.Fatalf("the object is %q", a.body)
		}
	}
	for _, n := range []int{0, 5, 20000} {
		t.Run(fmt.Sprintf("17 end of input after %d bytes", n), func(t *testing.T) {
			c := s.dial(t)
			r := s.put("interrupted", strings.Repeat("n", 30000))
			raw := r.bytes()
			c.conn.Write(raw[:len(raw)-30000+n])
			c.conn.(interface{ CloseWrite() error }).CloseWrite()
			a, err := c.read("PUT")
			if err == nil {
				err = is(400, "IncompleteBody").closed().check(a)
			}
			if err == nil {
				err = c.atEnd()
			}
			if err != nil {
				t.Fatal(err)
			}
			intact(t)
		})
	}
	if s.BodyTimeout == 0 {
		return
	}
	t.Run("18 stalled body", func(t *testing.T) {
		c := s.dial(t)
		raw := s.put("interrupted", "new bytes").bytes()
		began := time.Now()
		c.conn.Write(raw[:len(raw)-3])
		a, err := c.read("PUT")
		if err == nil {
			err = is(400, "RequestTimeout").check(a)
		}
		if err == nil {
			err = s.afterwards(c, a, want{close: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d < s.BodyTimeout/2 {
			t.Fatalf("answered after %v, the deadline is %v", d, s.BodyTimeout)
		}
		intact(t)
	})
}

func (s *suite) expectations(t *testing.T) {
	expect := func(body string) *req { return s.put("expect", body).with("expect", "100-continue") }
	s.row(t, 19, "expect 200-ok", s.put("expect", "abc").with("expect", "200-ok").bytes(), is(417))
	t.Run("20 continue with a bad signature", func(t *testing.T) {
		c := s.dial(t)
		raw := expect("abc").but(func(r *req) { r.signer.SecretKey = "wrong" }).bytes()
		c.conn.Write(raw[:len(raw)-3])
		a, err := c.read("PUT") // a 100 would be an answer of its own
		if err == nil {
			err = is(403, "SignatureDoesNotMatch").check(a)
		}
		if err == nil {
			err = s.afterwards(c, a, want{close: true})
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	for _, body := range []string{"abc", ""} {
		t.Run(fmt.Sprintf("20 continue with %d bytes", len(body)), func(t *testing.T) {
			c := s.dial(t)
			raw := expect(body).bytes()
			c.conn.Write(raw[:len(raw)-len(body)])
			c.conn.SetReadDeadline(time.Now().Add(patience))
			line, err := c.r.ReadString('\n')
			if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if line, err = c.r.ReadString('\n'); err != nil || line != "\r\n" {
				t.Fatalf("%q, %v", line, err)
			}
			c.conn.Write([]byte(body))
			a, err := c.read("PUT")
			if err == nil {
				err = is(200).check(a)
			}
			if err == nil {
				err = s.afterwards(c, a, want{})
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	noLength := s.put("framing", "").but(func(r *req) { r.length = "-" })
	s.row(t, 21, "no length", noLength.bytes(), is(411, "MissingContentLength"))
	large := s.put("framing", "").but(func(r *req) { r.payload, r.length = unsigned, "5368709121" })
	s.row(t, 22, "5 GiB and one byte", large.bytes(), is(400, "EntityTooLarge").closed())
}

func (s *suite) methodsAndPipeline(t *testing.T) {
	for _, m := range []string{"FOO", "TRACE", "CONNECT", "PATCH", "get"} {
		s.row(t, 23, m, s.request(m, s.path("probe"), nil).bytes(), is(405, "MethodNotAllowed"))
	}
	s.row(t, 24, "POST without an action", s.request("POST", "/", nil).bytes(), is(405, "MethodNotAllowed"))
	t.Run("25 the third of 64 pipelined requests is malformed", func(t *testing.T) {
		c := s.dial(t)
		one := s.request("GET", s.path("probe"), nil).bytes()
		third := insert(one, "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")
		c.send(append(append(bytes.Repeat(one, 2), third...), bytes.Repeat(one, 61)...))
		for range 2 {
			a, err := c.read("GET")
			if err != nil || a.status != 200 || a.body != probeBody {
				t.Fatalf("%d %q, %v", a.status, a.body, err)
			}
		}
		a, err := c.read("GET")
		if err == nil {
			err = is(400, "BadRequest").check(a)
		}
		if err == nil {
			err = s.afterwards(c, a, want{close: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.alive(t)
	})
}

// drop takes a field out.
func drop(name string) func(head.Fields) head.Fields {
	return func(f head.Fields) (out head.Fields) {
		for _, x := range f {
			if x.Name != name {
				out = append(out, x)
			}
		}
		return out
	}
}

// add adds a field after signing.
func add(name, value string) func(head.Fields) head.Fields {
	return func(f head.Fields) head.Fields { return append(f, head.Field{Name: name, Value: value}) }
}

// change replaces text in the value of a field after signing.
func change(name, old, with string) func(head.Fields) head.Fields {
	return func(f head.Fields) head.Fields {
		for i := range f {
			if f[i].Name == name {
				f[i].Value = strings.Replace(f[i].Value, old, with, 1)
			}
		}
		return f
	}
}

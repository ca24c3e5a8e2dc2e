package head

import (
	"errors"
	"strings"
	"testing"

	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

var lim = Limits{}.WithDefaults()

func parseAll(s string) (*Head, int, error) {
	b := []byte(s)
	n, err := FindEnd(b, 0, lim)
	if err != nil || n == 0 {
		return nil, n, err
	}
	h, err := Parse(b[:n], lim)
	return h, n, err
}

func code(err error) string {
	var e *s3err.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}

func TestGoodHead(t *testing.T) {
	s := "PUT /b/k?x=1 HTTP/1.1\r\nHost: a.b:9000\r\nContent-Length: 12\r\nX-Amz-Meta-A: \t v  w \r\nx-amz-meta-a: 2\r\n" +
		"EXPECT: 100-Continue\r\nEmpty:\r\nRaw: \xc3\xa4\xff\r\n\r\n"
	h, n, err := parseAll(s + "body")
	require.NoError(t, err)
	require.Equal(t, len(s), n)
	require.Equal(t, "PUT", h.Method)
	require.Equal(t, "/b/k?x=1", h.Target)
	require.Equal(t, "a.b:9000", h.Host)
	require.EqualValues(t, 12, h.ContentLength)
	require.True(t, h.Expect100 && h.KeepAlive && h.HasBody() && !h.Chunked && !h.HTTP10)
	require.Equal(t, "v  w", h.Fields.Get("x-amz-meta-a"))
	require.Equal(t, "v  w,2", h.Fields.Joined("x-amz-meta-a"))
	require.Equal(t, 2, h.Fields.Count("x-amz-meta-a"))
	require.True(t, h.Fields.Has("empty"))
	require.Equal(t, "\xc3\xa4\xff", h.Fields.Get("raw"))

	h, _, err = parseAll("\r\nGET http://A:80?q HTTP/1.0\r\nHost: a:80\r\nConnection: Keep-Alive\r\n\r\n")
	require.NoError(t, err)
	require.Equal(t, "/?q", h.Target)
	require.True(t, h.HTTP10 && h.KeepAlive)
	require.EqualValues(t, UnknownLength, h.ContentLength)

	h, _, err = parseAll("GET / HTTP/1.1\r\nHost: [::1]:9000\r\nConnection: x, Close\r\nTransfer-Encoding: Chunked\r\n\r\n")
	require.NoError(t, err)
	require.True(t, h.Chunked && h.HasBody() && !h.KeepAlive)

	h, _, err = parseAll("PUT / HTTP/1.1\r\nHost: a\r\nExpect:\r\nContent-Length: 1\r\n\r\n")
	require.NoError(t, err, "an empty Expect expects nothing")
	require.False(t, h.Expect100)
}

func TestRefusedHeads(t *testing.T) {
	with := func(lines string) string { return "PUT /b/k HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n" }
	for _, c := range []struct{ head, want string }{
		{with("Content-Length: 3\r\nTransfer-Encoding: chunked"), "BadRequest"},
		{with("Content-Length: 3\r\nContent-Length: 3"), "BadRequest"},
		{with("Content-Length: -1"), "BadRequest"},
		{with("Content-Length: +3"), "BadRequest"},
		{with("Content-Length: 3 3"), "BadRequest"},
		{with("Content-Length: 3, 3"), "BadRequest"},
		{with("Content-Length: 0x10"), "BadRequest"},
		{with("Content-Length: 9223372036854775808"), "BadRequest"},
		{with("Content-Length:"), "BadRequest"},
		{with("Transfer-Encoding: chunked, identity"), "BadRequest"},
		{with("Transfer-Encoding: xchunked"), "BadRequest"},
		{with("Transfer-Encoding: identity"), "BadRequest"},
		{with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "BadRequest"},
		{"PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "BadRequest"},
		{"GET / HTTP/9.9\r\nHost: a\r\n\r\n", "HTTPVersionNotSupported"},
		{"GET / HTTP/0.9\r\nHost: a\r\n\r\n", "HTTPVersionNotSupported"},
		{"PRI * HTTP/2.0\r\n\r\n", "HTTPVersionNotSupported"},
		{"GET /\r\nHost: a\r\n\r\n", "BadRequest"},
		{"GET / b HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{"G{T / HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nX: a\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: h:99999\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: h:\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "BadRequest"},
		{"GET http://evil/x HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{with("A: b\r\n c"), "BadRequest"},
		{with(" A: b"), "BadRequest"},
		{with("A : b"), "BadRequest"},
		{with("A: b\x00c"), "BadRequest"},
		{with("A: b\x7f"), "BadRequest"},
		{with("A: b\rc"), "BadRequest"},
		{with(": b"), "BadRequest"},
		{with("Ab"), "BadRequest"},
		{"GET / HTTP/1.1\nHost: a\n\n", "BadRequest"},
		{"GET / HTTP/1.1\r\nHost: a\n\r\n", "BadRequest"},
		{"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "BadRequest"},
		{with("Expect: 200-ok"), "ExpectationFailed"},
		{with("A: " + strings.Repeat("x", 8<<10)), "RequestHeaderSectionTooLarge"},
		{"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 9<<10), "RequestHeaderSectionTooLarge"},
		{with(strings.Repeat("A:\r\n", 300) + "A:"), "RequestHeaderSectionTooLarge"},
		{"GET /" + strings.Repeat("x", 17<<10), "URITooLong"},
		{"GET /" + strings.Repeat("x", 16<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", "URITooLong"},
	} {
		_, _, err := parseAll(c.head)
		require.Equal(t, c.want, code(err), "%.80q", c.head)
		require.True(t, s3err.From(err).Close, "%.80q", c.head)
	}
}

func TestNeedsMore(t *testing.T) {
	s := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for i := range len(s) {
		n, err := FindEnd([]byte(s[:i]), max(0, i-1), lim)
		require.NoError(t, err)
		require.Zero(t, n, i)
	}
	n, err := FindEnd([]byte(s), len(s)-1, lim)
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

func TestHeadOwnsItsMemory(t *testing.T) {
	b := []byte("GET /abc HTTP/1.1\r\nHost: a\r\n\r\n")
	h, err := Parse(b, lim)
	require.NoError(t, err)
	clear(b)
	require.Equal(t, "/abc", h.Target)
	require.Equal(t, "a", h.Host)
}

// FuzzParse looks for panics, and for a head that is accepted although a lenient reader
// would see other lines in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("\r\nPUT http://a/x HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"))
	f.Add([]byte("PUT / HTTP/1.1\r\nHost: [::1]:1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := FindEnd(data, 0, lim)
		if err != nil || n == 0 {
			return
		}
		h, err := Parse(data[:n], lim)
		if err != nil {
			if e := s3err.From(err); !e.Close || e.Status >= 500 && e.Status != 505 {
				t.Fatalf("not a closing refusal: %v", err)
			}
			return
		}
		for _, fl := range h.Fields {
			if fl.Name == "" || strings.ToLower(fl.Name) != fl.Name || strings.ContainsAny(fl.Name+fl.Value, "\r\n\x00") {
				t.Fatalf("bad field %q", fl)
			}
		}
		if h.Chunked && (h.ContentLength != UnknownLength || h.HTTP10) {
			t.Fatal("two framings")
		}
	})
}

package route

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"catena/s3api/s3err"
)

// Limits of what a target may hold.
const (
	MaxKeyLength   = 1024 // bytes of UTF-8
	maxQueryParams = 200
)

// Parse parses a request target. Errors are *s3err.Error.
func Parse(in Input) (*Request, error) {
	if !knownMethod(in.Method) {
		return nil, s3err.New(s3err.MethodNotAllowed).With("Method", printable(in.Method))
	}
	r := &Request{Method: in.Method}
	r.RawPath, r.RawQuery, _ = strings.Cut(in.Target, "?")
	if r.RawPath == "" || r.RawPath[0] != '/' || strings.IndexByte(in.Target, '#') >= 0 {
		return nil, invalidURI(in.Target)
	}
	if err := r.parsePath(in); err != nil {
		return nil, err
	}
	var err error
	if r.Query, err = parseQuery(r.RawQuery); err != nil {
		return nil, err
	}
	if err := r.selectOperation(in); err != nil {
		return nil, err
	}
	if err := r.parseParams(); err != nil {
		return nil, err
	}
	return r, nil
}

func knownMethod(m string) bool {
	switch m {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// parsePath finds bucket and key. The path is split before it is decoded, so an
// encoded slash never ends a bucket name.
func (r *Request) parsePath(in Input) error {
	var ok bool
	if r.Path, ok = unescape(r.RawPath, false); !ok || !cleanText(r.Path) {
		return invalidURI(r.RawPath)
	}
	rest := r.RawPath[1:]
	if bucket, isVirtual := bucketOfHost(in.Host, in.Domains); isVirtual {
		r.Style, r.Bucket = VirtualHostStyle, bucket
	} else {
		if rest == "" {
			return nil
		}
		var rawBucket string
		rawBucket, rest, _ = strings.Cut(rest, "/")
		r.Bucket, _ = unescape(rawBucket, false)
		if r.Bucket == "" { // "//b/k" would be another bucket to a proxy that merges slashes
			return invalidURI(r.RawPath)
		}
	}
	if err := ValidBucketName(r.Bucket); err != nil {
		return err
	}
	r.Key, _ = unescape(rest, false)
	if len(r.Key) > MaxKeyLength {
		return s3err.New(s3err.KeyTooLongError).
			With("Size", strconv.Itoa(len(r.Key))).With("MaxSizeAllowed", strconv.Itoa(MaxKeyLength))
	}
	if escapesBucket(r.Key) {
		return invalidURI(r.RawPath)
	}
	return nil
}

// bucketOfHost takes the bucket out of a virtual-host style Host.
func bucketOfHost(host string, domains []string) (string, bool) {
	if len(domains) == 0 {
		return "", false
	}
	host = strings.ToLower(hostWithoutPort(host))
	best := ""
	for _, d := range domains { // the longest domain, should one be inside another
		if host == d {
			return "", false
		}
		if len(d) > len(best) && len(host) > len(d)+1 && host[len(host)-len(d)-1] == '.' && strings.HasSuffix(host, d) {
			best = d
		}
	}
	if best == "" {
		return "", false
	}
	return host[:len(host)-len(best)-1], true
}

func hostWithoutPort(host string) string {
	if strings.HasPrefix(host, "[") { // IPv6 is never a domain
		return host
	}
	if i := strings.IndexByte(host, ':'); i >= 0 {
		return host[:i]
	}
	return host
}

// escapesBucket reports whether ".." segments of a key lead above the bucket for a
// reader that resolves them. Empty and "." segments do not count as a level, as they do not
// for such a reader.
func escapesBucket(key string) bool {
	if !strings.Contains(key, "..") {
		return false
	}
	depth := 0
	for seg := range strings.SplitSeq(key, "/") {
		switch seg {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// cleanText reports whether s may be a key or a parameter: UTF-8 without NUL.
func cleanText(s string) bool {
	return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s)
}

// unescape decodes percent escapes once. It fails on an escape that is not two hex
// digits.
func unescape(s string, plusIsSpace bool) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && (!plusIsSpace || strings.IndexByte(s, '+') < 0) {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) {
				return "", false
			}
			hi, ok1 := unhex(s[i+1])
			lo, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			c = hi<<4 | lo
			i += 2
		case c == '+' && plusIsSpace:
			c = ' '
		}
		out = append(out, c)
	}
	return string(out), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func parseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	n := strings.Count(raw, "&") + 1
	if n > maxQueryParams {
		return nil, s3err.Newf(s3err.InvalidURI, "The query string has too many parameters.")
	}
	q := make(Query, 0, n)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		var p Param
		p.RawName, p.RawValue, p.HasValue = strings.Cut(pair, "=")
		var ok1, ok2 bool
		p.Name, ok1 = unescape(p.RawName, true)
		p.Value, ok2 = unescape(p.RawValue, true)
		if !ok1 || !ok2 || !cleanText(p.Name) || !cleanText(p.Value) {
			return nil, invalidURI("?" + pair)
		}
		q = append(q, p)
	}
	return q, nil
}

func invalidURI(what string) error {
	return s3err.New(s3err.InvalidURI).With("URI", printable(what))
}

// printable bounds what an error repeats of the client's text.
func printable(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

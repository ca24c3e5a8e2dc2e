package head

import (
	"bytes"
	"strings"

	"catena/s3api/s3err"
)

// FindEnd looks for the end of a head in buf. It gives the length of the head, 0 if more
// bytes are needed, or an error as soon as the head can't become a good one. The first from bytes
// were looked at by an earlier call. One empty line before the head is allowed
// and counts as part of it (RFC 9112 section 2.2).
func FindEnd(buf []byte, from int, lim Limits) (int, error) {
	start := leadingCRLF(buf)
	for i := max(from, start); i < len(buf); i++ {
		n := bytes.IndexByte(buf[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		if i == 0 || buf[i-1] != '\r' {
			return 0, bad("A line of the request does not end with CRLF.")
		}
		if i >= start+3 && buf[i-2] == '\n' {
			return i + 1, tooLong(buf[start:i+1], lim)
		}
		if i == start+1 && start > 0 {
			return 0, bad("The request begins with empty lines.")
		}
	}
	return 0, tooLong(buf[start:], lim)
}

func leadingCRLF(buf []byte) int {
	if len(buf) >= 2 && buf[0] == '\r' && buf[1] == '\n' {
		return 2
	}
	return 0
}

func tooLong(buf []byte, lim Limits) error {
	line := bytes.IndexByte(buf, '\n')
	if line < 0 {
		line = len(buf)
	}
	if line > lim.MaxRequestLine+1 {
		return s3err.New(s3err.URITooLong).Closing()
	}
	if len(buf)-line > lim.MaxFields {
		return s3err.New(s3err.RequestHeaderSectionTooLarge).Closing()
	}
	return nil
}

// Parse parses a whole head, as long as FindEnd said. It lower-cases field names in buf
// while it reads; the Head keeps nothing of buf. On an error the Head has
// what was understood of method and target, for the log.
func Parse(buf []byte, lim Limits) (*Head, error) {
	h := &Head{ContentLength: UnknownLength}
	buf = buf[leadingCRLF(buf):]
	eol := bytes.IndexByte(buf, '\n')
	if eol < 1 || !bytes.HasSuffix(buf, []byte("\r\n\r\n")) {
		return h, bad("The request head is not complete.")
	}
	if err := lowerNames(buf[eol+1:]); err != nil {
		return h, err
	}
	text := string(buf) // the only copy; everything below are parts of it
	if err := h.parseRequestLine(text[:eol-1]); err != nil {
		return h, err
	}
	if err := h.parseFields(text[eol+1:len(text)-2], lim.MaxFieldCount); err != nil {
		return h, err
	}
	if err := h.checkHost(); err != nil {
		return h, err
	}
	if err := h.checkFraming(); err != nil {
		return h, err
	}
	return h, h.checkConnection()
}

// lowerNames lower-cases and checks the field names.
func lowerNames(b []byte) error {
	for len(b) > 2 {
		i := 0
		for ; i < len(b) && b[i] != ':'; i++ {
			switch c := b[i]; {
			case c >= 'A' && c <= 'Z':
				b[i] = c + 'a' - 'A'
			case !isToken(c):
				if i == 0 && (c == ' ' || c == '\t') {
					return bad("Header lines must not be folded.")
				}
				return bad("A header name has a character that is not allowed.")
			}
		}
		if i == 0 {
			return bad("A header has no name.")
		}
		eol := bytes.IndexByte(b, '\n')
		if eol < i {
			return bad("A header line has no colon.")
		}
		b = b[eol+1:]
	}
	return nil
}

func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func (h *Head) parseRequestLine(line string) error {
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || method == "" || target == "" {
		return bad("The request line is malformed.")
	}
	for i := 0; i < len(method); i++ {
		if !isToken(method[i]) || len(method) > 32 {
			return bad("The request method is malformed.")
		}
	}
	for i := 0; i < len(target); i++ {
		if target[i] <= ' ' || target[i] == 0x7f {
			return bad("The request target is malformed.")
		}
	}
	h.Method, h.Target = method, target
	switch version {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.HTTP10 = true
	default:
		if strings.HasPrefix(version, "HTTP/") && len(version) <= len("HTTP/9.9") && !strings.Contains(version, " ") {
			return s3err.New(s3err.HTTPVersionNotSupported).Closing()
		}
		return bad("The request line is malformed.")
	}
	return nil
}

func (h *Head) parseFields(text string, most int) error {
	n := strings.Count(text, "\n")
	if n > most {
		return s3err.Newf(s3err.RequestHeaderSectionTooLarge, "Your request has too many headers.").Closing()
	}
	h.Fields = make(Fields, 0, n)
	for text != "" {
		line, rest, _ := strings.Cut(text, "\r\n")
		text = rest
		name, value, _ := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		for i := 0; i < len(value); i++ {
			if c := value[i]; (c < ' ' && c != '\t') || c == 0x7f {
				return bad("A header value has a control character.")
			}
		}
		h.Fields = append(h.Fields, Field{name, value})
	}
	return nil
}

package head

import (
	"strconv"
	"strings"

	"catena/s3api/s3err"
)

// checkHost wants exactly one valid Host, and takes the authority off an absolute-form
// target after comparing them.
func (h *Head) checkHost() error {
	if n := h.Fields.Count("host"); n != 1 {
		return bad("A request must have exactly one Host header.")
	}
	h.Host = h.Fields.Get("host")
	if !ValidHost(h.Host) {
		return bad("The Host header is malformed.")
	}
	scheme, rest, ok := strings.Cut(h.Target, "://")
	if !ok || h.Target[0] == '/' || (!strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https")) {
		return nil
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if !strings.EqualFold(rest[:end], h.Host) {
		return bad("The request target names another host than the Host header.")
	}
	if h.Target = rest[end:]; h.Target == "" || h.Target[0] != '/' {
		h.Target = "/" + h.Target
	}
	return nil
}

// ValidHost reports whether host may be a Host header. It accepts a DNS name (with '_', which is in use), an IPv4 or bracketed IPv6
// address, and a port.
func ValidHost(host string) bool {
	name, port := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 3 || strings.Trim(host[1:end], "0123456789abcdefABCDEF:.") != "" {
			return false
		}
		if name, port = host[:end+1], host[end+1:]; port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		name, port, _ = strings.Cut(host, ":")
		for i := 0; i < len(name); i++ {
			c := name[i] | 0x20
			if (c < 'a' || c > 'z') && (name[i] < '0' || name[i] > '9') && strings.IndexByte("-._", name[i]) < 0 {
				return false
			}
		}
	}
	if name == "" || len(name) > 255 {
		return false
	}
	if len(port) == 0 {
		return !strings.HasSuffix(host, ":")
	}
	n, ok := digits(port)
	return ok && n <= 65535
}

// checkFraming finds where the body ends, and refuses everything about which two
// readers could differ (RFC 9112 section 6.3).
func (h *Head) checkFraming() error {
	lengths, codings := h.Fields.Count("content-length"), h.Fields.Count("transfer-encoding")
	switch {
	case lengths > 1:
		return bad("A request must not have two Content-Length headers.")
	case codings > 1:
		return bad("A request must not have two Transfer-Encoding headers.")
	case lengths == 1 && codings == 1:
		return bad("A request must not have both Content-Length and Transfer-Encoding.")
	case codings == 1:
		if h.HTTP10 {
			return bad("Transfer-Encoding is not allowed in HTTP/1.0.")
		}
		if !strings.EqualFold(h.Fields.Get("transfer-encoding"), "chunked") {
			return bad("The only Transfer-Encoding that is supported is chunked.")
		}
		h.Chunked = true
	case lengths == 1:
		n, ok := digits(h.Fields.Get("content-length"))
		if !ok {
			return bad("The Content-Length header is not a number.")
		}
		h.ContentLength = n
	}
	return nil
}

func digits(s string) (int64, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func (h *Head) checkConnection() error {
	h.KeepAlive = h.connectionHas("keep-alive") || !h.HTTP10
	if h.connectionHas("close") {
		h.KeepAlive = false
	}
	return h.checkExpect()
}

func (h *Head) connectionHas(token string) bool {
	for _, f := range h.Fields {
		if f.Name != "connection" {
			continue
		}
		for t := range strings.SplitSeq(f.Value, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

func (h *Head) checkExpect() error {
	for _, f := range h.Fields {
		if f.Name != "expect" || f.Value == "" { // an empty list expects nothing
			continue
		}
		if !strings.EqualFold(f.Value, "100-continue") {
			return s3err.New(s3err.ExpectationFailed).Closing()
		}
		h.Expect100 = !h.HTTP10
	}
	return nil
}

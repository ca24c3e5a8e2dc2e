package s3xml

import (
	"strconv"
	"time"
	"unicode/utf8"

	"catena/s3api/checksum"
	"catena/s3api/s3err"
)

const (
	declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	timeLayout  = "2006-01-02T15:04:05.000Z"
)

// doc is a document under construction. Names are constants of this package; every
// text goes through appendText.
type doc struct{ b []byte }

func begin(dst []byte, root string) doc {
	d := doc{append(dst, declaration...)}
	d.b = append(d.b, '<')
	d.b = append(d.b, root...)
	d.b = append(d.b, ` xmlns="`+Namespace+`">`...)
	return d
}

func (d *doc) open(name string) {
	d.b = append(d.b, '<')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *doc) close(name string) {
	d.b = append(d.b, '<', '/')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *doc) text(name, value string) {
	d.open(name)
	d.b = appendText(d.b, value)
	d.close(name)
}

// opt leaves an empty value out.
func (d *doc) opt(name, value string) {
	if value != "" {
		d.text(name, value)
	}
}

// key writes a key, prefix, marker or delimiter, percent-encoded if url.
func (d *doc) key(name, value string, url bool) {
	d.open(name)
	if url {
		d.b = appendURL(d.b, value)
	} else {
		d.b = appendText(d.b, value)
	}
	d.close(name)
}

func (d *doc) optKey(name, value string, url bool) {
	if value != "" {
		d.key(name, value, url)
	}
}

func (d *doc) num(name string, n int64) {
	d.open(name)
	d.b = strconv.AppendInt(d.b, n, 10)
	d.close(name)
}

func (d *doc) flag(name string, v bool) {
	d.open(name)
	d.b = strconv.AppendBool(d.b, v)
	d.close(name)
}

func (d *doc) time(name string, t time.Time) {
	d.open(name)
	d.b = t.UTC().AppendFormat(d.b, timeLayout)
	d.close(name)
}

// etag writes an ETag with its quotes.
func (d *doc) etag(value string) {
	d.open("ETag")
	d.b = append(d.b, "&quot;"...)
	d.b = appendText(d.b, value)
	d.b = append(d.b, "&quot;"...)
	d.close("ETag")
}

func (d *doc) owner(name string, o Owner) {
	d.open(name)
	d.text("ID", o.ID)
	d.text("DisplayName", o.DisplayName)
	d.close(name)
}

func (d *doc) storageClass(c string) {
	if c == "" {
		c = "STANDARD"
	}
	d.text("StorageClass", c)
}

// checksum writes a checksum as ChecksumCRC32 and so on.
func (d *doc) checksum(v checksum.Value, text string) {
	if !v.IsZero() {
		d.text("Checksum"+v.Algorithm.String(), text)
	}
}

func (d *doc) encoding(url bool) {
	if url {
		d.text("EncodingType", "url")
	}
}

func (d *doc) prefixes(all []string, url bool) {
	for _, p := range all {
		d.open("CommonPrefixes")
		d.key("Prefix", p, url)
		d.close("CommonPrefixes")
	}
}

func (d *doc) end(root string) []byte {
	d.close(root)
	return d.b
}

// appendText escapes character data. Characters that XML 1.0 cannot hold become U+FFFD,
// see doc.go.
func appendText(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		esc := ""
		switch {
		case c == '&':
			esc = "&amp;"
		case c == '<':
			esc = "&lt;"
		case c == '>':
			esc = "&gt;"
		case c == '"':
			esc = "&quot;"
		case c == '\'':
			esc = "&#39;"
		case c == '\t':
			esc = "&#9;"
		case c == '\n':
			esc = "&#10;"
		case c == '\r':
			esc = "&#13;"
		case c < ' ':
			esc = "\uFFFD"
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); (r == utf8.RuneError && size == 1) || r == 0xFFFE || r == 0xFFFF {
				esc = "\uFFFD"
			}
		}
		if esc != "" {
			dst = append(dst, s[from:i]...)
			dst = append(dst, esc...)
			from = i + size
		}
		i += size
	}
	return append(dst, s[from:]...)
}

// appendURL percent-encodes as Amazon does for encoding-type=url: unreserved characters,
// '*' and '/' stay, a space is %20.
func appendURL(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '*', c == '/':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// AppendError appends the Error document of e. resource is the decoded path of the
// request.
func AppendError(dst []byte, e *s3err.Error, resource, requestID string) []byte {
	d := doc{append(dst, declaration...)}
	d.open("Error")
	d.text("Code", string(e.Code))
	d.text("Message", e.Message)
	for _, f := range e.Extra {
		d.text(f.Name, f.Value)
	}
	d.text("Resource", resource)
	d.text("RequestId", requestID)
	d.text("HostId", requestID)
	return d.end("Error")
}

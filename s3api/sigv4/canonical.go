package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"catena/s3api/edge/head"
	"catena/s3api/route"
)

const (
	algorithm   = "AWS4-HMAC-SHA256"
	terminal    = "aws4_request"
	service     = "s3"
	dateLayout  = "20060102T150405Z"
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// form is how path and query go into a canonical request. Amazon decodes and encodes
// again, which is what SDKs sign; a client that signs just what it sends is accepted
// as well. Both forms name exactly the one decoded resource.
type form uint8

const (
	encodedForm form = iota
	rawForm
)

const upperHex = "0123456789ABCDEF"

// appendEncoded appends s with everything but RFC 3986's unreserved characters encoded.
func appendEncoded(dst []byte, s string, keepSlash bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// appendQuery appends the canonical query: encoded, sorted by name and then value,
// repeated parameters kept, the signature of a presigned request left out.
func appendQuery(dst []byte, q route.Query, f form, presigned bool) []byte {
	type pair struct{ name, value string }
	pairs := make([]pair, 0, len(q))
	for i := range q {
		if presigned && q[i].Name == "X-Amz-Signature" {
			continue
		}
		p := pair{q[i].RawName, q[i].RawValue}
		if f == encodedForm {
			p.name = string(appendEncoded(nil, q[i].Name, false))
			p.value = string(appendEncoded(nil, q[i].Value, false))
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// appendValue appends a header value with the space around it taken off and runs of white
// space inside it made one space.
func appendValue(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	space := false
	for i := 0; i < len(v); i++ {
		if v[i] == ' ' || v[i] == '\t' {
			space = true
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, v[i])
	}
	return dst
}

// appendHeaders appends the canonical headers, and reports whether all that were
// signed are there.
func appendHeaders(dst []byte, signed []string, fields head.Fields, host string) ([]byte, bool) {
	for _, name := range signed {
		dst = append(dst, name...)
		dst = append(dst, ':')
		found := 0
		if name == "host" {
			dst, found = append(dst, host...), 1
		} else {
			for i := range fields {
				if fields[i].Name != name {
					continue
				}
				if found > 0 {
					dst = append(dst, ',')
				}
				dst = appendValue(dst, fields[i].Value)
				found++
			}
		}
		if found == 0 {
			// nginx answers Expect itself and does not pass it on.
			if name != "expect" {
				return dst, false
			}
			dst = append(dst, "100-continue"...)
		}
		dst = append(dst, '\n')
	}
	return dst, true
}

// signedParts are what a client says about its signature.
type signedParts struct {
	accessKey   string
	date        string // of the scope, YYYYMMDD
	region      string
	service     string
	timestamp   string // YYYYMMDDTHHMMSSZ, as the string to sign has it
	headers     []string
	signature   string
	payloadHash string
	presigned   bool
}

func (p *signedParts) scope() string {
	return p.date + "/" + p.region + "/" + p.service + "/" + terminal
}

// canonicalRequest builds the canonical request; ok is false if a signed header is absent.
func (p *signedParts) canonicalRequest(r *Request, f form) (canonical []byte, ok bool) {
	dst := make([]byte, 0, 1024)
	dst = append(dst, r.Route.Method...)
	dst = append(dst, '\n')
	if f == rawForm {
		dst = append(dst, r.Route.RawPath...)
	} else {
		dst = appendEncoded(dst, r.Route.Path, true)
	}
	dst = append(dst, '\n')
	dst = appendQuery(dst, r.Route.Query, f, p.presigned)
	dst = append(dst, '\n')
	if dst, ok = appendHeaders(dst, p.headers, r.Headers, r.Host); !ok {
		return dst, false
	}
	dst = append(dst, '\n')
	dst = append(dst, strings.Join(p.headers, ";")...)
	dst = append(dst, '\n')
	return append(dst, p.payloadHash...), true
}

func (p *signedParts) stringToSign(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return algorithm + "\n" + p.timestamp + "\n" + p.scope() + "\n" + hex.EncodeToString(sum[:])
}

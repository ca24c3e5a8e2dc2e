package s3api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"catena/s3api/edge"
	"catena/s3api/s3err"
)

// The kinds of listing that a token may continue.
const (
	tokenBuckets byte = 1
	tokenObjects byte = 2
)

const (
	tokenVersion = 1
	tokenTagLen  = 16
)

// sealToken makes the token of a place in a listing: version, kind, the
// place, and a tag over them and the bucket, in base64url.
func (a *API) sealToken(kind byte, bucket, place string) string {
	b := append([]byte{tokenVersion, kind}, place...)
	b = append(b, a.tokenTag(b, bucket)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (a *API) tokenTag(content []byte, bucket string) []byte {
	key := a.cfg.TokenKey
	if len(key) == 0 {
		key = []byte("catena continuation token")
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(bucket))
	h.Write([]byte{0}) // no bucket's name holds one
	h.Write(content)
	return h.Sum(nil)[:tokenTagLen]
}

var errToken = errors.New("not a token of this listing")

func (a *API) readToken(kind byte, bucket, token string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < 2+tokenTagLen || b[0] != tokenVersion || b[1] != kind {
		return "", errToken
	}
	content, tag := b[:len(b)-tokenTagLen], b[len(b)-tokenTagLen:]
	if !hmac.Equal(tag, a.tokenTag(content, bucket)) {
		return "", errToken
	}
	return string(content[2:]), nil
}

// openToken reads a token parameter; "" if there is none. An empty one is no token,
// as Amazon says too.
func (a *API) openToken(req *edge.Request, kind byte, param, bucket string) (string, error) {
	token, ok := req.Query.Lookup(param)
	if !ok {
		return "", nil
	}
	place, err := a.readToken(kind, bucket, token)
	if err != nil {
		return "", s3err.InvalidArg(param, token, "The continuation token provided is incorrect")
	}
	return place, nil
}

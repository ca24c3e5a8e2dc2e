package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"
)

type signingKey [32]byte

func hmacSHA256(key []byte, data string) (out signingKey) {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	m.Sum(out[:0])
	return out
}

func deriveKey(secret, date, region, service string) signingKey {
	k := hmacSHA256([]byte("AWS4"+secret), date)
	k = hmacSHA256(k[:], region)
	k = hmacSHA256(k[:], service)
	return hmacSHA256(k[:], terminal)
}

// cacheKey has the secret in it, so a key derived from a replaced secret is never found.
type cacheKey struct{ accessKey, secret, date, region string }

// keyCache keeps derived keys. Only keys that verified a signature are put in, so strangers
// can't push others out. Two halves take turns: when the young one is full the old one
// is dropped, so the size is bounded and what is in use stays.
type keyCache struct {
	mu    sync.Mutex
	half  int
	young map[cacheKey]signingKey
	old   map[cacheKey]signingKey
}

func newKeyCache(size int) *keyCache {
	return &keyCache{half: max(1, size/2), young: map[cacheKey]signingKey{}}
}

func (c *keyCache) get(k cacheKey) (signingKey, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.add(k, v)
	}
	return v, ok
}

func (c *keyCache) put(k cacheKey, v signingKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, v)
}

func (c *keyCache) add(k cacheKey, v signingKey) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[cacheKey]signingKey, c.half)
	}
	c.young[k] = v
}

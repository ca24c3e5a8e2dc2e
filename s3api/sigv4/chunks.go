package sigv4

import (
	"crypto/hmac"
	"encoding/hex"
)

// ChunkVerifier checks the chain of chunk signatures of one body. Every signature covers
// the one before it, beginning with the seed, so chunks can't be left out,
// repeated or moved. It belongs to one goroutine.
type ChunkVerifier struct {
	key       signingKey
	timestamp string
	scope     string
	previous  string // 64 hex digits
}

// Chunk checks the signature (hex) of the next chunk, whose SHA-256 is sum.
func (c *ChunkVerifier) Chunk(sum [32]byte, signature string) bool {
	return c.next(c.chunkSignature(sum), signature)
}

// Trailer checks the signature (hex) of the trailer; sum is the SHA-256 of the canonical
// trailer, which is "name:value\n" for each line.
func (c *ChunkVerifier) Trailer(sum [32]byte, signature string) bool {
	return c.next(c.trailerSignature(sum), signature)
}

func (c *ChunkVerifier) chunkSignature(sum [32]byte) signingKey {
	return hmacSHA256(c.key[:], algorithm+"-PAYLOAD\n"+c.timestamp+"\n"+c.scope+"\n"+c.previous+"\n"+
		emptySHA256+"\n"+hex.EncodeToString(sum[:]))
}

func (c *ChunkVerifier) trailerSignature(sum [32]byte) signingKey {
	return hmacSHA256(c.key[:], algorithm+"-TRAILER\n"+c.timestamp+"\n"+c.scope+"\n"+c.previous+"\n"+
		hex.EncodeToString(sum[:]))
}

func (c *ChunkVerifier) next(want signingKey, signature string) bool {
	if len(signature) != 64 {
		return false
	}
	var given [32]byte
	if _, err := hex.Decode(given[:], []byte(signature)); err != nil {
		return false
	}
	c.previous = hex.EncodeToString(want[:])
	return hmac.Equal(want[:], given[:])
}

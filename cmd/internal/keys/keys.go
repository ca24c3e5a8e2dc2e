package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"maps"

	"catena/cmd/internal/dirfile"
)

// FileName is the keys file of a DIR.
const FileName = "keys"

// Bounds of keys, in characters. The lower ones are those of other S3 servers,
// so that keys can be carried over.
const (
	MinAccess, MaxAccess = 3, 128
	MinSecret, MaxSecret = 8, 128
)

func fileKind() dirfile.Kind { return dirfile.Kind{Name: "keys", Version: 1} }

// Pair is an access key with its secret key.
type Pair struct{ Access, Secret string }

// IsZero reports whether there is no pair.
func (p Pair) IsZero() bool { return p == Pair{} }

// String leaves the secret out.
func (p Pair) String() string { return p.Access + ":(secret)" }

// GoString leaves the secret out.
func (p Pair) GoString() string { return p.String() }

// LogValue leaves the secret out.
func (p Pair) LogValue() slog.Value { return slog.StringValue(p.Access) }

// Validate reports everything that is wrong with a pair, without the secret.
func (p Pair) Validate() error {
	return errors.Join(ValidateAccess(p.Access), ValidateSecret(p.Secret))
}

// ValidateAccess checks an access key: it travels in headers and queries, so it
// has letters, digits and a few marks that need no escaping.
func ValidateAccess(s string) error {
	if len(s) < MinAccess || len(s) > MaxAccess {
		return fmt.Errorf("the access key has %d characters, want %d to %d", len(s), MinAccess, MaxAccess)
	}
	for i := range len(s) {
		c := s[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
		if !ok {
			return fmt.Errorf("the access key may hold letters, digits, '-', '_' and '.', not %q", c)
		}
	}
	return nil
}

// ValidateSecret checks a secret key: printable ASCII without blanks.
func ValidateSecret(s string) error {
	if len(s) < MinSecret || len(s) > MaxSecret {
		return fmt.Errorf("the secret key has %d characters, want %d to %d", len(s), MinSecret, MaxSecret)
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return fmt.Errorf("character %d of the secret key is not printable ASCII, or is a blank", i+1)
		}
	}
	return nil
}

// Keys is the content of a keys file.
type Keys struct {
	Pair
	// Counter rises by one with each change; never 0 on disk.
	Counter uint64
	// NodeSecret is made once and never leaves the node; other secrets (of
	// list tokens, for one) are derived from it.
	NodeSecret [32]byte
	// more are fields of a later release, kept over a rewrite.
	more map[string]json.RawMessage
}

// same reports whether both hold the same, whatever the counter.
func (k Keys) same(o Keys) bool { return k.Pair == o.Pair && k.NodeSecret == o.NodeSecret }

// newNodeSecret draws one.
func newNodeSecret() (s [32]byte) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// NewPair draws a pair in the shape that clients know: 20 characters that begin
// with CA, and 40.
func NewPair() Pair {
	return Pair{Access: "CA" + draw(18, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), Secret: draw(40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")}
}

// draw gives n characters of an alphabet whose size divides 256.
func draw(n int, alphabet string) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

type fields struct {
	Counter    uint64 `json:"counter"`
	Access     string `json:"access_key"`
	Secret     string `json:"secret_key"`
	NodeSecret string `json:"node_secret"`
}

func (k Keys) marshal() ([]byte, error) {
	known, err := json.Marshal(fields{k.Counter, k.Access, k.Secret, hex.EncodeToString(k.NodeSecret[:])})
	if err != nil {
		return nil, err
	}
	all := maps.Clone(k.more)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	if err := json.Unmarshal(known, &all); err != nil {
		return nil, err
	}
	b, err := json.Marshal(all)
	return append(b, '\n'), err
}

// unmarshal never quotes the body in an error: it is secret.
func unmarshal(body []byte) (Keys, error) {
	var f fields
	var more map[string]json.RawMessage
	if json.Unmarshal(body, &f) != nil || json.Unmarshal(body, &more) != nil {
		return Keys{}, fmt.Errorf("%w: not the JSON of a keys file", dirfile.ErrDamaged)
	}
	k := Keys{Pair: Pair{f.Access, f.Secret}, Counter: f.Counter, more: more}
	n, err := hex.Decode(k.NodeSecret[:], bytes.TrimSpace([]byte(clip(f.NodeSecret, 64))))
	if err != nil || n != len(k.NodeSecret) || len(f.NodeSecret) != 64 {
		return Keys{}, fmt.Errorf("%w: the node secret is malformed", dirfile.ErrDamaged)
	}
	if k.Counter == 0 {
		return Keys{}, fmt.Errorf("%w: counter 0", dirfile.ErrDamaged)
	}
	if err := k.Validate(); err != nil {
		return Keys{}, fmt.Errorf("%w: %v", dirfile.ErrDamaged, err)
	}
	for _, name := range []string{"counter", "access_key", "secret_key", "node_secret"} {
		delete(k.more, name)
	}
	return k, nil
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// rank breaks ties of counters, so that every start picks the same.
func (k Keys) rank() uint32 {
	b, _ := k.marshal() // keys that were read can be written
	return crc32.ChecksumIEEE(b)
}

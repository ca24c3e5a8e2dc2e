package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"
)

// Signer signs requests as a client does, for tests and tools. Zero fields have what
// an S3 client uses; others make requests that must be refused.
type Signer struct {
	AccessKey, SecretKey string
	Region               string    // default us-east-1
	Service              string    // default s3
	Terminal             string    // default aws4_request
	ScopeDate            string    // default the day of Time
	Time                 time.Time // default the request's x-amz-date is used
	// SignedHeaders overrides the choice of host, content-type and x-amz-*.
	SignedHeaders []string
}

// Unsigned is a request to be signed.
type Unsigned struct {
	Method, Target, Host string
	Fields               head.Fields // lower-case names
}

func (s Signer) withDefaults() Signer {
	for p, d := range map[*string]string{&s.Region: "us-east-1", &s.Service: service, &s.Terminal: terminal} {
		if *p == "" {
			*p = d
		}
	}
	if s.ScopeDate == "" {
		s.ScopeDate = s.Time.UTC().Format("20060102")
	}
	return s
}

func (s Signer) scope() string {
	return s.ScopeDate + "/" + s.Region + "/" + s.Service + "/" + s.Terminal
}

// Header returns the fields of the request with x-amz-date, x-amz-content-sha256 (payload)
// and authorization added, and the signer of a streaming body's chunks.
func (s Signer) Header(r Unsigned, payload string) (head.Fields, *ChunkSigner) {
	s = s.withDefaults()
	ts := s.Time.UTC().Format(dateLayout)
	fields := slices.Clone(r.Fields)
	if !fields.Has("x-amz-date") && !fields.Has("date") {
		fields = append(fields, head.Field{Name: "x-amz-date", Value: ts})
	}
	if payload != "" && !fields.Has("x-amz-content-sha256") {
		fields = append(fields, head.Field{Name: "x-amz-content-sha256", Value: payload})
	}
	signed := s.choose(fields)
	sig := s.sign(r.Method, r.Target, r.Host, fields, signed, ts, payload, false)
	auth := algorithm + " Credential=" + s.AccessKey + "/" + s.scope() +
		", SignedHeaders=" + strings.Join(signed, ";") + ", Signature=" + sig
	fields = append(fields, head.Field{Name: "authorization", Value: auth})
	chunks := &ChunkSigner{v: ChunkVerifier{
		key: deriveKey(s.SecretKey, s.ScopeDate, s.Region, s.Service), timestamp: ts, scope: s.scope(), previous: sig,
	}}
	return fields, chunks
}

// Presign returns the target with the query of a presigned request.
func (s Signer) Presign(r Unsigned, expires time.Duration) string {
	s = s.withDefaults()
	ts := s.Time.UTC().Format(dateLayout)
	signed := s.choose(r.Fields)
	target := r.Target + "?"
	if strings.Contains(r.Target, "?") {
		target = r.Target + "&"
	}
	enc := func(v string) string { return string(appendEncoded(nil, v, false)) }
	target += "X-Amz-Algorithm=" + algorithm + "&X-Amz-Credential=" + enc(s.AccessKey+"/"+s.scope()) +
		"&X-Amz-Date=" + ts + "&X-Amz-Expires=" + strconv.Itoa(int(expires/time.Second)) +
		"&X-Amz-SignedHeaders=" + enc(strings.Join(signed, ";"))
	payload := "UNSIGNED-PAYLOAD"
	if v, ok := r.Fields.Lookup("x-amz-content-sha256"); ok {
		payload = v
	}
	return target + "&X-Amz-Signature=" + s.sign(r.Method, target, r.Host, r.Fields, signed, ts, payload, true)
}

func (s Signer) choose(fields head.Fields) []string {
	if s.SignedHeaders != nil {
		return s.SignedHeaders
	}
	signed := []string{"host"}
	for _, f := range fields {
		if strings.HasPrefix(f.Name, "x-amz-") || f.Name == "content-type" || f.Name == "content-md5" || f.Name == "date" || f.Name == "range" {
			signed = append(signed, f.Name)
		}
	}
	slices.Sort(signed)
	return slices.Compact(signed)
}

func (s Signer) sign(method, target, host string, fields head.Fields, signed []string, ts, payload string, presigned bool) string {
	path, rawQuery, _ := strings.Cut(target, "?")
	// Written out here and not shared with the verifier: query and path are signed
	// raw, so a test request must be encoded as an SDK encodes it.
	pairs := strings.Split(rawQuery, "&")
	var q route.Query
	for _, p := range pairs {
		if p != "" {
			name, value, _ := strings.Cut(p, "=")
			q = append(q, route.Param{RawName: name, RawValue: value, Name: name})
		}
	}
	canonical := []byte(method + "\n" + path + "\n")
	canonical = appendQuery(canonical, q, rawForm, presigned)
	canonical = append(canonical, '\n')
	canonical, _ = appendHeaders(canonical, signed, fields, host)
	canonical = append(canonical, "\n"+strings.Join(signed, ";")+"\n"+payload...)
	sum := sha256.Sum256(canonical)
	key := deriveKey(s.SecretKey, s.ScopeDate, s.Region, s.Service)
	mac := hmacSHA256(key[:], algorithm+"\n"+ts+"\n"+s.scope()+"\n"+hex.EncodeToString(sum[:]))
	return hex.EncodeToString(mac[:])
}

// ChunkSigner makes the signatures of a streaming body's chunks.
type ChunkSigner struct{ v ChunkVerifier }

// Chunk signs the next chunk, the empty last one too.
func (c *ChunkSigner) Chunk(data []byte) string {
	mac := c.v.chunkSignature(sha256.Sum256(data))
	c.v.previous = hex.EncodeToString(mac[:])
	return c.v.previous
}

// Trailer signs the canonical trailer ("name:value\n" for each line).
func (c *ChunkSigner) Trailer(canonical string) string {
	mac := c.v.trailerSignature(sha256.Sum256([]byte(canonical)))
	return hex.EncodeToString(mac[:])
}

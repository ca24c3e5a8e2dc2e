package sigv4

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"catena/s3api/edge/head"
	"catena/s3api/route"

	"github.com/stretchr/testify/require"
)

const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

type store map[string]string

func (s store) Lookup(k string) (Credential, bool) {
	secret, ok := s[k]
	return Credential{SecretKey: secret, Principal: Principal{ID: "id-" + k}}, ok
}

func verifierAt(t *testing.T, now time.Time) *Verifier {
	t.Helper()
	v, err := New(Config{Store: store{exampleKey: exampleSecret}, Now: func() time.Time { return now }})
	require.NoError(t, err)
	return v
}

func request(t *testing.T, method, host, target string, fields head.Fields) *Request {
	t.Helper()
	r, err := route.Parse(route.Input{Method: method, Target: target, Host: host, Domains: []string{"s3.amazonaws.com"}})
	require.NoError(t, err)
	return &Request{Route: r, Headers: fields, Host: host, ContentLength: -1}
}

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

// TestDocumentedExamples are the examples of "Signature Calculations for the Authorization
// Header" and "Authenticating Requests: Using Query Parameters" in the S3 API reference.
func TestDocumentedExamples(t *testing.T) {
	v := verifierAt(t, exampleTime.Add(time.Minute))
	const cred = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
	const host = "examplebucket.s3.amazonaws.com"
	for _, c := range []struct {
		name, method, target string
		fields               head.Fields
	}{
		{"get object", "GET", "/test.txt", head.Fields{
			{Name: "range", Value: "bytes=0-9"}, {Name: "x-amz-content-sha256", Value: emptySHA256}, {Name: "x-amz-date", Value: "20130524T000000Z"},
			{Name: "authorization", Value: cred + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}}},
		{"put object", "PUT", "/test$file.text", head.Fields{
			{Name: "date", Value: "Fri, 24 May 2013 00:00:00 GMT"}, {Name: "x-amz-date", Value: "20130524T000000Z"}, {Name: "x-amz-storage-class", Value: "REDUCED_REDUNDANCY"},
			{Name: "x-amz-content-sha256", Value: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
			{Name: "authorization", Value: cred + "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"}}},
		{"get lifecycle", "GET", "/?lifecycle", head.Fields{
			{Name: "x-amz-date", Value: "20130524T000000Z"}, {Name: "x-amz-content-sha256", Value: emptySHA256},
			{Name: "authorization", Value: cred + "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"}}},
		{"list objects", "GET", "/?max-keys=2&prefix=J", head.Fields{
			{Name: "x-amz-date", Value: "20130524T000000Z"}, {Name: "x-amz-content-sha256", Value: emptySHA256},
			{Name: "authorization", Value: cred + "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}}},
		{"presigned", "GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := v.Verify(request(t, c.method, host, c.target, c.fields))
			require.NoError(t, err)
			require.Equal(t, exampleKey, res.Principal.AccessKey)
			require.Equal(t, "id-"+exampleKey, res.Principal.ID)
		})
	}
}

// TestDocumentedStreaming are the examples of "Signature Calculations: Transferring Payload
// in Multiple Chunks" and of the same with trailing headers.
func TestDocumentedStreaming(t *testing.T) {
	chunk1 := sha256.Sum256(bytes.Repeat([]byte("a"), 65536))
	chunk2 := sha256.Sum256(bytes.Repeat([]byte("a"), 1024))
	empty := sha256.Sum256(nil)
	const cred = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
	base := head.Fields{
		{Name: "x-amz-date", Value: "20130524T000000Z"}, {Name: "x-amz-storage-class", Value: "REDUCED_REDUNDANCY"},
		{Name: "content-encoding", Value: "aws-chunked"}, {Name: "x-amz-decoded-content-length", Value: "66560"},
	}
	v := verifierAt(t, exampleTime)

	res, err := v.Verify(request(t, "PUT", "s3.amazonaws.com", "/examplebucket/chunkObject.txt", append(base[:4:4],
		head.Field{Name: "content-length", Value: "66824"},
		head.Field{Name: "x-amz-content-sha256", Value: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
		head.Field{Name: "authorization", Value: cred + "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"})))
	require.NoError(t, err)
	require.Equal(t, PayloadStreaming, res.Payload.Kind)
	require.True(t, res.Chunks.Chunk(chunk1, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"))
	require.True(t, res.Chunks.Chunk(chunk2, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"))
	require.True(t, res.Chunks.Chunk(empty, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"))

	res, err = v.Verify(request(t, "PUT", "s3.amazonaws.com", "/examplebucket/chunkObject.txt", append(base[:4:4],
		head.Field{Name: "x-amz-content-sha256", Value: "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"},
		head.Field{Name: "x-amz-trailer", Value: "x-amz-checksum-crc32c"},
		head.Field{Name: "authorization", Value: cred + "SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"})))
	require.NoError(t, err)
	require.Equal(t, PayloadStreamingTrailer, res.Payload.Kind)
	require.True(t, res.Chunks.Chunk(chunk1, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"))
	require.True(t, res.Chunks.Chunk(chunk2, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"))
	require.True(t, res.Chunks.Chunk(empty, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"))
	trailer := sha256.Sum256([]byte("x-amz-checksum-crc32c:sOO8/Q==\n"))
	require.True(t, res.Chunks.Trailer(trailer, "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"))
}

func TestChunkChainRefuses(t *testing.T) {
	s := Signer{AccessKey: exampleKey, SecretKey: exampleSecret, Time: exampleTime}
	_, chunks := s.Header(Unsigned{Method: "PUT", Target: "/bkt/k", Host: "h"}, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	fresh := func() *ChunkVerifier { v := chunks.v; return &v }
	v := fresh()
	signer := ChunkSigner{v: chunks.v}
	a, b := signer.Chunk([]byte("a")), signer.Chunk([]byte("b"))
	sumA, sumB := sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
	require.True(t, v.Chunk(sumA, a))
	require.True(t, v.Chunk(sumB, b))
	require.False(t, fresh().Chunk(sumB, b), "out of order")
	require.False(t, fresh().Chunk(sumB, a), "other bytes")
	for _, bad := range []string{"", a[:63], a + "0", "zz" + a[2:]} {
		require.False(t, fresh().Chunk(sumA, bad), bad)
	}
}

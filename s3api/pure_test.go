package s3api

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"catena/s3api/edge"
	"catena/s3api/edge/head"
	"catena/s3api/objects"
	"catena/s3api/route"
	"catena/s3api/s3err"
	"catena/s3api/sigv4"
)

// request makes a request with headers, for functions that look at nothing else.
func request(pairs ...string) *edge.Request {
	req := &edge.Request{Request: &route.Request{Bucket: "b", Key: "k"}, Principal: sigv4.Principal{ID: "me", AccessKey: "AK"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		req.Header = append(req.Header, head.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return req
}

func TestRangeSpan(t *testing.T) {
	for _, tc := range []struct {
		header  string
		size    int64
		off, n  int64
		partial bool
		code    s3err.Code
	}{
		{"bytes=0-0", 10, 0, 1, true, ""},
		{"bytes=9-", 10, 9, 1, true, ""},
		{"bytes=-3", 10, 7, 3, true, ""},
		{"bytes=-30", 10, 0, 10, true, ""},
		{"BYTES=1-2", 10, 1, 2, true, ""},
		{"bytes=5-99999999999999999999999", 10, 5, 5, true, ""},
		{"bytes=10-", 10, 0, 0, false, s3err.InvalidRange},
		{"bytes=10-20", 10, 0, 0, false, s3err.InvalidRange},
		{"bytes=99999999999999999999999-", 10, 0, 0, false, s3err.InvalidRange},
		{"bytes=-0", 10, 0, 0, false, s3err.InvalidRange},
		{"bytes=0-", 0, 0, 0, false, s3err.InvalidRange},
		{"bytes=-1", 0, 0, 0, false, s3err.InvalidRange},
		{"bytes=5-2", 10, 0, 10, false, ""},
		{"bytes=99-20", 10, 0, 10, false, ""},
		{"bytes=+1-2", 10, 0, 10, false, ""},
		{"bytes=1-2,4-5", 10, 0, 10, false, ""},
		{"bytes=--1", 10, 0, 10, false, ""},
		{"bytes=-", 10, 0, 10, false, ""},
		{"bytes", 10, 0, 10, false, ""},
		{"", 10, 0, 10, false, ""},
	} {
		s, err := rangeSpan(tc.header, tc.size)
		if tc.code != "" {
			require.True(t, s3err.Is(err, tc.code), tc.header)
			continue
		}
		require.NoError(t, err, tc.header)
		require.Equal(t, span{off: tc.off, n: tc.n, partial: tc.partial}, s, tc.header)
	}
}

// FuzzRange: whatever the header, the bytes lie in the object.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-5", int64(10))
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			size = 0
		}
		s, err := rangeSpan(header, size)
		if err == nil && (s.off < 0 || s.n < 0 || s.off > size-s.n || s.partial && s.n == 0) {
			t.Fatalf("%q of %d: %+v", header, size, s)
		}
	})
}

func TestPartSpanCountsParts(t *testing.T) {
	info := &objects.Info{Size: 9, PartInfos: []objects.PartInfo{{Number: 3, Size: 4}, {Number: 8, Size: 5}}}
	s, err := partSpan(2, info)
	require.NoError(t, err)
	require.Equal(t, span{off: 4, n: 5, partial: true, part: 2}, s)
	_, err = partSpan(3, info)
	require.True(t, s3err.Is(err, s3err.InvalidPartNumber))
	s, err = partSpan(1, &objects.Info{})
	require.NoError(t, err)
	require.False(t, s.partial, "an empty object has no Content-Range")
}

func TestTokens(t *testing.T) {
	a, err := New(Config{Backend: noBackend{}})
	require.NoError(t, err)
	token := a.sealToken(tokenObjects, "bucket", "the/place\x01")
	place, err := a.readToken(tokenObjects, "bucket", token)
	require.NoError(t, err)
	require.Equal(t, "the/place\x01", place)
	for name, try := range map[string]func() (string, error){
		"another bucket":  func() (string, error) { return a.readToken(tokenObjects, "bucket2", token) },
		"another listing": func() (string, error) { return a.readToken(tokenBuckets, "bucket", token) },
		"cut":             func() (string, error) { return a.readToken(tokenObjects, "bucket", token[:len(token)-1]) },
		"longer":          func() (string, error) { return a.readToken(tokenObjects, "bucket", token+"A") },
		"empty":           func() (string, error) { return a.readToken(tokenObjects, "bucket", "") },
		"another key": func() (string, error) {
			b, err := New(Config{Backend: noBackend{}, TokenKey: []byte("key")})
			require.NoError(t, err)
			return b.readToken(tokenObjects, "bucket", token)
		},
	} {
		_, err := try()
		require.ErrorIs(t, err, errToken, name)
	}
	for i := range token {
		forged := token[:i] + flip(token[i]) + token[i+1:]
		_, err := a.readToken(tokenObjects, "bucket", forged)
		require.ErrorIs(t, err, errToken, i)
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

type noBackend struct{ objects.Backend }

func TestMetadata(t *testing.T) {
	m, err := metaOf(request("x-amz-meta-a", "1", "x-amz-meta-b", "2", "x-amz-meta-a", "3", "content-encoding", "aws-chunked,gzip"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "1,3", "b": "2"}, m.User)
	require.Equal(t, "gzip", m.Headers.ContentEncoding)
	require.Equal(t, "me", m.Owner)
	_, err = metaOf(request("x-amz-meta-a", strings.Repeat("x", 1000), "x-amz-meta-a", strings.Repeat("x", 1047)))
	require.True(t, s3err.Is(err, s3err.MetadataTooLarge), "a joined header counts once")
	_, err = metaOf(request("x-amz-meta-a", strings.Repeat("x", 1000), "x-amz-meta-a", strings.Repeat("x", 1046)))
	require.NoError(t, err)
	_, err = metaOf(request("x-amz-meta-", "v"))
	require.True(t, s3err.Is(err, s3err.InvalidArgument))
	_, err = metaOf(request("x-amz-website-redirect-location", "javascript:x"))
	require.True(t, s3err.Is(err, s3err.InvalidArgument))
}

func TestHeadersThatAreNotBuilt(t *testing.T) {
	for header, code := range map[[2]string]s3err.Code{
		{"x-amz-acl", "private"}:                                                       "",
		{"x-amz-acl", "public-read"}:                                                   s3err.NotImplemented,
		{"x-amz-acl", "open"}:                                                          s3err.InvalidArgument,
		{"x-amz-grant-full-control", "id=1"}:                                           s3err.NotImplemented,
		{"x-amz-storage-class", "STANDARD"}:                                            "",
		{"x-amz-storage-class", "GLACIER"}:                                             s3err.NotImplemented,
		{"x-amz-storage-class", "standard"}:                                            s3err.InvalidStorageClass,
		{"x-amz-server-side-encryption", "AES256"}:                                     s3err.NotImplemented,
		{"x-amz-server-side-encryption", "ROT13"}:                                      s3err.InvalidEncryptionAlgorithmError,
		{"x-amz-server-side-encryption-customer-key", "x"}:                             s3err.NotImplemented,
		{"x-amz-copy-source-server-side-encryption-customer-key", "x"}:                 s3err.NotImplemented,
		{"x-amz-server-side-encryption-bucket-key-enabled", "false"}:                   "",
		{"x-amz-object-lock-mode", "COMPLIANCE"}:                                       s3err.NotImplemented,
		{"x-amz-object-lock-legal-hold", "OFF"}:                                        s3err.NotImplemented,
		{"x-amz-bucket-object-lock-enabled", "False"}:                                  "",
		{"x-amz-bucket-object-lock-enabled", "true"}:                                   s3err.NotImplemented,
		{"x-amz-object-ownership", "BucketOwnerEnforced"}:                              "",
		{"x-amz-object-ownership", "ObjectWriter"}:                                     s3err.NotImplemented,
		{"x-amz-tagging", ""}:                                                          "",
		{"x-amz-tagging", "a=b"}:                                                       s3err.NotImplemented,
		{"x-amz-write-offset-bytes", "0"}:                                              s3err.NotImplemented,
		{"x-amz-meta-x-amz-grant-read", "harmless"}:                                    "",
		{"x-amz-request-payer", "requester"}:                                           "",
		{"x-amz-bypass-governance-retention", "true"}:                                  "",
		{"x-catena-principal", "root"}:                                                 "",
		{"x-amz-snowball-auto-extract", "true"}:                                        s3err.NotImplemented,
		{"x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:us-east-1:1:k/2"}: s3err.NotImplemented,
	} {
		err := checkHeaders(request(header[0], header[1]))
		if code == "" {
			require.NoError(t, err, header)
		} else {
			require.True(t, s3err.Is(err, code), "%v: %v", header, err)
		}
	}
}

func TestKindsAndCodes(t *testing.T) {
	a := &API{}
	for kind, want := range map[objects.Kind]struct {
		code   s3err.Code
		status int
	}{
		objects.KindInternal:         {s3err.InternalError, 500},
		objects.KindNoSuchBucket:     {s3err.NoSuchBucket, 404},
		objects.KindBucketExists:     {s3err.BucketAlreadyExists, 409},
		objects.KindBucketNotEmpty:   {s3err.BucketNotEmpty, 409},
		objects.KindNoSuchKey:        {s3err.NoSuchKey, 404},
		objects.KindNoSuchUpload:     {s3err.NoSuchUpload, 404},
		objects.KindPrecondition:     {s3err.PreconditionFailed, 412},
		objects.KindNotModified:      {s3err.PreconditionFailed, 412},
		objects.KindConflict:         {s3err.ConditionalRequestConflict, 409},
		objects.KindInvalidPart:      {s3err.InvalidPart, 400},
		objects.KindInvalidPartOrder: {s3err.InvalidPartOrder, 400},
		objects.KindEntityTooSmall:   {s3err.EntityTooSmall, 400},
		objects.KindInvalidRange:     {s3err.InvalidRange, 416},
		objects.KindTooLarge:         {s3err.EntityTooLarge, 400},
		objects.KindBadChecksum:      {s3err.BadDigest, 400},
		objects.KindBadSize:          {s3err.InvalidRequest, 400},
		objects.KindUnavailable:      {s3err.ServiceUnavailable, 503},
		objects.KindSlowDown:         {s3err.SlowDown, 503},
		objects.KindUnknown:          {s3err.InternalError, 500},
		objects.KindFull:             {s3err.InsufficientStorage, 507},
	} {
		err := s3err.From(a.fail(request(), &objects.Error{Kind: kind, Op: "put", Cause: s3secret{}}))
		require.Equal(t, want.code, err.Code, kind)
		require.Equal(t, want.status, err.Status, kind)
		require.NotContains(t, err.Message, "secret", "causes are for the log")
	}
	body := s3err.New(s3err.BadDigest)
	got := s3err.From(a.fail(request(), &objects.Error{Kind: objects.KindInternal, Cause: body}))
	require.Equal(t, s3err.BadDigest, got.Code, "what the body says goes through the Backend")
}

type s3secret struct{}

func (s3secret) Error() string { return "secret" }

func TestRetryToken(t *testing.T) {
	one := retryToken(request("amz-sdk-invocation-id", "id-1"))
	require.NotEmpty(t, one)
	require.Equal(t, one, retryToken(request("amz-sdk-invocation-id", "id-1")))
	require.NotEqual(t, one, retryToken(request("amz-sdk-invocation-id", "id-2")))
	other := request("amz-sdk-invocation-id", "id-1")
	other.Principal.AccessKey = "OTHER"
	require.NotEqual(t, one, retryToken(other), "nobody gets the answer of another")
	moved := request("amz-sdk-invocation-id", "id-1")
	moved.Key = "k2"
	require.NotEqual(t, one, retryToken(moved))
	require.Empty(t, retryToken(request()))
}

func TestRegions(t *testing.T) {
	for _, good := range []string{"eu-central-1", "EU", "garage", "auto", "us-gov-west-1"} {
		require.True(t, validRegion(good), good)
	}
	for _, bad := range []string{"", "US East", "eu_1", "-a", "a-", strings.Repeat("a", 64), "ü"} {
		require.False(t, validRegion(bad), bad)
	}
}

func TestReadConditionsOrder(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 900e6, time.UTC)
	info := &objects.Info{ETag: "e", Modified: at}
	not, err := checkRead(request("if-match", "x", "if-none-match", "e"), info)
	require.False(t, not)
	require.True(t, s3err.Is(err, s3err.PreconditionFailed))
	not, err = checkRead(request("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT"), info)
	require.NoError(t, err)
	require.True(t, not, "Last-Modified has whole seconds")
	not, err = checkRead(request("if-match", `"y"`, "if-match", `"e"`), info)
	require.NoError(t, err, "two lines are one list")
	require.False(t, not)
}

func TestConfigProblemsAreReportedTogether(t *testing.T) {
	_, err := New(Config{Region: "No Region", MaxListRounds: -1})
	require.ErrorContains(t, err, "Backend")
	require.ErrorContains(t, err, "Region")
	require.ErrorContains(t, err, "MaxListRounds")
}

package s3test

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// Target is the endpoint under test.
type Target struct {
	// Endpoint is a URL without path: http://127.0.0.1:9000.
	Endpoint             string
	AccessKey, SecretKey string
	// Region is the one that the server says it is in. Default us-east-1.
	Region string
	// TLS is the client's side, for https endpoints. Default: the system's roots.
	TLS *tls.Config
	// Seed and Ops are those of the random test. Defaults 1 and 400.
	Seed uint64
	Ops  int
	// Small leaves out what moves more than about 20 MiB.
	Small bool
}

// area is a group of behaviours.
type area struct {
	name string
	run  func(*testing.T, *suite)
}

func areas() []area {
	return []area{
		{"Buckets", testBuckets}, {"ListBuckets", testListBuckets}, {"Objects", testObjects}, {"Keys", testKeys},
		{"Metadata", testMetadata}, {"Ranges", testRanges}, {"Conditions", testConditions},
		{"ConditionalWrites", testConditionalWrites}, {"Delete", testDelete}, {"MultiDelete", testMultiDelete},
		{"ListV1", testListV1}, {"ListV2", testListV2}, {"ListVersions", testListVersions}, {"Copy", testCopy},
		{"Checksums", testChecksums}, {"Multipart", testMultipart}, {"MultipartErrors", testMultipartErrors},
		{"MultipartChecksums", testMultipartChecksums}, {"MultipartListing", testMultipartListing},
		{"PartCopy", testPartCopy}, {"Attributes", testAttributes}, {"NotSet", testNotSet}, {"NotBuilt", testNotBuilt},
		{"Anonymous", testAnonymous}, {"Presigned", testPresigned}, {"PresignedV2", testPresignedV2},
		{"PresignedHeaders", testPresignedHeaders}, {"Versions", testVersions}, {"Atomic", testAtomic},
		{"MinioClient", testMinioClient}, {"Random", testRandom},
	}
}

// Run runs the whole suite against a target.
func Run(t *testing.T, target Target) {
	t.Helper()
	s := newSuite(t, target)
	for _, a := range areas() {
		t.Run(a.name, func(t *testing.T) { a.run(t, s) })
	}
}

// RunRandom runs only the random comparison with the model, for all seeds at once, each in
// a bucket of its own.
func RunRandom(t *testing.T, target Target, seeds ...uint64) {
	t.Helper()
	s := newSuite(t, target)
	for _, seed := range seeds {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			s.randomRun(t, seed, s.Ops)
		})
	}
}

// suite is a target with the clients to reach it.
type suite struct {
	Target
	base   *url.URL
	http   *http.Client
	minio  *minio.Client
	prefix string
	count  atomic.Int64
}

func newSuite(t testing.TB, target Target) *suite {
	t.Helper()
	if target.Region == "" {
		target.Region = "us-east-1"
	}
	if target.Seed == 0 {
		target.Seed = 1
	}
	if target.Ops == 0 {
		target.Ops = 400
	}
	base, err := url.Parse(target.Endpoint)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: target.TLS, MaxIdleConnsPerHost: 32, DisableCompression: true}
	s := &suite{Target: target, base: base, prefix: "s3test-" + randomHex(4),
		http: &http.Client{Transport: transport, Timeout: 2 * time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(transport.CloseIdleConnections)
	s.minio, err = minio.New(base.Host, &minio.Options{
		Creds: credentials.NewStaticV4(target.AccessKey, target.SecretKey, ""), Secure: base.Scheme == "https",
		Transport: transport, TrailingHeaders: true, BucketLookup: minio.BucketLookupPath, MaxRetries: 1})
	require.NoError(t, err)
	return s
}

func randomHex(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails on a supported system
	}
	return hex.EncodeToString(b)
}

// name makes the name of a bucket that is nobody else's.
func (s *suite) name() string {
	return s.prefix + "-" + strings.Repeat("0", 3) + itoa(s.count.Add(1))
}

// bucket makes a bucket and removes it, with all that is in it, after the test.
func (s *suite) bucket(t testing.TB) string {
	t.Helper()
	name := s.name()
	s.ok(t, call{method: "PUT", bucket: name})
	t.Cleanup(func() { s.remove(t, name) })
	return name
}

// remove empties and deletes a bucket.
func (s *suite) remove(t testing.TB, name string) {
	uploads := s.send(t, call{method: "GET", bucket: name, query: "uploads"})
	for _, u := range parse[uploadsDoc](t, uploads).Uploads {
		s.ok(t, call{method: "DELETE", bucket: name, key: u.Key, query: "uploadId=" + escape(u.UploadID)})
	}
	for {
		list := s.send(t, call{method: "GET", bucket: name, query: "list-type=2&encoding-type=url"})
		if list.status == 404 {
			return
		}
		doc := parse[listDoc](t, list)
		for _, o := range doc.Contents {
			key, err := url.QueryUnescape(o.Key)
			require.NoError(t, err)
			s.ok(t, call{method: "DELETE", bucket: name, key: key})
		}
		if !doc.IsTruncated {
			break
		}
	}
	s.ok(t, call{method: "DELETE", bucket: name})
}

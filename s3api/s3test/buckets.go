package s3test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testBuckets(t *testing.T, s *suite) {
	t.Run("a life", func(t *testing.T) {
		b := s.name()
		s.fails(t, call{method: "HEAD", bucket: b}, 404, "")
		s.fails(t, call{method: "DELETE", bucket: b}, 404, "NoSuchBucket")
		a := s.ok(t, call{method: "PUT", bucket: b})
		require.Equal(t, 200, a.status)
		require.Equal(t, "/"+b, a.header.Get("Location"))
		a = s.ok(t, call{method: "HEAD", bucket: b})
		require.Equal(t, s.Region, a.header.Get("x-amz-bucket-region"))
		s.put(t, b, "k", "v")
		s.fails(t, call{method: "DELETE", bucket: b}, 409, "BucketNotEmpty")
		s.ok(t, call{method: "DELETE", bucket: b, key: "k"})
		require.Equal(t, 204, s.ok(t, call{method: "DELETE", bucket: b}).status)
		s.fails(t, call{method: "DELETE", bucket: b}, 404, "NoSuchBucket")
		s.fails(t, call{method: "GET", bucket: b, query: "list-type=2"}, 404, "NoSuchBucket")
	})
	t.Run("again after delete is empty", func(t *testing.T) {
		b := s.bucket(t)
		s.put(t, b, "k", "v")
		s.ok(t, call{method: "DELETE", bucket: b, key: "k"})
		s.ok(t, call{method: "DELETE", bucket: b})
		s.ok(t, call{method: "PUT", bucket: b})
		s.fails(t, call{method: "GET", bucket: b, key: "k"}, 404, "NoSuchKey")
	})
	t.Run("create again keeps what is in it", func(t *testing.T) {
		b := s.bucket(t)
		s.put(t, b, "k", "v")
		if s.Region == "us-east-1" {
			s.ok(t, call{method: "PUT", bucket: b})
		} else {
			s.fails(t, call{method: "PUT", bucket: b}, 409, "BucketAlreadyOwnedByYou")
		}
		require.Equal(t, "v", s.get(t, b, "k").text())
	})
	t.Run("an upload in progress keeps it", func(t *testing.T) {
		b := s.bucket(t)
		id := s.initiate(t, b, "k")
		s.fails(t, call{method: "DELETE", bucket: b}, 409, "BucketNotEmpty")
		s.ok(t, call{method: "DELETE", bucket: b, key: "k", query: "uploadId=" + escape(id)})
	})
	t.Run("names", func(t *testing.T) { testBucketNames(t, s) })
	t.Run("locations", func(t *testing.T) { testLocations(t, s) })
	t.Run("everything in a bucket that is not there", func(t *testing.T) { testNoBucket(t, s) })
	t.Run("expected owner", func(t *testing.T) {
		b := s.bucket(t)
		s.put(t, b, "k", "v")
		me := parse[bucketsDoc](t, s.ok(t, call{method: "GET"})).Owner.ID
		s.ok(t, call{method: "GET", bucket: b, key: "k", header: h("x-amz-expected-bucket-owner", me)})
		s.fails(t, call{method: "GET", bucket: b, key: "k", header: h("x-amz-expected-bucket-owner", "111122223333")}, 403, "AccessDenied")
	})
}

func testBucketNames(t *testing.T, s *suite) {
	for _, bad := range []string{"a", "aa", strings.Repeat("a", 64), "Upper", "under_score", "_front", "-front", "back-",
		"dot..dot", "dot.-dash", "dash-.dot", ".front", "back.", "192.168.5.123", "xn--a-b", "a-s3alias"} {
		s.fails(t, call{method: "PUT", bucket: bad}, 400, "InvalidBucketName")
	}
	stem := s.name()
	for _, good := range []string{"0" + stem, "a." + stem, "a-" + stem, stem + strings.Repeat("x", 63-len(stem))} {
		s.ok(t, call{method: "PUT", bucket: good})
		s.ok(t, call{method: "DELETE", bucket: good})
	}
}

func testLocations(t *testing.T, s *suite) {
	const doc = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>%</LocationConstraint></CreateBucketConfiguration>`
	body := func(region string) []byte { return []byte(strings.Replace(doc, "%", region, 1)) }
	location := func(b string) string {
		a := s.ok(t, call{method: "GET", bucket: b, query: "location"})
		return parse[struct {
			Text string `xml:",chardata"`
		}](t, a).Text
	}
	b := s.bucket(t)
	want := s.Region
	if want == "us-east-1" {
		want = ""
	}
	require.Equal(t, want, location(b))
	b = s.name()
	s.ok(t, call{method: "PUT", bucket: b, body: body("eu-central-1")})
	t.Cleanup(func() { s.remove(t, b) })
	require.Equal(t, "eu-central-1", location(b))
	require.Equal(t, "eu-central-1", s.ok(t, call{method: "HEAD", bucket: b}).header.Get("x-amz-bucket-region"))
	s.fails(t, call{method: "PUT", bucket: s.name(), body: body("No Such Place!")}, 400, "InvalidLocationConstraint")
	s.fails(t, call{method: "PUT", bucket: s.name(), body: []byte("<Wrong/>")}, 400, "MalformedXML")
	s.fails(t, call{method: "GET", bucket: s.name(), query: "location"}, 404, "NoSuchBucket")
}

func testNoBucket(t *testing.T, s *suite) {
	b := s.name()
	del := []byte(`<Delete><Object><Key>k</Key></Object></Delete>`)
	complete := []byte(`<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part></CompleteMultipartUpload>`)
	for _, c := range []call{
		{method: "GET", key: "k"}, {method: "PUT", key: "k", body: []byte("v")}, {method: "DELETE", key: "k"},
		{method: "GET"}, {method: "GET", query: "list-type=2"}, {method: "GET", query: "versions"}, {method: "GET", query: "uploads"},
		{method: "GET", query: "max-keys=0"}, {method: "POST", query: "delete", body: del, header: h("Content-MD5", md5Base64(del))},
		{method: "POST", key: "k", query: "uploads"}, {method: "PUT", key: "k", query: "partNumber=1&uploadId=x", body: []byte("v")},
		{method: "POST", key: "k", query: "uploadId=x", body: complete}, {method: "DELETE", key: "k", query: "uploadId=x"},
		{method: "GET", key: "k", query: "uploadId=x"}, {method: "GET", query: "versioning"}, {method: "GET", query: "acl"},
		{method: "GET", query: "policy"}, {method: "GET", key: "k", query: "acl"},
		{method: "GET", key: "k", query: "attributes", header: h("x-amz-object-attributes", "ETag")},
	} {
		c.bucket = b
		s.fails(t, c, 404, "NoSuchBucket")
	}
	s.fails(t, call{method: "HEAD", bucket: b, key: "k"}, 404, "")
}

func testListBuckets(t *testing.T, s *suite) {
	stem := s.name() + "-list"
	names := []string{stem + "-a", stem + "-b", stem + "-c"}
	for _, b := range names {
		s.ok(t, call{method: "PUT", bucket: b})
		t.Cleanup(func() { s.ok(t, call{method: "DELETE", bucket: b}) })
	}
	list := func(query string) (out []string, doc bucketsDoc) {
		doc = parse[bucketsDoc](t, s.ok(t, call{method: "GET", query: query}))
		for _, b := range doc.Buckets.Bucket {
			out = append(out, b.Name)
		}
		return out, doc
	}
	all, doc := list("")
	require.Subset(t, all, names)
	require.IsIncreasing(t, all)
	require.NotEmpty(t, doc.Owner.ID)
	for _, b := range doc.Buckets.Bucket {
		made, err := time.Parse(time.RFC3339, b.CreationDate)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), made, 24*time.Hour)
	}
	got, doc := list("prefix=" + stem)
	require.Equal(t, names, got)
	require.Empty(t, doc.ContinuationToken)
	got, doc = list("max-buckets=2&prefix=" + stem)
	require.Equal(t, names[:2], got)
	require.NotEmpty(t, doc.ContinuationToken)
	got, doc = list("max-buckets=2&prefix=" + stem + "&continuation-token=" + escape(doc.ContinuationToken))
	require.Equal(t, names[2:], got)
	require.Empty(t, doc.ContinuationToken)
	got, doc = list("max-buckets=3&prefix=" + stem)
	require.Equal(t, names, got)
	require.Empty(t, doc.ContinuationToken, "a full last page has no token")
	s.fails(t, call{method: "GET", query: "continuation-token=forged"}, 400, "InvalidArgument")
	s.fails(t, call{method: "GET", query: "max-buckets=none"}, 400, "InvalidArgument")
}

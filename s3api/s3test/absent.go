package s3test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func testNotSet(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "k", "v")
	for sub, code := range map[string]string{
		"tagging": "NoSuchTagSet", "lifecycle": "NoSuchLifecycleConfiguration", "cors": "NoSuchCORSConfiguration", "policy": "NoSuchBucketPolicy",
		"encryption": "ServerSideEncryptionConfigurationNotFoundError", "replication": "ReplicationConfigurationNotFoundError",
		"website": "NoSuchWebsiteConfiguration", "ownershipControls": "OwnershipControlsNotFoundError",
		"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration", "object-lock": "ObjectLockConfigurationNotFoundError",
	} {
		s.fails(t, call{method: "GET", bucket: b, query: sub}, 404, code)
		s.fails(t, call{method: "GET", bucket: s.name(), query: sub}, 404, "NoSuchBucket")
	}
	for sub, want := range map[string]string{
		"versioning": "VersioningConfiguration", "logging": "BucketLoggingStatus", "notification": "NotificationConfiguration",
		"accelerate": "AccelerateConfiguration", "requestPayment": "<Payer>BucketOwner</Payer>", "policyStatus": "<IsPublic>false</IsPublic>",
		"acl": "<Permission>FULL_CONTROL</Permission>",
	} {
		a := s.ok(t, call{method: "GET", bucket: b, query: sub})
		require.Contains(t, a.text(), want)
		require.NotContains(t, a.text(), "<Status>", "neither on nor off: never set")
	}
	me := parse[bucketsDoc](t, s.ok(t, call{method: "GET"})).Owner.ID
	for _, key := range []string{"", "k"} {
		a := s.ok(t, call{method: "GET", bucket: b, key: key, query: "acl"})
		require.Equal(t, 2, strings.Count(a.text(), "<ID>"+me+"</ID>"), "the owner, and the one grant to the owner")
		require.Equal(t, 1, strings.Count(a.text(), "<Grant>"))
	}
	require.Contains(t, s.ok(t, call{method: "GET", bucket: b, key: "k", query: "tagging"}).text(), "<TagSet></TagSet>")
	for _, sub := range []string{"retention", "legal-hold"} {
		s.fails(t, call{method: "GET", bucket: b, key: "k", query: sub}, 400, "InvalidRequest")
	}
	for _, sub := range []string{"acl", "tagging", "retention", "legal-hold"} {
		s.fails(t, call{method: "GET", bucket: b, key: "none", query: sub}, 404, "NoSuchKey")
	}
}

func testNotBuilt(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "k", "stays")
	body := []byte("<Configuration/>")
	for _, sub := range []string{"versioning", "tagging", "lifecycle", "cors", "policy", "encryption", "replication", "website", "logging",
		"notification", "accelerate", "requestPayment", "ownershipControls", "publicAccessBlock", "object-lock", "acl"} {
		s.fails(t, call{method: "PUT", bucket: b, query: sub, body: body}, 501, "NotImplemented")
	}
	for _, sub := range []string{"tagging", "lifecycle", "cors", "policy", "encryption", "replication", "website", "ownershipControls", "publicAccessBlock"} {
		s.fails(t, call{method: "DELETE", bucket: b, query: sub}, 501, "NotImplemented")
	}
	for _, sub := range []string{"tagging", "acl", "retention", "legal-hold"} {
		s.fails(t, call{method: "PUT", bucket: b, key: "k", query: sub, body: body}, 501, "NotImplemented")
	}
	s.fails(t, call{method: "DELETE", bucket: b, key: "k", query: "tagging"}, 501, "NotImplemented")
	s.fails(t, call{method: "POST", bucket: b, key: "k", query: "restore", body: body}, 501, "NotImplemented")
	s.fails(t, call{method: "POST", bucket: b, key: "k", query: "select&select-type=2", body: body}, 501, "NotImplemented")
	for _, header := range [][]string{
		{"x-amz-server-side-encryption", "AES256"}, {"x-amz-server-side-encryption", "aws:kms"},
		{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, {"x-amz-object-lock-mode", "GOVERNANCE"},
		{"x-amz-object-lock-legal-hold", "ON"}, {"x-amz-tagging", "a=b"}, {"x-amz-acl", "public-read"}, {"x-amz-grant-read", "id=x"},
		{"x-amz-storage-class", "GLACIER"}, {"x-amz-write-offset-bytes", "5"},
	} {
		s.fails(t, call{method: "PUT", bucket: b, key: "k", body: []byte("new"), header: h(header...)}, 501, "NotImplemented")
		s.fails(t, call{method: "POST", bucket: b, key: "k", query: "uploads", header: h(header...)}, 501, "NotImplemented")
		s.fails(t, copyCall(b, "k2", b+"/k", header...), 501, "NotImplemented")
	}
	for header, code := range map[[2]string]string{
		{"x-amz-server-side-encryption", "foo"}: "InvalidEncryptionAlgorithmError", {"x-amz-storage-class", "FOO"}: "InvalidStorageClass",
		{"x-amz-acl", "foo"}: "InvalidArgument",
	} {
		s.fails(t, call{method: "PUT", bucket: b, key: "k", body: []byte("new"), header: h(header[0], header[1])}, 400, code)
	}
	for _, header := range [][]string{{"x-amz-acl", "public-read"}, {"x-amz-bucket-object-lock-enabled", "true"}, {"x-amz-object-ownership", "ObjectWriter"}} {
		name := s.name()
		s.fails(t, call{method: "PUT", bucket: name, header: h(header...)}, 501, "NotImplemented")
		s.fails(t, call{method: "HEAD", bucket: name}, 404, "")
	}
	require.Equal(t, "stays", s.get(t, b, "k").text())
	s.fails(t, call{method: "GET", bucket: b, key: "k2"}, 404, "NoSuchKey")
}

func testVersions(t *testing.T, s *suite) {
	b := s.bucket(t)
	s.put(t, b, "k", "v")
	const unknown = "0123456789abcdef0123456789abcdef"
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		code := "NoSuchVersion"
		if method == "HEAD" {
			code = ""
		}
		s.fails(t, call{method: method, bucket: b, key: "k", query: "versionId=" + unknown}, 404, code)
		if code != "" {
			code = "InvalidArgument"
		}
		for _, bad := range []string{"", "garbage", strings.ToUpper(unknown), unknown + "0"} {
			s.fails(t, call{method: method, bucket: b, key: "k", query: "versionId=" + bad}, 400, code)
		}
	}
	a := s.ok(t, call{method: "GET", bucket: b, key: "k", query: "versionId=null"})
	require.Equal(t, "v", a.text())
	require.Equal(t, "null", a.header.Get("x-amz-version-id"))
	s.fails(t, call{method: "PUT", bucket: b, key: "k", query: "versionId=null", body: []byte("new")}, 400, "InvalidArgument")
	s.ok(t, call{method: "DELETE", bucket: b, key: "k", query: "versionId=null"})
	s.fails(t, call{method: "GET", bucket: b, key: "k"}, 404, "NoSuchKey")
}

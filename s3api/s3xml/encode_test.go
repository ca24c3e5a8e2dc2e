package s3xml

import (
	"encoding/xml"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"catena/s3api/checksum"
	"catena/s3api/s3err"

	"github.com/stretchr/testify/require"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
const ns = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

func crc(b ...byte) checksum.Value {
	return checksum.Value{Algorithm: checksum.CRC32, Type: checksum.FullObject, Sum: b}
}

// TestDocuments: the exact bytes of every document, element order as Amazon's.
func TestDocuments(t *testing.T) {
	owner := Owner{"id", "name"}
	size := int64(7)
	composite := checksum.Value{Algorithm: checksum.CRC32, Type: checksum.Composite, Sum: []byte{0, 0, 0, 0}, Parts: 2}
	for _, c := range []struct {
		name string
		x    interface{ AppendXML([]byte) []byte }
		want string
	}{
		{"buckets", &ListBuckets{Owner: owner, Buckets: []Bucket{{"a", at, ""}, {"b", at, "r"}}},
			`<ListAllMyBucketsResult` + ns + `><Owner><ID>id</ID><DisplayName>name</DisplayName></Owner><Buckets><Bucket><Name>a</Name><CreationDate>2026-01-02T03:04:05.678Z</CreationDate></Bucket><Bucket><Name>b</Name><CreationDate>2026-01-02T03:04:05.678Z</CreationDate><BucketRegion>r</BucketRegion></Bucket></Buckets></ListAllMyBucketsResult>`},
		{"list v1", &ListObjects{Name: "b", Prefix: "p ", Delimiter: "/", MaxKeys: 2, EncodingURL: true, IsTruncated: true, NextMarker: "p x/",
			Objects: []Object{{Key: "p +\x01", LastModified: at, ETag: "e", Size: 3, Owner: &owner}}, CommonPrefixes: []string{"p x/"}},
			`<ListBucketResult` + ns + `><Name>b</Name><Prefix>p </Prefix><Marker></Marker><NextMarker>p%20x/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>p%20%2B%01</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>3</Size><Owner><ID>id</ID><DisplayName>name</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>p%20x/</Prefix></CommonPrefixes></ListBucketResult>`},
		{"list v2", &ListObjectsV2{Name: "b", MaxKeys: 1000, Objects: []Object{{Key: `<&>"'`, LastModified: at, ETag: "e", Checksum: checksum.CRC32, ChecksumType: checksum.FullObject}}, CommonPrefixes: []string{"x"}},
			`<ListBucketResult` + ns + `><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>&lt;&amp;&gt;&quot;&#39;</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>0</Size><StorageClass>STANDARD</StorageClass></Contents><CommonPrefixes><Prefix>x</Prefix></CommonPrefixes></ListBucketResult>`},
		{"copy", &CopyObject{ETag: "e", LastModified: at, Checksum: crc(0, 0, 0, 0)},
			`<CopyObjectResult` + ns + `><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><ChecksumType>FULL_OBJECT</ChecksumType><ChecksumCRC32>AAAAAA==</ChecksumCRC32></CopyObjectResult>`},
		{"copy part", &CopyPart{ETag: "e", LastModified: at},
			`<CopyPartResult` + ns + `><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag></CopyPartResult>`},
		{"initiate", &InitiateMultipartUpload{"b", "k", "u"},
			`<InitiateMultipartUploadResult` + ns + `><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId></InitiateMultipartUploadResult>`},
		{"complete", &CompleteMultipartUpload{"l", "b", "k", "e-2", composite},
			`<CompleteMultipartUploadResult` + ns + `><Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>&quot;e-2&quot;</ETag><ChecksumCRC32>AAAAAA==-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></CompleteMultipartUploadResult>`},
		{"delete", &DeleteResult{[]Deleted{{Key: "k"}}, []DeleteError{{"k2", "", "AccessDenied", "m"}}},
			`<DeleteResult` + ns + `><Deleted><Key>k</Key></Deleted><Error><Key>k2</Key><Code>AccessDenied</Code><Message>m</Message></Error></DeleteResult>`},
		{"location", &LocationConstraint{"eu-1"}, `<LocationConstraint` + ns + `>eu-1</LocationConstraint>`},
		{"attributes", &ObjectAttributes{ETag: "e", Checksum: composite, Size: &size, StorageClass: "STANDARD",
			Parts: &ObjectParts{TotalParts: 2, MaxParts: 1, NextPartNumberMarker: 1, IsTruncated: true, Parts: []ObjectPart{{1, 5, crc(0, 0, 0, 0)}}}},
			`<GetObjectAttributesResponse` + ns + `><ETag>e</ETag><Checksum><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></Checksum><ObjectParts><PartsCount>2</PartsCount><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber><Size>5</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></ObjectParts><StorageClass>STANDARD</StorageClass><ObjectSize>7</ObjectSize></GetObjectAttributesResponse>`},
		{"versioning", &VersioningConfiguration{}, `<VersioningConfiguration` + ns + `></VersioningConfiguration>`},
		{"acl", &AccessControlPolicy{owner},
			`<AccessControlPolicy` + ns + `><Owner><ID>id</ID><DisplayName>name</DisplayName></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>id</ID><DisplayName>name</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`},
		{"parts", &ListParts{Bucket: "b", Key: "k", UploadID: "u", Initiator: owner, Owner: owner, MaxParts: 1, IsTruncated: true, NextPartNumberMarker: 3,
			Parts: []Part{{3, at, "e", 9, crc(0, 0, 0, 0)}}},
			`<ListPartsResult` + ns + `><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><Initiator><ID>id</ID><DisplayName>name</DisplayName></Initiator><Owner><ID>id</ID><DisplayName>name</DisplayName></Owner><StorageClass>STANDARD</StorageClass><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>3</PartNumber><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>9</Size><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></ListPartsResult>`},
		{"uploads", &ListMultipartUploads{Bucket: "b", MaxUploads: 5, Uploads: []Upload{{Key: "k", UploadID: "u", Initiator: owner, Owner: owner, Initiated: at}}},
			`<ListMultipartUploadsResult` + ns + `><Bucket>b</Bucket><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><Prefix></Prefix><MaxUploads>5</MaxUploads><IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>u</UploadId><Initiator><ID>id</ID><DisplayName>name</DisplayName></Initiator><Owner><ID>id</ID><DisplayName>name</DisplayName></Owner><StorageClass>STANDARD</StorageClass><Initiated>2026-01-02T03:04:05.678Z</Initiated></Upload></ListMultipartUploadsResult>`},
		{"versions", &ListVersions{Name: "b", MaxKeys: 5, Versions: []ObjectVersion{
			{Object: Object{Key: "k", LastModified: at, ETag: "e"}, VersionID: "null", IsLatest: true}, {Object: Object{Key: "d", LastModified: at}, VersionID: "v", DeleteMarker: true}}},
			`<ListVersionsResult` + ns + `><Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><MaxKeys>5</MaxKeys><IsTruncated>false</IsTruncated><Version><Key>k</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&quot;e&quot;</ETag><Size>0</Size><StorageClass>STANDARD</StorageClass><VersionId>null</VersionId><IsLatest>true</IsLatest></Version><DeleteMarker><Key>d</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><VersionId>v</VersionId><IsLatest>false</IsLatest></DeleteMarker></ListVersionsResult>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(c.x.AppendXML(nil))
			require.Equal(t, head+c.want, got)
			require.NoError(t, parses(got))
		})
	}
	require.Equal(t, head+`<BucketLoggingStatus`+ns+`></BucketLoggingStatus>`, string(AppendEmpty(nil, "BucketLoggingStatus")))
	require.Equal(t, head+`<RequestPaymentConfiguration`+ns+`><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`, string(AppendRequestPayment(nil)))
	e := s3err.InvalidArg("a<b", "\r\x00", "m&m")
	require.Equal(t, head+`<Error><Code>InvalidArgument</Code><Message>m&amp;m</Message><ArgumentName>a&lt;b</ArgumentName><ArgumentValue>&#13;`+"\uFFFD"+`</ArgumentValue><Resource>/b/k</Resource><RequestId>id</RequestId><HostId>id</HostId></Error>`, string(AppendError(nil, e, "/b/k", "id")))
}

func parses(doc string) error {
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

type listed struct {
	EncodingType string
	Contents     []struct{ Key string }
}

// representable says that XML 1.0 can hold s.
func representable(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return utf8.ValidString(s)
}

// FuzzKeys: any key gives XML that parses, comes back whole if XML can hold it, and always
// with encoding-type=url.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"a b+c", "\x01\r\n\t", `<&>"'`, "ä\uFFFE😀", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		for _, url := range []bool{false, true} {
			doc := (&ListObjects{Name: "b", EncodingURL: url, Objects: []Object{{Key: key}}}).AppendXML(nil)
			var got listed
			if err := xml.Unmarshal(doc, &got); err != nil {
				t.Fatalf("%q does not parse: %v", key, err)
			}
			back := got.Contents[0].Key
			if url {
				back = unescape(t, back)
			}
			if (url || representable(key)) && back != key {
				t.Fatalf("%q became %q", key, back)
			}
		}
	})
}

func unescape(t *testing.T, s string) string {
	t.Helper()
	out, err := url.PathUnescape(s)
	require.NoError(t, err)
	return out
}

// TestPrefixV1IsReadableWithAndWithoutDecoding: botocore does not decode this one element,
// other SDKs do.
func TestPrefixV1IsReadableWithAndWithoutDecoding(t *testing.T) {
	for _, prefix := range []string{"", "a b/", "\n", "100%", "a+b", "\x01", "ü", "<&>", "a%41"} {
		doc := string((&ListObjects{Prefix: prefix, EncodingURL: true}).AppendXML(nil))
		var parsed struct{ Prefix string }
		require.NoError(t, xml.Unmarshal([]byte(doc), &parsed))
		decoded, err := url.QueryUnescape(parsed.Prefix)
		require.NoError(t, err)
		require.Equal(t, prefix, decoded)
		if !strings.ContainsAny(prefix, "%+\x01") {
			require.Equal(t, prefix, parsed.Prefix, "not encoded where it need not be")
		}
	}
}

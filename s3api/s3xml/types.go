package s3xml

import (
	"time"

	"catena/s3api/checksum"
)

// Namespace is the default namespace of all documents but Error.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// Limits of the documents that clients send.
const (
	MaxDeleteKeys = 1000
	MaxParts      = 10000
)

// Owner is an account.
type Owner struct{ ID, DisplayName string }

// Bucket is one entry of ListAllMyBucketsResult.
type Bucket struct {
	Name    string
	Created time.Time
	Region  string // left out if empty
}

// ListBuckets is ListAllMyBucketsResult.
type ListBuckets struct {
	Owner             Owner
	Buckets           []Bucket
	Prefix            string // left out if empty
	ContinuationToken string // left out if empty
}

// Object is one Contents of a listing.
type Object struct {
	Key          string
	LastModified time.Time
	ETag         string // without quotes; they are added
	Size         int64
	StorageClass string // "" is STANDARD
	Owner        *Owner // left out if nil
	Checksum     checksum.Algorithm
	ChecksumType checksum.Type
}

// ListObjects is ListBucketResult of version 1.
type ListObjects struct {
	Name, Prefix, Marker, NextMarker, Delimiter string
	MaxKeys                                     int
	EncodingURL                                 bool
	IsTruncated                                 bool
	Objects                                     []Object
	CommonPrefixes                              []string
}

// ListObjectsV2 is ListBucketResult of version 2.
type ListObjectsV2 struct {
	Name, Prefix, StartAfter, Delimiter      string
	ContinuationToken, NextContinuationToken string // left out if empty
	MaxKeys                                  int
	EncodingURL                              bool
	IsTruncated                              bool
	Objects                                  []Object
	CommonPrefixes                           []string
}

// ObjectVersion is one Version or DeleteMarker of ListVersionsResult.
type ObjectVersion struct {
	Object
	VersionID    string
	IsLatest     bool
	DeleteMarker bool
}

// ListVersions is ListVersionsResult.
type ListVersions struct {
	Name, Prefix, Delimiter            string
	KeyMarker, VersionIDMarker         string
	NextKeyMarker, NextVersionIDMarker string
	MaxKeys                            int
	EncodingURL                        bool
	IsTruncated                        bool
	Versions                           []ObjectVersion
	CommonPrefixes                     []string
}

// CopyObject is CopyObjectResult.
type CopyObject struct {
	ETag         string // without quotes
	LastModified time.Time
	Checksum     checksum.Value
}

// CopyPart is CopyPartResult.
type CopyPart CopyObject

// InitiateMultipartUpload is InitiateMultipartUploadResult.
type InitiateMultipartUpload struct{ Bucket, Key, UploadID string }

// CompleteMultipartUpload is CompleteMultipartUploadResult.
type CompleteMultipartUpload struct {
	Location, Bucket, Key string
	ETag                  string // without quotes
	Checksum              checksum.Value
}

// Part is one Part of ListPartsResult.
type Part struct {
	PartNumber   int
	LastModified time.Time
	ETag         string // without quotes
	Size         int64
	Checksum     checksum.Value
}

// ListParts is ListPartsResult.
type ListParts struct {
	Bucket, Key, UploadID string
	Initiator, Owner      Owner
	StorageClass          string // "" is STANDARD
	PartNumberMarker      int
	NextPartNumberMarker  int
	MaxParts              int
	EncodingURL           bool
	IsTruncated           bool
	ChecksumAlgorithm     checksum.Algorithm
	ChecksumType          checksum.Type
	Parts                 []Part
}

// Upload is one Upload of ListMultipartUploadsResult.
type Upload struct {
	Key, UploadID     string
	Initiator, Owner  Owner
	StorageClass      string // "" is STANDARD
	Initiated         time.Time
	ChecksumAlgorithm checksum.Algorithm
	ChecksumType      checksum.Type
}

// ListMultipartUploads is ListMultipartUploadsResult.
type ListMultipartUploads struct {
	Bucket, Prefix, Delimiter         string
	KeyMarker, UploadIDMarker         string
	NextKeyMarker, NextUploadIDMarker string
	MaxUploads                        int
	EncodingURL                       bool
	IsTruncated                       bool
	Uploads                           []Upload
	CommonPrefixes                    []string
}

// DeleteObject is one Object of a Delete document.
type DeleteObject struct {
	Key       string
	VersionID string // "" if absent
	// ETag, Size and LastModified are the conditions of a conditional delete.
	ETag         string
	Size         *int64
	LastModified *time.Time
}

// Delete is the request of DeleteObjects: 1 to 1000 objects.
type Delete struct {
	Quiet   bool
	Objects []DeleteObject
}

// Deleted is one success of DeleteResult.
type Deleted struct {
	Key                   string
	VersionID             string // left out if empty
	DeleteMarker          bool   // left out if false
	DeleteMarkerVersionID string // left out if empty
}

// DeleteError is one failure of DeleteResult.
type DeleteError struct{ Key, VersionID, Code, Message string }

// DeleteResult is the answer of DeleteObjects.
type DeleteResult struct {
	Deleted []Deleted // leave empty when Quiet was asked
	Errors  []DeleteError
}

// CreateBucketConfiguration is the request of CreateBucket.
type CreateBucketConfiguration struct {
	LocationConstraint string
	// HasDirectory says that Location or Bucket (directory buckets) were there, HasTags
	// that Tags was there; neither is built.
	HasDirectory bool
	HasTags      bool
}

// LocationConstraint is the answer of GetBucketLocation; empty for us-east-1.
type LocationConstraint struct{ Region string }

// CompletedPart is one Part of the request of CompleteMultipartUpload.
type CompletedPart struct {
	PartNumber int    // 1 to 10,000
	ETag       string // without quotes
	// Checksum is what the client says about the part; zero if nothing. Its text was
	// valid base64 of the right length.
	Checksum checksum.Value
}

// ObjectPart is one Part of GetObjectAttributesOutput.
type ObjectPart struct {
	PartNumber int
	Size       int64
	Checksum   checksum.Value
}

// ObjectParts is ObjectParts of GetObjectAttributesOutput.
type ObjectParts struct {
	TotalParts           int
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Parts                []ObjectPart
}

// ObjectAttributes is GetObjectAttributesOutput; what is zero (or nil) is left out.
type ObjectAttributes struct {
	ETag         string // without quotes, and written without them
	Checksum     checksum.Value
	Parts        *ObjectParts
	StorageClass string
	Size         *int64
}

// VersioningConfiguration is the answer of GetBucketVersioning; Status is "", Enabled or
// Suspended.
type VersioningConfiguration struct{ Status string }

// AccessControlPolicy is the answer of GetBucketAcl and GetObjectAcl for the only
// state there is: the owner has FULL_CONTROL.
type AccessControlPolicy struct{ Owner Owner }

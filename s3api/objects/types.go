package objects

import "time"

// Bucket is a bucket as its record says.
type Bucket struct {
	Name    string
	Owner   string // the canonical id of the account that owns it
	Created time.Time
	Region  string // the LocationConstraint it was made with; empty for none
}

// ListBuckets asks for a page of one owner's buckets, by name.
type ListBuckets struct {
	Owner, Prefix, After string
	Max                  int
}

// BucketPage is a page of buckets. Next is empty when it is the last.
type BucketPage struct {
	Buckets []Bucket
	Next    string
}

// Algorithm is a checksum algorithm.
type Algorithm string

// The algorithms that SDKs send.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// ChecksumType says what a checksum covers.
type ChecksumType string

// FullObject covers the object's bytes, Composite the parts' checksums.
const (
	FullObject ChecksumType = "FULL_OBJECT"
	Composite  ChecksumType = "COMPOSITE"
)

// Checksum is a checksum as S3 gives it; the zero value is none.
type Checksum struct {
	Algorithm Algorithm
	Type      ChecksumType
	// Value is base64; a composite one ends in -N in S3's headers, not here.
	Value string
}

// Headers are the standard headers that are stored with an object and
// returned as they came.
type Headers struct {
	ContentType, ContentEncoding, ContentDisposition, ContentLanguage, CacheControl, Expires string
	WebsiteRedirect                                                                          string
}

// Meta is what a writer says of an object.
type Meta struct {
	Headers Headers
	// User is the x-amz-meta- headers, names in lower case without the prefix.
	User         map[string]string
	StorageClass string // as asked for; empty for STANDARD
	Owner        string
}

// PartInfo is one part of a completed multipart object.
type PartInfo struct {
	Number   int
	Size     int64
	Checksum Checksum
}

// Info is what is known of an object without its bytes.
type Info struct {
	Bucket, Key string
	VersionID   string // "null" until the bucket is versioned
	Size        int64
	ETag        string // without quotes: hex MD5, or hex-N for multipart
	Modified    time.Time
	Meta        Meta
	Checksum    Checksum
	// Parts is the number of parts of a multipart object, 0 for a single PUT.
	Parts int
	// PartSizes has the size of each part; PartInfos is filled by Get and Head
	// for multipart objects only.
	PartInfos []PartInfo
}

// Condition is what must hold at the moment of a write, evaluated where the
// write is ordered. The zero value always holds.
type Condition struct {
	// IfMatch is an ETag without quotes, or "*"; empty for none. A missing
	// object fails it with KindNoSuchKey, another ETag with KindPrecondition.
	IfMatch string
	// IfNoneMatch is "*" (nothing may exist), or an ETag without quotes that
	// the existing object must not have; empty for none. It fails with KindPrecondition.
	IfNoneMatch string
	// IfSize and IfModified restrict a delete (x-amz-if-match-size, -last-modified-time).
	IfSize     *int64
	IfModified *time.Time
}

// SourceCondition is what must hold of a copy's source (x-amz-copy-source-if-*).
// Empty ETags and zero times are none; an ETag has no quotes, or is "*".
type SourceCondition struct {
	IfMatch, IfNoneMatch          string
	IfModifiedSince, IfUnmodified time.Time
}

// Holds evaluates the condition against a source that exists. A backend whose source
// fails it returns KindPrecondition. An ETag decides over the date of the same
// sense, as in the pairs that the CopyObject reference describes; times
// compare in whole seconds, because that is what Last-Modified says.
func (c SourceCondition) Holds(etag string, modified time.Time) bool {
	modified = modified.Truncate(time.Second)
	switch {
	case c.IfMatch != "":
		if c.IfMatch != "*" && c.IfMatch != etag {
			return false
		}
	case !c.IfUnmodified.IsZero() && modified.After(c.IfUnmodified):
		return false
	}
	switch {
	case c.IfNoneMatch != "":
		return c.IfNoneMatch != "*" && c.IfNoneMatch != etag
	case !c.IfModifiedSince.IsZero():
		return modified.After(c.IfModifiedSince)
	}
	return true
}

// Put asks for an object.
type Put struct {
	Bucket, Key string
	Meta        Meta
	If          Condition
	// Token makes repeats of one client request one execution; empty for none
	// (derived from access key and amz-sdk-invocation-id by the gateway).
	Token string
}

// Delete asks to remove an object.
type Delete struct {
	Bucket, Key string
	If          Condition
}

// Copy asks for an object made from another.
type Copy struct {
	SourceBucket, SourceKey string
	Source                  SourceCondition
	Bucket, Key             string
	// ReplaceMeta takes Meta instead of the source's (x-amz-metadata-directive).
	ReplaceMeta bool
	Meta        Meta
	If          Condition
	// Checksum asks for another algorithm than the source's; empty for the same.
	Checksum Algorithm
	// Owner is the account that the copy belongs to.
	Owner string
	// MaxSize bounds the source: a larger one is KindTooLarge. 0 for no bound.
	MaxSize int64
}

// List asks for a page of objects in key order.
type List struct {
	Bucket, Prefix, Delimiter string
	// After is exclusive. It is a key (keys up to it are skipped; a common prefix that
	// holds a later key is still listed), or exactly a common prefix of this
	// listing (then everything under it is skipped).
	After string
	// Max is 1 to 1000: keys and common prefixes together.
	Max int
}

// Page is a page of a listing. A page may be shorter than asked for and still
// be truncated.
type Page struct {
	Objects  []Info
	Prefixes []string
	// Next is the After of the next page; empty when this is the last.
	Next string
}

// CreateUpload starts a multipart upload.
type CreateUpload struct {
	Bucket, Key  string
	Meta         Meta
	Algorithm    Algorithm    // empty for none named
	ChecksumType ChecksumType // empty for the algorithm's default
}

// Upload is a multipart upload that is not completed.
type Upload struct {
	Bucket, Key, ID string
	Initiated       time.Time
	Meta            Meta
	// Algorithm is what the client named at the start, with its type; empty if it
	// named none: parts then carry CRC64NVME and the object gets FULL_OBJECT of it.
	Algorithm    Algorithm
	ChecksumType ChecksumType
}

// PutPart stores one part.
type PutPart struct {
	Bucket, Key, UploadID string
	Number                int
}

// CopyPart makes a part from a range of an object.
type CopyPart struct {
	PutPart
	SourceBucket, SourceKey string
	Source                  SourceCondition
	// Offset and Length are the range; Length -1 for the whole object.
	Offset, Length int64
	// MaxSize bounds what is copied: more is KindTooLarge. 0 for no bound.
	MaxSize int64
}

// Part is a stored part.
type Part struct {
	Number   int
	Size     int64
	ETag     string
	Modified time.Time
	Checksum Checksum
}

// CompletePart names one part of a completion, as the client listed it.
type CompletePart struct {
	Number   int
	ETag     string
	Checksum Checksum // zero for none named
}

// Complete makes the object from the parts named.
type Complete struct {
	Bucket, Key, UploadID string
	Parts                 []CompletePart
	If                    Condition
	// Checksum is the whole object's, if the client sent one: checked.
	Checksum Checksum
	// Size is x-amz-mp-object-size, -1 if it was not sent: checked.
	Size int64
}

// ListParts asks for a page of an upload's parts.
type ListParts struct {
	Bucket, Key, UploadID string
	After, Max            int
}

// PartPage is a page of parts. Next is 0 when it is the last.
type PartPage struct {
	Upload Upload
	Parts  []Part
	Next   int
}

// ListUploads asks for a page of uploads, by key, then upload id.
type ListUploads struct {
	Bucket, Prefix, Delimiter string
	AfterKey, AfterUpload     string
	Max                       int
}

// UploadPage is a page of uploads.
type UploadPage struct {
	Uploads             []Upload
	Prefixes            []string
	NextKey, NextUpload string
	Truncated           bool
}

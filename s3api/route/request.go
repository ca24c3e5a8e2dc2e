package route

// Style is how a request names its bucket.
type Style uint8

// The styles.
const (
	PathStyle Style = iota
	VirtualHostStyle
)

// Input is what Parse reads. All strings are as sent.
type Input struct {
	Method string
	Target string // origin form: path and query
	Host   string // Host header, with or without port
	// Domains are the base domains of virtual-host style, lower case, without port.
	Domains []string
	// CopySource says that an x-amz-copy-source header came; it tells CopyObject from
	// PutObject.
	CopySource bool
	// Form says that the Content-Type is multipart/form-data; it tells PostObject.
	Form bool
}

// Request is a parsed target. It is not changed after Parse.
type Request struct {
	Method string
	Op     Operation
	Style  Style
	Bucket string // valid by ValidBucketName, or "" for operations on the service
	Key    string // decoded, 1 to 1024 bytes of UTF-8 without NUL, or "" for operations on a bucket

	RawPath  string // as sent, what a signature covers
	RawQuery string // as sent, without '?'
	// Path is RawPath decoded once. In path style it begins with the bucket.
	Path  string
	Query Query

	// Version is the versionId parameter.
	Version Version
	// UploadID is the uploadId parameter where the operation has one; not empty,
	// at most 1024 bytes, otherwise unchecked.
	UploadID string
	// PartNumber is 1 to 10,000, or 0 when none was given. For UploadPart and
	// UploadPartCopy always given.
	PartNumber int
	// MaxKeys is max-keys, max-uploads, max-parts or max-buckets of list operations,
	// clamped to the operation's limit (1000; 10,000 for max-buckets); the limit when it
	// was not given. It can be 0.
	MaxKeys int
	// EncodingURL says that encoding-type=url was asked of a list operation.
	EncodingURL bool
}

// VersionKind says what a versionId parameter held.
type VersionKind uint8

// The kinds of version.
const (
	NoVersion   VersionKind = iota // no versionId parameter
	NullVersion                    // versionId=null
	ByID                           // 32 lower-case hex digits
)

// Version is a parsed versionId.
type Version struct {
	Kind VersionKind
	ID   string // of ByID, 32 lower-case hex digits
}

// String gives the parameter's text, "" for none.
func (v Version) String() string {
	switch v.Kind {
	case NullVersion:
		return "null"
	case ByID:
		return v.ID
	}
	return ""
}

// Param is one query parameter, raw and decoded.
type Param struct {
	RawName, RawValue string
	Name, Value       string
	// HasValue tells "acl=" from "acl".
	HasValue bool
}

// Query is the query in the order sent, repeated names kept.
type Query []Param

// Get returns the first value of name, or "".
func (q Query) Get(name string) string {
	v, _ := q.Lookup(name)
	return v
}

// Lookup returns the first value of name, and whether it is there at all.
func (q Query) Lookup(name string) (string, bool) {
	for i := range q {
		if q[i].Name == name {
			return q[i].Value, true
		}
	}
	return "", false
}

// Has reports whether name is there, with or without a value.
func (q Query) Has(name string) bool {
	_, ok := q.Lookup(name)
	return ok
}

// Count returns how often name is there.
func (q Query) Count(name string) int {
	n := 0
	for i := range q {
		if q[i].Name == name {
			n++
		}
	}
	return n
}

// Source is a parsed x-amz-copy-source.
type Source struct {
	Bucket  string
	Key     string
	Version Version
}

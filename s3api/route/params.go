package route

import (
	"strings"

	"catena/s3api/s3err"
)

// Limits of list operations and parts.
const (
	maxListed     = 1000
	maxBuckets    = 10000
	MaxPartNumber = 10000
)

// parseParams checks the parameters of the operation that was selected.
func (r *Request) parseParams() error {
	if err := r.refuseRepeated(); err != nil {
		return err
	}
	if text, ok := r.Query.Lookup("versionId"); ok {
		v, err := parseVersion(text)
		if err != nil {
			return err
		}
		if !r.Op.takesVersion() {
			return s3err.InvalidArg("versionId", v.String(), "This operation does not accept a version-id.")
		}
		r.Version = v
	}
	if err := r.parsePart(); err != nil {
		return err
	}
	return r.parseList()
}

// refuseRepeated refuses a parameter that has a meaning to us and comes twice: two readers
// might choose different ones. Parameters without a meaning may repeat.
func (r *Request) refuseRepeated() error {
	for i := 1; i < len(r.Query); i++ {
		name := r.Query[i].Name
		for j := range i {
			if r.Query[j].Name == name && Meaningful(name) {
				return s3err.InvalidArg(name, printable(r.Query[i].Value), "The parameter "+name+" was given more than once.")
			}
		}
	}
	return nil
}

// Meaningful says that a query parameter of this name changes what a request does or
// answers.
func Meaningful(name string) bool {
	switch name {
	case "versionId", "partNumber", "list-type", "prefix", "delimiter", "marker", "max-keys",
		"start-after", "continuation-token", "encoding-type", "fetch-owner", "key-marker",
		"version-id-marker", "upload-id-marker", "max-uploads", "max-parts",
		"part-number-marker", "max-buckets", "bucket-region", "id", "select-type":
		return true
	}
	return strings.HasPrefix(name, "response-") || isSubresource(name)
}

func parseVersion(text string) (Version, error) {
	if text == "null" {
		return Version{Kind: NullVersion}, nil
	}
	if !isHex32(text) {
		msg := "Invalid version id specified"
		if text == "" {
			msg = "Version id cannot be the empty string"
		}
		return Version{}, s3err.InvalidArg("versionId", printable(text), msg)
	}
	return Version{Kind: ByID, ID: text}, nil
}

func isHex32(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}

func (op Operation) takesVersion() bool {
	switch op {
	case GetObject, HeadObject, DeleteObject, GetObjectAttributes,
		GetObjectAcl, PutObjectAcl, GetObjectTagging, PutObjectTagging, DeleteObjectTagging,
		GetObjectLegalHold, PutObjectLegalHold, GetObjectRetention, PutObjectRetention,
		GetObjectTorrent, RestoreObject, SelectObjectContent, UpdateObjectEncryption:
		return true
	}
	return false
}

func (r *Request) parsePart() error {
	r.UploadID = r.Query.Get("uploadId")
	if r.UploadID == "" && r.Query.Has("uploadId") {
		return s3err.InvalidArg("uploadId", "", "The upload id must not be empty.")
	}
	text, ok := r.Query.Lookup("partNumber")
	if !ok {
		return nil
	}
	switch r.Op {
	case UploadPart, UploadPartCopy, GetObject, HeadObject:
	default:
		return nil
	}
	n, ok := parseInt(text)
	if !ok || n < 1 || n > MaxPartNumber {
		return s3err.InvalidArg("partNumber", printable(text),
			"Part number must be an integer between 1 and 10000, inclusive")
	}
	r.PartNumber = n
	return nil
}

func (r *Request) parseList() error {
	name, limit := r.Op.pageParameter()
	if name == "" {
		return nil
	}
	r.MaxKeys = limit
	if text, ok := r.Query.Lookup(name); ok && text != "" {
		n, ok := parseInt(text)
		if !ok {
			return s3err.InvalidArg(name, printable(text), "Argument "+name+" must be an integer between 0 and 2147483647")
		}
		r.MaxKeys = min(n, limit)
	}
	if text, ok := r.Query.Lookup("encoding-type"); ok {
		if text != "url" {
			return s3err.InvalidArg("encoding-type", printable(text), "Invalid Encoding Method specified in Request")
		}
		r.EncodingURL = true
	}
	return nil
}

// pageParameter names the parameter that bounds a page of a list operation.
func (op Operation) pageParameter() (name string, limit int) {
	switch op {
	case ListObjects, ListObjectsV2, ListObjectVersions:
		return "max-keys", maxListed
	case ListMultipartUploads:
		return "max-uploads", maxListed
	case ListParts:
		return "max-parts", maxListed
	case ListBuckets:
		return "max-buckets", maxBuckets
	}
	return "", 0
}

// parseInt reads 0 to 2147483647, digits only.
func parseInt(s string) (int, bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n <= 1<<31-1
}

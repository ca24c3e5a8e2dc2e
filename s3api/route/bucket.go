package route

import (
	"strings"

	"catena/s3api/s3err"
)

// ValidBucketName checks a name by Amazon's rules for general purpose buckets ("General
// purpose bucket naming rules" of the S3 user guide), and that every label between dots
// is a DNS label. The error is *s3err.Error InvalidBucketName.
func ValidBucketName(name string) error {
	if bucketNameOK(name) {
		return nil
	}
	return s3err.New(s3err.InvalidBucketName).With("BucketName", printable(name))
}

func bucketNameOK(name string) bool {
	if len(name) < 3 || len(name) > 63 || reservedName(name) {
		return false
	}
	labels, numeric := 0, 0
	for label := range strings.SplitSeq(name, ".") {
		if !labelOK(label) {
			return false
		}
		labels++
		if strings.Trim(label, "0123456789") == "" {
			numeric++
		}
	}
	return labels != 4 || numeric != 4 // not an IPv4 address
}

func labelOK(label string) bool {
	if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func reservedName(name string) bool {
	for _, p := range [...]string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	for _, s := range [...]string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// ParseCopySource parses an x-amz-copy-source header: "BUCKET/KEY" or "/BUCKET/KEY", percent
// encoded, with "?versionId=ID" behind it or not. The '?' is looked for before decoding,
// so "%3FversionId%3Dx" is part of the key. '+' is itself. Errors are *s3err.Error
// InvalidArgument.
func ParseCopySource(value string) (Source, error) {
	bad := func(why string) (Source, error) {
		return Source{}, s3err.InvalidArg("x-amz-copy-source", printable(value), why)
	}
	raw, rawVersion, hasVersion := value, "", false
	if i := strings.LastIndex(value, "?versionId="); i >= 0 {
		raw, rawVersion, hasVersion = value[:i], value[i+len("?versionId="):], true
	}
	rawBucket, rawKey, found := strings.Cut(strings.TrimPrefix(raw, "/"), "/")
	if !found || rawBucket == "" || rawKey == "" {
		return bad("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	bucket, ok1 := unescape(rawBucket, false)
	key, ok2 := unescape(rawKey, false)
	if !ok1 || !ok2 || !cleanText(bucket) || !cleanText(key) {
		return bad("Invalid copy source encoding.")
	}
	if !bucketNameOK(bucket) {
		return bad("Invalid copy source bucket name")
	}
	if len(key) > MaxKeyLength || escapesBucket(key) {
		return bad("Invalid copy source object key")
	}
	src := Source{Bucket: bucket, Key: key}
	if hasVersion {
		text, ok := unescape(rawVersion, false)
		if !ok {
			return bad("Invalid copy source encoding.")
		}
		var err error
		if src.Version, err = parseVersion(text); err != nil {
			return Source{}, err
		}
	}
	return src, nil
}

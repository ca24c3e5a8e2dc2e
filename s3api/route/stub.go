package route

import "errors"

// Parse parses a request target. Errors are *s3err.Error.
func Parse(in Input) (*Request, error) { return nil, errors.New("route: being written") }

// ParseCopySource parses an x-amz-copy-source header ("/BUCKET/KEY?versionId=ID", the
// leading slash optional, percent-encoded). Errors are *s3err.Error InvalidArgument.
func ParseCopySource(value string) (Source, error) {
	return Source{}, errors.New("route: being written")
}

// ValidBucketName checks a name by Amazon's rules for general purpose buckets.
// The error is *s3err.Error InvalidBucketName.
func ValidBucketName(name string) error { return errors.New("route: being written") }

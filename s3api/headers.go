package s3api

import (
	"strings"

	"catena/s3api/edge"
	"catena/s3api/s3err"
)

func lower(s string) string { return strings.ToLower(s) }

// checkHeaders refuses headers that ask for what is not built. A header that is not
// named here is either read by its operation or asks for nothing.
func checkHeaders(req *edge.Request) (err error) {
	req.Header.WithPrefix("x-amz-", func(name, value string) {
		if err == nil && !strings.HasPrefix(name, "x-amz-meta-") {
			err = checkHeader(name, value)
		}
	})
	return err
}

func checkHeader(name, value string) error {
	switch name {
	case "x-amz-acl":
		return checkACL(value)
	case "x-amz-storage-class":
		return checkStorageClass(value)
	case "x-amz-object-ownership":
		return oneOf(name, value, []string{"BucketOwnerEnforced"}, []string{"BucketOwnerPreferred", "ObjectWriter"})
	case "x-amz-bucket-object-lock-enabled":
		return oneOf(name, lower(value), []string{"false"}, []string{"true"})
	case "x-amz-bucket-namespace":
		return oneOf(name, value, []string{"global"}, []string{"account-regional"})
	case "x-amz-tagging-directive":
		return oneOf(name, value, []string{"COPY", "REPLACE"}, nil)
	case "x-amz-object-lock-legal-hold":
		return oneOf(name, value, nil, []string{"ON", "OFF"})
	case "x-amz-server-side-encryption":
		return checkEncryption(value)
	case "x-amz-server-side-encryption-bucket-key-enabled":
		return oneOf(name, lower(value), []string{"false"}, []string{"true"})
	case "x-amz-tagging":
		if value == "" {
			return nil
		}
		return headerNotBuilt(name)
	case "x-amz-write-offset-bytes", "x-amz-snowball-auto-extract":
		return headerNotBuilt(name)
	}
	for _, prefix := range []string{"x-amz-grant-", "x-amz-server-side-encryption-",
		"x-amz-copy-source-server-side-encryption-", "x-amz-object-lock-"} {
		if strings.HasPrefix(name, prefix) {
			return headerNotBuilt(name)
		}
	}
	return nil
}

func headerNotBuilt(name string) error {
	return s3err.New(s3err.NotImplemented).With("Header", name)
}

// oneOf accepts the values that change nothing, answers 501 to those of Amazon that would, and
// 400 to any other.
func oneOf(name, value string, harmless, unbuilt []string) error {
	for _, v := range harmless {
		if v == value {
			return nil
		}
	}
	for _, v := range unbuilt {
		if v == value {
			return headerNotBuilt(name)
		}
	}
	return s3err.InvalidArg(name, value, "Invalid Argument")
}

// checkACL accepts the canned ACLs that say what is so without them: the owner of
// the bucket, who is the owner of its objects, has full control.
func checkACL(value string) error {
	return oneOf("x-amz-acl", value,
		[]string{"private", "bucket-owner-full-control", "bucket-owner-read"},
		[]string{"public-read", "public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write"})
}

func checkStorageClass(value string) error {
	switch value {
	case "STANDARD":
		return nil
	case "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE",
		"OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP":
		return headerNotBuilt("x-amz-storage-class")
	}
	return s3err.New(s3err.InvalidStorageClass).With("StorageClassRequested", value)
}

func checkEncryption(value string) error {
	switch value {
	case "AES256", "aws:kms", "aws:kms:dsse", "aws:fsx":
		return headerNotBuilt("x-amz-server-side-encryption")
	}
	return s3err.New(s3err.InvalidEncryptionAlgorithmError).With("ArgumentValue", value)
}

package s3xml

import (
	"errors"
	"io"

	"catena/s3api/s3err"
)

func todo(dst []byte) []byte { return dst }

// AppendXML appends the document.
func (x *ListBuckets) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ListObjects) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ListObjectsV2) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ListVersions) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *CopyObject) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *CopyPart) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *InitiateMultipartUpload) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *CompleteMultipartUpload) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ListParts) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ListMultipartUploads) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *DeleteResult) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *LocationConstraint) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *ObjectAttributes) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *VersioningConfiguration) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendXML appends the document.
func (x *AccessControlPolicy) AppendXML(dst []byte) []byte { return todo(dst) }

// AppendEmpty appends a document of one empty element, for configurations that are
// not set: NotificationConfiguration, BucketLoggingStatus, AccelerateConfiguration, ...
func AppendEmpty(dst []byte, root string) []byte { return todo(dst) }

// AppendRequestPayment appends the answer of GetBucketRequestPayment (the owner pays).
func AppendRequestPayment(dst []byte) []byte { return todo(dst) }

// AppendError appends the Error document of e.
func AppendError(dst []byte, e *s3err.Error, resource, requestID string) []byte { return todo(dst) }

// DecodeDelete reads the body of DeleteObjects. Errors are *s3err.Error (MalformedXML, or
// what r returned). Read with it from Request.Body and call Body.Finish before acting.
func DecodeDelete(r io.Reader) (*Delete, error) { return nil, errors.New("s3xml: being written") }

// DecodeCompleteMultipartUpload reads the parts, at least one and at most 10,000, in the
// order sent; that they ascend is for the handler to check.
func DecodeCompleteMultipartUpload(r io.Reader) ([]CompletedPart, error) {
	return nil, errors.New("s3xml: being written")
}

// DecodeCreateBucketConfiguration reads the body of CreateBucket.
func DecodeCreateBucketConfiguration(r io.Reader) (*CreateBucketConfiguration, error) {
	return nil, errors.New("s3xml: being written")
}

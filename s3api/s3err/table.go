package s3err

import (
	"slices"
	"strings"
)

// description is what Amazon says with a code.
type description struct {
	code    Code
	status  int
	message string
}

// describe finds a code's row.
func describe(c Code) (description, bool) {
	i, ok := slices.BinarySearchFunc(descriptions[:], c, func(d description, c Code) int {
		return strings.Compare(string(d.code), string(c))
	})
	if !ok {
		return description{}, false
	}
	return descriptions[i], true
}

// descriptions are ordered by code; nothing changes them.
var descriptions = [...]description{
	{AccessControlListNotSupported, 400, "The bucket does not allow ACLs"},
	{AccessDenied, 403, "Access Denied"},
	{AccountProblem, 403, "There is a problem with your account that prevents the operation from completing successfully."},
	{AuthorizationHeaderMalformed, 400, "The authorization header that you provided is not valid."},
	{AuthorizationQueryParametersError, 400, "Error parsing the query authorization parameters."},
	{BadDigest, 400, "The Content-MD5 or checksum value that you specified did not match what the server received."},
	{BadRequest, 400, "Bad Request"},
	{BucketAlreadyExists, 409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	{BucketAlreadyOwnedByYou, 409, "Your previous request to create the named bucket succeeded and you already own it."},
	{BucketNotEmpty, 409, "The bucket you tried to delete is not empty."},
	{ConditionalRequestConflict, 409, "The conditional request cannot succeed due to a conflicting operation against this resource."},
	{CredentialsNotSupported, 400, "This request does not support credentials."},
	{EntityTooLarge, 400, "Your proposed upload exceeds the maximum allowed size"},
	{EntityTooSmall, 400, "Your proposed upload is smaller than the minimum allowed size"},
	{ExpectationFailed, 417, "The server cannot meet the expectation given in the Expect request header."},
	{ExpiredToken, 400, "The provided token has expired."},
	{HTTPVersionNotSupported, 505, "The HTTP version of the request is not supported."},
	{IllegalLocationConstraintException, 400, "The specified location constraint is not valid for this endpoint."},
	{IllegalVersioningConfigurationException, 400, "The versioning configuration specified in the request is not valid."},
	{IncompleteBody, 400, "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	{InsufficientStorage, 507, "There is not enough free space to store the object."},
	{InternalError, 500, "We encountered an internal error. Please try again."},
	{InvalidAccessKeyId, 403, "The AWS Access Key Id you provided does not exist in our records."},
	{InvalidArgument, 400, "Invalid Argument"},
	{InvalidBucketName, 400, "The specified bucket is not valid."},
	{InvalidBucketState, 409, "The request is not valid with the current state of the bucket."},
	{InvalidChunkSizeError, 400, "Only the last chunk is allowed to have a size less than 8192 bytes"},
	{InvalidDigest, 400, "The Content-MD5 you specified was invalid."},
	{InvalidEncryptionAlgorithmError, 400, "The encryption request that you specified is not valid. The valid value is AES256."},
	{InvalidLocationConstraint, 400, "The specified location-constraint is not valid"},
	{InvalidObjectState, 403, "The operation is not valid for the current state of the object."},
	{InvalidPart, 400, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	{InvalidPartNumber, 416, "The requested partnumber is not satisfiable"},
	{InvalidPartOrder, 400, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	{InvalidPolicyDocument, 400, "The content of the form does not meet the conditions specified in the policy document."},
	{InvalidRange, 416, "The requested range is not satisfiable"},
	{InvalidRequest, 400, "Invalid Request"},
	{InvalidSecurity, 403, "The provided security credentials are not valid."},
	{InvalidStorageClass, 400, "The storage class you specified is not valid"},
	{InvalidTag, 400, "The tag provided was not a valid tag."},
	{InvalidToken, 400, "The provided token is malformed or otherwise invalid."},
	{InvalidURI, 400, "Couldn't parse the specified URI."},
	{KeyTooLongError, 400, "Your key is too long"},
	{MalformedACLError, 400, "The XML you provided was not well-formed or did not validate against our published schema"},
	{MalformedPOSTRequest, 400, "The body of your POST request is not well-formed multipart/form-data."},
	{MalformedPolicy, 400, "Policies must be valid JSON and the first byte must be '{'"},
	{MalformedTrailerError, 400, "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	{MalformedXML, 400, "The XML you provided was not well-formed or did not validate against our published schema"},
	{MaxMessageLengthExceeded, 400, "Your request was too big."},
	{MetadataTooLarge, 400, "Your metadata headers exceed the maximum allowed metadata size"},
	{MethodNotAllowed, 405, "The specified method is not allowed against this resource."},
	{MissingContentLength, 411, "You must provide the Content-Length HTTP header."},
	{MissingRequestBodyError, 400, "Request body is empty."},
	{MissingSecurityHeader, 400, "Your request was missing a required header."},
	{NoSuchBucket, 404, "The specified bucket does not exist"},
	{NoSuchBucketPolicy, 404, "The bucket policy does not exist"},
	{NoSuchCORSConfiguration, 404, "The CORS configuration does not exist"},
	{NoSuchConfiguration, 404, "The specified configuration does not exist."},
	{NoSuchKey, 404, "The specified key does not exist."},
	{NoSuchLifecycleConfiguration, 404, "The lifecycle configuration does not exist"},
	{NoSuchObjectLockConfiguration, 404, "The specified object does not have a ObjectLock configuration"},
	{NoSuchPublicAccessBlockConfiguration, 404, "The public access block configuration was not found"},
	{NoSuchTagSet, 404, "The TagSet does not exist"},
	{NoSuchUpload, 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	{NoSuchVersion, 404, "The specified version does not exist."},
	{NoSuchWebsiteConfiguration, 404, "The specified bucket does not have a website configuration"},
	{NotImplemented, 501, "A header you provided implies functionality that is not implemented"},
	{NotModified, 304, "Not Modified"},
	{ObjectLockConfigurationNotFoundError, 404, "Object Lock configuration does not exist for this bucket"},
	{OperationAborted, 409, "A conflicting conditional operation is currently in progress against this resource. Try again."},
	{OwnershipControlsNotFoundError, 404, "The bucket ownership controls were not found"},
	{PreconditionFailed, 412, "At least one of the pre-conditions you specified did not hold"},
	{ReplicationConfigurationNotFoundError, 404, "The replication configuration was not found"},
	{RequestHeaderSectionTooLarge, 400, "Your request header section exceeds the maximum allowed size."},
	{RequestTimeTooSkewed, 403, "The difference between the request time and the current time is too large."},
	{RequestTimeout, 400, "Your socket connection to the server was not read from or written to within the timeout period."},
	{ServerSideEncryptionConfigurationNotFoundError, 404, "The server side encryption configuration was not found"},
	{ServiceUnavailable, 503, "Service is unable to handle request."},
	{SignatureDoesNotMatch, 403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	{SlowDown, 503, "Please reduce your request rate."},
	{TooManyBuckets, 400, "You have attempted to create more buckets than allowed"},
	{URITooLong, 414, "The request line is too long."},
	{UnexpectedContent, 400, "This request does not support content"},
	{XAmzContentSHA256Mismatch, 400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
}
